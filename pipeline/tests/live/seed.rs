//! Random numbers whose seed is printed, and taken from `SMARTPULSE_LIVE_SEED` to run one again.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// Random numbers of a test; in what order the machine does things depends on more than the seed.
pub(crate) fn seeded(test: &str) -> ChaCha8Rng {
    let asked = std::env::var("SMARTPULSE_LIVE_SEED").ok();
    let seed = asked.map_or_else(rand::random, |text| text.parse().expect("a whole number"));
    println!(
        "seed {seed}; to run it again: SMARTPULSE_LIVE_SEED={seed} cargo test -p smartpulse --test live {test}"
    );
    ChaCha8Rng::seed_from_u64(seed)
}
