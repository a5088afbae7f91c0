//! The clock as an input: it never goes back, and a jump waits for the operator.
//!
//! A forward jump would activate, expire and seal for good. So one of over an hour against the monotonic
//! clock, or of over thirty days across a restart, is held: the clock stands where it was until it is
//! released. The functions that read the machine's clocks are given by `main`.

use std::time::Duration;

use smartpulse_operators::time::Instant;
use smartpulse_serve::clock_hold::ClockHold;

/// Largest forward jump against the monotonic clock that is believed, in microseconds: one hour.
const MAX_JUMP: i64 = 3_600_000_000;
/// Largest forward jump across a restart that is believed, in microseconds: thirty days.
const MAX_ABSENCE: i64 = 30 * 86_400_000_000;

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct MachineClocks {
    /// The wall clock.
    pub now: fn() -> Instant,
    /// Time since some start; goes on evenly.
    pub monotonic: fn() -> Duration,
}

/// Where the clock of a folder comes from.
#[derive(Debug)]
pub enum Clock {
    /// The data: a replay, or a replayed folder that is only read.
    Data,
    /// The machine.
    Wall(WallClock),
}

/// What the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It is now.
    Now(Instant),
    /// It is held.
    Held,
    /// It follows the data: nothing live is taken in.
    Data,
}

/// The machine's clock, watched for jumps.
#[derive(Debug)]
pub struct WallClock {
    machine: MachineClocks,
    hold: ClockHold,
    /// The newest believed reading and the monotonic clock then; none before the first.
    believed: Option<(Instant, Duration)>,
    folder: Option<Instant>,
}

impl WallClock {
    /// A clock that goes on from the folder's, which is none in a new folder; `accept` believes any jump
    /// since then.
    #[must_use]
    pub fn new(
        machine: MachineClocks,
        folder: Option<Instant>,
        accept: bool,
        hold: ClockHold,
    ) -> WallClock {
        WallClock { machine, hold, believed: None, folder: folder.filter(|_| !accept) }
    }

    fn read(&mut self) -> Reading {
        let (now, monotonic) = ((self.machine.now)(), (self.machine.monotonic)());
        let jumped = match (self.believed, self.folder) {
            (Some((then, before)), _) => {
                let passed = i64::try_from((monotonic.saturating_sub(before)).as_micros());
                now.0.saturating_sub(then.0).saturating_sub(passed.unwrap_or(i64::MAX)) > MAX_JUMP
            }
            (None, Some(folder)) => now.0.saturating_sub(folder.0) > MAX_ABSENCE,
            (None, None) => false,
        };
        if !self.hold.admits(jumped) {
            return Reading::Held;
        }
        self.believed = Some((now, monotonic));
        Reading::Now(now)
    }
}

impl Clock {
    /// Reads the clock.
    pub fn read(&mut self) -> Reading {
        match self {
            Clock::Data => Reading::Data,
            Clock::Wall(clock) => clock.read(),
        }
    }

    /// How long until `due`; none where it never comes by waiting.
    pub fn until(&mut self, due: Instant) -> Option<Duration> {
        let Reading::Now(now) = self.read() else { return None };
        Some(Duration::from_micros(due.0.saturating_sub(now.0).max(0) as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const DAY: i64 = 24 * HOUR;
    static NOW: AtomicI64 = AtomicI64::new(0);

    #[test]
    fn a_jump_is_held_until_it_is_released_and_a_step_back_is_not_followed_by_a_hold() {
        let machine = MachineClocks {
            now: || Instant(NOW.load(Ordering::Relaxed)),
            monotonic: || Duration::ZERO,
        };
        let at = |now: i64| NOW.store(now, Ordering::Relaxed);
        let hold = ClockHold::default();
        let mut clock = Clock::Wall(WallClock::new(machine, Some(Instant(0)), false, hold.clone()));
        at(31 * DAY);
        assert_eq!(clock.read(), Reading::Held, "31 days across a restart");
        assert!(hold.is_held());
        assert!(hold.release() && !hold.release());
        assert_eq!(clock.read(), Reading::Now(Instant(31 * DAY)));
        at(31 * DAY + HOUR);
        assert_eq!(clock.read(), Reading::Now(Instant(31 * DAY + HOUR)), "an hour is believed");
        at(31 * DAY - HOUR);
        assert_eq!(
            clock.read(),
            Reading::Now(Instant(31 * DAY - HOUR)),
            "its user never goes back"
        );
        at(31 * DAY + HOUR);
        assert_eq!(clock.read(), Reading::Held, "two hours are not");

        let mut accepting =
            Clock::Wall(WallClock::new(machine, Some(Instant(0)), true, ClockHold::default()));
        assert!(matches!(accepting.read(), Reading::Now(_)));
    }
}
