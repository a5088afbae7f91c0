//! The store in a place from which it can be taken and put back: one that met a full disk takes no more
//! writes until it is opened again, while reads must go on.

use std::io;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use super::{History, HistoryError};
use crate::folder::free_bytes;

/// Room with which it is worth opening the store again: what it writes for one large tick.
const ROOM_TO_GO_ON: u64 = 4 << 20;
/// With less room than what the store holds in memory, a background write that failed lacked room.
const ROOM_FOR_TABLES: u64 = 64 << 20;

/// A store that can be opened again behind its readers.
pub(super) struct Shelf {
    path: PathBuf,
    // None only while it is opened again, or when that failed.
    store: RwLock<Option<History>>,
}

impl Shelf {
    pub(super) fn new(store: History) -> Shelf {
        Shelf { path: store.path().to_owned(), store: RwLock::new(Some(store)) }
    }

    /// What `look` finds in the store.
    pub(super) fn read<T, E: From<HistoryError>>(
        &self,
        look: impl FnOnce(&History) -> Result<T, E>,
    ) -> Result<T, E> {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        let closed = || Err(HistoryError::Closed { path: self.path.clone() }.into());
        store.as_ref().map_or_else(closed, look)
    }

    /// Closes the store and opens it again; what was written stays.
    pub(super) fn reopen(&self) -> Result<(), HistoryError> {
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        // The old one holds the lock of its folder.
        drop(store.take());
        *store = Some(History::open(&self.path)?);
        Ok(())
    }

    /// Whether a write failed because the disk is full.
    pub(super) fn lacks_room(&self, problem: &HistoryError) -> bool {
        let HistoryError::Store { source, .. } = problem else { return false };
        match &**source {
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
                matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            // A background write failed before; it does not say why.
            fjall::Error::Poisoned => free_bytes(&self.path) < ROOM_FOR_TABLES,
            _ => false,
        }
    }

    /// Whether there is room to go on.
    pub(super) fn has_room(&self) -> bool {
        free_bytes(&self.path) >= ROOM_TO_GO_ON
    }

    /// The fault of a disk that is full.
    pub(super) fn full(&self) -> HistoryError {
        HistoryError::DiskFull { path: self.path.clone() }
    }
}
