//! Why something changed: what a delta names beside the values before and after.

use serde::Serialize;
use smartpulse_operators::change::Change;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::Unit;
use uuid::Uuid;

/// Most causes that a delta names: enough to act on, and a bound for a slot that a flood of saves touches.
pub(crate) const MAX_CAUSES: usize = 8;

/// What changed a slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A save.
    Batch(Uuid),
    /// The withdrawal of a batch.
    Withdrawal(Uuid),
    /// A statement of membership, by its key.
    Membership {
        /// The company or group.
        parent: Unit,
        /// The plant or company.
        child: Unit,
        /// First instant of membership.
        valid_from: Instant,
    },
    /// A statement on a unit.
    Unit(Unit),
    /// The clock reached the instant from which a version counts.
    Clock(Instant),
}

/// A cause as it is written.
#[derive(Serialize)]
struct Written<'c> {
    r#type: &'c str,
    id: String,
}

impl Cause {
    /// The cause that a statement is; none for what shows in no view of a stream.
    #[must_use]
    pub fn of_statement(change: &Change) -> Option<Cause> {
        match change {
            Change::Unit(version) => Some(Cause::Unit(version.unit)),
            Change::Membership(said) => {
                let (parent, child, valid_from) = (said.parent, said.child, said.valid_from);
                Some(Cause::Membership { parent, child, valid_from })
            }
            Change::Save(_)
            | Change::Withdrawal(_)
            | Change::Refused(_)
            | Change::Property(_)
            | Change::Lock(_)
            | Change::Rules(_) => None,
        }
    }

    /// Appends `{"type", "id"}`.
    pub(crate) fn write(&self, text: &mut String) {
        let plain = |unit: &Unit| format!("{}/{}", unit.unit_type.word(), unit.unit_no);
        let (word, id) = match self {
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
}

/// Adds `cause` unless it is there already or there are [`MAX_CAUSES`].
pub(crate) fn add(causes: &mut Vec<Cause>, cause: &Cause) {
    if causes.len() < MAX_CAUSES && !causes.contains(cause) {
        causes.push(cause.clone());
    }
}
