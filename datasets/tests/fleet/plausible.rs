//! Values are those a plant can have: by day and by night, by its limits, by its weather.

use std::collections::BTreeMap;

use smartpulse_operators::change::Change;
use smartpulse_operators::quantity::NULL;
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::{Instant, Zone};
use smartpulse_operators::unit::{Unit, UnitType};

use crate::{MINUTE, Units, changes, values};

/// Settled values in hundredths of a kW by plant and start.
fn settled(changes: &[Change]) -> BTreeMap<Unit, BTreeMap<Instant, i64>> {
    let mut all: BTreeMap<Unit, BTreeMap<Instant, i64>> = BTreeMap::new();
    for change in changes {
        if let Change::Save(save) = change
            && save.entries[0].kind == Kind::Actual
        {
            for (unit, _, start, value) in values(save) {
                all.entry(unit).or_default().insert(start, value);
            }
        }
    }
    all
}

#[test]
fn no_value_is_above_installed_power_or_below_the_lower_limit() {
    let changes: Vec<Change> = changes("fleet:7").collect();
    let units = Units::of(&changes);
    let mut state = smartpulse_operators::reference::Reference::default();
    let mut negative = 0;
    for change in &changes {
        state.apply(change);
        let Change::Save(save) = change else { continue };
        for (unit, _, start, value) in values(save) {
            if value == NULL {
                continue;
            }
            let installed = units.at(unit, start).installed_power.unwrap();
            assert!(value <= installed.0, "{unit} {start}: {value} of {installed}");
            let (lower, upper) = state.limits(unit, start);
            assert!(lower.unwrap().0 <= value, "{unit} {start}: {value}");
            assert!(value <= upper.unwrap().0, "{unit} {start}: {value}, as far as is known");
            if value < 0 {
                assert!(lower.unwrap().0 < 0, "only what may pump is negative");
                negative += 1;
            }
        }
    }
    assert!(negative > 100, "{negative}");
}

#[test]
fn the_sun_does_not_shine_at_civil_midnight_and_does_at_noon() {
    let changes: Vec<Change> = changes("fleet:7:days=4").collect();
    let units = Units::of(&changes);
    let (mut midnights, mut noons) = (0, 0);
    for change in &changes {
        let Change::Save(save) = change else { continue };
        for (unit, minutes, start, value) in values(save) {
            if units.plant_type(unit) != "solar" || value == NULL {
                continue;
            }
            let zone = Zone::parse(&units.at(unit, start).zone).unwrap();
            let (midnight, _) = zone.civil_days(start, 1);
            let of_day = (start.0 - midnight.0) / MINUTE;
            let end = of_day + i64::from(minutes);
            if end <= 180 || of_day >= 23 * 60 {
                assert_eq!(value, 0, "{unit} {start}");
                midnights += 1;
            } else if (690..=810).contains(&of_day) && save.entries[0].kind == Kind::Forecast {
                // A forecast knows of outages at most; then it is zero all around noon.
                noons += usize::from(value > 0);
                let is_dark = value == 0 && save.batch.provider.key() != "UserForecast";
                assert!(!is_dark || save.batch.provider.key() == "FinalForecast", "{unit} {start}");
            }
        }
    }
    assert!(midnights > 5_000 && noons > 5_000, "{midnights} {noons}");
}

#[test]
fn plants_of_all_kinds_are_as_busy_as_such_plants_are() {
    let changes: Vec<Change> = changes("fleet:7:plants=100,days=20").collect();
    let units = Units::of(&changes);
    let mut shares: BTreeMap<&str, (f64, f64, f64)> = BTreeMap::new();
    for (unit, values) in settled(&changes) {
        let mut before: Option<f64> = None;
        for (start, value) in values.iter().filter(|(_, value)| **value != NULL) {
            let share = *value as f64 / units.at(unit, *start).installed_power.unwrap().0 as f64;
            let (sum, count, moved) = shares.entry(units.plant_type(unit)).or_default();
            *sum += share;
            *count += 1.0;
            *moved += before.map_or(0.0, |before| (share - before).abs());
            before = Some(share);
        }
    }
    let load = |kind: &str| shares[kind].0 / shares[kind].1;
    let moved = |kind: &str| shares[kind].2 / shares[kind].1;
    assert!((0.22..0.5).contains(&load("wind")), "{shares:?}");
    assert!((0.13..0.28).contains(&load("solar")), "{shares:?}");
    assert!((0.3..0.7).contains(&load("hydro")), "{shares:?}");
    assert!((0.45..0.9).contains(&load("thermal")), "{shares:?}");
    assert!(moved("hydro") < moved("wind"), "hydro is slow: {shares:?}");
}

#[test]
fn a_front_is_seen_in_the_west_before_the_east() {
    let changes: Vec<Change> = changes("fleet:7:plants=200,days=12").collect();
    let units = Units::of(&changes);
    // The mean share of wind power by hour in a western and in an eastern province.
    let mut regions: BTreeMap<bool, BTreeMap<i64, (i64, i64)>> = BTreeMap::new();
    for (unit, values) in settled(&changes) {
        let version = units.at(unit, Instant::MIN);
        let region = version.region.as_deref().unwrap();
        let is_west = ["Çanakkale", "Balıkesir", "İzmir", "Tekirdağ"].contains(&region);
        let is_east = ["Sivas", "Kayseri", "Hatay", "Osmaniye"].contains(&region);
        if units.plant_type(unit) != "wind" || !(is_west || is_east) {
            continue;
        }
        let installed = version.installed_power.unwrap().0;
        for (start, value) in values.into_iter().filter(|(_, value)| *value != NULL) {
            let hours = regions.entry(is_west).or_default();
            let (sum, count) = hours.entry(start.0 / (60 * MINUTE)).or_default();
            *sum += value * 1_000 / installed;
            *count += 1;
        }
    }
    let mean = |is_west: bool, hour: i64| {
        regions[&is_west].get(&hour).map(|(sum, count)| (*sum / count) as f64)
    };
    let likeness = |lag: i64| {
        let pairs = regions[&true]
            .keys()
            .filter_map(|hour| Some((mean(true, *hour)?, mean(false, hour + lag)?)));
        correlation(&pairs.collect::<Vec<_>>())
    };
    let best = (-24..=36).max_by(|one, other| likeness(*one).total_cmp(&likeness(*other))).unwrap();
    assert!((6..=30).contains(&best), "the east is {best} h behind");
    assert!(likeness(best) > 0.5, "{}", likeness(best));
    assert!(units.0.keys().any(|unit| unit.unit_type == UnitType::Group));
}

fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (one, other) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let sum = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>();
    let together = sum(&|pair| (pair.0 - one) * (pair.1 - other));
    let alone = sum(&|pair| (pair.0 - one).powi(2)) * sum(&|pair| (pair.1 - other).powi(2));
    together / alone.sqrt()
}
