//! Where to begin: at the place the folder holds, or with the tables as they are.

use std::collections::BTreeMap;
use std::convert::Infallible;

use smartpulse_connectors::{OnLost, PostgresFault, PostgresLog, PostgresSession, Slot, TableName};
use smartpulse_operators::offset::PostgresPlace;
use tracing::{info, warn};

use super::Database;

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Behind this place of the log.
    Follow(PostgresPlace),
    /// With the tables as they are.
    Read,
}

/// What is known before anything is begun.
pub(super) struct Known<'k> {
    /// How far the folder has been taken in.
    pub(super) place: Option<PostgresPlace>,
    pub(super) system: u64,
    pub(super) slot: Option<&'k Slot>,
    pub(super) slot_name: &'k str,
    pub(super) on_lost: OnLost,
}

/// Where to begin, or why not.
///
/// # Errors
/// [`PostgresFault`] with the way out.
pub(super) fn start(known: &Known<'_>) -> Result<Start, PostgresFault> {
    let Known { place, system, slot, slot_name, on_lost } = known;
    let in_use = || PostgresFault::Unreachable {
        doing: "taking the slot",
        problem: format!("slot {slot_name} is read by somebody else"),
    };
    let place = match place {
        None if slot.is_some() => {
            return Err(PostgresFault::Unfit {
                problem: format!(
                    "there is a slot {slot_name}, and this data folder has not read from it"
                ),
                remedy: format!(
                    "name another slot; or, if no other engine reads it: \
                     SELECT pg_drop_replication_slot('{slot_name}')"
                ),
            });
        }
        None => return Ok(Start::Read),
        Some(place) if place.is_reading => {
            let is_taken = slot.is_some_and(|slot| slot.is_active);
            return if is_taken { Err(in_use()) } else { Ok(Start::Read) };
        }
        Some(place) => *place,
    };
    // Debezium need not say which server it read.
    let lost = if place.system != 0 && place.system != *system {
        Some(format!(
            "this is another server than the one that was read (system identifier {system}, not {})",
            place.system
        ))
    } else {
        match slot {
            None => Some(format!("there is no slot {slot_name} any more")),
            Some(Slot { problem: Some(problem), .. }) => {
                Some(format!("slot {slot_name}: {problem}"))
            }
            Some(slot) if slot.confirmed > place.lsn => Some(format!(
                "slot {slot_name} was confirmed up to {}, and this data folder holds the log up to {}",
                written(slot.confirmed),
                written(place.lsn)
            )),
            Some(slot) if slot.end < place.lsn => Some(format!(
                "the log ends at {}, before what this data folder holds ({}): the server was set back",
                written(slot.end),
                written(place.lsn)
            )),
            Some(_) => None,
        }
    };
    match lost {
        None if slot.is_some_and(|slot| slot.is_active) => Err(in_use()),
        None => Ok(Start::Follow(place)),
        Some(problem) if *on_lost == OnLost::Snapshot => {
            warn!(problem, "changes may be lost: all tables are read again");
            Ok(Start::Read)
        }
        Some(problem) => Err(PostgresFault::Lost {
            problem,
            remedy:
                "what changed meanwhile cannot be told; set on_lost = \"snapshot\" to read all \
                     tables again: nothing is taken in twice"
                    .to_owned(),
        }),
    }
}

/// A place of the log as Postgres writes it.
fn written(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff)
}

impl Database {
    /// Refuses to go on where a table is gone that has been read: nothing tells what became of its rows.
    pub(super) fn misses(&self, there: &BTreeMap<TableName, u32>) -> Result<(), PostgresFault> {
        let is_mapped =
            |table: &TableName| self.intake.mapping.tables.iter().any(|it| it.table == *table);
        // Which tables Debezium has read, or whether there were any of their names, it does not say.
        let read = self.read.iter().filter(|(table, oid)| is_mapped(table) && **oid > 0);
        match read.into_iter().find(|(table, oid)| there.get(*table) != Some(*oid)) {
            None => Ok(()),
            Some((table, _)) => Err(PostgresFault::Unfit {
                problem: format!("the table {table} that was read is not there any more"),
                remedy: format!(
                    "name it as before, or leave it out of the mapping; or read all tables again: \
                     SELECT pg_drop_replication_slot('{}'), and on_lost = \"snapshot\"",
                    self.settings.slot
                ),
            }),
        }
    }

    /// Reads the tables where that is to be done, and follows the log until something fails.
    pub(super) async fn follow(&mut self) -> Result<Infallible, PostgresFault> {
        let mut session = Box::pin(PostgresSession::open(&self.settings)).await?;
        let system = Box::pin(PostgresLog::system(&self.settings)).await?;
        let (tables, missing) =
            Box::pin(session.tables(&self.settings, &self.intake.mapping)).await?;
        for table in missing.iter().filter(|_| self.intake.counted.tables == 0) {
            info!(source = %self.intake.source, %table, "a mapped table is not there");
        }
        self.intake.counted.tables = tables.len() as u64;
        self.intake.counted.missing_tables = missing.len() as u64;
        let slot = Box::pin(session.slot(&self.settings.slot)).await?;
        let known = Known {
            place: self.intake.place,
            system,
            slot: slot.as_ref(),
            slot_name: &self.settings.slot,
            on_lost: self.settings.on_lost,
        };
        let begins = start(&known)?;
        if begins != Start::Read {
            self.misses(&tables.iter().map(|found| (found.table.clone(), found.oid)).collect())?;
        }
        if let Start::Follow(_) = begins
            && let Some(found) = tables.iter().find(|found| !self.read.contains_key(&found.table))
        {
            return Err(PostgresFault::Unfit {
                problem: format!("{} is mapped, and its rows have not been read", found.table),
                remedy: format!(
                    "read all tables again: SELECT pg_drop_replication_slot('{}'), and on_lost = \"snapshot\"; \
                     or leave it out of the mapping",
                    self.settings.slot
                ),
            });
        }
        if begins == Start::Read {
            if slot.is_some_and(|slot| slot.is_active) {
                return Err(PostgresFault::Unreachable {
                    doing: "taking the slot",
                    problem: format!("slot {} is read by somebody else", self.settings.slot),
                });
            }
            Box::pin(self.read_tables(&mut session, &tables, system)).await?;
        }
        drop(session);
        Box::pin(self.follow_log(tables, system)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot {
        Slot {
            is_active: false,
            problem: None,
            confirmed: 90,
            end: 200,
            lag_bytes: 0,
            held_bytes: 0,
        }
    }

    fn said(
        place: Option<PostgresPlace>,
        slot: Option<Slot>,
        on_lost: OnLost,
    ) -> Result<Start, String> {
        let known = Known { place, system: 7, slot: slot.as_ref(), slot_name: "s", on_lost };
        start(&known).map_err(|fault| fault.to_string())
    }

    #[test]
    fn what_is_lost_is_found_before_anything_begins_with_the_way_out() {
        let place = PostgresPlace { system: 7, lsn: 100, is_reading: false };
        let stop = OnLost::Stop;
        assert_eq!(said(None, None, stop), Ok(Start::Read));
        assert_eq!(said(Some(place), Some(slot()), stop), Ok(Start::Follow(place)));
        let unknown = PostgresPlace { system: 0, ..place };
        assert_eq!(said(Some(unknown), Some(slot()), stop), Ok(Start::Follow(unknown)));
        let reading = PostgresPlace { is_reading: true, ..place };
        assert_eq!(said(Some(reading), None, stop), Ok(Start::Read));
        assert_eq!(said(Some(reading), Some(slot()), stop), Ok(Start::Read));
        let active = Slot { is_active: true, ..slot() };
        let ahead = Slot { confirmed: 101, ..slot() };
        let broken = Slot { problem: Some("it was invalidated".to_owned()), ..slot() };
        let elsewhere = PostgresPlace { system: 8, ..place };
        for (place, slot, words) in [
            (None, Some(slot()), "pg_drop_replication_slot('s')"),
            (Some(reading), Some(active.clone()), "read by somebody else"),
            (Some(place), Some(active), "read by somebody else"),
            (Some(place), None, "no slot s any more"),
            (Some(place), Some(ahead.clone()), "confirmed up to 0/65"),
            (Some(place), Some(broken), "it was invalidated"),
            (Some(elsewhere), Some(slot()), "another server"),
            (Some(place), Some(Slot { end: 99, ..slot() }), "the server was set back"),
        ] {
            let problem = said(place, slot, stop).unwrap_err();
            assert!(problem.contains(words), "{problem}");
        }
        assert!(said(Some(place), None, stop).unwrap_err().contains("on_lost"));
        for (place, slot) in [(place, None), (place, Some(ahead)), (elsewhere, Some(slot()))] {
            assert_eq!(said(Some(place), slot, OnLost::Snapshot), Ok(Start::Read));
        }
    }
}
