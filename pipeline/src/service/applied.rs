//! The engine's thread: recovers the folder, for an engine stays on the thread that made it, then applies
//! durable ticks, answers who waits for them, and takes snapshots.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};

use smartpulse_operators::batch::Epoch;
use smartpulse_operators::time::Instant;
use smartpulse_serve::command::{Done, Reply};
use smartpulse_serve::read_model::ReadModel;
use tokio::sync::watch;
use tracing::error;

use super::{ServiceError, flagging};
use crate::engine::{Base, Engine, Replies};
use crate::failpoint;
use crate::folder::DataFolder;
use crate::history::HistoryError;
use crate::history::tail::Archive;
use crate::ingest::{Digests, Handed, Hearer, InFlight, Journaled};
use crate::journal::Journal;
use crate::recovery::{self, Recovered, RecoveryError};
use crate::snapshot;

/// Journal bytes after which a snapshot is taken: bounds the time of a start.
const SNAPSHOT_BYTES: u64 = 64 << 20;

/// What the engine thread does with an applied tick.
pub(super) struct After {
    pub(super) in_flight: InFlight,
    pub(super) digests: Digests,
    pub(super) snapshots: PathBuf,
    pub(super) read_model: Arc<ReadModel>,
}

impl After {
    /// Tells what became of a change.
    fn tell(&self, hearer: Hearer, reply: Reply) {
        let (caller, idempotency) = match hearer {
            Hearer::Nobody => return,
            Hearer::Caller(caller, idempotency) => (caller, idempotency),
            Hearer::Source(told) => {
                let refused = match reply.done {
                    Done::Saved(saved) => saved.slots,
                    _ => Vec::new(),
                };
                return told.tell(refused);
            }
        };
        let waiting = idempotency.and_then(|key| {
            self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&key.scope)
        });
        for also in waiting.into_iter().flat_map(|(_, waiting)| waiting) {
            let _ = also.send(Ok(reply.clone()));
        }
        // A caller that has gone away needs no answer: the change stands.
        let _ = caller.send(Ok(reply));
    }
}

/// What the engine thread begins with.
pub(super) struct Beginning {
    pub(super) folder: DataFolder,
    pub(super) workers: usize,
    pub(super) journaled: Receiver<Handed>,
    pub(super) after: After,
}

/// What a recovery leaves beside the engine.
pub(super) struct Begun {
    pub(super) folder: DataFolder,
    pub(super) journal: Journal,
    pub(super) base: Base,
    pub(super) archive: Archive,
    pub(super) writer: JoinHandle<Result<(), HistoryError>>,
    /// Instants at which something becomes due.
    pub(super) due: Vec<Instant>,
}

/// What the thread tells until it is ready.
enum Told {
    Epoch(Epoch, Epoch),
    Begun(Box<Begun>),
    Failed(RecoveryError),
}

/// The engine's thread; joined, it gives the final state.
pub(super) type EngineThread = JoinHandle<Result<Base, ServiceError>>;

/// Starts the thread and waits until it has recovered the folder. `progress` hears of each recovered epoch.
///
/// # Errors
/// [`ServiceError::Recovery`]; the folder is free again by then.
pub(super) fn start(
    beginning: Beginning,
    fail: watch::Sender<bool>,
    mut progress: impl FnMut(Epoch, Epoch),
) -> Result<(EngineThread, Begun), ServiceError> {
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || flagging(&fail, || recover_and_run(beginning, tell)));
    for told in told {
        match told {
            Told::Epoch(done, all) => progress(done, all),
            Told::Begun(begun) => return Ok((thread, *begun)),
            Told::Failed(problem) => {
                thread.join().map_err(|_| ServiceError::Panicked)??;
                return Err(problem.into());
            }
        }
    }
    Err(ServiceError::Panicked)
}

fn recover_and_run(beginning: Beginning, tell: Sender<Told>) -> Result<Base, ServiceError> {
    let Beginning { folder, workers, journaled, after } = beginning;
    let heard = |done, all| drop(tell.send(Told::Epoch(done, all)));
    let recovered = recovery::recover(&folder, workers, &after.read_model, heard);
    let Recovered { journal, engine, writer, digests, due } = match recovered {
        Ok(recovered) => recovered,
        Err(problem) => {
            drop(folder);
            // Who started the service says so.
            let _ = tell.send(Told::Failed(problem));
            return Ok(Base::default());
        }
    };
    *after.digests.lock().unwrap_or_else(PoisonError::into_inner) = digests;
    let (base, archive) = (engine.base(), engine.archive().clone());
    let begun = Begun { folder, journal, base, archive, writer, due };
    if tell.send(Told::Begun(Box::new(begun))).is_err() {
        return Ok(Base::default());
    }
    drop(tell);
    run_engine(engine, &journaled, &after)
}

/// Applies what is handed over until ingest has ended; gives the final state.
fn run_engine(
    mut engine: Engine,
    journaled: &Receiver<Handed>,
    after: &After,
) -> Result<Base, ServiceError> {
    let snapshot_bytes = failpoint::bytes("SMARTPULSE_TEST_SNAPSHOT_BYTES", SNAPSHOT_BYTES);
    let mut snapshot_at: Option<u64> = None;
    let mut last_snapshot = engine.base().epoch;
    let mut writing: Option<JoinHandle<()>> = None;
    while let Ok(handed) = journaled.recv() {
        let Journaled { tick, hearers, journal_bytes } = match handed {
            Handed::Tick(tick) => *tick,
            Handed::Flush(done) => {
                // Who asked may have gone away.
                let _ = done.send(());
                continue;
            }
        };
        let applied = engine.apply(&tick, Replies::wanted_by(&hearers), journal_bytes)?;
        after
            .digests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((applied.epoch, applied.digest));
        for (hearer, reply) in hearers.into_iter().zip(applied.replies) {
            after.tell(hearer, reply);
        }
        let begun = *snapshot_at.get_or_insert(journal_bytes);
        let idle = writing.as_ref().is_none_or(JoinHandle::is_finished);
        if idle && journal_bytes > begun + snapshot_bytes {
            snapshot_at = Some(journal_bytes);
            last_snapshot = applied.epoch;
            let (base, published) = (engine.base(), after.read_model.snapshot());
            let (archive, folder) = (engine.archive().clone(), after.snapshots.clone());
            writing = Some(thread::spawn(move || {
                // A snapshot that cannot be written costs time at the next start, nothing else.
                if archive.persist()
                    && let Err(problem) = snapshot::write(&folder, base, &published)
                {
                    error!(%problem, "no snapshot was written");
                }
            }));
        }
    }
    if let Some(writing) = writing {
        writing.join().map_err(|_| ServiceError::Panicked)?;
    }
    let base = engine.base();
    if base.epoch > last_snapshot
        && engine.archive().persist()
        && let Err(problem) =
            snapshot::write(&after.snapshots, base.clone(), &after.read_model.snapshot())
    {
        error!(%problem, "no snapshot was written: the next start takes longer");
    }
    Ok(base)
}
