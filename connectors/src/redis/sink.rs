//! The engine's side: writes closed epochs, and finds out where what it wrote is no longer there.
//!
//! Order of an epoch: the calls for its hashes, and when they are confirmed the names with their versions and the
//! parts of the stream, and when those are, the commit. A repetition of any of it changes nothing. Nothing waits
//! in here: a caller that is behind hands over several epochs as one.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::block::DayBlock;
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::closed::ClosedEpoch;
use smartpulse_operators::series::SeriesId;
use smartpulse_operators::time::Instant;
use uuid::Uuid;

use super::epoch::{PART_BYTES, Parts};
use super::error::RedisFault;
use super::keys::Keys;
use super::link::{Link, WINDOW_BYTES, elements, text};
use super::scripts::{Lua, Scripts};
use super::settings::RedisSettings;
use super::work::Kept;
use super::writing::rows_of;

/// A writer that has said nothing for so long is gone, in microseconds: it says so each second.
const GONE_AFTER: i64 = 60_000_000;

/// Who writes.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    /// Made with the data folder.
    pub incarnation: Uuid,
    /// Made with the process.
    pub id: Uuid,
    /// Whether the clock of the views goes on by itself between epochs.
    pub is_live: bool,
    /// The wall clock.
    pub now: fn() -> Instant,
}

/// What was written since the sink was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Hashes, each time one was.
    pub hashes: u64,
    /// Bytes of fields and parts.
    pub bytes: u64,
    /// Commits.
    pub commits: u64,
    /// Times that everything was written.
    pub fills: u64,
}

/// What stands behind the hashes of an epoch.
struct Behind {
    /// The epoch that it follows on; none: what was between is not told.
    from: Option<Epoch>,
    /// Commands that note names.
    names: Vec<Cmd>,
    parts: Parts,
    /// Everything has been written.
    is_whole: bool,
}

/// Writes the views of one engine.
pub struct RedisSink {
    pub(super) settings: RedisSettings,
    pub(super) writer: Writer,
    pub(super) keys: Keys,
    pub(super) link: Link,
    pub(super) term: u64,
    /// Number of the last commit.
    n: u64,
    /// The epoch of the last commit, where what was written before is whole.
    pub(super) committed: Option<Epoch>,
    pub(super) runs: Vec<String>,
    pub(super) kept: Kept,
    /// Numbers and bytes of the epochs in the stream.
    held: VecDeque<(u64, u64)>,
    pub(super) written: Written,
    pub(super) looked_at: usize,
    pub(super) is_whole: bool,
    filled: Option<tokio::time::Instant>,
    /// When the last sign of life was given.
    pub(super) beaten: tokio::time::Instant,
    /// Whether somebody listens to patches.
    pub(super) is_heard: bool,
    /// Series written since the last beat while nobody was known to listen, and between that and the one before.
    pub(super) unheard: (BTreeSet<SeriesId>, BTreeSet<SeriesId>),
}

impl RedisSink {
    /// Connects and takes the prefix over; `newest` is the epoch that the engine is at.
    ///
    /// # Errors
    /// [`RedisFault::Unreachable`]; [`RedisFault::Superseded`] where another engine is at work.
    pub async fn open(
        settings: &RedisSettings,
        writer: Writer,
        newest: Epoch,
    ) -> Result<RedisSink, RedisFault> {
        let keys = Keys::new(&settings.prefix);
        let mut link = Link::open(settings, Duration::ZERO).await?;
        link.teach().await?;
        let runs = link.runs().await?;
        let beside = keys.beside_the_stream();
        let beside: Vec<&str> = beside.iter().map(String::as_str).collect();
        let mut begin = link.scripts().begin.call(&beside);
        let now = (writer.now)().0;
        begin.arg(writer.incarnation.to_string()).arg(writer.id.to_string()).arg(now);
        begin.arg(GONE_AFTER).arg(settings.ttl_ms()).arg(u8::from(writer.is_live)).arg(newest.0);
        let answer = elements(link.ask("taking the prefix over", begin).await?);
        let number = |place: usize| text(answer.get(place)?)?.parse::<i64>().ok();
        let (Some(term), Some(n)) = (number(0), number(1)) else {
            let other = answer.get(1).and_then(text).unwrap_or_default();
            return Err(RedisFault::Superseded(format!("that of incarnation {other}")));
        };
        // What an earlier process has left in the stream counts too.
        let mut usage = redis::cmd("MEMORY");
        usage.arg("USAGE").arg(keys.stream());
        let usage = text(&link.ask("measuring the stream", usage).await?);
        let left = usage.and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        let committed = number(2).filter(|epoch| *epoch >= 0).map(|epoch| Epoch(epoch as u64));
        Ok(RedisSink {
            settings: settings.clone(),
            writer,
            keys,
            link,
            term: term as u64,
            n: n as u64,
            committed,
            runs,
            kept: Kept::default(),
            held: VecDeque::from([(n as u64, left)]),
            written: Written::default(),
            looked_at: 0,
            is_whole: false,
            filled: None,
            beaten: tokio::time::Instant::now(),
            is_heard: false,
            unheard: Default::default(),
        })
    }

    /// The epoch of the last commit; none where what lies there is not whole.
    #[must_use]
    pub fn committed(&self) -> Option<Epoch> {
        self.committed
    }

    /// What was written since it was opened.
    #[must_use]
    pub fn written(&self) -> Written {
        self.written
    }

    /// Connects again after a fault. What was written is still known.
    ///
    /// # Errors
    /// [`RedisFault`]; [`RedisFault::Lost`] where another server answers, or the same one started anew.
    pub async fn reconnect(&mut self, newest: Epoch) -> Result<(), RedisFault> {
        self.link = Link::open(&self.settings, Duration::ZERO).await?;
        if self.is_whole { self.beat(newest).await } else { Ok(()) }
    }

    /// When everything was written last.
    #[must_use]
    pub fn filled(&self) -> Option<tokio::time::Instant> {
        self.filled
    }

    /// A call of a script on the state and all that lies beside the stream.
    pub(super) fn beside(&self, script: impl Fn(&Scripts) -> &Lua) -> Cmd {
        let keys = self.keys.beside_the_stream();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        script(self.link.scripts()).call(&keys)
    }

    /// Whether everything was written, and nothing of it is known to be lost.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Says that nothing of what was written can be relied on any more.
    ///
    /// # Errors
    /// [`RedisFault`].
    pub async fn give_up_what_is_there(&mut self) -> Result<(), RedisFault> {
        self.is_whole = false;
        self.runs = self.link.runs().await?;
        let Writer { incarnation, id, is_live, now } = self.writer;
        let now = now();
        self.n = self.n.max(now.0.max(0) as u64 / 1_000);
        self.held.clear();
        let mut call = self.beside(|scripts| &scripts.emptied);
        call.arg(incarnation.to_string()).arg(self.term).arg(id.to_string()).arg(self.n);
        call.arg(now.0).arg(self.settings.ttl_ms()).arg(u8::from(is_live));
        match self.link.ask("beginning anew", call).await? {
            Value::Int(1) => Ok(()),
            _ => Err(RedisFault::Superseded("it took the prefix over".to_owned())),
        }
    }

    /// Writes everything; `whole` is what there is, `since` what changed since the last commit, where that is
    /// known: who follows the stream then need not read the hashes again.
    ///
    /// # Errors
    /// [`RedisFault`]; what was written stays, and is written again by the next call.
    pub async fn fill(
        &mut self,
        whole: &ClosedEpoch,
        since: Option<&ClosedEpoch>,
    ) -> Result<(), RedisFault> {
        self.is_whole = false;
        self.kept = Kept::default();
        let names = self.hashes(whole, None, None).await?;
        self.forget_names().await?;
        let from = self.committed.filter(|_| since.is_some());
        let mut parts = Parts::default();
        if let (Some(_), Some(since)) = (from, since) {
            rows_of(since, &whole.reference, &mut parts);
        }
        self.close(whole, Behind { from, names, parts, is_whole: true }).await?;
        self.is_whole = true;
        self.filled = Some(tokio::time::Instant::now());
        self.written.fills += 1;
        Ok(())
    }

    /// Writes what changed since the last commit; `before` gives the days as they were then.
    ///
    /// # Errors
    /// [`RedisFault`]: after [`RedisFault::Lost`] everything has to be written, after
    /// [`RedisFault::Unreachable`] the same call, or one that holds more, goes on.
    pub async fn write(
        &mut self,
        closed: &ClosedEpoch,
        before: &(dyn Fn(SeriesDay) -> Option<Arc<DayBlock>> + Send + Sync),
    ) -> Result<(), RedisFault> {
        let Some(from) = self.committed else {
            return Err(RedisFault::Lost("nothing was written yet".to_owned()));
        };
        let mut parts = Parts::default();
        let names = self.hashes(closed, Some(before), Some(&mut parts)).await?;
        self.close(closed, Behind { from: Some(from), names, parts, is_whole: false }).await
    }

    /// Notes names, writes the parts of an epoch and closes it: all its hashes are confirmed.
    async fn close(&mut self, closed: &ClosedEpoch, behind: Behind) -> Result<(), RedisFault> {
        let Behind { from, names, parts, is_whole } = behind;
        // A number of its own for each attempt: parts of one that was broken off belong to no commit.
        self.n += 1;
        let (n, stream) = (self.n, self.keys.stream());
        let parts = parts.finish();
        let bytes: u64 = parts.iter().map(|part| part.len() as u64).sum();
        let count = parts.len();
        let add = |(part, place): (Vec<u8>, usize)| {
            let mut add = redis::cmd("XADD");
            add.arg(&stream).arg(format!("{n}-{place}")).arg("part").arg(part);
            add
        };
        let mut adding = names.into_iter().chain(parts.into_iter().zip(1..).map(add));
        loop {
            let some: Vec<Cmd> = adding.by_ref().take(WINDOW_BYTES / PART_BYTES).collect();
            if some.is_empty() {
                break;
            }
            self.link.all("writing the stream", some).await?;
        }
        self.held.push_back((n, bytes + 512));
        let mut held: u64 = self.held.iter().map(|(_, bytes)| bytes).sum();
        let mut least = 0;
        while held > self.settings.stream_bytes && self.held.len() > 1 {
            if let Some((number, bytes)) = self.held.pop_front() {
                held -= bytes;
                least = number + 1;
            }
        }
        // Numbers and texts serialise.
        let figures = serde_json::to_string(&closed.figures).unwrap_or_default();
        let from = from.map_or_else(|| "resync".to_owned(), |from| from.0.to_string());
        let now = (self.writer.now)();
        let mut call = self.beside(|scripts| &scripts.commit);
        call.arg(self.term).arg(self.writer.id.to_string()).arg(from).arg(closed.epoch.0).arg(n);
        call.arg(count).arg(closed.clock.0).arg(figures).arg(now.0).arg(self.settings.ttl_ms());
        call.arg(format!("{least}-0")).arg(if is_whole { "whole" } else { "" });
        call.arg(self.kept.series.len()).arg(self.kept.totals.len());
        match self.link.ask("closing an epoch", call).await? {
            Value::Int(0 | 1) => {}
            Value::Int(-1) => {
                return Err(RedisFault::Superseded("it took the prefix over".to_owned()));
            }
            _ => return Err(RedisFault::Lost("the state is not what was left".to_owned())),
        }
        self.committed = Some(closed.epoch);
        // Only now: an attempt that is made again must say again what is said of units.
        if let Some(reference) = &closed.reference {
            self.kept.reference = Arc::clone(reference);
        }
        self.written.commits += 1;
        self.written.bytes += bytes;
        Ok(())
    }
}

/// Term and epoch of a version.
pub(crate) fn version_of(text: &str) -> Option<(u64, Epoch)> {
    let (term, epoch) = text.split_once('.')?;
    Some((term.parse().ok()?, Epoch(epoch.parse().ok()?)))
}
