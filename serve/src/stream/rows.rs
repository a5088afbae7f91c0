//! The rows of a group at a snapshot: what a read at that epoch would show of it. A delta is the difference
//! of two of them, so there is no second rule of what changes when.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;
use smartpulse_operators::batch::Batch;
use smartpulse_operators::block::DayState;
use smartpulse_operators::resample::{Spread, TotalSpread};
use smartpulse_operators::resolve::resolve_day;
use smartpulse_operators::series::{Series, SeriesId};
use smartpulse_operators::time::{Day, Instant, Period};
use smartpulse_operators::totals::TotalKey;
use smartpulse_operators::unit::Unit;

use super::groups::{Group, range};
use super::selection::Selection;
use crate::doors::units;
use crate::snapshot::Snapshot;

/// A row of a group; its place is its period and start.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) period: Period,
    pub(crate) start: Instant,
    pub(crate) value: RowValue,
}

/// What a row says.
#[derive(Clone, Debug)]
pub(crate) enum RowValue {
    /// A slot as saved, in hundredths of a kW, with the batch of the row shown.
    Saved(i64, Arc<Batch>),
    /// A computed slot, in hundredths of a kW, or of a kWh where energy is asked for; none where too little
    /// is covered.
    Computed { value: Option<i64>, coverage: f64 },
    /// A slot of a total.
    Total { value: Option<i64>, members: u32, reporting: u32, coverage: f64 },
    /// Master data as JSON.
    Unit(String),
}

/// A slot as saved, in hundredths of a kW, with the batch of the row shown.
pub(super) type Stored<'s> = (i64, &'s Arc<Batch>);

/// Whether a slot as saved shows the same before and after.
pub(super) fn is_same(old: Option<Stored<'_>>, new: Option<Stored<'_>>) -> bool {
    let shown = |(value, batch): Stored<'_>| (value, batch.sequence);
    old.map(shown) == new.map(shown)
}

impl PartialEq for RowValue {
    fn eq(&self, other: &RowValue) -> bool {
        match (self, other) {
            (RowValue::Saved(value, batch), RowValue::Saved(other, of)) => {
                is_same(Some((*value, batch)), Some((*other, of)))
            }
            (RowValue::Computed { .. }, RowValue::Computed { .. })
            | (RowValue::Total { .. }, RowValue::Total { .. }) => self.numbers() == other.numbers(),
            (RowValue::Unit(text), RowValue::Unit(other)) => text == other,
            _ => false,
        }
    }
}

impl RowValue {
    fn numbers(&self) -> (Option<i64>, u32, u32, u64) {
        match self {
            RowValue::Computed { value, coverage } => (*value, 0, 0, coverage.to_bits()),
            RowValue::Total { value, members, reporting, coverage } => {
                (*value, *members, *reporting, coverage.to_bits())
            }
            RowValue::Saved(..) | RowValue::Unit(_) => (None, 0, 0, 0),
        }
    }
}

/// The rows of `group` at `snapshot`, by period and start.
pub(crate) fn rows(selection: &Selection, snapshot: &Snapshot, group: &Group) -> Vec<Row> {
    match group {
        Group::Day { unit, kind, provider, day, .. } => {
            let series = snapshot.series_of(*unit, *kind, provider);
            let range = range(selection, snapshot, Some(*unit));
            let alone = |period| series.iter().all(|(_, stored)| stored.period == period);
            match selection.period.filter(|period| !alone(*period)) {
                Some(period) => computed(selection, snapshot, &series, *day, period, range),
                None => as_saved(snapshot, &series, *day, range),
            }
        }
        Group::Total { total, kind, provider, day } => {
            let (total, provider) = (total.clone(), provider.clone());
            let key = TotalKey { total, kind: *kind, provider, day: *day };
            of_total(selection, snapshot, &key)
        }
        Group::Unit(unit) => of_unit(snapshot, *unit).into_iter().collect(),
    }
}

/// The rows that differ, each before and after: one that is only on one side is none on the other.
pub(crate) fn differences(old: Vec<Row>, new: Vec<Row>) -> Vec<(Option<Row>, Option<Row>)> {
    let place = |row: &Row| (row.period, row.start);
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    let mut differing = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(one), Some(other)) => place(one).cmp(&place(other)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return differing,
        };
        let pair = match order {
            Ordering::Less => (old.next(), None),
            Ordering::Greater => (None, new.next()),
            Ordering::Equal => (old.next(), new.next()),
        };
        let value = |row: &Option<Row>| row.as_ref().map(|row| row.value.clone());
        if value(&pair.0) != value(&pair.1) {
            differing.push(pair);
        }
    }
}

fn as_saved(
    snapshot: &Snapshot,
    series: &[(SeriesId, Arc<Series>)],
    day: Day,
    (from, to): (Instant, Instant),
) -> Vec<Row> {
    let mut rows = Vec::new();
    for (id, stored) in series {
        let Some(block) = snapshot.block(*id, day) else { continue };
        for slot in 0..stored.period.slots() {
            let start = day.slot_start(stored.period, slot);
            if (from..to).contains(&start)
                && let Some((value, shown)) = block.row(slot)
            {
                let value = RowValue::Saved(value, Arc::clone(shown));
                rows.push(Row { period: stored.period, start, value });
            }
        }
    }
    rows
}

fn computed(
    selection: &Selection,
    snapshot: &Snapshot,
    series: &[(SeriesId, Arc<Series>)],
    day: Day,
    period: Period,
    range: (Instant, Instant),
) -> Vec<Row> {
    let blocks = series.iter().filter_map(|(id, _)| snapshot.block(*id, day));
    let states: Vec<DayState> = blocks
        .map(|block| {
            let mut state = DayState::default();
            block.load(&mut state);
            state
        })
        .collect();
    let Some(resolved) = resolve_day(&states) else { return Vec::new() };
    let least = selection.completeness(1.0);
    let row = |(start, end)| {
        let mut spread = Spread::over(start, end);
        spread.add(&resolved, day);
        let value = if selection.measure.is_energy() { spread.energy() } else { spread.power() }?;
        let coverage = spread.coverage();
        let value = (coverage >= least).then_some(value);
        Some(Row { period, start, value: RowValue::Computed { value, coverage } })
    };
    slots(day, period, range).filter_map(row).collect()
}

fn of_total(selection: &Selection, snapshot: &Snapshot, key: &TotalKey) -> Vec<Row> {
    let Some(total) = snapshot.total(key) else { return Vec::new() };
    let period = selection.period.unwrap_or(total.grid);
    let least = selection.completeness(0.0);
    let row = |(start, end)| {
        let mut spread = TotalSpread::over(start, end);
        spread.add(&total, key.day);
        let value = if selection.measure.is_energy() { spread.energy() } else { spread.power() }?;
        let coverage = spread.coverage();
        let value = (coverage >= least).then_some(value);
        let (members, reporting) = (spread.members, spread.reporting);
        Some(Row { period, start, value: RowValue::Total { value, members, reporting, coverage } })
    };
    slots(key.day, period, range(selection, snapshot, None)).filter_map(row).collect()
}

fn of_unit(snapshot: &Snapshot, unit: Unit) -> Option<Row> {
    let version = units::current(snapshot, unit)?;
    let text = Value::Object(units::element(version)).to_string();
    // A unit has one row, at no particular place.
    Some(Row { period: Period::DAY, start: Instant(0), value: RowValue::Unit(text) })
}

/// Slots of `day` that start in the range, with their ends.
fn slots(
    day: Day,
    period: Period,
    (from, to): (Instant, Instant),
) -> impl Iterator<Item = (Instant, Instant)> {
    let starts = (0..period.slots()).map(move |slot| day.slot_start(period, slot));
    let within = starts.filter(move |start| (from..to).contains(start));
    within.map(move |start| (start, start.plus_minutes(period.minutes().into())))
}
