//! Rows of Elexon's physical data to pieces of notifications.
//!
//! Only rows of type `PN` state output. `MEL`, `MIL` (export and import limits), `QPN` (quiescent, unused)
//! and `BOALF` (acceptances) do not, nor does a `PN` whose flag says that it is not active; they are left
//! out and counted. A row belongs to the settlement period its own columns name, and its times must lie in
//! it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::time::{CivilTime, Instant, Zone};

use super::segment::{Level, Segment};
use super::settlement::{self, Settlement};
use crate::error::SourceError;
use crate::table::{Cell, Table};

const NOTIFICATION: &str = "PN";
const TYPE: &str = "recordtype";
const ACTIVE: &str = "activeflag";
const DATE: &str = "settlementdate";
const PERIOD: &str = "settlementperiod";
const FROM: &str = "timefrom";
const TO: &str = "timeto";

/// A file and the names of those columns that differ between files, in lower case.
pub(crate) struct Layout {
    pub(crate) file: &'static str,
    unit: &'static str,
    level_from: &'static str,
    level_to: &'static str,
    fuel: Option<&'static str>,
}

/// The files of the data set that hold physical notifications, in the order in which they are read.
pub(crate) const LAYOUTS: [Layout; 2] = [
    Layout {
        file: "fpn.csv",
        unit: "bmunitid",
        level_from: "pnlevelfrom",
        level_to: "pnlevelto",
        fuel: None,
    },
    Layout {
        file: "fpn.parquet",
        unit: "unit",
        level_from: "levelfrom",
        level_to: "levelto",
        fuel: Some("fuel type"),
    },
];

/// One file of notifications, read forwards; rows that are none are passed over.
pub(crate) struct Notifications {
    table: Table,
    path: PathBuf,
    utc: Zone,
    row: u64,
    kind: usize,
    active: Option<usize>,
    unit: usize,
    date: usize,
    period: usize,
    from: usize,
    to: usize,
    level_from: usize,
    level_to: usize,
    fuel: Option<usize>,
    left_out: BTreeMap<String, u64>,
    first_left_out: u64,
}

/// What a row says of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Piece {
    Line(Segment),
    /// A cell refuses the slot's value.
    Refused(Outcome),
}

/// What was left out of a file.
pub(crate) struct LeftOut {
    /// The first such row.
    pub(crate) row: u64,
    pub(crate) text: String,
}

impl Notifications {
    pub(crate) fn open(root: &Path, layout: &Layout) -> Result<Notifications, SourceError> {
        let path = root.join(layout.file);
        let Layout { unit, level_from, level_to, .. } = *layout;
        let mut wanted = vec![TYPE, ACTIVE, DATE, PERIOD, FROM, TO, unit, level_from, level_to];
        wanted.extend(layout.fuel);
        let table = Table::open(&path, &wanted)?;
        Ok(Notifications {
            utc: Zone::parse("UTC").ok_or_else(|| SourceError::Table {
                file: path.clone(),
                rule: "its times are in UTC".to_owned(),
            })?,
            row: 0,
            kind: table.required_column(TYPE)?,
            active: table.column(ACTIVE),
            unit: table.required_column(unit)?,
            date: table.required_column(DATE)?,
            period: table.required_column(PERIOD)?,
            from: table.required_column(FROM)?,
            to: table.required_column(TO)?,
            level_from: table.required_column(level_from)?,
            level_to: table.required_column(level_to)?,
            fuel: layout.fuel.map(|name| table.required_column(name)).transpose()?,
            left_out: BTreeMap::new(),
            first_left_out: 0,
            table,
            path,
        })
    }

    /// Goes to the next notification; false at the end.
    pub(crate) fn advance(&mut self) -> Result<bool, SourceError> {
        while self.table.advance()? {
            self.row += 1;
            let kind = self.table.cell(self.kind).text().trim().to_owned();
            let is_active = self.active.is_none_or(|flag| self.table.cell(flag).text() != "N");
            if kind == NOTIFICATION && is_active {
                return Ok(true);
            }
            let kind = if kind == NOTIFICATION { "PN not active".to_owned() } else { kind };
            *self.left_out.entry(kind).or_default() += 1;
            if self.first_left_out == 0 {
                self.first_left_out = self.row;
            }
        }
        Ok(false)
    }

    /// The current row, from 1 below the header.
    pub(crate) fn row(&self) -> u64 {
        self.row
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.table.bytes_read()
    }

    /// The id of the row's BM unit.
    pub(crate) fn unit(&self) -> Option<String> {
        self.text(self.unit)
    }

    /// The fuel of the row's unit, in lower case.
    pub(crate) fn fuel(&self) -> Option<String> {
        self.fuel.and_then(|column| self.text(column)).map(|fuel| fuel.to_lowercase())
    }

    /// The start of the row's settlement period.
    pub(crate) fn slot(&self, settlement: &Settlement) -> Option<Instant> {
        let number = self.text(self.period)?.parse().ok()?;
        settlement.start(&self.text(self.date)?, number)
    }

    /// What the row says of the slot that begins at `slot`.
    pub(crate) fn piece(&self, slot: Instant) -> Piece {
        match self.segment(slot) {
            Ok(segment) => Piece::Line(segment),
            Err(outcome) => Piece::Refused(outcome),
        }
    }

    /// The rows left out so far in words, if there are any.
    pub(crate) fn left_out(&self) -> Option<LeftOut> {
        let counts: Vec<String> =
            self.left_out.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let text = format!(
            "{}: rows that are no notification of output are left out: {}",
            self.path.display(),
            counts.join(", ")
        );
        (!counts.is_empty()).then_some(LeftOut { row: self.first_left_out, text })
    }

    fn segment(&self, slot: Instant) -> Result<Segment, Outcome> {
        let (from, to) = (self.instant(self.from), self.instant(self.to));
        let (Some(from), Some(to)) = (from, to) else { return Err(Outcome::InvalidValue) };
        let end = slot.plus_minutes(settlement::MINUTES.into());
        if from < slot || to <= from || end < to {
            return Err(Outcome::InvalidValue);
        }
        // Of two bad levels the code that comes first in the order of checks.
        let level_from = Level::parse(&self.table.cell(self.level_from).text());
        let level_to = Level::parse(&self.table.cell(self.level_to).text());
        match (level_from, level_to) {
            (Ok(level_from), Ok(level_to)) => Ok(Segment { from, to, level_from, level_to }),
            (Err(one), Err(other)) => Err(one.min(other)),
            (Err(outcome), Ok(_)) | (Ok(_), Err(outcome)) => Err(outcome),
        }
    }

    fn text(&self, column: usize) -> Option<String> {
        let cell = self.table.cell(column);
        (!cell.is_blank()).then(|| cell.text().trim().to_owned())
    }

    /// Times are timestamps or civil times, both in UTC.
    fn instant(&self, column: usize) -> Option<Instant> {
        let cell = self.table.cell(column);
        if let Cell::Time(instant) = cell {
            return instant;
        }
        self.utc.instant(CivilTime::parse(&cell.text())?).ok()
    }
}
