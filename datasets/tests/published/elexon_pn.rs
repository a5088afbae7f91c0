//! Physical notifications: the energy of every settlement period against another integration of the same
//! files, and the rules for what does not fit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use smartpulse_datasets::Source;
use smartpulse_operators::change::Change;
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::Instant;
use tempfile::TempDir;

use self::directly::{energy, lines_of_csv, lines_of_parquet, minute};
use crate::{assert_order, datasets, fault, refused, replayed, rules, saves, slots, units};

mod directly;

const FOLDER: &str = "elexon_bmu_pn";
const COLUMNS: &str = "recordType,bmUnitID,settlementDate,settlementPeriod,timeFrom,pnLevelFrom,timeTo,\
                       pnLevelTo,activeFlag";

/// A folder of these CSV rows beside the real Parquet file.
fn folder_of(rows: &str) -> (TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    let parquet = fs::read(datasets().join(FOLDER).join("fpn.parquet")).unwrap();
    fs::write(folder.path().join("fpn.parquet"), parquet).unwrap();
    fs::write(folder.path().join("fpn.csv"), format!("{COLUMNS}\n{rows}")).unwrap();
    let source = Source::ElexonPn(folder.path().to_owned());
    (folder, source)
}

/// What is said of these CSV rows, one line a change; plants are named by their ids.
fn said_of(rows: &str) -> Vec<String> {
    let (folder, source) = folder_of(rows);
    let mut opened = source.open(&rules()).unwrap();
    let changes: Vec<Change> = opened.by_ref().map(Result::unwrap).collect();
    assert_order(&changes);
    let units = units(&changes);
    let mut said = Vec::new();
    for change in &changes {
        match change {
            Change::Save(save) => {
                let key = save.batch.source_batch.as_deref().unwrap();
                if key.starts_with("PN/2022-01-0") {
                    continue;
                }
                let values = save.entries.iter().flat_map(|entry| {
                    let name = &units[entry.unit.unit_no as usize - 1].name;
                    let slots = slots(&entry.curve, entry.period).into_iter();
                    slots.map(move |(start, value)| format!(" {name} {start} {}", value.unwrap()))
                });
                said.push(format!("{key}:{} {:?}", values.collect::<String>(), refused(save)));
            }
            Change::Refused(refused) => said.push(format!(
                "{} × {} at {}",
                refused.code,
                refused.values,
                refused.recorded.map_or("?".to_owned(), |recorded| recorded.to_string())
            )),
            _ => {}
        }
    }
    let folder = format!("{}/", folder.path().display());
    said.extend(opened.remarks().iter().map(|remark| remark.text.replace(&folder, "")));
    said
}

#[test]
fn every_slot_has_the_energy_of_its_lines() {
    let changes = replayed("elexon-pn");
    assert_order(&changes);
    let units = units(&changes);
    let mut lines = lines_of_parquet();
    lines.extend(lines_of_csv());
    assert_eq!(lines.len(), 156 * 96 + 1_421);
    let mut energies: BTreeMap<Instant, (i128, i128)> = BTreeMap::new();
    for save in saves(&changes) {
        assert!(save.refused.is_empty());
        for entry in &save.entries {
            assert_eq!((entry.kind, entry.period.minutes()), (Kind::Forecast, 30));
            let id = &units[entry.unit.unit_no as usize - 1].name;
            for (start, value) in slots(&entry.curve, entry.period) {
                assert_eq!(save.batch.recorded, start.plus_minutes(-60));
                assert_eq!(save.batch.valid_after, save.batch.recorded);
                let minute = minute(start.0);
                let lines = lines.remove(&(id.clone(), minute)).unwrap();
                // kW minutes over 30 minutes, in hundredths of a kW: × 100 / 30.
                let (numerator, denominator) = energy(&lines, minute);
                let (numerator, denominator) = (numerator * 100, denominator * 30);
                let value = i128::from(value.unwrap());
                // Rounded half away from zero: nearer than half, or half and the greater magnitude.
                let twice = 2 * (value * denominator - numerator);
                assert!(
                    twice.abs() < denominator
                        || (twice.abs() == denominator && twice.signum() == numerator.signum()),
                    "{id} {start}: {value} for {numerator}/{denominator}"
                );
                let total = energies.entry(start).or_default();
                *total = (total.0 + value, total.1 + numerator * 1_000_000 / denominator);
            }
        }
    }
    assert!(lines.is_empty(), "{} slots are not stated", lines.len());
    assert_eq!(energies.len(), 97);
    for (start, (values, direct)) in energies {
        // Each value differs by half a hundredth of a kW at most.
        assert!((values * 1_000_000 - direct).abs() <= 1_421 * 500_001, "{start}");
        assert!(values > 0, "{start}");
    }
}

#[test]
fn units_of_both_files_are_ranked_together() {
    let changes = replayed("elexon-pn");
    let units = units(&changes);
    let expected: BTreeSet<String> =
        lines_of_csv().into_keys().chain(lines_of_parquet().into_keys()).map(|key| key.0).collect();
    assert!(units.iter().map(|unit| &unit.name).eq(&expected));
    assert!(units.iter().zip(1..).all(|(unit, rank)| unit.unit.unit_no == rank));
    assert!(units.iter().all(|unit| unit.zone == "Europe/London"));
    let wind: BTreeSet<String> = lines_of_parquet().into_keys().map(|key| key.0).collect();
    for unit in units {
        let fuel = wind.contains(&unit.name).then_some("wind");
        assert_eq!(unit.plant_type.as_deref(), fuel, "{}", unit.name);
    }
}

#[test]
fn one_batch_is_one_settlement_period() {
    let changes = replayed("elexon-pn");
    let saves: Vec<_> = saves(&changes).collect();
    let key = |place: usize| saves[place].batch.source_batch.as_deref().unwrap();
    assert_eq!(saves.len(), 97);
    assert_eq!(
        (key(0), key(47), key(48)),
        ("PN/2022-01-01/1", "PN/2022-01-01/48", "PN/2022-01-02/1")
    );
    assert_eq!(key(96), "PN/2022-03-19/27");
    assert_eq!(Some(saves[96].batch.recorded), Instant::parse("2022-03-19T12:00:00Z"));
    assert_eq!((saves[0].entries.len(), saves[96].entries.len()), (156, 1_421));
    assert!(saves.iter().all(|save| save.batch.provider.key() == "PN"));
    assert_eq!(Source::parse("elexon-pn", &datasets()).unwrap().name(), "elexon-pn");
}

#[test]
fn what_is_no_notification_is_left_out_and_counted() {
    let mut changes = Source::parse("elexon-pn", &datasets()).unwrap().open(&rules()).unwrap();
    assert!(changes.by_ref().all(|change| change.is_ok()));
    assert_eq!(changes.progress().done, changes.progress().total);
    let [remark] = changes.remarks() else { panic!("{:?}", changes.remarks()) };
    assert_eq!(remark.row, 1_541);
    let counts = "left out: 121 BOALF, 1451 MEL, 1372 MIL, 1353 QPN";
    assert!(remark.text.ends_with(counts), "{}", remark.text);
    let rows = "PN,A,2022-03-19,27,2022-03-19 13:00:00,1,2022-03-19 13:30:00,2,N\n\
                MEL,A,2022-03-19,27,2022-03-19 13:00:00,,2022-03-19 13:30:00,,Y\n";
    assert_eq!(
        said_of(rows),
        ["fpn.csv: rows that are no notification of output are left out: 1 MEL, 1 PN not active"]
    );
}

#[test]
fn a_slot_is_stated_whole_and_once() {
    let rows = "PN,A,2022-10-30,50,2022-10-30 23:30:00,1,2022-10-30 23:45:00,2,Y\n\
                PN,B,2022-10-30,50,2022-10-30 23:30:00,1,2022-10-30 23:59:00,2,Y\n\
                PN,C,2022-10-30,50,2022-10-30 23:30:00,1,2022-10-31 00:00:00,1,Y\n\
                PN,C,2022-10-30,50,2022-10-30 23:30:00,1,2022-10-31 00:00:00,1,Y\n\
                PN,A,2022-10-30,50,2022-10-30 23:45:00,0,2022-10-31 00:00:00,-0.5,Y\n\
                PN,A,2022-10-31,1,2022-10-31 00:00:00,9,2022-10-31 00:30:00,9,Y\n";
    assert_eq!(
        said_of(rows),
        [
            "PN/2022-10-30/50: A 2022-10-30T23:30:00Z 62500 {}",
            "INCOMPLETE_SLOT × 1 at 2022-10-30T22:30:00Z",
            "OVERLAP × 1 at 2022-10-30T22:30:00Z",
            "PN/2022-10-31/1: A 2022-10-31T00:00:00Z 900000 {}",
            "fpn.csv, row 2: B in PN/2022-10-30/50 is refused (INCOMPLETE_SLOT)",
            "fpn.csv, row 3: C in PN/2022-10-30/50 is refused (OVERLAP)",
        ]
    );
}

#[test]
fn cells_that_do_not_fit_refuse_their_value() {
    let rows = "PN,A,2022-03-27,3,2022-03-27 01:00:00,1,2022-03-27 01:30:00,1,Y\n\
                PN,B,2022-03-27,3,2022-03-27 02:00:00,1,2022-03-27 02:30:00,1,Y\n\
                PN,C,2022-03-27,3,2022-03-27 01:00:00,x,2022-03-27 01:10:00,1,Y\n\
                PN,C,2022-03-27,3,2022-03-27 01:10:00,1,2022-03-27 01:30:00,1,Y\n\
                PN,D,2022-03-27,3,2022-03-27 01:00:00,1,soon,1,Y\n\
                PN,E,2022-03-27,3,2022-03-27 01:00:00,1,2022-03-27 01:00:00,1,Y\n\
                PN,F,2022-03-27,3,2022-03-27 01:00:00,1000001,2022-03-27 01:30:00,1000001,Y\n\
                PN,G,2022-03-27,47,2022-03-27 23:00:00,1,2022-03-27 23:30:00,1,Y\n\
                PN,,2022-03-27,3,2022-03-27 01:00:00,1,2022-03-27 01:30:00,1,Y\n\
                PN,H,27/03/2022,3,2022-03-27 01:00:00,1,2022-03-27 01:30:00,1,Y\n";
    assert_eq!(
        said_of(rows),
        [
            "INVALID_VALUE × 3 at ?",
            "PN/2022-03-27/3: A 2022-03-27T01:00:00Z 100000 \
             {\"INVALID_VALUE\": 4, \"VALUE_OUT_OF_RANGE\": 1}",
        ]
    );
}

#[test]
fn damage_is_named_before_anything_is_taken_in() {
    let (folder, source) = folder_of("PN,A,2022-03-27\n");
    let named = |source: &Source, folder: &TempDir| fault(source.open(&rules()), folder.path());
    assert_eq!(
        named(&source, &folder),
        "fpn.csv, row 1: a row must have 9 cells like the header, this one has 3"
    );
    let text = COLUMNS.replace(",timeTo", "");
    fs::write(folder.path().join("fpn.csv"), format!("{text}\n")).unwrap();
    assert_eq!(named(&source, &folder), "fpn.csv: column timeto is missing");
    let (folder, source) = folder_of("");
    let path = folder.path().join("fpn.parquet");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(source.open(&rules()).is_err());
    assert!(named(&source, &folder).starts_with("fpn.parquet: this is no whole Parquet file"));
    fs::remove_file(&path).unwrap();
    assert_eq!(named(&source, &folder), "fpn.parquet: cannot be read");
}

#[test]
fn sorting_on_disk_changes_nothing() {
    let source = Source::parse("elexon-pn", &datasets()).unwrap();
    let little = smartpulse_datasets::ReplayRules { sort_bytes: 100_000, ..rules() };
    let on_disk: Vec<Change> = source.open(&little).unwrap().map(Result::unwrap).collect();
    assert!(on_disk == replayed("elexon-pn"));
}
