//! What stands behind the doors: snapshots to read, the two queues, and the figures of the doors themselves.

use std::time::Duration;

use smartpulse_operators::batch::Epoch;
use smartpulse_operators::change::Change;
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::time::Instant;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use uuid::{NoContext, Timestamp, Uuid};

use super::asked::AskedBefore;
use super::fragments::Fragments;
use super::meters::Meters;
use super::refusal::Refusal;
use super::words::Words;
use super::{Behind, Doors, EngineQueues};
use crate::command::{self, BatchSummary, Command, Idempotency, Lookup, Reply, Told};
use crate::export::{ExportRequest, Exported};
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// How long the files of an export may take to be written: at a million rows a second, years of a large
/// fleet; longer means that the disk hangs.
const EXPORT_WAIT: Duration = Duration::from_secs(3_600);

/// What stands behind the doors.
pub(crate) struct Desk {
    pub(crate) doors: Doors,
    pub(crate) meters: Meters,
    pub(crate) fragments: Fragments,
    pub(crate) asked: AskedBefore,
}

impl Desk {
    pub(crate) fn new(doors: Doors) -> Desk {
        let fragments = Fragments::new(doors.rules.encoded_bytes);
        Desk { doors, meters: Meters::default(), fragments, asked: AskedBefore::new() }
    }

    /// How the engine is spoken to, where it is in this process.
    fn engine(&self) -> Result<&EngineQueues, Refusal> {
        match &self.doors.behind {
            Behind::Engine(engine) => Ok(engine),
            Behind::Elsewhere(_) => Err(Refusal::AtTheEngine),
        }
    }

    /// Whether the clock is held after a jump.
    pub(crate) fn is_clock_held(&self) -> bool {
        self.engine().is_ok_and(|engine| engine.hold.is_held())
    }

    /// Lets a held clock go on; whether it was held.
    pub(crate) fn release_clock(&self) -> Result<bool, Refusal> {
        Ok(self.engine()?.hold.release())
    }

    /// Whether there is an epoch to show: a replica has none until it has read one.
    pub(crate) fn has_begun(&self) -> bool {
        !self.doors.read_model.incarnation().is_nil()
    }

    /// Links that do not do what they are for, and why.
    pub(crate) fn troubles(&self) -> Vec<(&str, String)> {
        let attached = self.doors.attached.iter();
        attached.filter_map(|link| Some((link.name.as_str(), link.trouble()?))).collect()
    }

    /// The newest epoch.
    pub(crate) fn newest_epoch(&self) -> Epoch {
        self.doors.read_model.newest_epoch()
    }

    /// The newest snapshot, or the first that shows `least`.
    pub(crate) async fn snapshot(&self, least: Option<Epoch>) -> Result<Arc<Snapshot>, Refusal> {
        let newest = self.doors.read_model.snapshot();
        let Some(least) = least.filter(|least| *least > newest.epoch) else {
            return Ok(newest);
        };
        let limit = self.doors.rules.min_epoch_wait;
        self.doors.read_model.at_least(least, limit).await.ok_or_else(|| Refusal::Busy {
            code: "EPOCH_NOT_REACHED",
            message: format!("epoch {} has not closed yet", least.0),
        })
    }

    /// The snapshot that the words of a read ask for: exactly `at_epoch`, at least `min_epoch`, or the
    /// newest.
    pub(crate) async fn snapshot_for(&self, words: &Words) -> Result<Arc<Snapshot>, Refusal> {
        if words.get("known_at").is_some() {
            // A replica does not know statements that were replaced since.
            self.engine()?;
        }
        let Some(epoch) = words.at_epoch()? else { return self.snapshot(words.min_epoch()?).await };
        if words.min_epoch()?.is_some_and(|least| least > epoch) {
            return Err(Refusal::field("at_epoch", "must not be before `min_epoch`"));
        }
        let reached = self.snapshot(Some(epoch)).await?;
        let retained = || self.doors.read_model.at(epoch);
        let found = if reached.epoch == epoch { Some(reached) } else { retained() };
        found.ok_or(Refusal::EpochNotRetained(epoch))
    }

    /// Refuses a read of more slots than the bound.
    pub(crate) fn refuse_beyond_bound(&self, given: u64) -> Result<(), Refusal> {
        let bound = self.doors.rules.read_bound;
        if given > bound { Err(Refusal::ReadTooLarge { given, bound }) } else { Ok(()) }
    }

    /// Revisions of series days, from the history store.
    pub(crate) async fn revisions(&self, days: Vec<SeriesDay>) -> Result<Vec<Vec<Told>>, Refusal> {
        let engine = self.engine()?;
        if days.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, answer) = oneshot::channel();
        hand_in(&engine.lookups, Lookup::Revisions { days, reply })?;
        looked_up(within(self.doors.rules.reply_wait, answer).await)
    }

    /// Whether work may be sent, else why not.
    pub(crate) fn ready(&self) -> Result<(), String> {
        if self.is_clock_held() {
            return Err("the clock is held after a jump: POST /api/v2.0/clock/release believes it"
                .to_owned());
        }
        self.doors.read_model.ready().as_ref().clone()
    }

    /// The wall clock.
    pub(crate) fn now(&self) -> Instant {
        (self.doors.now)()
    }

    /// A new UUIDv7.
    pub(crate) fn fresh_id(&self) -> Uuid {
        let micros = u64::try_from(self.now().0).unwrap_or(0);
        let nanos = (micros % 1_000_000) as u32 * 1_000;
        Uuid::new_v7(Timestamp::from_unix(NoContext, micros / 1_000_000, nanos))
    }

    /// Asks the engine for a change and waits until it is durable and visible, or refused. A caller that
    /// goes away does not stop it.
    pub(crate) async fn ask(
        &self,
        change: Change,
        idempotency: Option<Idempotency>,
    ) -> Result<Reply, Refusal> {
        self.ask_all(Vec::new(), change, idempotency).await
    }

    /// The same with statements that stand before it and become visible with it.
    pub(crate) async fn ask_all(
        &self,
        before: Vec<Change>,
        change: Change,
        idempotency: Option<Idempotency>,
    ) -> Result<Reply, Refusal> {
        let (reply, answer) = oneshot::channel();
        hand_in(&self.engine()?.commands, Command { before, change, idempotency, reply })?;
        Ok(within(self.doors.rules.reply_wait, answer).await??)
    }

    /// Looks a batch up.
    pub(crate) async fn batch(&self, id: Uuid) -> Result<Option<BatchSummary>, Refusal> {
        let (reply, answer) = oneshot::channel();
        hand_in(&self.engine()?.lookups, Lookup::Batch { id, reply })?;
        looked_up(within(self.doors.rules.reply_wait, answer).await)
    }

    /// Has a view exported and waits until its files are whole. Going away stops it.
    pub(crate) async fn export(
        &self,
        request: ExportRequest,
        snapshot: Arc<Snapshot>,
    ) -> Result<Exported, Refusal> {
        let (reply, answer) = oneshot::channel();
        hand_in(&self.engine()?.lookups, Lookup::Export { request, snapshot, reply })?;
        Ok(looked_up(within(EXPORT_WAIT, answer).await)??)
    }
}

fn looked_up<T>(answer: Result<T, Refusal>) -> Result<T, Refusal> {
    answer.map_err(|_| Refusal::Busy {
        code: "HISTORY_UNREADABLE",
        message: "the history store gave no answer".to_owned(),
    })
}

fn hand_in<T>(queue: &Sender<T>, request: T) -> Result<(), Refusal> {
    queue.try_send(request).map_err(|error| match error {
        TrySendError::Full(_) => command::Refusal::QueueFull.into(),
        TrySendError::Closed(_) => stopping(),
    })
}

async fn within<T>(limit: Duration, answer: oneshot::Receiver<T>) -> Result<T, Refusal> {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(stopping()),
        Err(_) => Err(Refusal::Busy {
            code: "ANSWER_LATE",
            message: "no answer came in time; what was asked may yet be done".to_owned(),
        }),
    }
}

fn stopping() -> Refusal {
    command::Refusal::NoChanges("it is stopping".to_owned()).into()
}
