//! Where the columns of `forecasts` stand in one file.

use std::borrow::Cow;

use crate::error::SourceError;
use crate::table::Table;

/// The columns that are read; all but `user` and `note` must be there.
pub(crate) const WANTED: [&str; 13] = [
    "unit_type",
    "unit_no",
    "provider",
    "kind",
    "valid_after",
    "recorded",
    "delivery_start",
    "period_minutes",
    "measure_unit",
    "value",
    "batch",
    "user",
    "note",
];

/// The place of each column in a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    pub(super) unit_type: usize,
    pub(super) unit_no: usize,
    pub(super) provider: usize,
    pub(super) kind: usize,
    pub(super) valid_after: usize,
    pub(super) recorded: usize,
    pub(super) delivery_start: usize,
    pub(super) period_minutes: usize,
    pub(super) measure_unit: usize,
    pub(super) value: usize,
    pub(super) batch: usize,
    pub(super) user: Option<usize>,
    pub(super) note: Option<usize>,
}

impl Columns {
    pub(super) fn of(table: &Table) -> Result<Columns, SourceError> {
        Ok(Columns {
            unit_type: table.required_column("unit_type")?,
            unit_no: table.required_column("unit_no")?,
            provider: table.required_column("provider")?,
            kind: table.required_column("kind")?,
            valid_after: table.required_column("valid_after")?,
            recorded: table.required_column("recorded")?,
            delivery_start: table.required_column("delivery_start")?,
            period_minutes: table.required_column("period_minutes")?,
            measure_unit: table.required_column("measure_unit")?,
            value: table.required_column("value")?,
            batch: table.required_column("batch")?,
            user: table.column("user"),
            note: table.column("note"),
        })
    }

    /// The text of an optional column, empty where there is none.
    pub(super) fn optional_text<'t>(&self, table: &'t Table, place: Option<usize>) -> Cow<'t, str> {
        place.map_or(Cow::Borrowed(""), |place| table.cell(place).text())
    }
}
