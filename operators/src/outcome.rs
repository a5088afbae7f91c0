//! What was decided for one slot of a save, in one byte, and the words the doors use for it.

use serde::{Deserialize, Serialize};

/// The decision on one slot. The numeric order of the refusals is the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Outcome {
    /// The save says nothing of this slot.
    Absent,
    /// Not decided yet.
    Open,
    /// Stored.
    Saved,
    /// Stored; the winner before was another value, neither null.
    Restated,
    /// Equal to the winner before: kept as a confirmation.
    Skipped,
    /// An unreadable cell of a file.
    InvalidValue,
    /// The start is not on the period's grid.
    UnalignedDelivery,
    /// The delivery was given more than once.
    DuplicateDeliveries,
    /// Beyond the value bound.
    ValueOutOfRange,
    /// The unit is not known at the slot's start, or is no member of the path's.
    UnknownUnit,
    /// A lock freezes the slot.
    Locked,
    /// The gate has closed.
    GateClosed,
    /// Below the unit's lower limit.
    LowerLimit,
    /// Above the unit's upper limit.
    UpperLimit,
}

impl Outcome {
    /// Whether the value was stored, as news or as a confirmation.
    #[must_use]
    pub fn is_stored(self) -> bool {
        matches!(self, Outcome::Saved | Outcome::Restated | Outcome::Skipped)
    }

    /// The code of a refusal at every door; none for what is stored or absent.
    #[must_use]
    pub fn code(self) -> Option<&'static str> {
        Some(match self {
            Outcome::Absent
            | Outcome::Open
            | Outcome::Saved
            | Outcome::Restated
            | Outcome::Skipped => {
                return None;
            }
            Outcome::InvalidValue => "INVALID_VALUE",
            Outcome::UnalignedDelivery => "UNALIGNED_DELIVERY",
            Outcome::DuplicateDeliveries => "DUPLICATE_DELIVERIES",
            Outcome::ValueOutOfRange => "VALUE_OUT_OF_RANGE",
            Outcome::UnknownUnit => "UNKNOWN_UNIT",
            Outcome::Locked => "LOCKED",
            Outcome::GateClosed => "GATE_CLOSED",
            Outcome::LowerLimit => "LOWER_LIMIT",
            Outcome::UpperLimit => "UPPER_LIMIT",
        })
    }
}
