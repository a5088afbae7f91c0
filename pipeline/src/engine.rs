//! The engine: takes journaled ticks in order, has them decided, and makes the result visible.
//!
//! It is the one place that knows what history a tick needs: a save that is older than the newest revision
//! of a series day it touches, and every withdrawal, are handed to the workers with the history of those
//! days, fetched when everything before has closed. So the workers do no IO, and a recovery that applies
//! the same ticks decides the same.

mod closing;
mod newest;
mod parts;
mod withdrawing;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smartpulse_operators::batch::{Epoch, Sequence};
use smartpulse_operators::block::DayBlock;
use smartpulse_operators::catalog::Catalog;
use smartpulse_operators::cause::Cause;
use smartpulse_operators::change::{Change, Tick};
use smartpulse_operators::chunk::{Chunk, Cutter, Revision, SeriesDay, worker_of};
use smartpulse_operators::closed::{ClosedEpoch, Figures, Together};
use smartpulse_operators::latest::RestoredDay;
use smartpulse_operators::offset::Place;
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::{Series, SeriesId};
use smartpulse_operators::time::Instant;
use smartpulse_serve::command::Reply;
use smartpulse_serve::read_model::ReadModel;
use thiserror::Error;

use crate::failpoint::{self, Failpoint};
use crate::history::HistoryError;
use crate::history::tail::Archive;
use crate::ingest::Hearer;
use crate::journal::{JournalError, Spools};
use crate::tally::Tally;
use crate::worker::{Done, WorkerStopped, Workers};

pub use newest::Newest;

/// The state that only the journal can give back, beside the live series days.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Base {
    /// The newest applied epoch.
    pub epoch: Epoch,
    /// Its clock.
    pub clock: Option<Instant>,
    /// The newest batch.
    pub sequence: Sequence,
    /// Every series, in order of ids.
    pub series: Vec<Arc<Series>>,
    /// Statements on units.
    pub reference: Arc<Reference>,
    /// Withdrawn batches and when.
    pub withdrawn: Arc<BTreeMap<Sequence, Instant>>,
    /// Counts by source; changes that came in live count under the empty name.
    pub tallies: BTreeMap<String, Tally>,
    /// How far each source has been taken in.
    pub positions: BTreeMap<String, u64>,
    /// How far each stream of another system has been taken in.
    pub offsets: BTreeMap<Arc<str>, Place>,
    /// Rows of other systems by table and key.
    pub kept: BTreeMap<Arc<str>, Rows>,
}

/// Rows of a table of another system by key, as JSON.
pub type Rows = BTreeMap<Box<str>, Box<str>>;

/// What applying a tick gave.
#[derive(Debug)]
pub struct Applied {
    /// The epoch, now visible.
    pub epoch: Epoch,
    /// One answer a change; empty unless wanted.
    pub replies: Vec<Reply>,
    /// Digest of every decision of the tick.
    pub digest: [u8; 16],
}

/// What is to be told of each change of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replies {
    /// Nothing, but to who may ask again.
    None,
    /// Slots that were refused.
    Refusals,
    /// The decision on every slot.
    Whole,
}

impl Replies {
    /// What those want who hear of a tick: all are callers, or all are sources.
    #[must_use]
    pub fn wanted_by(hearers: &[Hearer]) -> Replies {
        match hearers.first() {
            None => Replies::None,
            Some(Hearer::Source(_)) => Replies::Refusals,
            Some(Hearer::Caller(..) | Hearer::Nobody) => Replies::Whole,
        }
    }
}

/// Why the engine cannot go on.
#[derive(Debug, Error)]
pub enum EngineError {
    /// Changes in a file cannot be read.
    #[error("changes in a file cannot be read")]
    Spool(#[from] JournalError),
    /// The history store failed.
    #[error("the history store failed")]
    History(#[from] HistoryError),
    /// The thread that writes history has stopped.
    #[error("the history store takes no more writes")]
    HistoryStopped,
    /// A worker thread has stopped.
    #[error(transparent)]
    Worker(#[from] WorkerStopped),
    /// A decision differs from the one the journal remembers.
    #[error("epoch {}: the decisions differ from those the journal remembers", .0.0)]
    DecidedDifferently(Epoch),
    /// A worker lacked the history of a series day.
    #[error("epoch {}: the history of a series day was missing", .0.0)]
    MissingHistory(Epoch),
}

/// The engine. It stays on the thread that made it: a single worker works there too.
pub struct Engine {
    base: Base,
    catalog: Catalog,
    cutter: Cutter,
    newest: Newest,
    workers: Workers,
    /// The time of the dataflow: that of parts, of which an epoch may have several.
    time: Epoch,
    archive: Archive,
    read_model: Arc<ReadModel>,
    spools: Spools,
}

/// A live series day as a snapshot holds it.
pub type LiveDay = (SeriesDay, Arc<DayBlock>);

impl Engine {
    /// An engine that goes on from `base` and its live series days, and has published them.
    ///
    /// # Errors
    /// [`EngineError::Worker`].
    pub fn restore(
        base: Base,
        days: Vec<LiveDay>,
        workers: usize,
        archive: Archive,
        (read_model, spools): (Arc<ReadModel>, Spools),
    ) -> Result<Engine, EngineError> {
        let catalog = Catalog::from_series(&base.series);
        let mut newest = Newest::default();
        let mut shares: Vec<Vec<RestoredDay>> = vec![Vec::new(); workers];
        for (series_day, block) in &days {
            let listed = block.batches().last().map(|batch| batch.order());
            let waiting = block.pending().last().map(|revision| revision.batch.order());
            if let Some(order) = listed.max(waiting) {
                newest.insert(*series_day, order);
            }
            let subject = Arc::clone(catalog.subject(series_day.0));
            let share = &mut shares[worker_of(subject.unit, workers)];
            share.push(RestoredDay { series_day: *series_day, subject, block: Arc::clone(block) });
        }
        let mut workers_at_work = Workers::start(shares, base.epoch)?;
        // The gate learns what is known of units by being told it again.
        let told = Tick {
            changes: base.reference.statements(),
            ..Tick::empty(base.epoch, base.clock.unwrap_or(Instant::MIN))
        };
        let mut cutter = Cutter::default();
        let mut chunks = cutter.cut(&told, &mut Catalog::default(), workers);
        for (series, id) in catalog.all().iter().zip(0..).map(|(known, id)| (known, SeriesId(id))) {
            let named = &mut chunks[worker_of(series.unit, workers)].named;
            named.push((id, Arc::clone(catalog.subject(id))));
        }
        let done = workers_at_work.decide(base.epoch, chunks)?;
        let workers = workers_at_work;
        let time = base.epoch;
        let mut engine =
            Engine { base, catalog, cutter, newest, workers, time, archive, read_model, spools };
        let figures = engine.figures(0);
        engine.read_model.publish(ClosedEpoch {
            epoch: engine.base.epoch,
            clock: told.clock,
            new_series: engine.new_series(0),
            blocks: days,
            causes: Vec::new(),
            stated: Vec::new(),
            totals: done.totals,
            reference: Some(Arc::clone(&engine.base.reference)),
            withdrawn: engine.base.withdrawn.iter().map(|(batch, at)| (*batch, *at)).collect(),
            figures,
        });
        engine.base.series = Vec::new();
        Ok(engine)
    }

    /// The state beside the live series days, as of the newest applied tick.
    #[must_use]
    pub fn base(&self) -> Base {
        Base { series: self.catalog.all().to_vec(), ..self.base.clone() }
    }

    /// The archive behind the engine.
    #[must_use]
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Decides a tick and makes it visible, all of it at once. `journal_bytes` is shown; replies are built where
    /// wanted.
    ///
    /// # Errors
    /// [`EngineError`]: the engine must not be used further.
    pub fn apply(
        &mut self,
        tick: &Tick,
        wanted: Replies,
        journal_bytes: u64,
    ) -> Result<Applied, EngineError> {
        let mut together = Together::default();
        let mut applied =
            Applied { epoch: tick.epoch, replies: Vec::new(), digest: Default::default() };
        for (part, place) in parts::all(tick, &self.spools)?.zip(0..) {
            let (part, continues) = part?;
            // Nobody hears of single changes in a file: they are many.
            let told = if part.spooled.is_some() { Replies::None } else { wanted };
            let (decided, closed) = self.decide(&part, told, journal_bytes, (place, continues))?;
            applied.replies.extend(decided.replies);
            applied.digest = parts::joined(place, applied.digest, decided.digest);
            together.add(closed);
        }
        if let Some(whole) = together.whole() {
            self.read_model.publish(whole);
        }
        failpoint::pass(Failpoint::TickPublished);
        Ok(applied)
    }

    /// Decides a part of a tick, `place` among its parts; what it changed is not visible yet.
    fn decide(
        &mut self,
        tick: &Tick,
        wanted: Replies,
        journal_bytes: u64,
        (place, continues): (u32, bool),
    ) -> Result<(Applied, ClosedEpoch), EngineError> {
        let known_series = self.catalog.all().len();
        let mut chunks = self.cutter.cut(tick, &mut self.catalog, self.workers.count());
        for chunk in &mut chunks {
            self.fetch_histories(chunk)?;
        }
        let withdrawal = self.prepare_withdrawal(tick, &mut chunks)?;
        self.time.0 += 1;
        let Done { decided, totals } = self.workers.decide(self.time, chunks)?;
        if decided.iter().any(|one| one.chunk.missing_history.is_some()) {
            return Err(EngineError::MissingHistory(tick.epoch));
        }
        failpoint::pass(Failpoint::TickDecided);
        let mut closing = closing::close(tick, &decided, withdrawal, wanted);
        (closing.history.part, closing.history.continues) = (place, continues);
        self.absorb(tick, &closing);
        let blocks = decided.iter().flat_map(|one| one.deltas.blocks());
        let closed = ClosedEpoch {
            epoch: tick.epoch,
            clock: tick.clock,
            new_series: self.new_series(known_series),
            blocks: blocks.map(|(series_day, block)| (series_day, Arc::clone(block))).collect(),
            causes: closing::causes(&decided),
            stated: tick.changes.iter().filter_map(Cause::of_statement).collect(),
            totals,
            reference: closing.changed_reference.then(|| Arc::clone(&self.base.reference)),
            withdrawn: closing.history.withdrawn.into_iter().collect(),
            figures: self.figures(journal_bytes),
        };
        // History first: what a reader sees must already be found there, and what the next part needs.
        if !self.archive.push(closing.history) {
            return Err(EngineError::HistoryStopped);
        }
        for decided in decided.into_iter().filter_map(Arc::into_inner) {
            self.cutter.take_back(decided.chunk);
        }
        let (epoch, replies, digest) = (tick.epoch, closing.replies, closing.digest);
        Ok((Applied { epoch, replies, digest }, closed))
    }

    /// Adds the history of each series day that a piece older than its newest version touches.
    fn fetch_histories(&mut self, chunk: &mut Chunk) -> Result<(), EngineError> {
        for series_day in self.newest.late_days(chunk) {
            chunk.histories.insert(series_day, self.standing_history(series_day)?);
        }
        Ok(())
    }

    /// Revisions of a series day as of the newest applied tick, those of withdrawn batches left out. A
    /// recovery meets a store that is ahead: later batches are left out too.
    fn standing_history(&self, series_day: SeriesDay) -> Result<Vec<Revision>, EngineError> {
        let all = self.archive.day(series_day)?.into_iter().map(|stored| stored.revision);
        let stands = |revision: &Revision| {
            let sequence = revision.batch.sequence;
            sequence <= self.base.sequence && !self.base.withdrawn.contains_key(&sequence)
        };
        Ok(all.filter(stands).collect())
    }

    fn absorb(&mut self, tick: &Tick, closing: &closing::Closing) {
        let base = &mut self.base;
        base.epoch = tick.epoch;
        base.clock = Some(tick.clock);
        if closing.changed_reference {
            let reference = Arc::make_mut(&mut base.reference);
            tick.changes.iter().for_each(|change| reference.apply(change));
        }
        for change in &tick.changes {
            if let Change::Save(save) = change {
                base.sequence = save.batch.sequence;
            }
        }
        if let Some((sequence, instant)) = closing.history.withdrawn {
            Arc::make_mut(&mut base.withdrawn).insert(sequence, instant);
        }
        let source = tick.position.as_ref().map_or("", |position| &position.source);
        closing.count_into(base.tallies.entry(source.to_owned()).or_default());
        if let Some(position) = &tick.position {
            base.positions.insert(position.source.clone(), position.upto);
        }
        for offset in &tick.offsets {
            base.offsets.insert(Arc::clone(&offset.source), offset.place);
        }
        for kept in &tick.kept {
            let rows = base.kept.entry(Arc::clone(&kept.table)).or_default();
            match &kept.row {
                Some(row) => drop(rows.insert(kept.key.clone(), row.clone())),
                None => drop(rows.remove(&kept.key)),
            }
        }
    }

    fn new_series(&self, known: usize) -> Vec<(SeriesId, Arc<Series>)> {
        let named = self.catalog.all().iter().zip(0..).skip(known);
        named.map(|(series, id)| (SeriesId(id), Arc::clone(series))).collect()
    }

    fn figures(&self, journal_bytes: u64) -> Figures {
        let sum = |count: fn(&Tally) -> u64| self.base.tallies.values().map(count).sum();
        Figures {
            journal_bytes,
            history_lag_epochs: self.archive.lag() as u64,
            batches: self.base.sequence.0,
            saved: sum(|tally| tally.saved),
            skipped: sum(|tally| tally.skipped),
            refused: sum(Tally::all_refused),
            sources: self.base.positions.iter().map(|(name, upto)| (name.clone(), *upto)).collect(),
        }
    }
}
