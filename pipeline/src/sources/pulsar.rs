//! A topic of Pulsar, all its partitions at once, each in order.

mod counts;
mod letters;
mod partition;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use smartpulse_connectors::{
    PulsarClient, PulsarFault, PulsarSettings, PulsarTopic, connect, partitions,
};
use smartpulse_operators::offset::Place;
use smartpulse_operators::time::Instant;
use smartpulse_serve::attached::{Attached, Standing};
use smartpulse_serve::doors::DoorRules;
use smartpulse_serve::read_model::ReadModel;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use crate::history::tail::Archive;
use crate::ingest::Backfill;
use counts::{Counted, lag, sums};
use partition::Partition;

/// Between two looks for partitions that were added.
const LOOK: Duration = Duration::from_secs(30);
/// Before the topic is looked for again where it could not be.
const PAUSE: Duration = Duration::from_secs(1);

/// A topic and what its partitions work with.
pub(super) struct Topic {
    pub(super) connection: PulsarSettings,
    pub(super) settings: PulsarTopic,
    /// Tells this engine's readers from those of others.
    pub(super) reader: String,
    /// How far each partition was taken in when the service started.
    pub(super) offsets: BTreeMap<Arc<str>, Place>,
    pub(super) client: Client,
    pub(super) backfill: mpsc::Sender<Backfill>,
    pub(super) archive: Archive,
    pub(super) read_model: Arc<ReadModel>,
    pub(super) rules: DoorRules,
    pub(super) link: Arc<Attached>,
    pub(super) now: fn() -> Instant,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) said: Mutex<Said>,
}

/// What the partitions have said.
#[derive(Default)]
pub(super) struct Said {
    troubles: BTreeMap<String, String>,
    counted: BTreeMap<String, Counted>,
}

/// The client that all partitions of a topic share, connected when it is needed.
pub(super) struct Client {
    settings: PulsarSettings,
    // Held while connecting, so that all wait for the one connection.
    connected: tokio::sync::Mutex<Option<PulsarClient>>,
}

impl Client {
    pub(super) fn new(settings: &PulsarSettings) -> Client {
        Client { settings: settings.clone(), connected: tokio::sync::Mutex::default() }
    }

    pub(super) async fn get(&self) -> Result<PulsarClient, PulsarFault> {
        let mut connected = self.connected.lock().await;
        if let Some(client) = &*connected {
            return Ok(client.clone());
        }
        let client = Box::pin(connect(&self.settings)).await?;
        *connected = Some(client.clone());
        Ok(client)
    }

    /// The connection has failed somebody: the next one makes a new one.
    pub(super) async fn lost(&self) {
        *self.connected.lock().await = None;
    }
}

impl Topic {
    fn say(&self, tell: impl FnOnce(&mut Said)) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        tell(&mut said);
        let standing = match said.troubles.iter().next() {
            // Nothing is known of its partitions yet.
            Some((name, trouble)) if name.is_empty() => Standing::Degraded(trouble.clone()),
            Some((name, trouble)) => Standing::Degraded(format!("{name}: {trouble}")),
            None => Standing::Following,
        };
        let (now, snapshot) = ((self.now)(), self.read_model.snapshot());
        let lag = lag(&said.counted, now);
        self.link.reads(standing, (snapshot.epoch, snapshot.clock), lag, sums(&said.counted));
    }

    /// A partition is in trouble, or no longer.
    fn troubled(&self, partition: &str, trouble: Option<String>) {
        self.say(|said| match trouble {
            Some(trouble) => drop(said.troubles.insert(partition.to_owned(), trouble)),
            None => drop(said.troubles.remove(partition)),
        });
    }

    /// What a partition has counted.
    fn counted(&self, partition: &str, counted: Counted) {
        self.say(|said| {
            said.counted.insert(partition.to_owned(), counted);
        });
    }

    async fn partitions(&self) -> Result<Vec<String>, PulsarFault> {
        let name = self.settings.full_name().unwrap_or_default();
        let client = self.client.get().await?;
        Box::pin(partitions(&client, &name)).await
    }
}

/// Reads a topic until told to stop.
pub(super) async fn run(topic: Topic) {
    let topic = Arc::new(topic);
    let mut stopping = topic.stopping.clone();
    let mut known = BTreeSet::new();
    let mut running = FuturesUnordered::new();
    // Beside the partitions: who looks may wait for the connection that one of them makes.
    let mut looking = Box::pin(look(Arc::clone(&topic), Duration::ZERO));
    loop {
        tokio::select! {
            Some(()) = running.next() => {}
            found = &mut looking => {
                let pause = match found {
                    Ok(names) => {
                        topic.troubled("", None);
                        for name in names {
                            if known.insert(name.clone()) {
                                let partition = Partition::new(Arc::clone(&topic), name);
                                running.push(Box::pin(partition.run()));
                            }
                        }
                        LOOK
                    }
                    Err(fault) => {
                        // Where it is read, its partitions say what is wrong.
                        if known.is_empty() {
                            warn!(topic = topic.settings.topic, problem = %fault, "pulsar is not read");
                            topic.troubled("", Some(fault.to_string()));
                        }
                        PAUSE
                    }
                };
                looking = Box::pin(look(Arc::clone(&topic), pause));
            }
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Looks for the partitions after a pause.
async fn look(topic: Arc<Topic>, pause: Duration) -> Result<Vec<String>, PulsarFault> {
    tokio::time::sleep(pause).await;
    let found = topic.partitions().await;
    if found.is_err() {
        topic.client.lost().await;
    }
    found
}
