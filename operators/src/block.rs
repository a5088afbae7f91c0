//! The packed, immutable form of a series day, which readers and snapshots share. Ranks point into the day's
//! list of batches: 0 = never covered, `r` = `batches[r-1]`. The list is ascending by `(valid_after,
//! sequence)` and holds only batches that own a slot or a row shown.

mod state;

use std::sync::Arc;

use crate::batch::Batch;
use crate::chunk::Revision;
use crate::quantity::NULL;

pub use state::{DayState, existing, older_than, winner_of};

/// Magnitudes below this are stored in 32 bits: a difference of two of them still fits.
pub(crate) const NARROW_BOUND: i64 = 1 << 30;
/// `NULL` in 32 bits.
pub const NARROW_NULL: i32 = i32::MIN;
/// Most batches a list with 8-bit ranks may hold.
pub(crate) const NARROW_RANKS: usize = 254;

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
fn narrow_into(state: &DayState, values: &mut [i32], ranks: &mut [u8]) {
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
    /// A day of `slots` slots that nothing covers.
    #[must_use]
    pub fn empty(slots: usize) -> DayBlock {
        let mut state = DayState::default();
        state.clear(slots);
        DayBlock::of(&state, Box::default())
    }

    /// The block of a working form, with the revisions that wait.
    #[must_use]
    pub fn of(state: &DayState, pending: Box<[Revision]>) -> DayBlock {
        DayBlock { packed: Packed::pack(state), batches: state.batches.as_slice().into(), pending }
    }

    /// A word of each cache line of the values, ranks and the list of batches.
    pub(crate) fn touch_lines(&self) -> i32 {
        let listed = self.batches.first().map_or(0, |batch| Arc::as_ptr(batch) as usize as i32);
        match &self.packed {
            Packed::Narrow { values, ranks } => {
                let values = values.iter().step_by(16).fold(listed, |all, value| all ^ value);
                ranks.iter().step_by(64).fold(values, |all, rank| all ^ i32::from(*rank))
            }
            Packed::Wide { .. } => 0,
        }
    }

    /// A word of each batch.
    pub(crate) fn touch_batches(&self) -> i32 {
        self.batches.iter().fold(0, |all, batch| all ^ batch.sequence.0 as i32)
    }

    /// As [`DayState::is_newest`].
    #[must_use]
    pub fn is_newest(&self, batch: &Batch) -> bool {
        self.batches.last().is_none_or(|newest| newest.order() <= batch.order())
    }

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
