//! The Parquet exports: a view as a folder that pandas, polars and DuckDB read as one table.
//!
//! `OUT/VIEW/kind=…/delivery_date=YYYY-MM-DD/part-0.parquet` (UTC date; both are path keys only; units and
//! batches have none). Every file says in its metadata what it shows. Bytes depend on the rows and their
//! order alone: row groups end at fixed counts, nothing holds a time of writing, so the same export again
//! is the same bytes. Memory is bounded by one row group (`part::Bounds`).
//!
//! Reading order: `latest`, `history`, `resolved`, `totals`, `units`, `batches` (a view each), `slot` (what some share),
//! `partition` and `view` (rows on their way out), `folder` (nobody sees half), `part` (the files,
//! which the Parquet library encodes).

use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::time::Instant;

pub(crate) mod batches;
pub(crate) mod folder;
pub(crate) mod history;
pub(crate) mod latest;
mod part;
mod partition;
pub(crate) mod resolved;
mod slot;
pub(crate) mod totals;
pub(crate) mod units;
mod view;

/// Number of the form of the exported files, in their metadata; a new form is a new number.
const SCHEMA_VERSION: &str = "1";

/// What an export shows; every one of its files says so in its metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportStamp {
    /// The epoch whose snapshot was read: `smartpulse.epoch`.
    pub epoch: Epoch,
    /// The reference instant: `smartpulse.valid_at`.
    pub valid_at: Instant,
    /// What had been recorded by then counts: `smartpulse.known_at`, empty where none was asked for.
    pub known_at: Option<Instant>,
}

impl ExportStamp {
    fn metadata(&self) -> Vec<KeyValue> {
        let known_at = self.known_at.map(|instant| instant.to_string()).unwrap_or_default();
        [
            ("smartpulse.epoch", self.epoch.0.to_string()),
            ("smartpulse.valid_at", self.valid_at.to_string()),
            ("smartpulse.known_at", known_at),
            ("smartpulse.schema_version", SCHEMA_VERSION.to_owned()),
        ]
        .map(|(key, value)| KeyValue::new(key.to_owned(), value))
        .to_vec()
    }
}

/// Why an export was given up. What `OUT/VIEW` showed before stays.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The Parquet writer refused: the disk did, or columns do not fit their schema.
    #[error("cannot write {path} as Parquet")]
    Parquet {
        /// The file being written.
        path: PathBuf,
        /// What the writer said.
        #[source]
        source: ParquetError,
    },
    /// Another export of the same view into the same folder is running.
    #[error("another export is writing {path}")]
    Busy {
        /// The hidden folder it writes.
        path: PathBuf,
    },
    /// A partition was begun a second time; partitions are written one after another, each once.
    #[error("{path} was written before: a partition is written once")]
    PartitionRepeated {
        /// The part that is there already.
        path: PathBuf,
    },
    /// A row was written before any partition was begun, or is not of the one begun.
    #[error("a row for {delivery_start} is not of the open partition of {path}")]
    OutsidePartition {
        /// The partition's folder, or the view's where none is open.
        path: PathBuf,
        /// The row's delivery.
        delivery_start: Instant,
    },
}

impl ExportError {
    /// Names the path of an IO error: `.map_err(ExportError::io("create", &path))`.
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ExportError {
        move |source| ExportError::Io { action, path: path.to_owned(), source }
    }

    /// Names the path of a Parquet error.
    fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> ExportError {
        move |source| ExportError::Parquet { path: path.to_owned(), source }
    }
}
