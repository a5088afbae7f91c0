//! What has closed but is not in the store yet, laid over every read; and the thread that writes it.
//!
//! Writing an epoch may take the store up to half a second now and then, so a thread of its own writes,
//! behind a bounded queue. Reads see store and tail together: nothing that has closed is ever missing. Where
//! the disk is full the thread waits for room, and reads go on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use smartpulse_operators::batch::{Epoch, Sequence};
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::time::Instant;
use uuid::Uuid;

use super::backlog::{Backlog, Writing};
use super::codec::{BatchRecord, StoredRevision};
use super::shelf::Shelf;
use super::writer::write_behind;
use super::{EpochHistory, History, HistoryError};
use smartpulse_serve::command::Reply;

/// Epochs that may wait to be written, however few values they hold: enough to ride out a stall of the store.
const QUEUE_EPOCHS: usize = 256;

/// Store and tail as one.
#[derive(Clone)]
pub struct Archive {
    shelf: Arc<Shelf>,
    waiting: Waiting,
    queue: SyncSender<Order>,
    signs: Arc<Signs>,
    backlog: Arc<Backlog>,
}

/// By epoch and part of it.
pub(super) type Waiting = Arc<RwLock<BTreeMap<(Epoch, u32), Arc<EpochHistory>>>>;

/// What the writer and its users tell each other.
#[derive(Default)]
pub(super) struct Signs {
    /// The writer waits for room on the disk.
    pub(super) waits_for_room: AtomicBool,
    /// The writer shall end rather than wait.
    pub(super) hurries: AtomicBool,
}

pub(super) enum Order {
    Write(Arc<EpochHistory>),
    /// Answer when everything ordered before is durable.
    Persist(SyncSender<()>),
}

impl Archive {
    /// An archive over `store` and the thread that writes behind it. The thread ends when the last clone
    /// is dropped, with everything written, or with the error that stopped it.
    #[must_use]
    pub fn start(store: History) -> (Archive, JoinHandle<Result<(), HistoryError>>) {
        let (archive, orders) = Archive::over(store);
        let (shelf, waiting, signs) =
            (Arc::clone(&archive.shelf), Arc::clone(&archive.waiting), Arc::clone(&archive.signs));
        let writing = Writing(Arc::clone(&archive.backlog));
        let writer =
            thread::spawn(move || write_behind(&shelf, &waiting, &signs, &writing, &orders));
        (archive, writer)
    }

    fn over(store: History) -> (Archive, Receiver<Order>) {
        let (queue, orders) = mpsc::sync_channel(QUEUE_EPOCHS);
        let (shelf, waiting) = (Arc::new(Shelf::new(store)), Waiting::default());
        let (signs, backlog) = (Arc::default(), Arc::default());
        (Archive { shelf, waiting, queue, signs, backlog }, orders)
    }

    /// An archive that writes nothing: its thread compares every epoch up to `applied` with what `store`
    /// holds, and ends with the differences in words.
    #[must_use]
    pub fn compare(store: History, applied: Epoch) -> (Archive, JoinHandle<Vec<String>>) {
        let (archive, orders) = Archive::over(store.clone());
        let waiting = Arc::clone(&archive.waiting);
        let writing = Writing(Arc::clone(&archive.backlog));
        let comparer = thread::spawn(move || {
            let mut differences = Vec::new();
            while let Ok(order) = orders.recv() {
                let Order::Write(epoch) = order else { continue };
                writing.0.leave(values(&epoch));
                if epoch.epoch <= applied {
                    let compared = store.differences(&epoch);
                    differences
                        .extend(compared.unwrap_or_else(|problem| vec![problem.to_string()]));
                    let place = (epoch.epoch, epoch.part);
                    waiting.write().unwrap_or_else(PoisonError::into_inner).remove(&place);
                }
            }
            differences
        });
        (archive, comparer)
    }

    /// Whether the disk of the store is full: what closes now would have to wait in memory.
    #[must_use]
    pub fn waits_for_room(&self) -> bool {
        self.signs.waits_for_room.load(Ordering::Relaxed)
    }

    /// From now on a full disk ends the writer: what the store lacks is written at the next start.
    pub fn hurry(&self) {
        self.signs.hurries.store(true, Ordering::Relaxed);
    }

    /// Hands a closed epoch over; waits when the writer is far behind. False when the writer has failed.
    #[must_use]
    pub fn push(&self, epoch: EpochHistory) -> bool {
        self.backlog.enter(values(&epoch));
        let epoch = Arc::new(epoch);
        let mut waiting = self.waiting.write().unwrap_or_else(PoisonError::into_inner);
        waiting.insert((epoch.epoch, epoch.part), Arc::clone(&epoch));
        drop(waiting);
        self.queue.send(Order::Write(epoch)).is_ok()
    }

    /// Waits until everything handed over is durable in the store. False when the writer has failed.
    #[must_use]
    pub fn persist(&self) -> bool {
        let (done, wait) = mpsc::sync_channel(1);
        self.queue.send(Order::Persist(done)).is_ok() && wait.recv().is_ok()
    }

    /// Runs `look` on the store alone, which may be ahead of what the caller has seen and lacks what
    /// [`Archive::persist`] did not wait for. A store that met a full disk is not opened again before `look`
    /// returns, so a long one asks [`Archive::waits_for_room`] now and then.
    ///
    /// # Errors
    /// [`HistoryError`], and what `look` returns.
    pub fn read_store<T, E: From<HistoryError>>(
        &self,
        look: impl FnOnce(&History) -> Result<T, E>,
    ) -> Result<T, E> {
        self.shelf.read(look)
    }

    /// Epochs not yet written.
    #[must_use]
    pub fn lag(&self) -> usize {
        self.waiting.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Revisions of a series day, those of withdrawn batches too, in `(valid_after, sequence)` order.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn day(&self, series_day: SeriesDay) -> Result<Vec<StoredRevision>, HistoryError> {
        // The tail first: an epoch may move to the store in between, and twice is better than never.
        let recent: Vec<StoredRevision> = self.in_tail(|epoch| {
            let of_day = epoch.revisions.iter().filter(|(day, _)| *day == series_day);
            of_day.map(|(_, stored)| stored.clone()).collect::<Vec<_>>()
        });
        let mut revisions = self.shelf.read(|store| store.day(series_day))?;
        for stored in recent {
            let order = stored.revision.batch.order();
            let place = revisions.partition_point(|known| known.revision.batch.order() < order);
            if revisions.get(place).is_none_or(|known| known.revision.batch.order() != order) {
                revisions.insert(place, stored);
            }
        }
        Ok(revisions)
    }

    /// Series days that a batch has revisions in, sorted.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn days_of(&self, sequence: Sequence) -> Result<Vec<SeriesDay>, HistoryError> {
        let mut days = self.in_tail(|epoch| {
            let of_batch = epoch
                .revisions
                .iter()
                .filter(|(_, stored)| stored.revision.batch.sequence == sequence);
            of_batch.map(|(day, _)| *day).collect::<Vec<_>>()
        });
        days.extend(self.shelf.read(|store| store.days_of(sequence))?);
        days.sort_unstable();
        days.dedup();
        Ok(days)
    }

    /// The batch of that sequence.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn batch(&self, sequence: Sequence) -> Result<Option<BatchRecord>, HistoryError> {
        let recent = self.newest_batch(|record| record.batch.sequence == sequence);
        recent.map_or_else(
            || self.shelf.read(|store| store.batch(sequence)),
            |record| Ok(Some(record)),
        )
    }

    /// The batch of that id.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn batch_of_id(&self, id: Uuid) -> Result<Option<BatchRecord>, HistoryError> {
        if let Some(record) = self.newest_batch(|record| record.batch.id == id) {
            return Ok(Some(record));
        }
        let sequence = self.shelf.read(|store| store.sequence_of_id(id))?;
        sequence.map_or(Ok(None), |sequence| self.shelf.read(|store| store.batch(sequence)))
    }

    /// The newest batch up to `newest` of that key in its source.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn batch_of_source(
        &self,
        source: &str,
        newest: Sequence,
    ) -> Result<Option<BatchRecord>, HistoryError> {
        let named = |record: &BatchRecord| record.batch.source_batch.as_deref() == Some(source);
        if let Some(record) =
            self.newest_batch(|record| named(record) && record.batch.sequence <= newest)
        {
            return Ok(Some(record));
        }
        let sequence = self.shelf.read(|store| store.sequence_of_source(source, newest))?;
        sequence.map_or(Ok(None), |sequence| self.shelf.read(|store| store.batch(sequence)))
    }

    /// All batches up to `newest` of that key in their source, in order of acceptance.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn batches_of_source(
        &self,
        source: &str,
        newest: Sequence,
    ) -> Result<Vec<BatchRecord>, HistoryError> {
        let mut found: BTreeMap<Sequence, BatchRecord> = BTreeMap::new();
        let named = |record: &&BatchRecord| {
            record.batch.source_batch.as_deref() == Some(source) && record.batch.sequence <= newest
        };
        // The tail first, as for a day.
        for record in self.in_tail(|epoch| epoch.batches.iter().filter(named).cloned().collect()) {
            found.insert(record.batch.sequence, record);
        }
        self.shelf.read(|store| {
            for sequence in store.sequences_of_source(source, newest)? {
                if let Some(record) = store.batch(sequence)? {
                    found.insert(sequence, record);
                }
            }
            Ok::<(), HistoryError>(())
        })?;
        Ok(found.into_values().collect())
    }

    /// When a batch was withdrawn, if it was.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn withdrawn_at(&self, sequence: Sequence) -> Result<Option<Instant>, HistoryError> {
        let recent = self.in_tail(|epoch| {
            let withdrawn = epoch.withdrawn.filter(|(withdrawn, _)| *withdrawn == sequence);
            withdrawn.map(|(_, instant)| instant).into_iter().collect::<Vec<_>>()
        });
        recent.first().map_or_else(
            || self.shelf.read(|store| store.withdrawn_at(sequence)),
            |instant| Ok(Some(*instant)),
        )
    }

    /// The answer remembered for a request's scope, with the digest of its body.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn answer(&self, scope: &[u8; 32]) -> Result<Option<([u8; 32], Reply)>, HistoryError> {
        let recent = self.in_tail(|epoch| {
            let known = epoch.answers.iter().filter(|(idempotency, _)| idempotency.scope == *scope);
            known.map(|(idempotency, reply)| (idempotency.body, reply.clone())).collect::<Vec<_>>()
        });
        recent
            .into_iter()
            .next_back()
            .map_or_else(|| self.shelf.read(|store| store.answer(scope)), |answer| Ok(Some(answer)))
    }

    fn newest_batch(&self, wanted: impl Fn(&BatchRecord) -> bool) -> Option<BatchRecord> {
        let found = self.in_tail(|epoch| {
            epoch.batches.iter().filter(|record| wanted(record)).cloned().collect::<Vec<_>>()
        });
        found.into_iter().next_back()
    }

    fn in_tail<T>(&self, look: impl Fn(&EpochHistory) -> Vec<T>) -> Vec<T> {
        let waiting = self.waiting.read().unwrap_or_else(PoisonError::into_inner);
        waiting.values().flat_map(|epoch| look(epoch)).collect()
    }
}

/// Values of an epoch, by which its size is bounded.
pub(super) fn values(epoch: &EpochHistory) -> usize {
    epoch.revisions.iter().map(|(_, stored)| stored.revision.values.len()).sum()
}
