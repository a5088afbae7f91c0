//! `/api/v2.0/units/{unitType}/{unitNo}/properties/{key}`: limits, market and whatever else is said of a
//! unit by name.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};
use smartpulse_operators::change::Change;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Property, Unit};

use super::answer::Answer;
use super::body::Posted;
use super::desk::Desk;
use super::exchange::Call;
use super::path::PropertyPath;
use super::refusal::Refusal;
use super::statement::{Statement, megawatts};
use super::units;
use super::words::Words;

/// Longest key.
const KEY_CHARS: usize = 50;

/// `GET`
pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    PropertyPath { unit, key }: PropertyPath,
    Extension(call): Extension<Call>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let words = Words::read(&uri, &["min_epoch", "at_epoch"])?;
    let snapshot = desk.snapshot_for(&words).await?;
    units::require(&snapshot, unit)?;
    let property = snapshot.reference.properties(unit).find(|property| property.key == key);
    let property =
        property.ok_or_else(|| Refusal::NotFound(format!("{unit} has no property {key}")))?;
    let data = element(unit, &key, property.value.as_deref());
    Ok(Answer::read(&call.conditions, snapshot.epoch, &data))
}

/// `PUT {"value"}`
pub(crate) async fn put(
    State(desk): State<Arc<Desk>>,
    PropertyPath { unit, key }: PropertyPath,
    posted: Posted,
) -> Result<Answer, Refusal> {
    let statement = Statement::parse(&posted.body, &["value"])?;
    let value = statement.text("value")?.ok_or_else(|| Refusal::field("value", "is missing"))?;
    let is_limit = matches!(key.as_str(), "lower_limit_mw" | "upper_limit_mw");
    if is_limit && megawatts(value, desk.doors.rules.value_bound).is_none() {
        return Err(Refusal::field(
            "value",
            format!("{key} must be a number of MW within the value bound"),
        ));
    }
    state(&desk, unit, key, Some(value.trim().to_owned()), posted.idempotency).await
}

/// `DELETE`
pub(crate) async fn delete(
    State(desk): State<Arc<Desk>>,
    PropertyPath { unit, key }: PropertyPath,
    posted: Posted,
) -> Result<Answer, Refusal> {
    state(&desk, unit, key, None, posted.idempotency).await
}

async fn state(
    desk: &Desk,
    unit: Unit,
    key: String,
    value: Option<String>,
    idempotency: Option<crate::command::Idempotency>,
) -> Result<Answer, Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !(1..=KEY_CHARS).contains(&key.len()) || !key.chars().all(fits) {
        return Err(Refusal::field("key", "must be 1 to 50 letters, digits, `_`, `-` or `.`"));
    }
    units::require(&desk.doors.read_model.snapshot(), unit)?;
    let data = element(unit, &key, value.as_deref());
    let property = Property { unit, key, value, recorded: Instant::MIN };
    let reply = desk.ask(Change::Property(property), idempotency).await?;
    Ok(Answer::done(&reply, &data))
}

fn element(unit: Unit, key: &str, value: Option<&str>) -> Value {
    let mut element =
        json!({ "unitType": unit.unit_type.word(), "unitNo": unit.unit_no, "key": key });
    if let Some(value) = value {
        element["value"] = json!(value);
    }
    element
}
