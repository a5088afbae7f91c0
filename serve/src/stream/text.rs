//! Rows of a stream as JSON text: what a group's rows have in common is written once.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;
use smartpulse_operators::batch::Batch;
use smartpulse_operators::cause::Cause;
use smartpulse_operators::quantity::{Measure, Quantity};

use super::groups::Group;
use super::rows::{Row, RowValue};
use crate::causes;

/// What was written last of a batch: neighbouring slots mostly share it. One for each side of a delta.
#[derive(Default)]
pub(super) struct Tails([Option<(Arc<Batch>, String)>; 2]);

impl Tails {
    fn of(&mut self, side: usize, batch: &Arc<Batch>) -> &str {
        let tail = &mut self.0[side];
        if tail.as_ref().is_none_or(|(known, _)| !Arc::ptr_eq(known, batch)) {
            let Batch { valid_after, recorded, id, .. } = &**batch;
            let text = format!(
                ",\"validAfter\":\"{valid_after}\",\"recorded\":\"{recorded}\",\"batchId\":\"{id}\"}}"
            );
            *tail = Some((Arc::clone(batch), text));
        }
        tail.as_ref().map_or("", |(_, text)| text)
    }
}

/// The beginning of the keys of a group's rows: an object that is still open.
fn key(group: &Group) -> String {
    let text = |text: &str| Value::from(text).to_string();
    match group {
        Group::Day { unit, kind, provider, .. } => format!(
            "{{\"kind\":\"{}\",\"unitType\":\"{}\",\"unitNo\":{},\"provider\":{}",
            kind.word(),
            unit.unit_type.word(),
            unit.unit_no,
            text(provider.key())
        ),
        Group::Total { total, kind, provider, .. } => format!(
            "{{\"kind\":\"{}\",\"dimension\":\"{}\",\"key\":{},\"provider\":{}",
            kind.word(),
            total.dimension(),
            text(&total.key()),
            text(provider.key())
        ),
        Group::Unit(unit) => {
            format!("{{\"unitType\":\"{}\",\"unitNo\":{}", unit.unit_type.word(), unit.unit_no)
        }
    }
}

/// The rows of one group.
pub(super) struct RowText<'t> {
    key: String,
    /// A unit has one row, which has no slot.
    has_slots: bool,
    /// What ends each row: its causes, in a delta.
    end: String,
    measure: Measure,
    tails: &'t mut Tails,
}

impl<'t> RowText<'t> {
    /// Rows of `group`; `causes` are written in a delta.
    pub(super) fn of(
        group: &Group,
        causes: Option<&[Cause]>,
        measure: Measure,
        tails: &'t mut Tails,
    ) -> RowText<'t> {
        let mut end = String::new();
        if let Some(causes) = causes {
            end.push_str(",\"causes\":[");
            for (index, cause) in causes.iter().enumerate() {
                end.push_str(if index == 0 { "" } else { "," });
                causes::write(cause, &mut end);
            }
            end.push(']');
        }
        let has_slots = !matches!(group, Group::Unit(_));
        RowText { key: key(group), has_slots, end, measure, tails }
    }

    /// Appends a row before and after, and a comma.
    pub(super) fn write(&mut self, old: Option<&Row>, new: Option<&Row>, text: &mut String) {
        text.push_str("{\"key\":");
        text.push_str(&self.key);
        if let Some(row) = old.or(new).filter(|_| self.has_slots) {
            let period = row.period.minutes();
            // Writing into a string cannot fail.
            let _ = write!(text, ",\"period\":{period},\"ds\":\"{}\"", row.start);
        }
        text.push_str("},\"old\":");
        self.value(0, old, text);
        text.push_str(",\"new\":");
        self.value(1, new, text);
        text.push_str(&self.end);
        text.push_str("},");
    }

    fn value(&mut self, side: usize, row: Option<&Row>, text: &mut String) {
        let measure = self.measure;
        let number = |value: &Option<i64>| value.map_or("null".to_owned(), |it| measure.text(it));
        let Some(row) = row else { return text.push_str("null") };
        // Writing into a string cannot fail.
        let _ = match &row.value {
            RowValue::Unit(unit) => write!(text, "{unit}"),
            RowValue::Computed { value, coverage } => {
                write!(text, "{{\"v\":{},\"coverage\":{coverage}}}", number(value))
            }
            RowValue::Total { value, members, reporting, coverage } => write!(
                text,
                "{{\"v\":{},\"members\":{members},\"reporting\":{reporting},\"coverage\":{coverage}}}",
                number(value)
            ),
            RowValue::Saved(value, batch) => {
                let value = Quantity(*value).text_in(measure, row.period);
                write!(text, "{{\"v\":{value}{}", self.tails.of(side, batch))
            }
        };
    }
}
