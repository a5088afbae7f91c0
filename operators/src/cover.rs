//! The hot path of `latest`: a revision that is newer than all its day has seen, laid over a block.
//!
//! The arrays of the new block are those of the old one with one loop over the slots that are said, without
//! branches, so that the compiler makes vectors of it. What does not fit 32-bit values and 8-bit ranks goes
//! the way of the working form.

use std::sync::Arc;

use crate::batch::Batch;
use crate::block::{DayBlock, DayState, NARROW_BOUND, NARROW_NULL, NARROW_RANKS, Packed};
use crate::outcome::Outcome;
use crate::quantity::{ABSENT, NULL};

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

/// Lets a batch that is not older than any of `block` win the slots whose outcome is open, and writes the
/// outcome: an equal value is a confirmation. None where no slot is open.
pub(crate) fn cover(block: &DayBlock, said: Said<'_>, scratch: &mut Scratch) -> Option<DayBlock> {
    if !said.outcomes.contains(&Outcome::Open) {
        return None;
    }
    let pending = block.pending.clone();
    if let Packed::Narrow { values, ranks } = &block.packed
        && block.batches.len() < NARROW_RANKS
        && narrow_all(said.values, &mut scratch.narrow)
    {
        let (mut values, mut ranks) = (values.clone(), ranks.clone());
        let rank = block.batches.len() as u8 + 1;
        win(&mut values, &mut ranks, &scratch.narrow, said.first, rank, said.batch, said.outcomes);
        let batches = still_used(&block.batches, said.batch, &mut ranks);
        return Some(DayBlock { packed: Packed::Narrow { values, ranks }, batches, pending });
    }
    let state = &mut scratch.state;
    block.load(state);
    state.cover(said.batch, said.first, said.values, said.outcomes);
    Some(DayBlock::of(state, pending))
}

/// Writes the values in 32 bits; false where one does not fit. What is said of no slot may be anything.
fn narrow_all(values: &[i64], narrow: &mut Vec<i32>) -> bool {
    narrow.clear();
    narrow.extend(
        values.iter().map(|value| if *value == NULL { NARROW_NULL } else { *value as i32 }),
    );
    let fits = |value: i64| {
        let is_small = value.wrapping_add(NARROW_BOUND - 1) as u64 <= 2 * (NARROW_BOUND - 1) as u64;
        is_small | (value <= ABSENT)
    };
    values.iter().fold(true, |all, value| all & fits(*value))
}

/// Lets `rank` win the open slots.
fn win(
    values: &mut [i32],
    ranks: &mut [u8],
    said: &[i32],
    first: usize,
    rank: u8,
    batch: &Batch,
    outcomes: &mut [Outcome],
) {
    let (winners, shown) = ranks.split_at_mut(values.len());
    let range = first..first + said.len();
    let days = values[range.clone()].iter_mut().zip(&mut winners[range.clone()]);
    let days = days.zip(&mut shown[range]).zip(said).zip(outcomes);
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
        // Stepping back from an equal re-issue ends where its predecessor's stepping back ended.
        *shown = if is_open & is_news { rank } else { *shown };
        *winner = if is_open { rank } else { *winner };
        *value = if is_open { *new } else { *value };
    }
}

/// The batches of `old` and then `new` that a rank still points to; the ranks count these from now on.
fn still_used(old: &[Arc<Batch>], new: &Arc<Batch>, ranks: &mut [u8]) -> Box<[Arc<Batch>]> {
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
    let mut batches = Vec::with_capacity(kept);
    let all = old.iter().chain([new]).zip(&used[1..=count]);
    batches.extend(all.filter(|(_, used)| **used).map(|(batch, _)| Arc::clone(batch)));
    batches.into()
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
