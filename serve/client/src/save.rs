//! Saves and what became of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::answer::Answer;
use crate::error::Error;
use crate::unit::{Unit, UnitType, escaped};

/// What is to be saved: one batch.
#[derive(Clone, Debug)]
pub struct Save {
    /// The plant, or the company or group whose members the entries name.
    pub unit: Unit,
    /// Whose forecasts they are; may be left out for metered production alone.
    pub provider: Option<String>,
    /// Whether it is metered production.
    pub is_actual: bool,
    /// The curves.
    pub entries: Vec<Entry>,
    /// `MW` (default), `kW`, `MWh` or `kWh`.
    pub measure_unit: Option<String>,
    /// Up to 255 characters.
    pub note: Option<String>,
    /// From when it counts, RFC 3339; none: at once.
    pub valid_after: Option<String>,
    /// Whether the answer holds the values as they were saved.
    pub returns_saves: bool,
    /// Whether values equal to the current ones are saved anew instead of counted as skipped.
    pub skips_existing_check: bool,
}

/// A curve: values of one slot length.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// A member of the save's unit; none: that unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_no: Option<u64>,
    /// The type of that member; none: the save's unit's, or that of its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_type: Option<UnitType>,
    /// Slot length in minutes.
    pub period: u16,
    /// The values.
    pub predictions: Vec<Prediction>,
    /// Whether they are also written as provider `FinalForecast`.
    #[serde(skip_serializing_if = "is_false")]
    pub apply_final_forecast: bool,
    /// Whether values above the upper limit are clipped to it instead of refused.
    #[serde(skip_serializing_if = "is_false")]
    pub conform_upper_limit: bool,
}

/// The value of one slot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Delivery start, RFC 3339.
    pub ds: String,
    /// In the save's measure unit; none withdraws the slot.
    pub v: Option<f64>,
}

/// What became of a save.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The epoch from which it is visible; of one that was refused, the newest.
    pub epoch: u64,
    /// Its number in the order of acceptance; none where nothing was fit to be decided.
    pub sequence: Option<u64>,
    /// When it was accepted, RFC 3339.
    pub recorded: Option<String>,
    /// One for each entry, and for each copy as final forecast.
    pub entries: Vec<SaveEntry>,
}

/// What became of one entry.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaveEntry {
    /// The batch; none when every value of the save was refused.
    pub batch_id: Option<Uuid>,
    /// The unit's type.
    pub unit_type: UnitType,
    /// The unit's number.
    pub unit_no: u64,
    /// Slot length in minutes.
    pub period: u16,
    /// The provider.
    pub provider_key: String,
    /// Values given.
    pub requested_count: usize,
    /// Values saved.
    pub saved_count: usize,
    /// Values equal to the current ones.
    pub skipped_count: usize,
    /// Refusals and warnings, by rule.
    pub errors: Vec<SlotErrors>,
    /// The values as they were saved, where that was asked for.
    #[serde(default)]
    pub predictions: Option<Vec<Value>>,
}

/// The slots that one rule refused or changed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SlotErrors {
    /// The rule, such as `GATE_CLOSED`.
    pub code: String,
    /// Its words.
    pub message: String,
    /// Delivery starts.
    pub deliveries: Vec<String>,
}

/// What became of a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// The epoch from which it is visible.
    pub epoch: u64,
    /// When it was accepted, RFC 3339.
    pub recorded: Option<String>,
    /// Whether the batch had been withdrawn before.
    pub already: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SaveBody<'s> {
    unit_forecast_list: &'s [Entry],
    #[serde(skip_serializing_if = "Option::is_none")]
    measure_unit: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_after: Option<&'s str>,
}

impl Save {
    /// Forecasts of `unit` by `provider`.
    pub fn forecasts(unit: Unit, provider: &str, entries: Vec<Entry>) -> Save {
        Save {
            unit,
            provider: Some(provider.to_owned()),
            is_actual: false,
            entries,
            measure_unit: None,
            note: None,
            valid_after: None,
            returns_saves: false,
            skips_existing_check: false,
        }
    }

    /// Metered production of `unit`; without a provider it is `Meter`'s.
    pub fn actuals(unit: Unit, provider: Option<&str>, entries: Vec<Entry>) -> Save {
        let provider = provider.map(str::to_owned);
        Save { provider, is_actual: true, ..Save::forecasts(unit, "", entries) }
    }

    pub(crate) fn path(&self) -> String {
        let Save { unit, provider, .. } = self;
        let provider = escaped(provider.as_deref().unwrap_or_default());
        let mut words = Vec::new();
        let mut path = if self.is_actual {
            if self.provider.is_some() {
                words.push(format!("provider={provider}"));
            }
            format!("/api/v2.0/actuals/{unit}")
        } else {
            format!("/api/v2.0/production-forecast/{provider}/{unit}/forecasts")
        };
        let flags = [
            (self.returns_saves, "returnSaves=true"),
            (self.skips_existing_check, "shouldSkipExistingCheck=true"),
        ];
        words.extend(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word.to_string()));
        if !words.is_empty() {
            path.push('?');
            path.push_str(&words.join("&"));
        }
        path
    }

    pub(crate) fn body(&self) -> Result<SaveBody<'_>, Error> {
        let all = self.entries.iter().flat_map(|entry| &entry.predictions);
        for prediction in all {
            if prediction.v.is_some_and(|value| !value.is_finite()) {
                return Err(Error::NotFinite { ds: prediction.ds.clone() });
            }
        }
        Ok(SaveBody {
            unit_forecast_list: &self.entries,
            measure_unit: self.measure_unit.as_deref(),
            note: self.note.as_deref(),
            valid_after: self.valid_after.as_deref(),
        })
    }
}

impl Entry {
    /// Values of slots of `period` minutes.
    pub fn new(period: u16, predictions: Vec<Prediction>) -> Entry {
        let (apply_final_forecast, conform_upper_limit) = (false, false);
        let (unit_no, unit_type) = (None, None);
        Entry { unit_no, unit_type, period, predictions, apply_final_forecast, conform_upper_limit }
    }
}

impl Prediction {
    /// The value of the slot that starts at `ds`; none withdraws it.
    pub fn new(ds: impl Into<String>, v: Option<f64>) -> Prediction {
        Prediction { ds: ds.into(), v }
    }
}

impl Saved {
    /// The batch; none when every value was refused.
    pub fn batch_id(&self) -> Option<Uuid> {
        self.entries.iter().find_map(|entry| entry.batch_id)
    }

    /// Whether every value was refused.
    pub fn is_refused(&self) -> bool {
        self.batch_id().is_none()
    }

    pub(crate) fn from_answer(answer: Answer) -> Result<Saved, Error> {
        let Answer { epoch, data, additional } = answer;
        Ok(Saved {
            epoch: epoch.ok_or_else(|| Error::unreadable("a save names no epoch"))?,
            sequence: additional.get("sequence").and_then(Value::as_u64),
            recorded: additional.get("recorded").and_then(Value::as_str).map(str::to_owned),
            entries: serde_json::from_value(data).map_err(Error::unreadable)?,
        })
    }
}

impl Withdrawn {
    pub(crate) fn from_answer(answer: Answer) -> Result<Withdrawn, Error> {
        let Answer { epoch, data, additional } = answer;
        Ok(Withdrawn {
            epoch: epoch.ok_or_else(|| Error::unreadable("a withdrawal names no epoch"))?,
            recorded: additional.get("recorded").and_then(Value::as_str).map(str::to_owned),
            already: data["alreadyWithdrawn"].as_bool().unwrap_or(false),
        })
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_unit_provider_and_flags() {
        let save = Save::forecasts(Unit::plant(7), "Wind & Co/Ö", Vec::new());
        let path = "/api/v2.0/production-forecast/Wind%20%26%20Co%2F%C3%96/PP/7/forecasts";
        assert_eq!(save.path(), path);
        let save = Save { returns_saves: true, skips_existing_check: true, ..save };
        assert_eq!(save.path(), format!("{path}?returnSaves=true&shouldSkipExistingCheck=true"));
        let save = Save::actuals(Unit::plant(7), None, Vec::new());
        assert_eq!(save.path(), "/api/v2.0/actuals/PP/7");
        let save = Save::actuals(Unit::plant(7), Some("A B"), Vec::new());
        assert_eq!(save.path(), "/api/v2.0/actuals/PP/7?provider=A%20B");
    }

    #[test]
    fn what_is_no_number_never_becomes_a_withdrawal() {
        let save = |v| {
            let entry = Entry::new(60, vec![Prediction::new("2026-01-01T00:00:00Z", v)]);
            let save = Save::forecasts(Unit::plant(1), "A", vec![entry]);
            save.body().map(|body| serde_json::to_string(&body).unwrap())
        };
        assert!(matches!(save(Some(f64::NAN)), Err(Error::NotFinite { .. })));
        assert!(matches!(save(Some(f64::INFINITY)), Err(Error::NotFinite { .. })));
        let text = r#"{"unitForecastList":[{"period":60,"predictions":[{"ds":"2026-01-01T00:00:00Z","v":V}]}]}"#;
        assert_eq!(save(None).unwrap(), text.replace('V', "null"));
        assert_eq!(save(Some(12.34567)).unwrap(), text.replace('V', "12.34567"));
    }
}
