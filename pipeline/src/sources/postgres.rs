//! The tables of a Postgres: read as they are at one place of its log, and from there on by the log.

mod begin;
mod following;
mod reading;
mod relations;

use std::collections::{BTreeMap, BTreeSet};

use smartpulse_connectors::retry::{Remedy, Row, remedy};
use smartpulse_connectors::{PostgresSettings, TableName};
use smartpulse_operators::batch::Sequence;
use smartpulse_serve::attached::Standing;
use tokio::sync::watch;
use tracing::warn;

use super::tables::{Beginning, Intake, read_name, source_name};

/// A database that is read.
pub(super) struct Database {
    settings: PostgresSettings,
    intake: Intake,
    stopping: watch::Receiver<bool>,
    /// Batches that were read anew.
    seen: BTreeSet<Sequence>,
    /// The newest batch when a table of values was begun to be read.
    before: Sequence,
    /// Tables whose rows have been read, and which tables of that name they were.
    read: BTreeMap<TableName, u32>,
}

impl Database {
    pub(super) fn new(
        settings: PostgresSettings,
        beginning: Beginning,
        stopping: watch::Receiver<bool>,
    ) -> Database {
        let name = read_name(&source_name(&settings.name));
        let tables = beginning.kept.get(name.as_str()).into_iter().flatten();
        let read = tables
            .filter_map(|(table, oid)| Some((TableName::parse(table)?, oid.parse().ok()?)))
            .collect();
        let intake = Intake::new(beginning);
        Database { settings, intake, stopping, seen: BTreeSet::new(), before: Sequence(0), read }
    }
}

/// Reads a database until told to stop.
pub(super) async fn run(mut database: Database) {
    let mut row = Row::default();
    let mut stopping = database.stopping.clone();
    loop {
        let before = database.intake.counted.transactions;
        let followed = tokio::select! {
            followed = Box::pin(database.follow()) => followed,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let Err(fault) = followed;
        let is_new = database.intake.counted.transactions > before;
        let (times, is_news) = row.add(fault.trouble(), fault.to_string(), is_new);
        if is_news {
            warn!(source = %database.intake.source, problem = %fault, "postgres is not read");
        }
        database.intake.stands(Standing::Degraded(fault.to_string()));
        let (Remedy::Again(pause) | Remedy::Anew(pause)) =
            remedy(fault.trouble(), times, rand::random());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}
