//! `latest`: the winner of every slot and the row shown, kept up to date.
//!
//! A piece that is newer than all its series day has seen is decided on the live block. An older one, and
//! a withdrawal, come with the history of their series days, and the day is folded again from it. A
//! revision whose `valid_after` is later than the clock waits in memory until a tick's clock reaches it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;

use crate::block::{DayBlock, DayState, existing};
use crate::chunk::{Chunk, Piece, Revision, SeriesDay, WithdrawalWork, worker_of};
use crate::delta::{Deltas, TouchedDay};
use crate::late::{decide_by_history, insert_in_order, stored_revision};
use crate::outcome::Outcome;
use crate::quantity::ABSENT;
use crate::series::{SeriesId, Subject, SubjectId};
use crate::time::Instant;

/// A decided tick of one worker: the chunk with every outcome, and what it changed.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The chunk; no outcome is open any more.
    pub chunk: Chunk,
    /// Series days whose block changed.
    pub deltas: Deltas,
}

/// Which share of the units a worker holds.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// This worker.
    pub index: usize,
    /// Number of workers.
    pub workers: usize,
}

/// Decides what `gate` let pass against what is there, and keeps the winners. `restored` is the state of
/// the worker's share that a snapshot holds.
pub fn latest<'s>(
    chunks: Stream<'s, u64, Vec<Chunk>>,
    share: Share,
    restored: &[RestoredDay],
) -> Stream<'s, u64, Vec<Arc<Decided>>> {
    let mut latest = Latest { share, ..Latest::default() };
    for day in restored {
        latest.restore(day);
    }
    chunks.unary::<CapacityContainerBuilder<Vec<Arc<Decided>>>, _, _, _>(
        Pipeline,
        "latest",
        |_, _| {
            move |input, output| {
                input.for_each_stamp(|capability, data| {
                    let mut session = output.session(&capability);
                    for chunk in data.flat_map(|chunks| chunks.drain(..)) {
                        session.give(Arc::new(latest.decide(chunk)));
                    }
                });
            }
        },
    )
}

/// A live series day that a snapshot holds.
#[derive(Clone, Debug)]
pub struct RestoredDay {
    /// Which.
    pub series_day: SeriesDay,
    /// Of what.
    pub subject: Arc<Subject>,
    /// Its state.
    pub block: Arc<DayBlock>,
}

impl Default for Share {
    fn default() -> Share {
        Share { index: 0, workers: 1 }
    }
}

/// The live series days of one worker.
#[derive(Default)]
struct Latest {
    share: Share,
    /// One slab for each number of slots a day.
    slabs: Vec<crate::slab::Slab>,
    rows: HashMap<SeriesDay, RowName, FixedState>,
    subjects: HashMap<SeriesId, Arc<Subject>, FixedState>,
    /// Series of each subject, one a period.
    periods: HashMap<SubjectId, Vec<SeriesId>, FixedState>,
    /// Series days with a revision that starts to count at that instant.
    timers: BTreeMap<Instant, BTreeSet<SeriesDay>>,
    /// Working copy, kept for its memory.
    state: DayState,
}

#[derive(Clone, Copy)]
struct RowName {
    slab: usize,
    row: u32,
}

/// Days touched in this tick, in order, with their state before.
type Touched = Vec<(SeriesDay, RowName, DayState)>;

impl Latest {
    fn decide(&mut self, mut chunk: Chunk) -> Decided {
        for (series, subject) in std::mem::take(&mut chunk.named) {
            self.name(series, subject);
        }
        let mut touched = Touched::new();
        let mut seen = HashMap::with_hasher(FixedState::default());
        self.activate(chunk.clock, &mut touched, &mut seen);
        let mut folded_again = Vec::new();
        for index in 0..chunk.pieces.len() {
            let piece = chunk.pieces[index];
            self.touch(piece.series_day(), piece.period.slots(), &mut touched, &mut seen);
            if let Some(history) = chunk.histories.get_mut(&piece.series_day()) {
                let batch = &chunk.saves[piece.save as usize].batch;
                let range = piece.range();
                let outcomes = &mut chunk.outcomes[range.clone()];
                decide_by_history(&piece, batch, &chunk.values[range], outcomes, history);
                folded_again.push(piece);
            } else {
                self.decide_live(&piece, &mut chunk);
            }
        }
        for piece in folded_again {
            if let Some(history) = chunk.histories.remove(&piece.series_day()) {
                self.fold_again(piece.series_day(), piece.period.slots(), &history, chunk.clock);
            }
        }
        if let Some(work) = chunk.withdrawal.take_if(|work| work.refused.is_empty()) {
            self.withdraw(&work, chunk.clock, &mut touched, &mut seen);
            chunk.withdrawal = Some(work);
        }
        let deltas = self.deltas(touched, &seen);
        Decided { chunk, deltas }
    }

    fn restore(&mut self, restored: &RestoredDay) {
        let RestoredDay { series_day, subject, block } = restored;
        let series_day = *series_day;
        self.name(series_day.0, Arc::clone(subject));
        let name = self.row(series_day, block.packed.slots());
        block.load(&mut self.state);
        self.slabs[name.slab].store(name.row, &self.state);
        self.set_pending(series_day, name, block.pending.to_vec());
    }

    fn name(&mut self, series: SeriesId, subject: Arc<Subject>) {
        let id = subject.id;
        if self.subjects.insert(series, subject).is_none() {
            self.periods.entry(id).or_default().push(series);
        }
    }

    /// Versions whose time has come win, in the order in which they begin to count.
    fn activate(&mut self, clock: Instant, touched: &mut Touched, seen: &mut Seen) {
        while let Some(due) = self.timers.first_entry().filter(|due| *due.key() <= clock) {
            for series_day in due.remove() {
                let name = self.rows[&series_day];
                let slab = &mut self.slabs[name.slab];
                let due =
                    slab.pending(name.row).partition_point(|one| one.batch.valid_after <= clock);
                if due == 0 {
                    continue;
                }
                let slots = slab.slots();
                self.touch(series_day, slots, touched, seen);
                let slab = &mut self.slabs[name.slab];
                slab.load(name.row, &mut self.state);
                for revision in slab.pending_mut(name.row).drain(..due) {
                    let mut open = open_outcomes(&revision.values);
                    self.state.cover(
                        &revision.batch,
                        revision.first.into(),
                        &revision.values,
                        &mut open,
                    );
                }
                slab.store(name.row, &self.state);
            }
        }
    }

    /// Decides a piece that comes without history: it is newer than all its day has seen, or waits.
    fn decide_live(&mut self, piece: &Piece, chunk: &mut Chunk) {
        let range = piece.range();
        let batch = &chunk.saves[piece.save as usize].batch;
        let (values, outcomes) = (&chunk.values[range.clone()], &mut chunk.outcomes[range]);
        let name = self.rows[&piece.series_day()];
        let slab = &mut self.slabs[name.slab];
        slab.load(name.row, &mut self.state);
        if batch.valid_after <= chunk.clock {
            if self.state.is_newest(batch) {
                self.state.cover(batch, piece.first.into(), values, outcomes);
                slab.store(name.row, &self.state);
            } else {
                chunk.missing_history.get_or_insert(piece.series_day());
            }
            return;
        }
        let pending = slab.pending_mut(name.row);
        for ((slot, value), outcome) in (usize::from(piece.first)..).zip(values).zip(&mut *outcomes)
        {
            if *outcome == Outcome::Open {
                let waiting =
                    pending.iter().rev().skip_while(|one| one.batch.order() >= batch.order());
                let winner = waiting.map(|one| one.value_at(slot)).find(|waits| *waits != ABSENT);
                *outcome = existing(*value, winner.unwrap_or(self.state.values[slot]), batch);
            }
        }
        if let Some(revision) = stored_revision(piece, batch, values, outcomes) {
            insert_in_order(pending, revision);
            self.timers.entry(batch.valid_after).or_default().insert(piece.series_day());
        }
    }

    fn withdraw(
        &mut self,
        work: &WithdrawalWork,
        clock: Instant,
        touched: &mut Touched,
        seen: &mut Seen,
    ) {
        let share = self.share;
        let own = |unit| worker_of(unit, share.workers) == share.index;
        for day in work.days.iter().filter(|day| own(day.described.unit)) {
            let series_day = (day.series, day.day);
            let slots = day.described.period.slots();
            self.touch(series_day, slots, touched, seen);
            let others: Vec<Revision> = day
                .revisions
                .iter()
                .filter(|revision| revision.batch.sequence != work.batch.sequence)
                .cloned()
                .collect();
            self.fold_again(series_day, slots, &others, clock);
        }
    }

    fn fold_again(
        &mut self,
        series_day: SeriesDay,
        slots: usize,
        history: &[Revision],
        clock: Instant,
    ) {
        let name = self.row(series_day, slots);
        let counting = history.partition_point(|revision| revision.batch.valid_after <= clock);
        let state = DayState::fold(slots, &history[..counting]);
        self.slabs[name.slab].store(name.row, &state);
        self.set_pending(series_day, name, history[counting..].to_vec());
    }

    fn set_pending(&mut self, series_day: SeriesDay, name: RowName, pending: Vec<Revision>) {
        for revision in &pending {
            self.timers.entry(revision.batch.valid_after).or_default().insert(series_day);
        }
        *self.slabs[name.slab].pending_mut(name.row) = pending;
    }

    fn touch(
        &mut self,
        series_day: SeriesDay,
        slots: usize,
        touched: &mut Touched,
        seen: &mut Seen,
    ) {
        if seen.insert(series_day, ()).is_none() {
            let name = self.row(series_day, slots);
            let mut before = DayState::default();
            self.slabs[name.slab].load(name.row, &mut before);
            touched.push((series_day, name, before));
        }
    }

    fn row(&mut self, series_day: SeriesDay, slots: usize) -> RowName {
        if let Some(name) = self.rows.get(&series_day) {
            return *name;
        }
        let slab = self.slabs.iter().position(|slab| slab.slots() == slots).unwrap_or_else(|| {
            self.slabs.push(crate::slab::Slab::new(slots));
            self.slabs.len() - 1
        });
        let name = RowName { slab, row: self.slabs[slab].add_row() };
        self.rows.insert(series_day, name);
        name
    }

    fn deltas(&mut self, touched: Touched, seen: &Seen) -> Deltas {
        let mut deltas = Deltas::default();
        let mut siblings: BTreeSet<SeriesDay> = BTreeSet::new();
        for (series_day, name, before) in touched {
            let subject = Arc::clone(&self.subjects[&series_day.0]);
            let periods = &self.periods[&subject.id];
            let day = series_day.1;
            let others = periods.iter().map(|series| (*series, day));
            siblings.extend(others.filter(|other| !seen.contains_key(other)));
            let touched = TouchedDay { series_day, subject, is_alone: periods.len() == 1 };
            let slab = &self.slabs[name.slab];
            slab.load(name.row, &mut self.state);
            // A day may also have changed in what waits only, so every touched day is handed on.
            deltas.push(touched, &before, &self.state, slab.pending(name.row));
        }
        for (series, day) in siblings {
            if let Some(name) = self.rows.get(&(series, day)) {
                self.slabs[name.slab].load(name.row, &mut self.state);
                deltas.push_sibling(day, Arc::clone(&self.subjects[&series]), &self.state);
            }
        }
        deltas
    }
}

/// Days already in [`Touched`].
type Seen = HashMap<SeriesDay, (), FixedState>;

fn open_outcomes(values: &[i64]) -> Vec<Outcome> {
    let open = |value: &i64| if *value == ABSENT { Outcome::Absent } else { Outcome::Open };
    values.iter().map(open).collect()
}

#[cfg(test)]
#[path = "latest/tests.rs"]
mod tests;
