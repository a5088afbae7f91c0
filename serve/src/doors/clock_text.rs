//! Instants as text, in and out: arguments carry an offset or are read in the unit's zone, answers are UTC
//! unless a zone is asked for.

use jiff::tz::TimeZone;
use smartpulse_operators::time::{CivilTime, Instant, LocalTimeError, Zone};

use super::refusal::Refusal;

/// How instants are written in an answer.
#[derive(Clone, Debug)]
pub(crate) enum ClockText {
    /// `2026-01-01T00:00:00Z`.
    Utc,
    /// `2026-01-01T03:00:00+03:00`.
    Zone(TimeZone),
}

impl ClockText {
    /// The text of the IANA zone `name`.
    pub(crate) fn in_zone(name: &str) -> Option<ClockText> {
        // A `+` in a query string is read as a blank: `Etc/GMT+3`.
        TimeZone::get(&name.replace(' ', "+")).ok().map(ClockText::Zone)
    }

    /// The name of its zone: none for UTC, an error where it has none.
    pub(crate) fn zone_name(&self) -> Result<Option<&str>, Nameless> {
        match self {
            ClockText::Utc => Ok(None),
            ClockText::Zone(zone) => zone.iana_name().map(Some).ok_or(Nameless),
        }
    }

    /// Appends `instant` to `text`.
    pub(crate) fn write(&self, instant: Instant, text: &mut String) {
        use std::fmt::Write as _;
        // Writing into a string cannot fail.
        let _ = match self {
            ClockText::Utc => write!(text, "{instant}"),
            ClockText::Zone(zone) => {
                let zoned = instant.timestamp().to_zoned_datetime(zone.clone());
                write!(text, "{}", zoned.strftime("%Y-%m-%dT%H:%M:%S%.f%:z"))
            }
        };
    }
}

/// A zone without a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nameless;

/// Why a text is no instant.
pub(crate) enum TimeFault {
    /// It is no time at all.
    Unreadable,
    /// It is a local time that names none or two instants.
    Local(LocalTimeError),
}

impl TimeFault {
    /// The refusal of `field`, which held `text`.
    pub(crate) fn refusal(self, field: &str, text: &str) -> Refusal {
        match self {
            TimeFault::Unreadable => Refusal::field(field, format!("`{text}` is no time")),
            TimeFault::Local(error) => Refusal::LocalTime {
                field: field.to_owned(),
                text: text.to_owned(),
                ambiguous: error == LocalTimeError::Ambiguous,
            },
        }
    }
}

/// Reads an instant with an offset, or a local time of `zone`.
pub(crate) fn read_time(text: &str, zone: &Zone) -> Result<Instant, TimeFault> {
    if let Some(instant) = Instant::parse(text) {
        return Ok(instant);
    }
    let civil = CivilTime::parse(text).ok_or(TimeFault::Unreadable)?;
    zone.instant(civil).map_err(|error| {
        // At the ends of the calendar a local time exists, but no instant for it.
        let year = text.trim().parse::<jiff::civil::DateTime>().map_or(0, |civil| civil.year());
        if (1..9_999).contains(&year) { TimeFault::Local(error) } else { TimeFault::Unreadable }
    })
}
