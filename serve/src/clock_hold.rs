//! Whether the engine's clock is held after a jump: shown by the doors, released by the operator.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The state of the hold, shared by engine and doors.
#[derive(Clone, Debug, Default)]
pub struct ClockHold(Arc<AtomicU8>);

const RUNNING: u8 = 0;
const HELD: u8 = 1;
const RELEASED: u8 = 2;

impl ClockHold {
    /// Whether the clock is held.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.load(Ordering::Acquire) == HELD
    }

    /// Lets a held clock go on from the machine's, which is believed then. Says whether it was held.
    pub fn release(&self) -> bool {
        self.0.compare_exchange(HELD, RELEASED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Judges a reading of the machine's clock that `jumped` or did not: false where it must not be
    /// believed now.
    #[must_use]
    pub fn admits(&self, jumped: bool) -> bool {
        match self.0.load(Ordering::Acquire) {
            HELD => false,
            RUNNING if jumped => {
                self.0.store(HELD, Ordering::Release);
                false
            }
            _ => {
                self.0.store(RUNNING, Ordering::Release);
                true
            }
        }
    }
}
