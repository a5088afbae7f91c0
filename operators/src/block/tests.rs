//! Rules of `block` that no graph test can reach, and the edges of its forms.

use std::sync::Arc;

use proptest::prelude::*;

use super::{DayBlock, DayState, existing, older_than, winner_of};
use crate::batch::{Batch, Sequence};
use crate::chunk::Revision;
use crate::outcome::Outcome;
use crate::quantity::{ABSENT, NULL};
use crate::testing::batch;
use crate::time::Instant;

/// A batch that counts from `valid_after`, with that number in acceptance order.
fn issue(valid_after: i64, sequence: u64) -> Arc<Batch> {
    Arc::new(batch(sequence, Instant(0), Instant(valid_after), "p", false))
}

fn revision(batch: &Arc<Batch>, first: u16, values: &[i64]) -> Revision {
    Revision { batch: Arc::clone(batch), first, values: values.into() }
}

#[test]
fn a_batch_is_newest_when_none_is_newer() {
    let listed = issue(8, 3);
    let state = DayState::fold(1, &[revision(&listed, 0, &[5])]);
    assert!(DayState::default().is_newest(&issue(1, 1)));
    assert!(state.is_newest(&listed), "the batch itself");
    assert!(state.is_newest(&issue(8, 4)) && state.is_newest(&issue(9, 2)));
    assert!(!state.is_newest(&issue(8, 2)) && !state.is_newest(&issue(7, 4)));
}

#[test]
fn cover_decides_open_slots_alone() {
    let mut state = DayState::fold(4, &[revision(&issue(1, 1), 0, &[1, 2, 3, NULL])]);
    let mut outcomes = [Outcome::Locked, Outcome::Open, Outcome::Open];
    state.cover(&issue(2, 2), 1, &[9, 9, NULL], &mut outcomes);
    assert_eq!(outcomes, [Outcome::Locked, Outcome::Restated, Outcome::Skipped]);
    assert_eq!(state.values, [1, 2, 9, NULL]);
    assert_eq!((state.winners, state.shown), (vec![1, 1, 2, 2], vec![1, 1, 2, 1]));
}

#[test]
fn batches_that_own_nothing_are_dropped() {
    let [a, b, c] = [issue(1, 1), issue(2, 2), issue(3, 3)];
    let revisions =
        [revision(&a, 0, &[5, 5, 5]), revision(&b, 0, &[5, 6, ABSENT]), revision(&c, 0, &[5, 7])];
    let state = DayState::fold(3, &revisions);
    assert_eq!(state.batches, [a, c], "b was confirmed over and overwritten");
    assert_eq!((state.winners, state.shown), (vec![2, 2, 1], vec![1, 2, 1]));
}

#[test]
fn a_day_may_have_more_revisions_than_ranks() {
    let revisions: Vec<Revision> = (1..=70_000)
        .map(|number| revision(&issue(1, number), 0, &[if number < 10 { 1 } else { 2 }]))
        .collect();
    let state = DayState::fold(2, &revisions);
    let sequences: Vec<Sequence> = state.batches.iter().map(|batch| batch.sequence).collect();
    assert_eq!(sequences, [Sequence(10), Sequence(70_000)]);
    assert_eq!((state.winners, state.shown), (vec![2, 0], vec![1, 0]));
}

#[test]
fn the_narrow_form_holds_magnitudes_below_two_to_the_thirty() {
    const EDGE: i64 = 1 << 30;
    for (value, is_narrow) in [
        (EDGE - 1, true),
        (1 - EDGE, true),
        (NULL, true),
        (EDGE, false),
        (-EDGE, false),
        (i64::from(i32::MIN), false),
        (1 << 40, false),
    ] {
        let state = DayState::fold(3, &[revision(&issue(1, 1), 0, &[0, value])]);
        let block = DayBlock::of(&state, Vec::new());
        assert_eq!(block.is_narrow(), is_narrow, "{value}");
        assert_eq!([0, 1, 2].map(|slot| block.value(slot)), [0, value, NULL]);
        assert_eq!([0, 1, 2].map(|slot| block.ranks(slot)), [(1, 1), (1, 1), (0, 0)]);
        let mut loaded = DayState::default();
        block.load(&mut loaded);
        assert_eq!(loaded, state);
    }
}

#[test]
fn a_null_is_shown_and_is_no_row() {
    let batch = issue(1, 1);
    let state = DayState::fold(3, &[revision(&batch, 0, &[5, NULL])]);
    let block = DayBlock::of(&state, Vec::new());
    assert_eq!([0, 1, 2].map(|slot| block.row(slot)), [Some((5, &batch)), None, None]);
    assert_eq!([0, 1, 2].map(|slot| block.shown(slot)), [Some(&batch), Some(&batch), None]);
}

#[test]
fn the_winner_before_an_order_is_the_newest_older_one_that_covers_the_slot() {
    let revisions = [
        revision(&issue(1, 4), 0, &[1, 1]),
        revision(&issue(2, 2), 1, &[2]),
        revision(&issue(2, 3), 0, &[3, ABSENT]),
    ];
    let before = |valid_after, sequence, slot| {
        winner_of(older_than(&revisions, (Instant(valid_after), Sequence(sequence))), slot)
    };
    assert_eq!([before(1, 4, 0), before(1, 5, 0), before(1, 5, 2)], [NULL, 1, NULL]);
    assert_eq!([before(2, 3, 0), before(2, 3, 1), before(9, 9, 0)], [1, 2, 3]);
}

#[test]
fn what_an_equal_value_means_depends_on_the_skip() {
    let plain = batch(1, Instant(0), Instant(0), "p", false);
    let skipping = batch(1, Instant(0), Instant(0), "p", true);
    for (value, winner, of_plain, of_skipping) in [
        (5, 5, Outcome::Skipped, Outcome::Saved),
        (NULL, NULL, Outcome::Skipped, Outcome::Saved),
        (5, 6, Outcome::Restated, Outcome::Restated),
        (5, NULL, Outcome::Saved, Outcome::Saved),
        (NULL, 5, Outcome::Saved, Outcome::Saved),
    ] {
        let told = [existing(value, winner, &plain), existing(value, winner, &skipping)];
        assert_eq!(told, [of_plain, of_skipping], "{value} over {winner}");
    }
}

proptest! {
    /// Looked at from the newest back or laid over one another from the oldest on.
    #[test]
    fn a_fold_is_every_revision_laid_over_the_older_ones(
        said in prop::collection::vec(
            (0_u16..6, prop::collection::vec(prop_oneof![0_i64..3, Just(NULL), Just(ABSENT)], 1..7), any::<bool>()),
            0..12,
        ),
    ) {
        let slots = 12;
        let revisions: Vec<Revision> = (1..)
            .zip(&said)
            .map(|(sequence, (first, values, skips))| {
                let issued = batch(sequence, Instant(0), Instant(sequence as i64), "p", *skips);
                revision(&Arc::new(issued), *first, values)
            })
            .collect();
        let mut laid = DayState::default();
        laid.clear(slots);
        for Revision { batch, first, values } in &revisions {
            let open = |value: &i64| if *value == ABSENT { Outcome::Absent } else { Outcome::Open };
            let mut outcomes: Vec<Outcome> = values.iter().map(open).collect();
            laid.cover(batch, usize::from(*first), values, &mut outcomes);
        }
        prop_assert_eq!(DayState::fold(slots, &revisions), laid);
    }
}
