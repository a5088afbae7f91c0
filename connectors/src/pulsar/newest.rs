//! The newest message that a sink wrote to a partition: from there it goes on.

use std::time::Duration;

use futures_util::StreamExt as _;
use pulsar::consumer::InitialPosition;
use pulsar::proto::{KeyValue, MessageIdData};
use pulsar::reader::Reader;
use pulsar::{Consumer, ConsumerOptions, SubType, TokioExecutor};
use smartpulse_operators::time::Instant;
use uuid::Uuid;

use super::client::{PulsarClient, READING};
use super::error::PulsarFault;

/// The kind of a message that only says that a sink has begun.
pub(super) const OPEN: &str = "open";
/// How far back is looked, in milliseconds: a minute, an hour, a day; then everything.
const BACK: [i64; 3] = [60_000, 3_600_000, 86_400_000];

/// How long what was written last may take to be read again: who waits longer is taken for one who has lost it, and
/// gets everything anew.
const FOLLOWING: Duration = Duration::from_secs(3);

/// What the newest message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) incarnation: Uuid,
    pub(super) epoch: u64,
    pub(super) part: u32,
    /// None while everything was being sent.
    pub(super) confirmed: Option<u64>,
    /// What is told.
    pub(super) content: String,
}

/// What the broker knows of the end of a partition.
pub(super) enum End {
    /// Nothing was ever written.
    Empty,
    /// The newest message, and where its entry lies.
    At(Newest, (u64, u64)),
    /// It does not say: after a restart its newest ledger is empty, whatever the others hold.
    Unknown,
}

/// The newest message as the broker knows it.
pub(super) async fn end(client: &PulsarClient, partition: &str) -> Result<End, PulsarFault> {
    let fault = PulsarFault::while_doing("reading the newest message");
    let reading = |start: Option<MessageIdData>| {
        let mut options = ConsumerOptions::default().durable(false);
        options.start_message_id = start;
        client.reader().with_topic(partition).with_options(options).into_reader()
    };
    let last = {
        let mut reader: Reader<Vec<u8>, TokioExecutor> =
            Box::pin(reading(None)).await.map_err(&fault)?;
        Box::pin(reader.get_last_message_id()).await.map_err(&fault)?
    };
    if last.entry_id > u64::MAX >> 1 {
        return Ok(End::Unknown);
    }
    // A place in a batch: without it the broker begins behind the entry.
    let start = MessageIdData { batch_index: Some(0), ..last.clone() };
    let mut reader: Reader<Vec<u8>, TokioExecutor> =
        Box::pin(reading(Some(start))).await.map_err(&fault)?;
    loop {
        let read = tokio::time::timeout(READING, reader.next());
        let read = read.await.map_err(PulsarFault::while_doing("reading the newest message"))?;
        let Some(message) = read.transpose().map_err(&fault)? else { return Ok(End::Unknown) };
        let id = &message.message_id;
        let index = id.id.batch_index.unwrap_or(0).max(0) + 1;
        if place(&id.id) >= place(&last) && index >= id.batch_size.unwrap_or(1) {
            let said = said(&message.payload.metadata.properties);
            return Ok(said.map_or(End::Unknown, |newest| End::At(newest, place(&last))));
        }
    }
}

/// The newest message before `marker`, by when it may have been sent.
pub(super) async fn before(
    client: &PulsarClient,
    partition: &str,
    marker: (u64, u64),
    now: Instant,
) -> Result<End, PulsarFault> {
    if Box::pin(is_first(client, partition, marker)).await? {
        return Ok(End::Empty);
    }
    let now = now.0 / 1_000;
    for back in BACK.into_iter().chain([now]) {
        let since = u64::try_from(now - back).unwrap_or(0);
        if let Some(newest) = Box::pin(since_then(client, partition, marker, since)).await? {
            return Ok(End::At(newest, marker));
        }
    }
    Ok(End::Empty)
}

/// Whether `marker` is the first message that the broker has.
async fn is_first(
    client: &PulsarClient,
    partition: &str,
    marker: (u64, u64),
) -> Result<bool, PulsarFault> {
    let fault = PulsarFault::while_doing("reading the first message");
    let options = ConsumerOptions::default().with_initial_position(InitialPosition::Earliest);
    let reading = client.reader().with_topic(partition).with_options(options).into_reader();
    let mut reader: Reader<Vec<u8>, TokioExecutor> = Box::pin(reading).await.map_err(&fault)?;
    let read = tokio::time::timeout(READING, reader.next());
    let read = read.await.map_err(PulsarFault::while_doing("reading the first message"))?;
    let first = read.transpose().map_err(&fault)?;
    Ok(first.is_none_or(|first| place(&first.message_id.id) >= marker))
}

/// Whether the entry at `this` lies directly behind the one at `before`, which is still there.
pub(super) async fn follows(
    client: &PulsarClient,
    partition: &str,
    before: (u64, u64),
    this: (u64, u64),
) -> Result<bool, PulsarFault> {
    let fault = PulsarFault::while_doing("reading what was written last");
    let (ledger_id, entry_id) = before;
    let start =
        MessageIdData { ledger_id, entry_id, batch_index: Some(0), ..MessageIdData::default() };
    let options = ConsumerOptions::default().starting_on_message(start);
    let reading = client.reader().with_topic(partition).with_options(options).into_reader();
    let mut reader: Reader<Vec<u8>, TokioExecutor> = Box::pin(reading).await.map_err(&fault)?;
    let mut is_there = false;
    loop {
        // A topic that knows no such place gives nothing from there, though `this` is in it.
        let read = tokio::time::timeout(FOLLOWING, reader.next()).await;
        let Ok(Some(read)) = read else { return Ok(false) };
        let message = read.map_err(&fault)?;
        let place = place(&message.message_id.id);
        if place != before {
            return Ok(is_there && place == this);
        }
        is_there = true;
    }
}

async fn since_then(
    client: &PulsarClient,
    partition: &str,
    marker: (u64, u64),
    since: u64,
) -> Result<Option<Newest>, PulsarFault> {
    let fault = PulsarFault::while_doing("looking for the newest message");
    let options = ConsumerOptions::default().with_initial_position(InitialPosition::Latest);
    let subscribing = client
        .consumer()
        .with_topic(partition)
        .with_subscription(format!("smartpulse-looking-{}", Uuid::now_v7()))
        // The client looks from there with a second one, while the first is still there.
        .with_subscription_type(SubType::Failover)
        .with_options(options)
        .build();
    let mut consumer: Consumer<Vec<u8>, TokioExecutor> =
        Box::pin(subscribing).await.map_err(&fault)?;
    let going = consumer.seek(None, None, Some(since), client.clone());
    Box::pin(going).await.map_err(&fault)?;
    let mut newest = None;
    loop {
        let read = tokio::time::timeout(READING, consumer.next());
        let read =
            read.await.map_err(PulsarFault::while_doing("looking for the newest message"))?;
        let Some(message) = read.transpose().map_err(&fault)? else { break };
        if place(&message.message_id.id) >= marker {
            break;
        }
        newest = said(&message.payload.metadata.properties).or(newest);
    }
    // One that stays is the broker's to remove with the topic's other idle ones.
    let _ = Box::pin(consumer.unsubscribe()).await;
    Ok(newest)
}

fn place(id: &MessageIdData) -> (u64, u64) {
    (id.ledger_id, id.entry_id)
}

/// What a message says of itself; none of one that only says that a sink has begun.
fn said(properties: &[KeyValue]) -> Option<Newest> {
    let found = |name: &str| {
        let pair = properties.iter().find(|pair| pair.key == name);
        pair.map(|pair| pair.value.as_str())
    };
    if found("kind") == Some(OPEN) {
        return None;
    }
    Some(Newest {
        incarnation: found("incarnation")?.parse().ok()?,
        epoch: found("epoch")?.parse().ok()?,
        part: found("part").and_then(|part| part.parse().ok()).unwrap_or(u32::MAX),
        confirmed: found("confirmed").and_then(|epoch| epoch.parse().ok()),
        content: found("content").unwrap_or_default().to_owned(),
    })
}
