//! RTS-GMLC: every slot summed by area and over all, against sums of the files' cells; instants and names;
//! and what damaged copies of its first days say.

use std::collections::BTreeMap;
use std::fs;

use smartpulse_datasets::Source;
use smartpulse_operators::change::{Change, Save};
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Unit, UnitType};
use tempfile::TempDir;

use self::directly::{LONG, Sums, WIDE, areas, summed_directly, text_of};
use crate::{assert_order, datasets, fault, refused, replayed, rules, saves, slots, units};

mod directly;

const FOLDER: &str = "rts_gmlc";
/// The same of changes: plants through their memberships, companies by themselves.
fn summed(changes: &[Change]) -> Sums {
    let mut parents: BTreeMap<Unit, Vec<u64>> = BTreeMap::new();
    for change in changes {
        if let Change::Membership(membership) = change {
            assert_eq!((membership.valid_from, membership.valid_to), (Instant::MIN, None));
            parents.entry(membership.child).or_default().push(membership.parent.unit_no);
        }
    }
    let mut sums = Sums::new();
    for save in saves(changes) {
        assert!(save.refused.is_empty());
        for entry in &save.entries {
            let owners = match entry.unit.unit_type {
                UnitType::Company => vec![entry.unit.unit_no],
                _ => parents[&entry.unit].clone(),
            };
            for (slot, value) in slots(&entry.curve, entry.period) {
                for company in owners.iter().copied().chain([0]) {
                    let key = (save.batch.provider.key().to_owned(), entry.kind, company);
                    *sums.entry(key).or_default().entry(slot).or_default() += value.unwrap();
                }
            }
        }
    }
    sums
}

fn save_of<'c>(changes: &'c [Change], key: &str) -> &'c Save {
    let mut found = saves(changes).filter(|save| save.batch.source_batch.as_deref() == Some(key));
    let save = found.next().unwrap_or_else(|| panic!("{key}"));
    assert!(found.next().is_none());
    save
}

/// The first two days of every file.
fn first_days() -> (TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["gen", "bus"] {
        fs::write(folder.path().join(format!("{name}.csv")), text_of(name)).unwrap();
    }
    let rows = LONG.map(|(name, minutes, ..)| (name, 2 * 1_440 / minutes));
    for (name, rows) in rows.into_iter().chain(WIDE.map(|(name, ..)| (name, 2))) {
        let text = text_of(name);
        let lines: Vec<&str> = text.lines().take(1 + rows as usize).collect();
        fs::write(folder.path().join(format!("{name}.csv")), lines.join("\n") + "\n").unwrap();
    }
    let source = Source::RtsGmlc(folder.path().to_owned());
    (folder, source)
}

/// The first two days with the only `old` of a file replaced.
fn altered(name: &str, old: &str, new: &str) -> (TempDir, Source) {
    let (folder, source) = first_days();
    let path = folder.path().join(format!("{name}.csv"));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(old).count(), 1, "{old:?} in {name}");
    fs::write(path, text.replace(old, new)).unwrap();
    (folder, source)
}

fn changes_of(source: &Source) -> Vec<Change> {
    source.open(&rules()).unwrap().map(Result::unwrap).collect()
}

#[test]
fn areas_and_all_have_the_sums_of_the_files() {
    let changes = replayed("rts-gmlc");
    assert_order(&changes);
    let (direct, sums) = (summed_directly(), summed(&changes));
    assert!(direct.keys().eq(sums.keys()), "{:?} {:?}", direct.keys(), sums.keys());
    for (key, direct) in direct {
        let sums = &sums[&key];
        assert_eq!(direct.len(), sums.len(), "{key:?}");
        for (slot, value) in direct {
            assert_eq!(sums.get(&slot), Some(&value), "{key:?} {slot}");
        }
    }
    // The CSP plant is in area 2, three of the four wind plants are in area 3.
    let slots = |provider: &str, kind, company| sums[&(provider.to_owned(), kind, company)].len();
    assert_eq!(slots("DayAhead", Kind::Forecast, 2), 8_784);
    assert_eq!(slots("Meter", Kind::Actual, 3), 105_408);
}

#[test]
fn generators_are_plants_of_the_companies_of_their_areas() {
    let changes = replayed("rts-gmlc");
    let units = units(&changes);
    let plants: Vec<_> =
        units.iter().filter(|unit| unit.unit.unit_type == UnitType::PowerPlant).collect();
    let areas = areas();
    assert_eq!(plants.len(), 158);
    assert!(plants.iter().map(|plant| &plant.name).eq(areas.keys()));
    for (plant, rank) in plants.iter().zip(1..) {
        assert_eq!(plant.unit.unit_no, rank);
        assert_eq!(plant.region, Some(areas[&plant.name].to_string()));
        assert_eq!(plant.zone, "America/Phoenix");
    }
    let said = |name: &str| {
        let plant = plants.iter().find(|plant| plant.name == name).unwrap();
        (plant.plant_type.clone().unwrap(), plant.installed_power.unwrap().0)
    };
    assert_eq!(said("212_CSP_1"), ("csp".to_owned(), 20_000_000));
    assert_eq!(said("309_WIND_1"), ("wind".to_owned(), 14_830_000));
    assert_eq!(said("308_RTPV_1").0, "rtpv");
    let companies: Vec<(u64, &str)> =
        units[158..].iter().map(|unit| (unit.unit.unit_no, unit.name.as_str())).collect();
    assert_eq!(
        companies,
        [(1, "Area 1"), (2, "Area 2"), (3, "Area 3"), (101, "APS"), (102, "LDWP"), (103, "NEVP")]
    );
    let memberships = changes.iter().filter(|change| matches!(change, Change::Membership(_)));
    assert_eq!(memberships.count(), 158);
}

#[test]
fn a_day_is_stated_at_noon_before_it_when_it_begins_and_when_it_has_ended() {
    let changes = replayed("rts-gmlc");
    assert_eq!(saves(&changes).count(), 366 * (9 + 2 * 5));
    for (key, provider, kind, recorded, slots_each) in [
        ("DAY_AHEAD_wind/2020-07-10", "DayAhead", Kind::Forecast, "2020-07-09T19:00:00Z", 24),
        ("REAL_TIME_wind/2020-07-10", "RealTime", Kind::Forecast, "2020-07-10T07:00:00Z", 288),
        ("REAL_TIME_wind/2020-07-10/Meter", "Meter", Kind::Actual, "2020-07-11T07:00:00Z", 288),
    ] {
        let save = save_of(&changes, key);
        assert_eq!(save.batch.provider.key(), provider);
        assert_eq!(Some(save.batch.recorded), Instant::parse(recorded));
        assert_eq!(save.batch.valid_after, save.batch.recorded);
        assert_eq!(save.entries.len(), 4);
        for entry in &save.entries {
            assert_eq!((entry.kind, entry.curve.len()), (kind, slots_each));
            let slots = slots(&entry.curve, entry.period);
            let first = slots.first_key_value().map(|(slot, _)| *slot);
            assert_eq!(first, Instant::parse("2020-07-10T07:00:00Z"));
        }
    }
    let first = saves(&changes).next().unwrap();
    assert_eq!(Some(first.batch.recorded), Instant::parse("2019-12-31T19:00:00Z"));
    assert_eq!(save_of(&changes, "APS_Promod_2020/2020-02-29").entries[0].unit.unit_no, 101);
    assert_eq!(Source::parse("rts-gmlc", &datasets()).unwrap().name(), "rts-gmlc");
}

#[test]
fn what_cannot_be_read_refuses_its_values() {
    // REAL_TIME_wind 2020-01-01, period 1: in the forecast and in what was metered.
    let (_folder, source) = altered("REAL_TIME_wind", "2020,1,1,1,146,", "2020,1,1,1,windy,");
    let changes = changes_of(&source);
    assert_order(&changes);
    for key in ["REAL_TIME_wind/2020-01-01", "REAL_TIME_wind/2020-01-01/Meter"] {
        let save = save_of(&changes, key);
        assert_eq!(refused(save), BTreeMap::from([("INVALID_VALUE", 1)]));
        let values: usize = save.entries.iter().map(|entry| entry.curve.len()).sum();
        assert_eq!(values, 4 * 288 - 1);
    }
    assert!(save_of(&changes, "DAY_AHEAD_wind/2020-01-01").refused.is_empty());

    // Four plants in each row: an impossible period, a date that is none, a period given twice.
    let day_ahead = |old: &str, new: &str| {
        let (_folder, source) = altered("DAY_AHEAD_wind", old, new);
        let changes = changes_of(&source);
        refused(save_of(&changes, "DAY_AHEAD_wind/2020-01-01"))
    };
    assert_eq!(day_ahead("2020,1,1,2,139", "2020,1,1,25,139"), [("INVALID_VALUE", 4)].into());
    assert_eq!(day_ahead("2020,1,1,2,139", "2020,13,1,2,139"), [("INVALID_VALUE", 4)].into());
    assert_eq!(day_ahead("2020,1,1,1,142", ",1,1,1,142"), [("INVALID_VALUE", 4)].into());
    assert_eq!(day_ahead("2020,1,1,2,139", "2020,1,1,1,139"), [("DUPLICATE_DELIVERIES", 8)].into());
    assert_eq!(day_ahead("1,142.8,", "1,1e9,"), [("VALUE_OUT_OF_RANGE", 1)].into());

    let (_folder, source) = altered("LDWP_Promod_2020", "2020,1,2,2742", "2020,1,2,");
    let changes = changes_of(&source);
    let save = save_of(&changes, "LDWP_Promod_2020/2020-01-02");
    assert_eq!(refused(save), [("INVALID_VALUE", 1)].into());
    assert_eq!(save.entries[0].curve.len(), 23);
}

#[test]
fn damage_is_named_with_its_place() {
    let named = |name: &str, old: &str, new: &str| {
        let (folder, source) = altered(name, old, new);
        fault(source.open(&rules()), folder.path())
    };
    assert_eq!(
        named("DAY_AHEAD_wind", "309_WIND_1", "309_WIND_9"),
        "DAY_AHEAD_wind.csv: column 309_wind_9 is no GEN UID of gen.csv"
    );
    assert_eq!(
        named("DAY_AHEAD_wind", "309_WIND_1", "317_WIND_1,317_WIND_1"),
        "DAY_AHEAD_wind.csv: there are two columns 317_wind_1"
    );
    assert_eq!(
        named("DAY_AHEAD_regional_Load", "Period,1,2,3", "Period,1,2,4"),
        "DAY_AHEAD_regional_Load.csv: column 4 is no area of a bus"
    );
    assert_eq!(
        named("REAL_TIME_wind", "Period", "Index"),
        "REAL_TIME_wind.csv: column period is missing"
    );
    assert_eq!(
        named("APS_Promod_2020", ",23,24", ",23,25"),
        "APS_Promod_2020.csv: column 24 is missing"
    );
    assert_eq!(
        named("gen", "CSP,CSP,CSP,Solar,0,0,1,200,", "CSP,CSP,CSP,Solar,0,0,1,lots,"),
        "gen.csv, row 117, column pmax mw: must be a number of MW"
    );
    assert_eq!(
        named("bus", "\n101,", "\n901,"),
        "gen.csv, row 1, column bus id: must be a bus of bus.csv"
    );
    assert_eq!(
        named("bus", "0.0,0.0,1,11.0,11.0,33.3961", "0.0,0.0,101,11.0,11.0,33.3961"),
        "bus.csv, row 1, column area: must be a number from 1 to 100"
    );
    assert_eq!(
        named("DAY_AHEAD_wind", "2020,1,2,5,", "2020,1,1,5,"),
        "DAY_AHEAD_wind.csv, row 29, column day: days must ascend"
    );
    let (folder, source) = first_days();
    fs::remove_file(folder.path().join("RT_APS_Promod_2020.csv")).unwrap();
    assert_eq!(
        fault(source.open(&rules()), folder.path()),
        "RT_APS_Promod_2020.csv: cannot be read"
    );
}

#[test]
fn what_was_recorded_before_a_fault_is_told() {
    let (_whole, source) = first_days();
    let whole = changes_of(&source);
    let (folder, source) = first_days();
    let path = folder.path().join("DAY_AHEAD_hydro.csv");
    let text = fs::read_to_string(&path).unwrap();
    let cut = text.find("\n2020,1,2,7,").unwrap() + 9;
    fs::write(&path, &text[..cut]).unwrap();
    let told: Vec<Change> = source.open(&rules()).unwrap().map_while(Result::ok).collect();
    // Day 1 of all day-ahead files, recorded at one instant; nothing of what is recorded after it.
    let noon = Instant::parse("2019-12-31T19:00:00Z").unwrap();
    let expected: Vec<Change> =
        whole.into_iter().take_while(|change| change.recorded() <= noon).collect();
    assert!(saves(&expected).count() == 9 && told == expected);
    assert_eq!(
        fault(source.open(&rules()), folder.path()),
        "DAY_AHEAD_hydro.csv, row 31: a row must have 24 cells like the header, this one has 3"
    );
}
