//! How a narrow block lies in one allocation: values and ranks in an array of the length its slots take,
//! behind the list of batches. A reader finds all of a day in lines that follow each other, and a tick that
//! replaces it takes and gives back one piece of memory.

use std::sync::Arc;

use super::{Batches, DayBlock, Rest};
use crate::cells::{cells_of, halves, halves_mut};

/// Values and ranks of a narrow block that is being written.
pub(crate) struct Narrow<'b> {
    /// One a slot.
    pub(crate) values: &'b mut [i32],
    /// Winners of all slots, then rows shown of all slots.
    pub(crate) ranks: &'b mut [u8],
}

/// Whether a day of so many slots has one: a period makes it, so it divides the minutes of a day.
pub(super) fn has_narrow_form(slots: usize) -> bool {
    slots > 0 && 1_440 % slots == 0
}

/// A block of so many slots, all cells 0; without cells for a number that has no narrow form.
fn allocate(slots: usize, rest: Option<Box<Rest>>) -> Arc<DayBlock> {
    let batches = Batches::new();
    macro_rules! of_slots {
        ($($of:literal)*) => {
            match slots {
                $($of => Arc::new(DayBlock { batches, rest, cells: [0; cells_of($of)] }),)*
                _ => Arc::new(DayBlock { batches, rest, cells: [] }),
            }
        };
    }
    // The divisors of 1,440.
    of_slots!(1 2 3 4 5 6 8 9 10 12 15 16 18 20 24 30 32 36 40 45 48 60 72 80 90 96 120 144 160 180
        240 288 360 480 720 1440)
}

impl DayBlock {
    /// A narrow block of so many slots as `write` writes it; it gives the batches that the ranks point to.
    pub(super) fn narrow(
        slots: usize,
        rest: Option<Box<Rest>>,
        write: impl FnOnce(Narrow<'_>) -> Batches,
    ) -> Arc<DayBlock> {
        let mut block = allocate(slots, rest);
        // Nobody else holds it yet.
        if let Some(DayBlock { batches, cells, .. }) = Arc::get_mut(&mut block) {
            let (values, ranks) = halves_mut(cells);
            *batches = write(Narrow { values, ranks });
        }
        block
    }

    /// A copy of a narrow block as `write` changes it; the revisions that wait stay.
    pub(crate) fn rewritten(&self, write: impl FnOnce(Narrow<'_>) -> Batches) -> Arc<DayBlock> {
        let (old_values, old_ranks) = self.halves();
        DayBlock::narrow(old_values.len(), self.rest.clone(), |narrow| {
            narrow.values.copy_from_slice(old_values);
            narrow.ranks.copy_from_slice(old_ranks);
            write(narrow)
        })
    }

    /// Values and ranks of a narrow block.
    pub(super) fn halves(&self) -> (&[i32], &[u8]) {
        halves(&self.cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::DayState;
    use crate::quantity::NULL;
    use crate::time::Period;

    #[test]
    fn every_period_has_a_block_of_one_allocation() {
        let periods = (1..=1_440).filter_map(Period::new);
        assert_eq!(periods.clone().count(), 36);
        for slots in periods.map(Period::slots) {
            let block = DayBlock::of(&DayState::fold(slots, []), Vec::new());
            assert!(block.is_narrow(), "{slots}");
            assert_eq!(block.slots(), slots);
        }
    }

    #[test]
    fn a_number_of_slots_that_no_period_makes_is_kept_wide() {
        let block = DayBlock::of(&DayState::fold(7, []), Vec::new());
        assert_eq!((block.is_narrow(), block.slots(), block.value(6)), (false, 7, NULL));
    }

    #[test]
    fn a_day_of_quarter_hours_fills_ten_lines() {
        let counts = 2 * size_of::<usize>();
        assert_eq!(counts + size_of_val(&*DayBlock::empty(96)), 640);
    }
}
