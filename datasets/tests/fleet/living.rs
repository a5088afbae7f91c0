//! A fleet that goes on: its past can be asked for in parts, and its desks at any time.

use std::collections::{BTreeMap, BTreeSet};

use smartpulse_datasets::{Asked, LivingFleet};
use smartpulse_operators::change::{Change, Entry};
use smartpulse_operators::quantity::NULL;
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::Instant;

use crate::{MINUTE, Value, entry_values, values};

const DAY: i64 = 1_440 * MINUTE;

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn later(instant: Instant, days: i64) -> Instant {
    Instant(instant.0 + days * DAY)
}

fn recorded(fleet: &LivingFleet, after: Instant, upto: Instant) -> Vec<Change> {
    fleet.recorded(after, upto).unwrap().map(Result::unwrap).collect()
}

#[test]
fn what_was_recorded_is_the_same_whichever_part_is_asked_for() {
    let fleet = LivingFleet::new(7, 24).unwrap();
    let start = at("2027-03-27T17:03:21Z");
    let whole = recorded(&fleet, start, later(start, 3));
    assert!(whole.is_sorted_by_key(Change::recorded));
    let within =
        |change: &Change| start < change.recorded() && change.recorded() <= later(start, 3);
    assert!(whole.iter().all(within));
    let parts = [0, 1, 2].map(|day| recorded(&fleet, later(start, day), later(start, day + 1)));
    // A batch of one part may be withdrawn in the next, which then does not know of it.
    let saves = |changes: &[Change]| -> Vec<Change> {
        changes.iter().filter(|change| matches!(change, Change::Save(_))).cloned().collect()
    };
    assert!(saves(&whole) == saves(&parts.concat()));
    let withdrawn = whole.iter().filter(|change| matches!(change, Change::Withdrawal(_)));
    assert!(withdrawn.count() > 3);
}

#[test]
fn every_provider_of_a_plant_and_its_meter_have_spoken_within_two_days() {
    let fleet = LivingFleet::new(7, 60).unwrap();
    let now = at("2026-11-02T07:44:00Z");
    let mut spoken: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for change in recorded(&fleet, later(now, -2), now) {
        let Change::Save(save) = change else { continue };
        let unit_no = save.entries[0].unit.unit_no;
        spoken.entry(unit_no).or_default().insert(save.batch.provider.key().to_owned());
    }
    for plant in fleet.plants() {
        let spoken = &spoken[&plant.master.unit.unit_no];
        assert!(spoken.contains("Meter"), "{}", plant.master.name);
        for provider in &plant.providers {
            assert!(spoken.contains(provider.key()), "{} {provider:?}", plant.master.name);
        }
        assert!(spoken.contains("ForecastImport") && spoken.len() >= 4);
    }
}

#[test]
fn a_desk_may_be_asked_at_any_time_and_says_what_the_plant_can_do() {
    let mut fleet = LivingFleet::new(7, 60).unwrap();
    let mut state = Reference::default();
    fleet.statements().iter().for_each(|change| state.apply(change));
    for now in ["2026-06-21T11:07:00Z", "2026-12-21T23:50:00Z", "2031-10-26T00:30:00Z"].map(at) {
        let (mut dark, mut bright) = (0, 0);
        for plant in 0..fleet.plants().len() {
            let described = fleet.plants()[plant].clone();
            let is_solar = described.master.plant_type.as_deref() == Some("solar");
            let mut entries: Vec<Entry> =
                fleet.metered(plant, later(now, -1), now).into_iter().collect();
            for provider in &described.providers {
                let provider = provider.key();
                let to = described.zone.civil_days(now, 3).1;
                entries.extend(fleet.forecast(Asked {
                    plant,
                    provider,
                    at: now,
                    number: 5,
                    from: now,
                    to,
                }));
            }
            for (unit, minutes, start, value) in entries.iter().flat_map(entry_values) {
                let (lower, upper) = state.limits(unit, start);
                assert!(value != NULL && unit == described.master.unit);
                assert!(lower.unwrap().0 <= value && value <= upper.unwrap().0, "{unit} {start}");
                let midnight = described.zone.civil_days(start, 1).0;
                let of_day = (start.0 - midnight.0) / MINUTE;
                if is_solar && (of_day + i64::from(minutes) <= 180 || of_day >= 23 * 60) {
                    assert_eq!(value, 0, "{unit} {start}");
                    dark += 1;
                }
                bright += usize::from(is_solar && value > 0);
            }
        }
        assert!(dark > 1_000 && bright > 1_000, "{dark} {bright}");
    }
}

#[test]
fn an_issue_has_every_slot_asked_for_and_another_number_other_values() {
    let mut fleet = LivingFleet::new(7, 12).unwrap();
    let now = at("2026-11-24T02:03:00Z");
    let to = later(now, 2);
    let mut ask = |number, provider| -> Vec<Value> {
        let asked = Asked { plant: 6, provider, at: now, number, from: now, to };
        fleet.forecast(asked).iter().flat_map(entry_values).collect()
    };
    let (one, again, other) =
        (ask(1, "FinalForecast"), ask(1, "FinalForecast"), ask(2, "FinalForecast"));
    assert!(one == again && one != other);
    let minutes: i64 = one.iter().map(|value| i64::from(value.1)).sum();
    assert_eq!(minutes, 2 * 1_440);
    assert!(one[0].2 >= now && one[one.len() - 1].2 < to);
    let sums = [one, other].map(|values| values.iter().map(|value| value.3).sum::<i64>());
    assert!((sums[0] - sums[1]).abs() * 5 < sums[0], "small changes: {sums:?}");
    assert!(ask(1, "SunFlow").is_empty() && ask(1, "NoSuchDesk").is_empty());
}

#[test]
fn a_meter_shows_what_the_history_settles() {
    let mut fleet = LivingFleet::new(7, 6).unwrap();
    let now = at("2026-11-24T12:00:00Z");
    let mut settled = 0;
    for change in recorded(&fleet, later(now, -1), now) {
        let Change::Save(save) = change else { continue };
        if save.entries[0].kind != Kind::Actual || save.batch.note.as_deref() != Some("settled") {
            continue;
        }
        for (unit, _, start, value) in values(&save) {
            let end = Instant(start.0 + 15 * MINUTE);
            let shown = fleet.metered(unit.unit_no as usize - 1, start, end).unwrap();
            assert_eq!(entry_values(&shown)[0].3, value);
            settled += 1;
        }
    }
    assert!(settled >= 6 * 92, "{settled}");
}
