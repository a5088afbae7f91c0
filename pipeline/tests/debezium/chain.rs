//! A database, a Debezium that reads it, and the setting of an engine that reads what that writes.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use smartpulse_connectors::Mapping;
use smartpulse_services::debezium::Route;
use smartpulse_services::{Debezium, Postgres, Pulsar};

use super::stage::{Database, Engine, LOOKS, PAUSE, Source};

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

/// The route of the legacy tables of a database to a broker; `more` are further properties of Debezium.
pub(crate) fn route(database: &Database, pulsar_url: String, more: &str) -> Route {
    let mapping = Mapping::legacy();
    let mut tables: Vec<String> =
        mapping.tables.iter().map(|mapped| mapped.table.to_string()).collect();
    tables.dedup();
    Route {
        postgres_port: database.server.port(),
        pulsar_url,
        database: database.name.clone(),
        tables,
        namespace: "public/default".to_owned(),
        prefix: database.name.clone(),
        more: more.to_owned(),
    }
}

/// What an engine reads of a database that Debezium writes to the broker at `url`.
pub(crate) fn source(database: &Database, url: &str, more: &str) -> Source {
    let name = &database.name;
    Source::debezium(&format!(
        "[{{url={url:?}, timeout_ms=3000, debezium=[{{name=\"legacy\", \
         prefix=\"persistent://public/default/{name}\"{more}}}]}}]"
    ))
}

/// A database with the legacy schema, what Debezium writes of it, and an engine that reads that.
pub(crate) struct Chain {
    pub(crate) broker: Arc<Pulsar>,
    pub(crate) debezium: Debezium,
    pub(crate) engine: Engine,
    // Last: its slot goes with it.
    pub(crate) database: Database,
    pub(crate) room: tempfile::TempDir,
}

impl Chain {
    /// `before` is what the tables hold at the beginning.
    pub(crate) fn new(before: &str) -> Chain {
        Chain::with(before, "", "", &[])
    }

    /// The same with further settings of Debezium and of the engine.
    pub(crate) fn with(
        before: &str,
        properties: &str,
        settings: &str,
        variables: &[(&'static str, &str)],
    ) -> Chain {
        let database = Database::new();
        database.sql(before);
        let broker = shared_broker();
        let debezium = Debezium::start(&route(&database, broker.url(), properties)).unwrap();
        let room = tempfile::tempdir().unwrap();
        let read = source(&database, &broker.url(), settings);
        let engine = Engine::reading(&room.path().join("data"), read, variables);
        Chain { broker, debezium, engine, database, room }
    }

    /// Where its tables are: the server, and the database there.
    pub(crate) fn tables(&self) -> (Arc<Postgres>, String) {
        (Arc::clone(&self.database.server), self.database.name.clone())
    }

    /// Waits until the tables have been read as they are.
    pub(crate) fn await_read(&self) {
        await_read(&self.engine);
    }
}

/// Waits until an engine has read the tables as they are.
pub(crate) fn await_read(engine: &Engine) {
    for _ in 0..LOOKS {
        let is_read = engine.source()["state"] == "following";
        if is_read && engine.counted("rows") > 0 {
            return;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("tables are not read: {}; {}", engine.source(), engine.words());
}
