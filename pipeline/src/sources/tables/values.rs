//! Rows of forecasts: values of slots, gathered to the saves of a transaction.

use std::borrow::Cow;
use std::sync::Arc;

use smartpulse_connectors::{Datum, Field, Moment, TableMapping, postgres_moment};
use smartpulse_datasets::slots::{Reading, SlotValue, ValueRules};
use smartpulse_operators::quantity::Measure;
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{Instant, Period, Zone};
use smartpulse_operators::unit::{Unit, UnitType};

use super::fields::{RowFault, fault};

/// Microseconds in a minute.
const MINUTE: i64 = 60_000_000;

/// What the values of a save have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::sources) struct Header {
    /// The database, and the table where several hold values.
    pub(in crate::sources) origin: Arc<str>,
    pub(in crate::sources) batch: Option<Arc<str>>,
    pub(in crate::sources) provider: Provider,
    pub(in crate::sources) kind: Kind,
    /// None: from when it is recorded.
    pub(in crate::sources) valid_after: Option<Instant>,
}

/// User and note of a batch.
pub(in crate::sources) type Said = (Option<Arc<str>>, Option<Arc<str>>);

/// Where a field comes from, once the columns are known.
#[derive(Clone, Debug)]
enum Source {
    Value(String),
    Column { at: usize, zone: Option<Zone> },
    Nothing,
}

/// Where the fields of a value lie in a row.
#[derive(Clone, Debug)]
pub(in crate::sources) struct Layout {
    origin: Arc<str>,
    unit_type: Source,
    unit_no: Source,
    provider: Source,
    kind: Source,
    start: Source,
    end: Source,
    period: Source,
    valid_after: Source,
    value: Source,
    measure: Source,
    pub(in crate::sources) batch: Option<usize>,
    user: Source,
    note: Source,
    /// Whether a deleted row takes its value back.
    pub(in crate::sources) deletes: bool,
}

impl Layout {
    pub(in crate::sources) fn origin(&self) -> &Arc<str> {
        &self.origin
    }

    /// Whether a row that changed says that its value did not.
    pub(in crate::sources) fn is_unchanged(&self, row: &[Datum<'_>]) -> bool {
        let Source::Column { at, .. } = &self.value else { return false };
        row.get(*at) == Some(&Datum::Unchanged)
    }

    /// The layout of rows of `columns`; with `joined`, user and note stand behind them.
    ///
    /// The inner error is a column that is not there.
    pub(in crate::sources) fn of(
        origin: &Arc<str>,
        mapping: &TableMapping,
        columns: &[String],
        joined: bool,
    ) -> Result<Layout, String> {
        let source = |field: &str, is_needed: bool| match mapping.fields.get(field) {
            None => Ok(Source::Nothing),
            Some(Field::Value(value)) => Ok(Source::Value(value.clone())),
            Some(Field::Column { column, zone, .. }) => {
                match columns.iter().position(|known| known == column) {
                    Some(at) => Ok(Source::Column { at, zone: zone.clone() }),
                    None if is_needed => Err(column.clone()),
                    None => Ok(Source::Nothing),
                }
            }
        };
        let behind = |place: usize| Source::Column { at: columns.len() + place, zone: None };
        let batch = match source("batch", false)? {
            Source::Column { at, .. } => Some(at),
            Source::Value(_) | Source::Nothing => None,
        };
        Ok(Layout {
            origin: Arc::clone(origin),
            unit_type: source("unit_type", true)?,
            unit_no: source("unit_no", true)?,
            provider: source("provider", true)?,
            kind: source("kind", false)?,
            start: source("delivery_start", true)?,
            end: source("delivery_end", true)?,
            period: source("period_minutes", true)?,
            valid_after: source("valid_after", true)?,
            value: source("value", true)?,
            measure: source("measure_unit", false)?,
            batch,
            user: if joined { behind(0) } else { source("user", false)? },
            note: if joined { behind(1) } else { source("note", false)? },
            deletes: mapping.deletes,
        })
    }
}

/// The values of a row, by column.
pub(in crate::sources) trait Values {
    /// The text of a column; none where it has no value or is not told.
    fn at(&self, column: usize) -> Option<&str>;
}

impl Values for [Option<Cow<'_, str>>] {
    fn at(&self, column: usize) -> Option<&str> {
        self.get(column)?.as_deref()
    }
}

impl Values for [Datum<'_>] {
    fn at(&self, column: usize) -> Option<&str> {
        match self.get(column)? {
            Datum::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads rows, remembering what it read last: neighbours share nearly everything.
pub(in crate::sources) struct ValueReader {
    pub(in crate::sources) rules: ValueRules,
    pub(in crate::sources) allowed: Vec<Period>,
    unit_type: Remembered<UnitType>,
    provider: Remembered<Provider>,
    valid_after: Remembered<Instant>,
    batch: Option<Arc<str>>,
    user: Option<Arc<str>>,
    note: Option<Arc<str>>,
}

impl ValueReader {
    pub(in crate::sources) fn new(rules: ValueRules, allowed_periods: &[u16]) -> ValueReader {
        let allowed = allowed_periods.iter().filter_map(|minutes| Period::new(*minutes));
        ValueReader {
            rules,
            allowed: allowed.collect(),
            unit_type: Remembered::default(),
            provider: Remembered::default(),
            valid_after: Remembered::default(),
            batch: None,
            user: None,
            note: None,
        }
    }

    /// The value in a row; one that was deleted says nothing of its slot any more.
    pub(in crate::sources) fn read<V: Values + ?Sized>(
        &mut self,
        layout: &Layout,
        row: &V,
        is_deleted: bool,
    ) -> Result<(Header, Said, SlotValue), RowFault> {
        let unit_type = self.unit_type.read(text_of(&layout.unit_type, row), UnitType::parse);
        let unit_type = unit_type.ok_or_else(|| fault("unit_type", "PP, CMP or GRP"))?;
        let unit_no = text_of(&layout.unit_no, row).and_then(Unit::parse_no);
        let unit_no = unit_no.ok_or_else(|| fault("unit_no", "a positive integer"))?;
        let unit = Unit { unit_type, unit_no };
        let provider = self.provider.read(text_of(&layout.provider, row), Provider::parse);
        let provider = provider.ok_or_else(|| fault("provider", "1 to 50 characters"))?;
        let kind = match text_of(&layout.kind, row) {
            None => Kind::Forecast,
            Some(word) => Kind::parse(word).ok_or_else(|| fault("kind", "forecast or actual"))?,
        };
        let start = instant(&layout.start, row)
            .ok_or_else(|| fault("delivery_start", "an instant that is there once"))?;
        let period = self.period(layout, row, start)?;
        let valid_after = match (&layout.valid_after, text_of(&layout.valid_after, row)) {
            (_, None) => None,
            (Source::Column { zone, .. }, Some(written)) => {
                let read = |written: &str| at(written, zone.as_ref());
                let read = self.valid_after.read(Some(written), read);
                Some(read.ok_or_else(|| fault("valid_after", "an instant that is there once"))?)
            }
            (_, Some(written)) => {
                Some(at(written, None).ok_or_else(|| fault("valid_after", "an instant"))?)
            }
        };
        let measure = match text_of(&layout.measure, row) {
            None => Measure::default(),
            Some(word) => Measure::parse(word)
                .ok_or_else(|| fault("measure_unit", "0 to 3, kW, MW, kWh or MWh"))?,
        };
        let reading = match text_of(&layout.value, row).filter(|_| !is_deleted) {
            None => Reading::WITHDRAWN,
            Some(written) => self.rules.read(written, measure, period),
        };
        let batch = layout.batch.and_then(|at| row.at(at));
        let header = Header {
            origin: Arc::clone(&layout.origin),
            batch: shared(&mut self.batch, batch),
            provider,
            kind,
            valid_after,
        };
        let user = shared(&mut self.user, text_of(&layout.user, row));
        let note = shared(&mut self.note, text_of(&layout.note, row));
        Ok((header, (user, note), SlotValue { unit, period, start, reading }))
    }

    fn period<V: Values + ?Sized>(
        &self,
        layout: &Layout,
        row: &V,
        start: Instant,
    ) -> Result<Period, RowFault> {
        let (field, minutes) = match text_of(&layout.period, row) {
            Some(text) => ("period_minutes", text.trim().parse::<i64>().ok()),
            None => {
                let end = instant(&layout.end, row);
                let length = end.map(|end| end.0.saturating_sub(start.0));
                let whole = length.filter(|length| length % MINUTE == 0);
                ("delivery_end", whole.map(|length| length / MINUTE))
            }
        };
        let period = minutes.and_then(|minutes| u16::try_from(minutes).ok()).and_then(Period::new);
        let period = period.filter(|period| self.allowed.contains(period));
        period.ok_or_else(|| fault(field, "a slot length that is allowed"))
    }
}

fn text_of<'r, V: Values + ?Sized>(source: &'r Source, row: &'r V) -> Option<&'r str> {
    match source {
        Source::Value(value) => Some(value),
        Source::Column { at, .. } => row.at(*at),
        Source::Nothing => None,
    }
}

fn instant<V: Values + ?Sized>(source: &Source, row: &V) -> Option<Instant> {
    let zone = match source {
        Source::Column { zone, .. } => zone.as_ref(),
        _ => None,
    };
    at(text_of(source, row)?, zone)
}

fn at(written: &str, zone: Option<&Zone>) -> Option<Instant> {
    match postgres_moment(written, zone)? {
        Moment::At(instant) => Some(instant),
        Moment::Beginning | Moment::End => None,
    }
}

/// The text, shared with the row before where it is the same.
fn shared(last: &mut Option<Arc<str>>, text: Option<&str>) -> Option<Arc<str>> {
    let text = text?;
    if last.as_deref() != Some(text) {
        *last = Some(text.into());
    }
    last.clone()
}

/// The last text read in a column, and what it means.
struct Remembered<T>(Option<(String, T)>);

impl<T> Default for Remembered<T> {
    fn default() -> Remembered<T> {
        Remembered(None)
    }
}

impl<T: Clone> Remembered<T> {
    fn read(&mut self, text: Option<&str>, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = text?;
        if let Some((known, value)) = &self.0
            && known == text
        {
            return Some(value.clone());
        }
        let value = read(text)?;
        self.0 = Some((text.to_owned(), value.clone()));
        Some(value)
    }
}

#[cfg(test)]
#[path = "values/tests.rs"]
mod tests;
