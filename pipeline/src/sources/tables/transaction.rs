//! A transaction on its way to a message: what its rows say, and the saves its values make.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smartpulse_connectors::PostgresFault;
use smartpulse_datasets::slots::{self, Refusals, SlotValue};
use smartpulse_datasets::unnamed_unit;
use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::change::{
    BatchName, Change, Checks, Entry, RefusedBatch, Save, Spooled, Withdrawal,
};
use smartpulse_operators::offset::KeptRow;
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Unit, UnitType};
use uuid::Uuid;

use super::gathered::Gathered;
use super::kept::Followed;
use super::stored::{Stored, TakenBack};
use super::values::{Header, Said};

/// What has been read of a transaction: nothing of it counts before its end has come.
#[derive(Default)]
pub(in crate::sources) struct Transaction {
    pub(in crate::sources) followed: Followed,
    pub(in crate::sources) gathered: Gathered,
    /// User and note of batches, by key.
    pub(in crate::sources) batches: BTreeMap<Arc<str>, Said>,
    /// Values of rows that could not be read.
    pub(in crate::sources) unreadable: u64,
    /// Origins of values whose table was emptied, and by which change last.
    pub(in crate::sources) emptied: BTreeMap<Arc<str>, u64>,
}

/// What a transaction becomes.
#[derive(Debug, Default)]
pub(in crate::sources) struct Made {
    pub(in crate::sources) changes: Vec<Change>,
    /// Changes behind those, in a file.
    pub(in crate::sources) spooled: Option<Spooled>,
    pub(in crate::sources) kept: Vec<KeptRow>,
    /// The batches in it.
    pub(in crate::sources) ids: Vec<(Uuid, Said)>,
    pub(in crate::sources) values: usize,
    /// Values refused by their shape.
    pub(in crate::sources) refused: u64,
    /// Batches that were read anew.
    pub(in crate::sources) seen: Vec<Sequence>,
}

/// What a transaction takes back.
#[derive(Default)]
struct Back {
    withdrawn: Vec<Uuid>,
    staying: Vec<(Kind, Arc<Batch>, Vec<SlotValue>)>,
}

impl Back {
    fn add(&mut self, kind: Kind, taken: TakenBack) {
        self.withdrawn.extend(taken.withdrawn);
        let staying = taken.staying.into_iter().map(|(batch, slots)| (kind, batch, slots));
        self.staying.extend(staying);
    }
}

/// What decides how a transaction becomes changes.
pub(in crate::sources) struct Maker {
    /// Who saves what says nothing of that.
    pub(in crate::sources) user: String,
    pub(in crate::sources) checks: Checks,
    /// Types of units that mapped tables describe; others are made when they are first seen.
    pub(in crate::sources) described: BTreeSet<UnitType>,
    /// Units made so far.
    pub(in crate::sources) made: BTreeSet<Unit>,
}

impl Transaction {
    /// A table of values was emptied by that change: what the transaction has said of it before is gone, too.
    pub(in crate::sources) fn empty(&mut self, origin: &Arc<str>, order: u64) {
        let last = self.emptied.entry(Arc::clone(origin)).or_default();
        *last = order.max(*last);
    }

    pub(in crate::sources) fn is_empty(&self) -> bool {
        let Transaction { followed, gathered, unreadable, emptied, .. } = self;
        followed.changes.is_empty()
            && followed.kept.is_empty()
            && gathered.rows() == 0
            && *unreadable == 0
            && emptied.is_empty()
    }

    /// Whether it can only be understood by what is stored.
    pub(in crate::sources) fn takes_back(&self) -> bool {
        self.gathered.takes_back() || !self.emptied.is_empty()
    }
}

impl Maker {
    /// Its changes in the order in which they are decided: units, memberships, properties, locks, what is taken back,
    /// values. Units `elsewhere` have values that are not among them.
    ///
    /// # Errors
    /// [`PostgresFault`] where what is stored cannot be read.
    pub(in crate::sources) fn make(
        &mut self,
        transaction: Transaction,
        elsewhere: impl IntoIterator<Item = Unit>,
        stored: &Stored<'_>,
    ) -> Result<Made, PostgresFault> {
        let Transaction { followed, mut gathered, batches, unreadable, emptied } = transaction;
        for (origin, before) in &emptied {
            gathered.forget(origin, *before);
        }
        let mut made = Made { kept: followed.kept, ..Made::default() };
        let mut statements = followed.changes;
        // Stable: of one thing the last statement counts.
        statements.sort_by_key(rank);
        let (mut said, mut deleted, mut back) = (Vec::new(), Vec::new(), Back::default());
        for group in gathered.groups() {
            let (header, told) = (group.header.clone(), group.said.clone());
            if group.is_deleted {
                deleted.push((header, group.into_slots()));
            } else if stored.is_reading {
                let (left, taken, seen) = stored.compared(&header, group.into_slots())?;
                made.seen.extend(seen);
                back.add(header.kind, taken);
                said.extend((!left.is_empty()).then_some((header, told, left)));
            } else {
                said.push((header, told, group.into_slots()));
            }
        }
        let units = statements.iter().flat_map(units_of);
        let slots = said.iter().flat_map(|(.., slots)| slots);
        let units = units.chain(slots.map(|slot| slot.unit)).chain(elsewhere);
        let reference = &stored.snapshot.reference;
        let first_seen: BTreeSet<Unit> =
            units.filter(|unit| self.is_first(*unit, reference)).collect();
        for unit in &first_seen {
            made.changes.push(Change::Unit(unnamed_unit(*unit, Instant::MIN)));
        }
        made.changes.extend(statements);
        for origin in emptied.keys() {
            back.withdrawn.extend(stored.of_origin(
                origin,
                Sequence(u64::MAX),
                &BTreeSet::new(),
            )?);
        }
        for (header, slots) in deleted {
            if !emptied.contains_key(&header.origin) {
                back.add(header.kind, stored.taken_back(&header, &slots)?);
            }
        }
        self.take_back(back, stored, &mut made);
        for (header, told, slots) in said {
            let told = completed(told, &header, &batches);
            let saved = self.saved(header, slots, told, stored)?;
            made.changes.extend(saved.changes);
            made.ids.extend(saved.ids);
            made.values += saved.values;
            made.refused += saved.refused;
        }
        if unreadable > 0 {
            let code = Outcome::InvalidValue.code().unwrap_or_default().to_owned();
            let recorded = None;
            made.changes.push(Change::Refused(RefusedBatch { code, values: unreadable, recorded }));
        }
        // Nothing can fail any more: it is handed on.
        self.made.extend(first_seen);
        Ok(made)
    }

    /// Withdraws all batches of a table up to `upto` that were not seen when it was read anew.
    pub(in crate::sources) fn forget_unseen(
        &self,
        origin: &str,
        (upto, seen): (Sequence, &BTreeSet<Sequence>),
        stored: &Stored<'_>,
    ) -> Result<Made, PostgresFault> {
        let withdrawn = stored.of_origin(origin, upto, seen)?;
        let mut made = Made::default();
        self.take_back(Back { withdrawn, ..Back::default() }, stored, &mut made);
        Ok(made)
    }

    /// Takes back what is stored in batches of tables and is not among the rows that are there.
    pub(in crate::sources) fn forget_unseen_rows(
        &self,
        followed: Followed,
        origins: &[Arc<str>],
        is_there: impl Fn(&Header, &SlotValue) -> bool,
        stored: &Stored<'_>,
    ) -> Result<Made, PostgresFault> {
        let mut back = Back::default();
        for origin in origins {
            for (kind, taken) in stored.unseen(origin, &is_there)? {
                back.add(kind, taken);
            }
        }
        let mut changes = followed.changes;
        changes.sort_by_key(rank);
        let mut made = Made { changes, kept: followed.kept, ..Made::default() };
        self.take_back(back, stored, &mut made);
        Ok(made)
    }

    /// Withdraws batches of which rows were deleted, and saves again what stays of them.
    fn take_back(&self, back: Back, stored: &Stored<'_>, made: &mut Made) {
        for id in back.withdrawn {
            made.changes.push(Change::Withdrawal(Withdrawal {
                batch: BatchName::Id(id),
                recorded: Instant::MIN,
                // What the other system has done is not ours to refuse, nor what stays of what it had accepted.
                checks: Checks::default(),
                user: Some(self.user.clone()),
            }));
        }
        for (kind, batch, slots) in back.staying {
            let batch = Batch { id: stored.staying_id(&batch), ..Batch::clone(&batch) };
            let batch = Batch { sequence: Sequence(0), recorded: Instant::MIN, ..batch };
            self.save(batch, kind, slots, Checks::default(), made);
        }
    }

    fn is_first(&self, unit: Unit, reference: &Reference) -> bool {
        !self.described.contains(&unit.unit_type)
            && !self.made.contains(&unit)
            && reference.versions_of(unit).is_empty()
    }

    /// The save of rows that have a header in common.
    pub(in crate::sources) fn saved(
        &self,
        header: Header,
        slots: Vec<SlotValue>,
        (user, note): Said,
        stored: &Stored<'_>,
    ) -> Result<Made, PostgresFault> {
        let (id, before) = stored.id(&batch_name(&header))?;
        let (user_before, note_before) = before.unwrap_or_default();
        let (said, kind) = ((user.or(user_before), note.or(note_before)), header.kind);
        let mut made = Made::default();
        self.save(self.batch(id, header, said), kind, slots, self.checks, &mut made);
        Ok(made)
    }

    fn batch(&self, id: Uuid, header: Header, (user, note): Said) -> Batch {
        let user = user.filter(|text| !text.is_empty());
        let note = note.filter(|text| !text.is_empty());
        Batch {
            id,
            sequence: Sequence(0),
            recorded: Instant::MIN,
            valid_after: header.valid_after.unwrap_or(Instant::MIN),
            provider: header.provider,
            user: Some(user.map_or_else(|| self.user.clone(), |user| user.to_string())),
            // The legacy column is as wide; of a wider one the beginning is kept.
            note: note.map(|note| note.chars().take(Batch::NOTE_CHARS).collect()),
            source_batch: Some(source_batch(&header.origin, header.batch.as_deref())),
            skips_existing_check: false,
        }
    }

    fn save(
        &self,
        batch: Batch,
        kind: Kind,
        mut slots: Vec<SlotValue>,
        checks: Checks,
        made: &mut Made,
    ) {
        let mut refusals = Refusals::default();
        let entries: Vec<Entry> = slots::entries(kind, &mut slots, &mut refusals);
        let shared = |text: &Option<String>| text.as_deref().map(Into::into);
        made.ids.push((batch.id, (shared(&batch.user), shared(&batch.note))));
        made.values += entries.iter().map(|entry| entry.curve.len()).sum::<usize>();
        let (path, refused) = (None, refusals.into_counts());
        made.refused += refused.iter().map(|(_, values)| values).sum::<u64>();
        made.changes.push(Change::Save(Save { batch, checks, path, entries, refused }));
    }
}

/// What is said of a batch: by its rows, else by the row that describes it.
pub(in crate::sources) fn completed(
    (user, note): Said,
    header: &Header,
    batches: &BTreeMap<Arc<str>, Said>,
) -> Said {
    let told = header.batch.as_ref().and_then(|batch| batches.get(batch)).cloned();
    let (of_batch, note_of_batch) = told.unwrap_or_default();
    (user.or(of_batch), note.or(note_of_batch))
}

/// What the batch of a header is called: its rows make one batch wherever they are read.
fn batch_name(header: &Header) -> String {
    let Header { origin, batch, provider, kind, valid_after, .. } = header;
    let instant = valid_after.map_or(String::new(), |instant| instant.to_string());
    let batch = batch.as_deref().unwrap_or_default();
    format!("{origin} {batch} {} {} {instant}", kind.word(), provider.key())
}

/// The name of a batch at its source; what tells it from those of others stands in front.
pub(in crate::sources) fn source_batch(name: &str, batch: Option<&str>) -> String {
    format!("{name}/{}", batch.unwrap_or_default())
}

/// Units, memberships, properties, locks.
fn rank(change: &Change) -> u8 {
    match change {
        Change::Unit(_) => 0,
        Change::Membership(_) => 1,
        Change::Property(_) => 2,
        _ => 3,
    }
}

/// The units that a statement is about, but those it describes.
fn units_of(change: &Change) -> Vec<Unit> {
    match change {
        Change::Membership(membership) => vec![membership.parent, membership.child],
        Change::Property(property) => vec![property.unit],
        Change::Lock(lock) => vec![lock.unit],
        _ => Vec::new(),
    }
}
