//! The values of a transaction, gathered to what become its saves.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smartpulse_datasets::slots::SlotValue;
use smartpulse_operators::time::{Instant, Period};
use smartpulse_operators::unit::Unit;

use super::values::Header;

/// The values of a transaction, by what they have in common. Of a row that comes twice the last state counts.
#[derive(Default)]
pub(super) struct Gathered {
    groups: Vec<Group>,
    /// Places of the groups; the last one is mostly meant again.
    by_header: HashMap<(Header, bool), usize, FixedState>,
    last: usize,
    rows: u32,
    /// Rows that were not deleted.
    said: usize,
}

/// Values of one header.
pub(super) struct Group {
    pub(super) header: Header,
    /// They take back what deleted rows said.
    pub(super) is_deleted: bool,
    /// Each with the number of its row.
    slots: Vec<(u32, SlotValue)>,
}

/// What tells a slot of a group from others.
fn key(slot: &SlotValue) -> (Unit, Period, Instant) {
    (slot.unit, slot.period, slot.start)
}

impl Gathered {
    pub(super) fn add(&mut self, header: Header, slot: SlotValue, is_deleted: bool) {
        self.rows += 1;
        self.said += usize::from(!is_deleted);
        let row = (self.rows, slot);
        let is_last = |group: &&mut Group| group.is_deleted == is_deleted && group.header == header;
        if let Some(group) = self.groups.get_mut(self.last).filter(is_last) {
            group.slots.push(row);
            return;
        }
        let groups = &mut self.groups;
        let place =
            *self.by_header.entry((header, is_deleted)).or_insert_with_key(|(header, _)| {
                groups.push(Group { header: header.clone(), is_deleted, slots: Vec::new() });
                groups.len() - 1
            });
        self.groups[place].slots.push(row);
        self.last = place;
    }

    /// Values, and what takes back.
    pub(super) fn split(self) -> (Gathered, Gathered) {
        let (mut said, mut deleted) = (Gathered::default(), Gathered::default());
        for group in self.groups() {
            let into = if group.is_deleted { &mut deleted } else { &mut said };
            let (header, is_deleted) = (group.header.clone(), group.is_deleted);
            for slot in group.into_slots() {
                into.add(header.clone(), slot, is_deleted);
            }
        }
        (said, deleted)
    }

    /// Forgets what was said of a table.
    pub(super) fn forget(&mut self, origin: &str) {
        let groups = self.groups.iter_mut().filter(|group| *group.header.origin == *origin);
        groups.for_each(|group| group.slots.clear());
    }

    /// Whether rows were deleted.
    pub(super) fn takes_back(&self) -> bool {
        self.groups.iter().any(|group| group.is_deleted && !group.slots.is_empty())
    }

    /// How many rows that were not deleted.
    pub(super) fn said(&self) -> usize {
        self.said
    }

    pub(super) fn rows(&self) -> usize {
        self.rows as usize
    }

    /// The groups. Each slot of a header is there once, as it was said last.
    pub(super) fn groups(self) -> Vec<Group> {
        let mut groups = self.groups;
        for group in &mut groups {
            // Of equal neighbours the last, which came last.
            group.slots.sort_by_key(|(row, slot)| (key(slot), std::cmp::Reverse(*row)));
            group.slots.dedup_by_key(|(_, slot)| key(slot));
        }
        groups.sort_by_key(|group| !group.is_deleted);
        let split = groups.partition_point(|group| group.is_deleted);
        let (deleted, said) = groups.split_at_mut(split);
        for gone in deleted {
            // A deleted row is told without its user and note.
            let of = |header: &Header| {
                let Header { origin, batch, provider, kind, valid_after, .. } = header.clone();
                (origin, batch, provider, kind, valid_after)
            };
            let is_same = |group: &&mut Group| of(&group.header) == of(&gone.header);
            if let Some(said) = said.iter_mut().find(is_same) {
                keep_last(&mut gone.slots, &mut said.slots);
            }
        }
        groups.retain(|group| !group.slots.is_empty());
        groups
    }
}

/// Of slots that are in both the one that came later stays.
fn keep_last(one: &mut Vec<(u32, SlotValue)>, other: &mut Vec<(u32, SlotValue)>) {
    let place = |list: &[(u32, SlotValue)], slot: &SlotValue| {
        let found = list.binary_search_by_key(&key(slot), |(_, slot)| key(slot)).ok()?;
        Some(list[found].0)
    };
    let before = one.clone();
    one.retain(|(row, slot)| place(other, slot).is_none_or(|other| other < *row));
    other.retain(|(row, slot)| place(&before, slot).is_none_or(|other| other < *row));
}

impl Group {
    /// Its values, in order.
    pub(super) fn into_slots(self) -> Vec<SlotValue> {
        self.slots.into_iter().map(|(_, slot)| slot).collect()
    }
}
