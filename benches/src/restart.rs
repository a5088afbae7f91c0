//! `restart-10m`: from `kill -9` of a process with ten million live points to a service that is ready.
//!
//! The folder is filled by a process that is killed as it is, without a snapshot of its last state. Before
//! each further kill some saves are acknowledged, and must be there again.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use smartpulse_operators::time::Instant;

use crate::fill::{Fill, Filled};
use crate::plan::{Plan, say};
use crate::said::Said;
use crate::scene::Scene;
use crate::server::Server;
use crate::table::{Better, Measured, Row, Table, number};
use crate::truth::Truth;
use crate::wire::Line;

const NAME: &str = "restart-10m";
/// What the name promises, of a run that is not quick.
const LIVE: u64 = 10_000_000;
/// One in so many plants is read after each start.
const SAMPLE: u64 = 61;
/// Saves between a start and the next kill.
const SAVES: u64 = 20;
/// A range that holds all deliveries of the workload.
const RANGE: &str = "from=2026-02-01T00:00:00Z&to=2026-04-01T00:00:00Z";

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(NAME) {
        return Ok(());
    }
    let said = plan.sized(
        // Slots that are null are not counted as live.
        Said { plants: 3_400, ticks: 500, tick_points: 10_000 },
        Said { plants: 340, ticks: 50, tick_points: 10_000 },
    );
    let room = plan.room()?;
    let data = room.path().join("data");
    let (filling, filled) = Fill { data: data.clone(), said, stops: false }.run()?;
    filling.kill()?;
    ensure!(plan.quick || filled.compared >= LIVE, "only {} live points", filled.compared);
    let truth = Truth::of(said);
    let mut took = Vec::new();
    let mut saved = Saved { scene: Scene { plants: said.plants, slots: 96 }, next: 0 };
    for run in 1..=plan.sized(5, 3) {
        let server = Server::start(plan, &data)?;
        took.push(server.ready()?.as_secs_f64());
        say(&format!("{NAME}: run {run}: {:.3} s", took[took.len() - 1]));
        let mut line = Line::open(server.address())?;
        check(&mut line, &truth, &filled, said.plants)?;
        saved.check(&mut line)?;
        saved.go_on(&mut line)?;
        server.kill()?;
    }
    let remark = format!(
        "{} live points, {} said since; journal {} MB, newest snapshot {}; after each start {} plants, and all saves since, were read back",
        number(filled.compared as f64),
        number(filled.points as f64),
        bytes_in(&data.join("journal"))? >> 20,
        newest_in(&data.join("snapshots")),
        said.plants / SAMPLE
    );
    let row = Row::new(NAME, "s", Better::Less, Measured::of(took));
    table.add(row.with("livePoints", filled.compared).remark(remark));
    Ok(())
}

/// Saves that were acknowledged.
struct Saved {
    scene: Scene,
    next: u64,
}

impl Saved {
    fn go_on(&mut self, line: &mut Line) -> Result<()> {
        let bodies = self.scene.bodies();
        for _ in 0..SAVES {
            self.next += 1;
            let body = &bodies[Scene::class(self.next) as usize][0];
            let answer = line.post(&Scene::path(self.next), body)?.success()?;
            ensure!(answer.number("savedCount")? == self.scene.slots, "not all was saved");
        }
        Ok(())
    }

    fn check(&self, line: &mut Line) -> Result<()> {
        (1..=self.next).try_for_each(|plant| self.scene.check(line, plant, 0))
    }
}

/// Compares epoch and a sample of the plants with what was there before the kill.
fn check(line: &mut Line, truth: &Truth, filled: &Filled, plants: u64) -> Result<()> {
    let epoch = line.get("/api/v2.0/status")?.success()?.number("epoch")?;
    ensure!(epoch >= filled.epoch, "epoch {epoch}, after {} was acknowledged", filled.epoch);
    let mut expected: BTreeMap<(u64, String), BTreeMap<(u64, Instant), i64>> = BTreeMap::new();
    for (series, day, slot, value) in truth.values() {
        let plant = series.unit.unit_no;
        if plant.is_multiple_of(SAMPLE) {
            let key = (u64::from(series.period.minutes()), day.slot_start(series.period, slot));
            let whose = (plant, series.provider.key().to_owned());
            expected.entry(whose).or_default().insert(key, value);
        }
    }
    ensure!(plants < SAMPLE || !expected.is_empty(), "nothing to compare");
    for ((plant, provider), slots) in &expected {
        let path = format!(
            "/api/v2.0/production-forecast/{provider}/PP/{plant}/forecasts/latest?{RANGE}&measure-unit=kW"
        );
        let answer: Value = serde_json::from_slice(line.get(&path)?.success()?.body)?;
        let shown = shown(&answer).with_context(|| path.clone())?;
        ensure!(
            shown == *slots,
            "{path} shows {} slots of {} or other values",
            shown.len(),
            slots.len()
        );
    }
    Ok(())
}

/// Period, start and hundredths of a kW of every slot of an answer.
fn shown(answer: &Value) -> Result<BTreeMap<(u64, Instant), i64>> {
    let mut all = BTreeMap::new();
    for element in answer["data"].as_array().context("no data")? {
        let period = element["period"].as_u64().context("no period")?;
        for slot in element["predictions"].as_array().context("no predictions")? {
            let start = slot["ds"].as_str().and_then(Instant::parse).context("no start")?;
            let kilowatts = slot["v"].as_f64().context("no value")?;
            all.insert((period, start), (kilowatts * 100.0).round() as i64);
        }
    }
    Ok(all)
}

fn bytes_in(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// The epoch of the newest snapshot.
fn newest_in(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let newest = entries.filter_map(|entry| entry.file_name().into_string().ok()).max();
    newest.unwrap_or_else(|| "none".to_owned())
}
