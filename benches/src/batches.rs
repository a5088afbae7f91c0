//! `durable-batches`: batches of 1,000 values a second over real sockets, durable and visible, beside bare
//! axum that parses the same bodies and syncs them.
//!
//! At the end every plant is read back, once from the running service and once after `kill -9`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::bare::Bare;
use crate::figures::median;
use crate::load::work::Work;
use crate::load::{Load, Outcome};
use crate::plan::{Plan, say};
use crate::scene::Scene;
use crate::server::Server;
use crate::table::{Better, Measured, Row, Table, number};
use crate::wire::Line;

const NAME: &str = "durable-batches";
const SCENE: Scene = Scene { plants: 200, slots: 1_000 };
/// Callers that each wait for their answer.
const CONNECTIONS: usize = 32;

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(NAME) {
        return Ok(());
    }
    let room = plan.room()?;
    let data = room.path().join("data");
    SCENE.prepare(&data)?;
    let server = Server::start(plan, &data)?;
    server.ready()?;
    let (bare, bare_address) = Bare::Syncing { folder: room.path().to_owned() }.start()?;
    let mut ours = Load {
        address: server.address(),
        server: server.pid(),
        connections: CONNECTIONS,
        warm_up: Duration::from_millis(plan.sized(1_000, 300)),
        // What bare axum keeps of it is over a gigabyte.
        window: Duration::from_millis(plan.sized(3_000, 1_000)),
        rate: None,
        work: Work::Saves { scene: SCENE, is_service: true },
        first: 0,
        follow: None,
    };
    let mut theirs = Load {
        address: bare_address,
        server: bare.pid(),
        work: Work::Saves { scene: SCENE, is_service: false },
        ..ours.clone()
    };
    let mut runs: [Vec<Outcome>; 2] = Default::default();
    let mut last = BTreeMap::new();
    for round in 1..=plan.sized(5, 3) {
        for (load, runs) in [&mut ours, &mut theirs].into_iter().zip(&mut runs) {
            let outcome = load.run()?;
            load.first = outcome.next;
            last.extend(outcome.last.clone());
            runs.push(outcome);
        }
        let newest = |runs: &[Outcome]| runs.last().map_or(0.0, Outcome::rate);
        say(&format!(
            "{NAME}: round {round}: {} batches/s, bare axum with fdatasync {}",
            number(newest(&runs[0])),
            number(newest(&runs[1]))
        ));
    }
    let values = Line::open(bare_address)?.get("/values")?.success()?.number("values")?;
    ensure!(values == theirs.first * SCENE.slots, "bare axum has counted {values} values");
    check(plan, server, &data, &last)?;
    table.add(row(&runs));
    Ok(())
}

/// Reads every plant back, before and after a kill.
fn check(plan: &Plan, server: Server, data: &Path, last: &BTreeMap<u64, (u64, u64)>) -> Result<()> {
    let read_back = |server: &Server| {
        let mut line = Line::open(server.address())?;
        last.iter().try_for_each(|(plant, (_, variant))| SCENE.check(&mut line, *plant, *variant))
    };
    ensure!(!last.is_empty(), "nothing was saved");
    read_back(&server)?;
    server.kill()?;
    let server = Server::start(plan, data)?;
    server.ready()?;
    read_back(&server)?;
    server.stop()
}

fn row(runs: &[Vec<Outcome>; 2]) -> Row {
    let [ours, theirs] = runs;
    let of = |runs: &[Outcome], value: fn(&Outcome) -> f64| -> Vec<f64> {
        runs.iter().map(value).collect()
    };
    let wall = |runs| Measured::of(of(runs, Outcome::rate));
    let share = median(&of(ours, Outcome::generator_share));
    let bare_share = median(&of(theirs, Outcome::generator_share));
    let latencies: Vec<Vec<u32>> = ours.iter().map(|outcome| outcome.latencies.clone()).collect();
    let latency = Measured::latency(&latencies).percentiles.unwrap_or_default();
    let core = median(&of(ours, Outcome::rate_a_core));
    let bare_core = median(&of(theirs, Outcome::rate_a_core));
    Row::new(NAME, "batches/s", Better::More, wall(ours))
        .beside("bare-axum-fdatasync", wall(theirs))
        .with("perServerCore", json!({ "value": core, "reference": bare_core, "ratio": core / bare_core }))
        .with("generatorShare", json!({ "ours": share, "reference": bare_share }))
        .with("latencyAtThatRate", latency)
        .remark(format!(
            "{} values a batch, {CONNECTIONS} callers; at that rate p50 {:.1} ms, p99 {:.1} ms",
            number(SCENE.slots as f64),
            latency.p50 / 1_000.0,
            latency.p99 / 1_000.0
        ))
        .remark(format!(
            "the load generator took {:.0} % of the processor time of both, {:.0} % beside bare axum; every plant read back, also after kill -9",
            100.0 * share,
            100.0 * bare_share
        ))
}
