//! Whether and when something is tried again: decided here and nowhere else.
//!
//! Tried again is what did no harm: what never reached the server, what the server put off and said for
//! how long, and what may be said twice. An answer that refuses is an answer.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The longest wait a server may ask for; one that asks for more is told to the caller instead.
pub(crate) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How long to wait between tries, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// The wait after the first try; it doubles with each.
    pub first: Duration,
    /// No wait is longer, unless the server asks for it.
    pub longest: Duration,
    /// Tries of a request in all. A [`Follower`](crate::Follower) goes on for as long as it is asked.
    pub tries: u32,
}

/// What a try came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// Nobody took the connection: nothing was sent.
    NotConnected,
    /// The connection ended, or too little came in time: what was asked may have been done.
    Lost {
        /// Whether it may be said again: a read, or a change with an idempotency key.
        is_repeatable: bool,
    },
    /// The server refused.
    Refused {
        /// The status of its answer.
        status: u16,
        /// What `Retry-After` says.
        retry_after: Option<Duration>,
    },
    /// What came cannot be understood, or is more than is taken: it would be the same again.
    Unfit,
}

/// What follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Once more, after a wait that is drawn from this range, so that many do not come at once.
    After(RangeInclusive<Duration>),
    /// The caller is told.
    Never,
}

impl Default for BackOff {
    /// Five tries in about two seconds: longer than a restart takes on a warm folder, short of what a person
    /// waits for.
    fn default() -> BackOff {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(10));
        BackOff { first, longest, tries: 5 }
    }
}

impl BackOff {
    /// What follows when try number `attempt` (the first is 0) came to `happened`.
    pub fn retry(&self, attempt: u32, happened: Happened) -> Retry {
        if attempt.saturating_add(1) >= self.tries {
            return Retry::Never;
        }
        match happened {
            Happened::NotConnected | Happened::Lost { is_repeatable: true } => {
                let doubled = self.first.saturating_mul(1 << attempt.min(16)).min(self.longest);
                Retry::After(doubled / 2..=doubled)
            }
            // A quarter more at most: the server named the least.
            Happened::Refused { status: 429 | 503, retry_after: Some(asked) }
                if asked <= LONGEST_RETRY_AFTER =>
            {
                Retry::After(asked..=asked + (asked / 4).max(self.first))
            }
            Happened::Lost { is_repeatable: false }
            | Happened::Refused { .. }
            | Happened::Unfit => Retry::Never,
        }
    }
}

impl Retry {
    /// The wait, drawn; none where there is no other try.
    pub(crate) fn draw(self) -> Option<Duration> {
        match self {
            Retry::After(range) => Some(rand::random_range(range)),
            Retry::Never => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACK_OFF: BackOff =
        BackOff { first: Duration::from_millis(100), longest: Duration::from_secs(1), tries: 40 };

    #[test]
    fn only_what_did_no_harm_is_tried_again() {
        let decides = |happened| BACK_OFF.retry(0, happened) != Retry::Never;
        assert!(decides(Happened::NotConnected));
        assert!(decides(Happened::Lost { is_repeatable: true }));
        assert!(!decides(Happened::Lost { is_repeatable: false }));
        assert!(!decides(Happened::Unfit));
        let second = Some(Duration::from_secs(1));
        for status in 300..600 {
            let asks = matches!(status, 429 | 503);
            assert_eq!(
                decides(Happened::Refused { status, retry_after: second }),
                asks,
                "{status}"
            );
            assert!(!decides(Happened::Refused { status, retry_after: None }), "{status}");
        }
        let hours = Some(Duration::from_secs(7_200));
        assert!(!decides(Happened::Refused { status: 503, retry_after: hours }));
    }

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let waits = |attempt| match BACK_OFF.retry(attempt, Happened::NotConnected) {
            Retry::After(range) => Some((range.start().as_millis(), range.end().as_millis())),
            Retry::Never => None,
        };
        assert_eq!(waits(0), Some((50, 100)));
        assert_eq!(waits(1), Some((100, 200)));
        assert_eq!(waits(3), Some((400, 800)));
        assert_eq!(waits(4), Some((500, 1_000)));
        assert_eq!(waits(38), Some((500, 1_000)));
        assert_eq!(waits(39), None);
        assert_eq!(waits(u32::MAX), None);
    }

    #[test]
    fn a_server_is_never_asked_before_the_time_it_named() {
        let asked = Duration::from_secs(8);
        let refused = Happened::Refused { status: 429, retry_after: Some(asked) };
        let Retry::After(range) = BACK_OFF.retry(0, refused) else { panic!("it is tried again") };
        assert_eq!((*range.start(), *range.end()), (asked, asked + Duration::from_secs(2)));
    }
}
