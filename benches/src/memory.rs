//! `bytes-per-live-point`: resident memory of a whole service with the fleet live in it, less that of the same
//! service empty, over its live values. Read models, past epochs, buffers of journal and history store: all
//! that is resident counts. Old revisions lie on disk.
//!
//! What stands for a run is the process that has taken everything in; beside it, in words, the program started
//! again on that folder.

use std::path::PathBuf;
use std::process;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smartpulse::ingest::Backfill;
use smartpulse_operators::change::Position;

use crate::machine::resident_bytes;
use crate::plan::{Plan, say};
use crate::role::{self, Player, Role};
use crate::said::Said;
use crate::scene::{flush, start_service};
use crate::server::Server;
use crate::table::{Better, Measured, Row, Table, number};
use crate::truth::Truth;

const NAME: &str = "bytes-per-live-point";
/// Between two readings; the store's own threads come to rest after a while.
const LOOK: Duration = Duration::from_millis(250);
/// So many readings within a hundredth of each other are rest.
const AT_REST: usize = 12;
/// Most readings until then: half a minute.
const READINGS: usize = 120;

/// What is to be taken in, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Hold {
    data: PathBuf,
    said: Said,
}

/// Bytes that were resident.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Held {
    empty: u64,
    full: u64,
}

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(NAME) {
        return Ok(());
    }
    let said = plan.sized(
        Said { plants: 5_000, ticks: 200, tick_points: 10_000 },
        Said { plants: 500, ticks: 50, tick_points: 10_000 },
    );
    let (mut bytes, mut again) = (Vec::new(), Vec::new());
    let mut live = 0;
    for run in 1..=plan.sized(3, 2) {
        let room = plan.room()?;
        let data = room.path().join("data");
        let mut player = Player::start(Role::Hold, &Hold { data: data.clone(), said })?;
        let held: Held = player.hear()?;
        player.say(&Value::Null)?;
        live = player.hear()?;
        drop(player);
        let a_point = |held: Held| held.full.saturating_sub(held.empty) as f64 / live as f64;
        bytes.push(a_point(held));
        let full = started(plan, &data)?;
        let empty = started(plan, &room.path().join("empty"))?;
        again.push(a_point(Held { empty, full }));
        say(&format!(
            "{NAME}: run {run}: {} ({} MB, empty {} MB); started again {}",
            number(bytes[bytes.len() - 1]),
            held.full >> 20,
            held.empty >> 20,
            number(again[again.len() - 1])
        ));
    }
    let again = Measured::of(again).value;
    let row = Row::new(NAME, "bytes", Better::Less, Measured::of(bytes));
    table.add(row.with("livePoints", live).with("startedAgain", again).remark(format!(
        "{} live points, each compared; started again on that folder {} bytes",
        number(live as f64),
        number(again)
    )));
    Ok(())
}

/// Bytes that the program holds once it is ready.
fn started(plan: &Plan, data: &std::path::Path) -> Result<u64> {
    let server = Server::start(plan, data)?;
    server.ready()?;
    let bytes = at_rest(server.pid())?;
    server.stop()?;
    Ok(bytes)
}

/// Bytes that a process holds when it has come to rest.
fn at_rest(pid: u32) -> Result<u64> {
    let mut readings = Vec::new();
    while readings.len() < READINGS {
        readings.push(resident_bytes(pid)?);
        let last = &readings[readings.len().saturating_sub(AT_REST)..];
        let (least, most) = (last.iter().min(), last.iter().max());
        if last.len() == AT_REST
            && least.zip(most).is_some_and(|(least, most)| most - least <= most / 100)
        {
            break;
        }
        thread::sleep(LOOK);
    }
    readings.last().copied().context("no reading")
}

/// This process as a service that takes the workload in, as it is made, and holds it.
pub(crate) fn play() -> Result<()> {
    let Hold { data, said } = role::told()?.context("nothing to do")?;
    let service = start_service(&data)?;
    let empty = at_rest(process::id())?;
    let mut upto = 0;
    let mut stopped = false;
    said.for_each(|change| {
        upto += 1;
        let position = Position { source: "bench".to_owned(), upto };
        let change = Backfill::Change(Box::new(change), position);
        stopped |= service.backfill.blocking_send(change).is_err();
    });
    anyhow::ensure!(!stopped, "the service has stopped; its words are above");
    flush(&service)?;
    role::say(&Held { empty, full: at_rest(process::id())? })?;
    role::told::<Value>()?;
    let live = Truth::of(said).compare(&service.read_model.snapshot())?;
    service.stop()?;
    role::say(&live)
}
