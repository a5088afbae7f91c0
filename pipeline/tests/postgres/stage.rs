//! A database of its own on a real server, an engine that reads it, and what both say.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use smartpulse_connectors::POSTGRES_LEGACY_SCHEMA;
use smartpulse_services::Postgres;

use super::client::Client;
use super::process::Server;

/// Between two looks.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);
/// Looks before it is certain that nothing will come: how long is the server's affair.
pub(crate) const LOOKS: u32 = 2_400;

/// The server of those tests that do it no harm; the last that holds it ends it.
pub(crate) fn shared_server() -> Arc<Postgres> {
    static SERVER: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
    let mut held = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    held.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Postgres::start().unwrap());
        *held = Arc::downgrade(&server);
        server
    })
}

/// A database that nobody else has, with the legacy schema.
pub(crate) struct Database {
    pub(crate) server: Arc<Postgres>,
    pub(crate) name: String,
}

impl Database {
    pub(crate) fn new() -> Database {
        let database = Database::empty();
        database.sql(POSTGRES_LEGACY_SCHEMA);
        database
    }

    pub(crate) fn empty() -> Database {
        let (server, name) = (shared_server(), own_name());
        server.sql(&format!("CREATE DATABASE {name}")).unwrap();
        Database { server, name }
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        self.server.script(&self.name, statements).unwrap()
    }

    /// The setting of an engine that reads it.
    pub(crate) fn setting(&self) -> String {
        self.setting_with("")
    }

    pub(crate) fn setting_with(&self, more: &str) -> String {
        setting(&self.server.url_of(&self.name), &self.name, more)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A slot left behind would hold the log of the whole server.
        let name = &self.name;
        let _ = self.server.sql(&format!(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots \
             WHERE slot_name = '{name}' AND active; SELECT pg_sleep(0.2); \
             SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
             WHERE slot_name = '{name}'"
        ));
    }
}

/// A name that nobody else has, of a database and its slot.
pub(crate) fn own_name() -> String {
    format!("t{}", uuid::Uuid::now_v7().simple())
}

/// The setting of an engine that reads the database at `url`.
pub(crate) fn setting(url: &str, slot: &str, more: &str) -> String {
    format!("[{{url={url:?}, slot={slot:?}, timeout_ms=3000{more}}}]")
}

/// An engine, and how it is started again.
pub(crate) struct Engine {
    server: Option<Server>,
    pub(crate) address: SocketAddr,
    data: PathBuf,
    source: Source,
    variables: Vec<(&'static str, String)>,
}

/// What an engine reads.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// As status names it.
    kind: &'static str,
    /// The variable of its setting.
    variable: &'static str,
    pub(crate) setting: String,
}

impl Source {
    /// A Postgres, by its log.
    pub(crate) fn postgres(setting: &str) -> Source {
        let (kind, variable) = ("postgres", "SMARTPULSE_POSTGRES");
        Source { kind, variable, setting: setting.to_owned() }
    }

    /// A Postgres, by what Debezium writes to a Pulsar.
    pub(crate) fn debezium(setting: &str) -> Source {
        let (kind, variable) = ("debezium", "SMARTPULSE_PULSAR");
        Source { kind, variable, setting: setting.to_owned() }
    }
}

impl Engine {
    /// Starts one on `data`; `postgres` is its setting of that name.
    pub(crate) fn start(data: &Path, postgres: &str) -> Engine {
        Engine::start_with(data, postgres, &[])
    }

    /// The same with variables of its environment.
    pub(crate) fn start_with(
        data: &Path,
        postgres: &str,
        variables: &[(&'static str, &str)],
    ) -> Engine {
        Engine::reading(data, Source::postgres(postgres), variables)
    }

    /// One that reads a source.
    pub(crate) fn reading(
        data: &Path,
        source: Source,
        variables: &[(&'static str, &str)],
    ) -> Engine {
        let data = data.to_owned();
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let own = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
        let variables = variables.iter().map(own).collect();
        let mut engine = Engine { server: None, address, data, source, variables };
        engine.start_again();
        engine
    }

    pub(crate) fn start_again(&mut self) {
        let (address, source) = (self.address, self.source.clone());
        let variables = self.variables.clone();
        self.server = Some(Server::start_with(&self.data, |command| {
            command.env("SMARTPULSE_LISTEN", address.to_string());
            command.env(source.variable, source.setting);
            command.envs(variables);
            command
                .env("SMARTPULSE_LOG", "warn,pulsar=error,smartpulse=info,smartpulse_serve=warn");
        }));
    }

    /// From its next start it reads otherwise.
    pub(crate) fn set(&mut self, postgres: &str) {
        self.read(Source::postgres(postgres));
    }

    /// From its next start it reads another source.
    pub(crate) fn read(&mut self, source: Source) {
        self.source = source;
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    pub(crate) fn kill(&mut self) {
        self.server.take().unwrap().kill();
    }

    pub(crate) fn stop(&mut self) {
        self.server.take().unwrap().stop().succeeded();
    }

    pub(crate) fn words(&self) -> String {
        self.server.as_ref().unwrap().words()
    }

    /// What it says of its only source.
    pub(crate) fn source(&self) -> Value {
        let status = self.client().get("/api/v2.0/status").json();
        let sources = status["data"]["sources"].as_array().cloned().unwrap_or_default();
        let is_meant = |source: &Value| source["kind"] == self.source.kind;
        sources.into_iter().find(is_meant).unwrap_or_default()
    }

    /// What it has counted of its only source since its start.
    pub(crate) fn counted(&self, what: &str) -> u64 {
        self.source()["counts"][what].as_u64().unwrap_or(0)
    }

    pub(crate) fn await_following(&self) {
        awaited("a database that is followed", || {
            (self.source()["state"] == "following").then_some(())
        });
    }

    /// Values of plants, as the doors show them: by plant, provider, period and start.
    pub(crate) fn latest(&self, plants: &[u64], providers: &[&str]) -> Values {
        let mut values = Values::new();
        for provider in providers {
            let query = json!({
                "from": "2025-01-01T00:00:00Z", "to": "2028-01-01T00:00:00Z", "no-details": true,
            });
            let asked = json!({
                "providerKey": provider, "unitType": "PP", "unitIds": plants, "query": query,
            });
            let answer = self.client().post("/api/v2.0/production-forecast/GetLatestMulti", &asked);
            let answer = answer.expect_status(200).json();
            for series in answer["data"].as_array().unwrap() {
                for slot in series["predictions"].as_array().unwrap() {
                    let Some(value) = slot["v"].as_f64() else { continue };
                    let key = (
                        series["unitNo"].as_u64().unwrap(),
                        (*provider).to_owned(),
                        series["period"].as_u64().unwrap(),
                        slot["ds"].as_str().unwrap().to_owned(),
                    );
                    assert_eq!(values.insert(key, micro(value)), None, "{slot}");
                }
            }
        }
        values
    }
}

/// Millionths of a MW by plant, provider, period and start.
pub(crate) type Values = BTreeMap<(u64, String, u64, String), i64>;

fn micro(value: f64) -> i64 {
    (value * 1e6).round() as i64
}

/// The newest row of each slot in the table of forecasts, as the database says.
pub(crate) fn truth(server: &Postgres, database: &str) -> Values {
    let rows = server
        .script(
            database,
            "SELECT DISTINCT ON (unit_no, provider_key, delivery_start, delivery_end) \
             unit_no, provider_key, extract(epoch FROM delivery_end - delivery_start)::int / 60, \
             to_char(delivery_start, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), prediction_value \
             FROM t004forecast WHERE unit_type = 'PP' \
             ORDER BY unit_no, provider_key, delivery_start, delivery_end, valid_after DESC",
        )
        .unwrap();
    let mut values = Values::new();
    for row in rows.lines() {
        let cells: Vec<&str> = row.split('|').collect();
        let [unit, provider, period, start, value] = cells[..] else { panic!("{row}") };
        if value.is_empty() {
            continue;
        }
        let key =
            (unit.parse().unwrap(), provider.to_owned(), period.parse().unwrap(), start.to_owned());
        values.insert(key, micro(value.parse().unwrap()));
    }
    values
}

/// Waits until the engine shows what the database says; panics with what differs.
pub(crate) fn await_truth(engine: &Engine, server: &Postgres, database: &str, providers: &[&str]) {
    let expected = truth(server, database);
    let plants: std::collections::BTreeSet<u64> = expected.keys().map(|key| key.0).collect();
    let plants: Vec<u64> = plants.into_iter().collect();
    let mut shown = Values::new();
    for _ in 0..LOOKS {
        shown = engine.latest(&plants, providers);
        if shown == expected {
            return;
        }
        std::thread::sleep(PAUSE);
    }
    let differing: Vec<_> =
        expected.iter().filter(|(key, value)| shown.get(*key) != Some(value)).take(5).collect();
    let beyond: Vec<_> =
        shown.iter().filter(|(key, _)| !expected.contains_key(*key)).take(5).collect();
    panic!(
        "{} values shown, {} expected; missing or other: {differing:?}; beyond: {beyond:?}; {}\n{}",
        shown.len(),
        expected.len(),
        engine.source(),
        engine.words()
    );
}

/// The seed of a test, and how to run it with the same.
pub(crate) fn seed(test: &str) -> u64 {
    let seed: u64 = std::env::var("SMARTPULSE_POSTGRES_SEED")
        .map_or_else(|_| rand::random(), |text| text.parse().expect("a whole number"));
    println!("seed {seed}; SMARTPULSE_POSTGRES_SEED={seed} cargo test --workspace {test}");
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

/// What was decided is decided the same from the journal, and everything stored agrees.
pub(crate) fn assert_checks(data: &Path) {
    let mut check = super::process::program();
    check.args(["check", "--data"]).arg(data);
    super::process::finish(&mut check).succeeded();
}
