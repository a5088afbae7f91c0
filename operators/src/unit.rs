//! Units and what is said of them over time: master data, memberships, properties, locks.
//!
//! Each statement has `recorded`, the instant from which it is known, and where the contract gives it one,
//! a validity on the time line of delivery.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;
use crate::time::Instant;

/// What a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum UnitType {
    /// `CMP`, a company: owns plants.
    Company,
    /// `GRP`, a group of companies.
    Group,
    /// `PP`, a power plant.
    PowerPlant,
}

impl UnitType {
    /// Reads `PP`, `CMP` or `GRP` in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<UnitType> {
        match text.trim().to_ascii_uppercase().as_str() {
            "PP" => Some(UnitType::PowerPlant),
            "CMP" => Some(UnitType::Company),
            "GRP" => Some(UnitType::Group),
            _ => None,
        }
    }

    /// The word used at every door. The derived order is that of these words.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            UnitType::PowerPlant => "PP",
            UnitType::Company => "CMP",
            UnitType::Group => "GRP",
        }
    }
}

/// A unit: its type and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unit {
    /// What it is.
    pub unit_type: UnitType,
    /// Its number among those of its type, from 1.
    pub unit_no: u64,
}

impl Unit {
    /// Reads a positive unit number.
    #[must_use]
    pub fn parse_no(text: &str) -> Option<u64> {
        let number = text.trim().parse::<i64>().ok()?;
        u64::try_from(number).ok().filter(|number| *number > 0)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.unit_type.word(), self.unit_no)
    }
}

/// Master data of a unit from `valid_from` on. A later statement with the same unit and `valid_from`
/// replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitVersion {
    /// The unit described.
    pub unit: Unit,
    /// Display name.
    pub name: String,
    /// Plant type (wind, solar, …), if it has one.
    pub plant_type: Option<String>,
    /// Installed power of a plant.
    pub installed_power: Option<Quantity>,
    /// IANA zone of the unit's civil days.
    pub zone: String,
    /// Region, if it has one.
    pub region: Option<String>,
    /// From when on the time line of delivery; [`Instant::MIN`]: always.
    pub valid_from: Instant,
    /// Since when known; [`Instant::MIN`]: before everything.
    pub recorded: Instant,
}

/// `child` belongs to `parent` during `[valid_from, valid_to)`. Keyed by parent, child and `valid_from`:
/// a later statement replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The company or group.
    pub parent: Unit,
    /// The plant or company.
    pub child: Unit,
    /// First instant of membership.
    pub valid_from: Instant,
    /// First instant after it; none: open.
    pub valid_to: Option<Instant>,
    /// Since when known.
    pub recorded: Instant,
    /// Takes the statement of this key back.
    pub deleted: bool,
}

impl Membership {
    /// Whether the membership holds at `instant`.
    #[must_use]
    pub fn covers(&self, instant: Instant) -> bool {
        !self.deleted && self.valid_from <= instant && self.valid_to.is_none_or(|end| instant < end)
    }
}

/// A property of a unit; the statement recorded last counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// Whose property.
    pub unit: Unit,
    /// Its key, such as `upper_limit_mw`.
    pub key: String,
    /// Its value; none takes it away.
    pub value: Option<String>,
    /// Since when known.
    pub recorded: Instant,
}

/// A freeze of a unit's slots that start in `[from, to)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Number of the lock, in order of acceptance.
    pub id: u64,
    /// The frozen unit.
    pub unit: Unit,
    /// Start of the first frozen slot.
    pub from: Instant,
    /// First instant after the frozen range.
    pub to: Instant,
    /// Who set it.
    pub user: String,
    /// Why.
    pub reason: String,
    /// From then on it no longer refuses.
    pub expires: Option<Instant>,
    /// When it was taken back.
    pub released: Option<Instant>,
    /// Since when known.
    pub recorded: Instant,
}

impl Lock {
    /// The first id of locks whose source numbers them; all are below 2^53, what JSON's numbers hold exactly.
    pub const FIRST_FOREIGN: u64 = 1 << 52;

    /// Whether the lock refuses a slot starting at `slot_start` to a save accepted at `recorded`.
    #[must_use]
    pub fn refuses(&self, slot_start: Instant, recorded: Instant) -> bool {
        self.from <= slot_start
            && slot_start < self.to
            && self.expires.is_none_or(|end| recorded < end)
            && self.released.is_none_or(|end| recorded < end)
    }
}
