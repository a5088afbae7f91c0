//! The same seed gives the same changes in the same order, another seed others.

use smartpulse_operators::change::{Change, Checks};

use crate::{changes, rules, source, values};

#[test]
fn a_seed_is_a_fleet_and_another_seed_another() {
    let of = |text: &str| changes(text).collect::<Vec<Change>>();
    let first = of("fleet:7:plants=12,days=2");
    assert!(first == of("fleet:7:days=2,plants=12"));
    let other = of("fleet:8:plants=12,days=2");
    let saves = |changes: &[Change]| {
        let saves = changes.iter().filter_map(|change| match change {
            Change::Save(save) => Some(values(save)),
            _ => None,
        });
        saves.collect::<Vec<_>>()
    };
    assert!(saves(&first) != saves(&other));
}

#[test]
fn changes_come_in_the_order_in_which_they_are_recorded() {
    let mut earlier = None;
    for change in changes("fleet:7:plants=40,days=4") {
        // At one instant units come before memberships, then properties, saves, withdrawals.
        let class = match &change {
            Change::Unit(_) => 0,
            Change::Membership(_) => 1,
            Change::Property(_) => 2,
            Change::Save(_) => 3,
            Change::Withdrawal(_) => 4,
            other => panic!("not said of a fleet: {other:?}"),
        };
        let place = Some((change.recorded(), class));
        assert!(earlier <= place, "{change:?}");
        earlier = place;
    }
}

#[test]
fn the_rules_of_a_replay_hold() {
    let checks = Checks { limits: true, ..Checks::default() };
    let rules = smartpulse_datasets::ReplayRules {
        checks,
        skips_existing_check: true,
        round_digits: Some(0),
        allowed_periods: vec![15, 60],
        ..rules()
    };
    let (mut refused, mut saved) = (0, 0);
    for change in source("fleet:7:plants=20,days=1").open(&rules).unwrap() {
        match change.unwrap() {
            Change::Save(save) => {
                assert!(save.checks == checks && save.batch.skips_existing_check);
                assert!(save.refused.is_empty());
                let whole = |value: i64| value % 100_000 == 0 || value == i64::MIN;
                assert!(values(&save).iter().all(|(_, _, _, value)| whole(*value)), "whole MW");
                saved += 1;
            }
            Change::Refused(batch) => {
                assert_eq!(batch.code, "PERIOD_NOT_ALLOWED");
                refused += batch.values;
            }
            Change::Withdrawal(withdrawal) => assert_eq!(withdrawal.checks, checks),
            _ => {}
        }
    }
    assert!(saved > 0 && refused > 0);
}

#[test]
fn memory_is_that_of_the_plants() {
    // A year begins at once: nothing is made ahead.
    let mut changes = source("fleet:7:plants=60,days=366").open(&rules()).unwrap();
    assert_eq!(changes.by_ref().take(2_000).filter(Result::is_ok).count(), 2_000);
    let progress = changes.progress();
    assert!(progress.total == 366 * 1_440 && progress.done < progress.total / 100, "{progress:?}");
}
