//! A transaction on its way in: its values are gathered while it is read, and once it is whole it is handed on.

use std::sync::Arc;

use smartpulse_connectors::{Input, PostgresFault, TableName, Tuple};
use smartpulse_datasets::slots::SlotValue;
use smartpulse_operators::offset::{Offset, PostgresPlace};
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::Unit;
use smartpulse_serve::snapshot::Snapshot;

use super::kept::{Followed, Keeper};
use super::learned::{Learned, origin};
use super::spooling::Spool;
use super::stored::{Pieces, Stored};
use super::transaction::{Made, Transaction};
use super::values::{Header, Layout, Said};
use super::window::Window;
use super::{Handed, Intake};
use crate::history::tail::Archive;

/// A transaction that is being read.
#[derive(Default)]
pub(in crate::sources) struct Open {
    pub(in crate::sources) transaction: Transaction,
    /// What tells its server from others, and a place of the log that is its own.
    pub(in crate::sources) at: (u64, u64),
    /// Values that are too many to be held in memory.
    spool: Option<Spool>,
}

/// What a row was, and what it is; none where it was not there, or is not there any more.
pub(in crate::sources) type Change<'t, 'm> = (Option<&'t Tuple<'m>>, Option<&'t Tuple<'m>>);

impl Open {
    pub(in crate::sources) fn at(at: (u64, u64)) -> Open {
        Open { at, ..Open::default() }
    }

    /// Rows whose values are held in memory.
    pub(in crate::sources) fn held(&self) -> usize {
        self.transaction.gathered.rows()
    }
}

impl Intake {
    /// Takes a row of a transaction that changed; `order` tells which of its changes it is. What is kept of master
    /// data is taken in once the transaction is whole.
    pub(in crate::sources) fn change(
        &mut self,
        learned: &Learned,
        (old, new): Change<'_, '_>,
        order: u64,
        open: &mut Open,
    ) -> Handed {
        self.counted.rows += 1;
        if let Some((batch, said)) = new.and_then(|row| learned.batch(row)) {
            open.transaction.batches.insert(batch, said);
        }
        for layout in &learned.layouts {
            self.value(learned, layout, (old, new), order, open)?;
        }
        let is_much = open.transaction.gathered.said() >= self.rows_at_most;
        if is_much && self.unspooled != Some(open.at.1) {
            self.spool_open(open)?;
        }
        Ok(())
    }

    /// A table was emptied, by that change of a transaction: what it has said of it before is gone, too.
    pub(in crate::sources) fn empty(
        &mut self,
        learned: &Learned,
        order: u64,
        open: &mut Open,
    ) -> Handed {
        for layout in learned.layouts.iter().filter(|layout| layout.deletes) {
            if open.spool.as_ref().is_some_and(|spool| spool.holds_origin(layout.origin())) {
                return Err(self.entangled(open.at.1));
            }
            open.transaction.empty(layout.origin(), order);
        }
        Ok(())
    }

    /// Takes the value of a row that was `old` and is `new`; one that becomes another row is deleted as the one it was.
    fn value(
        &mut self,
        learned: &Learned,
        layout: &Layout,
        (old, new): Change<'_, '_>,
        order: u64,
        open: &mut Open,
    ) -> Handed {
        let said = match new.filter(|row| !layout.is_unchanged(row)) {
            None if new.is_some() => return Ok(()),
            None => None,
            Some(row) => match self.reader.read(layout, row.as_slice(), false) {
                Ok(said) => Some(said),
                Err(fault) => {
                    open.transaction.unreadable += 1;
                    self.remark_row(&learned.table, &format!("{row:?}"), &fault);
                    None
                }
            },
        };
        // What cannot be read of a row that was has never said anything.
        let old = old.filter(|_| layout.deletes);
        let gone = old.and_then(|row| self.reader.read(layout, row.as_slice(), true).ok());
        let is_same = |(header, _, slot): &(Header, Said, SlotValue)| {
            said.as_ref().is_some_and(|(other, _, to)| other == header && is_same_slot(slot, to))
        };
        if let Some((header, said, slot)) = gone.filter(|gone| !is_same(gone)) {
            if open.spool.as_ref().is_some_and(|spool| spool.holds(&header)) {
                return Err(self.entangled(open.at.1));
            }
            open.transaction.gathered.add(header, said, (order, slot), true);
        }
        if let Some((header, said, slot)) = said {
            open.transaction.gathered.add(header, said, (order, slot), false);
        }
        Ok(())
    }

    /// Puts the values of a transaction into its file, which is begun where there is none.
    fn spool_open(&mut self, open: &mut Open) -> Handed {
        let mut spool = match open.spool.take() {
            Some(spool) => spool,
            None => Spool::begin(&self.spools)?,
        };
        self.spool(&mut spool, &mut open.transaction, open.at)?;
        open.spool = Some(spool);
        Ok(())
    }

    /// Rows were deleted that lie in the transaction's own file: it is read again, and held in memory.
    fn entangled(&mut self, at: u64) -> PostgresFault {
        self.unspooled = Some(at);
        PostgresFault::Unreachable {
            doing: "reading a transaction",
            problem: "it deletes rows of its own: it is read again".to_owned(),
        }
    }

    /// Hands a transaction on that may be in already: tables that were read since may hold what it says. What is in as it
    /// says stays as it is. It is durable and visible when this returns.
    pub(in crate::sources) async fn commit_compared(
        &mut self,
        open: Open,
        place: (PostgresPlace, Vec<Offset>),
        committed: Instant,
        take_kept: impl FnOnce(&mut Keeper, &mut Followed) -> Handed,
    ) -> Handed {
        self.settle_all().await?;
        self.is_compared = true;
        let done = self.commit(open, place, committed, take_kept).await;
        self.is_compared = false;
        done?;
        self.settle_all().await
    }

    /// Hands a transaction on that is whole. `take_kept` takes its rows of master data in; `beside` are places of where
    /// it came through.
    pub(in crate::sources) async fn commit(
        &mut self,
        mut open: Open,
        (place, beside): (PostgresPlace, Vec<Offset>),
        committed: Instant,
        take_kept: impl FnOnce(&mut Keeper, &mut Followed) -> Handed,
    ) -> Handed {
        if open.spool.is_some() {
            self.spool_open(&mut open)?;
        }
        let Open { mut transaction, spool, .. } = open;
        // Before the kept rows are touched: what fails here is read again.
        let units: Vec<Unit> = spool.iter().flat_map(Spool::units).collect();
        let spooled = spool.map(Spool::finish).transpose()?;
        take_kept(&mut self.keeper, &mut transaction.followed)?;
        self.keeper.restate_others(&mut transaction.followed);
        for (table, key, fault) in &transaction.followed.faults {
            self.remark_row(table, key, fault);
        }
        if transaction.is_empty() && spooled.is_none() {
            return Ok(());
        }
        let takes_back = transaction.takes_back();
        if takes_back {
            self.settle_all().await?;
        }
        let snapshot = Arc::clone(&self.read_model.snapshot());
        let (is_reading, endless) = (self.is_compared, Pieces::endless());
        let looks_back = takes_back || is_reading;
        let stored = Stored {
            archive: &self.archive,
            window: &self.window,
            snapshot: &snapshot,
            series: if looks_back { snapshot.all_series() } else { Vec::new() },
            system: place.system,
            lsn: place.lsn,
            is_reading,
            newest: snapshot.newest_batch(),
            pieces: if is_reading { &endless } else { &self.pieces },
        };
        let undo = std::mem::take(&mut transaction.followed.undo);
        let made = match self.maker.make(transaction, units, &stored) {
            Ok(made) => made,
            Err(fault) => {
                // It is read again, by rows as they were.
                self.keeper.undo(undo);
                return Err(fault);
            }
        };
        let made = Made { spooled, ..made };
        if made.changes.is_empty() && made.kept.is_empty() && made.spooled.is_none() {
            return Ok(());
        }
        self.send(made, (place, beside), committed).await
    }
}

impl Intake {
    /// Hands rows on that were read as they are: what is stored of them already stays as it is. They are durable and
    /// visible when this returns.
    pub(in crate::sources) async fn commit_read(
        &mut self,
        open: Open,
        (place, beside): (PostgresPlace, Vec<Offset>),
        take_kept: impl FnOnce(&mut Keeper, &mut Followed) -> Handed,
    ) -> Handed {
        // What is under way is compared with as well.
        self.settle_all().await?;
        let mut transaction = open.transaction;
        take_kept(&mut self.keeper, &mut transaction.followed)?;
        self.keeper.restate_others(&mut transaction.followed);
        for (table, key, fault) in &transaction.followed.faults {
            self.remark_row(table, key, fault);
        }
        let undo = std::mem::take(&mut transaction.followed.undo);
        let snapshot = Arc::clone(&self.read_model.snapshot());
        let endless = Pieces::endless();
        let stored = stored((&self.archive, &self.window), &snapshot, place, &endless);
        let made = match self.maker.make(transaction, [], &stored) {
            Ok(made) => made,
            Err(fault) => {
                self.keeper.undo(undo);
                return Err(fault);
            }
        };
        self.send_read(made, (place, beside)).await
    }

    /// Takes back what is stored and is not among the rows that are there.
    pub(in crate::sources) async fn take_back_unseen(
        &mut self,
        is_row: impl Fn(&TableName, &str) -> bool,
        is_value: impl Fn(&Header, &SlotValue) -> bool,
        place: PostgresPlace,
    ) -> Handed {
        self.settle_all().await?;
        let mut followed = Followed::default();
        self.keeper.retain(is_row, &mut followed);
        self.keeper.restate_others(&mut followed);
        let tables = self.mapping.tables.iter().filter(|mapped| mapped.input == Input::Forecasts);
        let tables = tables.filter(|mapped| mapped.deletes);
        let origins: Vec<Arc<str>> =
            tables.map(|mapped| origin(&self.name, &mapped.table)).collect();
        let undo = std::mem::take(&mut followed.undo);
        let snapshot = Arc::clone(&self.read_model.snapshot());
        let stored = stored((&self.archive, &self.window), &snapshot, place, &self.pieces);
        let made = match self.maker.forget_unseen_rows(followed, &origins, is_value, &stored) {
            Ok(made) => made,
            Err(fault) => {
                self.keeper.undo(undo);
                return Err(fault);
            }
        };
        self.send_read(made, (place, Vec::new())).await
    }

    async fn send_read(&mut self, made: Made, place: (PostgresPlace, Vec<Offset>)) -> Handed {
        if made.changes.is_empty() && made.kept.is_empty() {
            return Ok(());
        }
        let now = (self.now)();
        self.send(made, place, now).await?;
        self.settle_all().await
    }
}

/// What is stored, as rows that are read as they are find it.
fn stored<'s>(
    (archive, window): (&'s Archive, &'s Window),
    snapshot: &'s Snapshot,
    place: PostgresPlace,
    pieces: &'s Pieces,
) -> Stored<'s> {
    Stored {
        archive,
        window,
        snapshot,
        series: snapshot.all_series(),
        system: place.system,
        lsn: place.lsn,
        is_reading: true,
        newest: snapshot.newest_batch(),
        pieces,
    }
}

fn is_same_slot(one: &SlotValue, other: &SlotValue) -> bool {
    (one.unit, one.period, one.start) == (other.unit, other.period, other.start)
}
