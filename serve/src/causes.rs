//! Why something changed, as a delta of a stream names it.

use serde::Serialize;
use smartpulse_operators::cause::Cause;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::Unit;

/// Most causes that a delta names: enough to act on, and a bound for a slot that a flood of saves touches.
pub(crate) const MAX_CAUSES: usize = 8;

/// A cause as it is written.
#[derive(Serialize)]
struct Written<'c> {
    r#type: &'c str,
    id: String,
}

/// Appends `{"type", "id"}`.
pub(crate) fn write(cause: &Cause, text: &mut String) {
    let plain = |unit: &Unit| format!("{}/{}", unit.unit_type.word(), unit.unit_no);
    let (word, id) = match cause {
        Cause::Batch(id) => ("batch", id.to_string()),
        Cause::Withdrawal(id) => ("withdrawal", id.to_string()),
        Cause::Membership { parent, child, valid_from } => {
            let from = match *valid_from {
                Instant::MIN => "always".to_owned(),
                from => from.to_string(),
            };
            ("membership", format!("{}>{}@{from}", plain(child), plain(parent)))
        }
        Cause::Unit(unit) => ("unit", plain(unit)),
        Cause::Clock(instant) => ("clock", instant.to_string()),
    };
    // Two texts serialise.
    text.push_str(&serde_json::to_string(&Written { r#type: word, id }).unwrap_or_default());
}

/// Adds `cause` unless it is there already or there are [`MAX_CAUSES`].
pub(crate) fn add(causes: &mut Vec<Cause>, cause: &Cause) {
    if causes.len() < MAX_CAUSES && !causes.contains(cause) {
        causes.push(cause.clone());
    }
}
