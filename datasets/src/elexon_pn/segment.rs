//! The mean power of a settlement period from straight lines, exactly.
//!
//! A notification is a line from one level to another over a stretch of time. Its energy is the area of the
//! trapezoid; the slot's value is the sum of these areas divided by the half hour, in integers up to that
//! one division, which rounds half away from zero to the hundredth of a kW. A slot is stated only if its
//! lines cover all of it, once: of two that overlap nothing says which counts.

use serde::{Deserialize, Serialize};
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::quantity::{Decimal, NumberError};
use smartpulse_operators::time::Instant;

use super::settlement;
use crate::slots::{Reading, ValueRules};

/// Decimals of a MW that a level keeps; further ones are cut, as for every number.
const LEVEL_DECIMALS: u32 = 14;
/// Digits of a MW before the point, beyond every bound: keeps areas within 128 bits.
const LEVEL_DIGITS: usize = 12;
/// Decimals of a MW in the hundredth of a kW.
const QUANTITY_DECIMALS: u32 = 5;
/// Length of a slot in microseconds.
const SLOT: i128 = settlement::MINUTES as i128 * 60_000_000;

/// Power in 10⁻¹⁴ MW.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Level(i128);

/// Power goes in a straight line from `level_from` at `from` to `level_to` at `to`; `from < to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    pub(crate) level_from: Level,
    pub(crate) level_to: Level,
}

/// Why a slot is not stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Two segments state the same time.
    Overlap,
    /// Part of the slot is not stated.
    Incomplete,
}

impl Fault {
    /// The code under which the slot's value is refused.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Fault::Overlap => "OVERLAP",
            Fault::Incomplete => "INCOMPLETE_SLOT",
        }
    }
}

impl Level {
    /// Reads a decimal of MW without exponent, or says what refuses its slot.
    pub(crate) fn parse(text: &str) -> Result<Level, Outcome> {
        // What is a number at all is decided in one place.
        match Decimal::parse(text) {
            Ok(_) => {}
            Err(NumberError::Unreadable) => return Err(Outcome::InvalidValue),
            Err(NumberError::TooLarge) => return Err(Outcome::ValueOutOfRange),
        }
        let text = text.trim();
        let digits = text.trim_start_matches(['+', '-']);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let whole = whole.trim_start_matches('0');
        if !fraction.bytes().chain(whole.bytes()).all(|digit| digit.is_ascii_digit()) {
            return Err(Outcome::InvalidValue);
        }
        if whole.len() > LEVEL_DIGITS {
            return Err(Outcome::ValueOutOfRange);
        }
        let fraction =
            fraction.bytes().chain(std::iter::repeat(b'0')).take(LEVEL_DECIMALS as usize);
        let digits = whole.bytes().chain(fraction);
        let magnitude = digits.fold(0, |number, digit| number * 10 + i128::from(digit - b'0'));
        Ok(Level(if text.starts_with('-') { -magnitude } else { magnitude }))
    }
}

/// The value of the slot that begins at `start`; all segments lie in it, in any order.
pub(crate) fn mean(
    segments: &mut [Segment],
    start: Instant,
    rules: ValueRules,
) -> Result<Reading, Fault> {
    segments.sort_by_key(|segment| (segment.from, segment.to));
    if segments.windows(2).any(|pair| pair[1].from < pair[0].to) {
        return Err(Fault::Overlap);
    }
    let covered: i64 = segments.iter().map(|segment| segment.to.0 - segment.from.0).sum();
    let end = segments.last().map_or(start, |last| last.to);
    if i128::from(covered) != SLOT || i128::from(end.0 - start.0) != SLOT {
        return Err(Fault::Incomplete);
    }
    let areas = segments.iter().map(|segment| {
        (segment.level_from.0 + segment.level_to.0) * i128::from(segment.to.0 - segment.from.0)
    });
    Ok(reading(areas.sum(), rules))
}

/// The mean of twice the area under the lines, in 10⁻¹⁴ MW × µs: rounded in MW where asked, then to the
/// hundredth of a kW.
fn reading(double_area: i128, rules: ValueRules) -> Reading {
    let mean = |decimals: u32| {
        divide_half_away(double_area, 2 * SLOT * 10_i128.pow(LEVEL_DECIMALS - decimals))
    };
    let hundredths = match rules.round_digits {
        Some(digits) if digits <= QUANTITY_DECIMALS => {
            mean(digits) * 10_i128.pow(QUANTITY_DECIMALS - digits)
        }
        Some(digits) if digits < LEVEL_DECIMALS => {
            divide_half_away(mean(digits), 10_i128.pow(digits - QUANTITY_DECIMALS))
        }
        _ => mean(QUANTITY_DECIMALS),
    };
    match i64::try_from(hundredths) {
        Ok(value) if value.abs() <= rules.bound.0 => Reading::Value(value),
        _ => Reading::OutOfRange,
    }
}

/// `numerator / denominator` rounded half away from zero (`denominator` > 0).
fn divide_half_away(numerator: i128, denominator: i128) -> i128 {
    let (quotient, remainder) = (numerator / denominator, numerator % denominator);
    if remainder.abs() * 2 >= denominator { quotient + numerator.signum() } else { quotient }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use smartpulse_operators::quantity::Quantity;

    use super::*;

    const RULES: ValueRules = ValueRules { round_digits: None, bound: Quantity::DEFAULT_BOUND };

    /// Segments from `(from minute, level, to minute, level)`.
    fn mean_of(lines: &[(i64, &str, i64, &str)], rules: ValueRules) -> Result<Reading, Fault> {
        let segment = |&(from, level_from, to, level_to): &(i64, &str, i64, &str)| Segment {
            from: Instant(0).plus_minutes(from),
            to: Instant(0).plus_minutes(to),
            level_from: Level::parse(level_from).unwrap(),
            level_to: Level::parse(level_to).unwrap(),
        };
        let mut segments: Vec<Segment> = lines.iter().map(segment).collect();
        mean(&mut segments, Instant(0), rules)
    }

    #[test]
    fn a_ramp_counts_with_its_mean_for_its_time() {
        assert_eq!(mean_of(&[(0, "10", 30, "20")], RULES), Ok(Reading::Value(1_500_000)));
        // One minute at 1.5 MW in the mean, 29 at 3: (1.5 + 87) / 30 = 2.95.
        let steps = [(1, "3", 30, "3"), (0, "0", 1, "3")];
        assert_eq!(mean_of(&steps, RULES), Ok(Reading::Value(295_000)));
        assert_eq!(mean_of(&[(0, "-7", 30, "7")], RULES), Ok(Reading::Value(0)));
    }

    #[test]
    fn the_mean_is_rounded_once_half_away_from_zero() {
        // 0.0001 MW for 3 of 60 half minutes: 0.000005 MW is half a hundredth of a kW.
        let half = |level| [(0, level, 3, "0"), (3, "0", 30, "0")];
        assert_eq!(mean_of(&half("0.0001"), RULES), Ok(Reading::Value(1)));
        assert_eq!(mean_of(&half("-0.0001"), RULES), Ok(Reading::Value(-1)));
        assert_eq!(mean_of(&half("0.00009999999999"), RULES), Ok(Reading::Value(0)));
        let one = ValueRules { round_digits: Some(1), ..RULES };
        assert_eq!(mean_of(&[(0, "0.05", 30, "0.05")], one), Ok(Reading::Value(10_000)));
        assert_eq!(mean_of(&[(0, "0.04", 30, "0.0599")], one), Ok(Reading::Value(0)));
        let seven = ValueRules { round_digits: Some(7), ..RULES };
        assert_eq!(mean_of(&half("0.0001"), seven), Ok(Reading::Value(1)));
    }

    #[test]
    fn a_slot_is_stated_once_and_whole_or_not_at_all() {
        let late = [(1, "1", 30, "1")];
        assert_eq!(mean_of(&late, RULES), Err(Fault::Incomplete));
        assert_eq!(mean_of(&[(0, "1", 29, "1")], RULES), Err(Fault::Incomplete));
        let gap = [(0, "1", 10, "1"), (11, "1", 30, "1")];
        assert_eq!(mean_of(&gap, RULES), Err(Fault::Incomplete));
        assert_eq!(mean_of(&[], RULES), Err(Fault::Incomplete));
        let twice = [(0, "1", 30, "1"), (0, "1", 30, "1")];
        assert_eq!(mean_of(&twice, RULES), Err(Fault::Overlap));
        let crossing = [(0, "1", 16, "1"), (15, "1", 29, "1")];
        assert_eq!(mean_of(&crossing, RULES), Err(Fault::Overlap));
        let huge = [(0, "1000000.1", 30, "1000000.1")];
        assert_eq!(mean_of(&huge, RULES), Ok(Reading::OutOfRange));
    }

    #[test]
    fn levels_are_decimals() {
        assert_eq!(Level::parse(" -12.50 "), Ok(Level(-1_250_000_000_000_000)));
        assert_eq!(Level::parse("0"), Ok(Level(0)));
        assert_eq!(Level::parse("000000000000001.0"), Ok(Level(100_000_000_000_000)));
        for text in ["", "x", "--1", "+-1", "1e2", "NaN", "1.2.3", "."] {
            assert_eq!(Level::parse(text), Err(Outcome::InvalidValue), "{text}");
        }
        for text in ["1000000000000", "9999999999999999999"] {
            assert_eq!(Level::parse(text), Err(Outcome::ValueOutOfRange), "{text}");
        }
    }

    proptest! {
        #[test]
        fn cutting_a_line_changes_nothing(
            levels in (-5_000_i128..5_000, -5_000_i128..5_000),
            cuts in proptest::collection::btree_set(1_i64..30, 0..8),
        ) {
            // 30 minutes divide the difference of these levels, so each cut has an exact level.
            let unit = 30 * 10_i128.pow(10);
            let level = |minute: i64| {
                let (first, last) = (levels.0 * unit, levels.1 * unit);
                Level(first + (last - first) * i128::from(minute) / 30)
            };
            let minutes: Vec<i64> = [0].into_iter().chain(cuts).chain([30]).collect();
            let mut segments: Vec<Segment> = minutes
                .windows(2)
                .map(|pair| Segment {
                    from: Instant(0).plus_minutes(pair[0]),
                    to: Instant(0).plus_minutes(pair[1]),
                    level_from: level(pair[0]),
                    level_to: level(pair[1]),
                })
                .rev()
                .collect();
            // 30 × 10^10 of 10^-14 MW are 0.003 MW, 300 hundredths of a kW; half of it for the mean.
            let expected = (levels.0 + levels.1) * 150;
            prop_assert_eq!(
                mean(&mut segments, Instant(0), RULES),
                Ok(Reading::Value(expected as i64))
            );
        }
    }
}
