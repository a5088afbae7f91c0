//! Tables that are read as they are: rows come without a transaction, and are taken in piece by piece, compared with
//! what is stored. Where something was stored before, what does not come any more is taken back at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use smartpulse_connectors::{Envelope, SnapshotMark, TableName};
use smartpulse_datasets::slots::SlotValue;
use smartpulse_operators::offset::{PostgresPlace, PulsarPlace};

use super::super::tables::values::Header;
use super::super::tables::whole::Open;
use super::assembly::Kept;

/// Rows that are being read as they are.
#[derive(Default)]
pub(super) struct Pieces {
    /// Transactions have to wait until all of them have come.
    pub(super) is_open: bool,
    /// Rows have come, and not all.
    pub(super) is_filling: bool,
    /// The last of them has come.
    pub(super) is_last_seen: bool,
    /// Where in the log they are as they were there.
    pub(super) lsn: u64,
    /// Rows that have come and are not handed on.
    pub(super) piece: Piece,
    /// The number of the piece that is gathered.
    pub(super) number: u64,
    /// The newest piece that may be acknowledged.
    pub(super) settled: u64,
    /// The look that tells whether everything has come; none: it is not asked for.
    pub(super) look: Option<u64>,
    /// What has come, where that is compared with what was stored before.
    pub(super) compared: Option<Compared>,
    /// Where the newest of its rows lies in each partition.
    pub(super) places: BTreeMap<usize, PulsarPlace>,
}

/// Rows on their way.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) open: Open,
    pub(super) kept: Vec<Kept>,
    pub(super) rows: u64,
    pub(super) places: BTreeMap<usize, PulsarPlace>,
}

/// What has come of tables that are read anew.
pub(super) struct Compared {
    /// Keys of rows of master data.
    pub(super) keys: BTreeMap<TableName, BTreeSet<Box<str>>>,
    slots: HashSet<u128, FixedState>,
}

impl Pieces {
    /// Pieces that nothing has come of; transactions wait for them where nothing says that all have been read.
    pub(super) fn new(is_open: bool) -> Pieces {
        Pieces { is_open, number: 1, ..Pieces::default() }
    }

    /// A row has come that was read as it is, where the database has been taken in up to `place`, and transactions up to
    /// `taken_in`. Gives whether it counts: one of an earlier reading says nothing any more.
    ///
    /// Of several partitions any row may be the first that comes. What is stored is compared with rows that are as of
    /// later; rows that go on where another process has read have no beginning here, and what has been taken in since may
    /// not be taken for gone.
    pub(super) fn begin(
        &mut self,
        row: &Envelope,
        place: Option<PostgresPlace>,
        taken_in: u64,
    ) -> bool {
        if row.snapshot == SnapshotMark::Incremental {
            return true;
        }
        if row.lsn < self.lsn {
            return false;
        }
        if row.lsn > self.lsn {
            let is_later = place.is_some_and(|place| row.lsn > place.lsn) && row.lsn >= taken_in;
            self.compared = is_later.then(Compared::new);
            self.places.clear();
            (self.is_open, self.is_filling, self.is_last_seen) = (true, true, false);
        }
        (self.lsn, self.look) = (row.lsn, None);
        self.is_last_seen |= row.snapshot == SnapshotMark::Last;
        true
    }

    /// Whether what is handed on may be acknowledged: not before all has been compared.
    pub(super) fn may_settle(&self) -> bool {
        self.compared.is_none()
    }
}

impl Compared {
    fn new() -> Compared {
        let slots = HashSet::with_hasher(FixedState::with_seed(0));
        Compared { keys: BTreeMap::new(), slots }
    }

    pub(super) fn add_key(&mut self, table: &TableName, key: Box<str>) {
        match self.keys.get_mut(table) {
            Some(keys) => drop(keys.insert(key)),
            None => drop(self.keys.insert(table.clone(), [key].into())),
        }
    }

    pub(super) fn add_value(&mut self, header: &Header, slot: &SlotValue) {
        self.slots.insert(mark(header, slot));
    }

    pub(super) fn holds(&self, header: &Header, slot: &SlotValue) -> bool {
        self.slots.contains(&mark(header, slot))
    }
}

/// What tells a row of values from others: wide enough that no two of them ever share it.
fn mark(header: &Header, slot: &SlotValue) -> u128 {
    let key = (header, slot.unit, slot.period, slot.start);
    let half = |seed| u128::from(FixedState::with_seed(seed).hash_one(key));
    half(1) << 64 | half(2)
}

#[cfg(test)]
mod tests {
    use smartpulse_connectors::EnvelopeReader;

    use super::*;

    /// A row that was read at a place of the log.
    fn row(lsn: u64, snapshot: &str) -> Envelope {
        let body = serde_json::json!({
            "after": { "id": 1 },
            "op": "r",
            "source": {
                "connector": "postgresql", "schema": "public", "table": "t", "lsn": lsn, "snapshot": snapshot,
            },
        });
        EnvelopeReader::default().change(body.to_string().as_bytes()).unwrap().unwrap()
    }

    fn place(lsn: u64, is_reading: bool) -> Option<PostgresPlace> {
        Some(PostgresPlace { system: 1, lsn, is_reading })
    }

    #[test]
    fn what_is_stored_is_compared_with_rows_that_are_as_of_later_whichever_comes_first() {
        // Nothing is stored: nothing is compared, though the first of all rows comes late.
        let mut pieces = Pieces::new(true);
        assert!(pieces.begin(&row(10, "true"), None, 0));
        assert!(pieces.begin(&row(10, "first"), place(10, true), 10));
        assert!(pieces.begin(&row(10, "last"), place(10, true), 10));
        assert!(pieces.compared.is_none() && pieces.is_last_seen && pieces.may_settle());
        // Begun again later, before it had ended: what has come of the earlier one is compared, what still comes is not.
        assert!(pieces.begin(&row(20, "true"), place(10, true), 10));
        assert!(pieces.compared.is_some() && !pieces.is_last_seen && !pieces.may_settle());
        assert!(!pieces.begin(&row(10, "true"), place(10, true), 20));
        assert!(pieces.compared.is_some() && pieces.lsn == 20);
        // Another process goes on with it, or has followed the log beyond it.
        for (place, taken_in) in
            [(place(20, true), 20), (place(20, false), 20), (place(15, false), 30)]
        {
            let mut pieces = Pieces::new(false);
            assert!(pieces.begin(&row(20, "first"), place, taken_in));
            assert!(pieces.compared.is_none() && pieces.is_open, "{place:?}");
        }
        let mut pieces = Pieces::new(false);
        assert!(pieces.begin(&row(20, "true"), place(15, false), 15));
        assert!(pieces.compared.is_some());
        // Rows beside the log open nothing.
        let mut pieces = Pieces::new(false);
        assert!(pieces.begin(&row(20, "incremental"), place(15, false), 15));
        assert!(!pieces.is_open && pieces.lsn == 0);
    }
}
