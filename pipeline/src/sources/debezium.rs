//! Debezium's envelopes of a database: changes come by topics of tables, the ends of transactions by one of their own,
//! and every transaction is taken in whole, in the order of their commits.

mod assembly;
mod follower;
mod ledger;
mod partition;
mod pieces;
mod reading;
mod rows;
mod taking;
mod waiting;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use smartpulse_connectors::{
    DebeziumSettings, PostgresFault, PulsarFault, PulsarSettings, PulsarTopic, TableName,
    partitions,
};
use tokio::sync::{mpsc, watch};
use tracing::warn;

use super::pulsar::Client;
use super::tables::{Beginning, Intake};
use follower::Follower;
use partition::{Item, Orders, Partition, Said, Shared};

/// Between two looks for partitions that were added.
const LOOK: Duration = Duration::from_secs(30);
/// Before a topic is looked for again where it could not be.
const PAUSE: Duration = Duration::from_secs(1);
/// Messages between the partitions and who puts their transactions together.
const ITEMS: usize = 1_024;

/// A database of which Debezium writes the changes to topics.
pub(super) struct Debezium {
    follower: Follower,
    shared: Arc<Shared>,
    topics: Vec<(Option<TableName>, PulsarTopic)>,
    items: mpsc::Receiver<Item>,
    stopping: watch::Receiver<bool>,
}

impl Debezium {
    /// `reader` tells this engine's readers from those of others.
    ///
    /// # Errors
    /// [`PostgresFault::Setting`] where the mapping cannot be read any more.
    pub(super) fn new(
        (connection, settings): (&PulsarSettings, &DebeziumSettings),
        beginning: Beginning,
        reader: String,
        stopping: watch::Receiver<bool>,
    ) -> Result<Debezium, PostgresFault> {
        let (tell, items) = mpsc::channel(ITEMS);
        let offsets = beginning.offsets.clone();
        let intake = Intake::new(beginning);
        let client = Client::new(connection);
        let shared = Arc::new(Shared { client, reader, items: tell });
        let follower = Follower::new(settings, intake, offsets);
        Ok(Debezium { follower, shared, topics: settings.topics()?, items, stopping })
    }
}

/// Looks for the partitions of a topic after a pause.
async fn look(
    shared: Arc<Shared>,
    (place, topic): (usize, PulsarTopic),
    pause: Duration,
) -> (usize, Result<Vec<String>, PulsarFault>) {
    tokio::time::sleep(pause).await;
    let found = async {
        let client = shared.client.get().await?;
        Box::pin(partitions(&client, &topic.full_name().unwrap_or_default())).await
    };
    let found = found.await;
    if found.is_err() {
        shared.client.lost().await;
    }
    (place, found)
}

/// Says whether a topic can be found; not urgently.
fn trouble(shared: &Shared, place: usize, said: Option<String>) {
    let (partition, said) = (usize::MAX - place, Said::Trouble(said));
    let _ = shared.items.try_send(Item { partition, round: 0, said });
}

/// Reads a database's topics until told to stop.
pub(super) async fn run(debezium: Debezium) {
    let Debezium { follower, shared, topics, mut items, mut stopping } = debezium;
    let mut running = FuturesUnordered::new();
    let mut looking = FuturesUnordered::new();
    for (place, (_, topic)) in topics.iter().enumerate() {
        looking.push(Box::pin(look(Arc::clone(&shared), (place, topic.clone()), Duration::ZERO)));
    }
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut following = Box::pin(follower.run(&mut items));
    loop {
        tokio::select! {
            () = &mut following => return,
            Some(()) = running.next() => {}
            Some((place, found)) = looking.next() => {
                let (table, topic) = &topics[place];
                let pause = match found {
                    Ok(names) => {
                        trouble(&shared, place, None);
                        for name in names {
                            if !known.insert(name.clone()) {
                                continue;
                            }
                            let index = known.len() - 1;
                            let (orders, taken) = watch::channel(Orders::default());
                            let said = Said::Joined(name.clone(), table.clone(), orders);
                            let item = Item { partition: index, round: 0, said };
                            let (topic, table) = (topic.clone(), table.clone());
                            let shared = Arc::clone(&shared);
                            running.push(Box::pin(async move {
                                let partition =
                                    Partition::new((index, name), topic, table, &shared, taken);
                                if shared.items.send(item).await.is_ok() {
                                    partition.run().await;
                                }
                            }));
                        }
                        LOOK
                    }
                    Err(fault) => {
                        warn!(topic = topic.topic, problem = %fault, "pulsar is not read");
                        trouble(&shared, place, Some(fault.to_string()));
                        PAUSE
                    }
                };
                looking.push(Box::pin(look(Arc::clone(&shared), (place, topic.clone()), pause)));
            }
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}
