//! The doors of a command: opened on a runtime of their own, closed when they are dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use smartpulse_serve::accept::{self, ConnectionBounds};
use smartpulse_serve::attached::Attached;
use smartpulse_serve::doors::{Behind, Doors, EngineQueues, router};
use smartpulse_serve::read_model::ReadModel;
use smartpulse_serve::stream::Streams;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::descriptors;
use crate::config::Config;
use crate::ingest::clock::MachineClocks;
use crate::service::Service;

/// What doors are opened on.
pub(super) struct Opening {
    /// Where answers come from.
    pub(super) read_model: Arc<ReadModel>,
    /// Who decides and remembers.
    pub(super) behind: Behind,
    /// Systems the service is attached to.
    pub(super) attached: Vec<Arc<Attached>>,
}

impl Opening {
    /// The doors of an engine in this process.
    pub(super) fn of(service: &Service, attached: Vec<Arc<Attached>>) -> Opening {
        let behind = Behind::Engine(EngineQueues {
            commands: service.commands.clone(),
            lookups: service.lookups.clone(),
            hold: service.hold.clone(),
        });
        Opening { read_model: Arc::clone(&service.read_model), behind, attached }
    }
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

/// Opens doors where the configuration says.
pub(super) fn open_doors(
    opening: Opening,
    config: &Config,
    clocks: MachineClocks,
) -> anyhow::Result<OpenDoors> {
    let Opening { read_model, behind, attached } = opening;
    descriptors::allow(config.connections);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime
        .block_on(TcpListener::bind(config.listen))
        .with_context(|| format!("listening on {}", config.listen))?;
    let address = listener.local_addr()?;
    let (close, closing) = watch::channel(false);
    let streams = Streams::new(Arc::clone(&read_model));
    let doors = Doors {
        read_model,
        behind,
        attached,
        rules: config.door_rules(),
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
pub(super) struct Signals {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
}

impl OpenDoors {
    /// Takes the signals that stop the process.
    pub(super) fn signals(&self) -> Signals {
        let _inside = self.runtime.as_ref().map(Runtime::enter);
        // Without one of them, the other stops the process, or the system does.
        let take = |kind| signal(kind).ok();
        Signals {
            terminate: take(SignalKind::terminate()),
            interrupt: take(SignalKind::interrupt()),
        }
    }

    /// Waits for a signal to stop, or until `over` is.
    pub(super) fn wait(&self, signals: Signals, over: impl Future<Output = ()>) {
        let Some(runtime) = &self.runtime else { return };
        runtime.block_on(async {
            tokio::select! {
                () = arrives(signals.interrupt) => {}
                () = arrives(signals.terminate) => {}
                () = over => {}
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
