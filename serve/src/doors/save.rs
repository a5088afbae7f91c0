//! `POST …/forecasts` and `POST /api/v2.0/actuals/…`: a save.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use smartpulse_operators::change::Change;
use smartpulse_operators::series::{Kind, Provider};

use super::answer::Answer;
use super::body::Posted;
use super::desk::Desk;
use super::path::{self, ProviderPath, UnitPath};
use super::refusal::Refusal;
use super::save_answer;
use super::save_body::SaveBody;
use super::save_shape::shape;
use super::shaped_save::{Origin, Target};
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
    let change = Change::Save(shaped.save(Origin {
        id: desk.fresh_id(),
        user: posted.call.caller.identity.to_owned(),
        checks: posted.call.caller.checks(),
        source_batch: None,
        skips_existing_check,
    }));
    let reply = desk.ask(change, posted.idempotency).await?;
    match &reply.done {
        Done::Saved(saved) => Ok(save_answer::decided(&shaped, saved, &reply, returns_saves)),
        // The key was used before for something that was no save.
        _ => Err(Refusal::KeyReused),
    }
}
