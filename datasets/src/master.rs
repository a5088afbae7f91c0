//! The small files of a long-format folder: units, memberships, properties, locks and withdrawals.
//!
//! They are master data: a cell that cannot be read is an error, never a row left out, and all of them are
//! read before a replay takes anything in.

use std::path::Path;

use smartpulse_operators::change::{BatchName, Change, Checks, Withdrawal};
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::reference::megawatts;
use smartpulse_operators::time::{Instant, Zone};
use smartpulse_operators::unit::{Lock, Membership, Property, Unit, UnitType, UnitVersion};

use crate::assemble::{Arrival, Class, Place};
use crate::error::SourceError;
use crate::sorter::Sorter;
use crate::table::{Cell, Table, files_of};

/// Who sets the locks of a replay, unless a column `user` says it.
const LOCK_USER: &str = "replay";

/// Stands after every instant: an empty `to` of a lock.
const FOREVER: Instant = Instant(i64::MAX);

/// A change and its `recorded`.
type Statement = Result<(Instant, Change), SourceError>;

/// One small file: its name, its columns, and how a row becomes a change at an instant.
struct Statements {
    name: &'static str,
    class: Class,
    /// Columns that must be there; a column that is not there is empty.
    required: &'static [&'static str],
    optional: &'static [&'static str],
    read: fn(&Row<'_>, Checks) -> Statement,
}

const UNITS: Statements = Statements {
    name: "units",
    class: Class::Unit,
    required: &["unit_type", "unit_no"],
    optional: &[
        "name",
        "plant_type",
        "installed_power_mw",
        "zone",
        "region",
        "valid_from",
        "recorded",
    ],
    read: read_unit,
};

const MEMBERSHIPS: Statements = Statements {
    name: "memberships",
    class: Class::Membership,
    required: &["parent_type", "parent_no", "child_type", "child_no"],
    optional: &["valid_from", "valid_to", "recorded"],
    read: read_membership,
};

const PROPERTIES: Statements = Statements {
    name: "properties",
    class: Class::Property,
    required: &["unit_type", "unit_no", "key", "value"],
    optional: &["recorded"],
    read: read_property,
};

const LOCKS: Statements = Statements {
    name: "locks",
    class: Class::Lock,
    required: &["unit_type", "unit_no", "from", "to"],
    optional: &["reason", "expires", "released", "user", "recorded"],
    read: read_lock,
};

const WITHDRAWALS: Statements = Statements {
    name: "withdrawals",
    class: Class::Withdrawal,
    required: &["batch"],
    optional: &["recorded"],
    read: read_withdrawal,
};

/// Puts all statements of the small files in `folder` into `arrivals`; whether there is a units file.
pub(crate) fn read_folder(
    folder: &Path,
    checks: Checks,
    arrivals: &mut Sorter<Place, Arrival>,
) -> Result<bool, SourceError> {
    let mut has_units = false;
    for statements in [UNITS, MEMBERSHIPS, PROPERTIES, LOCKS, WITHDRAWALS] {
        let files = files_of(folder, statements.name)?;
        has_units |= matches!(statements.class, Class::Unit) && !files.is_empty();
        let mut place = 0;
        for file in files {
            let wanted = [statements.required, statements.optional].concat();
            let mut table = Table::open(&file, &wanted)?;
            for column in statements.required {
                table.required_column(column)?;
            }
            while table.advance()? {
                let (recorded, change) = (statements.read)(&Row(&table), checks)?;
                let arrival = Arrival::of(change);
                let bytes = arrival.bytes();
                arrivals.push((recorded, statements.class, place), arrival, bytes)?;
                place += 1;
            }
        }
    }
    Ok(has_units)
}

/// What a unit is known by where nothing describes it.
#[must_use]
pub fn unnamed_unit(unit: Unit, recorded: Instant) -> UnitVersion {
    UnitVersion {
        unit,
        name: unit.to_string(),
        plant_type: None,
        installed_power: None,
        zone: Zone::DEFAULT_NAME.to_owned(),
        region: None,
        valid_from: Instant::MIN,
        recorded,
    }
}

fn read_unit(row: &Row<'_>, _: Checks) -> Statement {
    let recorded = row.recorded()?;
    let unnamed = unnamed_unit(row.unit("unit_type", "unit_no")?, recorded);
    let zone = row.optional_text("zone").unwrap_or(unnamed.zone);
    if Zone::parse(&zone).is_none() {
        return Err(row.0.cell_error("zone", format!("{zone} is no IANA time zone")));
    }
    let power = row.optional_text("installed_power_mw");
    let version = UnitVersion {
        name: row.optional_text("name").unwrap_or(unnamed.name),
        plant_type: row.optional_text("plant_type"),
        installed_power: power.map(|text| row.power("installed_power_mw", &text)).transpose()?,
        zone,
        region: row.optional_text("region"),
        valid_from: row.instant("valid_from")?.unwrap_or(Instant::MIN),
        ..unnamed
    };
    Ok((recorded, Change::Unit(version)))
}

fn read_membership(row: &Row<'_>, _: Checks) -> Statement {
    let recorded = row.recorded()?;
    let membership = Membership {
        parent: row.unit("parent_type", "parent_no")?,
        child: row.unit("child_type", "child_no")?,
        valid_from: row.instant("valid_from")?.unwrap_or(Instant::MIN),
        valid_to: row.instant("valid_to")?,
        recorded,
        deleted: false,
    };
    Ok((recorded, Change::Membership(membership)))
}

fn read_property(row: &Row<'_>, _: Checks) -> Statement {
    let recorded = row.recorded()?;
    let key = row.text("key")?;
    let value = row.optional_text("value");
    if let Some(text) = &value
        && matches!(key.as_str(), "lower_limit_mw" | "upper_limit_mw")
    {
        row.power("value", text)?;
    }
    let property = Property { unit: row.unit("unit_type", "unit_no")?, key, value, recorded };
    Ok((recorded, Change::Property(property)))
}

fn read_lock(row: &Row<'_>, _: Checks) -> Statement {
    let recorded = row.recorded()?;
    let lock = Lock {
        // Numbered when its place among all locks is known.
        id: 0,
        unit: row.unit("unit_type", "unit_no")?,
        from: row.instant("from")?.unwrap_or(Instant::MIN),
        to: row.instant("to")?.unwrap_or(FOREVER),
        user: row.optional_text("user").unwrap_or_else(|| LOCK_USER.to_owned()),
        reason: row.optional_text("reason").unwrap_or_default(),
        expires: row.instant("expires")?,
        released: row.instant("released")?,
        recorded,
    };
    Ok((recorded, Change::Lock(lock)))
}

fn read_withdrawal(row: &Row<'_>, checks: Checks) -> Statement {
    let recorded = row.recorded()?;
    // Not trimmed: a batch cell is any string.
    let batch = row.cell("batch").text().into_owned();
    if batch.is_empty() {
        return Err(row.0.cell_error("batch", "must name a batch"));
    }
    let batch = BatchName::Source(batch);
    Ok((recorded, Change::Withdrawal(Withdrawal { batch, recorded, checks, user: None })))
}

/// The current row of a small file.
struct Row<'t>(&'t Table);

impl<'t> Row<'t> {
    fn cell(&self, column: &str) -> Cell<'t> {
        self.0.column(column).map_or(Cell::Empty, |place| self.0.cell(place))
    }

    fn optional_text(&self, column: &str) -> Option<String> {
        let cell = self.cell(column);
        (!cell.is_blank()).then(|| cell.text().trim().to_owned())
    }

    fn text(&self, column: &str) -> Result<String, SourceError> {
        self.optional_text(column).ok_or_else(|| self.0.cell_error(column, "must not be empty"))
    }

    fn instant(&self, column: &str) -> Result<Option<Instant>, SourceError> {
        let cell = self.cell(column);
        if cell.is_blank() {
            return Ok(None);
        }
        let rule = "must be a time with its offset, like 2026-01-31T00:00:00Z";
        cell.instant().map(Some).ok_or_else(|| self.0.cell_error(column, rule))
    }

    /// Empty: known before everything.
    fn recorded(&self) -> Result<Instant, SourceError> {
        Ok(self.instant("recorded")?.unwrap_or(Instant::MIN))
    }

    fn unit(&self, type_column: &str, no_column: &str) -> Result<Unit, SourceError> {
        let unit_type = UnitType::parse(&self.cell(type_column).text())
            .ok_or_else(|| self.0.cell_error(type_column, "must be PP, CMP or GRP"))?;
        let unit_no = Unit::parse_no(&self.cell(no_column).text())
            .ok_or_else(|| self.0.cell_error(no_column, "must be a positive integer"))?;
        Ok(Unit { unit_type, unit_no })
    }

    fn power(&self, column: &str, text: &str) -> Result<Quantity, SourceError> {
        megawatts(text).ok_or_else(|| self.0.cell_error(column, "must be a number of MW"))
    }
}
