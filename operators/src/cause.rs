//! Why something changed: what a delta names beside the values before and after.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::change::Change;
use crate::time::Instant;
use crate::unit::Unit;

/// What changed a slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
}
