//! Settlement periods of Great Britain: the half-hours of a civil day in London, numbered from 1. A day has
//! 48 of them, 46 when the clocks go forward and 50 when they go back.

use smartpulse_operators::time::{CivilTime, Instant, Zone};

/// Length of a settlement period in minutes.
pub(crate) const MINUTES: u16 = 30;
/// The zone of settlement days.
pub(crate) const ZONE: &str = "Europe/London";
/// Length of a settlement period in microseconds.
const LENGTH: i64 = MINUTES as i64 * 60_000_000;

/// The calendar of settlement.
pub(crate) struct Settlement(Zone);

impl Settlement {
    /// None only where the zone is not known to this build.
    pub(crate) fn new() -> Option<Settlement> {
        Zone::parse(ZONE).map(Settlement)
    }

    /// The start of period `number` of the day `date` (`2022-03-19`); none where that day has no such
    /// period.
    pub(crate) fn start(&self, date: &str, number: u32) -> Option<Instant> {
        if date.len() != "2022-03-19".len() || number == 0 {
            return None;
        }
        // Noon is never skipped or repeated by a clock change.
        let noon = self.0.instant(CivilTime::parse(&format!("{date}T12:00"))?).ok()?;
        let (midnight, end) = self.0.civil_days(noon, 1);
        let start = midnight.plus_minutes(i64::from(MINUTES) * i64::from(number - 1));
        (start < end).then_some(start)
    }

    /// The date and number of the period that begins at `start`.
    pub(crate) fn name(&self, start: Instant) -> (String, u32) {
        let (midnight, _) = self.0.civil_days(start, 1);
        let number = (start.0 - midnight.0).div_euclid(LENGTH) + 1;
        let mut date = self.0.text(start);
        date.truncate("2022-03-19".len());
        (date, number as u32)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// The starts of all periods of a day.
    fn starts(date: &str) -> Vec<Instant> {
        let settlement = Settlement::new().unwrap();
        (1..=60).map_while(|number| settlement.start(date, number)).collect()
    }

    #[test]
    fn a_day_has_48_periods_or_46_or_50() {
        for (date, count, first, last) in [
            ("2022-01-01", 48, "2022-01-01T00:00Z", "2022-01-01T23:30Z"),
            ("2022-03-27", 46, "2022-03-27T00:00Z", "2022-03-27T22:30Z"),
            ("2022-07-01", 48, "2022-06-30T23:00Z", "2022-07-01T22:30Z"),
            ("2022-10-30", 50, "2022-10-29T23:00Z", "2022-10-30T23:30Z"),
        ] {
            let starts = starts(date);
            assert_eq!(starts.len(), count, "{date}");
            assert_eq!(starts.first().copied(), Instant::parse(first), "{date}");
            assert_eq!(starts.last().copied(), Instant::parse(last), "{date}");
            assert!(starts.windows(2).all(|pair| pair[1].0 - pair[0].0 == LENGTH));
        }
    }

    #[test]
    fn the_periods_around_a_clock_change_follow_each_other_in_utc() {
        let settlement = Settlement::new().unwrap();
        let at = |text: &str| Instant::parse(text);
        // 01:00 to 02:00 does not exist: period 3 is 02:00 in summer time.
        assert_eq!(settlement.start("2022-03-27", 2), at("2022-03-27T00:30Z"));
        assert_eq!(settlement.start("2022-03-27", 3), at("2022-03-27T01:00Z"));
        // 01:00 to 02:00 happens twice: periods 3, 4 in summer time, 5, 6 in winter time.
        assert_eq!(settlement.start("2022-10-30", 3), at("2022-10-30T00:00Z"));
        assert_eq!(settlement.start("2022-10-30", 5), at("2022-10-30T01:00Z"));
    }

    #[test]
    fn names_and_starts_are_each_others_inverse() {
        let settlement = Settlement::new().unwrap();
        let first = Instant::parse("2021-12-31T00:00Z").unwrap();
        let end = Instant::parse("2023-01-02T00:00Z").unwrap();
        let mut start = first;
        while start < end {
            let (date, number) = settlement.name(start);
            assert_eq!(settlement.start(&date, number), Some(start), "{date} {number}");
            start = start.plus_minutes(MINUTES.into());
        }
    }

    #[test]
    fn the_generation_by_fuel_names_as_many_periods_of_each_day() {
        let folder = std::env::var_os("SMARTPULSE_DATASETS").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/datasets"),
            PathBuf::from,
        );
        let text = fs::read_to_string(folder.join("elexon_bmu_pn/fuelhh_2022.csv")).unwrap();
        let mut days: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for line in text.lines().skip(1) {
            let mut cells = line.split(',');
            let date = cells.next().unwrap();
            days.entry(date).or_default().push(cells.next().unwrap().parse().unwrap());
        }
        assert!(days.len() > 200 && days["2022-03-27"].len() == 46);
        // The last day of that file ends where it was taken.
        days.pop_last();
        for (date, numbers) in days {
            assert_eq!(starts(date).len(), numbers.len(), "{date}");
            assert!(numbers.into_iter().eq(1..=starts(date).len() as u32), "{date}");
        }
    }

    #[test]
    fn what_is_no_period_has_no_start() {
        let settlement = Settlement::new().unwrap();
        for (date, number) in [
            ("2022-01-01", 0),
            ("2022-01-01", 49),
            ("2022-03-27", 47),
            ("2022-10-30", 51),
            ("2022-02-30", 1),
            ("2022-01-01T12:00", 1),
            ("2022-1-1", 1),
            ("", 1),
        ] {
            assert_eq!(settlement.start(date, number), None, "{date} {number}");
        }
    }
}
