//! Civil days and months of a zone as stretches of the time line: 23, 24, 24.5 or 25 hours, whatever the
//! clocks did. Never 24 hours added to mean a day.

use jiff::civil::Date;

use crate::time::{Instant, Zone};

/// A civil length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CivilPeriod {
    /// From one midnight to the next; where the clocks jump over midnight, from the first instant of the day.
    Day,
    /// From the first of a month to the first of the next.
    Month,
}

impl CivilPeriod {
    /// Reads `day` or `month` in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<CivilPeriod> {
        match text.trim().to_ascii_lowercase().as_str() {
            "day" => Some(CivilPeriod::Day),
            "month" => Some(CivilPeriod::Month),
            _ => None,
        }
    }

    /// The word at the doors.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            CivilPeriod::Day => "day",
            CivilPeriod::Month => "month",
        }
    }

    /// The slots of `zone` that start in `[from, to)`, each `[start, end)`, ascending. The last may end
    /// after `to`: a slot is whole or not there.
    pub fn slots(
        self,
        zone: &Zone,
        from: Instant,
        to: Instant,
    ) -> impl Iterator<Item = (Instant, Instant)> + use<'_> {
        let around = zone.date(from);
        let mut date = match self {
            CivilPeriod::Day => around,
            CivilPeriod::Month => around.first_of_month(),
        };
        let slots = std::iter::from_fn(move || {
            let start = zone.start_of(date);
            let next = self.after(date)?;
            date = next;
            Some((start, zone.start_of(next)))
        });
        slots.skip_while(move |(start, _)| *start < from).take_while(move |(start, _)| *start < to)
    }

    fn after(self, date: Date) -> Option<Date> {
        let span = match self {
            CivilPeriod::Day => jiff::Span::new().days(1),
            CivilPeriod::Month => jiff::Span::new().months(1),
        };
        date.checked_add(span).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(zone: &str, period: CivilPeriod, from: &str, to: &str) -> Vec<f64> {
        let zone = Zone::parse(zone).unwrap();
        let [from, to] = [from, to].map(|text| Instant::parse(text).unwrap());
        let slots = period.slots(&zone, from, to);
        slots.map(|(start, end)| (end.0 - start.0) as f64 / 3.6e9).collect()
    }

    #[test]
    fn days_have_the_hours_their_zone_gives_them() {
        let day = CivilPeriod::Day;
        let berlin = hours("Europe/Berlin", day, "2026-03-27T23:00Z", "2026-03-30T00:00Z");
        assert_eq!(berlin, [24.0, 23.0, 24.0]);
        let lord_howe = |from, to| hours("Australia/Lord_Howe", day, from, to);
        assert_eq!(lord_howe("2026-04-03T13:00Z", "2026-04-05T00:00Z"), [24.0, 24.5]);
        assert_eq!(lord_howe("2026-10-02T13:30Z", "2026-10-04T00:00Z"), [24.0, 23.5]);
        let kolkata = hours("Asia/Kolkata", day, "2026-03-27T18:30Z", "2026-03-28T18:31Z");
        assert_eq!(kolkata, [24.0, 24.0]);
    }

    #[test]
    fn months_end_where_the_next_begins() {
        let months =
            hours("America/New_York", CivilPeriod::Month, "2026-02-01T05:00Z", "2026-04-01T04:00Z");
        assert_eq!(months, [28.0 * 24.0, 31.0 * 24.0 - 1.0]);
    }

    #[test]
    fn a_slot_that_starts_before_the_range_is_not_there() {
        let day = CivilPeriod::Day;
        let slots = hours("UTC", day, "2026-03-01T00:00:00.000001Z", "2026-03-02T00:00:01Z");
        assert_eq!(slots, [24.0]);
    }
}
