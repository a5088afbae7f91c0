//! Dead letters, sent again to where they came from.

use std::time::Duration;

use futures_util::StreamExt as _;
use pulsar::consumer::InitialPosition;
use pulsar::producer::Message;
use pulsar::{Consumer, ConsumerOptions, Payload, Producer, SubType, TokioExecutor};

use super::client::{PulsarClient, own_name, partitions};
use super::error::PulsarFault;
use super::letter::{ATTEMPT, OWN, PARTLY, RESEND, TOPIC, by_key};
use super::reader::last_of;
use super::settings::PulsarTopic;

/// What is to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resending {
    /// Messages at most; none: all.
    pub limit: Option<u64>,
    /// Also those of which a part was taken in.
    pub partly: bool,
    /// How long nothing may come before that is taken for the end.
    pub quiet: Duration,
}

/// What was sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resent {
    /// Messages sent again.
    pub sent: u64,
    /// Letters left where they are: a part of them was taken in, or they are of another topic.
    pub left: u64,
}

/// Sends the dead letters of `topic` again, each until it is there; then it is a dead letter no more.
///
/// # Errors
/// [`PulsarFault::Unreachable`]: the letter that was being sent may be sent again the next time.
pub async fn resend(
    client: &PulsarClient,
    topic: &PulsarTopic,
    resending: Resending,
) -> Result<Resent, PulsarFault> {
    let opening = client.producer().with_topic(&topic.topic).with_name(own_name());
    let opening = opening.with_options(by_key()).build();
    let mut back =
        Box::pin(opening).await.map_err(PulsarFault::while_doing("opening the topic"))?;
    let mut resent = Resent::default();
    for letters in partitions(client, &topic.letters()).await? {
        let of_partition = of_partition(client, topic, &letters, resending, &mut back, &mut resent);
        Box::pin(of_partition).await?;
    }
    Ok(resent)
}

async fn of_partition(
    client: &PulsarClient,
    topic: &PulsarTopic,
    letters: &str,
    resending: Resending,
    back: &mut Producer<TokioExecutor>,
    resent: &mut Resent,
) -> Result<(), PulsarFault> {
    let fault = PulsarFault::while_doing("reading dead letters");
    let subscribing = client
        .consumer()
        .with_topic(letters)
        .with_subscription(RESEND)
        .with_subscription_type(SubType::Exclusive)
        .with_options(ConsumerOptions::default().with_initial_position(InitialPosition::Earliest))
        .build();
    let mut consumer: Consumer<Vec<u8>, TokioExecutor> =
        Box::pin(subscribing).await.map_err(&fault)?;
    let last = Box::pin(last_of(client, letters)).await?;
    // After a restart of the broker the newest ledger is empty: whatever comes in it is written after this.
    let last = last.map(|id| match id.entry_id {
        entry if entry > u64::MAX >> 1 => (id.ledger_id.saturating_sub(1), u64::MAX),
        entry => (id.ledger_id, entry),
    });
    while resending.limit.is_none_or(|limit| resent.sent < limit) {
        let Ok(Some(read)) = tokio::time::timeout(resending.quiet, consumer.next()).await else {
            break;
        };
        let read = read.map_err(&fault)?;
        let id = read.message_id.id.clone();
        // Letters that are written while others are sent again are for the next time.
        let place = (id.ledger_id, id.entry_id);
        if last.is_some_and(|last| place > last) {
            break;
        }
        if let Some(message) = message(read.payload, topic, resending.partly) {
            let fault = PulsarFault::while_doing("sending a message again");
            let receipt = Box::pin(back.send_non_blocking(message)).await.map_err(&fault)?;
            receipt.await.map_err(&fault)?;
            let acknowledged = consumer.ack_with_id(letters, id).await;
            acknowledged.map_err(PulsarFault::while_doing("acknowledging a dead letter"))?;
            resent.sent += 1;
        } else {
            resent.left += 1;
        }
        if last == Some(place) {
            break;
        }
    }
    // The broker has heard of every acknowledgement when it answers what was asked behind them.
    Box::pin(consumer.check_connection()).await.map_err(&fault)
}

/// The message as it was sent, where it is one of `topic`; only its count says that it was a letter.
fn message(payload: Payload, topic: &PulsarTopic, partly: bool) -> Option<Message> {
    let Payload { metadata, data } = payload;
    let found = |name: &str| metadata.properties.iter().find(|pair| pair.key == name);
    let from = found(TOPIC)?.value.as_str();
    let from = from.rsplit_once("-partition-").map_or(from, |(topic, _)| topic);
    let from = PulsarTopic { topic: from.to_owned(), ..PulsarTopic::default() }.full_name()?;
    if Some(from) != topic.full_name() || (found(PARTLY).is_some() && !partly) {
        return None;
    }
    let kept = |name: &str| !name.starts_with(OWN) || name == ATTEMPT;
    let properties = metadata.properties.iter().filter(|pair| kept(&pair.key));
    let properties = properties.map(|pair| (pair.key.clone(), pair.value.clone())).collect();
    let is_encoded = metadata.partition_key_b64_encoded();
    Some(Message {
        payload: data,
        properties,
        partition_key: metadata.partition_key,
        partition_key_b64_encoded: is_encoded.then_some(true),
        event_time: metadata.event_time.filter(|time| *time > 0),
        ..Message::default()
    })
}
