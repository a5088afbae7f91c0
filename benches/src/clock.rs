//! The one place that reads a clock: a benchmark is about time, everything else gets it from here.

use std::thread;
use std::time::{Duration, Instant};

/// Now, on the monotonic clock.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Sleeps until `due`; returns at once where that has passed.
pub(crate) fn sleep_until(due: Instant) {
    let wait = due.saturating_duration_since(now());
    if wait > Duration::ZERO {
        thread::sleep(wait);
    }
}

/// Whole microseconds, as samples are kept: an hour fits.
pub(crate) fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
