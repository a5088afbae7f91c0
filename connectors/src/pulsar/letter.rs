//! Dead letters: messages that could not be used, whole, with why.

use pulsar::compression::{Compression, CompressionZstd};
use pulsar::consumer::InitialPosition;
use pulsar::error::{ConnectionError, ConsumerError};
use pulsar::producer::Message;
use pulsar::proto::ServerError;
use pulsar::routing_policy::RoutingPolicy;
use pulsar::{ConsumerOptions, Producer, ProducerOptions, SubType, TokioExecutor};

use super::client::{PulsarClient, own_name, partitions};
use super::error::PulsarFault;
use super::reader::Received;

/// The subscription by which letters are read that are sent again.
pub(super) const RESEND: &str = "smartpulse-resend";
/// What the names of properties begin with that are not the sender's.
pub(super) const OWN: &str = "smartpulse-";
pub(super) const TOPIC: &str = "smartpulse-topic";
pub(super) const ATTEMPT: &str = "smartpulse-attempt";
pub(super) const PARTLY: &str = "smartpulse-partly";
/// Characters of a text that comes of the sender's: a broker bounds what a message may have beside its body.
const TEXT_CHARS: usize = 4_000;

/// Why a message could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The code of the rule, as a door would give it.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The field to blame.
    pub field: Option<String>,
    /// Slots that were refused, as JSON; none where the whole message was.
    pub slots: Option<String>,
    /// Whether the rest of the message was taken in.
    pub is_part: bool,
}

/// A message that could not be used, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// The message.
    pub message: Received,
    /// The topic, or partition of one, that it was read from.
    pub topic: String,
    /// Why.
    pub why: Why,
}

/// Writes dead letters.
pub struct DeadLetters(Producer<TokioExecutor>);

impl DeadLetters {
    /// Opens the topic they go to.
    ///
    /// # Errors
    /// [`PulsarFault::Unreachable`].
    pub async fn open(client: &PulsarClient, topic: &str) -> Result<DeadLetters, PulsarFault> {
        let compression = Some(Compression::Zstd(CompressionZstd::default()));
        for partition in partitions(client, topic).await? {
            Box::pin(keep(client, &partition)).await?;
        }
        let options = ProducerOptions { compression, ..by_key() };
        let opening = client.producer().with_topic(topic).with_name(own_name());
        let opening = opening.with_options(options).build();
        Box::pin(opening)
            .await
            .map(DeadLetters)
            .map_err(PulsarFault::while_doing("opening dead letters"))
    }

    /// Writes one; it is there for good when this returns.
    ///
    /// # Errors
    /// [`PulsarFault::Unreachable`]; it may be there all the same.
    pub async fn write(&mut self, letter: &DeadLetter) -> Result<(), PulsarFault> {
        let fault = PulsarFault::while_doing("writing a dead letter");
        let sending = Box::pin(self.0.send_non_blocking(message(letter)));
        let sent = sending.await.map_err(&fault)?;
        sent.await.map(drop).map_err(&fault)
    }
}

/// Makes the broker keep the letters of a partition until they are sent again: without a subscription it would drop
/// them, and an unused topic with them.
async fn keep(client: &PulsarClient, partition: &str) -> Result<(), PulsarFault> {
    let subscribing = client
        .consumer()
        .with_topic(partition)
        .with_subscription(RESEND)
        .with_subscription_type(SubType::Exclusive)
        .with_options(ConsumerOptions::default().with_initial_position(InitialPosition::Earliest))
        .build::<Vec<u8>>();
    match Box::pin(subscribing).await {
        // Somebody sends letters again just now.
        Err(problem) if !is_busy(&problem) => {
            Err(PulsarFault::while_doing("keeping dead letters")(problem))
        }
        _ => Ok(()),
    }
}

/// Whether somebody else reads by a subscription.
fn is_busy(problem: &pulsar::Error) -> bool {
    let (pulsar::Error::Connection(problem)
    | pulsar::Error::Consumer(ConsumerError::Connection(problem))) = problem
    else {
        return false;
    };
    matches!(problem, ConnectionError::PulsarError(Some(ServerError::ConsumerBusy), _))
}

/// Messages of one key go to one partition: without a policy the client looks at no key.
pub(super) fn by_key() -> ProducerOptions {
    let routing_policy = Some(RoutingPolicy::RoundRobin);
    ProducerOptions { routing_policy, ..ProducerOptions::default() }
}

/// The letter as it is written: the message's own body, key and properties, and beside them why.
fn message(letter: &DeadLetter) -> Message {
    let DeadLetter { message, topic, why } = letter;
    let before = message.properties.iter().find(|(name, _)| name == ATTEMPT);
    let before = before.and_then(|(_, text)| text.parse::<u32>().ok()).unwrap_or(0);
    let is_theirs = |(name, _): &&(String, String)| !name.starts_with(OWN);
    let mut properties: Vec<(String, String)> =
        message.properties.iter().filter(is_theirs).cloned().collect();
    let mut say = |name: &str, text: &str| {
        let text = text.chars().take(TEXT_CHARS).collect();
        properties.push((format!("{OWN}{name}"), text));
    };
    say("reason", &why.code);
    say("message", &why.message);
    say("topic", topic);
    say("position", &message.place.to_string());
    say("published", &message.published.to_string());
    say("attempt", &before.saturating_add(1).to_string());
    if let Some(field) = &why.field {
        say("field", field);
    }
    if let Some(slots) = &why.slots {
        say("slots", slots);
    }
    if why.is_part {
        say("partly", "true");
    }
    Message {
        payload: message.body.clone(),
        properties: properties.into_iter().collect(),
        partition_key: message.key.clone(),
        partition_key_b64_encoded: message.is_key_encoded.then_some(true),
        event_time: message.event_time,
        ..Message::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_keeps_what_was_sent_and_counts_how_often_it_came() {
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let message_read = Received {
            body: b"{}".to_vec(),
            key: Some("PP:1".to_owned()),
            properties: vec![
                own("provider", "X"),
                own("smartpulse-reason", "OLD"),
                own("smartpulse-field", "old"),
                own("smartpulse-attempt", "2"),
            ],
            ..Received::default()
        };
        let why = Why {
            code: "LOCKED".to_owned(),
            message: "m".repeat(9_000),
            field: None,
            slots: None,
            is_part: false,
        };
        let letter = DeadLetter { message: message_read, topic: "t".to_owned(), why };
        let written = message(&letter);
        assert_eq!(
            (written.payload.as_slice(), written.partition_key.as_deref()),
            (&b"{}"[..], Some("PP:1"))
        );
        let said = |name: &str| written.properties.get(name).map(String::as_str);
        assert_eq!([said("provider"), said("smartpulse-reason")], [Some("X"), Some("LOCKED")]);
        assert_eq!([said("smartpulse-attempt"), said("smartpulse-field")], [Some("3"), None]);
        assert_eq!(said("smartpulse-message").map(str::len), Some(TEXT_CHARS));
        assert_eq!(said("smartpulse-topic"), Some("t"));
    }
}
