//! How the service is: status, health, metrics, and the page that says where to look.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};

use super::answer::Answer;
use super::desk::Desk;
use super::refusal::Refusal;
use super::units;
use super::words::Words;
use crate::attached::Direction;

/// `GET /api/v2.0/status`
pub(crate) async fn status(State(desk): State<Arc<Desk>>, uri: Uri) -> Result<Answer, Refusal> {
    let words = Words::read(&uri, &["min_epoch"])?;
    let snapshot = desk.snapshot(words.min_epoch()?).await?;
    let ready = desk.ready();
    let figures = &snapshot.figures;
    let (epochs, bytes, oldest) = desk.doors.read_model.retained();
    let (cohorts, _) = desk.doors.streams.sizes();
    let open = desk.doors.streams.counts.open.load(Ordering::Relaxed);
    let source = |(name, position): &(String, u64)| json!({ "name": name, "position": position });
    let told = |direction| -> Vec<Value> {
        let links = desk.doors.attached.iter().filter(|link| link.direction == direction);
        links.map(|link| without_nulls(link.told(&snapshot))).collect()
    };
    let data = json!({
        "incarnation": desk.doors.read_model.incarnation(),
        "epoch": snapshot.epoch.0,
        "clock": units::since(snapshot.clock),
        "ready": ready.is_ok(),
        "reason": ready.as_ref().err(),
        "counts": {
            "batches": figures.batches,
            "saved": figures.saved,
            "skipped": figures.skipped,
            "refused": figures.refused,
            "seriesDays": snapshot.series_days(),
        },
        "bytes": {
            "journal": figures.journal_bytes,
            "retained": bytes,
            "encoded": desk.fragments.bytes(),
        },
        "retained": { "epochs": epochs, "oldestEpoch": oldest.0 },
        "streams": { "open": open, "cohorts": cohorts },
        "lag": { "historyEpochs": figures.history_lag_epochs },
        "sources": figures.sources.iter().map(source).chain(told(Direction::Source)).collect::<Vec<_>>(),
        "sinks": told(Direction::Sink),
        "feeds": told(Direction::Feed),
        "localRoles": desk.doors.rules.local_roles,
    });
    Ok(Answer::current(snapshot.epoch, &without_nulls(data)))
}

/// `GET /health/live`: the process answers.
pub(crate) async fn live() -> Answer {
    health(StatusCode::OK, &json!({ "status": "live" }))
}

/// `GET /health/ready`: it may be sent work, or why not.
pub(crate) async fn ready(State(desk): State<Arc<Desk>>) -> Answer {
    match desk.ready() {
        Ok(()) => {
            let troubles = desk.troubles();
            let trouble =
                |(name, reason): &(&str, String)| json!({ "name": name, "reason": reason });
            let mut said = json!({ "status": "ready" });
            if !troubles.is_empty() {
                said["degraded"] = troubles.iter().map(trouble).collect();
            }
            health(StatusCode::OK, &said)
        }
        Err(reason) => health(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({ "status": "not ready", "reason": reason }),
        ),
    }
}

/// `POST /api/v2.0/clock/release`: the operator believes the jump for which the clock is held.
pub(crate) async fn release_clock(
    State(desk): State<Arc<Desk>>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    Words::read(&uri, &[])?;
    let released = desk.release_clock()?;
    Ok(Answer::current(desk.newest_epoch(), &json!({ "released": released })))
}

/// `GET /metrics`
pub(crate) async fn metrics(State(desk): State<Arc<Desk>>) -> Answer {
    let text = desk.meters.text(&desk);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Answer::page(StatusCode::OK, content_type, text)
}

fn health(status: StatusCode, data: &Value) -> Answer {
    Answer::page(status, "application/json; charset=utf-8", data.to_string())
}

fn without_nulls(mut data: Value) -> Value {
    if let Value::Object(fields) = &mut data {
        fields.retain(|_, value| !value.is_null());
    }
    data
}
