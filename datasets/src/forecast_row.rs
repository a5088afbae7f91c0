//! One row of `forecasts`: cells to a value of a slot, or to a row that only counts.
//!
//! Nothing is refused here; what a row is refused for depends on its batch. Cells repeat from row to row
//! (provider, times, unit), so the last text of each such column is remembered with its meaning.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use smartpulse_operators::batch::Batch;
use smartpulse_operators::quantity::Measure;
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{Instant, Period};
use smartpulse_operators::unit::{Unit, UnitType};

use self::columns::Columns;
use crate::error::SourceError;
use crate::slots::{Reading, SlotValue, ValueRules};
use crate::table::{Cell, Table};

mod columns;

pub(crate) use self::columns::WANTED;

/// First delivery start that is read; earlier ones are typing errors.
const FIRST_DELIVERY: Instant = Instant(-2_208_988_800_000_000);
/// First delivery start beyond what is read: 2200-01-01.
const END_OF_DELIVERIES: Instant = Instant(7_258_118_400_000_000);

/// What neighbouring rows without a batch cell have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Issue {
    pub(crate) provider: Provider,
    pub(crate) kind: Kind,
    pub(crate) valid_after: Instant,
    pub(crate) recorded: Instant,
}

/// What the rows of a batch must have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) issue: Issue,
    /// The text where it is no measure unit: two such texts differ.
    pub(crate) measure: Result<Measure, String>,
}

/// A row with its batch cell.
#[derive(Debug)]
pub(crate) struct ForecastRow<'t> {
    /// Empty: the row belongs with its neighbours.
    pub(crate) batch: Cow<'t, str>,
    pub(crate) content: Content<'t>,
}

#[derive(Debug)]
pub(crate) enum Content<'t> {
    /// All key cells are readable; `user` and `note` are empty for none.
    Value { header: Header, slot: SlotValue, user: Cow<'t, str>, note: Cow<'t, str> },
    /// Readable, but the period is not allowed.
    BadPeriod { header: Header, unit: Unit },
    /// A key cell is unreadable: the row counts and says nothing.
    Unreadable { issue: Option<Issue>, recorded: Option<Instant> },
}

/// Reads rows, remembering what it read last.
pub(crate) struct RowReader {
    allowed: Vec<Period>,
    values: ValueRules,
    unit_type: Remembered<Option<UnitType>>,
    unit_no: Remembered<Option<u64>>,
    provider: Remembered<Option<Provider>>,
    kind: Remembered<Option<Kind>>,
    valid_after: Remembered<Option<Instant>>,
    recorded: Remembered<Option<Instant>>,
    period: Remembered<Option<PeriodCell>>,
    measure: Remembered<Result<Measure, String>>,
}

/// What an integer in `period_minutes` is.
#[derive(Clone, Copy)]
enum PeriodCell {
    Allowed(Period),
    NotAllowed,
}

impl RowReader {
    /// A reader that allows these periods and reads values by these rules.
    pub(crate) fn new(allowed_periods: &[u16], values: ValueRules) -> RowReader {
        RowReader {
            allowed: allowed_periods.iter().filter_map(|minutes| Period::new(*minutes)).collect(),
            values,
            unit_type: Remembered::default(),
            unit_no: Remembered::default(),
            provider: Remembered::default(),
            kind: Remembered::default(),
            valid_after: Remembered::default(),
            recorded: Remembered::default(),
            period: Remembered::default(),
            measure: Remembered::default(),
        }
    }

    /// The places of the columns of a table of forecasts.
    pub(crate) fn columns(table: &Table) -> Result<Columns, SourceError> {
        Columns::of(table)
    }

    /// Reads the current row of `table`.
    pub(crate) fn read<'t>(&mut self, table: &'t Table, columns: &Columns) -> ForecastRow<'t> {
        let batch = table.cell(columns.batch).text();
        let (valid_after, recorded) = self.times(table, columns);
        let provider = self.provider.read(&table.cell(columns.provider), Provider::parse).clone();
        let kind = *self.kind.read(&table.cell(columns.kind), |text| {
            if text.trim().is_empty() { Some(Kind::default()) } else { Kind::parse(text) }
        });
        let issue = match (provider, kind, valid_after, recorded) {
            (Some(provider), Some(kind), Some(valid_after), Some(recorded)) => {
                Some(Issue { provider, kind, valid_after, recorded })
            }
            _ => None,
        };
        let note = columns.optional_text(table, columns.note);
        let unit = self.unit(table, columns).filter(|_| fits(&note));
        let start = table.cell(columns.delivery_start).instant();
        let start = start.filter(|start| (FIRST_DELIVERY..END_OF_DELIVERIES).contains(start));
        let period = self.period(table, columns);
        let measure = self.measure.read(&table.cell(columns.measure_unit), read_measure).clone();
        let content = match (issue, unit, start, period) {
            (Some(issue), Some(unit), Some(_), Some(PeriodCell::NotAllowed)) => {
                Content::BadPeriod { header: Header { issue, measure }, unit }
            }
            (Some(issue), Some(unit), Some(start), Some(PeriodCell::Allowed(period))) => {
                let reading = self.value(&table.cell(columns.value), &measure, period);
                Content::Value {
                    header: Header { issue, measure },
                    slot: SlotValue { unit, period, start, reading },
                    user: columns.optional_text(table, columns.user),
                    note,
                }
            }
            (issue, ..) => Content::Unreadable { issue, recorded },
        };
        ForecastRow { batch, content }
    }

    /// `valid_after` and `recorded`; where one is empty it is the other.
    fn times(&mut self, table: &Table, columns: &Columns) -> (Option<Instant>, Option<Instant>) {
        let (valid_after, recorded) =
            (table.cell(columns.valid_after), table.cell(columns.recorded));
        let first = self.valid_after.instant(&valid_after);
        let second = self.recorded.instant(&recorded);
        (
            if valid_after.is_blank() { second } else { first },
            if recorded.is_blank() { first } else { second },
        )
    }

    fn unit(&mut self, table: &Table, columns: &Columns) -> Option<Unit> {
        let unit_type = *self.unit_type.read(&table.cell(columns.unit_type), UnitType::parse);
        let unit_no = *self.unit_no.read(&table.cell(columns.unit_no), Unit::parse_no);
        Some(Unit { unit_type: unit_type?, unit_no: unit_no? })
    }

    fn period(&mut self, table: &Table, columns: &Columns) -> Option<PeriodCell> {
        let allowed = &self.allowed;
        *self.period.read(&table.cell(columns.period_minutes), |text| {
            let text = text.trim();
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                return None;
            }
            // Integers that are too long for any period are none that is allowed.
            let period = text.parse().ok().and_then(Period::new);
            let period = period.filter(|period| allowed.contains(period));
            Some(period.map_or(PeriodCell::NotAllowed, PeriodCell::Allowed))
        })
    }

    fn value(&self, cell: &Cell<'_>, measure: &Result<Measure, String>, period: Period) -> Reading {
        match measure {
            _ if cell.is_blank() => Reading::WITHDRAWN,
            Ok(measure) => self.values.read(&cell.text(), *measure, period),
            // Never looked at: its batch is refused whole.
            Err(_) => Reading::Unreadable,
        }
    }
}

/// An empty cell is the contract's default, MW.
fn read_measure(text: &str) -> Result<Measure, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Measure::default());
    }
    Measure::parse(text).ok_or_else(|| text.to_owned())
}

/// Whether a note has a length that can be kept; cutting it would change what was said.
fn fits(note: &str) -> bool {
    note.len() <= Batch::NOTE_CHARS || note.chars().count() <= Batch::NOTE_CHARS
}

/// The last text read in a column, and what it means.
struct Remembered<T>(Option<(String, T)>);

impl<T> Default for Remembered<T> {
    fn default() -> Remembered<T> {
        Remembered(None)
    }
}

impl<T> Remembered<T> {
    /// What `cell` means: remembered, or read now.
    fn read(&mut self, cell: &Cell<'_>, read: impl FnOnce(&str) -> T) -> &T {
        let text = cell.text();
        let known = self.0.take().filter(|(known, _)| *known == text);
        &self.0.insert(known.unwrap_or_else(|| (text.clone().into_owned(), read(&text)))).1
    }
}

impl Remembered<Option<Instant>> {
    fn instant(&mut self, cell: &Cell<'_>) -> Option<Instant> {
        match cell {
            Cell::Time(instant) => *instant,
            other => *self.read(other, Instant::parse),
        }
    }
}
