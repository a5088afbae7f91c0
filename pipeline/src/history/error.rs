//! Why the history store failed.

use std::io::ErrorKind;
use std::path::PathBuf;

use thiserror::Error;

/// Why the history store failed.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The store's own error.
    #[error("history store {path}: {action} failed")]
    Store { path: PathBuf, action: &'static str, source: Box<fjall::Error> },
    /// A record cannot be read.
    #[error("history store {path}: a record in {keyspace} is damaged")]
    Damaged { path: PathBuf, keyspace: &'static str },
    /// The disk is full. What the store lacks is in the journal.
    #[error("history store {path}: the disk is full; what it lacks is written at the next start")]
    DiskFull { path: PathBuf },
    /// It was closed and could not be opened again.
    #[error("history store {path}: it is closed")]
    Closed { path: PathBuf },
}

impl HistoryError {
    /// Whether the store's own files are at fault, not the machine around them or a newer release.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            HistoryError::Damaged { .. } => true,
            HistoryError::DiskFull { .. } | HistoryError::Closed { .. } => false,
            HistoryError::Store { source, .. } => match &**source {
                fjall::Error::Io(problem) | fjall::Error::Storage(fjall::LsmError::Io(problem)) => {
                    matches!(
                        problem.kind(),
                        ErrorKind::NotFound
                            | ErrorKind::AlreadyExists
                            | ErrorKind::UnexpectedEof
                            | ErrorKind::InvalidData
                            | ErrorKind::Other
                    )
                }
                fjall::Error::InvalidVersion(Some(_))
                | fjall::Error::Storage(fjall::LsmError::InvalidVersion(_))
                | fjall::Error::Poisoned
                | fjall::Error::Locked => false,
                _ => true,
            },
        }
    }
}
