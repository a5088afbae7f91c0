//! Systems that changes come from. Each topic has a thread of its own; what it reads waits in the bounded queue
//! behind live changes, so that a source that is faster than the engine is held back by it.

mod pulsar;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use smartpulse_connectors::{PulsarSettings, PulsarTopic};
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
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Sources {
    /// The sources that the configuration names, not begun yet.
    #[must_use]
    pub fn new(service: &Service, config: &Config, clocks: MachineClocks) -> Sources {
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
        let topics = topics.collect();
        Sources { topics, threads: Vec::new(), stop }
    }

    /// How each stands.
    #[must_use]
    pub fn links(&self) -> Vec<Arc<Attached>> {
        self.topics.iter().map(|topic| Arc::clone(&topic.link)).collect()
    }

    /// Begins to read.
    pub fn begin(&mut self) {
        for topic in self.topics.drain(..) {
            self.threads.push(thread::spawn(move || {
                alone(pulsar::run(topic));
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
        reader: format!("smartpulse-{}", service.read_model.incarnation()),
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
