//! The hot path of `latest`: a revision that is newer than all its day has seen, laid over a block.
//!
//! The arrays of the new block are those of the old one with one loop over the slots that are said, without
//! branches, so that the compiler makes vectors of it. What does not fit 32-bit values and 8-bit ranks goes
//! the way of the working form.

use std::sync::Arc;

use crate::batch::Batch;
use crate::block::{Batches, DayBlock, DayState, NARROW_BOUND, NARROW_NULL, NARROW_RANKS};
use crate::outcome::Outcome;

/// Up to so many batches a pass over the ranks for each of them is cheaper than a table.
const FEW_BATCHES: usize = 8;

/// A piece of a save: values from slot `first` of a day on, and the decisions on them.
pub(crate) struct Said<'s> {
    /// The batch.
    pub(crate) batch: &'s Arc<Batch>,
    /// First slot.
    pub(crate) first: usize,
    /// One value a slot.
    pub(crate) values: &'s [i64],
    /// As many; those that are open are decided.
    pub(crate) outcomes: &'s mut [Outcome],
}

/// Memory that is kept from piece to piece.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    narrow: Vec<i32>,
    state: DayState,
}

/// The slots of a day that a piece covers.
struct Slots<'d> {
    values: &'d mut [i32],
    winners: &'d mut [u8],
    shown: &'d mut [u8],
}

/// Lets a batch that is not older than any of `block` win the slots whose outcome is open, and writes the
/// outcome: an equal value is a confirmation. None where no slot is open.
pub(crate) fn cover(
    block: &DayBlock,
    said: Said<'_>,
    scratch: &mut Scratch,
) -> Option<Arc<DayBlock>> {
    let open = said.outcomes.iter().filter(|outcome| **outcome == Outcome::Open).count();
    if open == 0 {
        return None;
    }
    let Scratch { narrow, state } = scratch;
    let batches = block.batches();
    if !block.is_narrow() || batches.len() >= NARROW_RANKS || !narrow_all(said.values, narrow) {
        block.load(state);
        state.cover(said.batch, said.first, said.values, said.outcomes);
        return Some(DayBlock::of(state, block.pending().to_vec()));
    }
    Some(block.rewritten(|day| {
        let rank = batches.len() as u8 + 1;
        let range = said.first..said.first + narrow.len();
        let (winners, shown) = day.ranks.split_at_mut(day.values.len());
        let slots = Slots {
            values: &mut day.values[range.clone()],
            winners: &mut winners[range.clone()],
            shown: &mut shown[range],
        };
        if open == narrow.len() {
            win_all(slots, narrow, rank, said.batch, said.outcomes);
        } else {
            win_open(slots, narrow, rank, said.batch, said.outcomes);
        }
        still_used(batches, said.batch, day.ranks)
    }))
}

/// Writes the values in 32 bits; false where one does not fit. What is said of no slot may be anything.
fn narrow_all(values: &[i64], narrow: &mut Vec<i32>) -> bool {
    const MOST: i32 = NARROW_BOUND as i32 - 1;
    let mut does_not_fit = false;
    narrow.clear();
    // In halves of 32 bits, which vectors of any processor compare. Nulls and what is said of no slot are
    // the two least numbers.
    narrow.extend(values.iter().map(|value| {
        let (low, high) = (*value as i32, (*value >> 32) as i32);
        let is_none = (high == i32::MIN) & (low & !1 == 0);
        let is_small = (high == low >> 31) & (low.wrapping_add(MOST) as u32 <= 2 * MOST as u32);
        does_not_fit |= !(is_none | is_small);
        if is_none { NARROW_NULL } else { low }
    }));
    !does_not_fit
}

/// Lets `rank` win all slots, each of which is open: the usual case, without a condition on the outcome.
fn win_all(slots: Slots<'_>, said: &[i32], rank: u8, batch: &Batch, outcomes: &mut [Outcome]) {
    let Slots { values, winners, shown } = slots;
    let skips = batch.skips_existing_check;
    let confirmed = if skips { Outcome::Saved } else { Outcome::Skipped };
    for ((outcome, value), new) in outcomes.iter_mut().zip(&*values).zip(said) {
        let replaces = (*value != NARROW_NULL) & (*new != NARROW_NULL);
        let changed = if replaces { Outcome::Restated } else { Outcome::Saved };
        *outcome = if value == new { confirmed } else { changed };
    }
    if skips {
        shown.fill(rank);
    } else {
        for (((shown, winner), value), new) in
            shown.iter_mut().zip(&*winners).zip(&*values).zip(said)
        {
            // Stepping back from an equal re-issue ends where its predecessor's stepping back ended.
            let stands = (value == new) & (*winner != 0);
            *shown = if stands { *shown } else { rank };
        }
    }
    winners.fill(rank);
    values.copy_from_slice(said);
}

/// Lets `rank` win the open slots.
fn win_open(slots: Slots<'_>, said: &[i32], rank: u8, batch: &Batch, outcomes: &mut [Outcome]) {
    let Slots { values, winners, shown } = slots;
    let days = values.iter_mut().zip(winners).zip(shown).zip(said).zip(outcomes);
    let skips = batch.skips_existing_check;
    let confirmed = if skips { Outcome::Saved } else { Outcome::Skipped };
    for ((((value, winner), shown), new), outcome) in days {
        let is_open = *outcome == Outcome::Open;
        let is_equal = *value == *new;
        let is_news = !is_equal | (*winner == 0) | skips;
        let replaces = (*value != NARROW_NULL) & (*new != NARROW_NULL);
        let changed = if replaces { Outcome::Restated } else { Outcome::Saved };
        let decided = if is_equal { confirmed } else { changed };
        *outcome = if is_open { decided } else { *outcome };
        *shown = if is_open & is_news { rank } else { *shown };
        *winner = if is_open { rank } else { *winner };
        *value = if is_open { *new } else { *value };
    }
}

/// The batches of `old` and then `new` that a rank still points to; the ranks count these from now on.
fn still_used(old: &[Arc<Batch>], new: &Arc<Batch>, ranks: &mut [u8]) -> Batches {
    let count = old.len() + 1;
    let mut used = [false; NARROW_RANKS + 2];
    if count <= FEW_BATCHES {
        for (rank, used) in (1_u8..).zip(&mut used[1..=count]) {
            *used = ranks.iter().fold(false, |any, it| any | (*it == rank));
        }
    } else {
        ranks.iter().for_each(|rank| used[usize::from(*rank)] = true);
    }
    let kept = used[1..=count].iter().filter(|used| **used).count();
    if kept < count {
        renumber(ranks, &used[..=count]);
    }
    let mut batches = Batches::with_capacity(kept);
    let all = old.iter().chain([new]).zip(&used[1..=count]);
    batches.extend(all.filter(|(_, used)| **used).map(|(batch, _)| Arc::clone(batch)));
    batches
}

/// Closes the gaps that ranks nothing uses leave.
fn renumber(ranks: &mut [u8], used: &[bool]) {
    if used.len() <= FEW_BATCHES + 1 {
        for unused in (1..used.len()).rev().filter(|rank| !used[*rank]) {
            let unused = unused as u8;
            ranks.iter_mut().for_each(|rank| *rank -= u8::from(*rank > unused));
        }
        return;
    }
    let mut renumbered = [0_u8; NARROW_RANKS + 2];
    let mut next = 0;
    for (rank, used) in used.iter().enumerate().skip(1) {
        next += u8::from(*used);
        renumbered[rank] = next;
    }
    ranks.iter_mut().for_each(|rank| *rank = renumbered[usize::from(*rank)]);
}

#[cfg(test)]
#[path = "cover/tests.rs"]
mod tests;
