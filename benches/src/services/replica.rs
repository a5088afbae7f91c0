//! `replica-get-latest-hit`, `replica-subscriber-latency`, `replica-cold-10m`: a read replica that follows an engine
//! by way of Redis: its reads beside bare axum, when its subscriber has a save beside the engine's own, and how
//! long one takes that begins with ten million live points.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use smartpulse_services::Redis;
use smartpulse_services::redis::Persistence;

use crate::clock::now;
use crate::fill::Fill;
use crate::load::follow::Follow;
use crate::load::work::Work;
use crate::load::{Load, Outcome};
use crate::plan::{Plan, say};
use crate::points::workload::PROVIDERS;
use crate::reads;
use crate::said::Said;
use crate::scene::Scene;
use crate::server::Server;
use crate::table::{Better, Measured, Row, Table, number};
use crate::wire::Line;

const READS: [reads::ReadRow; 1] = [("replica-get-latest-hit", "encoded", false)];
const SUBSCRIBER: &str = "replica-subscriber-latency";
const COLD: &str = "replica-cold-10m";
/// What the name promises, of a run that is not quick.
const LIVE: u64 = 10_000_000;
const SAVED: Scene = Scene { plants: 1_000, slots: 96 };
/// Saves of a day that are offered each second: a million series days in an hour.
const RATE: f64 = 300.0;
const CONNECTIONS: usize = 32;
const STRIDE: u64 = 20;
/// Between two looks whether the replica is there.
const LOOK: Duration = Duration::from_millis(2);
const HANG: Duration = Duration::from_secs(300);

/// An engine, its Redis and a replica.
struct Stage {
    /// Stopped with the stage.
    _redis: Redis,
    engine: Server,
    replica: Server,
}

pub(super) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if plan.wants(READS[0].0) {
        let room = plan.room()?;
        let data = room.path().join("data");
        reads::SCENE.prepare(&data)?;
        let stage = Stage::start(plan, &data)?;
        reads::save_all(&stage.engine)?;
        stage.catch_up()?;
        reads::measure_all(plan, table, &stage.replica, room.path(), &READS)?;
        stage.stop()?;
    }
    if plan.wants(SUBSCRIBER) {
        subscriber(plan, table)?;
    }
    if plan.wants(COLD) {
        cold(plan, table)?;
    }
    Ok(())
}

impl Stage {
    fn start(plan: &Plan, data: &Path) -> Result<Stage> {
        let redis = Redis::start(Persistence::None)?;
        let engine = engine(plan, data, &redis)?;
        let replica = replica(plan, &data.with_file_name("replica"), &redis)?;
        let stage = Stage { _redis: redis, engine, replica };
        stage.engine.ready()?;
        stage.replica.ready()?;
        Ok(stage)
    }

    /// Waits until the replica shows what the engine shows.
    fn catch_up(&self) -> Result<()> {
        let epoch = Line::open(self.engine.address())?.get("/api/v2.0/status")?.number("epoch")?;
        let begun = now();
        let mut line = Line::open(self.replica.address())?;
        while line.get("/api/v2.0/status")?.number("epoch")? < epoch {
            ensure!(begun.elapsed() < HANG, "the replica does not come to epoch {epoch}");
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn stop(self) -> Result<()> {
        self.replica.stop()?;
        self.engine.stop()
    }
}

fn engine(plan: &Plan, data: &Path, redis: &Redis) -> Result<Server> {
    let setting = format!("[{{urls=[\"{}\"]}}]", redis.url());
    Server::start_with(plan, data, |command| {
        command.arg("--accept-clock").env("SMARTPULSE_REDIS", setting);
    })
}

fn replica(plan: &Plan, data: &Path, redis: &Redis) -> Result<Server> {
    let url = redis.url();
    Server::start_with(plan, data, |command| {
        command.arg("--from-redis").arg(url);
    })
}

fn subscriber(plan: &Plan, table: &mut Table) -> Result<()> {
    let room = plan.room()?;
    let data = room.path().join("data");
    SAVED.prepare(&data)?;
    let stage = Stage::start(plan, &data)?;
    let mut load = Load {
        address: stage.engine.address(),
        server: stage.engine.pid(),
        connections: CONNECTIONS,
        warm_up: Duration::from_millis(plan.sized(1_000, 300)),
        window: Duration::from_millis(plan.sized(6_000, 1_500)),
        rate: Some(RATE),
        work: Work::Saves { scene: SAVED, is_service: true },
        first: 0,
        follow: None,
    };
    let (mut replica, mut own): (Vec<Outcome>, Vec<Outcome>) = Default::default();
    for round in 1..=plan.sized(6, 3) {
        for (at, outcomes) in
            [(stage.replica.address(), &mut replica), (stage.engine.address(), &mut own)]
        {
            load.follow = Some(Follow { scene: SAVED, stride: STRIDE, at: Some(at) });
            let outcome = load.run()?;
            load.first = outcome.next;
            outcomes.push(outcome);
        }
        say(&format!("{SUBSCRIBER}: round {round}"));
    }
    let of = |outcomes: &[Outcome]| -> Vec<Vec<u32>> {
        outcomes.iter().map(|outcome| outcome.seen.clone()).collect()
    };
    let (ours, engines) = (Measured::latency(&of(&replica)), Measured::latency(&of(&own)));
    let p99 = |measured: &Measured| measured.percentiles.unwrap_or_default().p99 / 1_000.0;
    let remark = format!(
        "{RATE} saves of a day a second; p99 {:.2} ms, at the engine itself {:.2} ms; from when a save was due until the subscriber had it",
        p99(&ours),
        p99(&engines)
    );
    let row = Row::new(SUBSCRIBER, "µs", Better::Less, ours).beside("engine-subscriber", engines);
    table.add(row.remark(remark));
    stage.stop()
}

fn cold(plan: &Plan, table: &mut Table) -> Result<()> {
    let said = plan.sized(
        Said { plants: 3_400, ticks: 10, tick_points: 10_000 },
        Said { plants: 340, ticks: 10, tick_points: 10_000 },
    );
    let room = plan.room()?;
    let data = room.path().join("data");
    let (filling, filled) = Fill { data: data.clone(), said, stops: true }.run()?;
    drop(filling);
    ensure!(plan.quick || filled.compared >= LIVE, "only {} live points", filled.compared);
    let redis = Redis::start(Persistence::None)?;
    let begun = now();
    let engine = engine(plan, &data, &redis)?;
    engine.ready()?;
    let mut line = Line::open(engine.address())?;
    let days = line.get("/api/v2.0/status")?.number("seriesDays")?;
    let is_filled = || {
        redis
            .command(&["HGET", "sp:{stream}:state", "epoch"])
            .is_ok_and(|epoch| !epoch.is_empty() && epoch != "-1")
    };
    while !is_filled() {
        ensure!(begun.elapsed() < HANG, "Redis is not filled");
        std::thread::sleep(LOOK);
    }
    let fill_seconds = begun.elapsed().as_secs_f64();
    let mut took = Vec::new();
    for run in 1..=plan.sized(5, 3) {
        let replica = replica(plan, &room.path().join(format!("replica-{run}")), &redis)?;
        took.push(replica.ready()?.as_secs_f64());
        say(&format!("{COLD}: run {run}: {:.3} s", took[took.len() - 1]));
        compare(&mut line, &replica, days)?;
        replica.stop()?;
    }
    let bytes = redis.command(&["INFO", "memory"])?;
    let bytes = bytes.lines().find_map(|line| line.strip_prefix("used_memory:"));
    let megabytes =
        bytes.and_then(|text| text.trim().parse::<u64>().ok()).context("used_memory")? >> 20;
    let row = Row::new(COLD, "s", Better::Less, Measured::of(took));
    table.add(row.with("livePoints", filled.compared).with("fillSeconds", fill_seconds).remark(format!(
        "{} live points in {} series days; Redis holds {megabytes} MB, filled {fill_seconds:.1} s after the engine's start; reads compared each time",
        number(filled.compared as f64),
        number(days as f64)
    )));
    engine.stop()
}

/// Compares what replica and engine show.
fn compare(engine: &mut Line, replica: &Server, days: u64) -> Result<()> {
    let mut line = Line::open(replica.address())?;
    let shown = line.get("/api/v2.0/status")?.number("seriesDays")?;
    ensure!(shown == days, "{shown} series days of {days}");
    let range = "from=2026-02-01T00:00:00Z&to=2026-04-01T00:00:00Z";
    for plant in (1..=300).step_by(37) {
        for provider in PROVIDERS {
            let path = format!(
                "/api/v2.0/production-forecast/{provider}/PP/{plant}/forecasts/latest?{range}"
            );
            let own = engine.get(&path)?.success()?.body.to_vec();
            ensure!(own.len() > 1_000, "{path} shows nothing");
            ensure!(line.get(&path)?.success()?.body == own, "{path} differs");
        }
    }
    Ok(())
}
