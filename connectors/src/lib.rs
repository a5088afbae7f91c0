//! Bytes in and out of the platform: what other systems read and write.
//!
//! A connector moves bytes and knows the rules of `operators` only; what is exported when, and from which
//! snapshot, is decided by its caller. Today this is one connector, the Parquet exports of the views
//! (`export.rs`); each connector to come gets a module beside it.
//!
//! An export is opened, told its rows one after another and finished; until then no reader sees it:
//!
//! ```
//! # use smartpulse_connectors::{ExportError, ExportStamp, LatestExport, LatestRow};
//! # use smartpulse_operators::{batch::Batch, quantity::Quantity, series::Series, time::Instant};
//! # fn export(out: &std::path::Path, stamp: ExportStamp, series: &Series, batch: &Batch) -> Result<u64, ExportError> {
//! # let delivery_start = Instant(0);
//! let mut export = LatestExport::create(out, "latest", stamp)?;
//! export.begin(series.kind, delivery_start.day())?;
//! export.write(LatestRow { series, delivery_start, value: Quantity(1_250_000), batch })?;
//! let rows = export.finish()?;
//! # Ok(rows)
//! # }
//! ```
#![warn(missing_docs)]

mod debezium;
mod export;
mod postgres;
mod pulsar;
mod redis;
pub mod retry;

pub use debezium::{
    ColumnForm, ColumnType, DebeziumDecimals, DebeziumSettings, DebeziumTimes, Ended, Envelope,
    EnvelopeFault, EnvelopeReader, Forms, Operation, SnapshotMark, Told, TransactionMark,
};
pub use export::batches::{BatchExport, BatchRow, export_batches};
pub use export::folder::PartialFolder;
pub use export::history::{HistoryExport, HistoryRow};
pub use export::latest::{LatestExport, LatestRow};
pub use export::resolved::{ResolvedExport, ResolvedRow};
pub use export::totals::{TotalRow, TotalsExport};
pub use export::units::export_units;
pub use export::{ExportError, ExportStamp};
pub use postgres::{
    Datum, Field, Filled, FoundTable, Input, LegacyFill, LogBytes, LogEvent, LogMessage, MadeSlot,
    Mapping, Moment, OnLost, POSTGRES_LEGACY_SCHEMA, PostgresFault, PostgresLog, PostgresSession,
    PostgresSettings, PostgresTls, PropertyRule, Relation, Slot, TableMapping, TableName, Tuple,
    postgres_moment,
};
pub use pulsar::{
    DeadLetter, DeadLetters, DeltaMessage, PulsarClient, PulsarCoding, PulsarDeltas, PulsarFault,
    PulsarMode, PulsarReader, PulsarSent, PulsarSettings, PulsarSink, PulsarTopic, Reached, Read,
    Received, Resending, Resent, Resume, TopicEnd, Why, connect, partitions, resend,
};
pub use redis::{
    REDIS_APPLY_SCRIPT, RedisFault, RedisReader, RedisReplica, RedisSettings, RedisSink,
    ReplicaNews, SeriesChange, SeriesDocument, SeriesHash, SeriesWatch, Writer, Written, redis_day,
};
