//! `latest`: the row shown of each slot whose winner is a value, one folder a kind and UTC day.

use std::path::Path;

use arrow_array::ArrayRef;
use smartpulse_operators::batch::Batch;
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::series::{Kind, Series};
use smartpulse_operators::time::{Day, Instant};

use super::partition::PartitionedExport;
use super::slot::{SLOT_COLUMNS, SlotColumns};
use super::view::Columns;
use super::{ExportError, ExportStamp};

/// The row shown of a slot whose winner is a value.
#[derive(Clone, Copy, Debug)]
pub struct LatestRow<'a> {
    /// Whose slot; its kind is that of the open partition.
    pub series: &'a Series,
    /// Start of the slot, in the open partition's UTC day.
    pub delivery_start: Instant,
    /// Average power over the slot.
    pub value: Quantity,
    /// The save the row stands for: instants, sequence, ids, user and note are its.
    pub batch: &'a Batch,
}

/// An export of `latest` that is being written. Dropped before [`LatestExport::finish`], it leaves nothing.
pub struct LatestExport(PartitionedExport<LatestColumns>);

impl LatestExport {
    /// Opens an export of `view` into the folder `out`, which is created where it is missing.
    ///
    /// # Errors
    /// [`ExportError::Busy`] while another export of this view into `out` is open; [`ExportError::Io`].
    pub fn create(out: &Path, view: &str, stamp: ExportStamp) -> Result<LatestExport, ExportError> {
        let schema = format!("message latest {{ {SLOT_COLUMNS} }}");
        PartitionedExport::create(out, view, stamp, &schema).map(LatestExport)
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
    /// of [`LatestExport::begin`].
    pub fn write(&mut self, row: LatestRow<'_>) -> Result<(), ExportError> {
        self.0.write(row.series.kind, row.delivery_start, &row)
    }

    /// Makes what was written durable and puts it in the place of `out`/`view`; the number of rows.
    ///
    /// # Errors
    /// Those of [`LatestExport::begin`]; the former export is then still there.
    pub fn finish(self) -> Result<u64, ExportError> {
        self.0.finish()
    }
}

#[derive(Default)]
struct LatestColumns(SlotColumns);

impl Columns for LatestColumns {
    type Row<'a> = LatestRow<'a>;

    fn push(&mut self, row: &LatestRow<'_>) {
        self.0.push(row.series, row.delivery_start, Some(row.value), row.batch);
    }

    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn text_bytes(&self) -> usize {
        self.0.text_bytes()
    }

    fn arrays(self) -> parquet::errors::Result<Vec<ArrayRef>> {
        self.0.arrays()
    }
}
