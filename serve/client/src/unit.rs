//! Units as paths and answers name them.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// What stands in paths and queries as it is; everything else is escaped.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');

/// The type of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum UnitType {
    /// A power plant.
    #[serde(rename = "PP")]
    PowerPlant,
    /// A company.
    #[serde(rename = "CMP")]
    Company,
    /// A group of companies.
    #[serde(rename = "GRP")]
    Group,
}

/// A unit: `PP/7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit {
    /// Its type.
    pub unit_type: UnitType,
    /// Its number, from 1.
    pub unit_no: u64,
}

impl UnitType {
    /// `PP`, `CMP` or `GRP`.
    pub fn word(self) -> &'static str {
        match self {
            UnitType::PowerPlant => "PP",
            UnitType::Company => "CMP",
            UnitType::Group => "GRP",
        }
    }
}

impl Unit {
    /// The plant of that number.
    pub fn plant(unit_no: u64) -> Unit {
        Unit { unit_type: UnitType::PowerPlant, unit_no }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.unit_type.word(), self.unit_no)
    }
}

/// `text` as a segment of a path or a value of a query.
pub(crate) fn escaped(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, ESCAPED)
}
