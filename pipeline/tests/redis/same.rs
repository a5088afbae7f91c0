//! What a replica and its engine show of one epoch, read by read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use rand::SeedableRng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use ureq::Agent;

use super::load::{COMPANIES, FROM, PLANTS, PROVIDERS, TO, encoded};
use super::stage::{Engine, Replica};

/// Every read that both answer from what is newest.
pub(crate) fn reads() -> Vec<String> {
    let range = format!("from={FROM}&to={TO}");
    let mut reads: Vec<String> =
        ["units", "memberships", "locks"].map(|what| format!("/api/v2.0/{what}?")).to_vec();
    for provider in PROVIDERS.map(encoded) {
        let forecasts = format!("/api/v2.0/production-forecast/{provider}");
        for plant in 1..=PLANTS {
            reads.push(format!("{forecasts}/PP/{plant}/forecasts/latest?{range}&"));
            reads.push(format!("{forecasts}/PP/{plant}/forecasts/latest?{range}&period=30&"));
        }
        for company in 1..=COMPANIES {
            reads.push(format!("{forecasts}/CMP/{company}/forecasts/latest?{range}&period=60&"));
        }
        for total in ["all/all", "group/1", "region/region%201", "plant_type/wind"] {
            reads.push(format!("/api/v2.0/totals/{total}/{provider}?{range}&period=15&"));
        }
    }
    for plant in 1..=PLANTS {
        reads.push(format!("/api/v2.0/actuals/PP/{plant}?{range}&"));
        reads.push(format!("/api/v2.0/units/PP/{plant}?"));
    }
    reads
}

/// Asserts that both answer every read alike, with the same tags, once the replica shows `epoch`.
pub(crate) fn assert_same(engine: &Engine, replica: &Replica, epoch: u64) {
    replica.await_epoch(epoch);
    let (decider, shower) = (engine.client(), replica.client());
    for read in reads() {
        // The clock may close an epoch between the two.
        super::stage::awaited(&format!("the same answer to {read}"), || {
            let shown = shower.get(&read);
            let epoch = shown.header("x-smartpulse-epoch").to_owned();
            let decided = decider.get(&format!("{read}at_epoch={epoch}"));
            if decided.status != 200 && decided.status != 404 {
                return None;
            }
            assert_eq!(shown.status, decided.status, "{read} at {epoch}");
            if shown.status == 200 {
                let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
                assert_eq!(text(&shown.body), text(&decided.body), "{read} at {epoch}");
                assert_eq!(shown.header("etag"), decided.header("etag"), "{read} at {epoch}");
            }
            Some(())
        });
    }
}

/// Compares all the time, while whatever happens happens.
pub(crate) struct Comparing {
    stop: Arc<AtomicBool>,
    compared: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Comparing {
    pub(crate) fn start(engine: &Engine, replica: &Replica, seed: u64) -> Comparing {
        let (engine, replica) = (engine.address, replica.address);
        let (stop, compared) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stopping, counted) = (Arc::clone(&stop), Arc::clone(&compared));
        let thread = std::thread::spawn(move || {
            let config = Agent::config_builder().http_status_as_error(false).proxy(None);
            let agent: Agent = config.build().into();
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut newest = 0;
            while !stopping.load(Ordering::Relaxed) {
                let Some(read) = reads().choose(&mut random).cloned() else { return };
                let get = |url: String| {
                    let mut response = agent.get(url).call().ok()?;
                    let epoch = response.headers().get("x-smartpulse-epoch").cloned();
                    let epoch: u64 = epoch?.to_str().ok()?.parse().ok()?;
                    let body = response.body_mut().read_to_string().ok()?;
                    let status = response.status().as_u16();
                    matches!(status, 200 | 404).then_some((epoch, status, body))
                };
                let Some((epoch, status, shown)) = get(format!("http://{replica}{read}")) else {
                    continue;
                };
                assert!(epoch >= newest, "epoch {epoch} after {newest}");
                let before = std::mem::replace(&mut newest, epoch);
                let at = |epoch: u64| get(format!("http://{engine}{read}at_epoch={epoch}"));
                let decided = at(epoch);
                // An engine that is down, or no longer has that epoch, says nothing.
                let Some((_, expected, decided)) = decided else { continue };
                // What is not there names the newest epoch, which may have closed since it was looked for: then it
                // was not there at one of those since the last answer.
                let was_not_there = |at_then: Option<(u64, u16, String)>| {
                    at_then.is_none_or(|(_, status, _)| status == 404)
                };
                if status == 404 && (before..epoch).rev().any(|then| was_not_there(at(then))) {
                    continue;
                }
                assert_eq!(status, expected, "{read} at {epoch}");
                // The envelope of what is not there holds a trace and the newest epoch.
                if status == 200 {
                    assert_eq!(shown, decided, "{read} at {epoch}");
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Comparing { stop, compared, thread }
    }

    /// Ends it; how many answers were compared.
    pub(crate) fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.compared.load(Ordering::Relaxed)
    }
}
