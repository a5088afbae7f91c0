//! Answers the doors' questions to the history store, on a thread of its own: the store reads from disk.

use std::thread;

use smartpulse_operators::chunk::SeriesDay;
use smartpulse_serve::command::{BatchSummary, Lookup, Told};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;
use tracing::error;
use uuid::Uuid;

use crate::export::served::{Asked, ServedExports};
use crate::history::HistoryError;
use crate::history::tail::Archive;

/// Answers lookups until the last asker has gone. Exports take a thread each, so that lookups go on.
pub(crate) fn answer_all(
    archive: &Archive,
    exports: &ServedExports,
    mut lookups: Receiver<Lookup>,
) {
    thread::scope(|scope| {
        while let Some(lookup) = lookups.blocking_recv() {
            match lookup {
                Lookup::Revisions { days, reply } => {
                    let found = days.into_iter().map(|day| revisions(archive, day)).collect();
                    answer(reply, found, "revisions could not be looked up");
                }
                Lookup::Batch { id, reply } => {
                    answer(reply, summary(archive, id), "a batch could not be looked up");
                }
                Lookup::Export { request, snapshot, reply } => {
                    exports.begin(scope, archive, Asked { request, snapshot, reply });
                }
            }
        }
    });
}

fn answer<T>(reply: oneshot::Sender<T>, found: Result<T, HistoryError>, fault: &str) {
    match found {
        // The asker may have gone away.
        Ok(found) => drop(reply.send(found)),
        // Without an answer the asker knows that there was none: not that it is not there.
        Err(problem) => error!(%problem, "{fault}"),
    }
}

fn revisions(archive: &Archive, day: SeriesDay) -> Result<Vec<Told>, HistoryError> {
    let stored = archive.day(day)?.into_iter();
    Ok(stored.map(|it| Told { revision: it.revision, confirmed: it.confirmed }).collect())
}

fn summary(archive: &Archive, id: Uuid) -> Result<Option<BatchSummary>, HistoryError> {
    let Some(record) = archive.batch_of_id(id)? else { return Ok(None) };
    let sequence = record.batch.sequence;
    let days = archive.days_of(sequence)?;
    let first_day = days.iter().map(|(_, day)| *day).min();
    let last_day = days.iter().map(|(_, day)| *day).max();
    Ok(Some(BatchSummary {
        saved: record.saved,
        skipped: record.skipped,
        withdrawn_at: archive.withdrawn_at(sequence)?,
        batch: record.batch,
        delivery_days: first_day.zip(last_day),
    }))
}
