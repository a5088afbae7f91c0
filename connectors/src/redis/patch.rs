//! What changed in a series as a JSON Patch (RFC 6902), for whoever listens.
//!
//! The document of a series has a member for each UTC day, such as `2026-11-27`, and that one for each slot with a
//! value by the start of the slot, such as `00:15`: `{"v": MW, "validAfter", "recorded", "batchId"}`. A message
//! tells one hash's way from one version to the next; who has another version than `previousVersionId` reads the
//! hash again, and so does who hears `resync`.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use smartpulse_operators::batch::{Batch, Epoch};
use smartpulse_operators::block::DayBlock;
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::series::Series;
use smartpulse_operators::time::{Instant, Period};
use uuid::Uuid;

use super::keys::unit_name;

/// Steps that one message tells; more are told as a resync: reading the hash is cheaper then.
const MOST_STEPS: usize = 4_096;

/// The day as it was, where it was.
pub(crate) type Before<'b> = &'b (dyn Fn(SeriesDay) -> Option<Arc<DayBlock>> + Send + Sync);

/// Which hash goes from which version to which.
pub(crate) struct Change<'c> {
    pub(crate) writer: Uuid,
    pub(crate) series: &'c Series,
    pub(crate) from: Epoch,
    pub(crate) to: Epoch,
    pub(crate) clock: Instant,
}

impl Change<'_> {
    /// The message; without steps one that asks to read the hash again.
    pub(crate) fn message(&self, steps: Option<Vec<Value>>) -> String {
        let Series { kind, unit, provider, period } = self.series;
        let mut message = json!({
            "dataManagerId": self.writer,
            "partitionKey": unit_name(*unit),
            "section": kind.word(),
            "dataKey": format!("{}:{}", provider.key(), period.minutes()),
            "versionId": self.to.0,
            "previousVersionId": self.from.0,
            "changeTime": self.clock.to_string(),
        });
        match steps.filter(|steps| steps.len() <= MOST_STEPS) {
            Some(steps) => message["patchItems"] = Value::Array(steps),
            None => message["resync"] = json!(true),
        }
        message.to_string()
    }
}

/// The steps from the days as they were to those that are.
pub(crate) fn steps(
    period: Period,
    days: &[(SeriesDay, Arc<DayBlock>)],
    before: Before<'_>,
) -> Vec<Value> {
    let mut steps = Vec::new();
    for (series_day, block) in days {
        let path = format!("/{}", series_day.1);
        let Some(old) = before(*series_day) else {
            steps.push(json!({ "op": "add", "path": path, "value": document_of(period, block) }));
            continue;
        };
        for slot in 0..block.slots() {
            let at = || format!("{path}/{}", time_of(period, slot));
            match (old.row(slot), block.row(slot)) {
                (None, None) => {}
                (Some(_), None) => steps.push(json!({ "op": "remove", "path": at() })),
                (None, Some(row)) => {
                    steps.push(json!({ "op": "add", "path": at(), "value": row_of(row) }));
                }
                (Some(was), Some(is)) if (was.0, was.1.sequence) == (is.0, is.1.sequence) => {}
                (Some(_), Some(row)) => {
                    steps.push(json!({ "op": "replace", "path": at(), "value": row_of(row) }));
                }
            }
        }
    }
    steps
}

/// The member of a day.
pub(crate) fn document_of(period: Period, block: &DayBlock) -> Value {
    let slots = (0..block.slots()).filter_map(|slot| {
        let row = block.row(slot)?;
        Some((time_of(period, slot), row_of(row)))
    });
    Value::Object(slots.collect::<Map<String, Value>>())
}

fn row_of((value, shown): (i64, &Arc<Batch>)) -> Value {
    let megawatts = Quantity(value).megawatts();
    // As the doors write it: whole numbers without a point.
    let is_whole = megawatts.fract() == 0.0;
    json!({
        "v": if is_whole { json!(megawatts as i64) } else { json!(megawatts) },
        "validAfter": shown.valid_after.to_string(),
        "recorded": shown.recorded.to_string(),
        "batchId": shown.id,
    })
}

fn time_of(period: Period, slot: usize) -> String {
    let minute = slot * usize::from(period.minutes());
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::reader::{SeriesChange, SeriesDocument};
    use rand::{RngExt as _, SeedableRng as _};
    use smartpulse_operators::batch::Sequence;
    use smartpulse_operators::block::DayState;
    use smartpulse_operators::chunk::Revision;
    use smartpulse_operators::quantity::NULL;
    use smartpulse_operators::series::{Kind, Provider, SeriesId};
    use smartpulse_operators::time::Day;
    use smartpulse_operators::unit::{Unit, UnitType};

    fn revision(random: &mut rand_chacha::ChaCha8Rng, sequence: u64) -> Revision {
        let batch = Batch {
            id: Uuid::from_u128(u128::from(sequence)),
            sequence: Sequence(sequence),
            recorded: Instant(sequence as i64),
            valid_after: Instant(sequence as i64),
            provider: Provider::parse("P").unwrap(),
            user: None,
            note: None,
            source_batch: None,
            skips_existing_check: false,
        };
        let first = random.random_range(0..20_u16);
        let value = |random: &mut rand_chacha::ChaCha8Rng| match random.random_range(0..4) {
            0 => NULL,
            value => value * 125,
        };
        let values = (0..random.random_range(1..=24 - first)).map(|_| value(random)).collect();
        Revision { batch: Arc::new(batch), first, values }
    }

    #[test]
    fn steps_lead_from_each_version_to_the_next() {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let period = Period::new(60).unwrap();
        let unit = Unit { unit_type: UnitType::PowerPlant, unit_no: 1 };
        let provider = Provider::parse("P").unwrap();
        let series = Series { kind: Kind::Forecast, unit, provider, period };
        let mut document = SeriesDocument { version: 0, days: json!({}) };
        let mut history = Vec::new();
        let mut kept: Option<Arc<DayBlock>> = None;
        let mut kinds = std::collections::BTreeSet::new();
        for version in 1..200 {
            history.push(revision(&mut random, version));
            let block = DayBlock::of(&DayState::fold(24, &history), Vec::new());
            let day: SeriesDay = (SeriesId(0), Day(0));
            let before = |_| kept.clone();
            let steps = steps(period, &[(day, Arc::clone(&block))], &before);
            kinds.extend(steps.iter().map(|step| step["op"].to_string()));
            let (from, to) = (Epoch(version - 1), Epoch(version));
            let change =
                Change { writer: Uuid::nil(), series: &series, from, to, clock: Instant(0) };
            let change: SeriesChange = serde_json::from_str(&change.message(Some(steps))).unwrap();
            // A gap and what is old change nothing.
            let mut late = SeriesDocument { version: version + 1, ..document.clone() };
            assert!(late.apply(&change));
            let mut early = SeriesDocument { version: from.0.wrapping_sub(1), ..document.clone() };
            assert!(!(version > 1 && early.apply(&change)));
            assert!(document.apply(&change));
            assert_eq!(document.days, json!({ "1970-01-01": document_of(period, &block) }));
            assert_eq!(document.version, version);
            kept = Some(block);
        }
        assert_eq!(kinds.len(), 3, "{kinds:?}");
        let resync = Change {
            writer: Uuid::nil(),
            series: &series,
            from: Epoch(199),
            to: Epoch(200),
            clock: Instant(0),
        };
        for steps in [None, Some(vec![json!({}); MOST_STEPS + 1])] {
            let change: SeriesChange = serde_json::from_str(&resync.message(steps)).unwrap();
            assert!(!document.apply(&change));
        }
    }
}
