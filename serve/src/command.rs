//! What a handler asks of the engine, and what it answers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smartpulse_operators::batch::{Batch, Epoch, Sequence};
use smartpulse_operators::change::Change;
use smartpulse_operators::chunk::{Revision, SeriesDay};
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::time::{Day, Instant};
use smartpulse_operators::unit::Unit;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::export::{ExportRefusal, ExportRequest, Exported};
use crate::snapshot::Snapshot;

/// A change somebody asks for. The engine sets `recorded`, `sequence` and what follows from them.
#[derive(Debug)]
pub struct Command {
    /// Statements that become visible with the change, at the same epoch, and stand before it.
    pub before: Vec<Change>,
    /// The change, with `recorded` at [`Instant::MIN`] and, for a save, a fresh batch id. A new lock has id 0;
    /// a lock to be taken back is the known one with `released` at [`Instant::MIN`], which means now (any
    /// other `released` stays: the lock had been taken back before).
    pub change: Change,
    /// Makes a repetition of the same request give the first answer.
    pub idempotency: Option<Idempotency>,
    /// Where the answer goes. A caller that has gone away does not stop the change.
    pub reply: oneshot::Sender<Result<Reply, Refusal>>,
}

/// The identity of a request that may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Idempotency {
    /// SHA-256 of (identity, path, key).
    pub scope: [u8; 32],
    /// SHA-256 of the decoded body.
    pub body: [u8; 32],
}

/// The engine's answer to a change that is durable and visible.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The epoch from which it is visible.
    pub epoch: Epoch,
    /// When it was accepted.
    pub recorded: Instant,
    /// What became of it.
    pub done: Done,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Done {
    /// A statement on units was taken in; for a lock with its id.
    Stated {
        /// The lock's id, for a lock.
        lock: Option<u64>,
    },
    /// A save was decided.
    Saved(Saved),
    /// A batch was withdrawn.
    Withdrawn {
        /// Whether it had been before.
        already: bool,
    },
    /// The withdrawal was refused by these slots.
    WithdrawalRefused(Vec<(Unit, Instant, Outcome)>),
    /// There is no such batch.
    UnknownBatch,
}

/// The decisions on a save, in the order of its entries and their slots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// The batch.
    pub batch: Uuid,
    /// Its place in acceptance order.
    pub sequence: Sequence,
    /// The decision on every slot of every entry: index of the entry, slot start, decision, and the value
    /// in hundredths of a kW it was clipped to where it was.
    pub slots: Vec<SlotDecision>,
    /// The same for the copies that `applyFinalForecast` made.
    pub final_slots: Vec<SlotDecision>,
}

/// The decision on one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotDecision {
    /// Index of the entry in the save.
    pub entry: u32,
    /// Start of the slot.
    pub start: Instant,
    /// What was decided; never absent or open.
    pub outcome: Outcome,
    /// The value stored instead of the one given, where it was clipped to the upper limit.
    pub clipped: Option<i64>,
}

/// Why the engine took a command in at all or not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The queue is full: try again later.
    #[error("too many changes are waiting")]
    QueueFull,
    /// The disk is full: nothing can be made durable.
    #[error("the disk of the journal is full: saves are refused, reads go on")]
    DiskFull,
    /// The clock has jumped and waits for the operator.
    #[error("the clock is held after a jump; release it to go on saving")]
    ClockHeld,
    /// The service is stopping or serves a folder read-only.
    #[error("the service takes no changes: {0}")]
    NoChanges(String),
    /// The same idempotency key was used with another body.
    #[error("this Idempotency-Key was used with another body")]
    KeyReused,
}

/// What a handler wants to look up in the history store.
#[derive(Debug)]
pub enum Lookup {
    /// A batch by its id.
    Batch {
        /// The id.
        id: Uuid,
        /// The batch with its counts, if it is there.
        reply: oneshot::Sender<Option<BatchSummary>>,
    },
    /// All revisions of some series days.
    Revisions {
        /// Which.
        days: Vec<SeriesDay>,
        /// Those of each day, in `(valid_after, sequence)` order.
        reply: oneshot::Sender<Vec<Vec<Told>>>,
    },
    /// A view as files.
    Export {
        /// Which, and what of it.
        request: ExportRequest,
        /// What it shows.
        snapshot: Arc<Snapshot>,
        /// The files, once all are written. Who has gone away stops the export.
        reply: oneshot::Sender<Result<Exported, ExportRefusal>>,
    },
}

/// A revision as history tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What the batch said of the series day.
    pub revision: Revision,
    /// One mark a value: it was counted as skipped.
    pub confirmed: Box<[bool]>,
}

/// A batch and what became of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchSummary {
    /// The batch.
    pub batch: Batch,
    /// Values stored as news.
    pub saved: u64,
    /// Values stored as confirmations.
    pub skipped: u64,
    /// When it was withdrawn.
    pub withdrawn_at: Option<Instant>,
    /// First and last UTC day of its values.
    pub delivery_days: Option<(Day, Day)>,
}
