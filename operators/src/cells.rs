//! A 32-bit word and two bytes for each slot of a day, in one array of words: first the words of all slots,
//! then the bytes, as bytes or as 16-bit numbers.

use bytemuck::{AnyBitPattern, NoUninit};

/// Length of the array for so many slots.
pub(crate) const fn cells_of(slots: usize) -> usize {
    slots + (2 * slots).div_ceil(size_of::<i32>())
}

/// The slots that an array of that length is for.
pub(crate) fn slots_of(cells: usize) -> usize {
    cells * 2 / 3
}

/// The words, and what stands in the two bytes of all slots.
pub(crate) fn halves<T: AnyBitPattern>(cells: &[i32]) -> (&[i32], &[T]) {
    let slots = slots_of(cells.len());
    let (words, rest) = cells.split_at(slots);
    (words, &bytemuck::cast_slice(rest)[..2 * slots / size_of::<T>()])
}

/// The same to be written.
pub(crate) fn halves_mut<T: AnyBitPattern + NoUninit>(cells: &mut [i32]) -> (&mut [i32], &mut [T]) {
    let slots = slots_of(cells.len());
    let (words, rest) = cells.split_at_mut(slots);
    (words, &mut bytemuck::cast_slice_mut(rest)[..2 * slots / size_of::<T>()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_bytes_of_any_number_of_slots_stand_side_by_side() {
        for slots in 0..=1_440 {
            assert_eq!(slots_of(cells_of(slots)), slots);
            let mut cells = vec![0; cells_of(slots)];
            let (words, bytes) = halves_mut::<u8>(&mut cells);
            words.fill(-1);
            bytes.fill(1);
            let (words, numbers) = halves::<i16>(&cells);
            assert_eq!((words.len(), numbers.len()), (slots, slots));
            assert!(words.iter().all(|word| *word == -1));
            assert!(numbers.iter().all(|number| *number == 257));
        }
    }
}
