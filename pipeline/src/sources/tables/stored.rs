//! What is stored of a database's batches: whether one is in already, and what stays of it when rows are deleted.
//!
//! A row that is deleted is there no more: the value before it counts again. So its batch is withdrawn, and what
//! stays of it is saved again as of the same instant, at the same epoch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smartpulse_connectors::PostgresFault;
use smartpulse_datasets::slots::{Reading, SlotValue};
use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::quantity::ABSENT;
use smartpulse_operators::series::{Kind, Series};
use smartpulse_operators::time::{Instant, Period};
use smartpulse_operators::unit::Unit;
use smartpulse_serve::snapshot::Snapshot;
use uuid::Uuid;

use super::transaction::source_batch;
use super::values::{Header, Said};
use super::window::Window;
use crate::history::HistoryError;
use crate::history::tail::Archive;

/// What is stored, as a transaction finds it.
pub(in crate::sources) struct Stored<'s> {
    pub(in crate::sources) archive: &'s Archive,
    pub(in crate::sources) window: &'s Window,
    pub(in crate::sources) snapshot: &'s Snapshot,
    /// Every series, in order of ids; none where nothing is looked up by them.
    pub(in crate::sources) series: Vec<Arc<Series>>,
    /// The system identifier of the server, and where its log stands.
    pub(in crate::sources) system: u64,
    pub(in crate::sources) lsn: u64,
    /// The rows are read anew: what is stored already is compared with them.
    pub(in crate::sources) is_reading: bool,
    /// The newest batch that may be compared with rows, or taken back.
    pub(in crate::sources) newest: Sequence,
    /// What came before of rows that are read in several pieces.
    pub(in crate::sources) pieces: &'s Pieces,
}

/// Rows of a header that are read in several pieces.
#[derive(Debug, Default)]
pub(in crate::sources) struct Pieces {
    /// The header whose rows go on after this piece.
    pub(in crate::sources) going_on: Option<Header>,
    /// The slots of pieces before.
    before: Option<(Header, BTreeSet<Key>)>,
    /// Rows of any header may come later.
    is_endless: bool,
}

impl Pieces {
    /// Pieces of which none is whole.
    pub(in crate::sources) fn endless() -> Pieces {
        Pieces { is_endless: true, ..Pieces::default() }
    }

    fn continues(&self, header: &Header) -> bool {
        self.is_endless || self.going_on.as_ref() == Some(header)
    }

    fn held(&self, header: &Header, key: &Key) -> bool {
        self.before.as_ref().is_some_and(|(other, keys)| other == header && keys.contains(key))
    }

    /// Keeps the slots of a piece behind which its header goes on.
    pub(in crate::sources) fn keep(&mut self, slots: impl Iterator<Item = SlotValue>) {
        let Some(header) = &self.going_on else { return };
        let before = self.before.take().filter(|(other, _)| other == header);
        let (header, mut keys) = before.unwrap_or_else(|| (header.clone(), BTreeSet::new()));
        keys.extend(slots.map(|slot| key(&slot)));
        self.before = Some((header, keys));
    }
}

/// What deleted rows take away.
#[derive(Debug, Default)]
pub(in crate::sources) struct TakenBack {
    /// Batches to withdraw.
    pub(in crate::sources) withdrawn: Vec<Uuid>,
    /// What stays of them: the newest of those batches, and values.
    pub(in crate::sources) staying: Vec<(Arc<Batch>, Vec<SlotValue>)>,
}

/// Batches of one instant and what they say.
type SaidBefore = (Vec<Arc<Batch>>, Sayings);

/// What tells a value of a batch from others.
type Key = (Unit, Period, Instant);

/// What batches of one instant say of each slot, in order of acceptance: the last counts.
type Sayings = BTreeMap<Key, Vec<(Sequence, i64)>>;

fn key(slot: &SlotValue) -> Key {
    (slot.unit, slot.period, slot.start)
}

/// Takes deleted slots away from batches of one instant: all batches that say something of them, or an earlier one
/// would come forth again.
fn take_back(
    batches: &[Arc<Batch>],
    sayings: &Sayings,
    deleted: &BTreeSet<Key>,
    taken: &mut TakenBack,
) {
    let touched = deleted.iter().filter_map(|key| sayings.get(key)).flatten();
    let touched: BTreeSet<Sequence> = touched.map(|(sequence, _)| *sequence).collect();
    let staying = sayings.iter().filter_map(|(key, said)| {
        let (sequence, value) = said.last()?;
        let (unit, period, start) = *key;
        let stays = touched.contains(sequence) && !deleted.contains(key);
        stays.then_some(SlotValue { unit, period, start, reading: Reading::Value(*value) })
    });
    let staying: Vec<SlotValue> = staying.collect();
    let mut gone = batches.iter().filter(|batch| touched.contains(&batch.sequence));
    taken.withdrawn.extend(gone.clone().map(|batch| batch.id));
    if let Some(newest) = gone.next_back().filter(|_| !staying.is_empty()) {
        taken.staying.push((Arc::clone(newest), staying));
    }
}

fn fault(problem: HistoryError) -> PostgresFault {
    PostgresFault::while_doing("looking for a batch")(problem)
}

impl Stored<'_> {
    /// The id of a batch by its name, and what was said of it before where it is in already.
    pub(in crate::sources) fn id(&self, name: &str) -> Result<(Uuid, Option<Said>), PostgresFault> {
        let name = format!("postgres {:x} {name}", self.system);
        let first = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes());
        let before = self.said(&first)?;
        let mut id = first;
        let mut times = 0_u64;
        // What is said later of the rows of a batch is another batch here.
        while id != first && self.said(&id)?.is_some() || id == first && before.is_some() {
            id = Uuid::new_v5(&first, &[self.lsn.to_be_bytes(), times.to_be_bytes()].concat());
            times += 1;
        }
        Ok((id, before))
    }

    /// What was said of a batch that is in, or on its way.
    fn said(&self, id: &Uuid) -> Result<Option<Said>, PostgresFault> {
        if let Some(said) = self.window.said(id) {
            return Ok(Some(said.clone()));
        }
        let shared = |text: Option<String>| text.map(Into::into);
        let stored = self.archive.batch_of_id(*id).map_err(fault)?;
        Ok(stored.map(|record| (shared(record.batch.user), shared(record.batch.note))))
    }

    /// The id of what stays of a batch.
    pub(in crate::sources) fn staying_id(&self, batch: &Batch) -> Uuid {
        Uuid::new_v5(&batch.id, format!("staying {:x}", self.lsn).as_bytes())
    }

    /// What deleted rows of `header` take away. Everything that is under way must have been settled.
    pub(in crate::sources) fn taken_back(
        &self,
        header: &Header,
        deleted: &[SlotValue],
    ) -> Result<TakenBack, PostgresFault> {
        let deleted: BTreeSet<Key> = deleted.iter().map(key).collect();
        let mut taken = TakenBack::default();
        for (batches, sayings) in self.said_before(header)? {
            take_back(&batches, &sayings, &deleted, &mut taken);
        }
        Ok(taken)
    }

    /// What all rows of `header`, read anew, say that is not stored, and what is stored that they do not say any
    /// more; with the batches that hold the rest.
    pub(in crate::sources) fn compared(
        &self,
        header: &Header,
        rows: Vec<SlotValue>,
    ) -> Result<(Vec<SlotValue>, TakenBack, Vec<Sequence>), PostgresFault> {
        let (mut rows, mut taken, mut seen) = (rows, TakenBack::default(), Vec::new());
        for (batches, sayings) in self.said_before(header)? {
            seen.extend(batches.iter().map(|batch| batch.sequence));
            if !self.pieces.continues(header) {
                let there: BTreeSet<Key> = rows.iter().map(key).collect();
                let is_gone = |key: &&Key| !there.contains(*key) && !self.pieces.held(header, key);
                let deleted = sayings.keys().filter(is_gone).copied().collect();
                take_back(&batches, &sayings, &deleted, &mut taken);
            }
            rows.retain(|slot| {
                let stored = sayings.get(&key(slot)).and_then(|said| said.last());
                stored.map(|(_, value)| Reading::Value(*value)) != Some(slot.reading)
            });
        }
        Ok((rows, taken, seen))
    }

    /// The batches that rows of `header` have become, by their instants, and what they say.
    fn said_before(&self, header: &Header) -> Result<Vec<SaidBefore>, PostgresFault> {
        let name = source_batch(&header.origin, header.batch.as_deref());
        let records = self.archive.batches_of_source(&name, self.newest).map_err(fault)?;
        let mut by_instant: BTreeMap<Option<Instant>, SaidBefore> = BTreeMap::new();
        for record in records {
            let batch = record.batch;
            // One without an instant counts from when it was recorded; all such are of one row of versions.
            let instant = header.valid_after.unwrap_or(batch.recorded);
            let is_meant = batch.provider == header.provider
                && batch.valid_after == instant
                && self.archive.withdrawn_at(batch.sequence).map_err(fault)?.is_none();
            if !is_meant {
                continue;
            }
            let (batches, sayings) = by_instant.entry(header.valid_after).or_default();
            if self.add(header, batch.sequence, sayings)? {
                batches.push(Arc::new(batch));
            }
        }
        Ok(by_instant.into_values().collect())
    }

    /// Adds what a batch says; whether it says something of the header's kind.
    fn add(
        &self,
        header: &Header,
        sequence: Sequence,
        sayings: &mut Sayings,
    ) -> Result<bool, PostgresFault> {
        let mut is_of_kind = false;
        for (series, day) in self.archive.days_of(sequence).map_err(fault)? {
            let described = self.series.get(series.0 as usize);
            let Some(described) = described.filter(|series| series.kind == header.kind) else {
                continue;
            };
            is_of_kind = true;
            let revisions = self.archive.day((series, day)).map_err(fault)?;
            let own = revisions.iter().map(|stored| &stored.revision);
            for revision in own.filter(|revision| revision.batch.sequence == sequence) {
                let values = revision.values.iter().zip(usize::from(revision.first)..);
                for (value, slot) in values.filter(|(value, _)| **value != ABSENT) {
                    let start = day.slot_start(described.period, slot);
                    let key = (described.unit, described.period, start);
                    sayings.entry(key).or_default().push((sequence, *value));
                }
            }
        }
        Ok(is_of_kind)
    }

    /// What is stored of a table in batches up to the newest that may be compared, and is not among the rows that are
    /// there. Everything that is under way must have been settled.
    pub(in crate::sources) fn unseen(
        &self,
        origin: &Arc<str>,
        is_there: impl Fn(&Header, &SlotValue) -> bool,
    ) -> Result<Vec<(Kind, TakenBack)>, PostgresFault> {
        let mut headers: BTreeSet<Header> = BTreeSet::new();
        self.each_of_origin(origin, self.newest, |batch| {
            let source = batch.source_batch.as_deref().unwrap_or_default();
            let key = source.get(origin.len() + 1..).filter(|key| !key.is_empty());
            let (batch_key, valid_after) = (key.map(Arc::from), Some(batch.valid_after));
            for kind in [Kind::Forecast, Kind::Actual] {
                let (origin, batch_key) = (Arc::clone(origin), Option::clone(&batch_key));
                let provider = batch.provider.clone();
                headers.insert(Header { origin, batch: batch_key, provider, kind, valid_after });
            }
        })?;
        let mut all = Vec::new();
        for header in headers {
            let mut taken = TakenBack::default();
            for (batches, sayings) in self.said_before(&header)? {
                // A row without an instant counts from when it was recorded.
                let undated = Header { valid_after: None, ..header.clone() };
                let is_gone = |(unit, period, start): &Key| {
                    let reading = Reading::WITHDRAWN;
                    let slot = SlotValue { unit: *unit, period: *period, start: *start, reading };
                    !is_there(&header, &slot) && !is_there(&undated, &slot)
                };
                let deleted = sayings.keys().filter(|key| is_gone(key)).copied().collect();
                take_back(&batches, &sayings, &deleted, &mut taken);
            }
            if !taken.withdrawn.is_empty() {
                all.push((header.kind, taken));
            }
        }
        Ok(all)
    }

    /// All batches of a table up to `upto` but those of `seen`. Everything that is under way must have been settled.
    pub(in crate::sources) fn of_origin(
        &self,
        origin: &str,
        upto: Sequence,
        seen: &BTreeSet<Sequence>,
    ) -> Result<Vec<Uuid>, PostgresFault> {
        let mut found = Vec::new();
        self.each_of_origin(origin, upto, |batch| {
            found.extend((!seen.contains(&batch.sequence)).then_some(batch.id));
        })?;
        Ok(found)
    }

    /// Shows all batches of a table up to `upto` that are not withdrawn.
    fn each_of_origin(
        &self,
        origin: &str,
        upto: Sequence,
        mut show: impl FnMut(&Batch),
    ) -> Result<(), PostgresFault> {
        if !self.archive.persist() {
            return Err(PostgresFault::Unreachable {
                doing: "looking for batches",
                problem: "the history store takes no more writes".to_owned(),
            });
        }
        let shown = self.archive.read_store(|store| {
            store.for_each_batch::<HistoryError>(|record| {
                let source = record.batch.source_batch.as_deref();
                let is_own = source
                    .and_then(|source| source.strip_prefix(origin))
                    .is_some_and(|rest| rest.starts_with('/'));
                let sequence = record.batch.sequence;
                if is_own && sequence <= upto && store.withdrawn_at(sequence)?.is_none() {
                    show(&record.batch);
                }
                Ok(())
            })
        });
        shown.map_err(fault)
    }
}
