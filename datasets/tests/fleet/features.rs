//! Everything that the default fleet promises is in it, counted.

use std::collections::{BTreeMap, BTreeSet};

use smartpulse_operators::change::{BatchName, Change, Save};
use smartpulse_operators::quantity::NULL;
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Unit, UnitType};

use crate::{MINUTE, Units, Value, changes, values};

fn default_fleet() -> Vec<Change> {
    changes("fleet:7").collect()
}

fn saves(changes: &[Change]) -> impl Iterator<Item = &Save> {
    changes.iter().filter_map(|change| match change {
        Change::Save(save) => Some(save),
        _ => None,
    })
}

#[test]
fn units_stand_in_five_zones_and_belong_to_companies_and_groups() {
    let changes = default_fleet();
    let units = Units::of(&changes);
    let count = |of: UnitType| units.0.keys().filter(|unit| unit.unit_type == of).count();
    assert_eq!(count(UnitType::PowerPlant), 60);
    assert!(count(UnitType::Company) >= 3 && count(UnitType::Group) >= 2);
    let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut regions = BTreeSet::new();
    for (unit, versions) in &units.0 {
        if unit.unit_type == UnitType::PowerPlant {
            *zones.entry(&versions[0].zone).or_default() += 1;
            *kinds.entry(units.plant_type(*unit)).or_default() += 1;
            regions.insert(versions[0].region.clone().unwrap());
        }
    }
    let turkish = zones["Europe/Istanbul"];
    assert!(turkish >= 40, "{zones:?}");
    for zone in ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"] {
        assert!(zones[zone] >= 2, "{zones:?}");
    }
    assert!(kinds.len() == 4 && kinds.values().all(|count| *count >= 4), "{kinds:?}");
    assert!(regions.len() >= 20, "{regions:?}");
    let extended = units.0.values().filter(|versions| versions.len() > 1).count();
    assert!(extended >= 2, "installed power changes: {extended}");
    let markets = changes.iter().filter(
        |change| matches!(change, Change::Property(property) if property.value.as_deref() == Some("EPIAS")),
    );
    let markets = markets.count();
    assert!(markets > turkish / 2 && markets < turkish, "{markets} of {turkish}");
}

#[test]
fn plants_are_shared_and_sold() {
    let changes = default_fleet();
    let mut parents: BTreeMap<Unit, BTreeSet<Unit>> = BTreeMap::new();
    let (mut ends, mut begins) = (BTreeMap::new(), BTreeMap::new());
    for change in &changes {
        let Change::Membership(membership) = change else { continue };
        if membership.valid_from == Instant::MIN {
            parents.entry(membership.child).or_default().insert(membership.parent);
        } else {
            begins.insert((membership.child, membership.valid_from), membership.parent);
        }
        if let Some(end) = membership.valid_to {
            ends.insert((membership.child, end), membership.parent);
            assert_ne!(membership.recorded, Instant::MIN, "a sale becomes known");
        }
    }
    let shared = parents
        .iter()
        .filter(|(child, parents)| child.unit_type == UnitType::PowerPlant && parents.len() == 2);
    assert!(shared.count() >= 3);
    assert!(ends.len() >= 4);
    assert!(ends.keys().eq(begins.keys()), "the buyer begins where the seller ends");
    assert!(ends.iter().all(|(sale, seller)| begins[sale] != *seller));
    let half_hours = ends.keys().filter(|(_, at)| at.0 / MINUTE % 60 == 30).count();
    assert!(half_hours >= 2 && half_hours < ends.len(), "{half_hours} of {}", ends.len());
}

#[test]
fn desks_issue_in_their_own_rhythm_and_period() {
    let changes = default_fleet();
    let mut periods: BTreeMap<u16, BTreeSet<Unit>> = BTreeMap::new();
    let mut per_provider: BTreeMap<(Unit, &str), BTreeSet<u16>> = BTreeMap::new();
    let mut batches: BTreeMap<&str, BTreeMap<Unit, usize>> = BTreeMap::new();
    for save in saves(&changes) {
        for entry in &save.entries {
            let minutes = entry.period.minutes();
            periods.entry(minutes).or_default().insert(entry.unit);
            let provider = save.batch.provider.key();
            per_provider.entry((entry.unit, provider)).or_default().insert(minutes);
        }
        let desk = save.batch.source_batch.as_deref().unwrap().rsplitn(3, '/').last().unwrap();
        *batches.entry(desk).or_default().entry(save.entries[0].unit).or_default() += 1;
    }
    assert!(periods[&15].len() >= 50 && periods[&60].len() >= 40, "{periods:?}");
    for rare in [5, 10, 30] {
        assert!((2..20).contains(&periods[&rare].len()), "{rare}: {:?}", periods[&rare]);
    }
    let two = per_provider.values().filter(|periods| periods.len() > 1).count();
    assert!(two >= 3, "{two} plants have two periods of one provider");
    // Saves a plant in ten days: hourly, every 3, 6 and 12 hours, daily.
    for (desk, count) in [
        ("Meter", 240..=240),
        ("WindCast", 240..=240),
        ("SunFlow", 80..=80),
        ("MeteoNord", 40..=40),
        ("FinalForecast", 20..=20),
        ("UserForecast", 7..=10),
        ("Meter/settled", 10..=10),
        ("UserForecast/correction", 1..=30),
    ] {
        let counts = &batches[desk];
        assert!(counts.values().all(|saves| count.contains(saves)), "{desk} {counts:?}");
    }
    assert_eq!(batches.len(), 8, "{:?}", batches.keys());
}

#[test]
fn a_day_ahead_forecast_has_the_civil_day_of_its_plant() {
    let lengths = |source: &str, zone: &str| {
        let changes: Vec<Change> = changes(source).collect();
        let units = Units::of(&changes);
        let mut lengths: BTreeSet<i64> = BTreeSet::new();
        for save in saves(&changes) {
            let entry = &save.entries[0];
            let desk = save.batch.source_batch.as_deref().unwrap();
            let is_day = desk.starts_with("UserForecast/") && !desk.contains("correction");
            if is_day && units.at(entry.unit, Instant::MIN).zone == zone {
                lengths.insert(values(save).iter().map(|value| i64::from(value.1)).sum());
            }
        }
        lengths
    };
    assert_eq!(lengths("fleet:7", "Europe/Istanbul"), BTreeSet::from([1_440]));
    assert_eq!(lengths("fleet:7", "Europe/Berlin"), BTreeSet::from([1_380, 1_440]));
    let autumn = "fleet:7:days=4,start=2026-04-02";
    assert_eq!(lengths(autumn, "Australia/Lord_Howe"), BTreeSet::from([1_440, 1_470]));
}

#[test]
fn batches_are_late_early_equal_and_withdrawn_and_values_null() {
    let changes = default_fleet();
    let (mut late, mut future, mut equal, mut nulls, mut single) = (0, 0, 0, 0, 0);
    let mut before: BTreeMap<(Unit, &str), Vec<Value>> = BTreeMap::new();
    let mut keys = BTreeSet::new();
    let mut total = 0;
    for save in saves(&changes) {
        let batch = &save.batch;
        assert!(keys.insert(batch.source_batch.clone().unwrap()), "keys are unique");
        total += 1;
        late += usize::from(batch.recorded.0 > batch.valid_after.0 + 75 * MINUTE);
        future += usize::from(batch.recorded < batch.valid_after);
        let values = values(save);
        nulls += values.iter().filter(|(_, _, _, value)| *value == NULL).count();
        single += usize::from(values.len() == 1);
        if save.entries[0].kind == Kind::Forecast {
            let series = (save.entries[0].unit, batch.provider.key());
            equal += usize::from(before.get(&series) == Some(&values));
            before.insert(series, values);
        }
    }
    let withdrawn = changes.iter().filter(|change| match change {
        Change::Withdrawal(withdrawal) => match &withdrawal.batch {
            BatchName::Source(key) => keys.contains(key),
            BatchName::Id(_) => false,
        },
        _ => false,
    });
    let withdrawn = withdrawn.count();
    assert!(late > 50, "{late} late of {total}");
    assert!(future > 20, "{future} count later of {total}");
    assert!(equal > 200, "{equal} equal of {total}");
    assert!(nulls > 500, "{nulls} nulls");
    assert!(single > 50, "{single} single slots");
    assert!(withdrawn > 40, "{withdrawn} withdrawn of {total}");
}

#[test]
fn meters_are_read_within_the_hour_and_settled_a_day_later() {
    let changes = default_fleet();
    let units = Units::of(&changes);
    let mut said: BTreeMap<(Unit, Instant), i64> = BTreeMap::new();
    let (mut changed, mut same, mut minutes_late) = (0, 0, Vec::new());
    for save in saves(&changes).filter(|save| save.entries[0].kind == Kind::Actual) {
        assert_eq!(save.batch.provider.key(), "Meter");
        for (unit, minutes, start, value) in values(save) {
            assert_eq!(minutes, 15);
            match said.insert((unit, start), value) {
                None => minutes_late.push((save.batch.recorded.0 - start.0) / MINUTE - 15),
                Some(before) if before == value => same += 1,
                Some(_) => changed += 1,
            }
        }
    }
    minutes_late.sort_unstable();
    let median = minutes_late[minutes_late.len() / 2];
    assert!((3..60).contains(&median) && minutes_late[0] > 0, "{median}");
    assert!(changed > 500 && changed < same / 5, "{changed} restated, {same} confirmed");
    // Outages: at zero for three hours and more, where neither calm nor night explains it.
    let mut outages = 0;
    let mut zeros = 0;
    for ((unit, _), value) in &said {
        let steady = ["hydro", "thermal"].contains(&units.plant_type(*unit));
        zeros = if steady && *value == 0 { zeros + 1 } else { 0 };
        outages += usize::from(zeros == 12);
    }
    assert!(outages >= 3, "{outages}");
}
