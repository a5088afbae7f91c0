//! `get-latest-hit`, `get-latest-miss`: a day of quarter hours as JSON over real sockets, beside bare axum
//! that gives the same bytes, prepared.
//!
//! A miss asks for a range that nobody has asked for before, so that the answer is made and kept while the
//! cache is full of others. Every byte of every answer is compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::bare::Bare;
use crate::figures::median;
use crate::load::work::{Work, plant_file};
use crate::load::{Load, Outcome};
use crate::plan::{Plan, say};
use crate::scene::Scene;
use crate::server::Server;
use crate::table::{Better, Measured, Row, Table, number};
use crate::wire::Line;

/// What is read.
pub(crate) const SCENE: Scene = Scene { plants: 64, slots: 96 };
const CONNECTIONS: usize = 32;
/// A row, what the service says of where an answer came from, and whether each range is a fresh one.
pub(crate) type ReadRow = (&'static str, &'static str, bool);

const ROWS: [ReadRow; 2] =
    [("get-latest-hit", "encoded", false), ("get-latest-miss", "snapshot", true)];

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants_any(&ROWS.map(|(name, ..)| name)) {
        return Ok(());
    }
    let room = plan.room()?;
    let data = room.path().join("data");
    SCENE.prepare(&data)?;
    let server = Server::start(plan, &data)?;
    server.ready()?;
    save_all(&server)?;
    measure_all(plan, table, &server, room.path(), &ROWS)?;
    server.stop()
}

/// What every read shows.
pub(crate) fn save_all(server: &Server) -> Result<()> {
    let mut line = Line::open(server.address())?;
    let texts = SCENE.bodies();
    for plant in 1..=SCENE.plants {
        line.post(&Scene::path(plant), &texts[Scene::class(plant) as usize][0])?.success()?;
    }
    Ok(())
}

/// Rows of reads of `server`, which shows all that was saved, beside bare axum.
pub(crate) fn measure_all(
    plan: &Plan,
    table: &mut Table,
    server: &Server,
    room: &Path,
    rows: &[ReadRow],
) -> Result<()> {
    let bodies = room.join("bodies");
    fs::create_dir(&bodies)?;
    let mut line = Line::open(server.address())?;
    for plant in 1..=SCENE.plants {
        let answer = line.get(&SCENE.latest(plant))?.success()?;
        SCENE.compare(answer.body, plant, 0).context("the answer that all are compared with")?;
        fs::write(bodies.join(plant_file(plant)), answer.body)?;
    }
    let (bare, bare_address) =
        Bare::Prebuilt { bodies: bodies.clone(), plants: SCENE.plants }.start()?;
    for (name, level, is_fresh) in rows.iter().copied().filter(|(name, ..)| plan.wants(name)) {
        let ours = Load {
            address: server.address(),
            server: server.pid(),
            connections: CONNECTIONS,
            warm_up: Duration::from_millis(plan.sized(1_000, 300)),
            window: Duration::from_millis(plan.sized(4_000, 1_000)),
            rate: None,
            work: work(&bodies, Some(level), is_fresh),
            first: 0,
            follow: None,
        };
        let theirs = Load {
            address: bare_address,
            server: bare.pid(),
            work: work(&bodies, None, is_fresh),
            ..ours.clone()
        };
        table.add(measure(plan, name, ours, theirs)?);
    }
    // What was read while it was measured still stands. The line of before has been idle for too long.
    SCENE.check(&mut Line::open(server.address())?, 1, 0)
}

fn work(bodies: &Path, level: Option<&str>, is_fresh: bool) -> Work {
    let (bodies, level) = (PathBuf::from(bodies), level.map(str::to_owned));
    Work::Reads { scene: SCENE, bodies, level, is_fresh }
}

fn measure(plan: &Plan, name: &str, mut ours: Load, mut theirs: Load) -> Result<Row> {
    let mut runs: [Vec<Outcome>; 2] = Default::default();
    for round in 1..=plan.sized(7, 3) {
        for (load, runs) in [&mut ours, &mut theirs].into_iter().zip(&mut runs) {
            let outcome = load.run()?;
            load.first = outcome.next;
            runs.push(outcome);
        }
        let last = |runs: &[Outcome]| runs.last().map_or(0.0, Outcome::rate);
        say(&format!(
            "{name}: round {round}: {} requests/s, bare axum {}",
            number(last(&runs[0])),
            number(last(&runs[1]))
        ));
    }
    let [ours, theirs] = &runs;
    let of = |runs: &[Outcome], value: fn(&Outcome) -> f64| -> Vec<f64> {
        runs.iter().map(value).collect()
    };
    let wall = |runs| Measured::of(of(runs, Outcome::rate));
    let (core, bare_core) =
        (median(&of(ours, Outcome::rate_a_core)), median(&of(theirs, Outcome::rate_a_core)));
    let (share, bare_share) = (
        median(&of(ours, Outcome::generator_share)),
        median(&of(theirs, Outcome::generator_share)),
    );
    let checked: u64 = ours.iter().map(|outcome| outcome.done).sum();
    Ok(Row::new(name, "requests/s", Better::More, wall(ours))
        .beside("bare-axum", wall(theirs))
        .with("perServerCore", json!({ "value": core, "reference": bare_core, "ratio": core / bare_core }))
        .with("generatorShare", json!({ "ours": share, "reference": bare_share }))
        .with("answersChecked", checked)
        .remark(format!(
            "a processor second of the server: {} requests, bare axum {}; ratio {:.3}",
            number(core),
            number(bare_core),
            core / bare_core
        ))
        .remark(format!(
            "the load generator took {:.0} % of the processor time of both, {:.0} % beside bare axum; {} answers compared",
            100.0 * share,
            100.0 * bare_share,
            number(checked as f64)
        )))
}
