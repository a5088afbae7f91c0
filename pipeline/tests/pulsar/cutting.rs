//! A broker whose clients come through something that cuts their connections, after as many bytes as it happens, again
//! and again.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use smartpulse_services::Pulsar;
use tokio::runtime::Runtime;

use super::forwarder::Forwarder;
use super::stage::awaited;

/// Cuts after which a test has seen enough.
const CUTS: u64 = 20;

/// A broker and what is before it.
pub(crate) struct Cutting {
    pub(crate) broker: Pulsar,
    front: Forwarder,
    is_cut: Arc<AtomicBool>,
    // What is before the broker runs on it.
    _runtime: Runtime,
}

impl Cutting {
    /// Starts one that cuts nothing yet, and then after so many bytes.
    pub(crate) fn start(seed: u64, bytes: Range<u64>) -> Cutting {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let is_cut = Arc::<AtomicBool>::default();
        let (is_cut_now, mut random) = (Arc::clone(&is_cut), ChaCha8Rng::seed_from_u64(seed));
        let limit = move || {
            let is_cut = is_cut_now.load(Ordering::Relaxed);
            is_cut.then(|| random.random_range(bytes.clone()))
        };
        let mut front = None;
        // The broker tells its clients to come through what cuts them.
        let broker = Pulsar::start_behind(|port| {
            let target = format!("127.0.0.1:{port}").parse().unwrap();
            let cutting = runtime.block_on(Forwarder::start(target, limit));
            front.insert(cutting).address().port()
        });
        let (broker, front) = (broker.unwrap(), front.unwrap());
        Cutting { broker, front, is_cut, _runtime: runtime }
    }

    /// Where clients come.
    pub(crate) fn url(&self) -> String {
        format!("pulsar://{}", self.front.address())
    }

    /// From now on connections are cut, or are not.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::Relaxed);
    }

    /// Waits until enough have been cut, and does something again and again meanwhile.
    pub(crate) fn await_cuts(&self, mut meanwhile: impl FnMut()) {
        awaited("cuts", || {
            meanwhile();
            (self.front.cuts() > CUTS).then_some(())
        });
    }
}
