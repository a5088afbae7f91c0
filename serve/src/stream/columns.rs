//! Rows as columns, for whoever reads many of them: what a group's rows have in common is written once, and each batch
//! once. A tenth of the text of rows told one by one.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;
use smartpulse_operators::batch::Batch;
use smartpulse_operators::block::DayBlock;
use smartpulse_operators::cause::Cause;
use smartpulse_operators::quantity::{Measure, Quantity};
use smartpulse_operators::series::Series;
use smartpulse_operators::time::{Day, Period};

use super::groups::Group;
use super::rows::{Row, RowValue, Stored, is_same};
use crate::causes;
use crate::snapshot::Snapshot;

/// Writes groups as columns.
#[derive(Debug, Default)]
pub(super) struct Columns {
    slots: String,
    /// Before and after: values, and the place of each one's batch among those named.
    values: [String; 2],
    places: [String; 2],
    batches: Vec<Arc<Batch>>,
}

impl Columns {
    /// Appends the rows of a day of a subject that differ, one object a series and a comma each; without `before` all
    /// there are.
    pub(super) fn day(
        &mut self,
        (group, causes): (&Group, &[Cause]),
        before: Option<&Snapshot>,
        after: &Snapshot,
        text: &mut String,
    ) {
        let Group::Day { unit, kind, provider, day, .. } = group else { return };
        for (id, series) in after.series_of(*unit, *kind, provider) {
            let new = after.block(id, *day);
            let old = before.and_then(|before| before.block(id, *day));
            if let (Some(old), Some(new)) = (old, new)
                && Arc::ptr_eq(old, new)
            {
                continue;
            }
            self.clear();
            for slot in 0..series.period.slots() {
                let (old, new) = (row(old, slot), row(new, slot));
                if !is_same(old, new) {
                    self.slot(slot, [old, new], series.period);
                }
            }
            if !self.slots.is_empty() {
                self.series(&series, *day, before.map(|_| causes), text);
            }
        }
    }

    fn clear(&mut self) {
        self.slots.clear();
        self.values.iter_mut().chain(&mut self.places).for_each(String::clear);
        self.batches.clear();
    }

    fn slot(&mut self, slot: usize, sides: [Option<Stored<'_>>; 2], period: Period) {
        // Writing into a string cannot fail.
        let _ = write!(self.slots, "{slot},");
        for (side, row) in sides.into_iter().enumerate() {
            match row {
                None => {
                    self.values[side].push_str("null,");
                    self.places[side].push_str("null,");
                }
                Some((value, batch)) => {
                    let values = &mut self.values[side];
                    Quantity(value).write_in(Measure::default(), period, values);
                    values.push(',');
                    let place = self.place(batch);
                    let _ = write!(self.places[side], "{place},");
                }
            }
        }
    }

    /// The place of a batch among those named; neighbouring slots mostly share one of the newest.
    fn place(&mut self, batch: &Arc<Batch>) -> usize {
        let known = self.batches.iter().rposition(|known| known.sequence == batch.sequence);
        known.unwrap_or_else(|| {
            self.batches.push(Arc::clone(batch));
            self.batches.len() - 1
        })
    }

    fn series(&self, series: &Series, day: Day, causes: Option<&[Cause]>, text: &mut String) {
        let Series { kind, unit, provider, period } = series;
        let provider = Value::from(provider.key());
        let _ = write!(
            text,
            "{{\"kind\":\"{}\",\"unitType\":\"{}\",\"unitNo\":{},\"provider\":{provider},\"period\":{},\"day\":\"{day}\"",
            kind.word(),
            unit.unit_type.word(),
            unit.unit_no,
            period.minutes()
        );
        write_causes(causes, text);
        text.push_str(",\"batches\":[");
        for (index, batch) in self.batches.iter().enumerate() {
            let Batch { valid_after, recorded, id, .. } = &**batch;
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(
                text,
                "{comma}{{\"validAfter\":\"{valid_after}\",\"recorded\":\"{recorded}\",\"batchId\":\"{id}\"}}"
            );
        }
        text.push(']');
        column("slots", &self.slots, text);
        if causes.is_some() {
            column("old", &self.values[0], text);
            column("oldBatch", &self.places[0], text);
        }
        column("new", &self.values[1], text);
        column("newBatch", &self.places[1], text);
        text.push_str("},");
    }
}

fn row(block: Option<&Arc<DayBlock>>, slot: usize) -> Option<Stored<'_>> {
    block.and_then(|block| block.row(slot))
}

/// Appends a column whose cells end with a comma each.
fn column(name: &str, cells: &str, text: &mut String) {
    let cells = cells.strip_suffix(',').unwrap_or(cells);
    let _ = write!(text, ",\"{name}\":[{cells}]");
}

fn write_causes(causes: Option<&[Cause]>, text: &mut String) {
    let Some(causes) = causes else { return };
    text.push_str(",\"causes\":[");
    for (index, cause) in causes.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        causes::write(cause, text);
    }
    text.push(']');
}

/// Appends the rows of a day of a total, each before and after, as one object and a comma.
pub(super) fn total(
    group: &Group,
    causes: Option<&[Cause]>,
    rows: &[(Option<Row>, Option<Row>)],
    text: &mut String,
) {
    let Group::Total { total, kind, provider, day } = group else { return };
    // A day whose grid has changed has rows of two periods.
    for rows in rows.chunk_by(|one, other| period(one) == period(other)) {
        let Some(period) = period(&rows[0]) else { continue };
        let (key, provider) = (Value::from(total.key()), Value::from(provider.key()));
        let _ = write!(
            text,
            "{{\"kind\":\"{}\",\"dimension\":\"{}\",\"key\":{key},\"provider\":{provider},\"period\":{},\"day\":\"{day}\"",
            kind.word(),
            total.dimension(),
            period.minutes()
        );
        write_causes(causes, text);
        let minutes = |row: &Row| (row.start.0 - day.start().0) / 60_000_000;
        let slot = |pair: &(Option<Row>, Option<Row>)| {
            let row = pair.0.as_ref().or(pair.1.as_ref());
            row.map_or(0, |row| minutes(row) / i64::from(period.minutes()))
        };
        let slots: String = rows.iter().map(|pair| format!("{},", slot(pair))).collect();
        column("slots", &slots, text);
        if causes.is_some() {
            sums(
                rows.iter().map(|pair| pair.0.as_ref()),
                ["old", "oldMembers", "oldReporting", "oldCoverage"],
                text,
            );
        }
        sums(
            rows.iter().map(|pair| pair.1.as_ref()),
            ["new", "newMembers", "newReporting", "newCoverage"],
            text,
        );
        text.push_str("},");
    }
}

fn period(pair: &(Option<Row>, Option<Row>)) -> Option<Period> {
    pair.0.as_ref().or(pair.1.as_ref()).map(|row| row.period)
}

fn sums<'r>(rows: impl Iterator<Item = Option<&'r Row>>, names: [&str; 4], text: &mut String) {
    let mut cells: [String; 4] = Default::default();
    for row in rows {
        match row.map(|row| &row.value) {
            Some(RowValue::Total { value, members, reporting, coverage }) => {
                match value {
                    Some(value) => Measure::default().write(*value, &mut cells[0]),
                    None => cells[0].push_str("null"),
                }
                let _ = write!(cells[1], "{members}");
                let _ = write!(cells[2], "{reporting}");
                let _ = write!(cells[3], "{coverage}");
            }
            _ => cells.iter_mut().for_each(|cells| cells.push_str("null")),
        }
        cells.iter_mut().for_each(|cells| cells.push(','));
    }
    for (name, cells) in names.into_iter().zip(&cells) {
        column(name, cells, text);
    }
}

/// Appends a unit before and after, and a comma.
pub(super) fn unit(
    group: &Group,
    causes: Option<&[Cause]>,
    (old, new): (Option<&Row>, Option<&Row>),
    text: &mut String,
) {
    let Group::Unit(unit) = group else { return };
    let said = |row: Option<&Row>| match row.map(|row| &row.value) {
        Some(RowValue::Unit(text)) => text.clone(),
        _ => "null".to_owned(),
    };
    let _ =
        write!(text, "{{\"unitType\":\"{}\",\"unitNo\":{}", unit.unit_type.word(), unit.unit_no);
    write_causes(causes, text);
    if causes.is_some() {
        let _ = write!(text, ",\"old\":{}", said(old));
    }
    let _ = write!(text, ",\"new\":{}}},", said(new));
}
