//! Ingest: gives every change its place (sequence, `recorded`), closes ticks, and makes them durable.
//!
//! Ticks are as large as what waits: while one is being synced the next gathers, so a lone save travels
//! alone and a flood shares its syncs. A withdrawal stands alone in its tick, but in a message. Live changes go before
//! backfill, which ages so that it is never starved ([`lanes`]). The clock is an input ([`clock`]).

pub mod clock;
pub mod lanes;
pub mod messages;
mod place;
mod repeated;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smartpulse_operators::batch::{Epoch, Sequence};
use smartpulse_operators::change::{Change, Position, Tick};
use smartpulse_operators::time::Instant;
use smartpulse_serve::command::{Command, Idempotency, Refusal, Reply};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::warn;

use crate::history::HistoryError;
use crate::history::tail::Archive;
use crate::journal::{Journal, JournalError, Spools};
use crate::recovery::due_in;
use clock::{Clock, Reading};
use lanes::{Lanes, Load};
use messages::{Message, Told};

/// Where an answer goes.
pub type Caller = oneshot::Sender<Result<Reply, Refusal>>;

/// A durable tick on its way to the engine.
#[derive(Debug)]
pub struct Journaled {
    /// The tick.
    pub tick: Tick,
    /// Who hears what became of which change; empty for backfill.
    pub hearers: Vec<Hearer>,
    /// Bytes of the journal with it.
    pub journal_bytes: u64,
}

/// Who hears what became of a change.
#[derive(Debug)]
pub enum Hearer {
    /// Its answer is that of the change behind it.
    Nobody,
    /// A caller who waits for the answer.
    Caller(Caller, Option<Idempotency>),
    /// A source of messages.
    Source(Told),
}

/// What ingest hands to the engine.
#[derive(Debug)]
pub enum Handed {
    /// A durable tick.
    Tick(Box<Journaled>),
    /// Answer when everything handed over before is visible.
    Flush(oneshot::Sender<()>),
}

/// A change of a source that is taken in behind live ones.
#[derive(Debug)]
pub enum Backfill {
    /// A change and the source's position with it.
    Change(Box<Change>, Position),
    /// A message of another system.
    Message(Box<Message>),
    /// Everything sent before is visible when this is answered.
    Flush(oneshot::Sender<()>),
}

/// Requests under way that must not be decided twice: the body's digest and who else waits.
pub type InFlight = Arc<Mutex<HashMap<[u8; 32], ([u8; 32], Vec<Caller>), FixedState>>>;
/// Digests on their way into the journal.
pub type Digests = Arc<Mutex<Vec<(Epoch, [u8; 16])>>>;

/// Why ingest ended before it was told to.
#[derive(Debug, Error)]
pub enum IngestError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Looking up a remembered answer.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The engine has stopped, for a reason of its own.
    #[error("the engine has stopped; what is durable will be applied at the next start")]
    EngineStopped,
    /// A row of a source is older than the folder's clock.
    #[error(
        "change {upto} of {source_name} was recorded at {recorded}, before the folder's clock {clock}: \
         a folder takes data in order of `recorded` only"
    )]
    OlderThanClock { source_name: String, upto: u64, recorded: Instant, clock: Instant },
}

/// What ingest starts from.
pub struct Start {
    /// The journal, recovered.
    pub journal: Journal,
    /// Where the journal lies, to ask for the room left there.
    pub journal_folder: PathBuf,
    /// Where changes lie that are too many for the journal's records.
    pub spools: Spools,
    /// Bytes of the disk that saves leave free.
    pub disk_reserve: u64,
    /// The newest batch.
    pub sequence: Sequence,
    /// The next lock's id.
    pub next_lock: u64,
    /// The clock the folder's views show; it never goes back behind this.
    pub folder_clock: Instant,
    /// Where the clock comes from.
    pub clock: Clock,
    /// Where remembered answers are.
    pub archive: Archive,
    /// Requests under way.
    pub in_flight: InFlight,
    /// Digests not journaled yet.
    pub digests: Digests,
    /// Instants at which something becomes due.
    pub due: Vec<Instant>,
    /// Names of sources the folder has taken in before.
    pub sources: Vec<String>,
}

/// The state of the ingest thread.
struct Ingest {
    start: Start,
    engine: SyncSender<Handed>,
    due: BTreeSet<Instant>,
    place: place::Place,
    /// Something is due, but the disk had no room for the tick that says so.
    due_waits_for_room: bool,
}

/// How long something due waits before the disk is asked for room again.
const ROOM_AGAIN: Duration = Duration::from_secs(1);

/// Runs ingest on this thread until `stop` turns true and what waits has been taken in.
///
/// # Errors
/// [`IngestError`]: everything acknowledged is durable, the rest was not taken.
pub fn run(
    start: Start,
    commands: mpsc::Receiver<Command>,
    backfill: mpsc::Receiver<Backfill>,
    engine: SyncSender<Handed>,
    stop: watch::Receiver<bool>,
) -> Result<(), IngestError> {
    let due = start.due.iter().copied().collect();
    let place =
        place::Place::new(start.sequence, start.next_lock, start.folder_clock, &start.sources);
    let mut ingest = Ingest { start, engine, due, place, due_waits_for_room: false };
    let mut lanes = Lanes::new(commands, backfill, stop);
    loop {
        let wait = ingest.until_due();
        match lanes.next(wait) {
            Load::Live(commands) => ingest.take_live(commands)?,
            Load::Backfill(changes) => ingest.take_backfill(changes)?,
            Load::Messages(messages) => {
                let left = ingest.take_messages(messages)?;
                if !left.is_empty() {
                    lanes.put_back(left, ROOM_AGAIN);
                }
            }
            // An engine that has stopped drops the question, which answers it.
            Load::Flush(done) => drop(ingest.engine.send(Handed::Flush(done))),
            Load::Due => ingest.tick_of_the_clock()?,
            Load::Stop => return Ok(()),
        }
    }
}

impl Ingest {
    fn until_due(&mut self) -> Option<Duration> {
        let due = *self.due.first()?;
        let wait = self.start.clock.until(due);
        if self.due_waits_for_room { wait.map(|wait| wait.max(ROOM_AGAIN)) } else { wait }
    }

    fn take_live(&mut self, commands: Vec<Command>) -> Result<(), IngestError> {
        let clock = match self.start.clock.read() {
            Reading::Now(clock) => clock,
            Reading::Held => {
                refuse_all(commands, &Refusal::ClockHeld);
                return Ok(());
            }
            Reading::Data => {
                let refusal =
                    Refusal::NoChanges("it serves a folder at the clock of its data".to_owned());
                refuse_all(commands, &refusal);
                return Ok(());
            }
        };
        if !self.has_room() {
            refuse_all(commands, &Refusal::DiskFull);
            return Ok(());
        }
        let mut tick = self.place.begin(clock);
        let mut hearers = Vec::new();
        for command in commands {
            let Some(command) = self.without_answer(command)? else { continue };
            let Command { before, change, idempotency, reply } = command;
            for statement in before {
                self.place.live(statement, None, &mut tick);
                hearers.push(Hearer::Nobody);
            }
            self.place.live(change, idempotency, &mut tick);
            hearers.push(Hearer::Caller(reply, idempotency));
        }
        if hearers.is_empty() {
            self.place.undo();
            return Ok(());
        }
        for hearer in self.hand_on(tick, hearers)?.into_iter().flat_map(|(_, hearers)| hearers) {
            if let Hearer::Caller(caller, idempotency) = hearer {
                self.forget(idempotency, &Refusal::DiskFull);
                // A caller that has gone away needs no answer.
                let _ = caller.send(Err(Refusal::DiskFull));
            }
        }
        Ok(())
    }

    fn take_backfill(&mut self, changes: Vec<(Change, Position)>) -> Result<(), IngestError> {
        let mut tick = self.place.begin(self.place.clock());
        for (change, position) in changes {
            if let Err(older) =
                self.place.backfill(change, &position, &self.start.archive, &mut tick)?
            {
                // What came before in this tick is in order: take it in, then say what is wrong.
                if tick.position.is_some() {
                    self.hand_on_backfill(tick)?;
                }
                return Err(older);
            }
        }
        if !self.has_room() {
            self.place.undo();
            return Err(JournalError::DiskFull.into());
        }
        self.hand_on_backfill(tick)
    }

    /// A replay ends where the disk is full, and resumes there.
    fn hand_on_backfill(&mut self, tick: Tick) -> Result<(), IngestError> {
        match self.hand_on(tick, Vec::new())? {
            None => Ok(()),
            Some(_) => Err(JournalError::DiskFull.into()),
        }
    }

    fn tick_of_the_clock(&mut self) -> Result<(), IngestError> {
        match self.start.clock.read() {
            Reading::Now(clock) if self.due.first().is_some_and(|due| *due <= clock) => {
                self.due_waits_for_room = !self.has_room();
                if self.due_waits_for_room {
                    return Ok(());
                }
                let tick = self.place.begin(clock);
                self.due_waits_for_room = self.hand_on(tick, Vec::new())?.is_some();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Journals a tick, makes it durable and hands it to the engine; gives back one for which the disk has no
    /// room.
    fn hand_on(
        &mut self,
        mut tick: Tick,
        hearers: Vec<Hearer>,
    ) -> Result<Option<(Tick, Vec<Hearer>)>, IngestError> {
        let mut digests = self.start.digests.lock().unwrap_or_else(PoisonError::into_inner);
        tick.digests = std::mem::take(&mut digests);
        drop(digests);
        tick.epoch = Epoch(self.start.journal.newest().0 + 1);
        if let Some(spooled) = &mut tick.spooled {
            self.start.spools.name(spooled, tick.epoch)?;
        }
        if let Err(problem) = self.start.journal.append(&tick) {
            self.place.undo();
            let digests = std::mem::take(&mut tick.digests);
            self.start.digests.lock().unwrap_or_else(PoisonError::into_inner).extend(digests);
            if matches!(problem, JournalError::DiskFull) {
                warn!("the disk of the journal is full: a tick was not taken in");
                return Ok(Some((tick, hearers)));
            }
            return Err(problem.into());
        }
        self.start.journal.sync()?;
        self.due.extend(due_in(&tick));
        self.due = self.due.split_off(&Instant(tick.clock.0.saturating_add(1)));
        let journal_bytes = self.start.journal.bytes();
        if self
            .engine
            .send(Handed::Tick(Box::new(Journaled { tick, hearers, journal_bytes })))
            .is_err()
        {
            return Err(IngestError::EngineStopped);
        }
        Ok(None)
    }

    fn has_room(&self) -> bool {
        if self.start.archive.waits_for_room() {
            return false;
        }
        let room = rustix::fs::statvfs(&self.start.journal_folder);
        room.map_or(true, |room| room.f_bavail * room.f_frsize >= self.start.disk_reserve)
    }
}

fn refuse_all(commands: Vec<Command>, refusal: &Refusal) {
    for command in commands {
        let _ = command.reply.send(Err(refusal.clone()));
    }
}
