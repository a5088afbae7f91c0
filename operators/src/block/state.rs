//! Which value wins a slot, and since when it stands: contract section 2, in one place. [`DayState`] is the
//! working form of a series day.

use std::sync::Arc;

use super::{NARROW_BOUND, NARROW_RANKS};
use crate::batch::{Batch, Sequence};
use crate::chunk::Revision;
use crate::outcome::Outcome;
use crate::quantity::{ABSENT, NULL};
use crate::time::Instant;

/// A series day in working form: one entry a slot in each array.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DayState {
    /// Winning values, [`NULL`] where withdrawn or never covered.
    pub values: Vec<i64>,
    /// Rank of the winning revision.
    pub winners: Vec<u16>,
    /// Rank of the row shown: since when the value stands.
    pub shown: Vec<u16>,
    /// The batches the ranks point to.
    pub batches: Vec<Arc<Batch>>,
}

impl DayState {
    /// Makes it a day of `slots` slots that nothing covers.
    pub fn clear(&mut self, slots: usize) {
        self.batches.clear();
        self.values.clear();
        self.values.resize(slots, NULL);
        for ranks in [&mut self.winners, &mut self.shown] {
            ranks.clear();
            ranks.resize(slots, 0);
        }
    }

    /// The state that `revisions`, in `(valid_after, sequence)` order, leave on a day of `slots` slots.
    ///
    /// Looked at from the newest back, as far as some slot is open: of a long history a few decide.
    #[must_use]
    pub fn fold<'r>(slots: usize, revisions: impl IntoIterator<Item = &'r Revision>) -> DayState {
        let revisions: Vec<&Revision> = revisions.into_iter().collect();
        let mut state = DayState::default();
        state.clear(slots);
        let mut folds = vec![Fold::default(); slots];
        let mut open = slots;
        for (index, revision) in revisions.iter().enumerate().rev() {
            if open == 0 {
                break;
            }
            let said = revision.values.iter().zip(usize::from(revision.first)..);
            for (value, slot) in said.filter(|(value, _)| **value != ABSENT) {
                let is_last = revision.batch.skips_existing_check;
                open -= usize::from(folds[slot].step_back(index + 1, *value, is_last));
            }
        }
        state.take_folds(&folds, &revisions);
        state
    }

    fn take_folds(&mut self, folds: &[Fold], revisions: &[&Revision]) {
        // Ranks of the revisions that are still pointed to.
        let mut ranks = vec![0_u16; revisions.len() + 1];
        for fold in folds {
            ranks[fold.winner] = 1;
            ranks[fold.shown] = 1;
        }
        ranks[0] = 0;
        for (rank, revision) in ranks[1..].iter_mut().zip(revisions).filter(|(rank, _)| **rank == 1)
        {
            if self.batches.last().is_none_or(|last| last.sequence != revision.batch.sequence) {
                self.batches.push(Arc::clone(&revision.batch));
            }
            *rank = self.batches.len() as u16;
        }
        for (slot, fold) in folds.iter().enumerate() {
            self.values[slot] = fold.value;
            self.winners[slot] = ranks[fold.winner];
            self.shown[slot] = ranks[fold.shown];
        }
    }

    /// Whether `batch` is not older than any batch in the list, so that it wins every slot it covers.
    #[must_use]
    pub fn is_newest(&self, batch: &Batch) -> bool {
        self.batches.last().is_none_or(|newest| newest.order() <= batch.order())
    }

    /// Lets `batch`, which [`DayState::is_newest`], win the slots from `first` on for which a value is
    /// given and the outcome is open, and writes the outcome: an equal value is a confirmation.
    pub fn cover(
        &mut self,
        batch: &Arc<Batch>,
        first: usize,
        values: &[i64],
        outcomes: &mut [Outcome],
    ) {
        for ((slot, value), outcome) in (first..).zip(values).zip(outcomes) {
            if *outcome == Outcome::Open {
                *outcome = existing(*value, self.values[slot], batch);
                self.cover_slot(batch, slot, *value);
            }
        }
        self.compact();
    }

    fn cover_slot(&mut self, batch: &Arc<Batch>, slot: usize, value: i64) {
        if value == ABSENT {
            return;
        }
        if self.batches.last().is_none_or(|last| last.sequence != batch.sequence) {
            self.batches.push(Arc::clone(batch));
        }
        let rank = self.batches.len() as u16;
        // Stepping back from an equal re-issue ends where its predecessor's stepping back ended.
        let stands =
            self.winners[slot] != 0 && self.values[slot] == value && !batch.skips_existing_check;
        if !stands {
            self.shown[slot] = rank;
        }
        self.winners[slot] = rank;
        self.values[slot] = value;
    }

    /// Drops batches nothing points to and renumbers the ranks.
    fn compact(&mut self) {
        let mut renumbered = vec![0_u16; self.batches.len() + 1];
        for rank in self.winners.iter().chain(&self.shown) {
            renumbered[usize::from(*rank)] = 1;
        }
        renumbered[0] = 0;
        if renumbered[1..].iter().all(|used| *used == 1) {
            return;
        }
        let mut rank = 0;
        let mut used = renumbered[1..].iter();
        self.batches.retain(|_| used.next() == Some(&1));
        for entry in &mut renumbered[1..] {
            if *entry == 1 {
                rank += 1;
                *entry = rank;
            }
        }
        for rank in self.winners.iter_mut().chain(&mut self.shown) {
            *rank = renumbered[usize::from(*rank)];
        }
    }

    /// Whether it fits the narrow form.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        let fits = |value: &i64| *value == NULL || value.abs() < NARROW_BOUND;
        self.batches.len() <= NARROW_RANKS && self.values.iter().all(fits)
    }
}

/// A slot while its revisions are looked at from the newest back; numbers of revisions from 1, 0: none.
#[derive(Clone, Copy, Debug)]
struct Fold {
    winner: usize,
    shown: usize,
    value: i64,
    is_done: bool,
}

impl Default for Fold {
    fn default() -> Fold {
        Fold { winner: 0, shown: 0, value: NULL, is_done: false }
    }
}

impl Fold {
    /// The revision before says `value`; `is_new`: it is no confirmation of an equal one. Whether the slot
    /// is decided by it.
    fn step_back(&mut self, number: usize, value: i64, is_new: bool) -> bool {
        if self.is_done {
            return false;
        }
        if self.winner == 0 {
            (self.winner, self.value) = (number, value);
        }
        // Stepping back from an equal re-issue ends where its predecessor's stepping back ended.
        if value == self.value {
            self.shown = number;
        }
        self.is_done = is_new || value != self.value;
        self.is_done
    }
}

/// The existing check: what storing `value` means where `winner` wins at the batch's own `valid_after`
/// ([`NULL`] where nothing does; a null where there is none is equal).
#[must_use]
pub fn existing(value: i64, winner: i64, batch: &Batch) -> Outcome {
    if value == winner {
        return if batch.skips_existing_check { Outcome::Saved } else { Outcome::Skipped };
    }
    if value != NULL && winner != NULL { Outcome::Restated } else { Outcome::Saved }
}

/// Those of `revisions` (in order) that are older than `order`.
#[must_use]
pub fn older_than(revisions: &[Revision], order: (Instant, Sequence)) -> &[Revision] {
    &revisions[..revisions.partition_point(|revision| revision.batch.order() < order)]
}

/// The winner of `slot` among `revisions` (in order); [`NULL`] if none covers it.
#[must_use]
pub fn winner_of(revisions: &[Revision], slot: usize) -> i64 {
    let said = revisions.iter().rev().map(|revision| revision.value_at(slot));
    { said }.find(|value| *value != ABSENT).unwrap_or(NULL)
}
