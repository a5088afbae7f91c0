//! The history store: every revision of every series day, on disk, written behind the journal.
//!
//! An embedded log-structured store. Keys begin with the day, because forecasts arrive for the coming days
//! (writes stay together, old days are never rewritten) and exports walk days. Each epoch is written in one
//! atomic batch with its number, so a store that lost its tail knows what it lacks, and writing an epoch
//! again changes nothing. What has closed but is not written yet is laid over every read ([`tail`]).

mod answers;
pub mod codec;
mod shelf;
pub mod tail;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smartpulse_operators::batch::{Batch, Epoch, Sequence};
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::time::{Day, Instant};
use smartpulse_serve::command::{Idempotency, Reply};
use thiserror::Error;
use uuid::Uuid;

use crate::failpoint::{self, Failpoint};
use crate::folder::{sync_folders, sync_parent};
use answers::Answers;
pub use answers::REMEMBERED_MINUTES;
use codec::{BatchRecord, StoredRevision};

/// Memory for one keyspace's unsorted writes: enough to write large runs, small beside the live blocks.
const MEMTABLE_BYTES: u64 = 4 << 20;
/// Memory for blocks read back.
const CACHE_BYTES: u64 = 16 << 20;
/// Batches kept after they were looked up; the table is emptied when it is full.
const KNOWN_BATCHES: usize = 65_536;

/// What a closed epoch adds to history.
#[derive(Clone, Debug, Default)]
pub struct EpochHistory {
    /// The epoch.
    pub epoch: Epoch,
    /// Revisions, each with a mark per value: counted as skipped.
    pub revisions: Vec<(SeriesDay, StoredRevision)>,
    /// Batches with their counts.
    pub batches: Vec<BatchRecord>,
    /// A batch withdrawn, and when.
    pub withdrawn: Option<(Sequence, Instant)>,
    /// Answers that a repeated request gets.
    pub answers: Vec<(Idempotency, Reply)>,
}

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
        use std::io::ErrorKind;
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
            .worker_threads(1)
            .open()
            .map_err(fault("opening"))?;
        let memtable_bytes = failpoint::bytes("SMARTPULSE_TEST_MEMTABLE_BYTES", MEMTABLE_BYTES);
        let keyspace = |name| {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes);
            database.keyspace(name, options).map_err(fault("opening a keyspace"))
        };
        Ok(History {
            path: path.into(),
            revisions: keyspace("revisions")?,
            batches: keyspace("batches")?,
            ids: keyspace("batch_ids")?,
            sources: keyspace("batch_sources")?,
            batch_days: keyspace("batch_days")?,
            withdrawals: keyspace("withdrawals")?,
            answers: Answers::new(keyspace("answers")?, keyspace("answers_by_age")?)
                .map_err(fault("counting answers"))?,
            progress: keyspace("progress")?,
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

    /// Writes an epoch, whole or not at all. Not durable before [`History::persist`].
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
        batch.insert(&self.progress, APPLIED, epoch.epoch.0.to_be_bytes());
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

    /// Revisions of a series day in `(valid_after, sequence)` order.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn day(&self, series_day: SeriesDay) -> Result<Vec<StoredRevision>, HistoryError> {
        let mut revisions = Vec::new();
        for item in self.revisions.prefix(codec::series_day_key(series_day)) {
            let (key, value) = item.into_inner().map_err(self.fault("reading"))?;
            revisions.push(self.revision(&key, &value)?);
        }
        Ok(revisions)
    }

    /// Visits the revisions of each series day in `[from, to)`, day by day, in order of series ids.
    ///
    /// # Errors
    /// [`HistoryError`], and what `visit` returns.
    pub fn for_each_day<E: From<HistoryError>>(
        &self,
        days: std::ops::Range<Day>,
        mut visit: impl FnMut(SeriesDay, Vec<StoredRevision>) -> Result<(), E>,
    ) -> Result<(), E> {
        let from = codec::day_key(days.start);
        let to = codec::day_key(days.end);
        let mut open: Option<(SeriesDay, Vec<StoredRevision>)> = None;
        for item in self.revisions.range(from..to) {
            let (key, value) = item.into_inner().map_err(self.fault("reading"))?;
            let series_day = codec::series_day_of(&key).ok_or_else(|| self.damaged("revisions"))?;
            let revision = self.revision(&key, &value)?;
            match &mut open {
                Some((same, revisions)) if *same == series_day => revisions.push(revision),
                _ => {
                    if let Some((done, revisions)) = open.replace((series_day, vec![revision])) {
                        visit(done, revisions)?;
                    }
                }
            }
        }
        open.map_or(Ok(()), |(done, revisions)| visit(done, revisions))
    }

    /// The series days that a batch has revisions in.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn days_of(&self, sequence: Sequence) -> Result<Vec<SeriesDay>, HistoryError> {
        let mut days = Vec::new();
        for item in self.batch_days.prefix(sequence.0.to_be_bytes()) {
            let key = item.key().map_err(self.fault("reading"))?;
            days.push(codec::series_day_of_batch(&key).ok_or_else(|| self.damaged("batch_days"))?);
        }
        Ok(days)
    }

    /// The batch of that sequence, with its counts.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn batch(&self, sequence: Sequence) -> Result<Option<BatchRecord>, HistoryError> {
        let bytes = self.batches.get(sequence.0.to_be_bytes()).map_err(self.fault("reading"))?;
        bytes
            .map(|bytes| postcard::from_bytes(&bytes).map_err(|_| self.damaged("batches")))
            .transpose()
    }

    /// Visits every batch in acceptance order, with the instant of its withdrawal.
    ///
    /// # Errors
    /// [`HistoryError`], and what `visit` returns.
    pub fn for_each_batch<E: From<HistoryError>>(
        &self,
        mut visit: impl FnMut(BatchRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        for item in self.batches.iter() {
            let bytes = item.value().map_err(self.fault("reading"))?;
            visit(postcard::from_bytes(&bytes).map_err(|_| self.damaged("batches"))?)?;
        }
        Ok(())
    }

    /// Sequence of the batch with that id.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn sequence_of_id(&self, id: Uuid) -> Result<Option<Sequence>, HistoryError> {
        self.sequence(&self.ids, id.as_bytes())
    }

    /// Sequence of the newest batch up to `newest` with that key in its source.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn sequence_of_source(
        &self,
        source: &str,
        newest: Sequence,
    ) -> Result<Option<Sequence>, HistoryError> {
        let keys = codec::source_key(source, Sequence(0))..=codec::source_key(source, newest);
        let Some(item) = self.sources.range(keys).next_back() else { return Ok(None) };
        let key = item.key().map_err(self.fault("reading"))?;
        let bytes = key.last_chunk::<8>().ok_or_else(|| self.damaged("batch_sources"))?;
        Ok(Some(Sequence(u64::from_be_bytes(*bytes))))
    }

    /// When a batch was withdrawn, if it was.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn withdrawn_at(&self, sequence: Sequence) -> Result<Option<Instant>, HistoryError> {
        let bytes =
            self.withdrawals.get(sequence.0.to_be_bytes()).map_err(self.fault("reading"))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let bytes = <[u8; 8]>::try_from(&*bytes).map_err(|_| self.damaged("withdrawals"))?;
        Ok(Some(Instant(i64::from_be_bytes(bytes))))
    }

    /// The answer remembered for that scope, with the digest of its body.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn answer(&self, scope: &[u8; 32]) -> Result<Option<([u8; 32], Reply)>, HistoryError> {
        let bytes = self.answers.get(scope).map_err(self.fault("reading"))?;
        bytes
            .map(|bytes| postcard::from_bytes(&bytes).map_err(|_| self.damaged("answers")))
            .transpose()
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
