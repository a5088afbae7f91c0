//! Which seeds run, and what is said of one that failed.

use std::env;
use std::ops::Range;

use anyhow::Result;

/// Runs `trial` for every seed: the usual ones, the one that is asked for, or many more.
pub(crate) fn each_seed(test: &str, usual: Range<u64>, trial: impl Fn(u64) -> Result<()>) {
    let asked = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    let seeds = match asked("SMARTPULSE_CRASH_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let rounds = asked("SMARTPULSE_CRASH_ROUNDS").unwrap_or(1);
            // Seeds of other tests are 1 to 99: longer runs go on behind them.
            let more =
                100 * usual.start..100 * usual.start + (rounds - 1) * (usual.end - usual.start);
            usual.chain(more).for_each(|seed| run(test, seed, &trial));
            return;
        }
    };
    seeds.for_each(|seed| run(test, seed, &trial));
}

fn run(test: &str, seed: u64, trial: &impl Fn(u64) -> Result<()>) {
    if let Err(fault) = trial(seed) {
        // Without the backtrace that the fault may carry: what matters is the seed.
        let fault: Vec<String> = fault.chain().map(ToString::to_string).collect();
        let fault = fault.join("\n  because: ");
        panic!(
            "seed {seed}: {fault}\n\nto run it again:\n  \
             SMARTPULSE_CRASH_SEED={seed} cargo test -p smartpulse --test crash {test}\n"
        );
    }
}
