//! Replay and export against the brute-force oracle in Python: random folders, at several (`valid_at`,
//! `known_at`), on 1 and 2 workers, counts and refusals included; and the EIA files against a direct
//! comparison of them.
#![allow(clippy::unwrap_used, reason = "a run that cannot go on fails its test where it stands")]

#[path = "program/client.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod client;
#[path = "program/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;
#[path = "oracle/runs.rs"]
mod runs;

use std::path::Path;

use process::Server;
use runs::{Oracle, Replayed, oracle};

/// Seeds of the suite; `SMARTPULSE_ORACLE_SEEDS=FROM..TO` runs others.
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("SMARTPULSE_ORACLE_SEEDS").ok();
    let range = asked.as_deref().and_then(|text| text.split_once(".."));
    range.map_or(1..13, |(from, to)| from.parse().unwrap()..to.parse().unwrap())
}

#[test]
fn random_folders_export_what_brute_force_computes() {
    let oracle = oracle();
    for seed in seeds() {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().join("in");
        let asked = oracle.random_folder(seed, &folder, &["--size", "40"]);
        compare_at_every_instant(&oracle, &folder, &asked, room.path(), seed);
    }
}

#[test]
fn folders_at_the_edge_of_the_rules_do_too() {
    let oracle = oracle();
    for seed in seeds() {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().join("in");
        let asked = oracle.random_folder(1_000 + seed, &folder, &["--size", "25", "--edge"]);
        compare_at_every_instant(&oracle, &folder, &asked, room.path(), 1_000 + seed);
    }
}

fn compare_at_every_instant(
    oracle: &Oracle,
    folder: &Path,
    asked: &runs::Asked,
    room: &Path,
    seed: u64,
) {
    let rules = asked.rules();
    let one = Replayed::run(folder, &room.join("one"), 1, &rules);
    let two = Replayed::run(folder, &room.join("two"), 2, &rules);
    assert_eq!(one.hashes(), two.hashes(), "seed {seed}: one and two workers");
    let mut compared = 0;
    for instants in asked.instants() {
        let out = room.join("out");
        two.export("latest", &out, &instants);
        let differences = oracle.compare(folder, &out, &one.counts, &rules, &instants);
        assert!(differences.is_empty(), "seed {seed} {rules:?} {instants:?}:\n{differences}");
        compared += 1;
    }
    assert!(compared >= 4, "seed {seed}: too few instants");
    two.check();
}

#[test]
fn resolved_and_totals_are_what_brute_force_computes() {
    let oracle = oracle();
    for seed in seeds() {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().join("in");
        let asked = oracle.random_folder(seed, &folder, &["--size", "40", "--hierarchy"]);
        let rules = asked.rules();
        let one = Replayed::run(&folder, &room.path().join("one"), 1, &rules);
        let two = Replayed::run(&folder, &room.path().join("two"), 2, &rules);
        let killed = Replayed::killed(&folder, &room.path().join("killed"), &rules, seed);
        assert_eq!(one.hashes(), two.hashes(), "seed {seed}: one and two workers");
        assert_eq!(one.hashes(), killed.hashes(), "seed {seed}: killed and resumed");
        let mut exports = Vec::new();
        for (turn, instants) in asked.instants().into_iter().enumerate() {
            for view in ["latest", "resolved", "totals"] {
                let out = room.path().join(format!("{view}-{turn}"));
                let mut flags = instants.clone();
                if view != "latest" {
                    flags.extend(asked.reading(turn));
                }
                [&one, &two, &killed][turn % 3].export(view, &out, &flags);
                flags.extend(["--view".to_owned(), view.to_owned()]);
                exports.push((out, flags));
            }
        }
        let differences = oracle.compare_each(&folder, &exports, &killed.counts, &rules);
        assert!(differences.is_empty(), "seed {seed} {rules:?}:\n{differences}");
        killed.check();
        // What the doors say is what is exported, for every unit and every total.
        let asked_for = |flags: &[String]| {
            let has = |word: &str| flags.iter().any(|flag| flag == word);
            !has("resolved") || has("--period")
        };
        exports.retain(|(_, flags)| asked_for(flags));
        exports.truncate(10);
        let server = Server::start_with(&killed.data, |command| {
            command.args(["--clock", "data"]);
        });
        let differences = oracle.compare_doors(server.address(), &exports);
        assert!(differences.is_empty(), "seed {seed} at the doors:\n{differences}");
        server.stop().succeeded();
    }
}

#[test]
fn a_completed_source_reads_nothing_and_prints_the_same() {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path().join("in");
    oracle().random_folder(7, &folder, &[]);
    let first = Replayed::run(&folder, &room.path().join("data"), 1, &[]);
    let again = Replayed::run(&folder, &room.path().join("data"), 1, &[]);
    for key in ["read", "saved", "skipped", "refused", "epoch", "hashes", "content"] {
        assert_eq!(first.counts[key], again.counts[key], "{key}");
    }
    assert!(first.counts["read"].as_u64().unwrap() > 0);
}

#[test]
fn eia_releases_count_and_read_as_the_files_say() {
    let oracle = oracle();
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let replayed = Replayed::run(Path::new("eia930-vintages:2019,2020"), &data, 1, &[]);
    let direct = oracle.eia_counts("2019,2020");
    for key in [
        "read",
        "saved",
        "skipped",
        "nulls",
        "restated",
        "withdrawnBatches",
        "unknownBatches",
        "refused",
    ] {
        assert_eq!(replayed.counts[key], direct[key], "{key}");
    }
    // Resident memory at its highest: the live blocks and bounded buffers, never a release in memory.
    let bound_kb = 1_500_000;
    assert!(replayed.peak_kb < bound_kb, "{} kB resident", replayed.peak_kb);
    for known_at in ["2019-12-31T00:00:00Z", "2020-12-31T00:00:00Z"] {
        let out = room.path().join("out");
        replayed.export("latest", &out, &["--known-at".to_owned(), known_at.to_owned()]);
        let differences = oracle.eia_compare("2019,2020", known_at, &out);
        assert!(differences.is_empty(), "as known at {known_at}:\n{differences}");
    }
}

#[test]
fn exports_are_deterministic_and_readable_elsewhere() {
    let oracle = oracle();
    let room = tempfile::tempdir().unwrap();
    let folder = room.path().join("in");
    oracle.random_folder(3, &folder, &["--hierarchy"]);
    let replayed = Replayed::run(&folder, &room.path().join("data"), 1, &[]);
    for view in ["latest", "resolved", "totals", "history", "units", "batches"] {
        let (first, second) = (room.path().join("first"), room.path().join("second"));
        replayed.export(view, &first, &[]);
        replayed.export(view, &second, &[]);
        assert_eq!(runs::bytes_of(&first), runs::bytes_of(&second), "{view}");
        oracle.read_everywhere(&first.join(view));
    }
}
