//! `batches`: the saves, in files without partitions.

use std::path::Path;

use arrow_array::ArrayRef;
use arrow_array::builder::{Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use smartpulse_operators::batch::Batch;
use smartpulse_operators::time::Instant;
use uuid::fmt::Hyphenated;

use super::part::Bounds;
use super::view::{Columns, ViewExport, array, instants};
use super::{ExportError, ExportStamp};

/// A save and what became of its values.
#[derive(Clone, Copy, Debug)]
pub struct BatchRow<'a> {
    /// The save.
    pub batch: &'a Batch,
    /// Values saved, nulls too.
    pub saved: u64,
    /// Values skipped, being what was there.
    pub skipped: u64,
    /// When the batch was withdrawn, if it was.
    pub withdrawn_at: Option<Instant>,
}

/// Exports `batches` in their order as `out`/`batches`; the number of rows.
///
/// # Errors
/// Those of [`BatchExport`]'s functions. A former export is then still there.
pub fn export_batches<'a>(
    out: &Path,
    stamp: ExportStamp,
    batches: impl IntoIterator<Item = BatchRow<'a>>,
) -> Result<u64, ExportError> {
    let mut export = BatchExport::create(out, stamp)?;
    for batch in batches {
        export.write(batch)?;
    }
    export.finish()
}

/// An export of `batches` that is being written, for callers whose batches do not stay in memory. Dropped
/// before [`BatchExport::finish`], it leaves nothing.
pub struct BatchExport(ViewExport<BatchColumns>);

impl BatchExport {
    /// Opens an export of `batches` into the folder `out`, which is created where it is missing.
    ///
    /// # Errors
    /// [`ExportError::Busy`] while another export of the batches into `out` is open; [`ExportError::Io`].
    pub fn create(out: &Path, stamp: ExportStamp) -> Result<BatchExport, ExportError> {
        ViewExport::create(out, "batches", stamp, SCHEMA, Bounds::DEFAULT).map(BatchExport)
    }

    /// Adds a row; the file has them in the order of the calls.
    ///
    /// # Errors
    /// [`ExportError::Io`] or [`ExportError::Parquet`].
    pub fn write(&mut self, row: BatchRow<'_>) -> Result<(), ExportError> {
        self.0.write(&row)
    }

    /// Makes what was written durable and puts it in the place of `out`/`batches`; the number of rows.
    ///
    /// # Errors
    /// [`ExportError::Io`] or [`ExportError::Parquet`]; the former export is then still there.
    pub fn finish(self) -> Result<u64, ExportError> {
        self.0.finish_unpartitioned()
    }
}

const SCHEMA: &str = "message batches {
    required binary batch_id (STRING);
    optional binary source_batch (STRING);
    required int64 sequence;
    required int64 recorded (TIMESTAMP(MICROS,true));
    required binary provider (STRING);
    optional binary user (STRING);
    optional binary note (STRING);
    required int64 saved;
    required int64 skipped;
    optional int64 withdrawn_at (TIMESTAMP(MICROS,true));
}";

#[derive(Default)]
struct BatchColumns {
    batch_id: StringBuilder,
    source_batch: StringBuilder,
    sequence: Int64Builder,
    recorded: TimestampMicrosecondBuilder,
    provider: StringBuilder,
    user: StringBuilder,
    note: StringBuilder,
    saved: Int64Builder,
    skipped: Int64Builder,
    withdrawn_at: TimestampMicrosecondBuilder,
    rows: usize,
}

impl Columns for BatchColumns {
    type Row<'a> = BatchRow<'a>;

    fn push(&mut self, row: &BatchRow<'_>) {
        let batch = row.batch;
        let mut id = [0; Hyphenated::LENGTH];
        self.batch_id.append_value(batch.id.hyphenated().encode_lower(&mut id));
        self.source_batch.append_option(batch.source_batch.as_deref());
        self.sequence.append_value(batch.sequence.0 as i64);
        self.recorded.append_value(batch.recorded.0);
        self.provider.append_value(batch.provider.key());
        self.user.append_option(batch.user.as_deref());
        self.note.append_option(batch.note.as_deref());
        self.saved.append_value(row.saved as i64);
        self.skipped.append_value(row.skipped as i64);
        self.withdrawn_at.append_option(row.withdrawn_at.map(|instant| instant.0));
        self.rows += 1;
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn text_bytes(&self) -> usize {
        let columns = [&self.batch_id, &self.source_batch, &self.provider, &self.user, &self.note];
        columns.iter().map(|column| column.values_slice().len()).sum()
    }

    fn arrays(self) -> parquet::errors::Result<Vec<ArrayRef>> {
        Ok(vec![
            array(self.batch_id),
            array(self.source_batch),
            array(self.sequence),
            instants(self.recorded),
            array(self.provider),
            array(self.user),
            array(self.note),
            array(self.saved),
            array(self.skipped),
            instants(self.withdrawn_at),
        ])
    }
}
