//! `GET …/forecasts/history` and `…/evolution`: every revision of a range, and each value that one delivery
//! had. Nothing that was accepted is missing: withdrawn batches are there and say so.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Map, Value, json};
use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::quantity::{ABSENT, NULL, Quantity};
use smartpulse_operators::series::{Kind, Provider, Series, SeriesId};
use smartpulse_operators::time::{Day, Instant, Zone};
use smartpulse_operators::unit::Unit;

use super::answer::{Answer, Level};
use super::axes::{Axes, Reference};
use super::curve_text::{CurveText, measure_word};
use super::desk::Desk;
use super::exchange::Call;
use super::latest::known;
use super::path::ProviderPath;
use super::reading::{Range, Reading};
use super::refusal::Refusal;
use super::words::Words;
use crate::command::Told;
use crate::snapshot::Snapshot;
use crate::window::zone_of;

const HISTORY_WORDS: [&str; 9] =
    ["date", "measure-unit", "zone", "known_at", "at_epoch", "min_epoch", "from", "to", "newest"];
const EVOLUTION_WORDS: [&str; 7] =
    ["delivery", "date", "measure-unit", "zone", "known_at", "at_epoch", "min_epoch"];

/// `GET …/forecasts/history`
pub(crate) async fn history(
    State(desk): State<Arc<Desk>>,
    ProviderPath { provider, unit }: ProviderPath,
    Extension(call): Extension<Call>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let words = Words::read(&uri, &HISTORY_WORDS)?;
    let asked = Asked::read(&desk, &words, unit, &provider).await?;
    let range = Reading::range(&words, &asked.zone, asked.snapshot.clock)?;
    let slots = asked.series.iter().map(|(_, it)| range.slots(it.period.minutes().into()));
    desk.refuse_beyond_bound(slots.sum())?;
    let mut found: BTreeMap<(Instant, Sequence, u16), Element> = BTreeMap::new();
    for (id, series) in &asked.series {
        let days: Vec<Day> = range.days().collect();
        let told = desk.revisions(days.iter().map(|day| (*id, *day)).collect()).await?;
        for (day, revisions) in days.into_iter().zip(told) {
            for told in asked.known(revisions) {
                let slots = asked.slots(series, day, &told, &range);
                if slots.is_empty() {
                    continue;
                }
                let batch = &told.revision.batch;
                let order = (batch.valid_after, batch.sequence, series.period.minutes());
                let element = found.entry(order).or_insert_with(|| Element {
                    series: Arc::clone(series),
                    batch: Arc::clone(batch),
                    slots: Vec::new(),
                });
                element.slots.extend(slots);
            }
        }
    }
    let all = found.len();
    let shown = found.values().skip(all - newest(&words)?.unwrap_or(all).min(all));
    let data: Vec<Value> = shown.map(|element| asked.element(element)).collect();
    let answer = Answer::read(&call.conditions, asked.snapshot.epoch, &Value::Array(data));
    Ok(answer.with_known_at(asked.axes.known_at).of_level(Level::Database))
}

/// `newest=`: how many revisions are wanted, the newest ones.
fn newest(words: &Words) -> Result<Option<usize>, Refusal> {
    let Some(text) = words.get("newest") else { return Ok(None) };
    let count = text.trim().parse().ok().filter(|count| *count > 0);
    let rule = "must be a number of revisions, at least 1";
    count.map(Some).ok_or_else(|| Refusal::field("newest", rule))
}

/// `GET …/forecasts/evolution?delivery=`
pub(crate) async fn evolution(
    State(desk): State<Arc<Desk>>,
    ProviderPath { provider, unit }: ProviderPath,
    Extension(call): Extension<Call>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let words = Words::read(&uri, &EVOLUTION_WORDS)?;
    let asked = Asked::read(&desk, &words, unit, &provider).await?;
    let delivery = words.time("delivery", &asked.zone)?;
    let delivery = delivery.ok_or_else(|| Refusal::field("delivery", "is required"))?;
    let range = Range { from: delivery, to: Instant(delivery.0 + 1), follows_clock: false };
    let day = delivery.day();
    let days = asked.series.iter().map(|(id, _)| (*id, day)).collect();
    let mut found: BTreeMap<(Instant, Sequence, u16), Value> = BTreeMap::new();
    for ((_, series), revisions) in asked.series.iter().zip(desk.revisions(days).await?) {
        // The slot that holds the delivery begins at it or before.
        let length = i64::from(series.period.minutes()) * 60_000_000;
        let start = Instant(delivery.0.div_euclid(length) * length);
        let slot = Range { from: start, ..range };
        for told in asked.known(revisions) {
            let batch = Arc::clone(&told.revision.batch);
            for slot in asked.slots(series, day, &told, &slot) {
                let mut value = asked.slot(series, &slot);
                value.insert("period".to_owned(), json!(series.period.minutes()));
                value.insert("measureUnit".to_owned(), json!(measure_word(asked.text.measure)));
                value.append(&mut asked.made_by(&batch));
                let order = (batch.valid_after, batch.sequence, series.period.minutes());
                found.insert(order, Value::Object(value));
            }
        }
    }
    let data = Value::Array(found.into_values().collect());
    let answer = Answer::read(&call.conditions, asked.snapshot.epoch, &data);
    Ok(answer.with_known_at(asked.axes.known_at).of_level(Level::Database))
}

/// What a read of history stands on.
struct Asked {
    snapshot: Arc<Snapshot>,
    series: Vec<(SeriesId, Arc<Series>)>,
    zone: Zone,
    axes: Axes,
    /// Versions from later are left out.
    reference: Option<Instant>,
    text: CurveText,
}

/// A revision of a series in the range.
struct Element {
    series: Arc<Series>,
    batch: Arc<Batch>,
    slots: Vec<Slot>,
}

struct Slot {
    start: Instant,
    value: i64,
    is_confirmed: bool,
}

impl Asked {
    async fn read(
        desk: &Desk,
        words: &Words,
        unit: Unit,
        provider: &Provider,
    ) -> Result<Asked, Refusal> {
        let text = Reading::read(words)?.text;
        let snapshot = desk.snapshot_for(words).await?;
        known(&snapshot, unit)?;
        let zone = zone_of(&snapshot.reference, unit);
        // History is not folded: without a date it tells of all versions that are known, waiting ones too.
        let reference = words.time("date", &zone)?;
        let axes = Axes::read(Reference::Now, words, &zone, snapshot.clock)?;
        let series = snapshot.series_of(unit, Kind::Forecast, provider);
        Ok(Asked { snapshot, series, zone, axes, reference, text })
    }

    /// Revisions of this epoch, as known on the axes, those of withdrawn batches too.
    fn known(&self, revisions: Vec<Told>) -> impl Iterator<Item = Told> + '_ {
        revisions.into_iter().filter(|told| {
            let batch = &told.revision.batch;
            batch.sequence.0 <= self.snapshot.figures.batches
                && self.axes.knows(batch.recorded)
                && self.reference.is_none_or(|reference| batch.valid_after <= reference)
        })
    }

    fn slots(&self, series: &Series, day: Day, told: &Told, range: &Range) -> Vec<Slot> {
        let first = usize::from(told.revision.first);
        let values = told.revision.values.iter().zip(&told.confirmed).zip(first..);
        let slots = values.filter(|((value, _), _)| **value != ABSENT).map(
            |((value, is_confirmed), slot)| Slot {
                start: day.slot_start(series.period, slot),
                value: *value,
                is_confirmed: *is_confirmed,
            },
        );
        slots.filter(|slot| (range.from..range.to).contains(&slot.start)).collect()
    }

    fn element(&self, element: &Element) -> Value {
        let Element { series, batch, slots } = element;
        let mut value = Map::new();
        value.insert("unitType".to_owned(), json!(series.unit.unit_type.word()));
        value.insert("unitNo".to_owned(), json!(series.unit.unit_no));
        value.insert("providerKey".to_owned(), json!(series.provider.key()));
        value.insert("period".to_owned(), json!(series.period.minutes()));
        value.insert("measureUnit".to_owned(), json!(measure_word(self.text.measure)));
        value.append(&mut self.made_by(batch));
        let all = slots.iter().all(|slot| slot.is_confirmed);
        value.insert("confirmed".to_owned(), json!(all));
        let slots = slots.iter().map(|slot| Value::Object(self.slot(series, slot)));
        value.insert("predictions".to_owned(), Value::Array(slots.collect()));
        Value::Object(value)
    }

    fn slot(&self, series: &Series, slot: &Slot) -> Map<String, Value> {
        let mut value = Map::new();
        value.insert("ds".to_owned(), json!(self.instant(slot.start)));
        let text = (slot.value != NULL)
            .then(|| Quantity(slot.value).text_in(self.text.measure, series.period));
        let number = text.and_then(|text| serde_json::from_str(&text).ok());
        value.insert("v".to_owned(), number.unwrap_or(Value::Null));
        value.insert("confirmed".to_owned(), json!(slot.is_confirmed));
        value
    }

    /// The save that a revision is from, and whether it was withdrawn.
    fn made_by(&self, batch: &Batch) -> Map<String, Value> {
        let withdrawn = self.snapshot.withdrawn_at(batch.sequence);
        let withdrawn = withdrawn.filter(|instant| self.axes.knows(*instant));
        let mut value = Map::new();
        value.insert("validAfter".to_owned(), json!(self.instant(batch.valid_after)));
        value.insert("recorded".to_owned(), json!(self.instant(batch.recorded)));
        value.insert("sequence".to_owned(), json!(batch.sequence.0));
        value.insert("batchId".to_owned(), json!(batch.id.to_string()));
        value.insert("user".to_owned(), json!(batch.user));
        value.insert("note".to_owned(), json!(batch.note));
        value.insert("withdrawn".to_owned(), json!(withdrawn.is_some()));
        if let Some(instant) = withdrawn {
            value.insert("withdrawnAt".to_owned(), json!(self.instant(instant)));
        }
        value
    }

    fn instant(&self, instant: Instant) -> String {
        let mut text = String::new();
        self.text.clock.write(instant, &mut text);
        text
    }
}
