//! A transaction of more rows than are held in memory: its values go into a file, part by part, before its end has
//! come. What makes up the rest of it (master data, batches that are withdrawn) is little, and stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use smartpulse_connectors::PostgresFault;
use smartpulse_operators::change::{Change, Spooled};
use smartpulse_operators::unit::Unit;
use uuid::Uuid;

use super::Intake;
use super::stored::Stored;
use super::transaction::{Transaction, completed};
use super::values::Header;
use crate::failpoint;
use crate::journal::{JournalError, SpoolWriter, Spools};

/// Rows that a transaction has in memory at most: two ticks of the largest kind.
const ROWS: u64 = 400_000;

/// Values of a transaction that lie in a file.
pub(in crate::sources) struct Spool {
    writer: SpoolWriter,
    /// Batches in it, and how often each has been begun.
    batches: HashMap<Uuid, u64, FixedState>,
    /// What its rows have in common: rows that are deleted later in the transaction may be among them.
    headers: HashSet<Header, FixedState>,
    units: BTreeSet<Unit>,
}

/// Rows that are held in memory at most.
pub(in crate::sources) fn rows_at_most() -> usize {
    failpoint::bytes("SMARTPULSE_TEST_SPOOL_ROWS", ROWS) as usize
}

fn fault(problem: JournalError) -> PostgresFault {
    PostgresFault::while_doing("putting a transaction into a file")(problem)
}

impl Spool {
    pub(in crate::sources) fn begin(spools: &Spools) -> Result<Spool, PostgresFault> {
        Ok(Spool {
            writer: spools.begin().map_err(fault)?,
            batches: HashMap::default(),
            headers: HashSet::default(),
            units: BTreeSet::new(),
        })
    }

    /// Whether rows of that kind are in it.
    pub(in crate::sources) fn holds(&self, header: &Header) -> bool {
        self.headers.contains(header)
    }

    /// Whether rows of a table are in it.
    pub(in crate::sources) fn holds_origin(&self, origin: &Arc<str>) -> bool {
        self.headers.iter().any(|header| header.origin == *origin)
    }

    /// Units that it has values of.
    pub(in crate::sources) fn units(&self) -> impl Iterator<Item = Unit> + '_ {
        self.units.iter().copied()
    }

    /// The id of a batch that is begun again, if it is.
    fn id(&mut self, id: Uuid) -> Uuid {
        let begun = self.batches.entry(id).or_default();
        *begun += 1;
        if *begun == 1 { id } else { Uuid::new_v5(&id, &begun.to_be_bytes()) }
    }

    /// Makes it durable.
    pub(in crate::sources) fn finish(self) -> Result<Spooled, PostgresFault> {
        self.writer.finish().map_err(fault)
    }
}

impl Intake {
    /// Puts what was gathered of a transaction into its file.
    pub(in crate::sources) fn spool(
        &mut self,
        spool: &mut Spool,
        transaction: &mut Transaction,
        (system, lsn): (u64, u64),
    ) -> Result<(), PostgresFault> {
        let mut gathered = std::mem::take(&mut transaction.gathered);
        // What was said before its table was emptied is not put behind that.
        for (origin, before) in &transaction.emptied {
            gathered.forget(origin, *before);
        }
        let (said, deleted) = gathered.split();
        transaction.gathered = deleted;
        let snapshot = self.read_model.snapshot();
        let stored = Stored {
            archive: &self.archive,
            window: &self.window,
            snapshot: &snapshot,
            series: Vec::new(),
            system,
            lsn,
            is_reading: false,
            newest: snapshot.newest_batch(),
            pieces: &self.pieces,
        };
        let before = self.counted.values;
        let mut changes: Vec<Change> = Vec::new();
        for group in said.groups() {
            let header = group.header.clone();
            let told = completed(group.said.clone(), &header, &transaction.batches);
            spool.headers.insert(header.clone());
            let slots = group.into_slots();
            spool.units.extend(slots.iter().map(|slot| slot.unit));
            let mut made = self.maker.saved(header, slots, told, &stored)?;
            for change in &mut made.changes {
                if let Change::Save(save) = change {
                    save.batch.id = spool.id(save.batch.id);
                }
            }
            self.counted.values += made.values as u64;
            self.counted.refused += made.refused;
            changes.extend(made.changes);
        }
        if changes.is_empty() {
            return Ok(());
        }
        tracing::debug!(
            values = self.counted.values - before,
            "a part of a transaction is in a file"
        );
        spool.writer.add(changes, (self.now)()).map_err(fault)
    }
}
