//! Systems that changes come from. Each topic and each database has a thread of its own; what it reads waits in the bounded queue
//! behind live changes, so that a source that is faster than the engine is held back by it.

mod debezium;
mod postgres;
mod pulsar;
mod tables;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use smartpulse_connectors::{
    DebeziumSettings, PostgresFault, PostgresSettings, PulsarSettings, PulsarTopic,
};
use smartpulse_operators::offset::Place;
use smartpulse_serve::attached::{Attached, Direction};
use smartpulse_serve::doors::DoorRules;
use tokio::sync::watch;
use tracing::error;

use crate::config::Config;
use crate::ingest::clock::MachineClocks;
use crate::service::Service;
use crate::sinks::alone;

/// All sources of a service.
pub struct Sources {
    topics: Vec<pulsar::Topic>,
    databases: Vec<postgres::Database>,
    debeziums: Vec<debezium::Debezium>,
    links: Vec<Arc<Attached>>,
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Sources {
    /// The sources that the configuration names, not begun yet.
    ///
    /// # Errors
    /// [`PostgresFault::Setting`] where a mapping cannot be read any more.
    pub fn new(
        service: &Service,
        config: &Config,
        clocks: MachineClocks,
    ) -> Result<Sources, PostgresFault> {
        let (stop, stopping) = watch::channel(false);
        let named = config.pulsar.iter();
        let topics = named.flat_map(|connection| {
            connection.topics.iter().map(|topic| {
                let offsets = service.base.offsets.clone();
                topic_of(
                    service,
                    (connection, topic),
                    offsets,
                    config.door_rules(),
                    clocks,
                    &stopping,
                )
            })
        });
        let topics: Vec<pulsar::Topic> = topics.collect();
        let mut links: Vec<_> = topics.iter().map(|topic| Arc::clone(&topic.link)).collect();
        let mut databases = Vec::new();
        let beginning = |name: &str, mapping, enforce: &[String], link| tables::Beginning {
            name: name.to_owned(),
            mapping,
            enforce: enforce.to_vec(),
            offsets: service.base.offsets.clone(),
            kept: service.base.kept.clone(),
            backfill: service.backfill.clone(),
            archive: service.archive.clone(),
            spools: service.spools.clone(),
            read_model: Arc::clone(&service.read_model),
            rules: config.door_rules(),
            link,
            now: clocks.now,
        };
        for settings in &config.postgres {
            let PostgresSettings { name, enforce, .. } = settings;
            let link = Attached::new(Direction::Source, "postgres", name);
            links.push(Arc::clone(&link));
            let beginning = beginning(name, settings.mapping()?, enforce, link);
            databases.push(postgres::Database::new(settings.clone(), beginning, stopping.clone()));
        }
        let mut debeziums = Vec::new();
        for (connection, settings) in config.debeziums() {
            let DebeziumSettings { name, enforce, .. } = settings;
            let link = Attached::new(Direction::Source, "debezium", name);
            links.push(Arc::clone(&link));
            let beginning = beginning(name, settings.mapping()?, enforce, link);
            let reader = reader(service);
            let of = (connection, settings);
            debeziums.push(debezium::Debezium::new(of, beginning, reader, stopping.clone())?);
        }
        Ok(Sources { topics, databases, debeziums, links, threads: Vec::new(), stop })
    }

    /// How each stands.
    #[must_use]
    pub fn links(&self) -> Vec<Arc<Attached>> {
        self.links.clone()
    }

    /// Begins to read.
    pub fn begin(&mut self) {
        for topic in self.topics.drain(..) {
            self.threads.push(thread::spawn(move || {
                alone(pulsar::run(topic));
            }));
        }
        for database in self.databases.drain(..) {
            self.threads.push(thread::spawn(move || {
                alone(postgres::run(database));
            }));
        }
        for debezium in self.debeziums.drain(..) {
            self.threads.push(thread::spawn(move || {
                alone(debezium::run(debezium));
            }));
        }
    }

    /// Ends them. What they have handed on is taken in by who stops after them.
    pub fn stop(self) {
        self.stop.send_replace(true);
        for thread in self.threads {
            if thread.join().is_err() {
                error!("a source has panicked; its message is in the log");
            }
        }
    }
}

/// What tells this engine's readers from those of others.
fn reader(service: &Service) -> String {
    format!("smartpulse-{}", service.read_model.incarnation())
}

fn topic_of(
    service: &Service,
    (connection, settings): (&PulsarSettings, &PulsarTopic),
    offsets: BTreeMap<Arc<str>, Place>,
    rules: DoorRules,
    clocks: MachineClocks,
    stopping: &watch::Receiver<bool>,
) -> pulsar::Topic {
    let name = format!("{}/{}", connection.name, settings.topic);
    pulsar::Topic {
        connection: connection.clone(),
        settings: settings.clone(),
        reader: reader(service),
        offsets,
        client: pulsar::Client::new(connection),
        backfill: service.backfill.clone(),
        archive: service.archive.clone(),
        read_model: Arc::clone(&service.read_model),
        rules,
        link: Attached::new(Direction::Source, "pulsar", &name),
        now: clocks.now,
        stopping: stopping.clone(),
        said: Mutex::default(),
    }
}
