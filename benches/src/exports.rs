//! `export-rows`: rows of `latest` that are written as Parquet in a processor second, beside pyarrow and
//! polars, which write the same table, already in memory, into the same files with the same codec.

use std::path::PathBuf;
use std::process::{self, Command};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;
use smartpulse::export::{View, Wanted, export};
use smartpulse::history::History;
use smartpulse::picture::{AsOf, Picture, Selection};
use smartpulse::rollup::Reading;
use smartpulse_operators::time::Instant;

use crate::clock::now;
use crate::fill::Fill;
use crate::machine::cpu_seconds;
use crate::plan::{Plan, say};
use crate::role::{self, Player, Role};
use crate::said::Said;
use crate::scene::start_service;
use crate::table::{Better, Measured, Row, Table, number};
use crate::truth::{Digest, Truth};

const NAME: &str = "export-rows";
const WRITERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reference/writers.py");
const REFERENCES: [&str; 2] = ["pyarrow", "polars"];

/// What writing took.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Written {
    rows: u64,
    seconds: f64,
    cpu: f64,
}

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(NAME) {
        return Ok(());
    }
    let said = plan.sized(
        Said { plants: 1_500, ticks: 100, tick_points: 10_000 },
        Said { plants: 400, ticks: 10, tick_points: 10_000 },
    );
    let room = plan.room()?;
    let (data, out) = (room.path().join("data"), room.path().join("out"));
    Fill { data: data.clone(), said, stops: true }.run()?;
    let truth = Truth::of(said).digest();
    let mut ours = Player::start(Role::Export, &data)?;
    let into = |writer: &str| json!({ "writer": writer, "out": out.join(writer) });
    // The first round is the warm-up, and makes the table that the others write.
    ours.say(&out.join("ours"))?;
    ours.hear::<Written>()?;
    let mut python = Command::new(plan.python()?);
    // One core each: what is compared is work, not how much of the machine was free.
    python.arg(WRITERS).env("POLARS_MAX_THREADS", "1").env("OMP_NUM_THREADS", "1");
    let source = json!({ "source": out.join("ours/latest") });
    let mut others = Player::begin("writers.py", &mut python, &source)?;
    check(&truth, others.hear()?, "ours")?;
    for writer in REFERENCES {
        others.say(&into(writer))?;
        others.hear::<Written>()?;
    }
    let mut runs: [Vec<Written>; 3] = Default::default();
    for round in 1..=plan.sized(7, 3) {
        ours.say(&out.join("ours"))?;
        runs[0].push(ours.hear()?);
        for (writer, runs) in REFERENCES.iter().zip(&mut runs[1..]) {
            others.say(&into(writer))?;
            runs.push(others.hear()?);
        }
        let words = ["ours"].iter().chain(&REFERENCES).zip(&runs).filter_map(|(writer, runs)| {
            Some(format!("{writer} {}", number(a_core(runs.last()?))))
        });
        say(&format!("{NAME}: round {round}: {}", words.collect::<Vec<_>>().join(", ")));
    }
    // Whatever was written last is read back.
    for (writer, folder) in
        [("ours", "ours/latest"), (REFERENCES[0], "pyarrow"), (REFERENCES[1], "polars")]
    {
        others.say(&json!({ "digest": out.join(folder) }))?;
        check(&truth, others.hear()?, writer)?;
    }
    table.add(row(&runs, &truth));
    Ok(())
}

fn row(runs: &[Vec<Written>; 3], truth: &Digest) -> Row {
    let measured = |runs: &[Written]| Measured::of(runs.iter().map(a_core).collect());
    let wall = |runs: &[Written]| {
        let rates = runs.iter().map(|it| it.rows as f64 / it.seconds).collect();
        Measured::of(rates).value
    };
    let [ours, pyarrow, polars] = runs;
    Row::new(NAME, "rows/s a core", Better::More, measured(ours))
        .beside(REFERENCES[0], measured(pyarrow))
        .beside(REFERENCES[1], measured(polars))
        .with("rowsChecked", truth.rows)
        .with("wall", json!({ "ours": wall(ours), "pyarrow": wall(pyarrow), "polars": wall(polars) }))
        .remark(format!(
            "{} rows; by the wall clock {} rows/s (pyarrow {}, polars {}); all three read back and compared",
            number(truth.rows as f64),
            number(wall(ours)),
            number(wall(pyarrow)),
            number(wall(polars))
        ))
}

/// Rows a processor second.
fn a_core(written: &Written) -> f64 {
    written.rows as f64 / written.cpu.max(0.01)
}

fn check(truth: &Digest, found: Digest, writer: &str) -> Result<()> {
    ensure!(found == *truth, "{writer} wrote {found:?}, not {truth:?}");
    Ok(())
}

/// This process as one that exports a folder at rest, as often as it is told a folder to write to.
pub(crate) fn play() -> Result<()> {
    let data: PathBuf = role::told()?.context("nothing to do")?;
    let (base, folder) = start_service(&data)?.stop()?;
    let history = History::open(&folder.history())?;
    let as_of = AsOf::new(None, None, base.clock.unwrap_or(Instant::MIN));
    let (selection, reading) = (Selection::default(), Reading::default());
    let go_on = || Ok(());
    while let Some(out) = role::told::<PathBuf>()? {
        let wanted =
            Wanted { view: View::Latest, as_of, selection: &selection, reading, go_on: &go_on };
        let (begun, before) = (now(), cpu_seconds(process::id())?);
        let rows = export(&wanted, &Picture { base: &base, history: &history }, &out)?;
        let cpu = cpu_seconds(process::id())? - before;
        role::say(&Written { rows, seconds: begun.elapsed().as_secs_f64(), cpu })?;
    }
    Ok(())
}
