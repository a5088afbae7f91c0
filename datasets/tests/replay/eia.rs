//! The real releases: identity and order, and one small file against a reading by other means.

use std::io::Read;

use flate2::read::GzDecoder;
use smartpulse_datasets::Source;
use smartpulse_operators::change::{Change, Curve, Save};
use smartpulse_operators::quantity::{ABSENT, NULL};
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::{Instant, Period};

use crate::{datasets, rules};

fn source(text: &str) -> Source {
    Source::parse(text, &datasets()).unwrap()
}

/// (values, nulls, sum of the values) of a curve.
fn counted(curve: &Curve, period: Period) -> (u64, u64, i64) {
    let (mut values, mut nulls, mut sum) = (0, 0, 0);
    curve.for_each_day(period, |_, _, row| {
        for value in row {
            match *value {
                ABSENT => {}
                NULL => nulls += 1,
                value => (values, sum) = (values + 1, sum + value),
            }
        }
    });
    (values, nulls, sum)
}

/// The same of a column, straight from the text; what is beyond the bound is counted last.
fn read_directly(release: &str, code: &str, column: usize) -> (u64, u64, i64, u64) {
    let path = datasets().join(format!("eia930_vintages/{release}/{code}.csv.gz"));
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let (mut values, mut nulls, mut sum, mut beyond) = (0, 0, 0, 0);
    for line in text.lines().skip(1) {
        match line.split(',').nth(column).unwrap() {
            "MISSING" | "EMPTY" => nulls += 1,
            number => {
                let megawatts = number.parse::<i64>().unwrap();
                if megawatts.abs() > 1_000_000 {
                    beyond += 1;
                } else {
                    (values, sum) = (values + 1, sum + megawatts * 100_000);
                }
            }
        }
    }
    (values, nulls, sum, beyond)
}

fn save_of(code: &str, wanted: &Source) -> Save {
    let changes = wanted.open(&rules(&std::env::temp_dir())).unwrap();
    let mut saves = changes.filter_map(|change| match change.unwrap() {
        Change::Save(save) => Some(save),
        _ => None,
    });
    saves.find(|save| save.batch.source_batch.as_deref() == Some(code)).unwrap()
}

#[test]
fn releases_are_chosen_by_year() {
    assert_eq!(source("eia930-vintages:2020, 2019").name(), "eia930-vintages:2019,2020");
    assert_eq!(source("eia930-vintages").name(), "eia930-vintages:2019,2020,2025");
    let unknown = Source::parse("eia930-vintages:2019,2021", &datasets()).unwrap_err();
    assert_eq!(unknown.to_string(), "2021: no such source: the releases are 2019, 2020 and 2025");
}

#[test]
fn units_of_all_releases_come_first_then_one_save_a_file() {
    let mut changes = source("eia930-vintages:2019").open(&rules(&std::env::temp_dir())).unwrap();
    let mut names = Vec::new();
    let first_save = loop {
        match changes.next().unwrap().unwrap() {
            Change::Unit(unit) => {
                assert_eq!(
                    (unit.unit.unit_no, unit.recorded),
                    (names.len() as u64 + 1, Instant::MIN)
                );
                names.push(unit.name);
            }
            Change::Save(save) => break save,
            other => panic!("{other:?}"),
        }
    };
    assert!(names.is_sorted() && names.len() > 95, "{}", names.len());
    let code = first_save.batch.source_batch.clone().unwrap();
    assert_eq!(code, "2019/AEC");
    assert_eq!(names[first_save.entries[0].unit.unit_no as usize - 1], "AEC");
    assert_eq!(first_save.batch.recorded, Instant::parse("2019-09-10T00:00:00Z").unwrap());
    assert_eq!(first_save.batch.valid_after, first_save.batch.recorded);
    assert_eq!(changes.filter(Result::is_ok).count(), 69);
}

#[test]
fn a_file_says_what_its_text_says() {
    for (release, folder, code) in [
        ("2019", "release_2019_Oct", "OVEC"),
        ("2019", "release_2019_Oct", "IPCO"),
        ("2025", "release_2025_Jan_include_subregions", "PJM-RECO"),
    ] {
        let save =
            save_of(&format!("{release}/{code}"), &source(&format!("eia930-vintages:{release}")));
        let mut beyond = 0;
        for (column, kind) in [(1, Kind::Actual), (2, Kind::Forecast)] {
            let Some(entry) = save.entries.iter().find(|entry| entry.kind == kind) else {
                assert!(release == "2025" && kind == Kind::Forecast);
                continue;
            };
            let (values, nulls, sum, out) = read_directly(folder, code, column);
            assert_eq!(
                counted(&entry.curve, entry.period),
                (values, nulls, sum),
                "{code} {kind:?}"
            );
            beyond += out;
        }
        assert_eq!(save.refused.iter().map(|(_, count)| count).sum::<u64>(), beyond);
        assert!(code != "IPCO" || beyond > 0);
    }
}

#[test]
fn a_stamp_is_the_end_of_its_hour() {
    let save = save_of("2019/AVA", &source("eia930-vintages:2019"));
    let mut first = None;
    save.entries[0].curve.for_each_day(save.entries[0].period, |day, slot, _| {
        first.get_or_insert(day.slot_start(save.entries[0].period, slot));
    });
    assert_eq!(first, Instant::parse("2015-07-01T04:00:00Z"));
}
