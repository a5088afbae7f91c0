//! `latest`: the winner of every slot and the row shown, kept up to date.
//!
//! A piece that is newer than all its series day has seen is decided on the live block. An older one, and
//! a withdrawal, come with the history of their series days, and the day is folded again from it. A
//! revision whose `valid_after` is later than the clock waits in memory until a tick's clock reaches it.
//!
//! Blocks are immutable and shared with all that reads them (deltas, totals, the read model): a live point
//! is resident once. Changing them in place in slabs was measured faster in this operator alone, but every
//! reader then needs a copy of its own.

mod days;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;

use crate::batch::Batch;
use crate::block::{DayBlock, DayState, existing};
use crate::chunk::{Chunk, Piece, Revision, SeriesDay, WithdrawalWork, worker_of};
use crate::cover::{Said, Scratch, cover};
use crate::delta::Deltas;
use crate::late::{decide_by_history, insert_in_order, stored_revision};
use crate::outcome::Outcome;
use crate::quantity::ABSENT;
use crate::series::Subject;
use crate::time::Instant;
use days::Days;

/// Pieces whose blocks are read before the first of them is decided: few enough to stay in the first cache,
/// enough for the memory to fetch them side by side.
const AHEAD: usize = 16;

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
    days: Days,
    /// Series days with a revision that starts to count at that instant.
    timers: BTreeMap<Instant, BTreeSet<SeriesDay>>,
    scratch: Scratch,
    /// What reading ahead has read: kept, so that it is read.
    warmth: i32,
}

impl Latest {
    fn decide(&mut self, mut chunk: Chunk) -> Decided {
        for (series, subject) in std::mem::take(&mut chunk.named) {
            self.days.name(series, subject);
        }
        self.activate(chunk.clock);
        let touch = |piece: &Piece| self.days.touch(piece.series_day(), piece.period.slots());
        let places: Vec<usize> = chunk.pieces.iter().map(touch).collect();
        let mut folded_again = Vec::new();
        for index in 0..chunk.pieces.len() {
            if index.is_multiple_of(AHEAD) {
                let group = &places[index..places.len().min(index + AHEAD)];
                self.warmth ^= warm(group.iter().map(|place| self.days.touched[*place].block()));
            }
            let piece = chunk.pieces[index];
            if chunk.histories.is_empty() {
                self.decide_live(&piece, places[index], &mut chunk);
            } else if let Some(history) = chunk.histories.get_mut(&piece.series_day()) {
                let batch = &chunk.saves[piece.save as usize].batch;
                let range = piece.range();
                let outcomes = &mut chunk.outcomes[range.clone()];
                decide_by_history(&piece, batch, &chunk.values[range], outcomes, history);
                folded_again.push((piece, places[index]));
            } else {
                self.decide_live(&piece, places[index], &mut chunk);
            }
        }
        for (piece, place) in folded_again {
            if let Some(history) = chunk.histories.remove(&piece.series_day()) {
                self.fold_again(place, piece.period.slots(), &history, chunk.clock);
            }
        }
        if let Some(work) = chunk.withdrawal.take_if(|work| work.refused.is_empty()) {
            self.withdraw(&work, chunk.clock);
            chunk.withdrawal = Some(work);
        }
        let deltas = self.days.deltas();
        Decided { chunk, deltas }
    }

    fn restore(&mut self, restored: &RestoredDay) {
        let RestoredDay { series_day, subject, block } = restored;
        self.days.name(series_day.0, Arc::clone(subject));
        self.days.put(*series_day, Arc::clone(block));
        self.set_timers(*series_day, block.pending());
    }

    /// Versions whose time has come win, in the order in which they begin to count.
    fn activate(&mut self, clock: Instant) {
        while let Some(due) = self.timers.first_entry().filter(|due| *due.key() <= clock) {
            for series_day in due.remove() {
                // Where this tick has met it, it has been looked at.
                let Some(block) = self.days.untouched(series_day) else { continue };
                if block.pending().first().is_none_or(|one| one.batch.valid_after > clock) {
                    continue;
                }
                let slots = block.slots();
                let place = self.days.touch(series_day, slots);
                self.begin_to_count(place, clock);
            }
        }
    }

    fn begin_to_count(&mut self, place: usize, clock: Instant) {
        let touched = &mut self.days.touched[place];
        let mut waiting = touched.block().pending().to_vec();
        let due = waiting.partition_point(|one| one.batch.valid_after <= clock);
        let mut block = touched.block().awaiting(Vec::new());
        for Revision { batch, first, values } in waiting.drain(..due) {
            let mut outcomes = open_outcomes(&values);
            let (first, outcomes) = (first.into(), &mut outcomes[..]);
            let said = Said { batch: &batch, first, values: &values, outcomes };
            if let Some(covered) = cover(&block, said, &mut self.scratch) {
                block = covered;
            }
        }
        touched.new = Some(block.awaiting(waiting));
    }

    /// Decides a piece that comes without history: it is newer than all its day has seen, or waits.
    fn decide_live(&mut self, piece: &Piece, place: usize, chunk: &mut Chunk) {
        let range = piece.range();
        let batch = &chunk.saves[piece.save as usize].batch;
        let (values, outcomes) = (&chunk.values[range.clone()], &mut chunk.outcomes[range]);
        let touched = &mut self.days.touched[place];
        if batch.valid_after > chunk.clock {
            let block = touched.block();
            if let Some(waiting) = await_its_time(piece, batch, values, outcomes, block) {
                self.timers.entry(batch.valid_after).or_default().insert(piece.series_day());
                touched.new = Some(block.awaiting(waiting));
            }
        } else if touched.block().is_newest(batch) {
            let said = Said { batch, first: piece.first.into(), values, outcomes };
            if let Some(covered) = cover(touched.block(), said, &mut self.scratch) {
                touched.new = Some(covered);
            }
        } else {
            chunk.missing_history.get_or_insert(piece.series_day());
        }
    }

    fn withdraw(&mut self, work: &WithdrawalWork, clock: Instant) {
        let share = self.share;
        let own = |unit| worker_of(unit, share.workers) == share.index;
        for day in work.days.iter().filter(|day| own(day.described.unit)) {
            let slots = day.described.period.slots();
            let place = self.days.touch((day.series, day.day), slots);
            let others: Vec<Revision> = day
                .revisions
                .iter()
                .filter(|revision| revision.batch.sequence != work.batch.sequence)
                .cloned()
                .collect();
            self.fold_again(place, slots, &others, clock);
        }
    }

    fn fold_again(&mut self, place: usize, slots: usize, history: &[Revision], clock: Instant) {
        let counting = history.partition_point(|revision| revision.batch.valid_after <= clock);
        let state = DayState::fold(slots, &history[..counting]);
        let pending = &history[counting..];
        self.set_timers(self.days.touched[place].series_day, pending);
        let (folded, touched) =
            (DayBlock::of(&state, pending.to_vec()), &mut self.days.touched[place]);
        // How much comes with its history is the feeder's choice: what changes must not show it.
        if *folded != *touched.block() {
            touched.new = Some(folded);
        }
    }

    fn set_timers(&mut self, series_day: SeriesDay, pending: &[Revision]) {
        for revision in pending {
            self.timers.entry(revision.batch.valid_after).or_default().insert(series_day);
        }
    }
}

/// Reads a word of every cache line that deciding will need, line after line of the same kind, so that the
/// memory fetches many at once: a prefetch that needs nothing unsafe.
fn warm<'b>(blocks: impl Iterator<Item = &'b DayBlock> + Clone) -> i32 {
    let lines = blocks.clone().fold(0, |all, block| all ^ block.touch_lines());
    blocks.fold(lines, |all, block| all ^ block.touch_batches())
}

/// Decides a piece that counts from later than the clock; what waits with it among the others, none where
/// nothing of it is stored.
fn await_its_time(
    piece: &Piece,
    batch: &Arc<Batch>,
    values: &[i64],
    outcomes: &mut [Outcome],
    block: &DayBlock,
) -> Option<Vec<Revision>> {
    for ((slot, value), outcome) in (usize::from(piece.first)..).zip(values).zip(&mut *outcomes) {
        if *outcome == Outcome::Open {
            let older = block.pending().iter().rev();
            let older = older.skip_while(|one| one.batch.order() >= batch.order());
            let winner = older.map(|one| one.value_at(slot)).find(|waits| *waits != ABSENT);
            let winner = winner.unwrap_or_else(|| block.value(slot));
            *outcome = existing(*value, winner, batch);
        }
    }
    let revision = stored_revision(piece, batch, values, outcomes)?;
    let mut waiting = block.pending().to_vec();
    insert_in_order(&mut waiting, revision);
    Some(waiting)
}

fn open_outcomes(values: &[i64]) -> Vec<Outcome> {
    let open = |value: &i64| if *value == ABSENT { Outcome::Absent } else { Outcome::Open };
    values.iter().map(open).collect()
}

#[cfg(test)]
#[path = "latest/tests.rs"]
mod tests;
