//! `/api/v2.0/locks`: freezing a unit's slots and letting them go.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use smartpulse_operators::change::Change;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::Lock;

use super::answer::Answer;
use super::body::Posted;
use super::desk::Desk;
use super::exchange::Call;
use super::path::IdPath;
use super::refusal::Refusal;
use super::statement::Statement;
use super::units;
use super::words::Words;
use crate::command::Done;
use crate::window::zone_of;

/// `GET ?unitType=&unitNo=`: all locks ever set, or those of a unit.
pub(crate) async fn list(
    State(desk): State<Arc<Desk>>,
    Extension(call): Extension<Call>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let words = Words::read(&uri, &["min_epoch", "at_epoch", "unitType", "unitNo"])?;
    let given = Statement::from_words(&words);
    let asked = given.raw("unitType").or(given.raw("unitNo"));
    let unit = asked.map(|_| given.unit("unitType", "unitNo")).transpose()?;
    let snapshot = desk.snapshot_for(&words).await?;
    let wanted = |lock: &&Lock| unit.is_none_or(|unit| lock.unit == unit);
    let data: Vec<Value> = snapshot.reference.locks().filter(wanted).map(element).collect();
    Ok(Answer::read(&call.conditions, snapshot.epoch, &Value::Array(data)))
}

/// `POST {unitType, unitNo, from, to, reason, expires?}`
pub(crate) async fn set(State(desk): State<Arc<Desk>>, posted: Posted) -> Result<Answer, Refusal> {
    let known = ["unitType", "unitNo", "from", "to", "reason", "expires"];
    let statement = Statement::parse(&posted.body, &known)?;
    let unit = statement.unit("unitType", "unitNo")?;
    let snapshot = desk.doors.read_model.snapshot();
    units::require(&snapshot, unit)?;
    let zone = zone_of(&snapshot.reference, unit);
    let time =
        |name: &str| statement.time(name, &zone)?.ok_or_else(|| Refusal::field(name, "is missing"));
    let (from, to) = (time("from")?, time("to")?);
    if to <= from {
        return Err(Refusal::field("to", "must be after from"));
    }
    let reason = statement.text("reason")?.ok_or_else(|| Refusal::field("reason", "is missing"))?;
    let lock = Lock {
        id: 0,
        unit,
        from,
        to,
        user: posted.call.caller.identity.to_owned(),
        reason: reason.to_owned(),
        expires: statement.time("expires", &zone)?,
        released: None,
        recorded: Instant::MIN,
    };
    let reply = desk.ask(Change::Lock(lock), posted.idempotency).await?;
    match reply.done {
        Done::Stated { lock: Some(id) } => Ok(Answer::done(&reply, &json!({ "id": id }))),
        // The key was used before for something that was no lock.
        _ => Err(Refusal::KeyReused),
    }
}

/// `DELETE /api/v2.0/locks/{id}`: releases it; releasing again changes nothing.
pub(crate) async fn release(
    State(desk): State<Arc<Desk>>,
    IdPath(id): IdPath,
    posted: Posted,
) -> Result<Answer, Refusal> {
    let snapshot = desk.doors.read_model.snapshot();
    let unknown = || Refusal::NotFound(format!("there is no lock {id}"));
    let lock = id.parse().ok().and_then(|id| snapshot.reference.lock(id)).ok_or_else(unknown)?;
    let data = json!({ "id": lock.id });
    // A keyed repetition is the engine's to answer: it remembers the first answer.
    if lock.released.is_some() && posted.idempotency.is_none() {
        let answer = Answer::change(StatusCode::OK, "OK", data.to_string(), json!({}));
        return Ok(answer.at(snapshot.epoch));
    }
    let released = Lock { released: lock.released.or(Some(Instant::MIN)), ..lock.clone() };
    let reply = desk.ask(Change::Lock(released), posted.idempotency).await?;
    Ok(Answer::done(&reply, &data))
}

fn element(lock: &Lock) -> Value {
    let mut element = json!({
        "id": lock.id,
        "unitType": lock.unit.unit_type.word(),
        "unitNo": lock.unit.unit_no,
        "from": lock.from.to_string(),
        "to": lock.to.to_string(),
        "user": lock.user,
        "reason": lock.reason,
    });
    let times =
        [("expires", lock.expires), ("released", lock.released), ("recorded", Some(lock.recorded))];
    for (name, time) in times {
        let known = time.map(units::since).filter(|text| !text.is_null());
        if let Some(text) = known {
            element[name] = text;
        }
    }
    element
}
