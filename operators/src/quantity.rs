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

    /// Appends the same to `text`.
    pub fn write_in(self, measure: Measure, period: Period, text: &mut String) {
        measure.write(self.hundredths_in(measure, period), text);
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
        let mut text = String::new();
        self.write(hundredths, &mut text);
        text
    }

    /// Appends the same to `text`.
    pub fn write(self, hundredths: i64, text: &mut String) {
        write_decimal(hundredths, if self.is_mega() { 5 } else { 2 }, text);
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
        if let Some(short) = parse_short(text) {
            return Ok(short);
        }
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
        let decimals = if measure.is_mega() { 5 } else { 2 };
        if !measure.is_energy() && self.scale <= decimals {
            // Nothing is lost, so nothing is rounded.
            return bounded(self.mantissa * 10_i128.pow(decimals - self.scale));
        }
        let mega = if measure.is_mega() { 1_000 } else { 1 };
        let (hours, minutes) =
            if measure.is_energy() { (60, i128::from(period.minutes())) } else { (1, 1) };
        let hundredths = self.mantissa * 100 * mega * hours;
        let rounded = divide_half_away(hundredths, 10_i128.pow(self.scale) * minutes);
        bounded(rounded)
    }
}

fn bounded(hundredths: i128) -> Result<Quantity, NumberError> {
    let value =
        i64::try_from(hundredths).ok().filter(|value| value.unsigned_abs() <= i64::MAX as u64 / 4);
    value.map(Quantity).ok_or(NumberError::TooLarge)
}

/// Reads `[-]digits[.digits]` of at most 18 digits, as most numbers are; none for anything else.
fn parse_short(text: &str) -> Option<Decimal> {
    let (digits, is_negative) = match text.as_bytes() {
        [b'-', digits @ ..] => (digits, true),
        digits => (digits, false),
    };
    let (mut mantissa, mut scale, mut point) = (0_i64, 0, false);
    if !(1..=18).contains(&digits.len()) {
        return None;
    }
    for digit in digits {
        match digit {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + i64::from(digit - b'0');
                scale += u32::from(point);
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    let is_number = digits.len() > usize::from(point) && i64::from(scale) <= FRACTION_DIGITS;
    let mantissa = i128::from(if is_negative { -mantissa } else { mantissa });
    is_number.then_some(Decimal { mantissa, scale })
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

/// Appends `value × 10^-decimals` without trailing zeros.
fn write_decimal(value: i64, decimals: usize, text: &mut String) {
    // Digits from the last on: 20 of 64 bits, and the point.
    let (mut digits, mut at) = ([0_u8; 24], 24);
    let mut rest = value.unsigned_abs();
    let mut is_behind = false;
    for place in 0.. {
        if rest == 0 && place > decimals {
            break;
        }
        if place == decimals && is_behind {
            at -= 1;
            digits[at] = b'.';
        }
        let digit = (rest % 10) as u8;
        rest /= 10;
        is_behind |= digit != 0;
        if is_behind || place >= decimals {
            at -= 1;
            digits[at] = b'0' + digit;
        }
    }
    if value < 0 {
        text.push('-');
    }
    text.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} MW", Measure::MegaWatt.text(self.0))
    }
}

#[cfg(test)]
#[path = "quantity/tests.rs"]
mod tests;
