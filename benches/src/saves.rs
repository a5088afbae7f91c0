//! `save-latency-{25|50|75}`, `subscriber-latency-{25|50|75}`: how long a save of a day of quarter hours takes
//! until it is durable and visible, and until a subscriber has it, at shares of the highest rate that the
//! service reaches in the same run. Beside them what one `fdatasync` of as many bytes takes.
//!
//! The highest rate is found by a closed load; what is measured is an open one, on a fixed schedule. Syncs of
//! the reference are taken between the loads, when the disk is nobody else's.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::disk::Syncs;
use crate::figures::{Percentiles, median};
use crate::load::follow::Follow;
use crate::load::work::Work;
use crate::load::{Load, Outcome};
use crate::plan::{Plan, say};
use crate::scene::Scene;
use crate::server::Server;
use crate::table::{Better, Measured, Row, Table, number};
use crate::wire::Line;

const SCENE: Scene = Scene { plants: 1_000, slots: 96 };
/// Enough that the next save that is due finds one that is free.
const CONNECTIONS: usize = 64;
/// Percent of the highest rate.
const LEVELS: [u32; 3] = [25, 50, 75];
/// One in so many plants is followed.
const STRIDE: u64 = 20;

/// What was measured at one level.
#[derive(Default)]
struct AtLevel {
    rate: f64,
    loads: Vec<Outcome>,
}

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    let wanted =
        |level: &u32| plan.wants(&save_name(*level)) || plan.wants(&subscriber_name(*level));
    let wanted: Vec<u32> = LEVELS.into_iter().filter(wanted).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let room = plan.room()?;
    let data = room.path().join("data");
    SCENE.prepare(&data)?;
    let server = Server::start(plan, &data)?;
    server.ready()?;
    let mut run = Run::begin(plan, &server);
    let (highest, save_bytes) = run.highest_rate(&server)?;
    say(&format!(
        "save-latency: {} saves/s at most; {save_bytes} bytes of journal a save",
        number(highest)
    ));
    let mut syncs = Syncs::create(room.path(), save_bytes)?;
    // The first ones grow the file and are the warm-up.
    syncs.take(plan.sized(300, 50))?;
    let mut synced = Vec::new();
    let mut levels: BTreeMap<u32, AtLevel> = BTreeMap::new();
    for round in 1..=plan.sized(6, 3) {
        for level in &wanted {
            let rate = highest * f64::from(*level) / 100.0;
            let outcome = run.load(Some(rate))?;
            let took = Percentiles::of(&outcome.latencies);
            say(&format!(
                "save-latency-{level}: round {round}: p50 {:.2} ms, p99 {:.2} ms, {} saves",
                took.p50 / 1_000.0,
                took.p99 / 1_000.0,
                outcome.done
            ));
            let at_level = levels.entry(*level).or_default();
            at_level.rate = rate;
            at_level.loads.push(outcome);
            synced.push(syncs.take(plan.sized(300, 50))?);
        }
    }
    let mut line = Line::open(server.address())?;
    for (plant, (_, variant)) in &run.last {
        SCENE.check(&mut line, *plant, *variant)?;
    }
    ensure!(run.last.len() as u64 == SCENE.plants.min(run.load.first), "plants without a save");
    drop(line);
    server.stop()?;
    for (level, at_level) in &levels {
        add(plan, table, *level, at_level, &synced);
    }
    Ok(())
}

/// Loads on one service, each going on where the one before ended.
struct Run {
    load: Load,
    closed_rounds: usize,
    /// Of each plant its newest save.
    last: BTreeMap<u64, (u64, u64)>,
}

impl Run {
    fn begin(plan: &Plan, server: &Server) -> Run {
        let load = Load {
            address: server.address(),
            server: server.pid(),
            connections: CONNECTIONS,
            warm_up: Duration::from_millis(plan.sized(1_000, 300)),
            window: Duration::from_millis(plan.sized(6_000, 1_500)),
            rate: None,
            work: Work::Saves { scene: SCENE, is_service: true },
            first: 0,
            // Always: the highest rate is that of a service that is followed, too.
            follow: Some(Follow { scene: SCENE, stride: STRIDE, at: None }),
        };
        Run { load, closed_rounds: plan.sized(5, 3), last: BTreeMap::new() }
    }

    fn load(&mut self, rate: Option<f64>) -> Result<Outcome> {
        self.load.rate = rate;
        let outcome = self.load.run()?;
        self.load.first = outcome.next;
        self.last.extend(outcome.last.clone());
        Ok(outcome)
    }

    /// The rate of a closed load (the median of some, the first apart), and bytes of journal a save. What
    /// goes beyond a save there (the tick it is in) is a part of what is synced.
    fn highest_rate(&mut self, server: &Server) -> Result<(f64, usize)> {
        self.load(None)?;
        let journal = || Line::open(server.address())?.get("/api/v2.0/status")?.number("journal");
        let (before, first) = (journal()?, self.load.first);
        let mut rates = Vec::new();
        for _ in 0..self.closed_rounds {
            rates.push(self.load(None)?.rate());
        }
        let saves = self.load.first - first;
        let bytes = (journal()? - before).checked_div(saves).context("nothing was saved")?;
        Ok((median(&rates), usize::try_from(bytes)?.max(64)))
    }
}

fn save_name(level: u32) -> String {
    format!("save-latency-{level}")
}

fn subscriber_name(level: u32) -> String {
    format!("subscriber-latency-{level}")
}

fn add(plan: &Plan, table: &mut Table, level: u32, at_level: &AtLevel, synced: &[Vec<u32>]) {
    let AtLevel { rate, loads } = at_level;
    let of = |samples: fn(&Outcome) -> &Vec<u32>| -> Vec<Vec<u32>> {
        loads.iter().map(|outcome| samples(outcome).clone()).collect()
    };
    let saved = Measured::latency(&of(|outcome| &outcome.latencies));
    let seen = Measured::latency(&of(|outcome| &outcome.seen));
    let behind = Percentiles::of(&of(|outcome| &outcome.behind).concat());
    let shares: Vec<f64> = loads.iter().map(Outcome::generator_share).collect();
    let share = median(&shares);
    let achieved = median(&loads.iter().map(Outcome::rate).collect::<Vec<_>>());
    let saves: u64 = loads.iter().map(|outcome| outcome.done).sum();
    let common = |row: Row| {
        row.beside("fdatasync", Measured::latency(synced))
            .with("offeredPerSecond", rate)
            .with("savesPerSecond", achieved)
            .with("generatorShare", share)
    };
    let (saved_p99, seen_p99) = (p99(&saved), p99(&seen));
    if plan.wants(&save_name(level)) {
        let row = Row::new(save_name(level), "µs", Better::Less, saved);
        table.add(common(row).with("samples", saves).remark(format!(
            "{} saves/s offered; the load generator took {:.0} % of the processor time of both; every plant read back",
            number(*rate),
            100.0 * share
        )));
    }
    if plan.wants(&subscriber_name(level)) {
        let samples: usize = loads.iter().map(|outcome| outcome.seen.len()).sum();
        let row = Row::new(subscriber_name(level), "µs", Better::Less, seen);
        let row = row.with("samples", samples).with("behindAnswer", behind);
        let row = row.with("p99BehindSave", json!(seen_p99 - saved_p99));
        table.add(common(row).remark(format!(
            "{samples} saves followed; p99 {:+.2} ms against that of saves; behind the answer p50 {:.2} ms, p99 {:.2} ms",
            (seen_p99 - saved_p99) / 1_000.0,
            behind.p50 / 1_000.0,
            behind.p99 / 1_000.0
        )));
    }
}

fn p99(measured: &Measured) -> f64 {
    measured.percentiles.unwrap_or_default().p99
}
