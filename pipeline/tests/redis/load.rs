//! Changes of every kind, at random, as long as it runs: saves on two grids, versions that begin to count in a
//! moment, withdrawals, actuals, memberships, master data and locks. An engine that is not there is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use ureq::Agent;

/// Plants, and the companies and the group they may belong to.
pub(crate) const PLANTS: u64 = 6;
pub(crate) const COMPANIES: u64 = 2;
pub(crate) const PROVIDERS: [&str; 2] = ["UserForecast", "Übung %41"];
/// Days of delivery, far ahead.
pub(crate) const FROM: &str = "2099-06-01T00:00:00Z";
pub(crate) const TO: &str = "2099-06-04T00:00:00Z";
/// Between two changes: some hundred a second.
const PAUSE: Duration = Duration::from_millis(3);
const PATIENCE: Duration = Duration::from_secs(5);

/// A load that runs.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    thread: JoinHandle<u64>,
}

struct Writer {
    base: String,
    agent: Agent,
    random: ChaCha8Rng,
    batches: Vec<String>,
    locks: Vec<u64>,
    newest: u64,
}

impl Load {
    /// Starts changes to the engine at `base`.
    pub(crate) fn start(base: String, seed: u64) -> Load {
        let (stop, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stopping, counted) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        let thread = std::thread::spawn(move || {
            let config = Agent::config_builder().http_status_as_error(false).proxy(None);
            let agent = config.timeout_global(Some(PATIENCE)).build().into();
            let random = ChaCha8Rng::seed_from_u64(seed);
            let (batches, locks) = (Vec::new(), Vec::new());
            let mut writer = Writer { base, agent, random, batches, locks, newest: 0 };
            writer.make_units();
            while !stopping.load(Ordering::Relaxed) {
                counted.fetch_add(u64::from(writer.change().is_some()), Ordering::Relaxed);
                std::thread::sleep(PAUSE);
            }
            writer.newest
        });
        Load { stop, acknowledged, thread }
    }

    /// Changes that were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits for so many more.
    pub(crate) fn await_more(&self, changes: u64) {
        let aim = self.acknowledged() + changes;
        super::stage::awaited("changes", || (self.acknowledged() >= aim).then_some(()));
    }

    /// Ends it; the epoch of the last acknowledged change.
    pub(crate) fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

impl Writer {
    fn make_units(&mut self) {
        let plants = (1..=PLANTS).map(|number| format!("PP/{number}"));
        let owners = (1..=COMPANIES).map(|number| format!("CMP/{number}"));
        for unit in plants.chain(owners).chain(["GRP/1".to_owned()]) {
            let body = json!({ "name": unit, "installedPowerMw": 1_000 });
            while self.ask("PUT", &format!("/api/v2.0/units/{unit}"), &body).is_none() {}
        }
    }

    /// Makes a change; its answer, if one came.
    fn change(&mut self) -> Option<Value> {
        match self.random.random_range(0..100) {
            0..=59 => self.save(),
            60..=69 => self.meter(),
            70..=77 => self.withdraw(),
            78..=87 => self.belong(),
            88..=93 => self.describe(),
            _ => self.lock(),
        }
    }

    fn curve(&mut self, period: u32) -> Vec<Value> {
        let slots = 3 * 1_440 / period;
        let (first, count) = (self.random.random_range(0..slots), self.random.random_range(1..40));
        let mut slot = |slot: u32| {
            let value = self.random.random_range(0..4_000);
            let value = if value < 300 { json!(null) } else { json!(f64::from(value) / 100.0) };
            json!({ "ds": start(period * slot), "v": value })
        };
        (first..slots.min(first + count)).map(&mut slot).collect()
    }

    fn save(&mut self) -> Option<Value> {
        let plant = self.random.random_range(1..=PLANTS);
        // The first plants have two grids.
        let period = if plant <= 2 && self.random.random() { 60 } else { 15 };
        let provider = encoded(PROVIDERS.choose(&mut self.random)?);
        let predictions = self.curve(period);
        let entry = json!({ "unitNo": plant, "period": period, "predictions": predictions });
        let mut body = json!({ "unitForecastList": [entry] });
        if self.random.random_ratio(1, 4) {
            // From in a moment on, or from a while ago.
            let moment = SignedDuration::from_millis(self.random.random_range(-900..900));
            body["validAfter"] = json!(soon(moment).to_string());
        }
        if self.random.random_ratio(1, 8) {
            body["note"] = json!(format!("note {}", self.random.random_range(0..9)));
        }
        let path = format!("/api/v2.0/production-forecast/{provider}/PP/{plant}/forecasts");
        let answer = self.ask("POST", &path, &body)?;
        let batch = answer["data"][0]["batchId"].as_str()?.to_owned();
        self.batches.push(batch);
        Some(answer)
    }

    fn meter(&mut self) -> Option<Value> {
        let plant = self.random.random_range(1..=PLANTS);
        let predictions = self.curve(60);
        let entry = json!({ "unitNo": plant, "period": 60, "predictions": predictions });
        let body = json!({ "unitForecastList": [entry] });
        self.ask("POST", &format!("/api/v2.0/actuals/PP/{plant}"), &body)
    }

    fn withdraw(&mut self) -> Option<Value> {
        let batch = self.batches.choose(&mut self.random)?.clone();
        self.ask("DELETE", &format!("/api/v2.0/batches/{batch}"), &Value::Null)
    }

    fn belong(&mut self) -> Option<Value> {
        let mut body = if self.random.random_ratio(1, 5) {
            let company = self.random.random_range(1..=COMPANIES);
            json!({ "parentType": "GRP", "parentNo": 1, "childType": "CMP", "childNo": company })
        } else {
            let company = self.random.random_range(1..=COMPANIES);
            let plant = self.random.random_range(1..=PLANTS);
            json!({ "parentType": "CMP", "parentNo": company, "childType": "PP", "childNo": plant })
        };
        if self.random.random() {
            body["validFrom"] = json!(start(60 * self.random.random_range(0..48)));
        }
        let method = if self.random.random_ratio(1, 3) { "DELETE" } else { "PUT" };
        self.ask(method, "/api/v2.0/memberships", &body)
    }

    fn describe(&mut self) -> Option<Value> {
        let plant = self.random.random_range(1..=PLANTS);
        let (region, power) = (self.random.random_range(0..3), self.random.random_range(100..900));
        let body = json!({
            "name": format!("plant {plant}"), "installedPowerMw": power,
            "region": format!("region {region}"), "plantType": "wind",
        });
        self.ask("PUT", &format!("/api/v2.0/units/PP/{plant}"), &body)
    }

    fn lock(&mut self) -> Option<Value> {
        if let Some(lock) = self.locks.pop() {
            return self.ask("DELETE", &format!("/api/v2.0/locks/{lock}"), &Value::Null);
        }
        let plant = self.random.random_range(1..=PLANTS);
        let hour = self.random.random_range(0..60);
        let (from, to) = (start(60 * hour), start(60 * hour + 120));
        let body = json!({
            "unitType": "PP", "unitNo": plant, "from": from, "to": to, "reason": "works",
        });
        let answer = self.ask("POST", "/api/v2.0/locks", &body)?;
        self.locks.extend(answer["data"]["id"].as_u64());
        Some(answer)
    }

    /// The answer of a change that was made or refused; none where nobody knows.
    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Option<Value> {
        let request = ureq::http::Request::builder().method(method);
        let request = request.uri(format!("{}{path}", self.base));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = request.header("content-type", "application/json").body(body).ok()?;
        let mut response = self.agent.run(request).ok()?;
        let status = response.status().as_u16();
        let answer: Value =
            serde_json::from_str(&response.body_mut().read_to_string().ok()?).ok()?;
        // What is refused by a rule (a locked slot) is decided too.
        assert!(matches!(status, 200 | 404 | 409 | 422 | 503), "{status} {path}: {answer}");
        self.newest = self.newest.max(answer["additionalData"]["epoch"].as_u64().unwrap_or(0));
        (status != 503).then_some(answer)
    }
}

/// Minutes after the first day's beginning.
fn start(minutes: u32) -> String {
    let (day, minute) = (1 + minutes / 1_440, minutes % 1_440);
    format!("2099-06-{day:02}T{:02}:{:02}:00Z", minute / 60, minute % 60)
}

#[allow(clippy::disallowed_methods, reason = "a version that begins to count in a moment")]
fn soon(moment: SignedDuration) -> Timestamp {
    Timestamp::now().checked_add(moment).unwrap()
}

/// A word as it stands in a path.
pub(crate) fn encoded(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    let letter = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    word.bytes().map(letter).collect()
}
