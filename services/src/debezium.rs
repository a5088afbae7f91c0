//! A real Debezium engine: reads a Postgres and publishes its changes to a Pulsar.

use std::path::PathBuf;

use rustix::process::Signal;

use crate::ServiceError;
use crate::install;
use crate::pulsar::java;
use crate::server::{Folder, Launch, Ready, Server, write};

const POM: &str = include_str!("../java/debezium.pom.xml");
const PROGRAM: &str = include_str!("../java/DebeziumToPulsar.java");
/// Amounts and instants exact, transactions marked, tables that are emptied told, no schema beside each change.
const SETTINGS: &str = "\
name=smartpulse
connector.class=io.debezium.connector.postgresql.PostgresConnector
plugin.name=pgoutput
offset.storage=org.apache.kafka.connect.storage.FileOffsetBackingStore
offset.flush.interval.ms=1000
decimal.handling.mode=precise
provide.transaction.metadata=true
skipped.operations=none
key.converter.schemas.enable=false
value.converter.schemas.enable=false
database.hostname=127.0.0.1
database.user=postgres
database.password=
publication.autocreate.mode=filtered
";

/// What an engine reads, and where it writes.
#[derive(Clone, Debug)]
pub struct Route {
    /// Port of the Postgres on 127.0.0.1.
    pub postgres_port: u16,
    /// Where the Pulsar is found.
    pub pulsar_url: String,
    /// The database there.
    pub database: String,
    /// Tables, each with its schema.
    pub tables: Vec<String>,
    /// Topics are `{namespace}/{prefix}.{schema}.{table}`.
    pub namespace: String,
    /// See above; its slot and its publication are called so, too.
    pub prefix: String,
    /// Further properties, a line each: they count instead of those above.
    pub more: String,
}

/// A Debezium engine.
#[derive(Debug)]
pub struct Debezium {
    server: Server,
}

/// Java, and the folder of the engine's jars, gathered where they are missing.
///
/// # Errors
/// [`ServiceError`].
pub fn installed() -> Result<(PathBuf, PathBuf), ServiceError> {
    Ok((java()?, install::jars("debezium", POM)?))
}

impl Debezium {
    /// Starts one and waits until its engine has started.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn start(route: &Route) -> Result<Debezium, ServiceError> {
        let (program, jars) = installed()?;
        let folder = Folder::passing("debezium")?;
        let at = |name: &str| folder.path().join(name);
        let Route { postgres_port, pulsar_url, database, tables, namespace, prefix, more } = route;
        let offsets = at("data/offsets").display().to_string();
        let settings = format!(
            "{SETTINGS}database.port={postgres_port}\ntable.include.list={}\ntopic.prefix={prefix}\n\
             slot.name={prefix}\npublication.name={prefix}\ndatabase.dbname={database}\n\
             offset.storage.file.filename={offsets}\npulsar.url={pulsar_url}\n\
             pulsar.namespace={namespace}\n{more}\n",
            tables.join(",")
        );
        let (source, properties) = (at("DebeziumToPulsar.java"), at("engine.properties"));
        write(&source, PROGRAM)?;
        write(&properties, &settings)?;
        let text = |path: PathBuf| path.display().to_string();
        let classes = format!("{}/*", jars.display());
        let arguments =
            vec!["-Xmx256m".to_owned(), "-cp".to_owned(), classes, text(source), text(properties)];
        let (name, end) = ("debezium", Signal::TERM);
        let ready = Ready::Says("engine started");
        let launch = Launch { name, program, arguments, ready, prepare: None, user: None, end };
        Ok(Debezium { server: Server::start(launch, folder)? })
    }

    /// The process, to hurt it.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }
}
