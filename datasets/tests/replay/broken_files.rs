//! Files that are missing, cut off or no tables at all: what stands before the fault is taken, the fault
//! is named.

use std::io::Write;

use expect_test::expect;
use flate2::Compression;
use flate2::write::GzEncoder;
use smartpulse_datasets::Source;

use crate::{Folder, HEADER, rows, rules};

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_stands_before_a_fault_is_delivered() {
    let cut = Folder::of(&(rows(&["a,1,2,0,1", "b,1,1,0,1"]) + "PP,1,P,forecast,2026-0"));
    expect![[r#"
        unit PP 1 "PP 1" None None Europe/Istanbul None from always at 2026-01-01T00:00Z
        save b P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 100000
        save a P at 2026-01-02T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 100000
        ERROR forecasts.csv, row 3: a row must have 11 cells like the header, this one has 5
    "#]]
    .assert_eq(&cut.replay());

    let mut bytes = format!("{HEADER}\n{}", rows(&["a,1,1,0,1", "b,1,1,0,1"])).into_bytes();
    let end = bytes.len() - 2;
    bytes[end] = 0xff;
    let not_text = Folder::empty().with_bytes("forecasts.csv", &bytes);
    expect![[r#"
        unit PP 1 "PP 1" None None Europe/Istanbul None from always at 2026-01-01T00:00Z
        save a P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 100000
        ERROR forecasts.csv, row 2, column batch: text must be UTF-8
    "#]]
    .assert_eq(&not_text.replay());

    let parts = Folder::of(&rows(&["a,1,1,0,1"])).with("forecasts.parquet", "PAR1 no more");
    let replay = parts.replay();
    let lines: Vec<&str> = replay.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[2].starts_with("ERROR forecasts.parquet: this is no whole Parquet file"));
}

#[test]
fn compressed_text_is_read_until_it_breaks_off() {
    let many: Vec<String> =
        (0..20_000).map(|row| format!("b{row},{},1,{},{row}", row % 9 + 1, row * 7 % 24)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let packed = gzip(&format!("{HEADER}\n{}", rows(&many)));
    let whole = Folder::empty().with_bytes("forecasts.csv.gz", &packed);
    assert_eq!(whole.replay().matches("save").count(), 20_000);
    let half = Folder::empty().with_bytes("forecasts.csv.gz", &packed[..packed.len() / 2]);
    let replay = half.replay();
    let saves = replay.matches("save").count();
    assert!((5_000..15_000).contains(&saves), "{saves}");
    let fault = replay.lines().last().unwrap();
    assert!(fault.contains("forecasts.csv.gz, row ") && fault.contains("breaks off"), "{fault}");
}

#[test]
fn missing_tables_and_columns_are_named() {
    let missing = Folder::empty().with("forecasts.csv", &HEADER.replace(",value", ""));
    assert_eq!(missing.fault(), "forecasts.csv: column value is missing");
    let twice = Folder::empty().with("forecasts.csv", &format!("{HEADER},VALUE"));
    assert_eq!(twice.fault(), "forecasts.csv: there are two columns value");
    assert_eq!(
        Folder::empty().with("units.csv", "unit_type,unit_no\n").fault(),
        ".: there is no forecasts file (.csv, .csv.gz, .parquet) in this folder"
    );
    let nothing = Folder::empty().with("forecasts.csv", "");
    assert_eq!(nothing.fault(), "forecasts.csv: column unit_type is missing");
}

#[test]
fn a_single_file_or_a_folder_of_parts_is_the_forecasts_alone() {
    let table = format!("{HEADER}\n{}", rows(&["a,1,1,0,1"]));
    let folder = Folder::empty()
        .with("some.csv", &table)
        .with("units.csv", "no units here")
        .with("run.parquet/part-0.csv", &table)
        .with("text.txt", &table);
    let count = |name: &str| {
        let path = folder.path().join(name);
        let source = Source::parse(path.to_str().unwrap(), folder.path()).unwrap();
        assert_eq!(
            source.name(),
            format!("long-format:{}", path.canonicalize().unwrap().display())
        );
        source.open(&rules(folder.path())).map(Iterator::count)
    };
    assert_eq!((count("some.csv").unwrap(), count("run.parquet").unwrap()), (2, 2));
    assert!(count("text.txt").err().unwrap().to_string().ends_with(".csv, .csv.gz or .parquet"));
    assert!(Source::parse("/no/such/folder", folder.path()).is_err());
}
