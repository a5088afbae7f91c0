//! Postgres: tables that forecasts and master data are read from, by its logical replication.
//!
//! A mapping ([`Mapping`]) says what tables mean. A slot is made with what is seen of the database at its beginning
//! ([`PostgresLog::make_slot`]); the tables are read as they are seen there ([`PostgresSession::copy`]), and the log
//! from there on ([`PostgresLog::follow`]): nothing lies between, and nothing in both.

mod copying;
mod error;
mod fill;
mod instant;
mod log;
mod mapping;
mod pgoutput;
mod session;
mod settings;
mod tables;

pub use error::PostgresFault;
pub use fill::{Filled, LegacyFill};
pub use instant::{Moment, postgres_moment};
pub use log::{LogBytes, LogEvent, MadeSlot, PostgresLog};
pub use mapping::{Field, Input, Mapping, PropertyRule, TableMapping, TableName};
pub use pgoutput::{Datum, LogMessage, Relation, Tuple};
pub use session::{PostgresSession, Slot};
pub use settings::{OnLost, PostgresSettings, PostgresTls};
pub(crate) use settings::{are_rules, mapping_of};
pub use tables::FoundTable;

/// The statements that make the legacy schema.
pub const POSTGRES_LEGACY_SCHEMA: &str = include_str!("postgres/legacy.sql");
