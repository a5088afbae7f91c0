//! The engine's side: writes closed epochs, and finds out where what it wrote is no longer there.
//!
//! Order of an epoch: the calls for its hashes, and when they are confirmed the names with their versions and the
//! parts of the stream, and when those are, the commit. A repetition of any of it changes nothing. Nothing waits
//! in here: a caller that is behind hands over several epochs as one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::closed::ClosedEpoch;
use smartpulse_operators::reference::Reference;
use smartpulse_operators::time::Instant;
use uuid::Uuid;

use super::epoch::{PART_BYTES, Parts, Row};
use super::error::RedisFault;
use super::keys::{self, Keys};
use super::link::{Link, WINDOW, WINDOW_BYTES, elements, text};
use super::settings::RedisSettings;
use super::work::{self, Calling, Field, Kept, Known, Of};

/// A writer that has said nothing for so long is gone, in microseconds: it says so each second.
const GONE_AFTER: i64 = 60_000_000;
/// Hashes that are looked at with each beat, in turn: a loss of a tenth of them is found at once, any in time.
const LOOKED_AT: usize = 64;

/// Who writes.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    /// Made with the data folder.
    pub incarnation: Uuid,
    /// Made with the process.
    pub id: Uuid,
    /// Whether the clock of the views goes on by itself between epochs.
    pub is_live: bool,
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

/// Writes the views of one engine.
pub struct RedisSink {
    settings: RedisSettings,
    writer: Writer,
    keys: Keys,
    link: Link,
    term: u64,
    /// Number of the last commit.
    n: u64,
    /// The epoch of the last commit, where what was written before is whole.
    committed: Option<Epoch>,
    runs: Vec<String>,
    kept: Kept,
    /// Numbers and bytes of the epochs in the stream.
    held: VecDeque<(u64, u64)>,
    written: Written,
    looked_at: usize,
    is_whole: bool,
}

impl RedisSink {
    /// Connects and takes the prefix over.
    ///
    /// # Errors
    /// [`RedisFault::Unreachable`]; [`RedisFault::Superseded`] where another engine is at work.
    pub async fn open(
        settings: &RedisSettings,
        writer: Writer,
        now: Instant,
    ) -> Result<RedisSink, RedisFault> {
        let keys = Keys::new(&settings.prefix);
        let mut link = Link::open(settings, Duration::ZERO).await?;
        link.teach().await?;
        let runs = link.runs().await?;
        let beside = keys.beside_the_stream();
        let beside: Vec<&str> = beside.iter().map(String::as_str).collect();
        let mut begin = link.scripts().begin.call(&beside);
        begin.arg(writer.incarnation.to_string()).arg(writer.id.to_string()).arg(now.0);
        begin.arg(GONE_AFTER).arg(settings.ttl_ms()).arg(u8::from(writer.is_live));
        let answer = elements(link.ask("taking the prefix over", begin).await?);
        let number = |place: usize| text(answer.get(place)?)?.parse::<i64>().ok();
        let (Some(term), Some(n)) = (number(0), number(1)) else {
            let other = answer.get(1).and_then(text).unwrap_or_default();
            return Err(RedisFault::Superseded(format!("that of incarnation {other}")));
        };
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
            held: VecDeque::new(),
            written: Written::default(),
            looked_at: 0,
            is_whole: false,
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
    pub async fn reconnect(&mut self, now: Instant, clock: Instant) -> Result<(), RedisFault> {
        self.link = Link::open(&self.settings, Duration::ZERO).await?;
        if self.is_whole { self.beat(now, clock).await } else { Ok(()) }
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
    pub async fn give_up_what_is_there(&mut self, now: Instant) -> Result<(), RedisFault> {
        self.is_whole = false;
        self.runs = self.link.runs().await?;
        self.n = self.n.max(now.0.max(0) as u64 / 1_000);
        let Writer { incarnation, id, is_live } = self.writer;
        let mut call = self.link.scripts().emptied.call(&[&self.keys.state()]);
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
        now: Instant,
    ) -> Result<(), RedisFault> {
        self.is_whole = false;
        self.kept = Kept::default();
        self.hashes(whole, true, None).await?;
        let from = self.committed.filter(|_| since.is_some());
        let mut parts = Parts::default();
        if let (Some(_), Some(since)) = (from, since) {
            rows_of(since, &whole.reference, &mut parts);
        }
        self.close(whole, from, parts, true, now).await?;
        self.is_whole = true;
        self.written.fills += 1;
        Ok(())
    }

    /// Writes what changed since the last commit.
    ///
    /// # Errors
    /// [`RedisFault`]: after [`RedisFault::Lost`] everything has to be written, after
    /// [`RedisFault::Unreachable`] the same call, or one that holds more, goes on.
    pub async fn write(&mut self, closed: &ClosedEpoch, now: Instant) -> Result<(), RedisFault> {
        let Some(from) = self.committed else {
            return Err(RedisFault::Lost("nothing was written yet".to_owned()));
        };
        let mut parts = Parts::default();
        self.hashes(closed, false, Some(&mut parts)).await?;
        self.close(closed, Some(from), parts, false, now).await
    }

    /// Says that the engine is there, and looks whether all that was written still is.
    ///
    /// # Errors
    /// [`RedisFault`].
    pub async fn beat(&mut self, now: Instant, clock: Instant) -> Result<(), RedisFault> {
        let runs = self.link.runs().await?;
        if runs != self.runs {
            return Err(RedisFault::Lost(
                "Redis was started anew, or another one answers".to_owned(),
            ));
        }
        let mut call = self.link.scripts().beat.call(&[&self.keys.state()]);
        call.arg(self.term).arg(self.writer.id.to_string()).arg(now.0).arg(clock.0);
        let answer = self.link.ask("saying that the engine is there", call).await?;
        let answer = text(&answer).unwrap_or_default();
        if answer == "superseded" {
            return Err(RedisFault::Superseded("it took the prefix over".to_owned()));
        }
        match answer.parse::<u64>().ok().map(Epoch) {
            Some(epoch) if Some(epoch) == self.committed => {}
            // The answer to a commit was lost on the way.
            Some(epoch) if Some(epoch) > self.committed => self.committed = Some(epoch),
            _ => return Err(RedisFault::Lost("the state is not what was left".to_owned())),
        }
        self.look_at_hashes().await
    }

    /// Looks at some of the hashes, others each time.
    async fn look_at_hashes(&mut self) -> Result<(), RedisFault> {
        let all = self.kept.series.len() as u32;
        if all == 0 {
            return Ok(());
        }
        let from = self.looked_at;
        let chosen = (0..LOOKED_AT.min(all as usize)).map(|step| (from + step) % all as usize);
        let known = chosen.filter_map(|place| {
            let series =
                self.kept.series.get(&smartpulse_operators::series::SeriesId(place as u32));
            series.map(|(_, known)| known).filter(|known| known.before > Epoch(0))
        });
        let known: Vec<(String, Epoch)> =
            known.map(|known| (self.keys.of(&known.name), known.before)).collect();
        let asking = known.iter().map(|(key, _)| {
            let mut ask = redis::cmd("HGET");
            ask.arg(key).arg("v");
            ask
        });
        let answers = self.link.all("looking at what was written", asking.collect()).await?;
        for ((key, before), answer) in known.iter().zip(&answers) {
            let version = text(answer).and_then(|text| version_of(&text));
            if version.is_none_or(|(term, epoch)| term < self.term || epoch < *before) {
                return Err(RedisFault::Lost(format!("{key} is not what was written")));
            }
        }
        self.looked_at = (from + LOOKED_AT) % all as usize;
        Ok(())
    }

    /// Writes the hashes of an epoch, and their names with their versions.
    async fn hashes(
        &mut self,
        closed: &ClosedEpoch,
        is_whole: bool,
        mut parts: Option<&mut Parts>,
    ) -> Result<(), RedisFault> {
        for (id, series) in &closed.new_series {
            let name = keys::series_name(series);
            if let Some(parts) = parts.as_deref_mut() {
                parts.add(&Row::Series(id.0, name.clone()));
            }
            let known = Known { name, before: Epoch(0) };
            self.kept.series.entry(*id).or_insert_with(|| (Arc::clone(series), known));
        }
        let mut window = Window::default();
        for days in closed.blocks.chunk_by(|((one, _), _), ((other, _), _)| one == other) {
            let id = days[0].0.0;
            let from = closed.causes.partition_point(|((series, _), _)| *series < id);
            let to = closed.causes.partition_point(|((series, _), _)| *series <= id);
            let fields = work::series_fields(days, &closed.causes[from..to], parts.as_deref_mut());
            self.add(&mut window, Of::Series(id), fields, closed.epoch, is_whole).await?;
        }
        for (series, days) in work::by_total(closed) {
            let name = keys::total_name(&series);
            let fields = work::total_fields(&name, &days, parts.as_deref_mut());
            let known = Known { name, before: Epoch(0) };
            self.kept.totals.entry(series.clone()).or_insert(known);
            self.add(&mut window, Of::Total(series), fields, closed.epoch, is_whole).await?;
        }
        let (members, withdrawn) = work::other_fields(closed, parts.as_deref_mut());
        let units = closed.reference.as_ref().map(|reference| {
            let nothing = Reference::default();
            let before = if is_whole { &nothing } else { &*self.kept.reference };
            work::unit_fields(before, reference, is_whole, parts.as_deref_mut())
        });
        for (of, fields) in [
            (Of::Members, members),
            (Of::Withdrawn, withdrawn),
            (Of::Units, units.unwrap_or_default()),
        ] {
            if is_whole || !fields.is_empty() {
                self.add(&mut window, of, fields, closed.epoch, is_whole).await?;
            }
        }
        self.send(&mut window, closed.epoch).await?;
        if let Some(reference) = &closed.reference {
            self.kept.reference = Arc::clone(reference);
        }
        Ok(())
    }

    /// Adds a call to the window, and sends that when it is full.
    async fn add(
        &mut self,
        window: &mut Window,
        of: Of,
        fields: Vec<Field>,
        epoch: Epoch,
        is_whole: bool,
    ) -> Result<(), RedisFault> {
        let (name, before) = self.kept.named(&of).ok_or_else(|| {
            RedisFault::Lost("a series was never named: all have to be written".to_owned())
        })?;
        let calling = Calling {
            apply: &self.link.scripts().apply,
            keys: &self.keys,
            term: self.term,
            epoch,
            ttl_ms: self.settings.ttl_ms(),
            is_whole,
        };
        let key = calling.keys.of(&name);
        window.bytes +=
            fields.iter().map(|(_, value)| value.as_ref().map_or(0, Vec::len)).sum::<usize>();
        window.calls.push(calling.call(&key, before, &fields));
        window.of.push((of, name));
        if window.calls.len() >= WINDOW || window.bytes >= WINDOW_BYTES {
            self.send(window, epoch).await?;
        }
        Ok(())
    }

    /// Sends the calls of a window, and when all are confirmed the names with their versions.
    async fn send(&mut self, window: &mut Window, epoch: Epoch) -> Result<(), RedisFault> {
        let Window { calls, of, bytes } = std::mem::take(window);
        let hashes = calls.len() as u64;
        let answers = self.link.all("writing hashes", calls).await?;
        for (answer, (_, name)) in answers.iter().zip(&of) {
            match answer {
                Value::Int(0 | 1) => {}
                Value::Int(-1) => {
                    return Err(RedisFault::Superseded(format!("it has written {name}")));
                }
                _ => return Err(RedisFault::Lost(format!("{name} is not what was written"))),
            }
        }
        let mut series = redis::cmd("HSET");
        let mut totals = redis::cmd("HSET");
        series.arg(self.keys.series());
        totals.arg(self.keys.totals());
        let (mut any_series, mut any_total) = (false, false);
        for (of, name) in of {
            self.kept.mark(&of, epoch);
            match of {
                Of::Series(id) => {
                    any_series = true;
                    series.arg(name).arg(format!("{}:{}", id.0, epoch.0));
                }
                Of::Total(_) => {
                    any_total = true;
                    totals.arg(name).arg(format!("0:{}", epoch.0));
                }
                Of::Members | Of::Units | Of::Withdrawn => {}
            }
        }
        let names = [(any_series, series), (any_total, totals)].into_iter();
        let names = names.filter_map(|(any, names)| any.then_some(names)).collect();
        self.link.all("writing names", names).await?;
        self.written.hashes += hashes;
        self.written.bytes += bytes as u64;
        Ok(())
    }

    /// Writes the parts of an epoch and closes it.
    async fn close(
        &mut self,
        closed: &ClosedEpoch,
        from: Option<Epoch>,
        parts: Parts,
        is_whole: bool,
        now: Instant,
    ) -> Result<(), RedisFault> {
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
        let mut adding = parts.into_iter().zip(1..).map(add);
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
        let mut call = self.link.scripts().commit.call(&[&self.keys.state(), &stream]);
        call.arg(self.term).arg(self.writer.id.to_string()).arg(from).arg(closed.epoch.0).arg(n);
        call.arg(count).arg(closed.clock.0).arg(figures).arg(now.0).arg(self.settings.ttl_ms());
        call.arg(format!("{least}-0")).arg(if is_whole { "whole" } else { "" });
        match self.link.ask("closing an epoch", call).await? {
            Value::Int(0 | 1) => {}
            Value::Int(-1) => {
                return Err(RedisFault::Superseded("it took the prefix over".to_owned()));
            }
            _ => return Err(RedisFault::Lost("the state is not what was left".to_owned())),
        }
        self.committed = Some(closed.epoch);
        self.written.commits += 1;
        self.written.bytes += bytes;
        Ok(())
    }
}

/// Calls that go together.
#[derive(Default)]
struct Window {
    calls: Vec<Cmd>,
    of: Vec<(Of, String)>,
    bytes: usize,
}

impl Kept {
    /// The name of a hash, and the epoch that wrote it last.
    fn named(&self, of: &Of) -> Option<(String, Epoch)> {
        let fixed = |name: &str, before| Some((format!("{{stream}}:{name}"), before));
        let known = |known: &Known| (known.name.clone(), known.before);
        match of {
            Of::Series(id) => self.series.get(id).map(|(_, it)| known(it)),
            Of::Total(series) => self.totals.get(series).map(known),
            Of::Members => fixed("members", self.members),
            Of::Units => fixed("units", self.units),
            Of::Withdrawn => fixed("withdrawn", self.withdrawn),
        }
    }

    fn mark(&mut self, of: &Of, epoch: Epoch) {
        let place = match of {
            Of::Series(id) => self.series.get_mut(id).map(|(_, known)| &mut known.before),
            Of::Total(series) => self.totals.get_mut(series).map(|known| &mut known.before),
            Of::Members => Some(&mut self.members),
            Of::Units => Some(&mut self.units),
            Of::Withdrawn => Some(&mut self.withdrawn),
        };
        if let Some(before) = place {
            *before = epoch;
        }
    }
}

/// The rows of an epoch whose hashes were written another way.
fn rows_of(since: &ClosedEpoch, reference: &Option<Arc<Reference>>, parts: &mut Parts) {
    for (id, series) in &since.new_series {
        parts.add(&Row::Series(id.0, keys::series_name(series)));
    }
    work::series_fields(&since.blocks, &since.causes, Some(parts));
    for (series, days) in work::by_total(since) {
        work::total_fields(&keys::total_name(&series), &days, Some(parts));
    }
    work::other_fields(since, Some(parts));
    if let (Some(_), Some(reference)) = (&since.reference, reference) {
        // What was said before is not known here: all is said again.
        work::unit_fields(&Reference::default(), reference, true, Some(parts));
    }
}

/// Term and epoch of a version.
pub(crate) fn version_of(text: &str) -> Option<(u64, Epoch)> {
    let (term, epoch) = text.split_once('.')?;
    Some((term.parse().ok()?, Epoch(epoch.parse().ok()?)))
}
