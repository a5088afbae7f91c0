//! From values to curves: the rules of a slot that need nothing but its batch.
//!
//! Of one (unit, period) of a batch the first rule that applies refuses a value: its start is not on the
//! grid, its delivery was given more than once, it is no number, it is beyond the bound. The rest is the
//! curve.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smartpulse_operators::change::{Curve, Entry};
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::quantity::{Decimal, Measure, NULL, NumberError, Quantity};
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::{Instant, Period};
use smartpulse_operators::unit::Unit;

use crate::ReplayRules;

/// What the value cell of a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reading {
    /// Hundredths of a kW, or [`NULL`] for a withdrawal.
    Value(i64),
    /// No number.
    Unreadable,
    /// A number beyond the bound.
    OutOfRange,
}

/// One value of one slot of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotValue {
    /// Whose.
    pub unit: Unit,
    /// Slot length.
    pub period: Period,
    /// Start of the slot.
    pub start: Instant,
    /// What was said.
    pub reading: Reading,
}

/// How numbers become quantities in this replay.
#[derive(Clone, Copy, Debug)]
pub struct ValueRules {
    /// Rounds values to so many decimals in the unit given; none keeps them to the hundredth of a kW.
    pub round_digits: Option<u32>,
    /// Greatest magnitude.
    pub bound: Quantity,
}

impl ValueRules {
    /// The part of a replay's rules that is about numbers.
    pub(crate) fn of(rules: &ReplayRules) -> ValueRules {
        ValueRules { round_digits: rules.round_digits, bound: rules.value_bound }
    }

    /// Reads decimal text: rounded in the unit given where asked, converted, held against the bound.
    #[must_use]
    pub fn read(&self, text: &str, measure: Measure, period: Period) -> Reading {
        let quantity = Decimal::parse(text).and_then(|number| {
            let number = self.round_digits.map_or(number, |digits| number.rounded(digits));
            number.to_quantity(measure, period)
        });
        match quantity {
            Ok(quantity) if quantity.0.abs() <= self.bound.0 => Reading::Value(quantity.0),
            Ok(_) | Err(NumberError::TooLarge) => Reading::OutOfRange,
            Err(NumberError::Unreadable) => Reading::Unreadable,
        }
    }
}

impl Reading {
    /// The withdrawal of a slot.
    pub const WITHDRAWN: Reading = Reading::Value(NULL);
}

/// Values refused before a change exists, by reason.
#[derive(Clone, Debug, Default)]
pub struct Refusals(BTreeMap<Outcome, u64>);

impl Refusals {
    /// Counts values.
    pub fn count(&mut self, outcome: Outcome, values: u64) {
        if values > 0 {
            *self.0.entry(outcome).or_default() += values;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The counts in the order of the checks.
    #[must_use]
    pub fn into_counts(self) -> Vec<(Outcome, u64)> {
        self.0.into_iter().collect()
    }
}

/// The entries of a batch by (unit, period), without the values that are refused. Entries in which nothing
/// is left are not there.
pub fn entries(kind: Kind, slots: &mut [SlotValue], refusals: &mut Refusals) -> Vec<Entry> {
    // Stable and quick on what is sorted already, which curves in files mostly are.
    slots.sort_by_key(|slot| (slot.unit, slot.period, slot.start));
    let series = slots.chunk_by(|one, next| (one.unit, one.period) == (next.unit, next.period));
    let curves = series.map(|slots| Entry {
        kind,
        unit: slots[0].unit,
        period: slots[0].period,
        conform_upper_limit: false,
        apply_final_forecast: false,
        curve: curve(slots, refusals),
    });
    curves.filter(|entry| !entry.curve.is_empty()).collect()
}

/// The curve of the slots of one unit and period, ascending by start.
fn curve(slots: &[SlotValue], refusals: &mut Refusals) -> Curve {
    let period = slots[0].period;
    let deliveries = slots.chunk_by(|one, next| one.start == next.start);
    let accepted = deliveries.filter_map(|given| {
        let start = given[0].start;
        let refusal = if !period.is_aligned(start) {
            Outcome::UnalignedDelivery
        } else if given.len() > 1 {
            Outcome::DuplicateDeliveries
        } else {
            match given[0].reading {
                Reading::Value(value) => return Some((start, value)),
                Reading::Unreadable => Outcome::InvalidValue,
                Reading::OutOfRange => Outcome::ValueOutOfRange,
            }
        };
        refusals.count(refusal, given.len() as u64);
        None
    });
    Curve::new(period, accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_comes_before_conversion_and_the_bound_after_it() {
        let hour = Period::new(60).unwrap();
        let quarter = Period::new(15).unwrap();
        let rules = ValueRules { round_digits: Some(2), bound: Quantity::DEFAULT_BOUND };
        // 0.005 kWh rounds to 0.01 kWh, which is 0.04 kW in a quarter of an hour.
        assert_eq!(rules.read("0.005", Measure::KiloWattHour, quarter), Reading::Value(4));
        let exact = ValueRules { round_digits: None, ..rules };
        assert_eq!(exact.read("0.005", Measure::KiloWattHour, quarter), Reading::Value(2));
        assert_eq!(
            exact.read("-1000000", Measure::MegaWatt, hour),
            Reading::Value(-100_000_000_000)
        );
        assert_eq!(exact.read("1000000.00001", Measure::MegaWatt, hour), Reading::OutOfRange);
        assert_eq!(exact.read("1e400", Measure::MegaWatt, hour), Reading::OutOfRange);
        assert_eq!(exact.read("Infinity", Measure::MegaWatt, hour), Reading::Unreadable);
    }
}
