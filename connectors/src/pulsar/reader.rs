//! One topic without partitions, or one partition, read in order through a durable subscription.
//!
//! A broker delivers again what was acknowledged, when it was killed; it may deliver again at any time. And a topic
//! may be lost and made again: then the numbers of its messages begin again, and what looks like something known
//! is new. The reader tells the two apart. It knows the place of the newest message it had (`reached`), with a
//! mark of who sent that and when. What is delivered before that place is known only if the message at that very
//! place bears the same mark; until that is seen nothing may be acknowledged. A topic that ends before that place
//! is another one.

use std::cmp::Ordering;
use std::hash::BuildHasher as _;
use std::time::Duration;

use base64::Engine as _;
use foldhash::fast::FixedState;
use futures_util::StreamExt as _;
use pulsar::consumer::{InitialPosition, Message};
use pulsar::error::{ConnectionError, ConsumerError};
use pulsar::proto::MessageIdData;
use pulsar::reader::Reader;
use pulsar::{Consumer, ConsumerOptions, SubType, TokioExecutor};
use smartpulse_operators::offset::PulsarPlace;

use super::client::{PulsarClient, READING};
use super::error::PulsarFault;
use super::settings::{PulsarMode, PulsarTopic};

/// How long the figures of a subscription may take: nobody waits for them.
const FIGURES_WAIT: Duration = Duration::from_millis(500);

/// Doublings of the pause between two questions for the figures, at most.
const RARELY: u32 = 4;

/// A message as it was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Received {
    /// Its place.
    pub place: PulsarPlace,
    /// Whether it is the last of its entry: with it, all of the entry was read.
    pub ends_entry: bool,
    /// When it was sent, by the sender's clock, in milliseconds since 1970.
    pub published: u64,
    /// When what it tells of happened, in milliseconds since 1970, where the sender says so.
    pub event_time: Option<u64>,
    /// Its key.
    pub key: Option<String>,
    /// Whether the key is base64 of bytes.
    pub is_key_encoded: bool,
    /// Its properties.
    pub properties: Vec<(String, String)>,
    /// Its body, decompressed.
    pub body: Vec<u8>,
}

/// Where a topic ended when that was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicEnd(Option<MessageIdData>);

impl Received {
    /// Its key, decoded where it came as base64 of a text.
    #[must_use]
    pub fn text_key(&self) -> Option<String> {
        let key = self.key.clone()?;
        if !self.is_key_encoded {
            return Some(key);
        }
        let bytes = base64::engine::general_purpose::STANDARD.decode(key).ok()?;
        String::from_utf8(bytes).ok()
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// A message that was not read before.
    New(Received),
    /// A message that was read before.
    Known(Received),
    /// Messages that the client could not make out: from the first place to before the second.
    Unreadable(PulsarPlace, PulsarPlace),
}

/// How far a topic was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached(pub Option<PulsarPlace>);

/// Reads a topic.
pub struct PulsarReader {
    consumer: Consumer<Vec<u8>, TokioExecutor>,
    topic: String,
    judge: Judge,
    settled: Option<PulsarPlace>,
    /// Errors of the client without a message, since the last message.
    failed: u32,
    waiting: Option<Received>,
    /// Questions for the figures without an answer, since the last answer; and those to leave out now.
    unanswered: u32,
    unasked: u32,
}

impl PulsarReader {
    /// Subscribes to `topic`, a partition of `settings`' topic or itself, and goes on after what was reached; all up to
    /// the second place is settled. `name` tells this reader from others.
    ///
    /// # Errors
    /// [`PulsarFault::MadeAnew`] where the topic ends before that: what was read of it is gone, and it is to be
    /// read from its beginning.
    pub async fn open(
        client: &PulsarClient,
        topic: &str,
        settings: &PulsarTopic,
        name: &str,
        (reached, settled): (Reached, Option<PulsarPlace>),
    ) -> Result<PulsarReader, PulsarFault> {
        let mode = match settings.mode {
            PulsarMode::Failover => SubType::Failover,
            PulsarMode::Exclusive => SubType::Exclusive,
        };
        let options = ConsumerOptions::default()
            .durable(true)
            .with_initial_position(InitialPosition::Earliest)
            .with_receiver_queue_size(settings.receive_messages);
        let subscribing = client
            .consumer()
            .with_topic(topic)
            .with_subscription(&settings.subscription)
            .with_subscription_type(mode)
            .with_consumer_name(name)
            .with_batch_size(settings.receive_messages)
            .with_options(options)
            .build();
        let last = match reached.0 {
            None => None,
            Some(_) => Box::pin(last_of(client, topic)).await?,
        };
        // The client may wait for an answer of a connection that is no more.
        let subscribed = tokio::time::timeout(READING, Box::pin(subscribing)).await;
        let subscribed = subscribed.map_err(PulsarFault::while_doing("subscribing"))?;
        let consumer: Consumer<Vec<u8>, TokioExecutor> =
            subscribed.map_err(PulsarFault::while_doing("subscribing"))?;
        let judge = Judge::new(reached, last.as_ref());
        if judge.ends_before_reached() {
            // What the broker holds as acknowledged is of this topic; it begins where it is told to.
            return Err(PulsarFault::MadeAnew(format!("{topic} ends before what was read of it")));
        }
        let topic = topic.to_owned();
        Ok(PulsarReader {
            consumer,
            topic,
            judge,
            settled,
            failed: 0,
            waiting: None,
            unanswered: 0,
            unasked: 0,
        })
    }

    /// The next message.
    ///
    /// # Errors
    /// [`PulsarFault::Again`] and [`PulsarFault::MadeAnew`]: the reader is to be opened again, after a topic that
    /// was made anew without what was reached.
    pub async fn next(&mut self) -> Result<Read, PulsarFault> {
        if let Some(received) = self.waiting.take() {
            return self.judged(received);
        }
        loop {
            match self.consumer.next().await {
                None => {
                    let problem = "the client has given the subscription up".to_owned();
                    return Err(PulsarFault::Unreachable { doing: "reading", problem });
                }
                // It names no message: what is missing before the next one could not be made out.
                Some(Err(problem)) if is_of_a_message(&problem) => {
                    self.failed = self.failed.saturating_add(1);
                }
                // The client goes on as if nothing had happened, but nothing will come any more.
                Some(Err(problem)) => return Err(PulsarFault::while_doing("reading")(problem)),
                Some(Ok(message)) => {
                    let received = received(message);
                    let failed = std::mem::take(&mut self.failed);
                    if failed > 0
                        && let Some((from, upto)) =
                            self.judge.gap_before(self.settled, &received.place)
                    {
                        self.waiting = Some(received);
                        return Ok(Read::Unreadable(from, upto));
                    }
                    return self.judged(received);
                }
            }
        }
    }

    fn judged(&mut self, received: Received) -> Result<Read, PulsarFault> {
        match self.judge.judge(&received.place) {
            Judgement::New => Ok(Read::New(received)),
            Judgement::Known => Ok(Read::Known(received)),
            Judgement::Backwards => {
                Err(PulsarFault::Again(format!("{} delivers {} again", self.topic, received.place)))
            }
            Judgement::Another => Err(PulsarFault::MadeAnew(format!(
                "{} has another message at {}",
                self.topic, received.place
            ))),
        }
    }

    /// Whether what was read is known to be of the topic that was read before: only then may it be acknowledged.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.judge.is_proven
    }

    /// Acknowledges an entry and all before it.
    ///
    /// # Errors
    /// [`PulsarFault::Unreachable`].
    pub async fn acknowledge(&mut self, place: PulsarPlace) -> Result<(), PulsarFault> {
        let id = MessageIdData {
            ledger_id: place.ledger,
            entry_id: place.entry,
            ..MessageIdData::default()
        };
        let fault = PulsarFault::while_doing("acknowledging");
        self.consumer.cumulative_ack_with_id(&self.topic, id).await.map_err(fault)
    }

    /// Where the topic ends by now.
    ///
    /// # Errors
    /// [`PulsarFault::Unreachable`].
    pub async fn end(&self, client: &PulsarClient) -> Result<TopicEnd, PulsarFault> {
        Box::pin(last_of(client, &self.topic)).await.map(TopicEnd)
    }

    /// Whether everything before an end has been read: what was not read in this process was before, up to what was
    /// reached, or has been acknowledged.
    pub async fn is_at(&mut self, end: &TopicEnd) -> bool {
        self.judge.has_read(end.0.as_ref())
            || self.judge.delivered.is_none() && self.backlog().await == Some(0)
    }

    /// Messages that the broker holds for the subscription; none where it does not say so at once.
    pub async fn backlog(&mut self) -> Option<u64> {
        if self.unasked > 0 {
            self.unasked -= 1;
            return None;
        }
        // The client answers behind all messages that it has and that nobody takes meanwhile: where there are many, it
        // is asked more rarely.
        let asked = tokio::time::timeout(FIGURES_WAIT, Box::pin(self.consumer.get_stats())).await;
        let held = asked.ok().and_then(|said| said.ok()?.pop()?.msg_backlog);
        self.unanswered = if held.is_some() { 0 } else { (self.unanswered + 1).min(RARELY) };
        self.unasked = (1 << self.unanswered) - 1;
        held
    }
}

/// The newest message of a topic; none where the broker does not say. One that subscribes for its messages is not asked:
/// its client answers behind those that it has, which nobody takes meanwhile.
pub(super) async fn last_of(
    client: &PulsarClient,
    topic: &str,
) -> Result<Option<MessageIdData>, PulsarFault> {
    let options = ConsumerOptions::default().durable(false);
    let asking = async {
        let reading = client.reader().with_topic(topic).with_options(options).into_reader();
        let mut reader: Reader<Vec<u8>, TokioExecutor> = Box::pin(reading).await?;
        Box::pin(reader.get_last_message_id()).await
    };
    let doing = "looking for the newest message";
    let answered = tokio::time::timeout(READING, asking).await;
    let answered = answered.map_err(PulsarFault::while_doing(doing))?;
    answered.map(Some).map_err(PulsarFault::while_doing(doing))
}

/// Whether an error is of one message that could not be decompressed or taken apart.
fn is_of_a_message(problem: &pulsar::Error) -> bool {
    matches!(
        problem,
        pulsar::Error::Consumer(ConsumerError::Io(_))
            | pulsar::Error::Connection(ConnectionError::Decoding(_))
    )
}

fn received(message: Message<Vec<u8>>) -> Received {
    let pulsar::Payload { metadata, data } = message.payload;
    let id = message.message_id;
    let index = id.id.batch_index.and_then(|index| u32::try_from(index).ok()).unwrap_or(0);
    let messages = id.batch_size.and_then(|size| u32::try_from(size).ok()).unwrap_or(1);
    let mark = (&metadata.producer_name, metadata.publish_time, metadata.sequence_id);
    let place = PulsarPlace {
        ledger: id.id.ledger_id,
        entry: id.id.entry_id,
        index,
        mark: FixedState::with_seed(0).hash_one(mark),
    };
    Received {
        place,
        ends_entry: index + 1 >= messages,
        published: metadata.publish_time,
        event_time: metadata.event_time.filter(|time| *time > 0),
        is_key_encoded: metadata.partition_key_b64_encoded(),
        key: metadata.partition_key,
        properties: metadata.properties.into_iter().map(|pair| (pair.key, pair.value)).collect(),
        body: data,
    }
}

/// Tells what is new.
#[derive(Debug)]
struct Judge {
    reached: Option<PulsarPlace>,
    /// The newest message of the topic when it was subscribed to; none where that is not known.
    last: Option<(u64, Option<u64>)>,
    /// The newest message that was delivered since.
    delivered: Option<PulsarPlace>,
    is_proven: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judgement {
    New,
    Known,
    Backwards,
    Another,
}

impl Judge {
    fn new(reached: Reached, last: Option<&MessageIdData>) -> Judge {
        let entry = |id: &MessageIdData| (id.entry_id < u64::MAX >> 1).then_some(id.entry_id);
        // A topic of which nothing is left names no ledger.
        let last =
            last.filter(|id| id.ledger_id < u64::MAX >> 1).map(|id| (id.ledger_id, entry(id)));
        Judge { reached: reached.0, last, delivered: None, is_proven: reached.0.is_none() }
    }

    fn has_read(&self, last: Option<&MessageIdData>) -> bool {
        // A topic of which nothing is left names no ledger, and no entry.
        let last = last.filter(|id| id.ledger_id < u64::MAX >> 1 && id.entry_id < u64::MAX >> 1);
        let Some(last) = last else { return true };
        let index = last.batch_index.and_then(|index| u32::try_from(index).ok()).unwrap_or(0);
        let newest = self.delivered.into_iter().chain(self.reached).max_by_key(PulsarPlace::order);
        newest.is_some_and(|newest| newest.order() >= (last.ledger_id, last.entry_id, index))
    }

    fn ends_before_reached(&self) -> bool {
        let (Some(reached), Some(last)) = (self.reached, self.last) else { return false };
        // An empty ledger is before its first entry.
        last < (reached.ledger, Some(reached.entry))
    }

    /// The messages between the newest that was delivered, or is `settled`, and this one, which did not come.
    fn gap_before(
        &self,
        settled: Option<PulsarPlace>,
        place: &PulsarPlace,
    ) -> Option<(PulsarPlace, PulsarPlace)> {
        let first = |ledger, entry| PulsarPlace { ledger, entry, index: 0, mark: 0 };
        let Some(before) = self.delivered.or(settled) else {
            // It may have been the last of a ledger of which nothing else is known.
            return Some((first(place.ledger, 0), *place));
        };
        let first = first(before.ledger, before.entry + 1);
        (first.order() < (place.ledger, place.entry, 0)).then_some((first, *place))
    }

    fn judge(&mut self, place: &PulsarPlace) -> Judgement {
        if self.delivered.is_some_and(|newest| place.order() <= newest.order()) {
            return Judgement::Backwards;
        }
        let is_first = self.delivered.is_none();
        self.delivered = Some(*place);
        let Some(reached) = self.reached else { return Judgement::New };
        let order = (place.ledger, place.entry, place.index).cmp(&reached.order());
        let is_same_entry = (place.ledger, place.entry) == (reached.ledger, reached.entry);
        if self.is_proven {
            return if order == Ordering::Greater { Judgement::New } else { Judgement::Known };
        }
        if is_same_entry && place.mark != reached.mark {
            return Judgement::Another;
        }
        // Of a topic of which nothing was left nothing can be delivered again.
        let was_empty = self.last.is_none();
        match order {
            Ordering::Less if was_empty && !is_same_entry => Judgement::Another,
            Ordering::Less | Ordering::Equal => {
                self.is_proven = is_same_entry;
                Judgement::Known
            }
            // What was reached was acknowledged, so it need not come; if what is before it comes, it must.
            Ordering::Greater if is_first || is_same_entry => {
                self.is_proven = true;
                Judgement::New
            }
            Ordering::Greater => Judgement::Another,
        }
    }
}

#[cfg(test)]
#[path = "reader/tests.rs"]
mod tests;
