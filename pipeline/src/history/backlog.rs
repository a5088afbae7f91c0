//! How many values wait to be written to the store: who hands over waits when they are too many.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Values that may wait: some 16 MB with their marks and batches. One epoch may hold more, then it waits alone.
const VALUES: usize = 1 << 20;

/// Values on their way into the store.
#[derive(Default)]
pub(super) struct Backlog {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    values: usize,
    /// Nobody takes anything out any more.
    abandoned: bool,
}

impl Backlog {
    /// Counts `values` in; waits while too many are there.
    pub(super) fn enter(&self, values: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.abandoned && state.values > 0 && state.values + values > VALUES {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.values += values;
    }

    /// Counts `values` out.
    pub(super) fn leave(&self, values: usize) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).values -= values;
        self.changed.notify_all();
    }
}

/// Held by who takes out. When it is gone nobody waits any more: the queue behind says what happened.
pub(super) struct Writing(pub(super) Arc<Backlog>);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).abandoned = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn who_hands_over_waits_for_room() {
        let backlog = Arc::new(Backlog::default());
        backlog.enter(2 * VALUES);
        let waits = thread::spawn({
            let backlog = Arc::clone(&backlog);
            move || backlog.enter(1)
        });
        backlog.leave(2 * VALUES);
        waits.join().unwrap();
        assert_eq!(backlog.state.lock().unwrap().values, 1);
    }

    #[test]
    fn nobody_waits_for_a_writer_that_is_gone() {
        let backlog = Arc::new(Backlog::default());
        backlog.enter(VALUES);
        drop(Writing(Arc::clone(&backlog)));
        backlog.enter(VALUES);
        assert_eq!(backlog.state.lock().unwrap().values, 2 * VALUES);
    }
}
