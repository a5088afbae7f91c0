//! Sums and counts of the slots of a day, in 32 bits as long as they fit: most companies do, and a sum that
//! is shared with readers is copied by each tick that changes it.

use serde::{Deserialize, Serialize};

/// A sum and a count a slot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Slots {
    /// All sums, then all counts.
    Narrow(Box<[i32]>),
    /// Likewise.
    Wide(Box<[i64]>),
}

impl Slots {
    /// Nothing on `slots` slots.
    pub(super) fn nothing(slots: usize) -> Slots {
        Slots::Narrow(vec![0; 2 * slots].into())
    }

    /// Number of slots.
    pub(super) fn len(&self) -> usize {
        match self {
            Slots::Narrow(cells) => cells.len() / 2,
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
        self.cell(slot)
    }

    /// The count of a slot.
    pub(super) fn count(&self, slot: usize) -> i64 {
        self.cell(self.len() + slot)
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
        let len = self.len();
        self.add_cell(slot, sum);
        self.add_cell(len + slot, count);
    }

    /// Adds to the sums from slot `first` on, and to the counts.
    pub(super) fn add_run(&mut self, first: usize, sums: &[i32], counts: &[i8]) {
        let len = self.len();
        let did_fit = match self {
            Slots::Narrow(cells) => {
                let (known, reporting) = cells.split_at_mut(len);
                add_narrow(&mut known[first..], sums.iter().copied())
                    && add_narrow(&mut reporting[first..], counts.iter().copied().map(i32::from))
            }
            Slots::Wide(_) => false,
        };
        if did_fit {
            return;
        }
        for (slot, sum) in (first..).zip(sums) {
            self.add_cell(slot, (*sum).into());
        }
        for (slot, count) in (first..).zip(counts) {
            self.add_cell(len + slot, (*count).into());
        }
    }

    /// Adds other slots, as many.
    pub(super) fn merge(&mut self, other: &Slots) {
        for place in 0..2 * self.len().min(other.len()) {
            self.add_cell(place, other.cell(place));
        }
    }

    fn cell(&self, place: usize) -> i64 {
        match self {
            Slots::Narrow(cells) => cells[place].into(),
            Slots::Wide(cells) => cells[place],
        }
    }

    fn add_cell(&mut self, place: usize, more: i64) {
        if let Slots::Narrow(cells) = self {
            let sum = i64::from(cells[place]) + more;
            if let Ok(sum) = i32::try_from(sum) {
                cells[place] = sum;
                return;
            }
            *self = Slots::Wide(cells.iter().copied().map(i64::from).collect());
        }
        if let Slots::Wide(cells) = self {
            cells[place] += more;
        }
    }
}

/// Adds cell by cell; false, and nothing done, where one does not fit.
fn add_narrow(cells: &mut [i32], more: impl Iterator<Item = i32> + Clone) -> bool {
    let mut overflow = 0;
    for (cell, more) in cells.iter_mut().zip(more.clone()) {
        let sum = cell.wrapping_add(more);
        // A sum that overflows has another sign than both of its parts.
        overflow |= (*cell ^ sum) & (more ^ sum);
        *cell = sum;
    }
    if overflow < 0 {
        cells.iter_mut().zip(more).for_each(|(cell, more)| *cell = cell.wrapping_sub(more));
    }
    overflow >= 0
}

/// Equal where the numbers are, however they are kept: which one was ever large does not show.
impl PartialEq for Slots {
    fn eq(&self, other: &Slots) -> bool {
        self.len() == other.len()
            && (0..2 * self.len()).all(|place| self.cell(place) == other.cell(place))
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
}
