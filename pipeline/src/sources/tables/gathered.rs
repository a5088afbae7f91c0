//! The values of a transaction, gathered to what become its saves.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smartpulse_datasets::slots::SlotValue;
use smartpulse_operators::time::{Instant, Period};
use smartpulse_operators::unit::Unit;

use super::values::{Header, Said};

/// The values of a transaction, by what they have in common. Of a row that comes twice the last state counts.
#[derive(Default)]
pub(in crate::sources) struct Gathered {
    groups: Vec<Group>,
    /// Places of the groups; the last one is mostly meant again.
    by_header: HashMap<(Header, bool), usize, FixedState>,
    last: usize,
    rows: usize,
    /// Rows that were not deleted.
    said: usize,
}

/// Values of one header.
pub(in crate::sources) struct Group {
    pub(in crate::sources) header: Header,
    /// User and note, as the first row says that does.
    pub(in crate::sources) said: Said,
    /// They take back what deleted rows said.
    pub(in crate::sources) is_deleted: bool,
    /// Each with the number of the change that says so.
    slots: Vec<(u64, SlotValue)>,
}

/// What tells a slot of a group from others.
fn key(slot: &SlotValue) -> (Unit, Period, Instant) {
    (slot.unit, slot.period, slot.start)
}

impl Gathered {
    /// Adds what a change says, with its number; changes need not come in their order.
    pub(in crate::sources) fn add(
        &mut self,
        header: Header,
        said: Said,
        row: (u64, SlotValue),
        is_deleted: bool,
    ) {
        self.rows += 1;
        self.said += usize::from(!is_deleted);
        let is_last = |group: &&mut Group| group.is_deleted == is_deleted && group.header == header;
        if let Some(group) = self.groups.get_mut(self.last).filter(is_last) {
            group.push(said, row);
            return;
        }
        let groups = &mut self.groups;
        let place =
            *self.by_header.entry((header, is_deleted)).or_insert_with_key(|(header, _)| {
                let (header, said, slots) = (header.clone(), Said::default(), Vec::new());
                groups.push(Group { header, said, is_deleted, slots });
                groups.len() - 1
            });
        self.groups[place].push(said, row);
        self.last = place;
    }

    /// Values, and what takes back.
    pub(in crate::sources) fn split(self) -> (Gathered, Gathered) {
        let (mut said, mut deleted) = (Gathered::default(), Gathered::default());
        for group in self.groups() {
            let into = if group.is_deleted { &mut deleted } else { &mut said };
            let Group { header, said, is_deleted, slots } = group;
            for row in slots {
                into.add(header.clone(), said.clone(), row, is_deleted);
            }
        }
        (said, deleted)
    }

    /// The slots of a header so far.
    pub(in crate::sources) fn slots_of(&self, header: &Header) -> Vec<SlotValue> {
        let groups = self.groups.iter().filter(|group| group.header == *header);
        groups.flat_map(|group| group.slots.iter().map(|(_, slot)| *slot)).collect()
    }

    /// Forgets what was said of a table before that change.
    pub(in crate::sources) fn forget(&mut self, origin: &str, before: u64) {
        let groups = self.groups.iter_mut().filter(|group| *group.header.origin == *origin);
        groups.for_each(|group| group.slots.retain(|(row, _)| *row > before));
    }

    /// Whether rows were deleted.
    pub(in crate::sources) fn takes_back(&self) -> bool {
        self.groups.iter().any(|group| group.is_deleted && !group.slots.is_empty())
    }

    /// How many rows that were not deleted.
    pub(in crate::sources) fn said(&self) -> usize {
        self.said
    }

    pub(in crate::sources) fn rows(&self) -> usize {
        self.rows
    }

    /// The groups, in the order of their first changes. Each slot of a header is there once, as it was said last.
    pub(in crate::sources) fn groups(self) -> Vec<Group> {
        let mut groups = self.groups;
        groups.sort_by_cached_key(|group| group.slots.iter().map(|(row, _)| *row).min());
        for group in &mut groups {
            // Of equal neighbours the last, which came last.
            group.slots.sort_by_key(|(row, slot)| (key(slot), std::cmp::Reverse(*row)));
            group.slots.dedup_by_key(|(_, slot)| key(slot));
        }
        groups.sort_by_key(|group| !group.is_deleted);
        let split = groups.partition_point(|group| group.is_deleted);
        let (deleted, said) = groups.split_at_mut(split);
        for gone in deleted {
            let is_same = |group: &&mut Group| group.header == gone.header;
            if let Some(said) = said.iter_mut().find(is_same) {
                keep_last(&mut gone.slots, &mut said.slots);
            }
        }
        groups.retain(|group| !group.slots.is_empty());
        groups
    }
}

/// Of slots that are in both the one that came later stays.
fn keep_last(one: &mut Vec<(u64, SlotValue)>, other: &mut Vec<(u64, SlotValue)>) {
    let place = |list: &[(u64, SlotValue)], slot: &SlotValue| {
        let found = list.binary_search_by_key(&key(slot), |(_, slot)| key(slot)).ok()?;
        Some(list[found].0)
    };
    let before = one.clone();
    one.retain(|(row, slot)| place(other, slot).is_none_or(|other| other < *row));
    other.retain(|(row, slot)| place(&before, slot).is_none_or(|other| other < *row));
}

impl Group {
    fn push(&mut self, (user, note): Said, row: (u64, SlotValue)) {
        self.said.0 = self.said.0.take().or(user);
        self.said.1 = self.said.1.take().or(note);
        self.slots.push(row);
    }

    /// Its values, in order.
    pub(in crate::sources) fn into_slots(self) -> Vec<SlotValue> {
        self.slots.into_iter().map(|(_, slot)| slot).collect()
    }
}
