//! Reads everything that lies in Redis as it is at one epoch: hashes first, then the epochs of the stream over
//! them that are newer than each hash, up to the commit of the greatest version that was read.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use redis::Value;
use smartpulse_operators::batch::{Epoch, Sequence};
use smartpulse_operators::block::DayBlock;
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::closed::{ClosedEpoch, Figures};
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::{Series, SeriesId};
use smartpulse_operators::time::Instant;
use smartpulse_operators::timeline::Timeline;
use smartpulse_operators::total::Total;
use smartpulse_operators::totals::sums::DaySums;
use smartpulse_operators::totals::{TotalChanges, TotalKey};
use uuid::Uuid;

use super::day::{self, KnownBatches};
use super::epoch;
use super::error::RedisFault;
use super::keys::{self, Keys, TotalSeries};
use super::link::{Link, elements, fields, text};
use super::sink::version_of;
use super::work::day_of;
use super::{packed, total};

/// Names that one step of a walk gives, about, and hashes that are asked for together.
const STEP: usize = 256;

/// The state of the prefix.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) incarnation: Uuid,
    pub(crate) term: u64,
    pub(crate) epoch: Epoch,
    pub(crate) clock: Instant,
    pub(crate) beat: i64,
    pub(crate) is_live: bool,
    pub(crate) figures: Figures,
    /// The entry of the stream that is the commit of `epoch`.
    pub(crate) at: String,
    /// The epoch that the engine is at.
    pub(crate) newest: Epoch,
    /// How many names of series and of totals there are at least.
    names: [u64; 2],
}

/// What is read, while the stream is laid over it.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) series: BTreeMap<SeriesId, Arc<Series>>,
    days: BTreeMap<SeriesDay, Arc<DayBlock>>,
    sums: BTreeMap<TotalKey, Arc<DaySums>>,
    members: BTreeMap<Total, Arc<Timeline>>,
    pub(crate) reference: Arc<Reference>,
    withdrawn: BTreeMap<Sequence, Instant>,
    versions: HashMap<SeriesId, Epoch, FixedState>,
    total_versions: HashMap<TotalSeries, Epoch, FixedState>,
    /// Versions of members, units and withdrawals.
    others: [Epoch; 3],
    /// The greatest version that was read.
    pub(crate) greatest: Epoch,
}

/// The state, where what lies there is whole.
pub(crate) async fn state(link: &mut Link, keys: &Keys) -> Result<State, RedisFault> {
    let key = keys.state();
    let mut ask = redis::cmd("HGETALL");
    ask.arg(&key);
    let all: BTreeMap<String, Vec<u8>> =
        fields(link.ask("reading the state", ask).await?).into_iter().collect();
    if all.is_empty() {
        return Err(RedisFault::NotYet(format!("there is nothing at {key} yet")));
    }
    if all.contains_key("filling") {
        return Err(RedisFault::NotYet("an engine is writing everything".to_owned()));
    }
    let word = |name: &str| all.get(name).and_then(|bytes| str::from_utf8(bytes).ok());
    let number = |name: &str| word(name).and_then(|text| text.parse::<i64>().ok());
    let state = || {
        Some(State {
            incarnation: word("incarnation")?.parse().ok()?,
            term: number("term")? as u64,
            epoch: Epoch(number("epoch")? as u64),
            clock: Instant(number("clock")?),
            beat: number("beat")?,
            is_live: number("live")? == 1,
            figures: serde_json::from_str(word("figures")?).ok()?,
            at: word("at")?.to_owned(),
            newest: Epoch(number("newest")? as u64),
            names: [number("series")? as u64, number("totals")? as u64],
        })
    };
    let problem = "a field is missing or is none".to_owned();
    state().ok_or(RedisFault::Unreadable { key, problem })
}

impl Reading {
    /// Reads all hashes, each not older than `term` and its entry among the names.
    pub(crate) async fn of_hashes(
        link: &mut Link,
        keys: &Keys,
        state: &State,
        known: &mut KnownBatches,
    ) -> Result<Reading, RedisFault> {
        let mut reading = Reading::default();
        let (term, [least_series, least_totals]) = (state.term, state.names);
        for step in all_names(link, &keys.series(), least_series).await?.chunks(STEP) {
            for ((name, id, least), hash) in step.iter().zip(hashes(link, keys, step).await?) {
                let key = keys.of(name);
                let (version, days) = versioned(&key, hash, term, *least)?;
                let bad = |problem: &str| unreadable(&key, problem);
                let series = keys::series_of(name).ok_or_else(|| bad("no name of a series"))?;
                let id = SeriesId(*id);
                for (field, value) in days {
                    let day = day_of(&field).ok_or_else(|| bad("a field is no day"))?;
                    let block = packed::unpack(&value).and_then(|it| day::decode(&it, known));
                    let block = block.filter(|it| it.slots() == series.period.slots());
                    let block = block.ok_or_else(|| bad("a day is damaged"))?;
                    reading.days.insert((id, day), block);
                }
                reading.series.insert(id, Arc::new(series));
                reading.versions.insert(id, version);
                reading.greatest = reading.greatest.max(version);
            }
        }
        for step in all_names(link, &keys.totals(), least_totals).await?.chunks(STEP) {
            for ((name, _, least), hash) in step.iter().zip(hashes(link, keys, step).await?) {
                let key = keys.of(name);
                let (version, days) = versioned(&key, hash, term, *least)?;
                let bad = |problem: &str| unreadable(&key, problem);
                let series = keys::total_of(name).ok_or_else(|| bad("no name of a total"))?;
                for (field, value) in days {
                    let day = day_of(&field).ok_or_else(|| bad("a field is no day"))?;
                    let sums = packed::unpack(&value).and_then(|it| total::decode(&it));
                    let sums = sums.ok_or_else(|| bad("a day is damaged"))?;
                    reading.sums.insert(epoch::day_of_total(&series, day), sums);
                }
                reading.total_versions.insert(series, version);
                reading.greatest = reading.greatest.max(version);
            }
        }
        reading.read_others(link, keys, term).await?;
        Ok(reading)
    }

    async fn read_others(
        &mut self,
        link: &mut Link,
        keys: &Keys,
        term: u64,
    ) -> Result<(), RedisFault> {
        let mut reference = Reference::default();
        let all = [keys.members(), keys.units(), keys.withdrawn()];
        for (place, key) in all.iter().enumerate() {
            let mut ask = redis::cmd("HGETALL");
            ask.arg(key);
            let hash = fields(link.ask("reading a hash", ask).await?);
            let (version, entries) = versioned(key, hash, term, Epoch(0))?;
            let bad = || unreadable(key, "an entry is damaged");
            for (name, value) in entries {
                let taken = match place {
                    0 => packed::unpack(&value).and_then(|it| total::decode_members(&it)).and_then(
                        |it| {
                            self.members.insert(keys::members_of(&name)?, it);
                            Some(())
                        },
                    ),
                    1 => str::from_utf8(&value).ok().and_then(|json| match name.as_str() {
                        "rules" => epoch::go_by(&mut reference, json),
                        unit => epoch::say(&mut reference, unit, json),
                    }),
                    _ => str::from_utf8(&value).ok().and_then(|text| {
                        let sequence = Sequence(name.parse().ok()?);
                        self.withdrawn.insert(sequence, Instant(text.parse().ok()?));
                        Some(())
                    }),
                };
                taken.ok_or_else(bad)?;
            }
            self.others[place] = version;
            self.greatest = self.greatest.max(version);
        }
        self.reference = Arc::new(reference);
        Ok(())
    }

    /// The version of what is said of units.
    pub(crate) fn units(&self) -> Epoch {
        self.others[1]
    }

    /// Lays an epoch of the stream over what was read, where it is newer.
    pub(crate) fn lay(&mut self, closed: ClosedEpoch) {
        let at = closed.epoch;
        let is_newer = |version: Option<&Epoch>| version.is_none_or(|version| *version < at);
        for (id, series) in closed.new_series {
            self.series.entry(id).or_insert(series);
        }
        for (series_day, block) in closed.blocks {
            if is_newer(self.versions.get(&series_day.0)) {
                self.days.insert(series_day, block);
            }
        }
        for changes in closed.totals {
            for (key, sums) in changes.days {
                let TotalKey { total, kind, provider, .. } = key.clone();
                if is_newer(self.total_versions.get(&TotalSeries { total, kind, provider })) {
                    match sums {
                        Some(sums) => self.sums.insert(key, sums),
                        None => self.sums.remove(&key),
                    };
                }
            }
            if is_newer(Some(&self.others[0])) {
                self.members.extend(changes.timelines);
            }
        }
        if let Some(reference) = closed.reference.filter(|_| is_newer(Some(&self.others[1]))) {
            self.reference = reference;
        }
        if is_newer(Some(&self.others[2])) {
            self.withdrawn.extend(closed.withdrawn);
        }
    }

    /// Everything, as if all of it had changed.
    pub(crate) fn whole(self, epoch: Epoch, clock: Instant, figures: Figures) -> ClosedEpoch {
        let mut closed = ClosedEpoch::nothing(epoch, clock, figures);
        closed.new_series = self.series.into_iter().collect();
        closed.blocks = self.days.into_iter().collect();
        let days = self.sums.into_iter().map(|(key, sums)| (key, Some(sums)));
        let (days, timelines) = (days.collect(), self.members.into_iter().collect());
        closed.totals.push(TotalChanges { days, timelines });
        closed.reference = Some(self.reference);
        closed.withdrawn = self.withdrawn.into_iter().collect();
        closed
    }
}

/// Fields and values of a hash.
type Entries = Vec<(String, Vec<u8>)>;

/// A hash without its version, which it must have: of this term, and at least `least`.
fn versioned(
    key: &str,
    hash: Entries,
    term: u64,
    least: Epoch,
) -> Result<(Epoch, Entries), RedisFault> {
    let mut version = None;
    let mut entries = hash;
    entries.retain(|(field, value)| {
        let is_version = field == "v";
        if is_version {
            version = str::from_utf8(value).ok().and_then(version_of);
        }
        !is_version
    });
    match version {
        Some((own, epoch)) if own == term && epoch >= least => Ok((epoch, entries)),
        _ => Err(RedisFault::Gap(format!("{key} is not there as it was written"))),
    }
}

fn unreadable(key: &str, problem: &str) -> RedisFault {
    RedisFault::Unreadable { key: key.to_owned(), problem: problem.to_owned() }
}

/// A name, its number, and its newest version.
pub(crate) type Named = (String, u32, Epoch);

/// All names of an index, which are `least` or more.
async fn all_names(link: &mut Link, index: &str, least: u64) -> Result<Vec<Named>, RedisFault> {
    let names = names(link, index).await?;
    if (names.len() as u64) < least {
        let found = names.len();
        return Err(RedisFault::Gap(format!("{index} holds {found} of {least} names")));
    }
    Ok(names)
}

/// All names of an index.
pub(crate) async fn names(link: &mut Link, index: &str) -> Result<Vec<Named>, RedisFault> {
    // A walk may give a name twice.
    let mut names: BTreeMap<String, (u32, Epoch)> = BTreeMap::new();
    let mut cursor = "0".to_owned();
    loop {
        let mut walk = redis::cmd("HSCAN");
        walk.arg(index).arg(&cursor).arg("COUNT").arg(STEP);
        let mut answer = elements(link.ask("reading names", walk).await?).into_iter();
        cursor = answer.next().as_ref().and_then(text).unwrap_or_else(|| "0".to_owned());
        for (name, value) in answer.next().map(fields).unwrap_or_default() {
            let said = str::from_utf8(&value).ok().and_then(|text| {
                let (id, epoch) = text.split_once(':')?;
                Some((id.parse().ok()?, Epoch(epoch.parse().ok()?)))
            });
            names.insert(name, said.ok_or_else(|| unreadable(index, "an entry is damaged"))?);
        }
        if cursor == "0" {
            return Ok(names.into_iter().map(|(name, (id, epoch))| (name, id, epoch)).collect());
        }
    }
}

/// The hashes of names, in their order.
async fn hashes(link: &mut Link, keys: &Keys, step: &[Named]) -> Result<Vec<Entries>, RedisFault> {
    let asking = step.iter().map(|(name, ..)| {
        let mut ask = redis::cmd("HGETALL");
        ask.arg(keys.of(name));
        ask
    });
    let answers: Vec<Value> = link.all("reading hashes", asking.collect()).await?;
    Ok(answers.into_iter().map(fields).collect())
}
