//! A generated fleet through the program: replayed as it is and from its files, in parts, and checked.
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

use std::fs;
use std::path::Path;

use process::{Ended, run};
use serde_json::{Value, json};

fn generate(data: &Path, source: &str, out: &Path) -> Ended {
    run(data, ["generate", source, "--out", &out.display().to_string(), "--json"])
}

fn replay(data: &Path, source: &str) -> Value {
    run(data, ["replay", source, "--json", "--quiet"]).succeeded().json()
}

/// What does not depend on speed or on how a run was cut into ticks.
fn lasting(mut report: Value) -> Value {
    for passing in ["seconds", "pointsPerSecond", "epoch"] {
        assert!(report.as_object_mut().unwrap().remove(passing).is_some(), "{passing}");
    }
    report
}

#[test]
fn the_default_fleet_is_taken_in_whole_and_equals_its_files() {
    let room = tempfile::tempdir().unwrap();
    let (data, files) = (room.path().join("data"), room.path().join("files"));
    let report = replay(&data, "fleet:7");
    assert_eq!(report["refused"], json!({}));
    assert_eq!(report["unknownBatches"], 0);
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(count("read"), count("saved") + count("skipped"));
    for (name, least) in
        [("saved", 500_000), ("skipped", 50_000), ("restated", 100_000), ("nulls", 400)]
    {
        assert!(count(name) >= least, "{name}: {report}");
    }
    assert!(count("withdrawnBatches") >= 40);
    assert_eq!(run(&data, ["check", "--json"]).succeeded().json()["differenceCount"], 0);

    let generated = generate(&data, "fleet:7", &files).succeeded().json();
    assert_eq!(generated["values"], report["read"]);
    assert_eq!(generated["rows"]["withdrawals"], report["withdrawnBatches"]);
    let from_files = replay(&room.path().join("other"), &files.display().to_string());
    assert_eq!(lasting(from_files), lasting(report), "counts, content and hashes");
}

#[test]
fn a_replay_in_parts_ends_like_one_at_once() {
    let room = tempfile::tempdir().unwrap();
    let (whole, parts) = (room.path().join("whole"), room.path().join("parts"));
    let source = "fleet:11:plants=24,days=2";
    let report = replay(&whole, source);
    for limit in ["1", "100", "701", "1500"] {
        run(&parts, ["replay", source, "--limit", limit, "--workers", "2"]).succeeded();
    }
    // Asked for in other words it is the same source, and goes on where it stopped.
    let resumed = replay(&parts, "fleet:11:days=2,plants=24,start=2026-03-25");
    assert_eq!(lasting(resumed), lasting(report.clone()));
    assert_eq!(lasting(replay(&parts, source)), lasting(report), "a completed source is not read");
    assert_eq!(run(&parts, ["check", "--json"]).succeeded().json()["differenceCount"], 0);
}

#[test]
fn the_rules_of_the_doors_may_be_asked_for() {
    let room = tempfile::tempdir().unwrap();
    let (data, files) = (room.path().join("data"), room.path().join("files"));
    let source = "fleet:2:plants=30,days=7";
    generate(&data, source, &files).succeeded();
    let rules = ["--enforce", "gates,limits", "--round", "2", "--json"];
    let judged = |data: &str, source: &str| {
        let words = ["replay", source].into_iter().chain(rules);
        lasting(run(&room.path().join(data), words).succeeded().json())
    };
    let report = judged("a", source);
    let refused = report["refused"].as_object().unwrap();
    assert!(refused["GATE_CLOSED"].as_u64() > Some(0), "{report}");
    let of_limits = ["LOWER_LIMIT", "UPPER_LIMIT"].iter().any(|code| refused.contains_key(*code));
    assert!(!of_limits, "{report}");
    assert_eq!(judged("b", &files.display().to_string()), report);
}

#[test]
fn what_cannot_be_generated_is_refused_and_leaves_everything_as_it_was() {
    let room = tempfile::tempdir().unwrap();
    let (data, out) = (room.path().join("data"), room.path().join("out"));
    for source in ["fleet:x", "fleet:7:plants=0", "fleet:7:days=9999", "fleet", "eia930-vintages"] {
        let ended = generate(&data, source, &out);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.output.is_empty() && ended.words.contains(source), "{ended:?}");
    }
    assert_eq!(run(&data, ["generate", "fleet:7"]).code, Some(2), "without --out");
    assert_eq!(run(&data, ["replay", "fleet:7:plants=0"]).code, Some(2));
    assert!(!out.exists() && !data.exists());

    fs::create_dir(&out).unwrap();
    fs::write(out.join("note"), "mine").unwrap();
    folder::unchanged(room.path(), || {
        generate(&data, "fleet:7:plants=2,days=1", &out)
            .failed_saying(&["must be empty or new", &out.display().to_string()]);
    });

    fs::remove_file(out.join("note")).unwrap();
    let quiet = ["generate", "fleet:7:plants=2,days=1", "--quiet", "--out"];
    let quiet = quiet.into_iter().chain(out.to_str());
    let ended = run(&data, quiet).succeeded();
    assert!(ended.output.is_empty() && ended.words.is_empty(), "{ended:?}");
    assert!(!data.exists(), "a data folder is not needed");
    assert_eq!(folder::content(room.path()).len(), 5);
}
