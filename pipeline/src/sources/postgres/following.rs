//! The log, transaction by transaction: each is one message, and all of it is seen at one epoch.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use smartpulse_connectors::{
    FoundTable, LogBytes, LogEvent, LogMessage, Mapping, PostgresFault, PostgresLog,
    PostgresSession, PostgresSettings, Slot, TableName, Tuple,
};
use smartpulse_datasets::slots::SlotValue;
use smartpulse_operators::offset::PostgresPlace;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::Unit;
use smartpulse_serve::attached::Standing;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::Database;
use super::relations::{Learned, Relations};
use super::spooling::Spool;
use super::stored::Stored;
use super::transaction::{Made, Transaction};
use super::values::{Header, Layout, Said};

/// Between two confirmations of what is settled.
const CONFIRMING: Duration = Duration::from_millis(100);
/// Confirmations between two looks at how things stand.
const SHOWING: u32 = 10;
/// Confirmations between two places that are remembered though nothing of ours has changed: the log of other tables
/// would be held back otherwise.
const IDLING: u32 = 100;
/// Between two looks at the slot, which also tell whether the server lives.
const LOOKING: Duration = Duration::from_secs(5);

/// A transaction that is being read.
struct Open {
    committed: Instant,
    /// It has been taken in before.
    is_known: bool,
    transaction: Transaction,
    /// Where the log stands at its end, and what tells that log from others.
    at: (u64, u64),
    /// Values that are too many to be held in memory.
    spool: Option<Spool>,
    /// Rows of master data, to be read once the transaction is whole.
    kept: Vec<(Arc<Learned>, LogBytes)>,
}

impl Database {
    pub(super) async fn follow_log(
        &mut self,
        tables: Vec<FoundTable>,
        system: u64,
    ) -> Result<Infallible, PostgresFault> {
        let from = self.place.map_or(0, |place| place.lsn);
        let mut log =
            Box::pin(PostgresLog::follow(&self.settings, from, self.window.settled())).await?;
        self.stands(Standing::Following);
        let mut relations = Relations::new(&self.settings.name, &self.mapping, tables);
        let (tell_slot, mut slots) = mpsc::channel(1);
        let (settings, mapping) = (self.settings.clone(), Arc::clone(&self.mapping));
        let mut looking = Box::pin(look(settings, mapping, tell_slot));
        let mut tick = tokio::time::interval(CONFIRMING);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut ticks, mut idle) = (0_u32, 0);
        let mut open: Option<Open> = None;
        loop {
            tokio::select! {
                biased;
                Some(judged) = self.told.recv() => self.judged(&judged),
                _ = tick.tick() => {
                    ticks = ticks.wrapping_add(1);
                    log.confirm(self.window.settled());
                    let is_idle = open.is_none() && self.window.is_empty();
                    if ticks % IDLING == 0 && is_idle && self.place.is_some_and(|place| place.lsn < idle) {
                        self.remember(PostgresPlace { system, lsn: idle, is_reading: false }).await?;
                        log.confirm(idle);
                    }
                    if ticks % SHOWING == 1 {
                        self.show();
                    }
                }
                fault = &mut looking => return Err(fault),
                Some((slot, tables)) = slots.recv() => {
                    self.counted.slot = Some(slot);
                    self.misses(&tables)?;
                }
                event = log.next(), if !self.window.is_full() => match event? {
                    LogEvent::Begin(committed, lsn) => {
                        let is_known = self.place.is_some_and(|place| lsn < place.lsn);
                        let (transaction, kept) = (Transaction::default(), Vec::new());
                        let (at, spool) = ((system, lsn), None);
                        open = Some(Open { committed, is_known, transaction, at, spool, kept });
                    }
                    LogEvent::Change(bytes) => {
                        let Some(open) = &mut open else {
                            let problem = "a change outside of a transaction".to_owned();
                            return Err(PostgresFault::Unreadable(problem));
                        };
                        self.change(&mut relations, open, bytes)?;
                    }
                    LogEvent::Commit(lsn) => {
                        if let Some(open) = open.take() {
                            let place = PostgresPlace { system, lsn, is_reading: false };
                            self.commit(open, place).await?;
                        }
                    }
                    LogEvent::Idle(lsn) => {
                        if open.is_none() {
                            idle = lsn;
                        }
                    }
                },
            }
        }
    }

    /// Takes a change of a transaction.
    fn change(
        &mut self,
        relations: &mut Relations,
        open: &mut Open,
        bytes: LogBytes,
    ) -> Result<(), PostgresFault> {
        let message = bytes.message()?;
        let (relation, old, new) = match &message {
            LogMessage::Relation(relation) => return relations.learn(relation),
            LogMessage::Other => return Ok(()),
            LogMessage::Truncate { relations: emptied } => {
                for relation in emptied {
                    if let Some(learned) = relations.get(*relation)?.filter(|_| !open.is_known) {
                        let origins = || learned.layouts.iter().map(Layout::origin);
                        let spool = open.spool.as_ref();
                        if spool.is_some_and(|spool| origins().any(|it| spool.holds_origin(it))) {
                            return Err(self.entangled(open.at.1));
                        }
                        truncate(open, &learned, &bytes);
                    }
                }
                return Ok(());
            }
            LogMessage::Insert { relation, new } => (*relation, None, Some(new)),
            LogMessage::Update { relation, old, new } => (*relation, old.as_ref(), Some(new)),
            LogMessage::Delete { relation, old } => (*relation, Some(old), None),
        };
        let Some(learned) = relations.get(relation)?.filter(|_| !open.is_known) else {
            return Ok(());
        };
        self.counted.rows += 1;
        if let Some((batch, said)) = new.and_then(|row| learned.batch(row)) {
            open.transaction.batches.insert(batch, said);
        }
        for layout in &learned.layouts {
            self.value(&learned, layout, (old, new), open)?;
        }
        if learned.is_kept {
            open.kept.push((learned, bytes.clone()));
        }
        let is_much = open.transaction.gathered.said() >= self.rows_at_most;
        if is_much && self.unspooled != Some(open.at.1) {
            self.spool_open(open)?;
        }
        Ok(())
    }

    /// Takes the value of a row that was `old` and is `new`; one that becomes another row is deleted as the one it was.
    fn value(
        &mut self,
        learned: &Learned,
        layout: &Layout,
        (old, new): (Option<&Tuple<'_>>, Option<&Tuple<'_>>),
        open: &mut Open,
    ) -> Result<(), PostgresFault> {
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
            open.transaction.gathered.add(header, said, slot, true);
        }
        if let Some((header, said, slot)) = said {
            open.transaction.gathered.add(header, said, slot, false);
        }
        Ok(())
    }

    /// Puts the values of a transaction into its file, which is begun where there is none.
    fn spool_open(&mut self, open: &mut Open) -> Result<(), PostgresFault> {
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

    /// Hands a transaction on that is whole.
    async fn commit(&mut self, open: Open, place: PostgresPlace) -> Result<(), PostgresFault> {
        if open.is_known {
            self.counted.repeated += 1;
            return Ok(());
        }
        let mut open = open;
        if open.spool.is_some() {
            self.spool_open(&mut open)?;
        }
        let Open { committed, mut transaction, kept, spool, .. } = open;
        // Before the kept rows are touched: what fails here is read again.
        let units: Vec<Unit> = spool.iter().flat_map(Spool::units).collect();
        let spooled = spool.map(Spool::finish).transpose()?;
        for (learned, bytes) in &kept {
            let (table, into) = (&learned.table, &mut transaction.followed);
            self.keeper.identify(table, &learned.key, into);
            match &bytes.message()? {
                LogMessage::Insert { new, .. } => {
                    self.keeper.take(table, &learned.columns, None, Some(new), into);
                }
                LogMessage::Update { old, new, .. } => {
                    self.keeper.take(table, &learned.columns, old.as_deref(), Some(new), into);
                }
                LogMessage::Delete { old, .. } => {
                    self.keeper.take(table, &learned.columns, Some(old), None, into);
                }
                LogMessage::Truncate { .. } => self.keeper.empty(table, into),
                LogMessage::Relation(_) | LogMessage::Other => {}
            }
        }
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
        let snapshot = self.read_model.snapshot();
        let stored = Stored {
            archive: &self.archive,
            window: &self.window,
            snapshot: &snapshot,
            series: if takes_back { snapshot.all_series() } else { Vec::new() },
            system: place.system,
            lsn: place.lsn,
            is_reading: false,
            newest: snapshot.newest_batch(),
            pieces: &self.pieces,
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
        self.send(made, place, committed).await
    }
}

fn is_same_slot(one: &SlotValue, other: &SlotValue) -> bool {
    (one.unit, one.period, one.start) == (other.unit, other.period, other.start)
}

/// A table was emptied.
fn truncate(open: &mut Open, learned: &Arc<Learned>, bytes: &LogBytes) {
    for layout in learned.layouts.iter().filter(|layout| layout.deletes) {
        open.transaction.empty(layout.origin());
    }
    if learned.is_kept {
        open.kept.push((Arc::clone(learned), bytes.clone()));
    }
}

/// Looks at the slot and for the tables again and again; ends where the server does not answer.
async fn look(
    settings: PostgresSettings,
    mapping: Arc<Mapping>,
    tell: mpsc::Sender<(Slot, BTreeMap<TableName, u32>)>,
) -> PostgresFault {
    let mut session = match Box::pin(PostgresSession::open(&settings)).await {
        Ok(session) => session,
        Err(fault) => return fault,
    };
    loop {
        // They may have been altered so that the log no longer tells which row was deleted.
        let tables = match Box::pin(session.tables(&settings, &mapping)).await {
            Ok((tables, _)) => tables.into_iter().map(|found| (found.table, found.oid)).collect(),
            Err(fault) => return fault,
        };
        match session.slot(&settings.slot).await {
            // The newest of before is as good where nobody has taken it.
            Ok(Some(slot)) => drop(tell.try_send((slot, tables))),
            Ok(None) => {
                return PostgresFault::Unreachable {
                    doing: "looking at the slot",
                    problem: "it is not there any more".to_owned(),
                };
            }
            Err(fault) => return fault,
        }
        tokio::time::sleep(LOOKING).await;
    }
}
