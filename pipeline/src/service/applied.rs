//! The engine's thread: applies durable ticks, answers who waits for them, and takes snapshots.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};

use smartpulse_serve::read_model::ReadModel;
use tracing::error;

use super::ServiceError;
use crate::engine::{Base, Engine};
use crate::failpoint;
use crate::ingest::{Digests, Handed, InFlight, Journaled};
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

/// Applies what is handed over until ingest has ended; gives the final state.
pub(super) fn run_engine(
    mut engine: Engine,
    journaled: &Receiver<Handed>,
    after: &After,
) -> Result<Base, ServiceError> {
    let snapshot_bytes = failpoint::bytes("SMARTPULSE_TEST_SNAPSHOT_BYTES", SNAPSHOT_BYTES);
    let mut snapshot_at: Option<u64> = None;
    let mut last_snapshot = engine.base().epoch;
    let mut writing: Option<JoinHandle<()>> = None;
    while let Ok(handed) = journaled.recv() {
        let Journaled { tick, callers, journal_bytes } = match handed {
            Handed::Tick(tick) => tick,
            Handed::Flush(done) => {
                // Who asked may have gone away.
                let _ = done.send(());
                continue;
            }
        };
        let applied = engine.apply(&tick, !callers.is_empty(), journal_bytes)?;
        after
            .digests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((applied.epoch, applied.digest));
        for ((caller, idempotency), reply) in callers.into_iter().zip(applied.replies) {
            let waiting = idempotency.and_then(|key| {
                after.in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&key.scope)
            });
            for also in waiting.into_iter().flat_map(|(_, waiting)| waiting) {
                let _ = also.send(Ok(reply.clone()));
            }
            // A caller that has gone away needs no answer: the change stands.
            let _ = caller.send(Ok(reply));
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
