//! Everything that runs, started in order and stopped in order.
//!
//! Threads: ingest (journal), engine, history writer, snapshot writer, lookups, and the workers. A fault in
//! one of them stops the service with that fault; what was acknowledged is durable.

mod applied;

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use smartpulse_operators::batch::Epoch;
use smartpulse_operators::time::Instant;
use smartpulse_serve::clock_hold::ClockHold;
use smartpulse_serve::command::{Command, Lookup};
use smartpulse_serve::read_model::ReadModel;
use smartpulse_serve::ring::RingBounds;
use thiserror::Error;
use tokio::sync::watch;
use tracing::{error, info};

use crate::engine::{Base, EngineError};
use crate::export::served::ServedExports;
use crate::folder::DataFolder;
use crate::history::HistoryError;
use crate::history::tail::Archive;
use crate::ingest::clock::{Clock, MachineClocks, WallClock};
use crate::ingest::{self, Backfill, Digests, InFlight, IngestError};
use crate::lookup;
use crate::recovery::RecoveryError;
use applied::{After, Beginning, Begun};

/// Live changes that may wait; beyond it a caller is told to try again later.
const LIVE_QUEUE: usize = 4_096;
/// Changes of sources that may wait; a source that is faster waits itself.
const BACKFILL_QUEUE: usize = 1_024;
/// Ticks between journal and engine: one being decided, one durable behind it.
const TICK_QUEUE: usize = 2;
/// Lookups that may wait.
const LOOKUP_QUEUE: usize = 1_024;

/// How a service is to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Worker threads.
    pub workers: usize,
    /// Where the clock comes from.
    pub clock: ClockChoice,
    /// Bytes of the disk that saves leave free.
    pub disk_reserve: u64,
    /// How much of past epochs stays readable.
    pub ring: RingBounds,
}

/// Where the clock of a service comes from.
#[derive(Clone, Copy, Debug)]
pub enum ClockChoice {
    /// The machine; `accept` believes a jump across the restart.
    Machine { clocks: MachineClocks, accept: bool },
    /// The data in the folder.
    Data,
}

impl ClockChoice {
    /// The clock of a folder whose views show `folder`.
    fn begin(self, folder: Option<Instant>, hold: &ClockHold) -> Clock {
        match self {
            ClockChoice::Data => Clock::Data,
            ClockChoice::Machine { clocks, accept } => {
                Clock::Wall(WallClock::new(clocks, folder, accept, hold.clone()))
            }
        }
    }
}

/// Why a service did not start or did not go on.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The folder could not be recovered.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// Ingest.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The history store.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A thread panicked; its message is in the log.
    #[error("a thread has panicked")]
    Panicked,
}

/// A running service.
pub struct Service {
    /// What readers see.
    pub read_model: Arc<ReadModel>,
    /// Live changes.
    pub commands: tokio::sync::mpsc::Sender<Command>,
    /// Changes of sources.
    pub backfill: tokio::sync::mpsc::Sender<Backfill>,
    /// Lookups in the history store.
    pub lookups: tokio::sync::mpsc::Sender<Lookup>,
    /// The clock's hold.
    pub hold: ClockHold,
    /// History and tail.
    pub archive: Archive,
    /// Where changes lie that are too many for the journal's records.
    pub spools: crate::journal::Spools,
    /// Positions of sources when the service started.
    pub base: Base,
    stop: watch::Sender<bool>,
    failed: watch::Receiver<bool>,
    ingest: JoinHandle<Result<(), IngestError>>,
    engine: JoinHandle<Result<Base, ServiceError>>,
    writer: JoinHandle<Result<(), HistoryError>>,
    lookup: JoinHandle<()>,
    folder: DataFolder,
}

impl Service {
    /// Recovers `folder` and starts everything. `progress` hears of each recovered epoch.
    ///
    /// # Errors
    /// [`ServiceError::Recovery`].
    pub fn start(
        folder: DataFolder,
        options: Options,
        progress: impl FnMut(Epoch, Epoch),
    ) -> Result<Service, ServiceError> {
        let read_model =
            Arc::new(ReadModel::new(Some(folder.incarnation), "recovering", options.ring));
        let (in_flight, digests) = (InFlight::default(), Digests::default());
        let (ticks, journaled) = mpsc::sync_channel(TICK_QUEUE);
        let (fail, failed) = watch::channel(false);
        let after = After {
            in_flight: Arc::clone(&in_flight),
            digests: Arc::clone(&digests),
            snapshots: folder.snapshots(),
            read_model: Arc::clone(&read_model),
        };
        let beginning = Beginning { folder, workers: options.workers, journaled, after };
        let (engine, begun) = applied::start(beginning, fail.clone(), progress)?;
        let Begun { folder, journal, base, archive, writer, due } = begun;
        let hold = ClockHold::default();
        let clock = options.clock.begin(base.clock, &hold);
        let start = ingest::Start {
            journal,
            journal_folder: folder.journal(),
            spools: folder.spools(),
            disk_reserve: options.disk_reserve,
            sequence: base.sequence,
            next_lock: base.reference.next_lock(),
            folder_clock: base.clock.unwrap_or(Instant::MIN),
            clock,
            archive: archive.clone(),
            in_flight,
            digests,
            due,
            sources: base.positions.keys().cloned().collect(),
        };
        let (commands, live) = tokio::sync::mpsc::channel(LIVE_QUEUE);
        let (backfill, changes) = tokio::sync::mpsc::channel(BACKFILL_QUEUE);
        let (lookups, questions) = tokio::sync::mpsc::channel(LOOKUP_QUEUE);
        let (stop, stopping) = watch::channel(false);
        let ingest = thread::spawn(move || {
            flagging(&fail, || ingest::run(start, live, changes, ticks, stopping))
        });
        let lookup = {
            let archive = archive.clone();
            let exports = ServedExports::new(folder.exports(), options.disk_reserve);
            thread::spawn(move || lookup::answer_all(&archive, &exports, questions))
        };
        read_model.let_clock_go_on(matches!(options.clock, ClockChoice::Machine { .. }));
        read_model.set_ready(Ok(()));
        Ok(Service {
            read_model,
            commands,
            backfill,
            lookups,
            hold,
            archive,
            spools: folder.spools(),
            base,
            stop,
            failed,
            ingest,
            engine,
            writer,
            lookup,
            folder,
        })
    }

    /// Becomes true when a thread has failed and the service must be stopped.
    #[must_use]
    pub fn failed(&self) -> watch::Receiver<bool> {
        self.failed.clone()
    }

    /// Takes in what waits, writes everything out, takes a snapshot, and ends. Gives the final state and the
    /// folder, still this process's.
    ///
    /// # Errors
    /// The first fault of any thread.
    pub fn stop(self) -> Result<(Base, DataFolder), ServiceError> {
        let Service {
            read_model,
            commands,
            backfill,
            lookups,
            archive,
            stop,
            ingest,
            engine,
            writer,
            lookup,
            folder,
            ..
        } = self;
        read_model.set_ready(Err("stopping".to_owned()));
        // A receiver that is gone has failed, which its thread's result says.
        let _ = stop.send(true);
        archive.hurry();
        drop((commands, backfill, lookups));
        let ingested = ingest.join().map_err(|_| ServiceError::Panicked)?;
        let decided = engine.join().map_err(|_| ServiceError::Panicked)?;
        drop(archive);
        lookup.join().map_err(|_| ServiceError::Panicked)?;
        let written = writer.join().map_err(|_| ServiceError::Panicked)?;
        // The store's fault is the cause of the engine's.
        written?;
        let base = decided?;
        ingested?;
        info!(epoch = base.epoch.0, "stopped");
        Ok((base, folder))
    }
}

/// Runs a thread's work and says so when it failed or panicked.
fn flagging<T, E: std::fmt::Display>(
    fail: &watch::Sender<bool>,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    struct Panic<'f>(&'f watch::Sender<bool>, bool);
    impl Drop for Panic<'_> {
        fn drop(&mut self) {
            if self.1 {
                self.0.send_replace(true);
            }
        }
    }
    let mut panic = Panic(fail, true);
    let outcome = work();
    panic.1 = outcome.is_err();
    if let Err(problem) = &outcome {
        error!(%problem, "the service must stop");
    }
    outcome
}
