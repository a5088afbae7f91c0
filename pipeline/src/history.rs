//! The history store: every revision of every series day, on disk, written behind the journal.
//!
//! An embedded log-structured store. Keys begin with the day, because forecasts arrive for the coming days
//! (writes stay together, old days are never rewritten) and exports walk days. Each epoch is written in one
//! atomic batch with its number, so a store that lost its tail knows what it lacks, and writing an epoch
//! again changes nothing. What has closed but is not written yet is laid over every read ([`tail`]).

mod answers;
mod backlog;
pub mod codec;
mod error;
mod reads;
mod shelf;
pub mod tail;
mod writer;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fjall::config::{BlockSizePolicy, FilterPolicy, PinningPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smartpulse_operators::batch::{Batch, Epoch, Sequence};
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::time::Instant;
use smartpulse_serve::command::{Idempotency, Reply};

use crate::failpoint::{self, Failpoint};
use crate::folder::{sync_folders, sync_parent};
use answers::Answers;
pub use answers::REMEMBERED_MINUTES;
use codec::{BatchRecord, StoredRevision};
pub use error::HistoryError;

/// Memory for unsorted revisions: enough to write large runs, small beside the live blocks.
const REVISION_MEMTABLE_BYTES: u64 = 2 << 20;
/// The same for each other keyspace: small entries, of which the nodes in memory take several times the bytes.
const MEMTABLE_BYTES: u64 = 256 << 10;
/// Memory for blocks read back.
const CACHE_BYTES: u64 = 4 << 20;
/// Bytes of a block on disk: few blocks keep the index small, which grows with what was ever written.
const BLOCK_BYTES: u32 = 16 << 10;
/// Threads of the store: with one alone, what is written gathers in memory while that one compacts.
const STORE_THREADS: usize = 2;
/// Bytes of the store's own journals; beyond them the oldest is written to tables and dropped.
const STORE_JOURNAL_BYTES: u64 = 128 << 20;
/// Batches kept after they were looked up; the table is emptied when it is full.
const KNOWN_BATCHES: usize = 16_384;

/// What a closed epoch adds to history.
#[derive(Clone, Debug, Default)]
pub struct EpochHistory {
    /// The epoch.
    pub epoch: Epoch,
    /// Which part of the epoch, from 0.
    pub part: u32,
    /// Whether further parts of the epoch follow: it is not whole before they are there.
    pub continues: bool,
    /// Revisions, each with a mark per value: counted as skipped.
    pub revisions: Vec<(SeriesDay, StoredRevision)>,
    /// Batches with their counts.
    pub batches: Vec<BatchRecord>,
    /// A batch withdrawn, and when.
    pub withdrawn: Option<(Sequence, Instant)>,
    /// Answers that a repeated request gets.
    pub answers: Vec<(Idempotency, Reply)>,
}

/// The history store. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct History {
    path: Arc<Path>,
    database: Database,
    revisions: Keyspace,
    batches: Keyspace,
    /// Batch id → sequence.
    ids: Keyspace,
    /// (digest of the source key, sequence) of every batch that has one.
    sources: Keyspace,
    /// (sequence, series, day) of every revision.
    batch_days: Keyspace,
    /// Sequence → instant.
    withdrawals: Keyspace,
    answers: Answers,
    progress: Keyspace,
    known: Arc<Mutex<HashMap<Sequence, Arc<Batch>, FixedState>>>,
}

const APPLIED: &str = "applied_epoch";

impl History {
    /// Opens or makes the store in `path`.
    ///
    /// # Errors
    /// [`HistoryError::Store`].
    pub fn open(path: &Path) -> Result<History, HistoryError> {
        let io = |source: std::io::Error| HistoryError::Store {
            path: path.to_owned(),
            action: "making",
            source: Box::new(source.into()),
        };
        if !path.exists() {
            // The library cannot be interrupted while it makes keyspaces: after a power cut it may take one
            // for another. So a store is made beside its name, and gets it when it is whole and synced.
            let fresh = path.with_extension("new");
            if fresh.exists() {
                fs::remove_dir_all(&fresh).map_err(io)?;
            }
            drop(Self::open_keyspaces(&fresh)?);
            sync_folders(&fresh).and_then(|()| fs::rename(&fresh, path)).map_err(io)?;
        }
        let store = Self::open_keyspaces(path)?;
        // Who renamed something may have been killed before it synced the name: what is read must not be
        // lost any more.
        sync_folders(path).and_then(|()| sync_parent(path)).map_err(io)?;
        Ok(store)
    }

    fn open_keyspaces(path: &Path) -> Result<History, HistoryError> {
        let fault = |action| {
            move |source| HistoryError::Store {
                path: path.to_owned(),
                action,
                source: Box::new(source),
            }
        };
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .worker_threads(STORE_THREADS)
            .max_journaling_size(STORE_JOURNAL_BYTES)
            .open()
            .map_err(fault("opening"))?;
        let options = |memtable_bytes| {
            KeyspaceCreateOptions::default()
                .max_memtable_size(memtable_bytes)
                .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
                .index_block_pinning_policy(PinningPolicy::all(false))
                .filter_block_pinning_policy(PinningPolicy::all(false))
        };
        let keyspace = |name, memtable_bytes| {
            let bytes = failpoint::bytes("SMARTPULSE_TEST_MEMTABLE_BYTES", memtable_bytes);
            let options = || options(bytes);
            database.keyspace(name, options).map_err(fault("opening a keyspace"))
        };
        // Read by ranges alone, for which a filter is of no use; it would be held in memory.
        let ranged = |name, memtable_bytes| {
            let bytes = failpoint::bytes("SMARTPULSE_TEST_MEMTABLE_BYTES", memtable_bytes);
            let options = || options(bytes).filter_policy(FilterPolicy::disabled());
            database.keyspace(name, options).map_err(fault("opening a keyspace"))
        };
        Ok(History {
            path: path.into(),
            revisions: ranged("revisions", REVISION_MEMTABLE_BYTES)?,
            batches: keyspace("batches", MEMTABLE_BYTES)?,
            ids: keyspace("batch_ids", MEMTABLE_BYTES)?,
            sources: ranged("batch_sources", MEMTABLE_BYTES)?,
            batch_days: ranged("batch_days", MEMTABLE_BYTES)?,
            withdrawals: keyspace("withdrawals", MEMTABLE_BYTES)?,
            answers: Answers::new(
                keyspace("answers", MEMTABLE_BYTES)?,
                keyspace("answers_by_age", MEMTABLE_BYTES)?,
            )
            .map_err(fault("counting answers"))?,
            progress: keyspace("progress", MEMTABLE_BYTES)?,
            known: Arc::default(),
            database,
        })
    }

    /// The newest epoch that is wholly in the store.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn applied(&self) -> Result<Epoch, HistoryError> {
        let bytes = self.progress.get(APPLIED).map_err(self.fault("reading"))?;
        let Some(bytes) = bytes else { return Ok(Epoch(0)) };
        let bytes = <[u8; 8]>::try_from(&*bytes).map_err(|_| self.damaged("progress"))?;
        Ok(Epoch(u64::from_be_bytes(bytes)))
    }

    /// Writes an epoch or a part of one, whole or not at all. Not durable before [`History::persist`].
    ///
    /// # Errors
    /// [`HistoryError::Store`].
    pub fn write(&self, epoch: &EpochHistory) -> Result<(), HistoryError> {
        failpoint::pass(Failpoint::HistoryWrite);
        let mut batch = self.database.batch();
        // Readers may see a batch of writes half applied, in this order: what is named comes before what
        // names it.
        for record in &epoch.batches {
            let sequence = record.batch.sequence.0.to_be_bytes();
            let bytes = postcard::to_stdvec(record).map_err(|_| self.damaged("batches"))?;
            batch.insert(&self.batches, sequence, bytes);
            batch.insert(&self.ids, *record.batch.id.as_bytes(), sequence);
            if let Some(source) = &record.batch.source_batch {
                batch.insert(&self.sources, codec::source_key(source, record.batch.sequence), []);
            }
        }
        for (series_day, stored) in &epoch.revisions {
            let made_by = &stored.revision.batch;
            batch.insert(
                &self.revisions,
                codec::revision_key(*series_day, made_by),
                codec::encode_revision(stored),
            );
            batch.insert(&self.batch_days, codec::batch_day_key(made_by.sequence, *series_day), []);
        }
        if let Some((sequence, instant)) = epoch.withdrawn {
            batch.insert(&self.withdrawals, sequence.0.to_be_bytes(), instant.0.to_be_bytes());
        }
        self.answers.write(&epoch.answers, &mut batch).map_err(self.fault("writing answers"))?;
        if !epoch.continues {
            batch.insert(&self.progress, APPLIED, epoch.epoch.0.to_be_bytes());
        }
        batch.commit().map_err(self.fault("writing an epoch"))?;
        failpoint::pass(Failpoint::HistoryWritten);
        Ok(())
    }

    /// Makes all that was written durable.
    ///
    /// # Errors
    /// [`HistoryError::Store`].
    pub fn persist(&self) -> Result<(), HistoryError> {
        self.database.persist(PersistMode::SyncAll).map_err(self.fault("syncing"))
    }

    /// How the store differs from what `epoch` says it must hold, in words.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn differences(&self, epoch: &EpochHistory) -> Result<Vec<String>, HistoryError> {
        let mut differences = Vec::new();
        let number = epoch.epoch.0;
        for (series_day, decided) in &epoch.revisions {
            let key = codec::revision_key(*series_day, &decided.revision.batch);
            let stored = self.revisions.get(key).map_err(self.fault("reading"))?;
            if stored.as_deref() != Some(&codec::encode_revision(decided)) {
                differences
                    .push(format!("epoch {number}: the stored revision of {series_day:?} differs"));
            }
        }
        for record in &epoch.batches {
            if self.batch(record.batch.sequence)?.as_ref() != Some(record) {
                differences
                    .push(format!("epoch {number}: batch {} differs", record.batch.sequence.0));
            }
        }
        if let Some((sequence, instant)) = epoch.withdrawn
            && self.withdrawn_at(sequence)? != Some(instant)
        {
            differences
                .push(format!("epoch {number}: the withdrawal of batch {} differs", sequence.0));
        }
        Ok(differences)
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.database.disk_space().unwrap_or(0)
    }

    fn revision(&self, key: &[u8], value: &[u8]) -> Result<StoredRevision, HistoryError> {
        let damaged = || self.damaged("revisions");
        let sequence = codec::sequence_of(key).ok_or_else(damaged)?;
        let batch = self.shared_batch(sequence)?;
        codec::decode_revision(value, batch).ok_or_else(damaged)
    }

    fn shared_batch(&self, sequence: Sequence) -> Result<Arc<Batch>, HistoryError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(batch) = known.get(&sequence) {
            return Ok(Arc::clone(batch));
        }
        let record = self.batch(sequence)?.ok_or_else(|| self.damaged("batches"))?;
        if known.len() >= KNOWN_BATCHES {
            known.clear();
        }
        let batch = Arc::new(record.batch);
        known.insert(sequence, Arc::clone(&batch));
        Ok(batch)
    }

    fn sequence(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Sequence>, HistoryError> {
        let Some(bytes) = keyspace.get(key).map_err(self.fault("reading"))? else {
            return Ok(None);
        };
        let bytes = <[u8; 8]>::try_from(&*bytes).map_err(|_| self.damaged("batch_ids"))?;
        Ok(Some(Sequence(u64::from_be_bytes(bytes))))
    }

    fn fault(&self, action: &'static str) -> impl FnOnce(fjall::Error) -> HistoryError + use<> {
        let path = self.path.to_path_buf();
        move |source| HistoryError::Store { path, action, source: Box::new(source) }
    }

    fn damaged(&self, keyspace: &'static str) -> HistoryError {
        HistoryError::Damaged { path: self.path.to_path_buf(), keyspace }
    }
}
