//! `resolved`: what holds for each unit, whatever the periods of its series, one folder a kind and UTC day.

use std::path::Path;

use arrow_array::ArrayRef;
use arrow_array::builder::{Float64Builder, TimestampMicrosecondBuilder};
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::series::{Kind, Series};
use smartpulse_operators::time::{Day, Instant};

use super::partition::PartitionedExport;
use super::slot::SeriesColumns;
use super::view::{Columns, array, instants};
use super::{ExportError, ExportStamp};

/// A slot of which something is covered.
#[derive(Clone, Copy, Debug)]
pub struct ResolvedRow<'a> {
    /// Whose slot, with the period it is read at; its kind is that of the open partition.
    pub series: &'a Series,
    /// Start of the slot, in the open partition's UTC day.
    pub delivery_start: Instant,
    /// Average power over the slot; none where less is covered than was asked for.
    pub value: Option<Quantity>,
    /// Covered time over the slot's length, above 0 and up to 1.
    pub coverage: f64,
}

/// An export of `resolved` that is being written. Dropped before [`ResolvedExport::finish`], it leaves nothing.
pub struct ResolvedExport(PartitionedExport<ResolvedColumns>);

impl ResolvedExport {
    /// Opens an export into the folder `out`, which is created where it is missing.
    ///
    /// # Errors
    /// [`ExportError::Busy`] while another export of this view into `out` is open; [`ExportError::Io`].
    pub fn create(out: &Path, stamp: ExportStamp) -> Result<ResolvedExport, ExportError> {
        let schema = "message resolved {
            required binary unit_type (STRING);
            required int64 unit_no;
            required binary provider (STRING);
            required int32 period_minutes;
            required int64 delivery_start (TIMESTAMP(MICROS,true));
            optional double value_mw;
            required double coverage; }";
        PartitionedExport::create(out, "resolved", stamp, schema).map(ResolvedExport)
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
    /// of [`ResolvedExport::begin`].
    pub fn write(&mut self, row: ResolvedRow<'_>) -> Result<(), ExportError> {
        self.0.write(row.series.kind, row.delivery_start, &row)
    }

    /// Makes what was written durable and puts it in the place of the former export; the number of rows.
    ///
    /// # Errors
    /// Those of [`ResolvedExport::begin`]; the former export is then still there.
    pub fn finish(self) -> Result<u64, ExportError> {
        self.0.finish()
    }
}

#[derive(Default)]
struct ResolvedColumns {
    series: SeriesColumns,
    delivery_start: TimestampMicrosecondBuilder,
    value_mw: Float64Builder,
    coverage: Float64Builder,
    rows: usize,
}

impl Columns for ResolvedColumns {
    type Row<'a> = ResolvedRow<'a>;

    fn push(&mut self, row: &ResolvedRow<'_>) {
        self.series.push(row.series);
        self.delivery_start.append_value(row.delivery_start.0);
        self.value_mw.append_option(row.value.map(Quantity::megawatts));
        self.coverage.append_value(row.coverage);
        self.rows += 1;
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn text_bytes(&self) -> usize {
        self.series.text_bytes()
    }

    fn arrays(self) -> parquet::errors::Result<Vec<ArrayRef>> {
        let mut arrays = self.series.arrays()?;
        arrays.extend([instants(self.delivery_start), array(self.value_mw), array(self.coverage)]);
        Ok(arrays)
    }
}
