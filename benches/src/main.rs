//! `bench`: measures the platform, each row beside its reference in the same run.
//!
//! Whatever is measured over sockets or could leave memory behind runs in a process of its own: the service
//! as the program `smartpulse`, everything else as this program again, in a role ([`role`]). A row is a
//! scenario of its own file; what it found is compared with what must have come out before it is added, so a
//! fast wrong answer fails. No row has a limit: judging numbers is left to who reads them.

mod bare;
mod batches;
mod clock;
mod disk;
mod durable;
mod exports;
mod figures;
mod fill;
mod load;
mod machine;
mod memory;
mod plan;
mod points;
mod reads;
mod replays;
mod restart;
mod role;
mod said;
mod saves;
mod scene;
mod server;
mod services;
mod table;
mod truth;
mod wire;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;

use machine::Machine;
use plan::{Asked, Plan, say};
use role::Role;
use table::Table;

// As in the program that is measured, so that references are not the slower for it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A scenario: its name for messages, and the rows it adds.
type Scenario = (&'static str, fn(&Plan, &mut Table) -> Result<()>);

/// In this order: what is measured in this process comes first, while its memory is fresh.
const SCENARIOS: [Scenario; 10] = [
    ("points", points::rows),
    ("bytes-per-live-point", memory::rows),
    ("durable-points", durable::rows),
    ("save-latency, subscriber-latency", saves::rows),
    ("durable-batches", batches::rows),
    ("get-latest", reads::rows),
    ("restart-10m", restart::rows),
    ("export-rows", exports::rows),
    ("replay-eia", replays::rows),
    ("services", services::rows),
];

fn main() -> ExitCode {
    let outcome = match role::role_of_this_process() {
        Some(role) => play(role),
        None => run(&Asked::parse()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            say(&format!("bench: {fault:#}"));
            ExitCode::FAILURE
        }
    }
}

/// This program in a role.
fn play(role: Role) -> Result<()> {
    match role {
        Role::Load => load::play(),
        Role::Bare => bare::play(),
        Role::Fill => fill::play(),
        Role::Hold => memory::play(),
        Role::Export => exports::play(),
    }
}

/// Runs every scenario, one that fails too: the others still tell something.
fn run(asked: &Asked) -> Result<()> {
    let plan = Plan::new(asked)?;
    let machine = Machine::read();
    say(&format!(
        "{}, {} cores, {} GB of memory{}",
        machine.kind,
        machine.cores,
        machine.memory_bytes >> 30,
        if plan.quick { "; quick: numbers say little" } else { "" }
    ));
    let begun = clock::now();
    let mut table = Table::default();
    let mut failed = Vec::new();
    for (name, rows) in SCENARIOS {
        let mut found = Table::default();
        if let Err(fault) = rows(&plan, &mut found) {
            say(&format!("{name}: failed: {fault:#}"));
            failed.push(name);
        }
        table.extend(found);
    }
    say(&format!("\n{}", table.text()));
    say(&format!("{:.0} s", begun.elapsed().as_secs_f64()));
    if asked.json {
        print(&serde_json::to_string(&table.json(&machine, plan.quick)).context("the table")?);
    }
    anyhow::ensure!(failed.is_empty(), "failed: {}", failed.join("; "));
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the one place that writes the result")]
fn print(line: &str) {
    println!("{line}");
}
