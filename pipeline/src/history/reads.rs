//! What the history store answers.

use std::ops::Range;

use smartpulse_operators::batch::Sequence;
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::time::{Day, Instant};
use smartpulse_serve::command::Reply;
use uuid::Uuid;

use super::codec::{self, BatchRecord, StoredRevision};
use super::{History, HistoryError};

impl History {
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
        days: Range<Day>,
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

    /// Sequences of all batches up to `newest` with that key in their source, ascending.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn sequences_of_source(
        &self,
        source: &str,
        newest: Sequence,
    ) -> Result<Vec<Sequence>, HistoryError> {
        let keys = codec::source_key(source, Sequence(0))..=codec::source_key(source, newest);
        let mut found = Vec::new();
        for item in self.sources.range(keys) {
            let key = item.key().map_err(self.fault("reading"))?;
            let bytes = key.last_chunk::<8>().ok_or_else(|| self.damaged("batch_sources"))?;
            found.push(Sequence(u64::from_be_bytes(*bytes)));
        }
        Ok(found)
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
}
