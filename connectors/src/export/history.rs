//! `history`: every revision of every slot, one folder a kind and UTC day.

use std::path::Path;

use arrow_array::ArrayRef;
use arrow_array::builder::{BooleanBuilder, TimestampMicrosecondBuilder};
use smartpulse_operators::batch::Batch;
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::series::{Kind, Series};
use smartpulse_operators::time::{Day, Instant};

use super::partition::PartitionedExport;
use super::slot::{SLOT_COLUMNS, SlotColumns};
use super::view::{Columns, array, instants};
use super::{ExportError, ExportStamp};

/// One revision of a slot.
#[derive(Clone, Copy, Debug)]
pub struct HistoryRow<'a> {
    /// Whose slot; its kind is that of the open partition.
    pub series: &'a Series,
    /// Start of the slot, in the open partition's UTC day.
    pub delivery_start: Instant,
    /// Average power over the slot; none where the revision withdrew it (`withdrawn`).
    pub value: Option<Quantity>,
    /// The save that made the revision: instants, sequence, ids, user and note are its.
    pub batch: &'a Batch,
    /// Whether the value was counted as skipped, being what was there.
    pub confirmed: bool,
    /// When the whole batch was withdrawn, if it was.
    pub batch_withdrawn_at: Option<Instant>,
}

/// An export of `history` that is being written. Dropped before [`HistoryExport::finish`], it leaves
/// nothing.
pub struct HistoryExport(PartitionedExport<HistoryColumns>);

impl HistoryExport {
    /// Opens an export of `view` into the folder `out`, which is created where it is missing.
    ///
    /// # Errors
    /// [`ExportError::Busy`] while another export of this view into `out` is open; [`ExportError::Io`].
    pub fn create(
        out: &Path,
        view: &str,
        stamp: ExportStamp,
    ) -> Result<HistoryExport, ExportError> {
        let schema = format!("message history {{ {SLOT_COLUMNS} {REVISION_COLUMNS} }}");
        PartitionedExport::create(out, view, stamp, &schema).map(HistoryExport)
    }

    /// Ends the open partition and opens the one of `kind` and UTC `day`. One without rows gets no folder.
    ///
    /// # Errors
    /// [`ExportError::Io`], [`ExportError::Parquet`] or [`ExportError::PartitionRepeated`] from writing
    /// what the partition before still held.
    pub fn begin(&mut self, kind: Kind, day: Day) -> Result<(), ExportError> {
        self.0.begin(kind, day)
    }

    /// Adds a row to the open partition; the file has them in the order of the calls.
    ///
    /// # Errors
    /// [`ExportError::OutsidePartition`] where the row is not of the open partition; now and then those
    /// of [`HistoryExport::begin`].
    pub fn write(&mut self, row: HistoryRow<'_>) -> Result<(), ExportError> {
        self.0.write(row.series.kind, row.delivery_start, &row)
    }

    /// Makes what was written durable and puts it in the place of `out`/`view`; the number of rows.
    ///
    /// # Errors
    /// Those of [`HistoryExport::begin`]; the former export is then still there.
    pub fn finish(self) -> Result<u64, ExportError> {
        self.0.finish()
    }
}

/// The columns behind those of `latest`.
const REVISION_COLUMNS: &str = "
    required boolean withdrawn;
    required boolean confirmed;
    optional int64 batch_withdrawn_at (TIMESTAMP(MICROS,true));";

#[derive(Default)]
struct HistoryColumns {
    slots: SlotColumns,
    withdrawn: BooleanBuilder,
    confirmed: BooleanBuilder,
    batch_withdrawn_at: TimestampMicrosecondBuilder,
}

impl Columns for HistoryColumns {
    type Row<'a> = HistoryRow<'a>;

    fn push(&mut self, row: &HistoryRow<'_>) {
        self.slots.push(row.series, row.delivery_start, row.value, row.batch);
        self.withdrawn.append_value(row.value.is_none());
        self.confirmed.append_value(row.confirmed);
        self.batch_withdrawn_at.append_option(row.batch_withdrawn_at.map(|instant| instant.0));
    }

    fn rows(&self) -> usize {
        self.slots.rows()
    }

    fn text_bytes(&self) -> usize {
        self.slots.text_bytes()
    }

    fn arrays(self) -> parquet::errors::Result<Vec<ArrayRef>> {
        let mut arrays = self.slots.arrays()?;
        arrays.extend([
            array(self.withdrawn),
            array(self.confirmed),
            instants(self.batch_withdrawn_at),
        ]);
        Ok(arrays)
    }
}
