//! `/api/v2.0/memberships`: which plant belongs to which company, which company to which group, and when.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use smartpulse_operators::change::Change;
use smartpulse_operators::time::{Instant, Zone};
use smartpulse_operators::unit::{Membership, Unit, UnitType};

use super::answer::Answer;
use super::axes::{Axes, Reference};
use super::body::Posted;
use super::desk::Desk;
use super::exchange::Call;
use super::refusal::Refusal;
use super::save_body::unreadable;
use super::statement::Statement;
use super::units;
use super::words::Words;
use crate::snapshot::Snapshot;
use crate::window::zone_of;

const KEY_FIELDS: [&str; 5] = ["parentType", "parentNo", "childType", "childNo", "validFrom"];
const FIELDS: [&str; 6] =
    ["parentType", "parentNo", "childType", "childNo", "validFrom", "validTo"];

/// `GET ?parentType=&parentNo=&childType=&childNo=`: all, or those of a parent or child; with `known_at` as
/// they were known then.
pub(crate) async fn list(
    State(desk): State<Arc<Desk>>,
    Extension(call): Extension<Call>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let known =
        ["min_epoch", "at_epoch", "known_at", "parentType", "parentNo", "childType", "childNo"];
    let words = Words::read(&uri, &known)?;
    let given = Statement::from_words(&words);
    let unit = |type_field: &str, no_field: &str| {
        let asked = given.raw(type_field).or(given.raw(no_field));
        asked.map(|_| given.unit(type_field, no_field)).transpose()
    };
    let (parent, child) = (unit("parentType", "parentNo")?, unit("childType", "childNo")?);
    let snapshot = desk.snapshot_for(&words).await?;
    let axes = Axes::read(Reference::Now, &words, &Zone::utc(), snapshot.clock)?;
    let known = snapshot.reference.memberships_known_at(axes.known_at);
    let data: Vec<Value> = known
        .iter()
        .filter(|known| parent.is_none_or(|parent| known.parent == parent))
        .filter(|known| child.is_none_or(|child| known.child == child))
        .map(element)
        .collect();
    let answer = Answer::read(&call.conditions, snapshot.epoch, &Value::Array(data));
    Ok(answer.with_known_at(axes.known_at))
}

/// Memberships one request may state: a large company that changes hands.
const MOST_AT_ONCE: usize = 1_000;

/// `PUT`: states one, or states it anew where parent, child and `validFrom` are known. A list of them
/// becomes visible at one epoch: that is how a plant is sold.
pub(crate) async fn put(State(desk): State<Arc<Desk>>, posted: Posted) -> Result<Answer, Refusal> {
    let snapshot = desk.doors.read_model.snapshot();
    if !posted.body.trim_ascii_start().starts_with(b"[") {
        let membership = stated(&Statement::parse(&posted.body, &FIELDS)?, &snapshot)?;
        return state(&desk, membership, posted).await;
    }
    let bodies: Vec<&RawValue> =
        serde_json::from_slice(&posted.body).map_err(|error| unreadable(&error))?;
    if bodies.len() > MOST_AT_ONCE {
        let (given, bound) = (bodies.len(), MOST_AT_ONCE);
        return Err(Refusal::TooManyValues { given, bound });
    }
    let read = |(index, body): (usize, &&RawValue)| {
        let statement = Statement::parse(body.get().as_bytes(), &FIELDS);
        let membership = statement.and_then(|statement| stated(&statement, &snapshot));
        membership.map_err(|refusal| refusal.within(&format!("[{index}]")))
    };
    let all = bodies.iter().enumerate().map(read).collect::<Result<Vec<_>, Refusal>>()?;
    let data = Value::Array(all.iter().map(element).collect());
    let mut changes: Vec<Change> = all.into_iter().map(Change::Membership).collect();
    let last = changes.pop().ok_or_else(|| Refusal::field("body", "must hold a membership"))?;
    let reply = desk.ask_all(changes, last, posted.idempotency).await?;
    Ok(Answer::done(&reply, &data))
}

fn stated(statement: &Statement, snapshot: &Snapshot) -> Result<Membership, Refusal> {
    let mut membership = named(statement, snapshot)?;
    let zone = zone_of(&snapshot.reference, membership.child);
    membership.valid_to = statement.time("validTo", &zone)?;
    if membership.valid_to.is_some_and(|end| end <= membership.valid_from) {
        return Err(Refusal::field("validTo", "must be after validFrom"));
    }
    Ok(membership)
}

/// `DELETE`: takes back the one of that parent, child and `validFrom`, given as body or query words.
pub(crate) async fn delete(
    State(desk): State<Arc<Desk>>,
    uri: Uri,
    posted: Posted,
) -> Result<Answer, Refusal> {
    let snapshot = desk.doors.read_model.snapshot();
    let statement = if posted.body.is_empty() {
        Statement::from_words(&Words::read(&uri, &KEY_FIELDS)?)
    } else {
        Statement::parse(&posted.body, &FIELDS)?
    };
    let wanted = named(&statement, &snapshot)?;
    let key = |known: &Membership| (known.parent, known.child, known.valid_from);
    let known = snapshot.reference.memberships().find(|known| key(known) == key(&wanted));
    // A keyed repetition is the engine's to answer: it remembers the first answer.
    if known.is_none() && posted.idempotency.is_none() {
        return Err(Refusal::NotFound("there is no such membership".to_owned()));
    }
    state(&desk, Membership { deleted: true, ..wanted }, posted).await
}

async fn state(desk: &Desk, membership: Membership, posted: Posted) -> Result<Answer, Refusal> {
    let data = element(&membership);
    let reply = desk.ask(Change::Membership(membership), posted.idempotency).await?;
    Ok(Answer::done(&reply, &data))
}

/// The membership that a statement names, open at its end.
fn named(statement: &Statement, snapshot: &Snapshot) -> Result<Membership, Refusal> {
    let parent = statement.unit("parentType", "parentNo")?;
    let child = statement.unit("childType", "childNo")?;
    let rises = matches!(
        (child.unit_type, parent.unit_type),
        (UnitType::PowerPlant, UnitType::Company) | (UnitType::Company, UnitType::Group)
    );
    if !rises {
        let rule = "a PP belongs to a CMP, and a CMP to a GRP";
        return Err(Refusal::field("parentType", rule));
    }
    for unit in [parent, child] {
        units::require(snapshot, unit)?;
    }
    let zone = zone_of(&snapshot.reference, child);
    let valid_from = statement.time("validFrom", &zone)?.unwrap_or(Instant::MIN);
    Ok(Membership {
        parent,
        child,
        valid_from,
        valid_to: None,
        recorded: Instant::MIN,
        deleted: false,
    })
}

fn element(membership: &Membership) -> Value {
    let Membership { parent, child, valid_from, valid_to, .. } = membership;
    let (word, no) = (|unit: &Unit| unit.unit_type.word(), |unit: &Unit| unit.unit_no);
    let mut element = json!({
        "parentType": word(parent),
        "parentNo": no(parent),
        "childType": word(child),
        "childNo": no(child),
    });
    if *valid_from != Instant::MIN {
        element["validFrom"] = units::since(*valid_from);
    }
    if let Some(valid_to) = valid_to {
        element["validTo"] = units::since(*valid_to);
    }
    element
}
