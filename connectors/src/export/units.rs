//! `units`: the versions of the units' master data, in one file.

use std::path::Path;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::UnitVersion;

use super::part::Bounds;
use super::view::{Columns, ViewExport, array, instants};
use super::{ExportError, ExportStamp};

/// Exports `units` in their order as `out`/`units`; the number of rows. "Always" and "before everything"
/// are null.
///
/// # Errors
/// [`ExportError::Busy`] while another export of the units into `out` is open; [`ExportError::Io`] or
/// [`ExportError::Parquet`]. A former export is then still there.
pub fn export_units<'a>(
    out: &Path,
    stamp: ExportStamp,
    units: impl IntoIterator<Item = &'a UnitVersion>,
) -> Result<u64, ExportError> {
    let mut export =
        ViewExport::<UnitColumns>::create(out, "units", stamp, SCHEMA, Bounds::DEFAULT)?;
    for unit in units {
        export.write(unit)?;
    }
    export.finish_unpartitioned()
}

const SCHEMA: &str = "message units {
    required binary unit_type (STRING);
    required int64 unit_no;
    required binary name (STRING);
    optional binary plant_type (STRING);
    optional double installed_power_mw;
    required binary zone (STRING);
    optional binary region (STRING);
    optional int64 valid_from (TIMESTAMP(MICROS,true));
    optional int64 recorded (TIMESTAMP(MICROS,true));
}";

#[derive(Default)]
struct UnitColumns {
    unit_type: StringBuilder,
    unit_no: Int64Builder,
    name: StringBuilder,
    plant_type: StringBuilder,
    installed_power_mw: Float64Builder,
    zone: StringBuilder,
    region: StringBuilder,
    valid_from: TimestampMicrosecondBuilder,
    recorded: TimestampMicrosecondBuilder,
    rows: usize,
}

impl Columns for UnitColumns {
    type Row<'a> = UnitVersion;

    fn push(&mut self, unit: &UnitVersion) {
        self.unit_type.append_value(unit.unit.unit_type.word());
        self.unit_no.append_value(unit.unit.unit_no as i64);
        self.name.append_value(&unit.name);
        self.plant_type.append_option(unit.plant_type.as_deref());
        self.installed_power_mw.append_option(unit.installed_power.map(Quantity::megawatts));
        self.zone.append_value(&unit.zone);
        self.region.append_option(unit.region.as_deref());
        self.valid_from.append_option(since(unit.valid_from));
        self.recorded.append_option(since(unit.recorded));
        self.rows += 1;
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn text_bytes(&self) -> usize {
        let columns = [&self.name, &self.plant_type, &self.zone, &self.region];
        columns.iter().map(|column| column.values_slice().len()).sum()
    }

    fn arrays(self) -> parquet::errors::Result<Vec<ArrayRef>> {
        Ok(vec![
            array(self.unit_type),
            array(self.unit_no),
            array(self.name),
            array(self.plant_type),
            array(self.installed_power_mw),
            array(self.zone),
            array(self.region),
            instants(self.valid_from),
            instants(self.recorded),
        ])
    }
}

/// The microsecond; none for what was always so.
fn since(instant: Instant) -> Option<i64> {
    (instant != Instant::MIN).then_some(instant.0)
}
