//! Plays the part of the feeder: cuts ticks into chunks and hands along what the workers need of history.
//!
//! Like the real one it knows only what has been decided in earlier ticks, and the pieces of this one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Act, Answer, Step};
use crate::batch::{Epoch, Sequence};
use crate::catalog::Catalog;
use crate::change::{Change, Checks, Tick};
use crate::chunk::{Chunk, Cutter, DayHistory, Revision, SeriesDay, WithdrawalWork, worker_of};
use crate::late::stored_revision;
use crate::reference::Reference;
use crate::series::SeriesId;
use crate::time::Instant;

/// When a series day's history is handed along: always where it must be, and beyond that …
#[derive(Clone, Copy, Debug)]
pub(crate) enum Histories {
    /// … never.
    AsNeeded,
    /// … for every piece.
    Always,
    /// … by a coin, thrown with this seed.
    Sometimes(u64),
}

/// What has been decided so far.
pub(crate) struct Feeder {
    pub(crate) catalog: Catalog,
    histories: Histories,
    reference: Reference,
    /// The newest order of any piece seen, refused ones included.
    newest: BTreeMap<SeriesDay, (Instant, Sequence)>,
    /// In their order, withdrawn ones included.
    revisions: BTreeMap<SeriesDay, Vec<Revision>>,
    withdrawn: BTreeSet<Sequence>,
    clock: Instant,
    epoch: u64,
}

impl Feeder {
    pub(crate) fn new(histories: Histories) -> Feeder {
        Feeder {
            catalog: Catalog::default(),
            histories,
            reference: Reference::default(),
            newest: BTreeMap::new(),
            revisions: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            clock: Instant::MIN,
            epoch: 0,
        }
    }

    /// The chunks of a tick, and the answer to a withdrawal of which the workers are told nothing.
    pub(crate) fn prepare(
        &mut self,
        steps: &[Step],
        workers: usize,
    ) -> (Vec<Chunk>, Option<Answer>) {
        self.clock = steps.iter().map(|step| step.at).fold(self.clock, Instant::max);
        let mut chunks = self.cut(steps.iter().filter_map(Step::change).collect(), workers);
        for chunk in &mut chunks {
            self.add_histories(chunk);
        }
        for step in steps {
            match &step.act {
                Act::State(change) => self.reference.apply(change),
                Act::Withdraw(sequence, checks) => {
                    let answer = self.resolve(*sequence, *checks, step.at, &mut chunks);
                    return (chunks, answer);
                }
                Act::Save(_) | Act::Clock => {}
            }
        }
        (chunks, None)
    }

    /// The chunks that tell new workers all statements made so far.
    pub(crate) fn statements(&mut self, workers: usize) -> Vec<Chunk> {
        let mut chunks = self.cut(self.reference.statements(), workers);
        for (series, id) in self.catalog.all().iter().zip(0..) {
            let id = SeriesId(id);
            let subject = Arc::clone(self.catalog.subject(id));
            chunks[worker_of(series.unit, workers)].named.push((id, subject));
        }
        chunks
    }

    /// Takes in what a worker decided.
    pub(crate) fn learn(&mut self, chunk: &Chunk) {
        for piece in &chunk.pieces {
            let batch = &chunk.saves[piece.save as usize].batch;
            let range = piece.range();
            let (values, outcomes) = (&chunk.values[range.clone()], &chunk.outcomes[range]);
            if let Some(revision) = stored_revision(piece, batch, values, outcomes) {
                let day = self.revisions.entry(piece.series_day()).or_default();
                day.push(revision);
                day.sort_by_key(|known| known.batch.order());
            }
        }
        if let Some(work) = chunk.withdrawal.as_ref().filter(|work| work.refused.is_empty()) {
            self.withdrawn.insert(work.batch.sequence);
        }
    }

    /// Which share of the workers holds a series day.
    pub(crate) fn worker(&self, (series, _): SeriesDay, workers: usize) -> usize {
        worker_of(self.catalog.series(series).unit, workers)
    }

    fn cut(&mut self, changes: Vec<Change>, workers: usize) -> Vec<Chunk> {
        self.epoch += 1;
        let tick = Tick { changes, ..Tick::empty(Epoch(self.epoch), self.clock) };
        Cutter::default().cut(&tick, &mut self.catalog, workers)
    }

    fn add_histories(&mut self, chunk: &mut Chunk) {
        for piece in &chunk.pieces {
            let order = chunk.saves[piece.save as usize].batch.order();
            let day = piece.series_day();
            let newest = self.newest.entry(day).or_insert(order);
            let is_older = order < *newest;
            *newest = order.max(*newest);
            if is_older || self.adds_freely(day) {
                chunk.histories.insert(day, self.known(day));
            }
        }
    }

    fn adds_freely(&self, (series, day): SeriesDay) -> bool {
        match self.histories {
            Histories::AsNeeded => false,
            Histories::Always => true,
            Histories::Sometimes(seed) => {
                let mixed = seed ^ self.epoch << 20 ^ u64::from(series.0) << 10 ^ day.0 as u64;
                mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 63 == 1
            }
        }
    }

    fn known(&self, day: SeriesDay) -> Vec<Revision> {
        let all = self.revisions.get(&day).into_iter().flatten();
        all.filter(|known| !self.withdrawn.contains(&known.batch.sequence)).cloned().collect()
    }

    fn resolve(
        &self,
        sequence: Sequence,
        checks: Checks,
        recorded: Instant,
        chunks: &mut [Chunk],
    ) -> Option<Answer> {
        let of_batch = |revision: &&Revision| revision.batch.sequence == sequence;
        let Some(revision) = self.revisions.values().flatten().find(of_batch) else {
            return Some(Answer::Unknown);
        };
        if self.withdrawn.contains(&sequence) {
            return Some(Answer::Already);
        }
        let touched = self.revisions.iter().filter(|(_, day)| day.iter().any(|one| of_batch(&one)));
        let days: Vec<DayHistory> = touched
            .map(|(&(series, day), _)| DayHistory {
                series,
                described: Arc::clone(self.catalog.series(series)),
                day,
                revisions: self.known((series, day)),
            })
            .collect();
        for chunk in chunks {
            chunk.withdrawal = Some(WithdrawalWork {
                batch: Arc::clone(&revision.batch),
                recorded,
                checks,
                days: days.clone(),
                refused: Vec::new(),
            });
        }
        None
    }
}
