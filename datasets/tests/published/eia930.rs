//! EIA-930: every file against its own lines, and what damaged copies of a small file say.

use std::fs;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use smartpulse_datasets::Source;
use smartpulse_operators::change::Change;
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::Instant;
use tempfile::TempDir;

use crate::{assert_order, datasets, fault, refused, replayed, rules, saves, slots, units};

const CODES: [&str; 8] = ["CISO", "CPLE", "DUK", "ERCO", "LGEE", "MISO", "SWPP", "TVA"];
/// Columns as named in batches: place in a line, kind, provider.
const COLUMNS: [(&str, usize, Kind, &str); 3] = [
    ("D", 1, Kind::Actual, "EIA"),
    ("DF", 2, Kind::Forecast, "EIA"),
    ("NG", 3, Kind::Actual, "EIA-NG"),
];
const PULLED: &str = "2026-10-01T00:00:00Z";

/// Rows, values, blanks, sum in MW and values beyond the bound of a column, straight from the text.
fn counted_directly(text: &str, column: usize) -> (u64, u64, u64, i64, u64) {
    let (mut rows, mut values, mut blanks, mut sum, mut beyond) = (0, 0, 0, 0, 0);
    for line in text.lines().skip(1) {
        rows += 1;
        let cell = line.split(',').nth(column).unwrap();
        if cell.is_empty() {
            blanks += 1;
            continue;
        }
        let megawatts: i64 = cell.strip_suffix(".0").unwrap().parse().unwrap();
        if megawatts.abs() > 1_000_000 {
            beyond += 1;
        } else {
            (values, sum) = (values + 1, sum + megawatts);
        }
    }
    (rows, values, blanks, sum, beyond)
}

/// A folder whose first file has that text and the others only a header.
fn folder_of(text: &str) -> (TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    for code in CODES {
        let text = if code == CODES[0] { text } else { "period_utc,D,DF,NG\n" };
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        fs::write(folder.path().join(format!("{code}.csv.gz")), packed.finish().unwrap()).unwrap();
    }
    let source = Source::Eia930(folder.path().to_owned());
    (folder, source)
}

/// (source batch, slots, refusals) of the batches of one file of that text.
fn batches_of(text: &str) -> Vec<String> {
    let (_folder, source) = folder_of(text);
    let changes: Vec<Change> = source.open(&rules()).unwrap().map(Result::unwrap).collect();
    let shown = saves(&changes).take(3).map(|save| {
        let slots = save.entries.iter().flat_map(|entry| slots(&entry.curve, entry.period));
        let slots: Vec<String> = slots.map(|(start, value)| format!("{start} {value:?}")).collect();
        let key = save.batch.source_batch.as_deref().unwrap();
        format!("{key}: {} {:?}", slots.join(", "), refused(save))
    });
    shown.collect()
}

#[test]
fn every_file_says_what_its_lines_say() {
    let changes = replayed("eia930");
    assert_order(&changes);
    let names: Vec<&str> = units(&changes).iter().map(|unit| unit.name.as_str()).collect();
    assert_eq!(names, CODES);
    let numbers: Vec<u64> = units(&changes).iter().map(|unit| unit.unit.unit_no).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    let mut saves = saves(&changes);
    let (mut all_rows, mut all_beyond) = (0, 0);
    for (rank, code) in (1..).zip(CODES) {
        let path = datasets().join(format!("eia930_2019_2026/{code}.csv.gz"));
        let mut text = String::new();
        GzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        for (name, place, kind, provider) in COLUMNS {
            let save = saves.next().unwrap();
            assert_eq!(save.batch.source_batch, Some(format!("2026/{code}/{name}")));
            assert_eq!(save.batch.provider.key(), provider);
            assert_eq!(save.batch.recorded, Instant::parse(PULLED).unwrap());
            assert_eq!(save.batch.valid_after, save.batch.recorded);
            let [entry] = &save.entries[..] else { panic!("{code} {name}: one entry") };
            assert_eq!((entry.kind, entry.unit.unit_no), (kind, rank));
            let slots = slots(&entry.curve, entry.period);
            let values = slots.values().flatten().count() as u64;
            let sum: i64 = slots.values().flatten().sum();
            let (rows, direct_values, blanks, megawatts, beyond) = counted_directly(&text, place);
            assert_eq!(
                (values, slots.len() as u64 - values, sum),
                (direct_values, blanks, megawatts * 100_000),
                "{code} {name}"
            );
            assert_eq!(refused(save).get("VALUE_OUT_OF_RANGE").copied().unwrap_or(0), beyond);
            assert_eq!(refused(save).values().sum::<u64>(), beyond);
            assert_eq!(slots.len() as u64 + beyond, rows);
            if name == "D" {
                all_rows += rows;
            }
            all_beyond += beyond;
        }
    }
    assert!(saves.next().is_none());
    assert_eq!(all_rows, 543_273);
    // The spikes PROVENANCE.txt names, and their neighbours.
    assert!(all_beyond >= 3, "{all_beyond}");
}

#[test]
fn a_stamp_is_the_end_of_its_hour() {
    let changes = replayed("eia930");
    let first = saves(&changes).next().unwrap();
    let slots = slots(&first.entries[0].curve, first.entries[0].period);
    // CISO.csv.gz: 2019-01-01T00 says 23216, 2026-10-01T00 says 36278.
    let ends = (slots.first_key_value().unwrap(), slots.last_key_value().unwrap());
    let at = |text: &str| Instant::parse(text).unwrap();
    assert_eq!(ends.0, (&at("2018-12-31T23:00:00Z"), &Some(2_321_600_000)));
    assert_eq!(ends.1, (&at("2026-09-30T23:00:00Z"), &Some(3_627_800_000)));
}

#[test]
fn blanks_are_withdrawals_missing_hours_are_not_stated_and_bad_cells_are_refused() {
    let text = "period_utc,D,DF,NG\n\
                2019-01-01T01,1.5,, -2 \n\
                2019-01-01T03,x,3,1e9\n\
                someday,1,2,3\n\
                2019-01-01T04:30,1,2,3\n\
                2019-01-01T05,7,8,9\n\
                2019-01-01T05,7,8,9\n";
    assert_eq!(
        batches_of(text),
        [
            "2026/CISO/D: 2019-01-01T00:00:00Z Some(150000) {\"DUPLICATE_DELIVERIES\": 2, \
             \"INVALID_VALUE\": 2, \"UNALIGNED_DELIVERY\": 1}",
            "2026/CISO/DF: 2019-01-01T00:00:00Z None, 2019-01-01T02:00:00Z Some(300000) \
             {\"DUPLICATE_DELIVERIES\": 2, \"INVALID_VALUE\": 1, \"UNALIGNED_DELIVERY\": 1}",
            "2026/CISO/NG: 2019-01-01T00:00:00Z Some(-200000) {\"DUPLICATE_DELIVERIES\": 2, \
             \"INVALID_VALUE\": 1, \"UNALIGNED_DELIVERY\": 1, \"VALUE_OUT_OF_RANGE\": 1}",
        ]
    );
}

#[test]
fn damage_is_named_with_its_place() {
    let (folder, source) = folder_of("period_utc,D,NG\n2019-01-01T01,1,2\n");
    assert_eq!(fault(source.open(&rules()), folder.path()), "CISO.csv.gz: column df is missing");

    let (folder, source) = folder_of("period_utc,D,DF,NG\n2019-01-01T01,1,2,3\n2019-01-01T02,1\n");
    assert_eq!(
        fault(source.open(&rules()), folder.path()),
        "CISO.csv.gz, row 2: a row must have 4 cells like the header, this one has 2"
    );

    let real = fs::read(datasets().join("eia930_2019_2026/TVA.csv.gz")).unwrap();
    let (folder, source) = folder_of("period_utc,D,DF,NG\n");
    let path = folder.path().join("TVA.csv.gz");
    fs::write(&path, &real[..real.len() / 2]).unwrap();
    let text = fault(source.open(&rules()), folder.path());
    assert!(text.starts_with("TVA.csv.gz, row ") && text.contains("breaks off"), "{text}");
    // What came before stands.
    assert_eq!(source.open(&rules()).unwrap().filter(Result::is_ok).count(), 8 + 7 * 3);
    fs::remove_file(path).unwrap();
    let text = fault(source.open(&rules()), folder.path());
    assert_eq!(text, "TVA.csv.gz: cannot be read");
}

#[test]
fn the_word_takes_no_releases() {
    assert_eq!(Source::parse("eia930", &datasets()).unwrap().name(), "eia930");
    assert!(Source::parse("eia930:2019", &datasets()).is_err());
}
