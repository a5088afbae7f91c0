//! The answer to a save: a pure function of the request and the engine's reply, because a repeated
//! request is answered from the reply that was kept.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::quantity::{NULL, Quantity};
use smartpulse_operators::series::Provider;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::Unit;
use uuid::Uuid;

use super::answer::Answer;
use super::curve_text::measure_word;
use super::shaped_save::{ShapedEntry, ShapedSave};
use crate::command::{Reply, Saved, SlotDecision};

/// The code of an entry without values.
const NO_PREDICTIONS: &str = "NO_PREDICTIONS";
/// The code of a warning: the value was clipped and saved.
const CONFORM_UPPER_LIMIT: &str = "CONFORM_UPPER_LIMIT";

/// What became of one entry, or of its copy as final forecast.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryAnswer {
    /// Null when every value of the save was refused.
    batch_id: Option<Uuid>,
    unit_type: &'static str,
    unit_no: u64,
    period: u16,
    provider_key: String,
    requested_count: usize,
    saved_count: usize,
    skipped_count: usize,
    errors: Vec<SlotErrors>,
    #[serde(skip_serializing_if = "Option::is_none")]
    predictions: Option<Vec<SavedPrediction>>,
}

/// The slots that one rule refused or changed.
#[derive(Serialize)]
struct SlotErrors {
    code: &'static str,
    message: &'static str,
    deliveries: Vec<String>,
}

/// A value as it was saved.
#[derive(Serialize)]
struct SavedPrediction {
    ds: String,
    v: Option<Box<RawValue>>,
    c: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bn: Option<String>,
    pk: String,
    mu: &'static str,
}

/// The answer to a save of which the engine decided `reply`.
pub(crate) fn decided(
    save: &ShapedSave,
    saved: &Saved,
    reply: &Reply,
    returns_saves: bool,
) -> Answer {
    let rendering = Rendering { save, saved: Some(saved), recorded: reply.recorded, returns_saves };
    let additional = json!({
        "epoch": reply.epoch.0,
        "sequence": saved.sequence.0,
        "recorded": reply.recorded.to_string(),
    });
    rendering.answer(additional).at(reply.epoch)
}

/// The answer to a save of which nothing was fit to be decided.
pub(crate) fn refused(save: &ShapedSave) -> Answer {
    let rendering = Rendering { save, saved: None, recorded: Instant::MIN, returns_saves: false };
    rendering.answer(json!({}))
}

struct Rendering<'r> {
    save: &'r ShapedSave,
    saved: Option<&'r Saved>,
    recorded: Instant,
    returns_saves: bool,
}

impl Rendering<'_> {
    fn answer(&self, additional: Value) -> Answer {
        let all = self.saved.map_or(&[][..], |saved| &saved.slots);
        let batch_id = self
            .saved
            .filter(|_| all.iter().any(|slot| slot.outcome.is_stored()))
            .map(|saved| saved.batch);
        let finals = self.saved.map_or(&[][..], |saved| &saved.final_slots);
        let mut data = Vec::new();
        for (index, entry) in sent_indices(self.save).zip(&self.save.entries) {
            let slots = of_entry(all, index);
            data.push(self.entry(batch_id, entry, &self.save.target.provider, &slots));
            let final_slots: Vec<&SlotDecision> = of_entry(finals, index)
                .into_iter()
                .filter(|copy| is_stored(&slots, copy.start))
                .collect();
            if let Some(provider) = Provider::parse(Provider::FINAL_FORECAST)
                && !final_slots.is_empty()
            {
                // The copy has no refusals of its own shape: what the original lacks was never copied.
                let copy = ShapedEntry {
                    requested: final_slots.len(),
                    refused: Vec::new(),
                    ..entry.clone()
                };
                data.push(self.entry(batch_id, &copy, &provider, &final_slots));
            }
        }
        let (status, message) = match batch_id {
            Some(_) => (StatusCode::OK, "OK"),
            None => (StatusCode::UNPROCESSABLE_ENTITY, "every value was refused"),
        };
        // Strings, numbers and lists of them always have a JSON form.
        let data = serde_json::to_string(&data).unwrap_or_default();
        Answer::change(status, message, data, additional)
    }

    fn entry(
        &self,
        batch_id: Option<Uuid>,
        entry: &ShapedEntry,
        provider: &Provider,
        slots: &[&SlotDecision],
    ) -> EntryAnswer {
        let Unit { unit_type, unit_no } = entry.unit;
        let skipped = slots.iter().filter(|slot| slot.outcome == Outcome::Skipped).count();
        let stored = slots.iter().filter(|slot| slot.outcome.is_stored()).count();
        let predictions = self.returns_saves.then(|| {
            let news = |slot: &&&SlotDecision| {
                slot.outcome.is_stored() && slot.outcome != Outcome::Skipped
            };
            slots.iter().filter(news).map(|slot| self.prediction(entry, provider, slot)).collect()
        });
        EntryAnswer {
            batch_id,
            unit_type: unit_type.word(),
            unit_no,
            period: entry.period.minutes(),
            provider_key: provider.key().to_owned(),
            requested_count: entry.requested,
            saved_count: stored - skipped,
            skipped_count: skipped,
            errors: errors(entry, slots),
            predictions,
        }
    }

    fn prediction(
        &self,
        entry: &ShapedEntry,
        provider: &Provider,
        slot: &SlotDecision,
    ) -> SavedPrediction {
        let given = entry.slots.binary_search_by_key(&slot.start, |(start, _)| *start);
        let given = given.map_or(NULL, |index| entry.slots[index].1);
        let value = slot.clipped.unwrap_or(given);
        let text = || Quantity(value).text_in(self.save.measure, entry.period);
        SavedPrediction {
            ds: slot.start.to_string(),
            v: (value != NULL).then(|| RawValue::from_string(text()).ok()).flatten(),
            c: self.recorded.to_string(),
            bn: self.save.note.clone(),
            pk: provider.key().to_owned(),
            mu: measure_word(self.save.measure),
        }
    }
}

/// For each entry of the body its index in the command; an entry of which no value was fit has none.
pub(crate) fn sent_indices(save: &ShapedSave) -> impl Iterator<Item = Option<u32>> + '_ {
    save.entries.iter().scan(0, |next, entry| {
        let index = *next;
        *next += u32::from(!entry.slots.is_empty());
        Some((!entry.slots.is_empty()).then_some(index))
    })
}

fn of_entry(slots: &[SlotDecision], index: Option<u32>) -> Vec<&SlotDecision> {
    let Some(index) = index else { return Vec::new() };
    slots.iter().filter(|slot| slot.entry == index).collect()
}

fn is_stored(slots: &[&SlotDecision], start: Instant) -> bool {
    let found = slots.binary_search_by_key(&start, |slot| slot.start);
    found.is_ok_and(|index| slots[index].outcome.is_stored())
}

/// Refusals and warnings by rule, in the order of the checks, each with a delivery for every value.
fn errors(entry: &ShapedEntry, slots: &[&SlotDecision]) -> Vec<SlotErrors> {
    let mut by_rule: BTreeMap<(Outcome, &'static str), Vec<Instant>> = BTreeMap::new();
    let decided = slots.iter().map(|slot| (slot.start, slot.outcome));
    for (start, outcome) in entry.refused.iter().copied().chain(decided) {
        if let Some(code) = outcome.code() {
            by_rule.entry((outcome, code)).or_default().push(start);
        }
    }
    let clipped: Vec<Instant> = slots
        .iter()
        .filter(|slot| slot.clipped.is_some() && slot.outcome.is_stored())
        .map(|slot| slot.start)
        .collect();
    if !clipped.is_empty() {
        by_rule.insert((Outcome::UpperLimit, CONFORM_UPPER_LIMIT), clipped);
    }
    let mut errors = Vec::new();
    if entry.requested == 0 {
        let message = message(NO_PREDICTIONS);
        errors.push(SlotErrors { code: NO_PREDICTIONS, message, deliveries: Vec::new() });
    }
    errors.extend(by_rule.into_iter().map(|((_, code), mut starts)| {
        starts.sort_unstable();
        let deliveries = starts.iter().map(Instant::to_string).collect();
        SlotErrors { code, message: message(code), deliveries }
    }));
    errors
}

fn message(code: &str) -> &'static str {
    match code {
        NO_PREDICTIONS => "the entry holds no predictions",
        CONFORM_UPPER_LIMIT => "the value was clipped to the upper limit and saved",
        "UNALIGNED_DELIVERY" => "the delivery does not start on the grid of the period",
        "DUPLICATE_DELIVERIES" => "the delivery is given more than once",
        "VALUE_OUT_OF_RANGE" => "the value is beyond the value bound",
        "UNKNOWN_UNIT" => "the unit is not known then, or does not belong to the path's",
        "LOCKED" => "the slot is locked",
        "GATE_CLOSED" => "the gate of the slot has closed",
        "LOWER_LIMIT" => "the value is below the lower limit",
        "UPPER_LIMIT" => "the value is above the upper limit",
        _ => "the value was refused",
    }
}
