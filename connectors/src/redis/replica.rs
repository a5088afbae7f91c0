//! A replica's side: reads everything once, then follows the stream, epoch by epoch and each whole.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::block::DayBlock;
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::closed::ClosedEpoch;
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::SeriesId;
use smartpulse_operators::time::{Instant, Period};
use uuid::Uuid;

use super::day::KnownBatches;
use super::epoch::{self, Row};
use super::error::RedisFault;
use super::keys::Keys;
use super::link::{Link, elements, fields, text};
use super::load::{self, Reading, State};
use super::settings::RedisSettings;

/// How long an entry of the stream is waited for before the state is looked at.
const WAIT: Duration = Duration::from_millis(500);
/// Entries that are taken at once: with parts of 64 kB, at most some 16 MB.
const ENTRIES: usize = 256;
/// Waits for a commit that must come, before all is read again: half a minute, for an engine that fills a Redis.
const PATIENCE: u32 = 60;

/// What the stream says.
#[derive(Debug)]
pub enum ReplicaNews {
    /// An epoch has closed.
    Epoch(Box<ClosedEpoch>),
    /// Nothing new.
    Quiet,
}

/// Follows what an engine writes.
pub struct RedisReplica {
    keys: Keys,
    /// For questions.
    link: Link,
    /// For waiting.
    waiting: Link,
    state: State,
    /// The last entry of the stream that was taken.
    position: String,
    /// Up to this epoch all was told.
    told: Epoch,
    reference: Arc<Reference>,
    /// What is said of units up to this epoch was read with them.
    units: Epoch,
    known: KnownBatches,
    /// Every series that was named, and its period.
    series: BTreeMap<SeriesId, Period>,
    /// Parts of the epoch whose commit has not come, and their number.
    open: (String, Vec<Row>, usize),
    /// Epochs that were taken and not told yet.
    closed: VecDeque<ClosedEpoch>,
}

impl RedisReplica {
    /// Connects and reads everything as it is at one epoch. Where `shown` says what is shown already, an older epoch
    /// of the same incarnation is not read.
    ///
    /// # Errors
    /// [`RedisFault::Unreachable`], [`RedisFault::NotYet`] where nothing whole lies there yet, and
    /// [`RedisFault::Gap`] where what lies there is not of one epoch: try again.
    pub async fn open(
        settings: &RedisSettings,
        shown: (Uuid, Epoch),
    ) -> Result<(RedisReplica, ClosedEpoch), RedisFault> {
        let keys = Keys::new(&settings.prefix);
        let mut link = Link::open(settings, Duration::ZERO).await?;
        let waiting = Link::open(settings, WAIT).await?;
        // First of all: what is committed after it is in the hashes, or comes.
        let state = load::state(&mut link, &keys).await?;
        if shown.0 == state.incarnation && state.epoch < shown.1 {
            let (epoch, shown) = (state.epoch.0, shown.1.0);
            return Err(RedisFault::NotYet(format!(
                "epoch {epoch} is older than {shown}, which is shown"
            )));
        }
        let mut known = KnownBatches::default();
        let reading = Reading::of_hashes(&mut link, &keys, &state, &mut known).await?;
        let reference = Arc::clone(&reading.reference);
        let mut replica = RedisReplica {
            keys,
            link,
            waiting,
            told: state.epoch,
            position: state.at.clone(),
            series: reading.series.iter().map(|(id, series)| (*id, series.period)).collect(),
            state,
            reference,
            units: reading.units(),
            known,
            open: Default::default(),
            closed: Default::default(),
        };
        let whole = replica.lay_stream_over(reading).await?;
        Ok((replica, whole))
    }

    /// The incarnation of the engine.
    #[must_use]
    pub fn incarnation(&self) -> Uuid {
        self.state.incarnation
    }

    /// Whether the clock of the views goes on by itself between epochs.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state.is_live
    }

    /// When the engine last said that it is there, by its clock in microseconds: it says so each second.
    #[must_use]
    pub fn beat(&self) -> i64 {
        self.state.beat
    }

    /// The epoch that the engine is at, as far as is known here.
    #[must_use]
    pub fn newest(&self) -> Epoch {
        self.state.newest.max(self.told)
    }

    /// Waits for the next epoch, for half a second at most.
    ///
    /// # Errors
    /// [`RedisFault`]: after any of them the replica is of no more use, and another one has to be opened.
    pub async fn next(&mut self) -> Result<ReplicaNews, RedisFault> {
        if let Some(closed) = self.closed.pop_front() {
            return Ok(ReplicaNews::Epoch(Box::new(closed)));
        }
        let found = self.take_entries().await?;
        if let Some(closed) = self.closed.pop_front() {
            return Ok(ReplicaNews::Epoch(Box::new(closed)));
        }
        if !found {
            self.look_at_state().await?;
        }
        Ok(ReplicaNews::Quiet)
    }

    /// Takes the epochs that are newer than what was read, up to the greatest version.
    async fn lay_stream_over(&mut self, mut reading: Reading) -> Result<ClosedEpoch, RedisFault> {
        let mut patience = PATIENCE;
        let (mut clock, mut figures) = (self.state.clock, self.state.figures.clone());
        while self.told < reading.greatest {
            if !self.take_entries().await? {
                patience -= 1;
                if patience == 0 {
                    let epoch = reading.greatest.0;
                    return Err(RedisFault::Gap(format!(
                        "the commit of epoch {epoch} does not come"
                    )));
                }
            }
            for closed in self.closed.drain(..) {
                (clock, figures) = (closed.clock, closed.figures.clone());
                reading.lay(closed);
            }
        }
        // What was read in the meantime is good only if nobody has begun anew.
        let now = load::state(&mut self.link, &self.keys).await?;
        if (now.term, now.incarnation) != (self.state.term, self.state.incarnation) {
            return Err(RedisFault::Gap("another engine has begun to write".to_owned()));
        }
        Ok(reading.whole(self.told, clock, figures))
    }

    /// Takes what the stream has; whether it had something.
    async fn take_entries(&mut self) -> Result<bool, RedisFault> {
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(ENTRIES).arg("BLOCK").arg(WAIT.as_millis() as u64);
        read.arg("STREAMS").arg(self.keys.stream()).arg(&self.position);
        let answer = self.waiting.ask("following the stream", read).await?;
        // `[[name, entries]]`, or a map of them.
        let entries = match answer {
            Value::Map(mut streams) => streams.pop().map(|(_, entries)| entries),
            other => elements(other)
                .into_iter()
                .next()
                .and_then(|stream| elements(stream).into_iter().nth(1)),
        };
        let entries = entries.map(elements).unwrap_or_default();
        let found = !entries.is_empty();
        for entry in entries {
            let mut halves = elements(entry).into_iter();
            let id = halves.next().as_ref().and_then(text).unwrap_or_default();
            let content = halves.next().map(fields).unwrap_or_default();
            self.take(&id, content)?;
            self.position = id;
        }
        Ok(found)
    }

    /// Takes an entry of the stream.
    fn take(&mut self, id: &str, content: Vec<(String, Vec<u8>)>) -> Result<(), RedisFault> {
        let key = || self.keys.stream();
        let bad = |problem: &str| RedisFault::Unreadable {
            key: format!("{} {id}", key()),
            problem: problem.to_owned(),
        };
        let number = id.split('-').next().unwrap_or_default();
        if let [(name, part)] = content.as_slice()
            && name == "part"
        {
            let rows = epoch::rows(part).ok_or_else(|| bad("a part is damaged"))?;
            if self.open.0 != number {
                self.open = (number.to_owned(), Vec::new(), 0);
            }
            self.open.1.extend(rows);
            self.open.2 += 1;
            return Ok(());
        }
        let word = |name: &str| {
            let found = content.iter().find(|(field, _)| field == name);
            found.and_then(|(_, value)| str::from_utf8(value).ok())
        };
        let commit = || {
            let figures = serde_json::from_str(word("figures")?).ok()?;
            let closed = ClosedEpoch::nothing(
                Epoch(word("epoch")?.parse().ok()?),
                Instant(word("clock")?.parse().ok()?),
                figures,
            );
            let term: u64 = word("term")?.parse().ok()?;
            Some((closed, word("parts")?.parse::<usize>().ok()?, term, word("from")?.to_owned()))
        };
        let (mut closed, parts, term, from) = commit().ok_or_else(|| bad("a commit is damaged"))?;
        let (of, rows, count) = std::mem::take(&mut self.open);
        if term != self.state.term {
            return Err(RedisFault::Gap("another engine has begun to write".to_owned()));
        }
        if closed.epoch <= self.told {
            return Ok(());
        }
        let follows = from.parse::<u64>().is_ok_and(|from| Epoch(from) <= self.told);
        if !follows || count != parts || (count > 0 && of != number) {
            let (told, epoch) = (self.told.0, closed.epoch.0);
            return Err(RedisFault::Gap(format!("epoch {epoch} does not follow on {told}")));
        }
        let mut rows = rows;
        if closed.epoch <= self.units {
            rows.retain(|row| !matches!(row, Row::Unit(..) | Row::Rules(_)));
        }
        let before = Arc::clone(&self.reference);
        epoch::take(rows, &mut closed, &mut self.reference, &mut self.known)
            .ok_or_else(|| bad("a row is damaged"))?;
        // What has been named once is not new again.
        closed.new_series.retain(|(id, series)| self.series.insert(*id, series.period).is_none());
        let fits = |((id, _), block): &(SeriesDay, Arc<DayBlock>)| {
            self.series.get(id).is_some_and(|period| period.slots() == block.slots())
        };
        if !closed.blocks.iter().all(fits) {
            return Err(RedisFault::Gap(format!(
                "epoch {} tells of a series that has no name, or another period",
                closed.epoch.0
            )));
        }
        if !Arc::ptr_eq(&before, &self.reference) {
            closed.reference = Some(Arc::clone(&self.reference));
        }
        self.told = closed.epoch;
        self.state.epoch = self.state.epoch.max(closed.epoch);
        self.closed.push_back(closed);
        Ok(())
    }

    /// Looks whether the stream that is followed is still the one that is written.
    async fn look_at_state(&mut self) -> Result<(), RedisFault> {
        let now = load::state(&mut self.link, &self.keys).await?;
        if (now.term, now.incarnation) != (self.state.term, self.state.incarnation) {
            return Err(RedisFault::Gap("another engine has begun to write".to_owned()));
        }
        let (told, epoch) = (self.told, now.epoch);
        if epoch < told {
            return Err(RedisFault::Gap("what lies there is older than what was read".to_owned()));
        }
        // Written between the wait and the look; if it stays away it was cut off.
        if epoch > told && self.state.epoch == epoch {
            return Err(RedisFault::Gap(format!("epoch {} was not in the stream", epoch.0)));
        }
        self.state = now;
        Ok(())
    }
}
