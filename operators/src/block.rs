//! The packed form of a series day, which readers and snapshots share: immutable, and one allocation. Ranks
//! point into the day's list of batches: 0 = never covered, `r` = `batches[r-1]`. The list is ascending by
//! `(valid_after, sequence)` and holds only batches that own a slot or a row shown.

mod shared;
mod state;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::batch::Batch;
use crate::cells::slots_of;
use crate::chunk::Revision;
use crate::quantity::NULL;
use crate::resolve::Values;

pub use state::{DayState, existing, older_than, winner_of};

/// Magnitudes below this are stored in 32 bits: a difference of two of them still fits.
pub(crate) const NARROW_BOUND: i64 = 1 << 30;
/// `NULL` in 32 bits.
pub const NARROW_NULL: i32 = i32::MIN;
/// Most batches a list with 8-bit ranks may hold.
pub(crate) const NARROW_RANKS: usize = 254;
/// Batches listed in the block itself: most days show no more.
const LISTED: usize = 4;

/// The batches of a day.
pub(crate) type Batches = SmallVec<[Arc<Batch>; LISTED]>;

/// An immutable series day, shared by readers and the snapshot writer.
///
/// `C` is `[i32]` but where one is made: an array of the length that its slots take.
#[derive(Debug, PartialEq)]
pub struct DayBlock<C: ?Sized = [i32]> {
    batches: Batches,
    /// What few days have.
    rest: Option<Box<Rest>>,
    /// One value a slot, [`NARROW_NULL`] for [`NULL`], then a byte a slot for the rank of its winner and one
    /// for that of the row shown; no cells where the wide form is needed.
    cells: C,
}

/// What few days have.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rest {
    /// Revisions that count from a later instant than the clock, in order.
    pending: Vec<Revision>,
    /// Values of a magnitude of 2^30 or more, or more than 254 batches.
    wide: Option<Wide>,
}

/// The wide form: all values and ranks as they are.
#[derive(Clone, Debug, PartialEq)]
struct Wide {
    values: Box<[i64]>,
    /// Winners of all slots, then rows shown of all slots.
    ranks: Box<[u16]>,
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

impl DayBlock {
    /// A day of `slots` slots that nothing covers.
    #[must_use]
    pub fn empty(slots: usize) -> Arc<DayBlock> {
        DayBlock::of(&DayState::fold(slots, []), Vec::new())
    }

    /// The block of a working form, with the revisions that wait: as narrow as it fits.
    #[must_use]
    pub fn of(state: &DayState, pending: Vec<Revision>) -> Arc<DayBlock> {
        let batches = state.batches.iter().cloned().collect();
        let ranks = || state.winners.iter().chain(&state.shown).copied();
        if !state.is_narrow() || !shared::has_narrow_form(state.values.len()) {
            let wide = Wide { values: state.values.as_slice().into(), ranks: ranks().collect() };
            let rest = Box::new(Rest { pending, wide: Some(wide) });
            return Arc::new(DayBlock { batches, rest: Some(rest), cells: [] });
        }
        let rest = (!pending.is_empty()).then(|| Box::new(Rest { pending, wide: None }));
        DayBlock::narrow(state.values.len(), rest, |narrow| {
            for (cell, value) in narrow.values.iter_mut().zip(&state.values) {
                *cell = if *value == NULL { NARROW_NULL } else { *value as i32 };
            }
            for (cell, rank) in narrow.ranks.iter_mut().zip(ranks()) {
                *cell = rank as u8;
            }
            batches
        })
    }

    /// The same day with other revisions that wait.
    #[must_use]
    pub fn awaiting(&self, pending: Vec<Revision>) -> Arc<DayBlock> {
        let mut state = DayState::default();
        self.load(&mut state);
        DayBlock::of(&state, pending)
    }

    /// Whether 32-bit values and 8-bit ranks hold it.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        !self.cells.is_empty()
    }

    /// Number of slots.
    #[must_use]
    pub fn slots(&self) -> usize {
        match self.wide() {
            None => slots_of(self.cells.len()),
            Some(wide) => wide.values.len(),
        }
    }

    /// The batches that the ranks point to.
    #[must_use]
    pub fn batches(&self) -> &[Arc<Batch>] {
        &self.batches
    }

    /// Revisions that count from a later instant than the clock, in order.
    #[must_use]
    pub fn pending(&self) -> &[Revision] {
        self.rest.as_ref().map_or(&[], |rest| &rest.pending)
    }

    /// The values of all slots.
    #[must_use]
    pub fn values(&self) -> Values<'_> {
        match self.wide() {
            None => Values::Narrow(self.halves().0),
            Some(wide) => Values::Wide(&wide.values),
        }
    }

    /// Value of a slot; [`NULL`] where none stands.
    #[must_use]
    pub fn value(&self, slot: usize) -> i64 {
        self.values().at(slot)
    }

    /// `(rank of the winner, rank of the row shown)` of a slot.
    #[must_use]
    pub fn ranks(&self, slot: usize) -> (usize, usize) {
        let shown = self.slots() + slot;
        match self.wide() {
            None => {
                let (_, ranks) = self.halves();
                (ranks[slot].into(), ranks[shown].into())
            }
            Some(wide) => (wide.ranks[slot].into(), wide.ranks[shown].into()),
        }
    }

    /// Bytes it holds in memory, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let wide = self.wide().map_or(0, |wide| wide.values.len() * 8 + wide.ranks.len() * 2);
        let waiting: usize =
            self.pending().iter().map(|revision| revision.values.len() * 8 + 64).sum();
        let spilled = if self.batches.spilled() { self.batches.len() * 8 } else { 0 };
        size_of_val(self) + spilled + wide + waiting
    }

    /// A word of each of its cache lines.
    pub(crate) fn touch_lines(&self) -> i32 {
        let listed = self.batches.first().map_or(0, |batch| Arc::as_ptr(batch) as usize as i32);
        self.cells.iter().step_by(16).fold(listed, |all, cell| all ^ cell)
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
        let value = self.value(slot);
        let (_, shown) = self.ranks(slot);
        (value != NULL).then(|| (value, &self.batches[shown - 1]))
    }

    /// The batch of the row shown of `slot`, null or not; none where nothing ever covered it.
    #[must_use]
    pub fn shown(&self, slot: usize) -> Option<&Arc<Batch>> {
        let (_, shown) = self.ranks(slot);
        shown.checked_sub(1).map(|index| &self.batches[index])
    }

    /// Unpacks into working form.
    pub fn load(&self, state: &mut DayState) {
        let slots = self.slots();
        state.clear(slots);
        for slot in 0..slots {
            state.values[slot] = self.value(slot);
            let (winner, shown) = self.ranks(slot);
            (state.winners[slot], state.shown[slot]) = (winner as u16, shown as u16);
        }
        state.batches.extend(self.batches.iter().cloned());
    }

    fn wide(&self) -> Option<&Wide> {
        self.rest.as_ref().and_then(|rest| rest.wide.as_ref())
    }
}

#[cfg(test)]
#[path = "block/tests.rs"]
mod tests;
