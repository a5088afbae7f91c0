//! A save that comes as a message: held to the same rules as one that comes to a door, and refused with the same
//! codes. What a path and a query say of a request, properties say of a message.

use smartpulse_operators::change::Save;
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::Unit;
use uuid::Uuid;

use super::caller::live_checks;
use super::path;
use super::refusal::Refusal;
use super::rules::DoorRules;
use super::save_body::{SaveBody, Text};
use super::save_columns::Columns;
use super::save_shape::shape;
use super::shaped_save::{Origin, ShapedEntry, ShapedSave, Target};

/// A message that carries a save.
#[derive(Clone, Copy, Debug)]
pub struct SentSave<'m> {
    /// Its properties; names in any case: `content-type`, `provider`, `unitType`, `unitNo`, `kind`,
    /// `shouldSkipExistingCheck`, and for columns `measureUnit`, `note`, `validAfter`.
    pub properties: &'m [(String, String)],
    /// Its key, which names the unit (`PP:17`) where no property does.
    pub key: Option<&'m str>,
    /// Its body.
    pub body: &'m [u8],
    /// The provider where no property names one.
    pub provider: Option<&'m str>,
}

/// Who stands behind a message, and which it is.
#[derive(Clone, Debug)]
pub struct Sender<'m> {
    /// The batch's id.
    pub id: Uuid,
    /// The batch's name at its source.
    pub source_batch: String,
    /// The identity.
    pub user: String,
    /// Its roles.
    pub roles: &'m [String],
}

/// A save that can be decided.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadSave {
    /// The save.
    pub save: Save,
    /// Values that it holds.
    pub values: usize,
    /// Slots refused by their shape: unit, period in minutes, code.
    pub refused: Vec<RefusedSlot>,
}

/// A slot that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedSlot {
    /// Whose.
    pub unit: Unit,
    /// Its start.
    pub start: Instant,
    /// By which rule.
    pub outcome: Outcome,
}

/// Why a message cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The code of the rule, as a door would give it.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The field, where one is to blame.
    pub field: Option<String>,
}

/// Reads the save in a message.
///
/// # Errors
/// [`Unusable`] where a door would refuse the whole of it, or every value by its shape.
pub fn read(
    sent: &SentSave<'_>,
    sender: Sender<'_>,
    rules: &DoorRules,
    reference: &Reference,
) -> Result<ReadSave, Unusable> {
    let shaped = shaped(sent, rules, reference).map_err(|refusal| unusable(&refusal))?;
    let of_entry = |entry: &ShapedEntry| {
        let unit = entry.unit;
        let slot =
            move |(start, outcome): &(_, _)| RefusedSlot { unit, start: *start, outcome: *outcome };
        entry.refused.iter().map(slot).collect::<Vec<_>>()
    };
    let refused: Vec<RefusedSlot> = shaped.entries.iter().flat_map(of_entry).collect();
    if shaped.entries.iter().all(|entry| entry.slots.is_empty()) {
        return Err(match refused.first() {
            None => Unusable {
                code: "NO_PREDICTIONS".to_owned(),
                message: "it holds no predictions".to_owned(),
                field: Some("predictions".to_owned()),
            },
            Some(first) => Unusable {
                code: first.outcome.code().unwrap_or_default().to_owned(),
                message: "every value was refused".to_owned(),
                field: None,
            },
        });
    }
    let past_role = sender.roles.iter().any(|role| role == DoorRules::PAST_ROLE);
    let save = shaped.save(Origin {
        id: sender.id,
        user: sender.user,
        checks: live_checks(past_role),
        source_batch: Some(sender.source_batch),
        skips_existing_check: flag(sent, "shouldSkipExistingCheck")
            .map_err(|refusal| unusable(&refusal))?,
    });
    let values = shaped.entries.iter().map(|entry| entry.slots.len()).sum();
    Ok(ReadSave { save, values, refused })
}

fn shaped(
    sent: &SentSave<'_>,
    rules: &DoorRules,
    reference: &Reference,
) -> Result<ShapedSave, Refusal> {
    if sent.body.len() > rules.body_bytes {
        return Err(Refusal::BodyTooLarge { bound: rules.body_bytes });
    }
    let target = target(sent)?;
    let content_type = property(sent, "content-type").unwrap_or("application/json");
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => shape(&SaveBody::parse(sent.body)?, target, rules, reference),
        "application/vnd.apache.arrow.stream" | "application/vnd.apache.arrow.file" => {
            let columns = Columns::read(sent.body, rules.max_values)?;
            let mut body = columns.body()?;
            let text = |name| property(sent, name).map(|text| Some(Text(text.into())));
            body.measure = property(sent, "measureUnit");
            (body.note, body.valid_after) = (text("note"), text("validAfter"));
            shape(&body, target, rules, reference)
        }
        _ => Err(Refusal::field(
            "content-type",
            "must be application/json or application/vnd.apache.arrow.stream",
        )),
    }
}

/// Whose save it is.
fn target(sent: &SentSave<'_>) -> Result<Target, Refusal> {
    let key = sent.key.and_then(|key| key.split_once([':', '/']));
    let missing = |name: &str| Refusal::field(name, "is missing");
    let kind = match property(sent, "kind") {
        None => Kind::Forecast,
        Some(word) if word.eq_ignore_ascii_case("forecast") => Kind::Forecast,
        Some(word) if word.eq_ignore_ascii_case("actual") => Kind::Actual,
        Some(_) => return Err(Refusal::field("kind", "must be forecast or actual")),
    };
    let usual = (kind == Kind::Actual).then_some(Provider::METER);
    let provider = property(sent, "provider").or(sent.provider).or(usual);
    let provider = path::provider("provider", provider.ok_or_else(|| missing("provider"))?)?;
    let unit_type = property(sent, "unitType").or(key.map(|(unit_type, _)| unit_type));
    let unit_type = unit_type.ok_or_else(|| missing("unitType"))?;
    let unit_no = property(sent, "unitNo").or(key.map(|(_, unit_no)| unit_no));
    let unit_no = unit_no.ok_or_else(|| missing("unitNo"))?;
    let unit = path::unit(("unitType", unit_type), ("unitNo", unit_no))?;
    Ok(Target { kind, unit, provider })
}

fn property<'m>(sent: &SentSave<'m>, name: &str) -> Option<&'m str> {
    let found = sent.properties.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

fn flag(sent: &SentSave<'_>, name: &'static str) -> Result<bool, Refusal> {
    match property(sent, name) {
        None => Ok(false),
        Some(word) if word.eq_ignore_ascii_case("true") => Ok(true),
        Some(word) if word.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(Refusal::field(name, "must be true or false")),
    }
}

fn unusable(refusal: &Refusal) -> Unusable {
    let additional = refusal.additional();
    let fields = additional.get("fields").and_then(|fields| fields.as_object());
    let first = fields.and_then(|fields| fields.iter().next());
    let rule = first.and_then(|(_, rules)| rules.get(0)?.as_str());
    let message = match (refusal, &first, rule) {
        (Refusal::Invalid(_), Some((field, _)), Some(rule)) => format!("{field} {rule}"),
        _ => refusal.to_string(),
    };
    Unusable {
        code: refusal.code().to_owned(),
        message,
        field: first.map(|(field, _)| field.clone()),
    }
}

#[cfg(test)]
#[path = "message/tests.rs"]
mod tests;
