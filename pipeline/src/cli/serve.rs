//! `smartpulse serve`: the service with its doors, until a signal or a fault stops it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use smartpulse_operators::change::{Change, Rules};
use smartpulse_operators::quantity::Quantity;
use smartpulse_serve::accept::{self, ConnectionBounds};
use smartpulse_serve::command::Command;
use smartpulse_serve::doors::{DoorRules, Doors, router};
use smartpulse_serve::stream::Streams;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::descriptors;
use super::progress::Progress;
use super::settled::options;
use super::{ServeArgs, Shared};
use crate::config::Config;
use crate::folder::DataFolder;
use crate::ingest::clock::MachineClocks;
use crate::service::{ClockChoice, Options, Service};

/// Runs the command.
///
/// # Errors
/// The first fault, after everything acknowledged is at rest.
pub fn run(shared: &Shared, arguments: &ServeArgs, clocks: MachineClocks) -> anyhow::Result<()> {
    let config = shared.load(None)?.config;
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
    let doors = match open_doors(&service, config, clocks, is_live) {
        Ok(doors) => doors,
        Err(fault) => {
            service.stop()?;
            return Err(fault);
        }
    };
    if is_live {
        journal_rules(&service, config);
    }
    // Before anybody hears of the address: who does may tell us to stop at once.
    let signals = doors.signals();
    shared.say(&format!("listening on http://{}", doors.address));
    begin(&service)?;
    doors.wait(&service, signals);
    shared.say("stopping");
    drop(doors);
    service.stop()?;
    Ok(())
}

/// Doors that are open until they are dropped.
pub(super) struct OpenDoors {
    /// Where they listen.
    pub(super) address: SocketAddr,
    close: watch::Sender<bool>,
    serving: JoinSet<()>,
    dispatcher: Option<JoinHandle<()>>,
    // Dropped last: the tasks run on it.
    runtime: Option<Runtime>,
}

/// Opens the doors of `service`; `live_clock` says that its clock is the machine's.
pub(super) fn open_doors(
    service: &Service,
    config: &Config,
    clocks: MachineClocks,
    live_clock: bool,
) -> anyhow::Result<OpenDoors> {
    descriptors::allow(config.connections);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime
        .block_on(TcpListener::bind(config.listen))
        .with_context(|| format!("listening on {}", config.listen))?;
    let address = listener.local_addr()?;
    let (close, closing) = watch::channel(false);
    let streams = Streams::new(Arc::clone(&service.read_model));
    let doors = Doors {
        read_model: Arc::clone(&service.read_model),
        commands: service.commands.clone(),
        lookups: service.lookups.clone(),
        hold: service.hold.clone(),
        rules: DoorRules {
            allowed_periods: config.allowed_periods.clone(),
            max_values: config.max_values,
            rounding_digits: config.rounding_digits,
            value_bound: Quantity(config.value_bound_mw * 100_000),
            body_bytes: config.body_bytes,
            local_roles: config.auth.local_roles.clone(),
            is_on_network: !config.listen.ip().is_loopback(),
            token: config.auth.token.clone(),
            token_roles: config.auth.token_roles.clone(),
            live_clock,
            encoded_bytes: config.encoded_bytes,
            streams: config.streams,
            stream_rows: config.stream_rows,
            ..DoorRules::default()
        },
        streams: Arc::clone(&streams),
        closing: closing.clone(),
        now: clocks.now,
    };
    let bounds = ConnectionBounds {
        connections: config.connections,
        stall: Duration::from_secs(config.stall_seconds),
    };
    let mut serving = JoinSet::new();
    serving.spawn_on(accept::serve(listener, router(doors), bounds, closing), runtime.handle());
    // Encoding deltas is computing: it has a thread of its own, and ends when the doors close.
    let (handle, mut closing) = (runtime.handle().clone(), close.subscribe());
    let dispatcher = thread::spawn(move || {
        handle.block_on(async {
            tokio::select! {
                () = streams.dispatch() => {}
                _ = closing.wait_for(|close| *close) => {}
            }
        });
    });
    Ok(OpenDoors { address, close, serving, dispatcher: Some(dispatcher), runtime: Some(runtime) })
}

/// The signals that stop the process; from when they are taken it no longer dies of them.
struct Signals {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
}

impl OpenDoors {
    fn signals(&self) -> Signals {
        let _inside = self.runtime.as_ref().map(Runtime::enter);
        // Without one of them, the other stops the process, or the system does.
        let take = |kind| signal(kind).ok();
        Signals {
            terminate: take(SignalKind::terminate()),
            interrupt: take(SignalKind::interrupt()),
        }
    }

    /// Waits for a signal to stop, or for a thread of the service to fail.
    fn wait(&self, service: &Service, signals: Signals) {
        let mut failed = service.failed();
        let Some(runtime) = &self.runtime else { return };
        runtime.block_on(async {
            tokio::select! {
                () = arrives(signals.interrupt) => {}
                () = arrives(signals.terminate) => {}
                _ = failed.wait_for(|failed| *failed) => {}
            }
        });
    }
}

async fn arrives(signal: Option<Signal>) {
    match signal {
        Some(mut signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

impl Drop for OpenDoors {
    fn drop(&mut self) {
        /// How long requests under way may take to end when the doors close.
        const LAST_REQUESTS: Duration = Duration::from_secs(5);
        self.close.send_replace(true);
        if let Some(runtime) = self.runtime.take() {
            let serving = &mut self.serving;
            // What has not ended by then is cut off.
            let _ = runtime
                .block_on(async { tokio::time::timeout(LAST_REQUESTS, serving.join_next()).await });
            if let Some(dispatcher) = self.dispatcher.take() {
                // It holds nothing that anybody waits for; if it has panicked, its message is in the log.
                let _ = dispatcher.join();
            }
            runtime.shutdown_background();
        }
    }
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
