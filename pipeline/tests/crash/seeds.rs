//! Which seeds run, and what is said of one that failed.

use std::env;
use std::ops::Range;
use std::path::Path;

use anyhow::Result;

/// Runs `trial` in a room of its own for every seed: the usual ones and more, or again and again the one that
/// is asked for. Of a trial that fails the room is kept.
pub(crate) fn each_seed(test: &str, usual: Range<u64>, trial: impl Fn(u64, &Path) -> Result<()>) {
    let asked = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    let rounds = asked("SMARTPULSE_CRASH_ROUNDS").unwrap_or(1);
    if let Some(seed) = asked("SMARTPULSE_CRASH_SEED") {
        // When a process is killed at a random moment depends on more than the seed.
        (0..rounds).for_each(|_| run(test, seed, &trial));
        return;
    }
    // The usual seeds of all tests are below 100: longer runs go on behind them.
    let more = 100 * usual.start..100 * usual.start + (rounds - 1) * (usual.end - usual.start);
    usual.chain(more).for_each(|seed| run(test, seed, &trial));
}

fn run(test: &str, seed: u64, trial: &impl Fn(u64, &Path) -> Result<()>) {
    let room = tempfile::tempdir().expect("room for a trial");
    if let Err(fault) = trial(seed, room.path()) {
        // Without the backtrace that the fault may carry: what matters is the seed.
        let fault: Vec<String> = fault.chain().map(ToString::to_string).collect();
        let fault = fault.join("\n  because: ");
        panic!(
            "seed {seed}: {fault}\n\nthe folders are kept in {}\nto run it again:\n  \
             SMARTPULSE_CRASH_SEED={seed} cargo test -p smartpulse --test crash {test}\n",
            room.keep().display()
        );
    }
}
