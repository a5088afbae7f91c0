//! When something holds: stretches of whole minutes on the time line of delivery.
//!
//! Membership is judged at the start of a slot, and no grid is finer than a minute: an edge within a minute
//! counts from the next (contract section 5). Stretches that touch are one, so an edge is a real change.

use serde::{Deserialize, Serialize};

use crate::time::{Day, Instant};

/// Microseconds in a minute.
const MINUTE: i64 = 60_000_000;
/// Minutes in a UTC day.
const DAY_MINUTES: i64 = 1_440;

/// A minute of the time line, counted from 1970-01-01T00:00Z.
pub type Minute = i64;

/// Stretches `[from, to)`, ascending and apart. `Minute::MIN` and `MAX` stand for open ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stretches(Vec<(Minute, Minute)>);

impl Stretches {
    /// All time.
    #[must_use]
    pub fn always() -> Stretches {
        Stretches(vec![(Minute::MIN, Minute::MAX)])
    }

    /// `[from, to)`, each edge at the next full minute; no `to`: for ever.
    #[must_use]
    pub fn between(from: Instant, to: Option<Instant>) -> Stretches {
        Stretches::union([(minute_from(from), to.map_or(Minute::MAX, minute_from))])
    }

    /// What any of `stretches` holds.
    #[must_use]
    pub fn union(stretches: impl IntoIterator<Item = (Minute, Minute)>) -> Stretches {
        let mut sorted: Vec<_> = stretches.into_iter().filter(|(from, to)| from < to).collect();
        sorted.sort_unstable();
        let mut joined: Vec<(Minute, Minute)> = Vec::with_capacity(sorted.len());
        for (from, to) in sorted {
            match joined.last_mut() {
                Some((_, end)) if from <= *end => *end = to.max(*end),
                _ => joined.push((from, to)),
            }
        }
        Stretches(joined)
    }

    /// What both hold.
    #[must_use]
    pub fn intersect(&self, other: &Stretches) -> Stretches {
        let pairs = self.0.iter().flat_map(|one| other.0.iter().map(move |two| (one, two)));
        Stretches::union(pairs.map(|(one, two)| (one.0.max(two.0), one.1.min(two.1))))
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The stretches, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (Minute, Minute)> + '_ {
        self.0.iter().copied()
    }

    /// Whether all of `day` is held.
    #[must_use]
    pub fn hold_all_of(&self, day: Day) -> bool {
        matches!(self.of_day(day).next(), Some((0, 1_440)))
    }

    /// The parts that lie in `day`, in minutes of that day.
    pub fn of_day(&self, day: Day) -> impl Iterator<Item = (usize, usize)> + '_ {
        let start = first_minute(day);
        let first = self.0.partition_point(|(_, to)| *to <= start);
        let touching =
            self.0[first..].iter().take_while(move |(from, _)| *from < start + DAY_MINUTES);
        touching.map(move |(from, to)| {
            let minute = |at: Minute| (at.clamp(start, start + DAY_MINUTES) - start) as usize;
            (minute(*from), minute(*to))
        })
    }
}

/// The first minute of a UTC day.
#[must_use]
pub fn first_minute(day: Day) -> Minute {
    i64::from(day.0) * DAY_MINUTES
}

/// The first minute that begins at `instant` or later.
fn minute_from(instant: Instant) -> Minute {
    if instant == Instant::MIN {
        return Minute::MIN;
    }
    instant.0.div_euclid(MINUTE) + i64::from(instant.0.rem_euclid(MINUTE) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    #[test]
    fn an_edge_within_a_minute_counts_from_the_next() {
        let day = at("2026-06-01T00:00Z").day();
        let stretches =
            Stretches::between(at("2026-06-01T10:00:00Z"), Some(at("2026-06-01T18:30:00.000001Z")));
        assert_eq!(stretches.of_day(day).collect::<Vec<_>>(), [(600, 1_111)]);
        let within =
            Stretches::between(at("2026-06-01T10:00:10Z"), Some(at("2026-06-01T10:00:50Z")));
        assert!(within.is_empty());
    }

    #[test]
    fn stretches_that_touch_are_one() {
        let stretches = Stretches::union([(10, 20), (5, 10), (30, 40), (35, 38), (50, 50)]);
        assert_eq!(stretches.iter().collect::<Vec<_>>(), [(5, 20), (30, 40)]);
    }

    #[test]
    fn days_before_1970_and_open_ends_are_cut_to_the_day() {
        let day = Day(-1);
        let since = Stretches::between(at("1969-12-31T12:00Z"), None);
        assert_eq!(since.of_day(day).collect::<Vec<_>>(), [(720, 1_440)]);
        assert_eq!(since.of_day(Day(0)).collect::<Vec<_>>(), [(0, 1_440)]);
        assert_eq!(since.of_day(Day(-2)).count(), 0);
        let until = Stretches::between(Instant::MIN, Some(at("1969-12-31T12:00Z")));
        assert_eq!(until.intersect(&since).iter().count(), 0);
        assert_eq!(until.of_day(day).collect::<Vec<_>>(), [(0, 720)]);
    }
}
