//! A broker, an engine that reads it, and what the engine says of it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use smartpulse_services::Pulsar;
use smartpulse_services::pulsar::put;

use super::client::Client;
use super::process::{REFILL, Server};

/// Looks at what is awaited, and the pause between two: two minutes, to end what hangs.
const LOOKS: u32 = 2_400;
const PAUSE: Duration = Duration::from_millis(50);
/// The provider of messages that name none.
pub(crate) const PROVIDER: &str = "Sent";

/// An engine, and how it is started again.
pub(crate) struct Engine {
    server: Option<Server>,
    pub(crate) address: SocketAddr,
    data: PathBuf,
    pulsar: String,
}

/// The broker of those tests that do it no harm; the last that holds it ends it.
pub(crate) fn shared_broker() -> Arc<Pulsar> {
    static BROKER: Mutex<Weak<Pulsar>> = Mutex::new(Weak::new());
    let mut held = BROKER.lock().unwrap_or_else(PoisonError::into_inner);
    held.upgrade().unwrap_or_else(|| {
        let broker = Arc::new(Pulsar::start().unwrap());
        *held = Arc::downgrade(&broker);
        broker
    })
}

/// A topic that nobody else has.
pub(crate) fn own_topic() -> String {
    format!("persistent://public/default/t-{}", uuid::Uuid::now_v7())
}

/// Gives a topic partitions.
pub(crate) fn divide(broker: &Pulsar, topic: &str, partitions: u32) {
    let path = topic.replace("://", "/");
    let url = format!("{}/admin/v2/{path}/partitions", broker.admin_url());
    put(&url, &partitions.to_string()).unwrap();
}

/// The setting of an engine that reads one topic.
pub(crate) fn reading(url: &str, topic: &str) -> String {
    format!(
        "[{{url={url:?}, timeout_ms=2000, topics=[{{topic={topic:?}, provider={PROVIDER:?}, \
         roles=[\"PastPredictionUpdateRole\"]}}]}}]"
    )
}

impl Engine {
    /// Starts one on `data`; `pulsar` is its setting of that name.
    pub(crate) fn start(data: &Path, pulsar: &str) -> Engine {
        let (data, pulsar) = (data.to_owned(), pulsar.to_owned());
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let mut engine = Engine { server: None, address, data, pulsar };
        engine.start_again();
        engine
    }

    pub(crate) fn start_again(&mut self) {
        let (address, pulsar) = (self.address, self.pulsar.clone());
        self.server = Some(Server::start_with(&self.data, |command| {
            command.env_remove(REFILL);
            command.env("SMARTPULSE_LISTEN", address.to_string());
            command
                .env("SMARTPULSE_LOG", "warn,pulsar=error,smartpulse=info,smartpulse_serve=warn");
            command.env("SMARTPULSE_PULSAR", pulsar);
        }));
    }

    /// Its folder and its setting, for another command.
    pub(crate) fn setting(&self) -> (&Path, &str) {
        (&self.data, &self.pulsar)
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    pub(crate) fn kill(&mut self) {
        self.server.take().unwrap().kill();
    }

    /// Does something while the engine's time stands still.
    pub(crate) fn paused(&self, meanwhile: impl FnOnce()) {
        let server = self.server.as_ref().unwrap();
        server.pause();
        meanwhile();
        server.resume();
    }

    pub(crate) fn stop(&mut self) {
        self.server.take().unwrap().stop().succeeded();
    }

    pub(crate) fn words(&self) -> String {
        self.server.as_ref().unwrap().words()
    }

    /// Makes plants known.
    pub(crate) fn make_plants(&self, plants: std::ops::RangeInclusive<u64>) {
        for plant in plants {
            let unit = json!({ "name": format!("plant {plant}"), "installedPowerMw": 1_000_000 });
            let answer = self.client().send(
                "PUT",
                &format!("/api/v2.0/units/PP/{plant}"),
                &[],
                unit.to_string().as_bytes(),
            );
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }

    /// What it says of its only source.
    pub(crate) fn source(&self) -> Value {
        let status = self.client().get("/api/v2.0/status").json();
        let sources = status["data"]["sources"].as_array().cloned().unwrap_or_default();
        sources.into_iter().find(|source| source["kind"] == "pulsar").unwrap_or_default()
    }

    /// What it says of its only sink.
    pub(crate) fn sink(&self) -> Value {
        self.client().get("/api/v2.0/status").json()["data"]["sinks"][0].clone()
    }

    /// What it has counted of its only source since its start.
    pub(crate) fn counted(&self, what: &str) -> u64 {
        self.source()["counts"][what].as_u64().unwrap_or(0)
    }

    /// The notes of the batches of a series, in the order of acceptance.
    pub(crate) fn notes(&self, plant: u64) -> Vec<String> {
        let path = format!(
            "/api/v2.0/production-forecast/{PROVIDER}/PP/{plant}/forecasts/history\
             ?from=2099-06-01T00:00:00Z&to=2099-06-05T00:00:00Z"
        );
        let answer = self.client().get(&path);
        assert!(answer.status == 200 || answer.status == 404, "{answer:?}");
        let said = answer.json();
        let revisions = said["data"].as_array().cloned().unwrap_or_default();
        let mut noted: Vec<(jiff::Timestamp, String)> = revisions
            .iter()
            .map(|revision| {
                let text = |name: &str| revision[name].as_str().unwrap_or_default().to_owned();
                (text("recorded").parse().unwrap(), text("note"))
            })
            .collect();
        noted.sort();
        noted.dedup();
        noted.into_iter().map(|(_, note)| note).collect()
    }
}

/// The seed of a test, and how to run it with the same.
pub(crate) fn seed(test: &str) -> u64 {
    let seed: u64 = std::env::var("SMARTPULSE_PULSAR_SEED")
        .map_or_else(|_| rand::random(), |text| text.parse().expect("a whole number"));
    println!(
        "seed {seed}; SMARTPULSE_PULSAR_SEED={seed} cargo test -p smartpulse --test pulsar {test}"
    );
    seed
}

/// Waits until `look` sees something.
pub(crate) fn awaited<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("{what}: not seen in time");
}
