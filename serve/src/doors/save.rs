//! `POST …/forecasts` and `POST /api/v2.0/actuals/…`: a save.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::change::{Change, Curve, Entry, Save};
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::Instant;

use super::answer::Answer;
use super::body::Posted;
use super::desk::Desk;
use super::path::{self, ProviderPath, UnitPath};
use super::refusal::Refusal;
use super::save_answer;
use super::save_body::SaveBody;
use super::save_shape::{ShapedSave, Target, shape};
use super::words::Words;
use crate::command::Done;

/// `POST /api/v2.0/production-forecast/{provider}/{unitType}/{unitNo}/forecasts`
pub(crate) async fn forecasts(
    State(desk): State<Arc<Desk>>,
    ProviderPath { provider, unit }: ProviderPath,
    uri: Uri,
    posted: Posted,
) -> Result<Answer, Refusal> {
    let words =
        Words::read(&uri, &["returnSaves", "shouldReturnSaves", "shouldSkipExistingCheck"])?;
    save(&desk, Target { kind: Kind::Forecast, unit, provider }, &words, posted).await
}

/// `POST /api/v2.0/actuals/{unitType}/{unitNo}?provider=`
pub(crate) async fn actuals(
    State(desk): State<Arc<Desk>>,
    UnitPath(unit): UnitPath,
    uri: Uri,
    posted: Posted,
) -> Result<Answer, Refusal> {
    let known = ["provider", "returnSaves", "shouldReturnSaves", "shouldSkipExistingCheck"];
    let words = Words::read(&uri, &known)?;
    let provider = path::provider("provider", words.get("provider").unwrap_or(Provider::METER))?;
    save(&desk, Target { kind: Kind::Actual, unit, provider }, &words, posted).await
}

async fn save(
    desk: &Desk,
    target: Target,
    words: &Words,
    posted: Posted,
) -> Result<Answer, Refusal> {
    let returns_saves = words.flag("returnSaves")? || words.flag("shouldReturnSaves")?;
    let skips_existing_check = words.flag("shouldSkipExistingCheck")?;
    let shaped = {
        let body = SaveBody::parse(&posted.body)?;
        let snapshot = desk.doors.read_model.snapshot();
        shape(&body, target, &desk.doors.rules, &snapshot.reference)?
    };
    if shaped.entries.iter().all(|entry| entry.slots.is_empty()) {
        return Ok(save_answer::refused(&shaped));
    }
    let batch = Batch {
        id: desk.fresh_id(),
        sequence: Sequence(0),
        recorded: Instant::MIN,
        valid_after: shaped.valid_after,
        provider: shaped.target.provider.clone(),
        user: Some(posted.call.caller.identity.to_owned()),
        note: shaped.note.clone(),
        source_batch: None,
        skips_existing_check,
    };
    let change = Change::Save(Save {
        batch,
        checks: posted.call.caller.checks(),
        path: Some(shaped.target.unit),
        entries: entries(&shaped),
        refused: Vec::new(),
    });
    let reply = desk.ask(change, posted.idempotency).await?;
    match &reply.done {
        Done::Saved(saved) => Ok(save_answer::decided(&shaped, saved, &reply, returns_saves)),
        // The key was used before for something that was no save.
        _ => Err(Refusal::KeyReused),
    }
}

/// The entries to decide: those with a value that was fit.
fn entries(save: &ShapedSave) -> Vec<Entry> {
    let sent = save.entries.iter().filter(|entry| !entry.slots.is_empty());
    sent.map(|entry| Entry {
        kind: save.target.kind,
        unit: entry.unit,
        period: entry.period,
        conform_upper_limit: entry.conform_upper_limit,
        apply_final_forecast: entry.apply_final_forecast,
        curve: Curve::new(entry.period, entry.slots.iter().copied()),
    })
    .collect()
}
