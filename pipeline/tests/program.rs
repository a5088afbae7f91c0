//! What a run prints and what it exports is a function of its data: the same again, on any number of
//! workers, after a restart, and when it was cut into parts.
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]

#[path = "program/client.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod client;
#[path = "program/folder.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod folder;
#[path = "program/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use process::{Server, run};
use serde_json::{Value, json};

const VIEWS: [&str; 6] = ["latest", "resolved", "totals", "history", "units", "batches"];

/// A long-format folder with values that change, stay, go, are refused and are withdrawn.
fn write_source(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let mut file = fs::File::create(folder.join("forecasts.csv")).unwrap();
    let columns = "unit_type,unit_no,provider,kind,valid_after,recorded,delivery_start,period_minutes,measure_unit,value,batch,note";
    writeln!(file, "{columns}").unwrap();
    for batch in 0..200_u32 {
        let recorded = format!("2026-01-01T{:02}:{:02}:00Z", batch / 60, batch % 60);
        for slot in 0..24_u32 {
            let start = format!("2026-02-{:02}T{slot:02}:00:00Z", 1 + batch % 5);
            let value = match (batch + slot) % 23 {
                0 => String::new(),
                1 => "1e30".to_owned(),
                other => format!("{}.{other:02}", (batch / 40 + slot) % 50),
            };
            let unit_no = 1 + batch % 7;
            writeln!(file, "PP,{unit_no},A,,{recorded},,{start},60,MW,{value},b{batch},n").unwrap();
        }
    }
    let mut file = fs::File::create(folder.join("withdrawals.csv")).unwrap();
    writeln!(file, "batch,recorded\nb17,2026-01-01T01:30:00Z\nnever,2026-01-01T02:00:00Z").unwrap();
}

/// Every file of an export of every view, by its place in the export.
fn export_all(data: &Path, out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    for view in VIEWS {
        run(data, ["export", view, "--out", &out.display().to_string()]).succeeded();
    }
    let files = folder::content(out).into_iter();
    files.map(|(path, bytes)| (path.strip_prefix(out).unwrap().to_owned(), bytes)).collect()
}

/// The counts and hashes of a replay, without how long it took and how it was cut into ticks.
fn lasting(mut report: Value) -> Value {
    for passing in ["seconds", "pointsPerSecond", "epoch"] {
        assert!(report.as_object_mut().unwrap().remove(passing).is_some(), "{passing}");
    }
    report
}

#[test]
fn the_same_data_gives_the_same_counts_and_the_same_bytes() {
    let room = tempfile::tempdir().unwrap();
    let source = room.path().join("source");
    write_source(&source);
    let source = source.display().to_string();
    let data = room.path().join("data");
    let first = run(&data, ["replay", &source, "--json"]).succeeded().json();
    let refused: u64 =
        first["refused"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    let sum = first["saved"].as_u64().unwrap() + first["skipped"].as_u64().unwrap() + refused;
    assert_eq!(first["read"], sum);
    assert_eq!(first["read"], 200 * 24);
    assert_eq!(first["withdrawnBatches"], 1);
    assert_eq!(first["unknownBatches"], 1);
    assert!(
        refused > 0 && first["nulls"].as_u64() > Some(0) && first["restated"].as_u64() > Some(0)
    );
    let exported = export_all(&data, &room.path().join("out"));
    assert!(exported.len() > VIEWS.len());
    assert_eq!(export_all(&data, &room.path().join("out")), exported, "over the former one");
    assert_eq!(export_all(&data, &room.path().join("elsewhere")), exported, "beside it");

    let again = run(&data, ["replay", &source, "--json"]).succeeded().json();
    assert_eq!(lasting(again), lasting(first.clone()), "a completed source is not read again");
    assert_eq!(export_all(&data, &room.path().join("again")), exported);

    let parts = room.path().join("parts");
    for limit in ["1", "50", "51", "120"] {
        run(&parts, ["replay", &source, "--limit", limit, "--workers", "3"]).succeeded();
    }
    let resumed = run(&parts, ["replay", &source, "--json"]).succeeded().json();
    assert_eq!(lasting(resumed), lasting(first), "in parts, on other workers");
    for folder in [&data, &parts] {
        assert_eq!(run(folder, ["check", "--json"]).succeeded().json()["differenceCount"], 0);
    }
}

#[test]
fn a_folder_that_is_served_is_not_exported() {
    let room = tempfile::tempdir().unwrap();
    let (data, out) = (room.path().join("data"), room.path().join("out"));
    let server = Server::start(&data);
    let client = server.client();
    client.make_plant(1);
    client.save(1, 0, 5).expect_status(200);
    let export =
        ["export", "latest", "--json", "--out", &out.display().to_string()].map(str::to_owned);
    run(&data, &export).failed_saying(&["in use by another process", &data.display().to_string()]);
    assert!(!out.exists());
    client.save(1, 1, 6).expect_status(200);
    server.stop().succeeded();
    let exported = run(&data, &export).succeeded().json();
    assert_eq!(exported["rows"], 2);
    assert_eq!(exported["knownAt"], json!(null));
}

#[test]
fn bad_arguments_end_with_two_and_change_nothing() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    for arguments in [
        &["replay"][..],
        &["replay", "x", "--speed", "-1"],
        &["export", "everything", "--out", "out"],
        &["export", "latest"],
        &["export", "latest", "--out", "out", "--from", "yesterday"],
        &["serve", "--clock", "sundial"],
        &["dance"],
        &["check", "--workers", "many"],
    ] {
        let ended = run(&data, arguments);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.output.is_empty() && !ended.words.is_empty(), "{ended:?}");
    }
    assert!(!data.exists());
}
