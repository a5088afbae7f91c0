//! How far a stream of another system has been taken in: what of it is new is decided by these places, not by what
//! the other system believes to have delivered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Up to where a stream has been taken in, this place included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    /// Name of the stream.
    pub source: Arc<str>,
    /// The place.
    pub place: Place,
}

/// A row of another system's table as it stands. A stream of changes may name a row by its key alone, and leave out
/// what did not change: what it meant is known from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRow {
    /// Name of the table, that of its system in front.
    pub table: Arc<str>,
    /// What tells the row from others of the table.
    pub key: Box<str>,
    /// The row as JSON; none: it is there no more.
    pub row: Option<Box<str>>,
}

/// A place in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// In a topic, or one partition of it.
    Pulsar(PulsarPlace),
    /// In the log of a Postgres.
    Postgres(PostgresPlace),
}

/// The place of a transaction in the log of a Postgres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresPlace {
    /// The system identifier of the cluster: another one has another log.
    pub system: u64,
    /// Where the log stands behind the transaction (LSN).
    pub lsn: u64,
    /// Whether the tables are still being read for the first time; `lsn` says nothing then.
    pub is_reading: bool,
}

/// The place of a message in a topic without partitions, or in one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulsarPlace {
    /// The ledger.
    pub ledger: u64,
    /// The entry in it: a message alone, or several that were sent as one batch.
    pub entry: u64,
    /// The message in the entry, from 0.
    pub index: u32,
    /// What tells the entry from another one of the same number, in a topic that was lost and made again: a digest
    /// of who sent it, when, and as which of his.
    pub mark: u64,
}

impl PulsarPlace {
    /// What orders the messages of a topic.
    #[must_use]
    pub fn order(&self) -> (u64, u64, u32) {
        (self.ledger, self.entry, self.index)
    }
}

impl std::fmt::Display for PulsarPlace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}:{}", self.ledger, self.entry, self.index)
    }
}
