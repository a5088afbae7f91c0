//! Debezium: changes of a Postgres as envelopes, one topic a table, with a topic of transactions beside them.
//!
//! A change bears the number of its transaction and its place in it; the topic of transactions says how many changes of
//! which table a transaction has, once it has ended, in the order of their commits. Values lose their types on the way
//! unless their schema comes with each ([`ColumnType`]); texts given here are those that Postgres itself writes, so that
//! a row says the same whichever way it came.
//! (Debezium documentation, "Debezium connector for PostgreSQL": data change events, transaction metadata.)

mod column;
mod envelope;
mod settings;

pub use column::{ColumnForm, ColumnType, Told};
pub use envelope::{
    Ended, Envelope, EnvelopeFault, EnvelopeReader, Forms, Operation, SnapshotMark, TransactionMark,
};
pub use settings::{DebeziumDecimals, DebeziumSettings, DebeziumTimes};
