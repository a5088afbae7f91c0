//! The legacy normalised form of a curve: a slot is its index from the first delivery, and notes, providers
//! and create dates are written once each and named by their places.

use serde_json::{Map, Value, json};
use smartpulse_operators::batch::Batch;
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::series::Series;

use super::curve_text::{CurveText, Row, measure_word};

/// Microseconds in a minute.
const MINUTE: i64 = 60_000_000;

/// Appends the element of `series` with its `rows`.
pub(crate) fn write<B: AsRef<Batch>>(
    style: &CurveText,
    series: &Series,
    rows: &[Row<B>],
    text: &mut String,
) {
    let mut element = Map::new();
    element.insert("unitType".to_owned(), json!(series.unit.unit_type.word()));
    element.insert("unitNo".to_owned(), json!(series.unit.unit_no));
    element.insert("providerKey".to_owned(), json!(series.provider.key()));
    element.insert("period".to_owned(), json!(series.period.minutes()));
    element.insert("measureUnit".to_owned(), json!(measure_word(style.measure)));
    if let Some(first) = rows.first() {
        element.insert("fds".to_owned(), json!(instant(style, first.start)));
    }
    let mut batches: Vec<&Batch> = Vec::new();
    let (mut notes, mut dates): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    let mut places: Vec<(usize, Option<usize>)> = Vec::new();
    let mut slots = Vec::with_capacity(rows.len());
    for row in rows {
        let shown = row.shown.as_ref();
        let known = batches.iter().position(|known| std::ptr::eq(*known, shown));
        let place = known.unwrap_or_else(|| {
            batches.push(shown);
            let date = place_of(&mut dates, instant(style, shown.recorded));
            let note = shown.note.as_deref().map(|note| place_of(&mut notes, note));
            places.push((date, note));
            batches.len() - 1
        });
        let length = i64::from(series.period.minutes()) * MINUTE;
        let index = (row.start.0 - rows[0].start.0) / length;
        let value = Quantity(row.value).text_in(style.measure, series.period);
        let mut slot = Map::new();
        slot.insert("idx".to_owned(), json!(index));
        slot.insert("v".to_owned(), serde_json::from_str(&value).unwrap_or(Value::Null));
        if style.details {
            let (date, note) = places[place];
            slot.insert("ci".to_owned(), json!(date));
            slot.insert("pi".to_owned(), json!(0));
            if let Some(note) = note {
                slot.insert("bni".to_owned(), json!(note));
            }
        }
        slots.push(Value::Object(slot));
    }
    if style.details {
        element.insert("cs".to_owned(), json!(dates));
        element.insert("bns".to_owned(), json!(notes));
        element.insert("ps".to_owned(), json!([series.provider.key()]));
    }
    element.insert("normalizedPredictions".to_owned(), Value::Array(slots));
    text.push_str(&Value::Object(element).to_string());
}

fn instant(style: &CurveText, instant: smartpulse_operators::time::Instant) -> String {
    let mut text = String::new();
    style.clock.write(instant, &mut text);
    text
}

/// The place of `item` among `known`, where it is added if it is new.
fn place_of<T: PartialEq>(known: &mut Vec<T>, item: T) -> usize {
    known.iter().position(|other| *other == item).unwrap_or_else(|| {
        known.push(item);
        known.len() - 1
    })
}
