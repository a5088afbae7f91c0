//! The range of delivery that a read or a stream asks for, and the zone in which its days are counted.

use smartpulse_operators::reference::Reference;
use smartpulse_operators::time::{Day, Instant, Zone};
use smartpulse_operators::unit::Unit;

/// Civil days that are meant without a range: today and tomorrow.
const DEFAULT_DAYS: i32 = 2;

/// The ends that were given of `[from, to)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Window {
    pub(crate) from: Option<Instant>,
    pub(crate) to: Option<Instant>,
}

impl Window {
    /// All of time.
    pub(crate) const EVER: Window =
        Window { from: Some(Instant::MIN), to: Some(Instant(i64::MAX)) };

    /// Whether it is all of time: then only days that there are can be counted.
    pub(crate) fn is_ever(&self) -> bool {
        *self == Window::EVER
    }

    /// The range; where an end is missing, the one that makes it two civil days of `zone`.
    pub(crate) fn range(&self, zone: &Zone, clock: Instant) -> (Instant, Instant) {
        match (self.from, self.to) {
            (Some(from), Some(to)) => (from, to),
            (Some(from), None) => (from, zone.civil_days(from, DEFAULT_DAYS).1),
            (None, Some(to)) => {
                let last_day = zone.civil_days(Instant(to.0.saturating_sub(1)), 1).0;
                (zone.civil_days(Instant(last_day.0.saturating_sub(1)), 1).0, to)
            }
            (None, None) => zone.civil_days(clock, DEFAULT_DAYS),
        }
    }

    /// Whether it is the same in every zone.
    pub(crate) fn is_fixed(&self) -> bool {
        self.from.is_some() && self.to.is_some()
    }

    /// Whether the clock moves it.
    pub(crate) fn follows_clock(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }
}

/// The UTC days that `[from, to)` touches.
pub(crate) fn days(from: Instant, to: Instant) -> impl Iterator<Item = Day> + use<> {
    let last = Instant(to.0.saturating_sub(1)).day().0;
    (from.day().0..=last).map(Day)
}

/// The zone of `unit`, or the default where it is not known or names none that exists.
pub(crate) fn zone_of(reference: &Reference, unit: Unit) -> Zone {
    let named = reference.newest_unit(unit).and_then(|version| Zone::parse(&version.zone));
    named.unwrap_or_else(|| {
        Zone::parse(Zone::DEFAULT_NAME).expect("the bundled time zone database holds the default")
    })
}
