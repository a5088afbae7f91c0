//! `smartpulse serve`: the service with its doors, until a signal or a fault stops it.

use smartpulse_operators::change::{Change, Rules};
use smartpulse_serve::command::Command;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::open_doors::{Opening, open_doors};
use super::progress::Progress;
use super::settled::options;
use super::{ServeArgs, Shared, replica};
use crate::config::Config;
use crate::folder::DataFolder;
use crate::ingest::clock::MachineClocks;
use crate::service::{ClockChoice, Options, Service};
use crate::sinks::Sinks;
use crate::sources::Sources;

/// Runs the command.
///
/// # Errors
/// The first fault, after everything acknowledged is at rest.
pub fn run(shared: &Shared, arguments: &ServeArgs, clocks: MachineClocks) -> anyhow::Result<()> {
    let mut config = shared.load(None)?.config;
    if !arguments.from_redis.is_empty() {
        config.replica.redis.clone_from(&arguments.from_redis);
    }
    if let Some(engine) = &arguments.engine {
        config.replica.engine = Some(engine.clone());
    }
    crate::config::check(&config)?;
    if !config.replica.redis.is_empty() {
        return replica::run(shared, &config, clocks);
    }
    let clock = if arguments.clock == "data" {
        ClockChoice::Data
    } else {
        ClockChoice::Machine { clocks, accept: arguments.accept_clock }
    };
    run_until_stopped(shared, &config, clock, clocks, |_| Ok(()))
}

/// Starts everything, lets `begin` do its part, and stops when told to or when a thread has failed.
pub(super) fn run_until_stopped(
    shared: &Shared,
    config: &Config,
    clock: ClockChoice,
    clocks: MachineClocks,
    begin: impl FnOnce(&Service) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let folder = DataFolder::open(&config.data, true, Uuid::now_v7())?;
    let progress = Progress::new(shared.quiet, "epochs/s");
    let options = Options { clock, ..options(config) };
    let service = Service::start(folder, options, |done, all| progress.recovering(done, all))?;
    progress.finish();
    let is_live = matches!(clock, ClockChoice::Machine { .. });
    let sinks = Sinks::start(&service, config, clocks);
    let mut sources = Sources::new(&service, config, clocks)?;
    let links = sources.links().into_iter().chain(sinks.links()).collect();
    let doors = match open_doors(Opening::of(&service, links), config, clocks) {
        Ok(doors) => doors,
        Err(fault) => {
            sinks.stop();
            service.stop()?;
            return Err(fault);
        }
    };
    if is_live {
        journal_rules(&service, config);
        sources.begin();
    }
    // Before anybody hears of the address: who does may tell us to stop at once.
    let signals = doors.signals();
    shared.say(&format!("listening on http://{}", doors.address));
    begin(&service)?;
    let mut failed = service.failed();
    doors.wait(signals, async { drop(failed.wait_for(|failed| *failed).await) });
    shared.say("stopping");
    drop(doors);
    sources.stop();
    // The last epochs close while the service stops; the sinks take them along.
    let stopped = service.stop();
    sinks.stop();
    stopped?;
    Ok(())
}

/// Journals the configuration that decides, where it differs from what the folder goes by.
fn journal_rules(service: &Service, config: &Config) {
    let rules =
        Rules { gate_minutes: config.gate_minutes, epias_gate_minutes: config.epias_gate_minutes };
    if *service.base.reference.rules() != rules {
        // Who is refused here (clock held, disk full) goes by the folder's rules; the log says so.
        if state(service, Change::Rules(rules)).is_err() {
            tracing::warn!(
                "the configured gate closure is not in force: the folder takes no changes now"
            );
        }
    }
}

/// Sends a change and waits for its answer.
pub(super) fn state(
    service: &Service,
    change: Change,
) -> anyhow::Result<smartpulse_serve::command::Reply> {
    let (reply, answer) = oneshot::channel();
    service.commands.blocking_send(Command {
        before: Vec::new(),
        change,
        idempotency: None,
        reply,
    })?;
    Ok(answer.blocking_recv()??)
}
