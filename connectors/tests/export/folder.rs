//! What a reader of OUT sees while an export runs, fails, or is done again.

use std::fs;

use smartpulse_connectors::{ExportError, LatestExport, LatestRow, export_units};
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::series::Kind;

use crate::fixture::{at, batch, export_latest, files, rows, series, stamp};

#[test]
fn the_same_export_again_is_the_same_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for out in [&one, &two] {
        let starts = ["2026-01-01T00:00Z", "2026-01-01T00:15Z", "2026-01-02T00:00Z"];
        export_latest(out.path(), &starts, 5);
        export_units(out.path(), stamp(), []).unwrap();
    }
    let contents = |out: &tempfile::TempDir| -> Vec<_> {
        let named = |file: &std::path::PathBuf| {
            (file.strip_prefix(out.path()).unwrap().to_owned(), fs::read(file).unwrap())
        };
        files(out.path()).iter().map(named).collect()
    };
    assert_eq!(contents(&one).len(), 3);
    assert_eq!(contents(&one), contents(&two));
}

#[test]
fn an_export_replaces_the_former_one_whole_and_nothing_else() {
    let out = tempfile::tempdir().unwrap();
    fs::create_dir_all(out.path().join("latest-copy")).unwrap();
    fs::write(out.path().join("latest-copy/mine.txt"), "mine").unwrap();
    export_latest(out.path(), &["2026-01-01T00:00Z", "2026-01-02T00:00Z"], 1);
    export_latest(out.path(), &["2026-01-03T00:00Z"], 1);
    let names: Vec<_> = files(out.path())
        .iter()
        .map(|file| file.strip_prefix(out.path()).unwrap().to_owned())
        .collect();
    let part = "latest/kind=forecast/delivery_date=2026-01-03/part-0.parquet";
    assert_eq!(names, [std::path::Path::new(part), std::path::Path::new("latest-copy/mine.txt")]);
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 2, "no hidden folder is left");
}

#[test]
fn an_export_is_not_seen_before_it_is_finished() {
    let out = tempfile::tempdir().unwrap();
    export_latest(out.path(), &["2026-01-01T00:00Z"], 1);
    let before = rows(out.path(), "latest");
    let mut export = LatestExport::create(out.path(), "latest", stamp()).unwrap();
    for day in ["2026-01-05T00:00Z", "2026-01-06T00:00Z"] {
        export.begin(Kind::Forecast, at(day).day()).unwrap();
        let (series, batch) = (series(1, "UserForecast", 15), batch(1));
        let value = Quantity(1);
        export
            .write(LatestRow { series: &series, delivery_start: at(day), value, batch: &batch })
            .unwrap();
        assert_eq!(rows(out.path(), "latest"), before);
    }
    drop(export);
    assert_eq!(rows(out.path(), "latest"), before);
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1, "given up, it leaves nothing");
}

#[test]
fn what_a_killed_run_left_goes() {
    let out = tempfile::tempdir().unwrap();
    let stale = out.path().join(".latest.partial/kind=forecast/delivery_date=2026-01-01");
    fs::create_dir_all(&stale).unwrap();
    fs::write(stale.join("part-0.parquet"), "half").unwrap();
    export_latest(out.path(), &["2026-01-01T00:00Z"], 1);
    assert_eq!(files(out.path()).len(), 1);
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
}

#[test]
fn a_former_export_moved_aside_by_a_killed_run_returns() {
    let out = tempfile::tempdir().unwrap();
    export_latest(out.path(), &["2026-01-01T00:00Z"], 1);
    let before = rows(out.path(), "latest");
    fs::rename(out.path().join("latest"), out.path().join(".latest.replaced")).unwrap();
    drop(LatestExport::create(out.path(), "latest", stamp()).unwrap());
    assert_eq!(rows(out.path(), "latest"), before);
}

#[test]
fn one_export_of_a_view_runs_at_a_time() {
    let out = tempfile::tempdir().unwrap();
    let running = LatestExport::create(out.path(), "latest", stamp()).unwrap();
    let second = LatestExport::create(out.path(), "latest", stamp());
    assert!(matches!(second, Err(ExportError::Busy { .. })));
    export_units(out.path(), stamp(), []).unwrap();
    running.finish().unwrap();
    export_latest(out.path(), &["2026-01-01T00:00Z"], 1);
}

#[test]
fn a_row_outside_its_partition_and_a_partition_written_twice_are_errors() {
    let out = tempfile::tempdir().unwrap();
    let (series, batch) = (series(1, "UserForecast", 15), batch(1));
    let row = |start| LatestRow {
        series: &series,
        delivery_start: at(start),
        value: Quantity(1),
        batch: &batch,
    };
    let day = at("2026-01-01T00:00Z").day();
    let mut export = LatestExport::create(out.path(), "latest", stamp()).unwrap();
    let outside = |error| matches!(error, Err(ExportError::OutsidePartition { .. }));
    assert!(outside(export.write(row("2026-01-01T00:00Z"))));
    export.begin(Kind::Actual, day).unwrap();
    assert!(outside(export.write(row("2026-01-01T00:00Z"))));
    export.begin(Kind::Forecast, day).unwrap();
    assert!(outside(export.write(row("2026-01-02T00:00Z"))));
    export.write(row("2026-01-01T23:45Z")).unwrap();
    export.begin(Kind::Forecast, day).unwrap();
    export.write(row("2026-01-01T00:00Z")).unwrap();
    assert!(matches!(export.finish(), Err(ExportError::PartitionRepeated { .. })));
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}
