//! The two axes of time on which a read stands: which versions count, and what was known.
//!
//! The reference is now, an instant, or so many minutes before each delivery; `known_at` restricts to what
//! had been recorded by then. `known_at` without a reference is the reference too, and one that is later
//! than the clock means the clock (contract section 2).

use smartpulse_operators::time::{Instant, Zone};

use super::refusal::Refusal;
use super::words::Words;

/// Furthest offset before delivery, in minutes: ten years.
const MAX_OFFSET: i64 = 10 * 366 * 1_440;

/// Which versions count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Those that count at the clock.
    Now,
    /// Those that counted at that instant.
    At(Instant),
    /// Those that counted so many minutes before each delivery, slot by slot.
    MinutesBefore(i64),
}

/// Where a read stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axes {
    pub(crate) reference: Reference,
    /// What had been recorded by then; never later than the clock.
    pub(crate) known_at: Option<Instant>,
    clock: Instant,
}

impl Axes {
    /// The axes that `reference` and the word `known_at` make at `clock`; local times are those of `zone`.
    pub(crate) fn read(
        reference: Reference,
        words: &Words,
        zone: &Zone,
        clock: Instant,
    ) -> Result<Axes, Refusal> {
        let known_at = words.time("known_at", zone)?.map(|known_at| known_at.min(clock));
        let reference = match (reference, known_at) {
            (Reference::Now, Some(known_at)) => Reference::At(known_at),
            (reference, _) => reference,
        };
        Ok(Axes { reference, known_at, clock })
    }

    /// Whether what is live answers it.
    pub(crate) fn is_live(&self) -> bool {
        self.reference == Reference::Now
    }

    /// The reference of a slot that starts there.
    pub(crate) fn at(&self, slot_start: Instant) -> Instant {
        match self.reference {
            Reference::Now => self.clock,
            Reference::At(instant) => instant,
            Reference::MinutesBefore(minutes) => slot_start.plus_minutes(-minutes),
        }
    }

    /// Whether what was recorded then is known.
    pub(crate) fn knows(&self, recorded: Instant) -> bool {
        self.known_at.is_none_or(|known_at| recorded <= known_at)
    }
}

/// `date=`: the instant of `latest-by-date`.
pub(crate) fn by_date(words: &Words, zone: &Zone) -> Result<Reference, Refusal> {
    let date = words.time("date", zone)?;
    date.map(Reference::At).ok_or_else(|| Refusal::field("date", "is required"))
}

/// `offset=`: the minutes of `latest-by-production-time-offset`.
pub(crate) fn by_offset(words: &Words) -> Result<Reference, Refusal> {
    let rule = "must be minutes before delivery, a whole number from 0 to 5270400";
    let text = words.get("offset").ok_or_else(|| Refusal::field("offset", "is required"))?;
    let minutes = text.trim().parse::<i64>().ok().filter(|it| (0..=MAX_OFFSET).contains(it));
    minutes.map(Reference::MinutesBefore).ok_or_else(|| Refusal::field("offset", rule))
}
