//! Which value wins a slot, and since when it stands: contract section 2, in one place.
//!
//! [`DayState`] is the working form of a series day, [`DayBlock`] the packed, immutable one that readers
//! and snapshots share. Ranks point into the day's list of batches: 0 = never covered, `r` = `batches[r-1]`.
//! The list is ascending by `(valid_after, sequence)` and holds only batches that own a slot or a row shown.

use std::sync::Arc;

use crate::batch::{Batch, Sequence};
use crate::chunk::Revision;
use crate::outcome::Outcome;
use crate::quantity::{ABSENT, NULL};
use crate::time::Instant;

/// Magnitudes below this are stored in 32 bits: a difference of two of them still fits.
const NARROW_BOUND: i64 = 1 << 30;
/// `NULL` in 32 bits.
pub const NARROW_NULL: i32 = i32::MIN;
/// Most batches a list with 8-bit ranks may hold.
const NARROW_RANKS: usize = 254;

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
    #[must_use]
    pub fn fold<'r>(slots: usize, revisions: impl IntoIterator<Item = &'r Revision>) -> DayState {
        let mut state = DayState::default();
        state.clear(slots);
        for revision in revisions {
            if state.batches.len() == usize::from(u16::MAX) {
                state.compact();
            }
            let first = usize::from(revision.first);
            for (slot, value) in (first..).zip(revision.values.iter()) {
                state.cover_slot(&revision.batch, slot, *value);
            }
        }
        state.compact();
        state
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

/// The existing check: what storing `value` means where `winner` wins at the batch's own `valid_after`
/// ([`NULL`] where nothing does; a null where there is none is equal).
#[must_use]
pub fn existing(value: i64, winner: i64, batch: &Batch) -> Outcome {
    if value == winner {
        return if batch.skips_existing_check { Outcome::Saved } else { Outcome::Skipped };
    }
    if value != NULL && winner != NULL { Outcome::Restated } else { Outcome::Saved }
}

/// The winner of `slot` among `revisions` (in order) older than `order`; [`NULL`] if none covers it.
#[must_use]
pub fn winner_before(revisions: &[Revision], order: (Instant, Sequence), slot: usize) -> i64 {
    let older = revisions.iter().rev().skip_while(|revision| revision.batch.order() >= order);
    older.map(|revision| revision.value_at(slot)).find(|value| *value != ABSENT).unwrap_or(NULL)
}

/// Values of a day as stored: 32 bits and 8-bit ranks, or the wide fallback. Winners stand before shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Packed {
    /// Every magnitude below 2^30, at most 254 batches.
    Narrow {
        /// One value a slot, `i32::MIN` for [`NULL`].
        values: Box<[i32]>,
        /// Winners of all slots, then rows shown of all slots.
        ranks: Box<[u8]>,
    },
    /// Anything else.
    Wide {
        /// One value a slot.
        values: Box<[i64]>,
        /// Winners of all slots, then rows shown of all slots.
        ranks: Box<[u16]>,
    },
}

/// Writes narrow forms of `state` into slices of `n` values and `2n` ranks.
pub fn narrow_into(state: &DayState, values: &mut [i32], ranks: &mut [u8]) {
    for (narrow, value) in values.iter_mut().zip(&state.values) {
        *narrow = if *value == NULL { NARROW_NULL } else { *value as i32 };
    }
    for (narrow, rank) in ranks.iter_mut().zip(state.winners.iter().chain(&state.shown)) {
        *narrow = *rank as u8;
    }
}

/// `value` in 32 bits, where it fits.
#[must_use]
pub fn narrow(value: i64) -> Option<i32> {
    match value {
        NULL => Some(NARROW_NULL),
        value => (value.abs() < NARROW_BOUND).then_some(value as i32),
    }
}

/// The value a narrow one stands for.
#[must_use]
pub fn widen(narrow: i32) -> i64 {
    if narrow == NARROW_NULL { NULL } else { i64::from(narrow) }
}

impl Packed {
    /// Packs `state` as narrow as it fits.
    #[must_use]
    pub fn pack(state: &DayState) -> Packed {
        let slots = state.values.len();
        if state.is_narrow() {
            let (mut values, mut ranks) = (vec![0; slots], vec![0; 2 * slots]);
            narrow_into(state, &mut values, &mut ranks);
            return Packed::Narrow { values: values.into(), ranks: ranks.into() };
        }
        let ranks = state.winners.iter().chain(&state.shown).copied().collect();
        Packed::Wide { values: state.values.as_slice().into(), ranks }
    }

    /// Number of slots.
    #[must_use]
    pub fn slots(&self) -> usize {
        match self {
            Packed::Narrow { values, .. } => values.len(),
            Packed::Wide { values, .. } => values.len(),
        }
    }

    /// Value of a slot.
    #[must_use]
    pub fn value(&self, slot: usize) -> i64 {
        match self {
            Packed::Narrow { values, .. } => widen(values[slot]),
            Packed::Wide { values, .. } => values[slot],
        }
    }

    /// `(rank of the winner, rank of the row shown)` of a slot.
    #[must_use]
    pub fn ranks(&self, slot: usize) -> (usize, usize) {
        let slots = self.slots();
        match self {
            Packed::Narrow { ranks, .. } => (ranks[slot].into(), ranks[slots + slot].into()),
            Packed::Wide { ranks, .. } => (ranks[slot].into(), ranks[slots + slot].into()),
        }
    }
}

/// An immutable series day, shared by readers and the snapshot writer.
#[derive(Clone, Debug, PartialEq)]
pub struct DayBlock {
    /// Values and ranks.
    pub packed: Packed,
    /// The batches the ranks point to.
    pub batches: Box<[Arc<Batch>]>,
    /// Revisions that count from a later instant than the clock, in order.
    pub pending: Box<[Revision]>,
}

impl DayBlock {
    /// The value of `slot` and the batch of the row shown, where a forecast stands.
    #[must_use]
    pub fn row(&self, slot: usize) -> Option<(i64, &Arc<Batch>)> {
        let value = self.packed.value(slot);
        let (_, shown) = self.packed.ranks(slot);
        (value != NULL).then(|| (value, &self.batches[shown - 1]))
    }

    /// The batch of the row shown of `slot`, null or not; none where nothing ever covered it.
    #[must_use]
    pub fn shown(&self, slot: usize) -> Option<&Arc<Batch>> {
        let (_, shown) = self.packed.ranks(slot);
        shown.checked_sub(1).map(|index| &self.batches[index])
    }

    /// Unpacks into working form.
    pub fn load(&self, state: &mut DayState) {
        let slots = self.packed.slots();
        state.clear(slots);
        for slot in 0..slots {
            state.values[slot] = self.packed.value(slot);
            let (winner, shown) = self.packed.ranks(slot);
            (state.winners[slot], state.shown[slot]) = (winner as u16, shown as u16);
        }
        state.batches.extend(self.batches.iter().cloned());
    }
}

#[cfg(test)]
#[path = "block/tests.rs"]
mod tests;
