//! The point workload taken into a folder through the whole durable path of a service: ticks gather as they
//! do in production, journal and history store are on. In a process of its own.

use std::path::PathBuf;
use std::process;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smartpulse::ingest::Backfill;
use smartpulse::service::Service;
use smartpulse_operators::change::{Position, Tick};

use crate::clock::now;
use crate::machine::cpu_seconds;
use crate::role::{self, Player, Role};
use crate::said::{Said, points};
use crate::scene::{flush, start_service};
use crate::truth::Truth;

/// What is to be taken in, and what then.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fill {
    pub(crate) data: PathBuf,
    pub(crate) said: Said,
    /// Whether it comes to rest; else it waits, as a service would, to be killed.
    pub(crate) stops: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Filled {
    /// Points said after every slot had been said once.
    pub(crate) points: u64,
    /// From the first of them until the last is durable and visible.
    pub(crate) seconds: f64,
    /// Processor time in these.
    pub(crate) cpu_seconds: f64,
    /// From then until history, too, is written.
    pub(crate) rest_seconds: f64,
    /// Live values, each compared with what must be there.
    pub(crate) compared: u64,
    pub(crate) epoch: u64,
}

impl Fill {
    /// Has it done by a process of its own, which goes on where it does not stop.
    pub(crate) fn run(&self) -> Result<(Player, Filled)> {
        let mut player = Player::start(Role::Fill, self)?;
        let filled = player.hear()?;
        Ok((player, filled))
    }
}

/// This process as one that fills.
pub(crate) fn play() -> Result<()> {
    let fill: Fill = role::told()?.context("nothing to do")?;
    let service = start_service(&fill.data)?;
    let (mut workload, begun) = fill.said.begin();
    let mut upto = 0;
    send(&service, begun, &mut upto)?;
    flush(&service)?;
    let ticks = fill.said.go_on(&mut workload);
    drop(workload);
    let said: u64 = ticks.iter().map(|tick| points(&tick.changes)).sum();
    let (start, before) = (now(), cpu_seconds(process::id())?);
    send(&service, ticks, &mut upto)?;
    flush(&service)?;
    let (seconds, after) = (start.elapsed().as_secs_f64(), cpu_seconds(process::id())?);
    let snapshot = service.read_model.snapshot();
    let compared = Truth::of(fill.said).compare(&snapshot)?;
    let mut filled = Filled {
        points: said,
        seconds,
        cpu_seconds: after - before,
        rest_seconds: 0.0,
        compared,
        epoch: snapshot.epoch.0,
    };
    drop(snapshot);
    if fill.stops {
        let start = now();
        service.stop()?;
        filled.rest_seconds = start.elapsed().as_secs_f64();
        return role::say(&filled);
    }
    role::say(&filled)?;
    role::told::<Value>()?;
    drop(service.stop()?);
    Ok(())
}

fn send(service: &Service, ticks: Vec<Tick>, upto: &mut u64) -> Result<()> {
    for change in ticks.into_iter().flat_map(|tick| tick.changes) {
        *upto += 1;
        let position = Position { source: "bench".to_owned(), upto: *upto };
        service.backfill.blocking_send(Backfill::Change(Box::new(change), position))?;
    }
    Ok(())
}
