//! `/api/v2.0/batches/{id}`: what a save was, and taking it back.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};
use smartpulse_operators::change::{BatchName, Change, Withdrawal};
use smartpulse_operators::time::Instant;
use uuid::Uuid;

use super::answer::Answer;
use super::body::Posted;
use super::desk::Desk;
use super::exchange::Call;
use super::path::IdPath;
use super::refusal::Refusal;
use super::words::Words;
use crate::command::{BatchSummary, Done};

/// `GET`
pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    IdPath(id): IdPath,
    Extension(call): Extension<Call>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let words = Words::read(&uri, &["min_epoch"])?;
    let id = batch_id(&id)?;
    let snapshot = desk.snapshot(words.min_epoch()?).await?;
    let summary = desk.batch(id).await?.ok_or_else(|| unknown(id))?;
    Ok(Answer::read(&call.conditions, snapshot.epoch, &element(&summary)))
}

/// `DELETE`: withdraws the whole batch; again changes nothing.
pub(crate) async fn withdraw(
    State(desk): State<Arc<Desk>>,
    IdPath(id): IdPath,
    posted: Posted,
) -> Result<Answer, Refusal> {
    let id = batch_id(&id)?;
    let caller = &posted.call.caller;
    let change = Change::Withdrawal(Withdrawal {
        batch: BatchName::Id(id),
        recorded: Instant::MIN,
        checks: caller.checks(),
        user: Some(caller.identity.to_owned()),
    });
    let reply = desk.ask(change, posted.idempotency).await?;
    match &reply.done {
        Done::Withdrawn { already } => {
            Ok(Answer::done(&reply, &json!({ "batchId": id, "alreadyWithdrawn": already })))
        }
        Done::WithdrawalRefused(slots) => Err(Refusal::WithdrawalRefused(slots.clone())),
        Done::UnknownBatch => Err(unknown(id)),
        // The key was used before for something that was no withdrawal.
        Done::Saved(_) | Done::Stated { .. } => Err(Refusal::KeyReused),
    }
}

fn batch_id(text: &str) -> Result<Uuid, Refusal> {
    text.parse().map_err(|_| Refusal::field("id", "must be a UUID"))
}

fn unknown(id: Uuid) -> Refusal {
    Refusal::NotFound(format!("there is no batch {id}"))
}

fn element(summary: &BatchSummary) -> Value {
    let batch = &summary.batch;
    let mut element = json!({
        "batchId": batch.id,
        "sequence": batch.sequence.0,
        "recorded": batch.recorded.to_string(),
        "validAfter": batch.valid_after.to_string(),
        "providerKey": batch.provider.key(),
        "savedCount": summary.saved,
        "skippedCount": summary.skipped,
    });
    let texts = [
        ("sourceBatch", batch.source_batch.clone()),
        ("user", batch.user.clone()),
        ("note", batch.note.clone()),
        ("withdrawnAt", summary.withdrawn_at.map(|at| at.to_string())),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            element[name] = json!(text);
        }
    }
    if let Some((first, last)) = &summary.delivery_days {
        element["firstDeliveryDay"] = json!(first.to_string());
        element["lastDeliveryDay"] = json!(last.to_string());
    }
    element
}
