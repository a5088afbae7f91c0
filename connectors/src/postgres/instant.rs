//! Instants as Postgres writes them with `DateStyle` ISO: `2026-01-31 12:00:00.5`, with `+00` behind it where the
//! column has a zone, `infinity` and `-infinity` (Postgres documentation, "Date/Time Types"); and as ISO 8601 has them,
//! with a `T` and a `Z`, which they may come with by other ways.

use smartpulse_operators::time::{Instant, Zone};

/// A moment as a column holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before all others.
    Beginning,
    /// An instant.
    At(Instant),
    /// After all others.
    End,
}

/// Reads a `timestamp`, `timestamptz` or `date`; one without a zone is of `zone`, or UTC. None for anything else, and
/// for a wall-clock time that `zone` has twice or not at all.
#[must_use]
pub fn postgres_moment(text: &str, zone: Option<&Zone>) -> Option<Moment> {
    match text {
        "infinity" => return Some(Moment::End),
        "-infinity" => return Some(Moment::Beginning),
        _ => {}
    }
    let (date, rest) = text.split_at_checked(10)?;
    let Some(clock) = rest.strip_prefix([' ', 'T']) else {
        return if rest.is_empty() { local(date, "00:00:00", zone) } else { None };
    };
    let Some(at) = clock.find(['+', '-', 'Z']) else { return local(date, clock, zone) };
    let (clock, offset) = clock.split_at(at);
    let mut written = String::with_capacity(32);
    written.push_str(date);
    written.push('T');
    written.push_str(clock);
    match offset {
        "+00" | "Z" => written.push('Z'),
        // Hours alone, as most are.
        _ if offset.len() == 3 => {
            written.push_str(offset);
            written.push_str(":00");
        }
        _ => written.push_str(offset),
    }
    Instant::parse(&written).map(Moment::At)
}

fn local(date: &str, clock: &str, zone: Option<&Zone>) -> Option<Moment> {
    let mut written = String::with_capacity(32);
    written.push_str(date);
    written.push('T');
    written.push_str(clock);
    match zone {
        None => {
            written.push('Z');
            Instant::parse(&written).map(Moment::At)
        }
        Some(zone) => {
            let civil = smartpulse_operators::time::CivilTime::parse(&written)?;
            zone.instant(civil).ok().map(Moment::At)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgres_writes_is_read_to_the_microsecond() {
        let at = |text: &str| Some(Moment::At(Instant::parse(text).unwrap()));
        let istanbul = Zone::parse("Europe/Istanbul").unwrap();
        let new_york = Zone::parse("America/New_York").unwrap();
        for (text, zone, expected) in [
            ("2026-01-31 12:00:00", None, at("2026-01-31T12:00:00Z")),
            ("2026-01-31 12:00:00.123456", None, at("2026-01-31T12:00:00.123456Z")),
            ("2026-01-31 12:00:00+00", None, at("2026-01-31T12:00:00Z")),
            ("2026-01-31 12:00:00.5-03:30", None, at("2026-01-31T12:00:00.5-03:30")),
            ("2026-01-31 12:00:00+05", Some(&istanbul), at("2026-01-31T12:00:00+05:00")),
            ("2026-01-31 12:00:00", Some(&istanbul), at("2026-01-31T09:00:00Z")),
            ("2026-01-31T12:00:00.5Z", Some(&istanbul), at("2026-01-31T12:00:00.5Z")),
            ("2026-01-31T12:00:00Zulu", None, None),
            ("2026-01-31", None, at("2026-01-31T00:00:00Z")),
            ("1969-12-31 23:59:59.999999", None, Some(Moment::At(Instant(-1)))),
            ("infinity", None, Some(Moment::End)),
            ("-infinity", None, Some(Moment::Beginning)),
            ("2026-03-08 02:30:00", Some(&new_york), None),
            ("2026-11-01 01:30:00", Some(&new_york), None),
            ("0044-03-15 12:00:00 BC", None, None),
            ("12026-03-15 12:00:00", None, None),
            ("now", None, None),
            ("", None, None),
        ] {
            assert_eq!(postgres_moment(text, zone), expected, "{text}");
        }
    }
}
