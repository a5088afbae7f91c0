//! The play without a stage: what is asked for is plausible, the same each time, and bounded.

use std::collections::{BTreeMap, BTreeSet};

use smartpulse_datasets::LivingFleet;
use smartpulse_operators::change::{BatchName, Change, Save};
use smartpulse_operators::quantity::{ABSENT, NULL};
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::{Instant, Zone};
use smartpulse_operators::unit::Unit;

use super::script::{Act, Moment, SECOND, Script};
use super::{METERS_LATE, PLANTS, SEED, words};

const MINUTE: i64 = 60 * SECOND;

/// A play from `begun` on, with what its changes make of the memberships.
struct Play {
    script: Script,
    reference: Reference,
    since: Instant,
    now: Instant,
}

impl Play {
    fn new(begun: &str) -> Play {
        let begun = Instant::parse(begun).unwrap();
        let fleet = LivingFleet::new(SEED, PLANTS).unwrap();
        let mut reference = Reference::default();
        fleet.statements().iter().for_each(|statement| reference.apply(statement));
        let script = Script::new(fleet, (0..PLANTS as usize).collect(), begun);
        Play { script, reference, since: Instant(begun.0 - METERS_LATE), now: begun }
    }

    fn step(&mut self, step: u64) -> Vec<Act> {
        let moment = Moment { step, since: self.since, now: self.now };
        let acts = self.script.acts(moment, &self.reference);
        acts.iter().flatten().for_each(|change| self.reference.apply(change));
        self.since = self.now;
        self.now = Instant(self.now.0 + SECOND);
        acts
    }
}

fn saves(acts: &[Act]) -> impl Iterator<Item = &Save> {
    acts.iter().flatten().filter_map(|change| match change {
        Change::Save(save) => Some(save),
        _ => None,
    })
}

/// Kind, unit, start, minutes and value of every slot of a save.
fn values(save: &Save) -> Vec<(Kind, Unit, Instant, u16, i64)> {
    let mut all = Vec::new();
    for entry in &save.entries {
        entry.curve.for_each_day(entry.period, |day, first, values| {
            let slots = (first..).zip(values).filter(|(_, value)| **value != ABSENT);
            all.extend(slots.map(|(slot, value)| {
                let start = day.slot_start(entry.period, slot);
                (entry.kind, entry.unit, start, entry.period.minutes(), *value)
            }));
        });
    }
    all
}

/// Fails on a value that the plant cannot have.
fn check_plausible(save: &Save, now: Instant, play: &Play) {
    for (kind, unit, start, minutes, value) in values(save) {
        let (lower, upper) = play.reference.limits(unit, start);
        assert!(value != NULL && lower.unwrap().0 <= value && value <= upper.unwrap().0);
        let master = play.reference.newest_unit(unit).unwrap();
        let zone = Zone::parse(&master.zone).unwrap();
        let of_day = (start.0 - zone.civil_days(start, 1).0.0) / MINUTE;
        let is_night = of_day + i64::from(minutes) <= 180 || of_day >= 23 * 60;
        if master.plant_type.as_deref() == Some("solar") && is_night {
            assert_eq!(value, 0, "{unit} {start}");
        }
        if kind == Kind::Actual {
            assert!(start.plus_minutes(15) <= now, "nothing is metered before it is produced");
        }
    }
}

#[test]
fn what_is_saved_is_what_plants_can_do() {
    for begun in ["2026-11-24T02:03:17.5Z", "2027-06-21T10:59:40Z", "2027-03-27T23:30:00Z"] {
        let mut play = Play::new(begun);
        let opening = play.script.opening(play.now, true);
        for save in saves(&opening) {
            check_plausible(save, play.now, &play);
        }
        for step in 0..1_000 {
            let now = play.now;
            for save in saves(&play.step(step)) {
                check_plausible(save, now, &play);
            }
        }
    }
}

#[test]
fn everything_a_console_shows_happens_within_the_first_minute() {
    let mut play = Play::new("2026-11-24T02:03:17.5Z");
    let mut saved = BTreeSet::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for step in 0..60 {
        let now = play.now;
        for act in play.step(step) {
            let what = match &act[..] {
                [Change::Save(save)] => {
                    assert!(saved.insert(save.batch.id), "every batch has its own id");
                    let whole = save.entries.iter().map(|entry| entry.curve.len()).sum::<usize>();
                    match save.entries[0].kind {
                        Kind::Actual if save.entries.len() == 1 => "restated",
                        Kind::Actual => "metered",
                        Kind::Forecast if save.batch.valid_after > now => "for the future",
                        Kind::Forecast if whole <= 4 => "some slots",
                        Kind::Forecast => "re-issued",
                    }
                }
                [Change::Membership(_), Change::Membership(_)] => "sold",
                [Change::Withdrawal(withdrawal)] => {
                    let BatchName::Id(id) = withdrawal.batch else { panic!("{withdrawal:?}") };
                    assert!(saved.contains(&id), "a batch of its own");
                    "withdrawn"
                }
                other => panic!("{other:?}"),
            };
            *seen.entry(what).or_default() += 1;
        }
    }
    for what in
        ["re-issued", "for the future", "some slots", "metered", "restated", "withdrawn", "sold"]
    {
        assert!(seen.contains_key(what), "{what}: {seen:?}");
    }
    assert!(seen["re-issued"] > 30 && seen.values().sum::<usize>() <= 70, "{seen:?}");
}

#[test]
fn a_step_is_a_function_of_seed_step_and_time() {
    let mut play = Play::new("2026-11-24T02:03:17Z");
    let whole: Vec<Vec<Act>> = (0..80).map(|step| play.step(step)).collect();
    let mut other = Play::new("2026-11-24T02:03:17Z");
    for step in [79_usize, 3, 22, 8] {
        let since = match step {
            0 => Instant(other.now.0 - METERS_LATE),
            step => Instant(other.now.0 + (step as i64 - 1) * SECOND),
        };
        let now = Instant(other.now.0 + step as i64 * SECOND);
        let acts = other.script.acts(Moment { step: step as u64, since, now }, &other.reference);
        assert!(acts == whole[step], "{step}");
    }
    let later: Vec<Vec<Act>> = {
        let mut play = Play::new("2026-11-24T02:03:18Z");
        (0..80).map(|step| play.step(step)).collect()
    };
    assert!(whole != later, "another run is another play");
}

#[test]
fn a_folder_whose_plants_are_all_something_else_is_left_alone() {
    let mut play = Play::new("2026-11-24T02:03:17Z");
    play.script.tended.clear();
    assert!(play.script.opening(play.now, true).is_empty());
    assert!((0..100).all(|step| play.step(step).is_empty()));
}

#[test]
fn memberships_do_not_grow_and_every_plant_has_its_owners() {
    let mut play = Play::new("2026-11-24T02:03:17Z");
    let before = play.reference.memberships().count();
    let (mut sales, mut returns) = (0, 0);
    for step in 0..20_000 {
        for act in play.step(step) {
            match &act[..] {
                [Change::Membership(_), Change::Membership(begun)] if !begun.deleted => {
                    sales += usize::from(begun.valid_from != Instant::MIN);
                    returns += usize::from(begun.valid_from == Instant::MIN);
                }
                _ => {}
            }
        }
        assert!(play.reference.memberships().count() <= before + 3, "at {step}");
        let hour = Instant(play.now.0 + 90 * MINUTE);
        for number in [3, 13, 23, 33, 43, 53] {
            let owners = play.reference.memberships().filter(|membership| {
                membership.child.unit_no == number
                    && membership.child
                        == play.script.fleet.plants()[number as usize - 1].master.unit
                    && membership.covers(hour)
            });
            assert_eq!(owners.count(), 1, "plant {number} at {step}");
        }
    }
    assert!(sales > 150 && returns + 3 >= sales, "{sales} {returns}");
}

#[test]
fn quarter_hours_are_metered_once_when_they_end_and_yesterday_is_settled() {
    let mut play = Play::new("2026-11-24T05:55:00Z");
    let mut read: BTreeMap<(Unit, Instant), u32> = BTreeMap::new();
    for step in 0..1_800 {
        for save in saves(&play.step(step)) {
            match save.batch.note.as_deref() {
                Some("read") => values(save).iter().for_each(|value| {
                    *read.entry((value.1, value.2)).or_default() += 1;
                }),
                // 08:15 in Istanbul was before the start, in Berlin it is 07:15 UTC.
                Some("settled") => assert_eq!(step, 0),
                _ => {}
            }
        }
    }
    assert_eq!(read.len(), PLANTS as usize * (32 + 2));
    assert!(read.values().all(|count| *count == 1));
    let mut morning = Play::new("2026-11-24T05:10:00Z");
    // What had been settled in the hours before the start comes with its first step.
    morning.step(0);
    let acts: Vec<Act> = (1..600).flat_map(|step| morning.step(step)).collect();
    let settled: Vec<usize> = saves(&acts)
        .filter(|save| save.batch.note.as_deref() == Some("settled"))
        .map(|save| values(save).len())
        .collect();
    assert!(settled.len() == 1 && settled[0] >= 40 * 96, "{settled:?}");
}

#[test]
fn the_noon_of_tomorrow_is_forecast_for_every_plant_from_the_start() {
    for begun in ["2026-11-24T22:59:59Z", "2026-11-24T23:00:01Z", "2027-03-27T20:00:00Z"] {
        let mut play = Play::new(begun);
        let opening = play.script.opening(play.now, false);
        let mut said: BTreeSet<(Unit, Instant)> = BTreeSet::new();
        for save in saves(&opening).filter(|save| save.batch.provider.key() == "FinalForecast") {
            said.extend(values(save).iter().map(|value| (value.1, value.2)));
        }
        for plant in play.script.fleet.plants() {
            let tomorrow = plant.zone.date(plant.zone.civil_days(play.now, 1).1);
            let noon = format!("{tomorrow}T12:00");
            let noon = smartpulse_operators::time::CivilTime::parse(&noon).unwrap();
            let noon = plant.zone.instant(noon).unwrap();
            // Slots of an hour are those of UTC where clocks are off by half an hour.
            let is_said = |start: Instant| said.contains(&(plant.master.unit, start));
            assert!(is_said(noon) || is_said(noon.plus_minutes(-30)), "{}", plant.master.name);
        }
        assert_eq!(saves(&opening).count(), 9);
    }
    let now = Instant::parse("2026-11-24T23:30:00Z").unwrap();
    let words = words(&LivingFleet::new(SEED, PLANTS).unwrap(), 60, "127.0.0.1:8080", now);
    // In Berlin it is the 25th already.
    assert!(words.contains("/PP/7/") && words.contains("delivery=2026-11-26T12:00"), "{words}");
}
