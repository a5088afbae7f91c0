//! Quantities in and out of text.

use proptest::prelude::*;

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

/// A decimal as text by shifting the digits of the count.
fn shifted(value: i64, decimals: usize) -> String {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{whole}.{fraction}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

proptest! {
    #[test]
    fn quantities_are_written_exactly_and_read_again(
        value in prop_oneof![any::<i64>(), -2_000_000_i64..2_000_000, Just(0), Just(i64::MIN)],
        measure in prop_oneof![Just(Measure::MegaWatt), Just(Measure::KiloWatt)],
    ) {
        let text = measure.text(value);
        prop_assert_eq!(&text, &shifted(value, if measure.is_mega() { 5 } else { 2 }));
        let read = quantity(&text, measure, 15);
        let expected = if value.unsigned_abs() <= i64::MAX as u64 / 4 {
            Ok(value)
        } else {
            Err(NumberError::TooLarge)
        };
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn a_short_decimal_is_the_same_written_long(
        text in "-?[0-9]{0,9}[.]?[0-9]{0,9}",
        measure in prop_oneof![
            Just(Measure::MegaWatt), Just(Measure::KiloWatt), Just(Measure::MegaWattHour),
        ],
        minutes in prop_oneof![Just(5), Just(15), Just(60)],
    ) {
        // An exponent, or a sign before it, is not read the short way.
        let long = [format!("{text}e0"), format!("+{text}")];
        let long = if text.starts_with('-') { &long[0] } else { &long[1] };
        prop_assert_eq!(quantity(&text, measure, minutes), quantity(long, measure, minutes));
    }
}

#[test]
fn what_is_no_number_or_too_large_says_so() {
    for text in ["", "-", "abc", "NaN", "inf", "1,5", "1e", "0x10", "."] {
        assert_eq!(quantity(text, Measure::MegaWatt, 60), Err(NumberError::Unreadable), "{text}");
    }
    assert_eq!(quantity("1e999999999999", Measure::MegaWatt, 60), Err(NumberError::TooLarge));
    assert_eq!(quantity(&"9".repeat(400), Measure::MegaWatt, 60), Err(NumberError::TooLarge));
}
