//! Sends messages as other systems do, and reads topics as the oracle does: from their beginning, by a subscription of
//! its own that acknowledges nothing, so that the broker keeps everything.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use pulsar::compression::Compression;
use pulsar::consumer::InitialPosition;
use pulsar::producer::Message;
use pulsar::routing_policy::RoutingPolicy;
use pulsar::{
    ConnectionRetryOptions, Consumer, ConsumerOptions, OperationRetryOptions, ProducerOptions,
    Pulsar, SubType, TokioExecutor,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The oracle's subscription.
const ORACLE: &str = "oracle";
/// How long the broker may take to deliver the next message.
const QUIET: Duration = Duration::from_secs(20);

/// A message to be sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) key: Option<String>,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// How messages are sent.
#[derive(Clone)]
pub(crate) struct Manner {
    pub(crate) compression: Option<Compression>,
    /// Messages in an entry.
    pub(crate) batch: Option<u32>,
}

/// A sender and reader of topics.
pub(crate) struct Post {
    runtime: Runtime,
    url: String,
}

/// A message of a topic as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) key: Option<String>,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Sent {
    /// A save of one hour of a plant, keyed by it, noted `note`.
    pub(crate) fn save(plant: u64, hour: u64, value: f64, note: &str) -> Sent {
        let start = format!("2099-06-{:02}T{:02}:00:00Z", 1 + hour / 24, hour % 24);
        let predictions = json!([{ "ds": start, "v": value }]);
        let body = json!({
            "unitForecastList": [{ "period": 60, "predictions": predictions }], "note": note,
        });
        Sent {
            key: Some(format!("PP:{plant}")),
            body: body.to_string().into_bytes(),
            ..Sent::default()
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Sent {
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }

    fn message(&self) -> Message {
        Message {
            payload: self.body.clone(),
            properties: self.properties.iter().cloned().collect(),
            partition_key: self.key.clone(),
            ..Message::default()
        }
    }
}

impl Found {
    pub(crate) fn property(&self, name: &str) -> &str {
        self.properties.get(name).map_or("", String::as_str)
    }

    /// The note of the save in it.
    pub(crate) fn note(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["note"].as_str().unwrap().to_owned()
    }
}

impl Manner {
    pub(crate) fn plain() -> Manner {
        Manner { compression: None, batch: None }
    }
}

impl Post {
    pub(crate) fn new(url: &str) -> Post {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        Post { runtime, url: url.to_owned() }
    }

    /// Sends messages, one after another; each is with the broker when this returns.
    pub(crate) fn send(&self, topic: &str, manner: &Manner, messages: &[Sent]) {
        self.try_send(topic, manner, messages).unwrap();
    }

    /// The same, as far as the broker is there.
    pub(crate) fn try_send(
        &self,
        topic: &str,
        manner: &Manner,
        messages: &[Sent],
    ) -> Result<(), pulsar::Error> {
        let options = ProducerOptions {
            compression: manner.compression.clone(),
            // Without one, keys decide nothing.
            routing_policy: Some(RoutingPolicy::RoundRobin),
            batch_size: manner.batch,
            batch_timeout: manner.batch.map(|_| Duration::from_millis(20)),
            ..ProducerOptions::default()
        };
        self.runtime.block_on(async {
            let client = client(&self.url).await?;
            let producer = client.producer().with_topic(topic).with_options(options).build();
            let mut producer = Box::pin(producer).await?;
            let mut receipts = Vec::new();
            for message in messages {
                receipts.push(Box::pin(producer.send_non_blocking(message.message())).await?);
            }
            for receipt in receipts {
                receipt.await?;
            }
            Ok(())
        })
    }

    /// Makes the broker keep everything of a topic for the oracle.
    pub(crate) fn keep(&self, topics: &[String]) {
        self.runtime.block_on(async {
            let client = client(&self.url).await.unwrap();
            for topic in topics {
                drop(Box::pin(subscribe(&client, topic, ORACLE)).await);
            }
        });
    }

    /// Everything of a topic without partitions, or of one partition.
    pub(crate) fn all(&self, topic: &str) -> Vec<Found> {
        self.runtime.block_on(async {
            let client = client(&self.url).await.unwrap();
            let mut consumer = Box::pin(subscribe(&client, topic, ORACLE)).await;
            let last = Box::pin(consumer.get_last_message_id()).await.unwrap().pop().unwrap();
            let mut found = Vec::new();
            if last.entry_id == u64::MAX {
                return found;
            }
            let last = (last.ledger_id, last.entry_id, last.batch_index.unwrap_or(-1).max(0));
            loop {
                let next = tokio::time::timeout(QUIET, consumer.next()).await;
                let message = next.expect("the next message").unwrap().unwrap();
                let id = message.message_id.id.clone();
                let pulsar::Payload { metadata, data: body } = message.payload;
                let properties = metadata.properties.into_iter().map(|pair| (pair.key, pair.value));
                let (key, properties) = (metadata.partition_key, properties.collect());
                found.push(Found { key, properties, body });
                if (id.ledger_id, id.entry_id, id.batch_index.unwrap_or(-1).max(0)) >= last {
                    return found;
                }
            }
        })
    }
}

async fn client(url: &str) -> Result<Pulsar<TokioExecutor>, pulsar::Error> {
    let connecting = ConnectionRetryOptions {
        max_retries: 1,
        connection_timeout: Duration::from_secs(3),
        keep_alive: Duration::from_secs(3),
        ..ConnectionRetryOptions::default()
    };
    let asking = OperationRetryOptions {
        operation_timeout: Duration::from_secs(5),
        retry_delay: Duration::from_millis(200),
        max_retries: Some(3),
    };
    Box::pin(
        Pulsar::builder(url, TokioExecutor)
            .with_connection_retry_options(connecting)
            .with_operation_retry_options(asking)
            .with_outbound_channel_size(10_000)
            .build(),
    )
    .await
}

async fn subscribe(
    client: &Pulsar<TokioExecutor>,
    topic: &str,
    name: &str,
) -> Consumer<Vec<u8>, TokioExecutor> {
    let options = ConsumerOptions::default().with_initial_position(InitialPosition::Earliest);
    client
        .consumer()
        .with_topic(topic)
        .with_subscription(name)
        .with_subscription_type(SubType::Exclusive)
        .with_options(options)
        .build()
        .await
        .unwrap()
}
