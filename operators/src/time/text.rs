//! The two texts of an instant that nearly all are: `2026-01-01T00:00:00Z`, and the same with an offset of
//! hours and minutes. Bodies hold thousands of them; whatever else RFC 3339 allows is jiff's.
//!
//! Days and dates are turned into each other as in Howard Hinnant, "chrono-compatible low-level date
//! algorithms" (`days_from_civil`, `civil_from_days`), for years 1 to 9998: at the ends of the calendar
//! instants are cut to it, which is jiff's.

use std::fmt;

use super::{DAY, Instant, MINUTE};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;
/// Days in 400 years.
const ERA_DAYS: i64 = 146_097;
/// Days of the months of a year that is no leap year.
const MONTH_DAYS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Reads `YYYY-MM-DDTHH:MM:SS` with `Z` or `±HH:MM` behind it; none for anything else, right or wrong.
pub(super) fn parse(text: &str) -> Option<Instant> {
    let (clock, zone) = text.as_bytes().split_at_checked(19)?;
    let offset = match zone {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h0, b':', m1, m0] => {
            let (hours, minutes) = (two(*h1, *h0)?, two(*m1, *m0)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let minutes = hours * 60 + minutes;
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    let [y3, y2, y1, y0, b'-', mo1, mo0, b'-', d1, d0, b'T', h1, h0, b':', mi1, mi0, b':', s1, s0] =
        *clock
    else {
        return None;
    };
    let (year, month, day) = (two(y3, y2)? * 100 + two(y1, y0)?, two(mo1, mo0)?, two(d1, d0)?);
    let (hour, minute, second) = (two(h1, h0)?, two(mi1, mi0)?, two(s1, s0)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = *MONTH_DAYS.get(usize::try_from(month - 1).ok()?)?;
    let days = days + i64::from(is_leap && month == 2);
    // The first and last years are left to jiff: an offset may lead out of the calendar.
    if !(1..=9_998).contains(&year)
        || !(1..=days).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let minutes = hour * 60 + minute - offset;
    Some(Instant(days_from_civil(year, month, day) * DAY + minutes * MINUTE + second * SECOND))
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let is_number = tens.is_ascii_digit() && ones.is_ascii_digit();
    is_number.then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins in March: the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS
}

/// Writes an instant of a whole second in the years 1 to 9998; false, and nothing written, for any other.
pub(super) fn write(instant: Instant, text: &mut impl fmt::Write) -> Result<bool, fmt::Error> {
    let (days, of_day) = (instant.0.div_euclid(DAY), instant.0.rem_euclid(DAY));
    let seconds = of_day / SECOND;
    let since = days + EPOCH_DAYS;
    // From 0001-01-01, which is day 306 of the year that began in March 0000, to 9998-12-31.
    if of_day % SECOND != 0 || !(306..=3_651_999).contains(&since) {
        return Ok(false);
    }
    let (era, of_era) = (since / ERA_DAYS, since % ERA_DAYS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let mut written = *b"0000-00-00T00:00:00Z";
    let parts = [
        (0, year / 100),
        (2, year % 100),
        (5, month),
        (8, day),
        (11, seconds / 3_600),
        (14, seconds / 60 % 60),
        (17, seconds % 60),
    ];
    for (at, number) in parts {
        written[at] += (number / 10) as u8;
        written[at + 1] += (number % 10) as u8;
    }
    text.write_str(str::from_utf8(&written).map_err(|_| fmt::Error)?)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn by_jiff(text: &str) -> Option<Instant> {
        text.parse::<Timestamp>().ok().map(Instant::from)
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_jiff_writes(
            seconds in -62_167_219_200_i64 - 400_000_000..253_402_300_800 + 400_000_000,
            micros in prop_oneof![3 => Just(0_i64), 1 => 0..SECOND],
        ) {
            let instant = Instant(seconds * SECOND + micros);
            let expected = instant.timestamp().to_string();
            let mut text = String::new();
            if write(instant, &mut text).unwrap() {
                prop_assert_eq!(&text, &expected);
                prop_assert_eq!(parse(&text), Some(instant));
            } else {
                prop_assert_eq!(&text, "");
                let year: i32 = expected[..4].parse().unwrap_or(-1);
                prop_assert!(micros != 0 || !(1..=9_998).contains(&year), "{}", expected);
            }
        }

        #[test]
        fn what_is_read_is_what_jiff_reads(
            (year, month, day) in (0..=9_999_u32, 0..=13_u32, 0..=32_u32),
            (hour, minute, second) in (0..=25_u32, 0..=61_u32, 0..=61_u32),
            zone in prop_oneof![
                Just("Z".to_owned()),
                (0..=25_u32, 0..=61_u32, any::<bool>()).prop_map(|(hours, minutes, is_east)| {
                    format!("{}{hours:02}:{minutes:02}", if is_east { '+' } else { '-' })
                }),
            ],
        ) {
            let clock = format!("{hour:02}:{minute:02}:{second:02}");
            let text = format!("{year:04}-{month:02}-{day:02}T{clock}{zone}");
            if let Some(read) = parse(&text) {
                prop_assert_eq!(Some(read), by_jiff(&text), "{}", text);
            } else {
                let is_usual = (1..=9_998).contains(&year) && second < 60 && hour < 24 && minute < 60;
                let is_usual = is_usual && (zone == "Z" || (&zone[1..3] < "24" && &zone[4..] < "60"));
                prop_assert!(!is_usual || by_jiff(&text).is_none(), "{}", text);
            }
        }
    }

    #[test]
    fn the_first_and_last_days_written_here_are_those_of_the_years_1_and_9998() {
        let day = |text: &str| by_jiff(text).unwrap();
        for (text, is_here) in [
            ("0000-12-31T23:59:59Z", false),
            ("0001-01-01T00:00:00Z", true),
            ("9998-12-31T23:59:59Z", true),
            ("9999-01-01T00:00:00Z", false),
        ] {
            let mut written = String::new();
            assert_eq!(write(day(text), &mut written), Ok(is_here), "{text}");
            assert_eq!(
                (written.as_str(), day(text).to_string().as_str()),
                (if is_here { text } else { "" }, text)
            );
        }
    }

    #[test]
    fn anything_else_is_left_to_jiff() {
        let others =
            ["2026-01-01T00:00Z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00.5Z", "é", ""];
        for text in others.into_iter().chain(["2026-01-01T00:00:00z", "+2026-01-01T00:00:0Z"]) {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
