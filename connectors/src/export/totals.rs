//! `totals`: the sums of plants by company, group, region, plant type and all, one folder a kind and UTC day.

use std::path::Path;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    Float64Builder, Int32Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{Day, Instant, Period};
use smartpulse_operators::total::Total;

use super::partition::PartitionedExport;
use super::slot::keyed;
use super::view::{Columns, array, instants};
use super::{ExportError, ExportStamp};

/// A slot of a total to which somebody reports.
#[derive(Clone, Copy, Debug)]
pub struct TotalRow<'a> {
    /// What is summed.
    pub total: &'a Total,
    /// The kind of the open partition.
    pub kind: Kind,
    /// Whose forecasts.
    pub provider: &'a Provider,
    /// Length of the slot.
    pub period: Period,
    /// Start of the slot, in the open partition's UTC day.
    pub delivery_start: Instant,
    /// Sum of the members' average power; none where less is covered than was asked for.
    pub value: Option<Quantity>,
    /// Plants that belong, at most at once.
    pub members: u32,
    /// Those with a value, at most at once.
    pub reporting: u32,
    /// Σ(reporting × time) / Σ(members × time).
    pub coverage: f64,
}

/// An export of `totals` that is being written. Dropped before [`TotalsExport::finish`], it leaves nothing.
pub struct TotalsExport(PartitionedExport<TotalColumns>);

impl TotalsExport {
    /// Opens an export into the folder `out`, which is created where it is missing.
    ///
    /// # Errors
    /// [`ExportError::Busy`] while another export of this view into `out` is open; [`ExportError::Io`].
    pub fn create(out: &Path, stamp: ExportStamp) -> Result<TotalsExport, ExportError> {
        let schema = "message totals {
            required binary dimension (STRING);
            required binary key (STRING);
            required binary provider (STRING);
            required int32 period_minutes;
            required int64 delivery_start (TIMESTAMP(MICROS,true));
            optional double value_mw;
            required int32 members;
            required int32 reporting;
            required double coverage; }";
        PartitionedExport::create(out, "totals", stamp, schema).map(TotalsExport)
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
    /// of [`TotalsExport::begin`].
    pub fn write(&mut self, row: TotalRow<'_>) -> Result<(), ExportError> {
        self.0.write(row.kind, row.delivery_start, &row)
    }

    /// Makes what was written durable and puts it in the place of the former export; the number of rows.
    ///
    /// # Errors
    /// Those of [`TotalsExport::begin`]; the former export is then still there.
    pub fn finish(self) -> Result<u64, ExportError> {
        self.0.finish()
    }
}

/// The rows of a row group; names are one entry a stretch of rows that share them.
#[derive(Default)]
struct TotalColumns {
    last: Option<(Total, Provider, Period)>,
    dimension: StringBuilder,
    key: StringBuilder,
    provider: StringBuilder,
    period_minutes: Int32Builder,
    entries: i32,
    keys: Vec<i32>,
    delivery_start: TimestampMicrosecondBuilder,
    value_mw: Float64Builder,
    members: Int32Builder,
    reporting: Int32Builder,
    coverage: Float64Builder,
}

impl Columns for TotalColumns {
    type Row<'a> = TotalRow<'a>;

    fn push(&mut self, row: &TotalRow<'_>) {
        let is_same = self.last.as_ref().is_some_and(|(total, provider, period)| {
            (total, provider, *period) == (row.total, row.provider, row.period)
        });
        if !is_same {
            self.last = Some((row.total.clone(), row.provider.clone(), row.period));
            self.entries += 1;
            self.dimension.append_value(row.total.dimension());
            self.key.append_value(row.total.key());
            self.provider.append_value(row.provider.key());
            self.period_minutes.append_value(i32::from(row.period.minutes()));
        }
        self.keys.push(self.entries - 1);
        self.delivery_start.append_value(row.delivery_start.0);
        self.value_mw.append_option(row.value.map(Quantity::megawatts));
        self.members.append_value(row.members as i32);
        self.reporting.append_value(row.reporting as i32);
        self.coverage.append_value(row.coverage);
    }

    fn rows(&self) -> usize {
        self.keys.len()
    }

    fn text_bytes(&self) -> usize {
        self.key.values_slice().len() + self.provider.values_slice().len()
    }

    fn arrays(self) -> parquet::errors::Result<Vec<ArrayRef>> {
        let names = [
            array(self.dimension),
            array(self.key),
            array(self.provider),
            array(self.period_minutes),
        ];
        let mut arrays = keyed(self.keys, names)?;
        arrays.extend([
            instants(self.delivery_start),
            array(self.value_mw),
            array(self.members),
            array(self.reporting),
            array(self.coverage),
        ]);
        Ok(arrays)
    }
}
