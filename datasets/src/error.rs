//! What can go wrong with a source, always with the place and the rule, so that its owner can mend it.

use std::io;
use std::path::PathBuf;

/// Why a source cannot be read (further).
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The text names no source.
    #[error("{text}: no such source: {rule}")]
    Unknown {
        /// What was asked for.
        text: String,
        /// What would have been accepted.
        rule: String,
    },
    /// A file or folder cannot be opened or listed.
    #[error("{}: cannot be read", file.display())]
    File {
        /// The file or folder.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder is not what it must be.
    #[error("{}: {rule}", file.display())]
    Table {
        /// The file or folder.
        file: PathBuf,
        /// The rule it breaks.
        rule: String,
    },
    /// A row cannot be decoded.
    #[error("{}, row {row}: {rule}", file.display())]
    Row {
        /// The file.
        file: PathBuf,
        /// The row, from 1 below the header.
        row: u64,
        /// The rule it breaks.
        rule: String,
    },
    /// A cell cannot be read.
    #[error("{}, row {row}, column {column}: {rule}", file.display())]
    Cell {
        /// The file.
        file: PathBuf,
        /// The row, from 1 below the header.
        row: u64,
        /// The column's name.
        column: String,
        /// The rule it breaks.
        rule: String,
    },
    /// A file or folder cannot be written.
    #[error("{}: cannot be written", file.display())]
    Unwritten {
        /// The file or folder.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The external sort failed on its own files.
    #[error("{}: cannot sort on this disk", dir.display())]
    Spill {
        /// The folder of the sorted runs.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
