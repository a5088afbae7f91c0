//! The store's own threads yield: merging tables can wait, a save that somebody waits for cannot. One of them also
//! hands a merge back to the queue, without pause, until the other is free.

use std::time::Duration;
use std::{fs, thread};

use rustix::process::{Pid, setpriority_process};
use tracing::warn;

use super::STORE_THREADS;

/// The name the library gives its threads.
const STORE_THREAD: &str = "fjall:worker";
/// Their niceness: a third of the share of a thread that is not nice (`sched(7)`), and all that nobody else wants.
/// More of it, and what they are to write would gather in memory on a busy machine.
const NICE: i32 = 5;
/// How long to wait for their names, and how often.
const LOOK: Duration = Duration::from_millis(1);
const LOOKS: usize = 100;

/// Makes the store's threads of this process yield. Where the system does not let us, they do not: slower saves
/// now and then, nothing else.
pub(super) fn yield_cores() {
    // A thread gives itself its name, once it runs.
    for _ in 0..LOOKS {
        let own = store_threads();
        for thread in &own {
            // Linux keeps a niceness for each thread (`setpriority(2)`).
            if let Err(problem) = setpriority_process(Some(*thread), NICE) {
                warn!(%problem, "the store's threads take cores from saves");
            }
        }
        if own.len() >= STORE_THREADS {
            return;
        }
        thread::sleep(LOOK);
    }
}

fn store_threads() -> Vec<Pid> {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let own = threads.flatten().filter(|thread| {
        let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        name.trim() == STORE_THREAD
    });
    own.filter_map(|thread| Pid::from_raw(thread.file_name().to_str()?.parse().ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use rustix::process::getpriority_process;

    #[test]
    fn a_store_that_is_open_has_threads_that_yield() {
        let room = tempfile::tempdir().unwrap();
        let store = History::open(&room.path().join("store")).unwrap();
        // Other tests of this process may be closing theirs.
        let niceness = store_threads().into_iter();
        let niceness: Vec<i32> =
            niceness.filter_map(|thread| getpriority_process(Some(thread)).ok()).collect();
        assert!(niceness.contains(&NICE), "{niceness:?}");
        drop(store);
    }
}
