//! The tables as they are at the beginning of the slot. A reading that is cut off begins anew: what is in already is
//! known by its batches.

use smartpulse_connectors::{FoundTable, Input, PostgresFault, PostgresLog, PostgresSession};
use smartpulse_operators::offset::PostgresPlace;
use smartpulse_serve::attached::Standing;
use tracing::info;

use super::super::tables::fields::Row;
use super::super::tables::kept::{Followed, key_of};
use super::super::tables::learned::origin;
use super::super::tables::read_tables;
use super::super::tables::stored::{Pieces, Stored};
use super::super::tables::transaction::{Made, Transaction};
use super::super::tables::values::{Header, Layout};
use super::Database;

/// Of the rows that are held in memory at most, the part after which they are handed on at the end of a batch, and in
/// the middle of one.
const AT_AN_END: usize = 20;
const IN_THE_MIDDLE: usize = 2;

impl Database {
    /// Makes the slot and reads every table as it is there.
    pub(super) async fn read_tables(
        &mut self,
        session: &mut PostgresSession,
        tables: &[FoundTable],
        system: u64,
    ) -> Result<(), PostgresFault> {
        self.intake.stands(Standing::Filling);
        let reading = PostgresPlace { system, lsn: 0, is_reading: true };
        // First of all: a slot that is found at the next start is ours then.
        self.intake.remember(reading).await?;
        if session.slot(&self.settings.slot).await?.is_some() {
            session.drop_slot(&self.settings.slot).await?;
        }
        let made = Box::pin(PostgresLog::make_slot(&self.settings)).await?;
        session.look_back(&made.snapshot).await?;
        let lsn = made.lsn;
        drop(made);
        self.intake.window.begin(lsn);
        let begun = PostgresPlace { system, lsn, is_reading: false };
        let reading = PostgresPlace { lsn, ..reading };
        info!(source = %self.intake.source, "the tables are read");
        for found in tables {
            if self.intake.keeper.keeps(&found.table) {
                self.read_kept(session, found, reading).await?;
            }
        }
        let mapping = std::sync::Arc::clone(&self.intake.mapping);
        for mapped in mapping.tables.iter().filter(|mapped| mapped.input == Input::Forecasts) {
            let Some(found) = tables.iter().find(|found| found.table == mapped.table) else {
                continue;
            };
            let batches = mapping.tables.iter().find(|other| other.input == Input::Batches);
            let batches = batches.and_then(|batches| {
                let found = tables.iter().find(|found| found.table == batches.table)?;
                Some((found, batches))
            });
            let batches = batches.filter(|_| mapped.column("batch").is_some());
            let origin = origin(&self.settings.name, &mapped.table);
            let layout = Layout::of(&origin, mapped, &found.columns, batches.is_some());
            let layout = layout.map_err(PostgresFault::Unreadable)?;
            let statement = found.reading_values(mapped, batches);
            self.read_values(session, found, &layout, &statement, reading).await?;
        }
        self.intake.settle_all().await?;
        self.read = tables.iter().map(|found| (found.table.clone(), found.oid)).collect();
        let kept = read_tables(&self.intake.source, &self.read);
        self.intake.hand_on((Vec::new(), None), kept, (begun, Vec::new()), 0).await?;
        self.intake.settle_all().await?;
        info!(source = %self.intake.source, "the tables have been read");
        session.execute("letting the snapshot go", "ROLLBACK").await
    }

    async fn read_kept(
        &mut self,
        session: &mut PostgresSession,
        found: &FoundTable,
        reading: PostgresPlace,
    ) -> Result<(), PostgresFault> {
        let settings = self.settings.clone();
        let mut rows: Vec<Row> = Vec::new();
        let each = async |values: Vec<Option<std::borrow::Cow<'_, str>>>| {
            let values = values.into_iter().map(|value| value.map(|text| text.into_owned()));
            rows.push(found.columns.iter().cloned().zip(values).collect());
            Ok(())
        };
        Box::pin(session.copy(&settings, &found.reading(), each)).await?;
        self.intake.counted.rows += rows.len() as u64;
        let mut followed = Followed::default();
        let named: Vec<(String, bool)> =
            found.identity.iter().map(|column| (column.clone(), true)).collect();
        let identity = (found.identity_kind, named.as_slice());
        let key = key_of(&found.table, &found.primary, identity, &self.intake.mapping);
        self.intake.keeper.identify(&found.table, &key, &mut followed);
        self.intake.keeper.replace(&found.table, rows, &mut followed);
        self.intake.keeper.restate_others(&mut followed);
        let transaction = Transaction { followed, ..Transaction::default() };
        self.hand_over(transaction, reading).await
    }

    async fn read_values(
        &mut self,
        session: &mut PostgresSession,
        found: &FoundTable,
        layout: &Layout,
        statement: &str,
        reading: PostgresPlace,
    ) -> Result<(), PostgresFault> {
        let settings = self.settings.clone();
        // What is in from an earlier reading, and may have been deleted since.
        let before = self.intake.read_model.snapshot().newest_batch();
        self.before = before;
        self.seen.clear();
        let mut transaction = Transaction::default();
        let mut last: Option<Header> = None;
        let each = async |values: Vec<Option<std::borrow::Cow<'_, str>>>| {
            self.intake.counted.rows += 1;
            let (header, said, slot) =
                match self.intake.reader.read(layout, values.as_slice(), false) {
                    Ok(read) => read,
                    Err(fault) => {
                        transaction.unreadable += 1;
                        self.intake.remark_row(&found.table, &format!("{values:?}"), &fault);
                        return Ok(());
                    }
                };
            let rows = transaction.gathered.rows();
            let is_whole = last.as_ref() != Some(&header);
            let most = self.intake.rows_at_most;
            if is_whole && rows >= most / AT_AN_END || rows >= most / IN_THE_MIDDLE {
                let piece = std::mem::take(&mut transaction);
                self.intake.pieces.going_on = (!is_whole).then(|| header.clone());
                let slots = piece.gathered.slots_of(&header);
                self.hand_over(piece, reading).await?;
                self.intake.pieces.keep(slots.into_iter());
            }
            if last.as_ref() != Some(&header) {
                last = Some(header.clone());
            }
            let order = transaction.gathered.rows() as u64 + 1;
            transaction.gathered.add(header, said, (order, slot), false);
            Ok(())
        };
        Box::pin(session.copy(&settings, statement, each)).await?;
        self.intake.pieces.going_on = None;
        self.hand_over(transaction, reading).await?;
        self.intake.pieces = Pieces::default();
        let snapshot = self.intake.read_model.snapshot();
        let stored = Stored {
            archive: &self.intake.archive,
            window: &self.intake.window,
            snapshot: &snapshot,
            series: Vec::new(),
            system: reading.system,
            lsn: reading.lsn,
            is_reading: true,
            newest: before,
            pieces: &self.intake.pieces,
        };
        let made =
            self.intake.maker.forget_unseen(layout.origin(), (before, &self.seen), &stored)?;
        self.hand_on_made(made, reading).await
    }

    /// Hands on what was read, and waits while much is under way.
    async fn hand_over(
        &mut self,
        transaction: Transaction,
        reading: PostgresPlace,
    ) -> Result<(), PostgresFault> {
        for (table, key, fault) in &transaction.followed.faults {
            self.intake.remark_row(table, key, fault);
        }
        if transaction.is_empty() {
            return Ok(());
        }
        let snapshot = self.intake.read_model.snapshot();
        let stored = Stored {
            archive: &self.intake.archive,
            window: &self.intake.window,
            snapshot: &snapshot,
            series: snapshot.all_series(),
            system: reading.system,
            lsn: reading.lsn,
            is_reading: true,
            newest: self.before,
            pieces: &self.intake.pieces,
        };
        let mut transaction = transaction;
        let undo = std::mem::take(&mut transaction.followed.undo);
        let mut made = match self.intake.maker.make(transaction, [], &stored) {
            Ok(made) => made,
            Err(fault) => {
                self.intake.keeper.undo(undo);
                return Err(fault);
            }
        };
        self.seen.extend(std::mem::take(&mut made.seen));
        self.hand_on_made(made, reading).await
    }

    async fn hand_on_made(
        &mut self,
        made: Made,
        reading: PostgresPlace,
    ) -> Result<(), PostgresFault> {
        if made.changes.is_empty() && made.kept.is_empty() {
            return Ok(());
        }
        let now = (self.intake.now)();
        self.intake.send(made, (reading, Vec::new()), now).await?;
        self.intake.show();
        while self.intake.window.is_full() {
            if let Some(judged) = self.intake.told.recv().await {
                self.intake.judged(&judged);
            }
        }
        Ok(())
    }
}
