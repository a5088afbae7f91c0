//! The fast path decides as the working form does, whatever it meets.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Said, Scratch, cover};
use crate::block::{DayBlock, DayState};
use crate::outcome::Outcome;
use crate::quantity::{ABSENT, NULL};
use crate::testing::batch;
use crate::time::Instant;

const SLOTS: usize = 24;

/// First slot, values, which of them are refused, and whether the existing check is skipped.
type Piece = (usize, Vec<i64>, Vec<bool>, bool);

fn piece() -> impl Strategy<Value = Piece> {
    // Few values, so that many are equal; one that needs 64 bits now and then.
    let value = prop_oneof![8 => 0..3_i64, 2 => Just(NULL), 1 => Just(ABSENT), 1 => Just(1 << 40)];
    (0..SLOTS, any::<bool>()).prop_flat_map(move |(first, skips)| {
        let values = vec(value.clone(), 1..=SLOTS - first);
        values.prop_flat_map(move |values| {
            let refused = vec(prop::bool::weighted(0.1), values.len());
            (Just(first), Just(values), refused, Just(skips))
        })
    })
}

fn outcomes((_, values, refused, _): &Piece) -> Vec<Outcome> {
    let outcome = |(value, refused): (&i64, &bool)| match (*value, *refused) {
        (ABSENT, _) => Outcome::Absent,
        (_, true) => Outcome::Locked,
        _ => Outcome::Open,
    };
    values.iter().zip(refused).map(outcome).collect()
}

proptest! {
    #[test]
    fn blocks_are_covered_as_the_working_form_is(pieces in vec(piece(), 1..40)) {
        let (mut state, mut block) = (DayState::default(), DayBlock::empty(SLOTS));
        state.clear(SLOTS);
        let mut scratch = Scratch::default();
        for (piece, number) in pieces.iter().zip(1..) {
            let (first, values, _, skips) = piece;
            let at = Instant(number as i64);
            let batch = Arc::new(batch(number, at, at, "p", *skips));
            let (mut expected, mut decided) = (outcomes(piece), outcomes(piece));
            state.cover(&batch, *first, values, &mut expected);
            let said = Said { batch: &batch, first: *first, values, outcomes: &mut decided };
            if let Some(covered) = cover(&block, said, &mut scratch) {
                block = covered;
            }
            prop_assert_eq!(decided, expected);
            prop_assert_eq!(&block, &DayBlock::of(&state, Vec::new()));
        }
    }

    #[test]
    fn many_batches_of_one_slot_each_are_counted_right(count in 1..1_200_usize) {
        let (mut state, mut block) = (DayState::default(), DayBlock::empty(1_440));
        state.clear(1_440);
        let mut scratch = Scratch::default();
        for number in 0..count {
            let at = Instant(number as i64);
            let batch = Arc::new(batch(number as u64 + 1, at, at, "p", false));
            let first = number * 7 % 300;
            let (mut expected, mut decided) = ([Outcome::Open; 2], [Outcome::Open; 2]);
            state.cover(&batch, first, &[1, NULL], &mut expected);
            let said = Said { batch: &batch, first, values: &[1, NULL], outcomes: &mut decided };
            block = cover(&block, said, &mut scratch).unwrap();
            prop_assert_eq!(decided, expected);
        }
        prop_assert_eq!(&block, &DayBlock::of(&state, Vec::new()));
    }
}
