//! The log, transaction by transaction: each is one message, and all of it is seen at one epoch.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use smartpulse_connectors::{
    FoundTable, LogBytes, LogEvent, LogMessage, Mapping, PostgresFault, PostgresLog,
    PostgresSession, PostgresSettings, Slot, TableName,
};
use smartpulse_operators::offset::PostgresPlace;
use smartpulse_operators::time::Instant;
use smartpulse_serve::attached::Standing;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::super::tables::kept::{Followed, Keeper};
use super::super::tables::learned::Learned;
use super::super::tables::whole::Open;
use super::Database;
use super::relations::Relations;

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
struct Reading {
    committed: Instant,
    /// It has been taken in before.
    is_known: bool,
    open: Open,
    /// Changes so far.
    order: u64,
    /// Rows of master data, to be read once the transaction is whole.
    kept: Vec<(Arc<Learned>, LogBytes)>,
}

impl Database {
    pub(super) async fn follow_log(
        &mut self,
        tables: Vec<FoundTable>,
        system: u64,
    ) -> Result<Infallible, PostgresFault> {
        let from = self.intake.place.map_or(0, |place| place.lsn);
        let mut log =
            Box::pin(PostgresLog::follow(&self.settings, from, self.intake.window.settled()))
                .await?;
        self.intake.stands(Standing::Following);
        let mut relations = Relations::new(&self.settings.name, &self.intake.mapping, tables);
        let (tell_slot, mut slots) = mpsc::channel(1);
        let (settings, mapping) = (self.settings.clone(), Arc::clone(&self.intake.mapping));
        let mut looking = Box::pin(look(settings, mapping, tell_slot));
        let mut tick = tokio::time::interval(CONFIRMING);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut ticks, mut idle) = (0_u32, 0);
        let mut reading: Option<Reading> = None;
        loop {
            tokio::select! {
                biased;
                Some(judged) = self.intake.told.recv() => self.intake.judged(&judged),
                _ = tick.tick() => {
                    ticks = ticks.wrapping_add(1);
                    log.confirm(self.intake.window.settled());
                    let is_idle = reading.is_none() && self.intake.window.is_empty();
                    if ticks % IDLING == 0 && is_idle && self.intake.place.is_some_and(|place| place.lsn < idle) {
                        self.intake.remember(PostgresPlace { system, lsn: idle, is_reading: false }).await?;
                        log.confirm(idle);
                    }
                    if ticks % SHOWING == 1 {
                        self.intake.show();
                    }
                }
                fault = &mut looking => return Err(fault),
                Some((slot, tables)) = slots.recv() => {
                    self.intake.counted.slot = Some(slot);
                    self.misses(&tables)?;
                }
                event = log.next(), if !self.intake.window.is_full() => match event? {
                    LogEvent::Begin(committed, lsn) => {
                        let is_known = self.intake.place.is_some_and(|place| lsn < place.lsn);
                        let (open, order, kept) = (Open::at((system, lsn)), 0, Vec::new());
                        reading = Some(Reading { committed, is_known, open, order, kept });
                    }
                    LogEvent::Change(bytes) => {
                        let Some(reading) = &mut reading else {
                            let problem = "a change outside of a transaction".to_owned();
                            return Err(PostgresFault::Unreadable(problem));
                        };
                        self.change(&mut relations, reading, bytes)?;
                    }
                    LogEvent::Commit(lsn) => {
                        if let Some(reading) = reading.take() {
                            let place = PostgresPlace { system, lsn, is_reading: false };
                            self.commit(reading, place).await?;
                        }
                    }
                    LogEvent::Idle(lsn) => {
                        if reading.is_none() {
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
        reading: &mut Reading,
        bytes: LogBytes,
    ) -> Result<(), PostgresFault> {
        let message = bytes.message()?;
        reading.order += 1;
        let order = reading.order;
        let (relation, old, new) = match &message {
            LogMessage::Relation(relation) => return relations.learn(relation),
            LogMessage::Other => return Ok(()),
            LogMessage::Truncate { relations: emptied } => {
                for relation in emptied {
                    let learned = relations.get(*relation)?.filter(|_| !reading.is_known);
                    let Some(learned) = learned else { continue };
                    self.intake.empty(&learned, order, &mut reading.open)?;
                    if learned.is_kept {
                        reading.kept.push((learned, bytes.clone()));
                    }
                }
                return Ok(());
            }
            LogMessage::Insert { relation, new } => (*relation, None, Some(new)),
            LogMessage::Update { relation, old, new } => (*relation, old.as_ref(), Some(new)),
            LogMessage::Delete { relation, old } => (*relation, Some(old), None),
        };
        let Some(learned) = relations.get(relation)?.filter(|_| !reading.is_known) else {
            return Ok(());
        };
        self.intake.change(&learned, (old, new), order, &mut reading.open)?;
        if learned.is_kept {
            reading.kept.push((learned, bytes.clone()));
        }
        Ok(())
    }

    /// Hands a transaction on that is whole.
    async fn commit(
        &mut self,
        reading: Reading,
        place: PostgresPlace,
    ) -> Result<(), PostgresFault> {
        if reading.is_known {
            self.intake.counted.repeated += 1;
            return Ok(());
        }
        let Reading { committed, open, kept, .. } = reading;
        let take_kept = |keeper: &mut Keeper, into: &mut Followed| take_kept(&kept, keeper, into);
        self.intake.commit(open, (place, Vec::new()), committed, take_kept).await
    }
}

/// Takes rows of master data in.
fn take_kept(
    kept: &[(Arc<Learned>, LogBytes)],
    keeper: &mut Keeper,
    into: &mut Followed,
) -> Result<(), PostgresFault> {
    for (learned, bytes) in kept {
        let table = &learned.table;
        keeper.identify(table, &learned.key, into);
        match &bytes.message()? {
            LogMessage::Insert { new, .. } => {
                keeper.take(table, &learned.columns, None, Some(new), into);
            }
            LogMessage::Update { old, new, .. } => {
                keeper.take(table, &learned.columns, old.as_deref(), Some(new), into);
            }
            LogMessage::Delete { old, .. } => {
                keeper.take(table, &learned.columns, Some(old), None, into);
            }
            LogMessage::Truncate { .. } => keeper.empty(table, into),
            LogMessage::Relation(_) | LogMessage::Other => {}
        }
    }
    Ok(())
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
