//! `fleet:SEED`: a fleet of plants, its owners, weather, forecasts and meters, made from a seed.
//!
//! Everything follows from the seed and the size by whole-number arithmetic, so that it is the same on every
//! machine and a part of it can be computed without the rest. Reading order: `fixed` and `chance` (numbers),
//! `places` and `plants` (what there is), `sun`, `weather`, `power` and `faults` (what it produces), `owners`
//! (what is said of units), `desks`, `issue` and `scene` (what is said of values), `stream` (all of it in the
//! order in which it is recorded), `folder` (the same as files), `living` (a fleet without a last day).

use std::ops::RangeInclusive;

use smartpulse_operators::quantity::{Measure, Quantity};
use smartpulse_operators::time::{CivilTime, Instant, Period, Zone};

use crate::error::SourceError;

mod chance;
mod desks;
mod faults;
mod fixed;
mod folder;
mod issue;
mod living;
mod owners;
mod places;
mod plants;
mod power;
mod scene;
mod stream;
mod sun;
mod weather;

pub use self::folder::Written;
pub use self::living::{Asked, LivingFleet, LivingPlant};
pub(crate) use self::stream::FleetStream;

/// A generated fleet: its seed and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    seed: u64,
    plants: u32,
    days: u32,
    /// Midnight UTC of the first day.
    start: Instant,
}

/// The word before the seed.
pub(crate) const WORD: &str = "fleet";
const PLANTS: u32 = 60;
const DAYS: u32 = 10;
/// So that the clock change of Berlin, 2026-03-29, lies within.
const START: &str = "2026-03-25";

/// Memory grows with the plants, by about 25 KB each.
const PLANTS_ALLOWED: RangeInclusive<u32> = 1..=20_000;
/// A year and a day: longer fleets only repeat it.
const DAYS_ALLOWED: RangeInclusive<u32> = 1..=366;
/// Calendars and zones are known well enough in these years.
const YEARS: (&str, &str) = ("2000-01-01", "2100-01-01");

impl Fleet {
    /// Reads what stands behind `fleet:`: a seed (0 to 2^64 − 1), and after another colon any of `plants=N`
    /// (1 to 20,000; default 60), `days=N` (1 to 366; default 10) and `start=YYYY-MM-DD` (first day in UTC;
    /// default 2026-03-25), separated by commas.
    ///
    /// # Errors
    /// [`SourceError::Unknown`] naming the field and its rule.
    pub fn parse(text: &str) -> Result<Fleet, SourceError> {
        let refuse = |rule: String| SourceError::Unknown { text: format!("{WORD}:{text}"), rule };
        let (seed, words) = text.split_once(':').unwrap_or((text, ""));
        let seed = number(seed).ok_or_else(|| {
            refuse(format!("the seed must be a whole number from 0 to {}", u64::MAX))
        })?;
        let (mut plants, mut days, mut start) = (None, None, None);
        for word in words.split(',').filter(|word| !word.is_empty()) {
            let (field, value) = word.split_once('=').unwrap_or((word, ""));
            let is_repeated = match field {
                "plants" => {
                    plants.replace(within(field, value, PLANTS_ALLOWED).map_err(refuse)?).is_some()
                }
                "days" => {
                    days.replace(within(field, value, DAYS_ALLOWED).map_err(refuse)?).is_some()
                }
                "start" => start.replace(date(value).map_err(refuse)?).is_some(),
                _ => return Err(refuse(format!("{field} is none of plants, days and start"))),
            };
            if is_repeated {
                return Err(refuse(format!("{field} is given twice")));
            }
        }
        let start = start.map_or_else(|| date(START), Ok).map_err(refuse)?;
        Ok(Fleet { seed, plants: plants.unwrap_or(PLANTS), days: days.unwrap_or(DAYS), start })
    }

    /// The source in full, the same for the same fleet.
    #[must_use]
    pub fn name(&self) -> String {
        let Fleet { seed, plants, days, start } = self;
        format!("{WORD}:{seed}:plants={plants},days={days},start={}", start.day())
    }
}

fn within(field: &str, value: &str, allowed: RangeInclusive<u32>) -> Result<u32, String> {
    let number = number(value).and_then(|number| u32::try_from(number).ok());
    number.filter(|number| allowed.contains(number)).ok_or_else(|| {
        format!("{field} must be a whole number from {} to {}", allowed.start(), allowed.end())
    })
}

/// Power as decimal text in MW.
fn megawatts(power: Quantity) -> String {
    // Of power the period does not matter.
    Period::new(60).map_or_else(String::new, |hour| power.text_in(Measure::MegaWatt, hour))
}

/// Digits alone: no sign, no blanks.
fn number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

fn date(text: &str) -> Result<Instant, String> {
    let midnight = |text: &str| {
        let is_date = text.len() == START.len();
        Zone::parse("UTC")?.instant(CivilTime::parse(text)?).ok().filter(|_| is_date)
    };
    let allowed = |at: &Instant| {
        let (first, end) = (midnight(YEARS.0), midnight(YEARS.1));
        first.is_some_and(|first| first <= *at) && end.is_some_and(|end| *at < end)
    };
    midnight(text).filter(allowed).ok_or_else(|| {
        format!("start must be a date from {} to before {}, like {START}", YEARS.0, YEARS.1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_is_known_by_one_name_however_it_was_asked_for() {
        let name = |text: &str| Fleet::parse(text).unwrap().name();
        assert_eq!(name("7"), "fleet:7:plants=60,days=10,start=2026-03-25");
        assert_eq!(name("007:days=10"), name("7"));
        assert_eq!(name("7:days=3,plants=4"), "fleet:7:plants=4,days=3,start=2026-03-25");
        assert_eq!(
            name("18446744073709551615:start=2024-02-29"),
            "fleet:18446744073709551615:plants=60,days=10,start=2024-02-29"
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_rule() {
        for (text, rule) in [
            ("", "the seed must be a whole number"),
            ("-1", "the seed must be a whole number"),
            ("seven", "the seed must be a whole number"),
            ("18446744073709551616", "the seed must be a whole number"),
            ("7:plants=0", "plants must be a whole number from 1 to 20000"),
            ("7:plants=", "plants must be a whole number from 1 to 20000"),
            ("7:days=367", "days must be a whole number from 1 to 366"),
            ("7:days=4.5", "days must be a whole number from 1 to 366"),
            ("7:start=2026-02-30", "start must be a date from 2000-01-01"),
            ("7:start=1999-12-31", "start must be a date from 2000-01-01"),
            ("7:start=2026-03-25T00:00", "start must be a date from 2000-01-01"),
            ("7:size=4", "size is none of plants, days and start"),
            ("7:days=4,days=4", "days is given twice"),
        ] {
            let said = Fleet::parse(text).unwrap_err().to_string();
            assert!(said.contains(rule) && said.contains(&format!("fleet:{text}")), "{said}");
        }
    }
}
