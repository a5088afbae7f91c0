//! `units`: the versions of the units' master data, in one file.

use std::path::Path;

use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::UnitVersion;

use super::column::{NumberColumn, Powers, TextColumn};
use super::page::RowGroup;
use super::part::Bounds;
use super::view::{Columns, ViewExport};
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
    unit_type: TextColumn,
    unit_no: NumberColumn,
    name: TextColumn,
    plant_type: TextColumn,
    installed_power_mw: Powers,
    zone: TextColumn,
    region: TextColumn,
    valid_from: NumberColumn,
    recorded: NumberColumn,
}

impl Columns for UnitColumns {
    type Row<'a> = UnitVersion;

    fn push(&mut self, unit: &UnitVersion) {
        self.unit_type.push(Some(unit.unit.unit_type.word()));
        self.unit_no.push(Some(unit.unit.unit_no as i64));
        self.name.push(Some(&unit.name));
        self.plant_type.push(unit.plant_type.as_deref());
        self.installed_power_mw.push(unit.installed_power);
        self.zone.push(Some(&unit.zone));
        self.region.push(unit.region.as_deref());
        self.valid_from.push(since(unit.valid_from));
        self.recorded.push(since(unit.recorded));
    }

    fn rows(&self) -> usize {
        self.installed_power_mw.rows()
    }

    fn text_bytes(&self) -> usize {
        let columns = [&self.name, &self.plant_type, &self.zone, &self.region];
        columns.iter().map(|column| column.texts.plain().len()).sum()
    }

    fn write(&self, group: &mut RowGroup<'_>) -> parquet::errors::Result<()> {
        group.text_column(&self.unit_type)?;
        group.number_column(&self.unit_no)?;
        group.text_column(&self.name)?;
        group.text_column(&self.plant_type)?;
        group.powers(&self.installed_power_mw)?;
        group.text_column(&self.zone)?;
        group.text_column(&self.region)?;
        group.number_column(&self.valid_from)?;
        group.number_column(&self.recorded)
    }
}

/// The microsecond; none for what was always so.
fn since(instant: Instant) -> Option<i64> {
    (instant != Instant::MIN).then_some(instant.0)
}
