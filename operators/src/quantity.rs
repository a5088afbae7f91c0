//! Power as an exact integer, and the one place where decimals become it.
//!
//! A value is the average power over a slot in hundredths of a kilowatt (10 W): contract section 1. Two
//! decimals of a kW or kWh and four of a MW are exact for every allowed period. Energy is turned into
//! power by `60 / period` on the exact decimal, then rounded once, half away from zero.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Period;

/// Average power over a slot, in hundredths of a kilowatt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Quantity(pub i64);

/// In a row of values: a withdrawal of the slot (it has no forecast from that revision on).
pub const NULL: i64 = i64::MIN;
/// In a row of values: the revision says nothing of the slot.
pub const ABSENT: i64 = i64::MIN + 1;

/// Hundredths of a kilowatt in a megawatt.
const PER_MEGAWATT: i64 = 100_000;

impl Quantity {
    /// The bound on a slot's magnitude unless configured: ±1,000,000 MW.
    pub const DEFAULT_BOUND: Quantity = Quantity(1_000_000 * PER_MEGAWATT);

    /// The value in `measure` as an exact count of hundredths of a kW or kWh (energy rounded once, half
    /// away from zero).
    #[must_use]
    pub fn hundredths_in(self, measure: Measure, period: Period) -> i64 {
        if !measure.is_energy() {
            return self.0;
        }
        let rounded = divide_half_away(i128::from(self.0) * i128::from(period.minutes()), 60);
        i64::try_from(rounded).unwrap_or(i64::MAX)
    }

    /// The value as decimal text in `measure`, without trailing zeros.
    #[must_use]
    pub fn text_in(self, measure: Measure, period: Period) -> String {
        measure.text(self.hundredths_in(measure, period))
    }

    /// Megawatts as the nearest double, exact to the hundredth of a kW when printed with five decimals.
    #[must_use]
    pub fn megawatts(self) -> f64 {
        self.0 as f64 / PER_MEGAWATT as f64
    }
}

/// The unit in which a caller gives or wants values. The numbers are the legacy codes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Measure {
    /// 0: kW.
    KiloWatt,
    /// 1: MW, the default.
    #[default]
    MegaWatt,
    /// 2: kWh.
    KiloWattHour,
    /// 3: MWh.
    MegaWattHour,
}

impl Measure {
    /// Reads a legacy code or a word in any case (`1`, `MW`, `mwh`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Measure> {
        match text.trim().to_ascii_lowercase().as_str() {
            "0" | "kw" => Some(Measure::KiloWatt),
            "1" | "mw" => Some(Measure::MegaWatt),
            "2" | "kwh" => Some(Measure::KiloWattHour),
            "3" | "mwh" => Some(Measure::MegaWattHour),
            _ => None,
        }
    }

    /// The legacy code, 0 to 3.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// A count of hundredths of a kW or kWh as decimal text in this unit, without trailing zeros.
    #[must_use]
    pub fn text(self, hundredths: i64) -> String {
        decimal_text(hundredths, if self.is_mega() { 5 } else { 2 })
    }

    /// Whether it measures energy, not power.
    #[must_use]
    pub fn is_energy(self) -> bool {
        matches!(self, Measure::KiloWattHour | Measure::MegaWattHour)
    }

    fn is_mega(self) -> bool {
        matches!(self, Measure::MegaWatt | Measure::MegaWattHour)
    }
}

/// Why a number is not a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError {
    /// Not a decimal number (NaN and infinity are none).
    Unreadable,
    /// A number, but beyond every bound.
    TooLarge,
}

/// An exact decimal number: `mantissa × 10^-scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    mantissa: i128,
    scale: u32,
}

/// Digits kept before the decimal point; more is [`NumberError::TooLarge`] (the bound has seven in MW).
const INTEGER_DIGITS: i64 = 18;
/// Digits kept behind the point; further ones are cut, which half-away-from-zero rounding of any coarser
/// digit cannot notice.
const FRACTION_DIGITS: i64 = 14;

impl Decimal {
    /// Reads `[+-]digits[.digits][e[+-]digits]`, surrounding blanks allowed.
    ///
    /// # Errors
    /// [`NumberError::Unreadable`] for anything else, [`NumberError::TooLarge`] from 10^18 on.
    pub fn parse(text: &str) -> Result<Decimal, NumberError> {
        let text = text.trim();
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (number, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], parse_exponent(&unsigned[at + 1..])?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        if digits().next().is_none() || !digits().all(|digit| digit.is_ascii_digit()) {
            return Err(NumberError::Unreadable);
        }
        let leading = digits().take_while(|digit| *digit == b'0').count();
        // The power of ten of the first digit that is not zero.
        let Some(first) = digits().nth(leading) else {
            return Ok(Decimal { mantissa: 0, scale: 0 });
        };
        debug_assert!(first.is_ascii_digit());
        let point = whole.len() as i64 + exponent - leading as i64;
        if point > INTEGER_DIGITS {
            return Err(NumberError::TooLarge);
        }
        let mut mantissa: i128 = 0;
        let mut scale: i64 = -point;
        for digit in digits().skip(leading) {
            if scale >= FRACTION_DIGITS {
                break;
            }
            mantissa = mantissa * 10 + i128::from(digit - b'0');
            scale += 1;
        }
        while scale < 0 {
            mantissa *= 10;
            scale += 1;
        }
        if scale > FRACTION_DIGITS {
            return Ok(Decimal { mantissa: 0, scale: 0 });
        }
        Ok(Decimal { mantissa: if negative { -mantissa } else { mantissa }, scale: scale as u32 })
    }

    /// Rounds to `digits` decimals, half away from zero.
    #[must_use]
    pub fn rounded(self, digits: u32) -> Decimal {
        if self.scale <= digits {
            return self;
        }
        let mantissa = divide_half_away(self.mantissa, 10_i128.pow(self.scale - digits));
        Decimal { mantissa, scale: digits }
    }

    /// The power this number means when given in `measure` for a slot of `period`, rounded once to the
    /// hundredth of a kW.
    ///
    /// # Errors
    /// [`NumberError::TooLarge`] where it leaves 64 bits.
    pub fn to_quantity(self, measure: Measure, period: Period) -> Result<Quantity, NumberError> {
        let mega = if measure.is_mega() { 1_000 } else { 1 };
        let (hours, minutes) =
            if measure.is_energy() { (60, i128::from(period.minutes())) } else { (1, 1) };
        let hundredths = self.mantissa * 100 * mega * hours;
        let rounded = divide_half_away(hundredths, 10_i128.pow(self.scale) * minutes);
        i64::try_from(rounded)
            .ok()
            .filter(|value| value.abs() <= i64::MAX / 4)
            .map(Quantity)
            .ok_or(NumberError::TooLarge)
    }
}

fn parse_exponent(text: &str) -> Result<i64, NumberError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(NumberError::Unreadable);
    }
    // An exponent beyond this leaves every bound anyway; saturating keeps the arithmetic above small.
    let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX).min(1 << 32);
    Ok(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// `numerator / denominator` rounded half away from zero (`denominator` > 0).
fn divide_half_away(numerator: i128, denominator: i128) -> i128 {
    let quotient = numerator / denominator;
    let remainder = numerator % denominator;
    if remainder.abs() * 2 >= denominator { quotient + numerator.signum() } else { quotient }
}

fn decimal_text(value: i64, decimals: usize) -> String {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let fraction = fraction.trim_end_matches('0');
    let sign = if value < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} MW", decimal_text(self.0, 5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str, measure: Measure, minutes: u16) -> Result<i64, NumberError> {
        let period = Period::new(minutes).unwrap();
        Decimal::parse(text)?.to_quantity(measure, period).map(|quantity| quantity.0)
    }

    #[test]
    fn decimals_become_hundredths_of_a_kilowatt_exactly() {
        assert_eq!(quantity("12.3456", Measure::MegaWatt, 60), Ok(1_234_560));
        assert_eq!(quantity("-0.00", Measure::MegaWatt, 60), Ok(0));
        assert_eq!(quantity(" +1.5e2 ", Measure::KiloWatt, 15), Ok(15_000));
        assert_eq!(quantity("0.005", Measure::KiloWatt, 15), Ok(1));
        assert_eq!(quantity("-0.005", Measure::KiloWatt, 15), Ok(-1));
        assert_eq!(quantity("0.00499999999999999999999", Measure::KiloWatt, 15), Ok(0));
        assert_eq!(quantity("1e-30", Measure::KiloWatt, 15), Ok(0));
    }

    #[test]
    fn energy_is_turned_into_power_by_the_period() {
        assert_eq!(quantity("1", Measure::KiloWattHour, 15), Ok(400));
        assert_eq!(quantity("0.01", Measure::KiloWattHour, 5), Ok(12));
        assert_eq!(Quantity(400).text_in(Measure::KiloWattHour, Period::new(15).unwrap()), "1");
        assert_eq!(Quantity(1).text_in(Measure::MegaWatt, Period::new(15).unwrap()), "0.00001");
    }

    #[test]
    fn what_is_no_number_or_too_large_says_so() {
        for text in ["", "-", "abc", "NaN", "inf", "1,5", "1e", "0x10", "."] {
            assert_eq!(
                quantity(text, Measure::MegaWatt, 60),
                Err(NumberError::Unreadable),
                "{text}"
            );
        }
        assert_eq!(quantity("1e999999999999", Measure::MegaWatt, 60), Err(NumberError::TooLarge));
        assert_eq!(quantity(&"9".repeat(400), Measure::MegaWatt, 60), Err(NumberError::TooLarge));
    }
}
