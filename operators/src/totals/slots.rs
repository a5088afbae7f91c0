//! Sums and counts of the slots of a day, in 32 and 16 bits as long as they fit: most totals do, and a sum
//! that is shared with readers is copied by each tick that changes it.

use serde::{Deserialize, Serialize};

use crate::cells::{cells_of, halves, halves_mut, slots_of};

/// A sum and a count a slot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Slots {
    /// All sums, then all counts in 16 bits.
    Narrow(Box<[i32]>),
    /// All sums, then all counts.
    Wide(Box<[i64]>),
}

impl Slots {
    /// Nothing on `slots` slots.
    pub(super) fn nothing(slots: usize) -> Slots {
        Slots::Narrow(vec![0; cells_of(slots)].into())
    }

    /// Number of slots.
    pub(super) fn len(&self) -> usize {
        match self {
            Slots::Narrow(cells) => slots_of(cells.len()),
            Slots::Wide(cells) => cells.len() / 2,
        }
    }

    /// Bytes of the cells.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Slots::Narrow(cells) => size_of_val(&**cells),
            Slots::Wide(cells) => size_of_val(&**cells),
        }
    }

    /// A word of each cache line.
    pub(super) fn touch_lines(&self) -> i32 {
        match self {
            Slots::Narrow(cells) => cells.iter().step_by(16).fold(0, |all, cell| all ^ cell),
            Slots::Wide(cells) => cells.iter().step_by(8).fold(0, |all, cell| all ^ *cell as i32),
        }
    }

    /// The sum of a slot.
    pub(super) fn sum(&self, slot: usize) -> i64 {
        match self {
            Slots::Narrow(cells) => halves::<i16>(cells).0[slot].into(),
            Slots::Wide(cells) => cells[slot],
        }
    }

    /// The count of a slot.
    pub(super) fn count(&self, slot: usize) -> i64 {
        match self {
            Slots::Narrow(cells) => halves::<i16>(cells).1[slot].into(),
            Slots::Wide(cells) => cells[cells.len() / 2 + slot],
        }
    }

    /// Whether every sum and count is 0.
    pub(super) fn is_nothing(&self) -> bool {
        match self {
            Slots::Narrow(cells) => cells.iter().all(|cell| *cell == 0),
            Slots::Wide(cells) => cells.iter().all(|cell| *cell == 0),
        }
    }

    /// Adds to the sum and the count of a slot.
    pub(super) fn add(&mut self, slot: usize, sum: i64, count: i64) {
        let (sum, count) = (self.sum(slot) + sum, self.count(slot) + count);
        if let Slots::Narrow(cells) = self {
            if let (Ok(sum), Ok(count)) = (sum.try_into(), count.try_into()) {
                let (sums, counts) = halves_mut::<i16>(cells);
                (sums[slot], counts[slot]) = (sum, count);
                return;
            }
            self.widen();
        }
        if let Slots::Wide(cells) = self {
            let len = cells.len() / 2;
            (cells[slot], cells[len + slot]) = (sum, count);
        }
    }

    /// Adds to the sums from slot `first` on, and to the counts: as many, or none where they stay.
    pub(super) fn add_run(&mut self, first: usize, sums: &[i32], counts: &[i8]) {
        if let Slots::Narrow(cells) = self {
            let (known, reporting) = halves_mut::<i16>(cells);
            let (known, reporting) = (&mut known[first..], &mut reporting[first..]);
            if add_sums(known, sums) {
                if add_counts(reporting, counts) {
                    return;
                }
                known.iter_mut().zip(sums).for_each(|(sum, more)| *sum = sum.wrapping_sub(*more));
            }
        }
        self.widen();
        if let Slots::Wide(cells) = self {
            let (known, reporting) = cells.split_at_mut(cells.len() / 2);
            known[first..].iter_mut().zip(sums).for_each(|(sum, more)| *sum += i64::from(*more));
            let reporting = reporting[first..].iter_mut().zip(counts);
            reporting.for_each(|(count, more)| *count += i64::from(*more));
        }
    }

    /// Adds other slots, as many.
    pub(super) fn merge(&mut self, other: &Slots) {
        for slot in 0..self.len().min(other.len()) {
            self.add(slot, other.sum(slot), other.count(slot));
        }
    }

    fn widen(&mut self) {
        if matches!(self, Slots::Wide(_)) {
            return;
        }
        let slots = 0..self.len();
        let sums = slots.clone().map(|slot| self.sum(slot));
        *self = Slots::Wide(sums.chain(slots.map(|slot| self.count(slot))).collect());
    }
}

/// Adds one by one; false, and nothing done, where one does not fit.
fn add_sums(sums: &mut [i32], more: &[i32]) -> bool {
    let mut overflow = 0;
    for (sum, more) in sums.iter_mut().zip(more) {
        let new = sum.wrapping_add(*more);
        // A sum that overflows has another sign than both of its parts.
        overflow |= (*sum ^ new) & (more ^ new);
        *sum = new;
    }
    if overflow < 0 {
        sums.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.wrapping_sub(*more));
    }
    overflow >= 0
}

/// The same of counts.
fn add_counts(counts: &mut [i16], more: &[i8]) -> bool {
    let mut overflow = 0;
    for (count, more) in counts.iter_mut().zip(more) {
        let more = i16::from(*more);
        let new = count.wrapping_add(more);
        overflow |= (*count ^ new) & (more ^ new);
        *count = new;
    }
    if overflow < 0 {
        let more = more.iter().copied().map(i16::from);
        counts.iter_mut().zip(more).for_each(|(count, more)| *count = count.wrapping_sub(more));
    }
    overflow >= 0
}

/// Equal where the numbers are, however they are kept: which one was ever large does not show.
impl PartialEq for Slots {
    fn eq(&self, other: &Slots) -> bool {
        let is_same =
            |slot| self.sum(slot) == other.sum(slot) && self.count(slot) == other.count(slot);
        self.len() == other.len() && (0..self.len()).all(is_same)
    }
}

impl Eq for Slots {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_beyond_32_bits_are_exact_and_nothing_of_the_attempt_stays() {
        let mut slots = Slots::nothing(3);
        let most = [i32::MAX, 5, i32::MIN];
        slots.add_run(0, &most, &[1, 0, 1]);
        assert!(matches!(slots, Slots::Narrow(_)));
        slots.add_run(0, &most, &[1, 1, 1]);
        assert!(matches!(slots, Slots::Wide(_)));
        let sums: Vec<i64> = (0..3).map(|slot| slots.sum(slot)).collect();
        assert_eq!(sums, [2 * i64::from(i32::MAX), 10, 2 * i64::from(i32::MIN)]);
        assert_eq!([slots.count(0), slots.count(1), slots.count(2)], [2, 1, 2]);
        // Small again, it equals what was never large.
        slots.add_run(0, &[-i32::MAX, -5, i32::MAX], &[0, 0, 0]);
        slots.add(2, 1, 0);
        let mut small = Slots::nothing(3);
        small.add_run(0, &[i32::MAX, 5, i32::MIN], &[2, 1, 2]);
        assert_eq!(slots, small);
        small.add(0, -1, 0);
        assert_ne!(slots, small);
    }

    #[test]
    fn counts_beyond_16_bits_are_exact_and_nothing_of_the_attempt_stays() {
        let mut slots = Slots::nothing(2);
        for _ in 0..32_767 {
            slots.add_run(0, &[1, 2], &[1, 0]);
        }
        assert!(matches!(slots, Slots::Narrow(_)));
        slots.add_run(0, &[1, 2], &[1, 1]);
        slots.add_run(1, &[5], &[]);
        assert!(matches!(slots, Slots::Wide(_)));
        let read = |slots: &Slots, slot| (slots.sum(slot), slots.count(slot));
        assert_eq!([0, 1].map(|slot| read(&slots, slot)), [(32_768, 32_768), (65_541, 1)]);
        let mut by_slot = Slots::nothing(2);
        by_slot.add(0, 32_768, 32_768);
        by_slot.merge(&Slots::nothing(2));
        by_slot.add(1, 65_541, 1);
        assert_eq!(slots, by_slot);
    }
}
