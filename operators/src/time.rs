//! Three kinds of time that never mix: an [`Instant`] on the time line, a [`CivilTime`] on a wall, and the
//! [`Zone`] that relates them; and the grid of delivery: [`Day`] and [`Period`].
//!
//! Everything stored is UTC. No function here reads a clock.

mod text;

use std::fmt;

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Serialize};

/// Microseconds in a minute.
const MINUTE: i64 = 60_000_000;
/// Microseconds in a UTC day (UTC here has no leap seconds).
const DAY: i64 = 1_440 * MINUTE;

/// A point on the time line, in microseconds since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instant(pub i64);

impl Instant {
    /// Before everything: the `recorded` of data that was always known.
    pub const MIN: Instant = Instant(i64::MIN);

    /// Reads RFC 3339 with an offset (`2026-01-01T00:00:00+03:00`), cut to the microsecond.
    #[must_use]
    pub fn parse(text: &str) -> Option<Instant> {
        let text = text.trim();
        text::parse(text).or_else(|| text.parse::<Timestamp>().ok().map(Instant::from))
    }

    /// This instant `minutes` later (earlier when negative).
    #[must_use]
    pub fn plus_minutes(self, minutes: i64) -> Instant {
        Instant(self.0.saturating_add(minutes.saturating_mul(MINUTE)))
    }

    /// The UTC day that holds this instant.
    #[must_use]
    pub fn day(self) -> Day {
        Day(self.0.div_euclid(DAY) as i32)
    }

    /// The same instant as jiff's type; instants beyond its range are cut to it.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
    }
}

impl From<Timestamp> for Instant {
    fn from(timestamp: Timestamp) -> Instant {
        // `as_microsecond` rounds towards zero; before 1970 that would be forwards.
        Instant(timestamp.as_nanosecond().div_euclid(1_000) as i64)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if text::write(*self, formatter)? { Ok(()) } else { self.timestamp().fmt(formatter) }
    }
}

/// Slot length in minutes; divides the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Period(u16);

impl Period {
    /// A period of `minutes`, if that many divide a day.
    #[must_use]
    pub fn new(minutes: u16) -> Option<Period> {
        (minutes > 0 && 1_440 % minutes == 0).then_some(Period(minutes))
    }

    /// The finest.
    pub const MINUTE: Period = Period(1);
    /// The longest.
    pub const DAY: Period = Period(1_440);

    /// The period of which a UTC day has that many slots, if there is one.
    #[must_use]
    pub fn of_slots(slots: usize) -> Option<Period> {
        let minutes = 1_440_usize.checked_div(slots)?;
        (minutes * slots == 1_440).then_some(Period(minutes as u16))
    }

    /// The longest period whose grid holds every slot start of both.
    #[must_use]
    pub fn common(self, other: Period) -> Period {
        self.cut_at(other.0.into())
    }

    /// The longest period whose grid holds every slot start of this one and that minute of the day.
    #[must_use]
    pub fn cut_at(self, minute: usize) -> Period {
        let (mut one, mut other) = (usize::from(self.0), minute);
        while other != 0 {
            (one, other) = (other, one % other);
        }
        Period(one as u16)
    }

    /// Length in minutes.
    #[must_use]
    pub fn minutes(self) -> u16 {
        self.0
    }

    /// Slots of this length in a UTC day: 1 to 1,440.
    #[must_use]
    pub fn slots(self) -> usize {
        1_440 / usize::from(self.0)
    }

    /// Whether `start` lies on this period's grid (aligned in UTC).
    #[must_use]
    pub fn is_aligned(self, start: Instant) -> bool {
        start.0.rem_euclid(i64::from(self.0) * MINUTE) == 0
    }
}

/// A UTC day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(pub i32);

impl Day {
    /// Midnight UTC, the start of its first slot.
    #[must_use]
    pub fn start(self) -> Instant {
        Instant(i64::from(self.0) * DAY)
    }

    /// The start of slot `slot` of `period`.
    #[must_use]
    pub fn slot_start(self, period: Period, slot: usize) -> Instant {
        self.start().plus_minutes(slot as i64 * i64::from(period.0))
    }

    /// The slot of `period` that `start` begins; `start` lies in this day and on the grid.
    #[must_use]
    pub fn slot_of(self, period: Period, start: Instant) -> usize {
        ((start.0 - self.start().0) / (i64::from(period.0) * MINUTE)) as usize
    }

    /// The day's date.
    #[must_use]
    pub fn date(self) -> civil::Date {
        self.start().timestamp().to_zoned_datetime(TimeZone::UTC).date()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.date().fmt(formatter)
    }
}

/// What a wall clock shows, in no particular zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CivilTime(civil::DateTime);

impl CivilTime {
    /// Reads `2026-03-29T02:30`, or a date as its midnight.
    #[must_use]
    pub fn parse(text: &str) -> Option<CivilTime> {
        let text = text.trim();
        // jiff would read `…T02:30Z` as civil too and drop the offset.
        let carries_offset = text.ends_with(['Z', 'z', ']'])
            || text.get(10..).is_some_and(|clock| clock.contains(['+', '-']));
        if carries_offset {
            return None;
        }
        text.parse::<civil::DateTime>().ok().map(CivilTime)
    }
}

/// Why a civil time names no single instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalTimeError {
    /// The clocks went back over it: it happened twice.
    Ambiguous,
    /// The clocks jumped over it: it never happened.
    Nonexistent,
}

/// An IANA time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of a unit that names none.
    pub const DEFAULT_NAME: &'static str = "Europe/Istanbul";

    /// UTC.
    #[must_use]
    pub fn utc() -> Zone {
        Zone(TimeZone::UTC)
    }

    /// The zone of that IANA name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Zone> {
        TimeZone::get(name).ok().map(Zone)
    }

    /// Its IANA name; none for a zone that has none.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.iana_name()
    }

    /// The instant at which this zone's clocks show `civil`.
    ///
    /// # Errors
    /// [`LocalTimeError`] where a clock change makes that none or two instants.
    pub fn instant(&self, civil: CivilTime) -> Result<Instant, LocalTimeError> {
        let ambiguous = self.0.to_ambiguous_timestamp(civil.0);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => {}
            AmbiguousOffset::Gap { .. } => return Err(LocalTimeError::Nonexistent),
            AmbiguousOffset::Fold { .. } => return Err(LocalTimeError::Ambiguous),
        }
        ambiguous.unambiguous().map(Instant::from).map_err(|_| LocalTimeError::Nonexistent)
    }

    /// `[start, end)` of the `days` civil days that begin with the one holding `instant`.
    #[must_use]
    pub fn civil_days(&self, instant: Instant, days: i32) -> (Instant, Instant) {
        let first = self.date(instant);
        let last = first.saturating_add(jiff::Span::new().days(days));
        (self.start_of(first), self.start_of(last))
    }

    /// The date that this zone's calendars show at `instant`.
    #[must_use]
    pub fn date(&self, instant: Instant) -> civil::Date {
        instant.timestamp().to_zoned_datetime(self.0.clone()).date()
    }

    /// The first instant of a civil day; at the ends of the calendar, the calendar's.
    #[must_use]
    pub fn start_of(&self, date: civil::Date) -> Instant {
        let zoned = date.to_zoned_datetime(self.0.clone());
        let edge = if date.year() < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Instant::from(zoned.map_or(edge, |zoned| zoned.timestamp()))
    }

    /// `instant` as RFC 3339 with this zone's offset.
    #[must_use]
    pub fn text(&self, instant: Instant) -> String {
        instant
            .timestamp()
            .to_zoned_datetime(self.0.clone())
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_days_have_23_24_or_25_hours() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let hours = |text: &str| {
            let (start, end) = berlin.civil_days(Instant::parse(text).unwrap(), 1);
            (end.0 - start.0) / (60 * MINUTE)
        };
        assert_eq!(hours("2026-03-29T12:00Z"), 23);
        assert_eq!(hours("2026-10-25T12:00Z"), 25);
        assert_eq!(hours("2026-07-01T12:00Z"), 24);
    }

    #[test]
    fn a_civil_time_that_is_no_single_instant_says_which() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let at = |text: &str| berlin.instant(CivilTime::parse(text).unwrap());
        assert_eq!(at("2026-03-29T02:30"), Err(LocalTimeError::Nonexistent));
        assert_eq!(at("2026-10-25T02:30"), Err(LocalTimeError::Ambiguous));
        assert_eq!(at("2026-10-25T03:30"), Ok(Instant::parse("2026-10-25T02:30Z").unwrap()));
        assert_eq!(CivilTime::parse("2026-10-25T03:30Z"), None);
    }

    #[test]
    fn slots_and_days_before_1970_count_the_same_way() {
        let quarter = Period::new(15).unwrap();
        let start = Instant::parse("1969-12-31T23:45Z").unwrap();
        assert!(quarter.is_aligned(start));
        assert_eq!((start.day(), start.day().slot_of(quarter, start)), (Day(-1), 95));
        assert_eq!(Day(-1).slot_start(quarter, 95), start);
        assert_eq!(Day(-1).to_string(), "1969-12-31");
    }
}
