//! `replay-eia`: the EIA-930 releases through the whole durable path, as the program replays them.
//!
//! Counts and rows are compared with those of the oracle of the tests, which reads the files directly.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::plan::{Plan, say};
use crate::server::program;
use crate::table::{Better, Measured, Row, Table, number};

const NAME: &str = "replay-eia";
const ORACLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipeline/tests/oracle/eia.py");
/// Counts that both tell.
const COUNTS: [&str; 8] = [
    "read",
    "saved",
    "skipped",
    "nulls",
    "restated",
    "withdrawnBatches",
    "unknownBatches",
    "refused",
];

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(NAME) {
        return Ok(());
    }
    let releases = plan.sized("2019,2020,2025", "2019");
    let mut rates = Vec::new();
    let mut told = Value::Null;
    // The first run is the warm-up: it brings the files into memory.
    for run in 0..=plan.sized(5, 1) {
        let room = plan.room()?;
        let data = room.path().join("data");
        told = replay(plan, releases, &data)?;
        let rate = told["pointsPerSecond"].as_f64().context("no rate")?;
        say(&format!("{NAME}: run {run}: {} points/s", number(rate)));
        if run > 0 {
            rates.push(rate);
        }
        if run == plan.sized(5, 1) {
            check(plan, releases, room.path(), &told)?;
        }
    }
    let read = told["read"].as_f64().unwrap_or(0.0);
    let row =
        Row::new(NAME, "points/s", Better::More, Measured::of(rates)).with("read", &told["read"]);
    table.add(row.remark(format!(
        "eia930-vintages:{releases}, {} values a run; counts and every row as the oracle has them",
        number(read)
    )));
    Ok(())
}

fn replay(plan: &Plan, releases: &str, data: &Path) -> Result<Value> {
    let mut command = program(plan);
    command.args(["replay", &format!("eia930-vintages:{releases}"), "--json", "--quiet", "--data"]);
    let output = run(command.arg(data).env("SMARTPULSE_DATASETS", &plan.datasets))?;
    let last = output.lines().last().context("replay has printed nothing")?;
    Ok(serde_json::from_str(last)?)
}

/// Compares counts and exported rows with the oracle's.
fn check(plan: &Plan, releases: &str, room: &Path, told: &Value) -> Result<()> {
    let out = room.join("out");
    let mut export = program(plan);
    run(export
        .args(["export", "latest", "--quiet", "--data"])
        .arg(room.join("data"))
        .arg("--out")
        .arg(&out))?;
    let mut oracle = Command::new(plan.python()?);
    oracle.arg(ORACLE).arg(releases).arg("--datasets").arg(plan.datasets.join("eia930_vintages"));
    let said = run(oracle.arg("--compare").arg(&out))?;
    let expected: Value = serde_json::from_str(said.lines().next().unwrap_or_default())?;
    for count in COUNTS {
        ensure!(
            told[count] == expected[count],
            "{count}: {} were counted, the oracle counts {}",
            told[count],
            expected[count]
        );
    }
    Ok(())
}

/// Runs a command to its end; what it printed.
fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{command:?} ended with {}: {text}", output.status);
    Ok(text)
}
