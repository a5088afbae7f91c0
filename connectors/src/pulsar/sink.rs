//! Writes what changes to a topic: one message a subject, view and epoch, keyed by the subject.
//!
//! **Partitions.** A subject's messages lie in one partition: the CRC-32C of its key modulo their number. In a
//! partition, messages come in order of epochs, and those of one epoch are numbered (`part` of `parts`); which they
//! are follows from the epoch alone. A property `shards` (a hexadecimal number) has a bit for each partition in which
//! the epoch has messages: who reads all of them knows when an epoch is whole.
//!
//! **Kinds.** `delta`: what an epoch changed. `resync`: what came before is no longer to be relied on, everything
//! follows as `rows` and ends with `resync-end`; rows that end otherwise are to be forgotten at the next `resync`.
//! `open`: a sink has begun; it says nothing of the views.
//!
//! **Exactly once.** At the start the newest message of each partition is read: what it and those before it say is
//! there. `confirmed` is an epoch up to which everything was known to be there when a message was sent; from there
//! on each partition gets what it lacks. A broker that removes duplicates (`deduplication` of the namespace) also
//! drops what the client sends again after a lost connection; where it does not, a reader must pass over a message
//! that is not behind the one before it, in order of (`epoch`, `part`). One engine writes: others are shut out.

use std::collections::VecDeque;
use std::time::Duration;

use pulsar::compression::{
    Compression, CompressionLz4, CompressionSnappy, CompressionZlib, CompressionZstd,
};
use pulsar::producer::{Message, SendFuture};
use pulsar::{Producer, ProducerOptions, TokioExecutor};
use serde::{Deserialize, Serialize};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::time::Instant;
use uuid::Uuid;

use super::client::{PulsarClient, partitions};
use super::error::PulsarFault;
use super::newest::{End, Newest, OPEN, before, end};
use super::settings::PulsarDeltas;

/// Only this producer may write; another waits until it has gone.
const EXCLUSIVE: i32 = 1;
/// Messages that are put together to one entry at most, and their bytes.
const BATCH: u32 = 1_000;
const BATCH_BYTES: usize = 512 << 10;
/// How long a message waits for others at most.
const BATCH_WAIT: Duration = Duration::from_millis(10);
/// Bytes that are sent and not confirmed at most.
const IN_FLIGHT_BYTES: usize = 16 << 20;

/// What a subject's message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaMessage {
    /// The subject.
    pub key: String,
    /// The view's word.
    pub view: &'static str,
    /// JSON.
    pub body: String,
}

/// How messages are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PulsarCoding {
    /// Not at all.
    None,
    /// LZ4.
    #[default]
    Lz4,
    /// Zstandard.
    Zstd,
    /// Snappy.
    Snappy,
    /// Zlib.
    Zlib,
}

/// Where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// After this epoch, which is whole.
    After(Epoch),
    /// With everything: nothing is there, or nothing that leads on.
    Anew,
}

/// Writes what changes to a topic.
pub struct PulsarSink {
    incarnation: Uuid,
    shards: Vec<Shard>,
    /// Epochs that are sent and not confirmed, with their receipts and bytes.
    in_flight: VecDeque<(Epoch, Vec<SendFuture>, usize)>,
    bytes: usize,
    confirmed: Option<Epoch>,
    sent: PulsarSent,
}

struct Shard {
    producer: Producer<TokioExecutor>,
    newest: Option<Newest>,
}

/// What was sent since the sink was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PulsarSent {
    /// Messages.
    pub messages: u64,
    /// Their bytes before compression.
    pub bytes: u64,
    /// Epochs with messages.
    pub epochs: u64,
    /// Times that everything was sent.
    pub resyncs: u64,
}

impl PulsarCoding {
    fn compression(self) -> Option<Compression> {
        match self {
            PulsarCoding::None => None,
            PulsarCoding::Lz4 => Some(Compression::Lz4(CompressionLz4::default())),
            PulsarCoding::Zstd => Some(Compression::Zstd(CompressionZstd::default())),
            PulsarCoding::Snappy => Some(Compression::Snappy(CompressionSnappy::default())),
            PulsarCoding::Zlib => Some(Compression::Zlib(CompressionZlib::default())),
        }
    }
}

impl PulsarSink {
    /// Takes the topic, and reads what is there of the views of `incarnation`; `now` is the wall clock.
    ///
    /// # Errors
    /// [`PulsarFault::Unreachable`], also where another engine writes there.
    pub async fn open(
        client: &PulsarClient,
        settings: &PulsarDeltas,
        incarnation: Uuid,
        now: Instant,
    ) -> Result<PulsarSink, PulsarFault> {
        let taking =
            partitions(client, &settings.topic).await?.into_iter().map(async |partition| {
                let options = ProducerOptions {
                    access_mode: Some(EXCLUSIVE),
                    batch_size: Some(BATCH),
                    batch_byte_size: Some(BATCH_BYTES),
                    batch_timeout: Some(BATCH_WAIT),
                    compression: settings.compression.compression(),
                    block_queue_if_full: true,
                    ..ProducerOptions::default()
                };
                let opening =
                    client.producer().with_topic(&partition).with_options(options).build();
                let mut producer = Box::pin(opening)
                    .await
                    .map_err(PulsarFault::while_doing("taking the topic"))?;
                let newest = Box::pin(newest(client, &partition, &mut producer, now)).await?;
                Ok::<Shard, PulsarFault>(Shard { producer, newest })
            });
        let shards = Box::pin(futures_util::future::try_join_all(taking)).await?;
        let confirmed = resume(incarnation, shards.iter().map(|shard| shard.newest.as_ref()));
        let (in_flight, sent) = (VecDeque::new(), PulsarSent::default());
        Ok(PulsarSink { incarnation, shards, in_flight, bytes: 0, confirmed, sent })
    }

    /// Where to go on.
    #[must_use]
    pub fn resume(&self) -> Resume {
        self.confirmed.map_or(Resume::Anew, Resume::After)
    }

    /// What was sent.
    #[must_use]
    pub fn sent(&self) -> PulsarSent {
        self.sent
    }

    /// The newest epoch up to which everything is there for good.
    #[must_use]
    pub fn confirmed(&self) -> Option<Epoch> {
        self.confirmed
    }

    /// Sends what an epoch changed, as far as it is not there. It is there for good when a later
    /// [`PulsarSink::flush`] has returned.
    ///
    /// # Errors
    /// [`PulsarFault::Unreachable`]: the sink is to be opened again.
    pub async fn send(
        &mut self,
        epoch: Epoch,
        messages: Vec<DeltaMessage>,
    ) -> Result<(), PulsarFault> {
        let placed = place(messages, self.shards.len());
        let shards = touched(&placed);
        let (mut receipts, mut bytes) = (Vec::new(), 0);
        self.sent.epochs += u64::from(shards != "0");
        for (shard, messages) in placed.into_iter().enumerate() {
            let parts = messages.len() as u32;
            for (message, part) in messages.into_iter().zip(0..) {
                if self.shards[shard].has(epoch.0, part) {
                    continue;
                }
                let properties = vec![
                    ("kind", "delta".to_owned()),
                    ("part", part.to_string()),
                    ("parts", parts.to_string()),
                    ("shards", shards.clone()),
                ];
                bytes += message.body.len();
                receipts.push(self.put(shard, epoch, properties, message).await?);
            }
        }
        self.bytes += bytes;
        self.in_flight.push_back((epoch, receipts, bytes));
        while self.bytes > IN_FLIGHT_BYTES {
            self.confirm_first().await?;
        }
        Ok(())
    }

    /// Waits until everything sent is there for good.
    ///
    /// # Errors
    /// [`PulsarFault::Unreachable`].
    pub async fn flush(&mut self) -> Result<(), PulsarFault> {
        for shard in &mut self.shards {
            let flushing = Box::pin(shard.producer.send_batch());
            flushing.await.map_err(PulsarFault::while_doing("sending"))?;
        }
        while !self.in_flight.is_empty() {
            self.confirm_first().await?;
        }
        Ok(())
    }

    /// Begins everything anew: what was sent before is no longer to be relied on.
    ///
    /// # Errors
    /// [`PulsarFault::Unreachable`].
    pub async fn begin_anew(&mut self, epoch: Epoch) -> Result<(), PulsarFault> {
        self.confirmed = None;
        self.sent.resyncs += 1;
        self.mark_all("resync", epoch).await
    }

    /// Sends a part of everything.
    ///
    /// # Errors
    /// [`PulsarFault::Unreachable`].
    pub async fn row(&mut self, epoch: Epoch, message: DeltaMessage) -> Result<(), PulsarFault> {
        let shard = shard_of(&message.key, self.shards.len());
        let bytes = message.body.len();
        let properties = vec![("kind", "rows".to_owned())];
        let receipt = self.put(shard, epoch, properties, message).await?;
        self.bytes += bytes;
        self.in_flight.push_back((epoch, vec![receipt], bytes));
        while self.bytes > IN_FLIGHT_BYTES {
            self.confirm_first().await?;
        }
        Ok(())
    }

    /// Ends everything: it is there for good.
    ///
    /// # Errors
    /// [`PulsarFault::Unreachable`].
    pub async fn end_anew(&mut self, epoch: Epoch) -> Result<(), PulsarFault> {
        self.flush().await?;
        self.confirmed = Some(epoch);
        self.mark_all("resync-end", epoch).await?;
        self.flush().await
    }

    async fn mark_all(&mut self, kind: &str, epoch: Epoch) -> Result<(), PulsarFault> {
        let mut receipts = Vec::new();
        for shard in 0..self.shards.len() {
            let (key, body) = (String::new(), String::new());
            let message = DeltaMessage { key, view: "", body };
            let properties = vec![("kind", kind.to_owned())];
            receipts.push(self.put(shard, epoch, properties, message).await?);
            self.shards[shard].newest = None;
        }
        self.in_flight.push_back((epoch, receipts, 0));
        Ok(())
    }

    async fn put(
        &mut self,
        shard: usize,
        epoch: Epoch,
        properties: Vec<(&str, String)>,
        message: DeltaMessage,
    ) -> Result<SendFuture, PulsarFault> {
        self.sent.messages += 1;
        self.sent.bytes += message.body.len() as u64;
        let mut own =
            vec![("incarnation", self.incarnation.to_string()), ("epoch", epoch.0.to_string())];
        own.extend(self.confirmed.map(|epoch| ("confirmed", epoch.0.to_string())));
        if !message.view.is_empty() {
            own.push(("view", message.view.to_owned()));
            own.push(("content-type", "application/json".to_owned()));
        }
        let all = own.into_iter().chain(properties);
        let message = Message {
            properties: all.map(|(name, value)| (name.to_owned(), value)).collect(),
            partition_key: (!message.key.is_empty()).then_some(message.key),
            payload: message.body.into_bytes(),
            ..Message::default()
        };
        let sending = Box::pin(self.shards[shard].producer.send_non_blocking(message));
        sending.await.map_err(PulsarFault::while_doing("sending"))
    }

    /// Waits for the receipts of the first epoch that is not confirmed.
    async fn confirm_first(&mut self) -> Result<(), PulsarFault> {
        let Some((epoch, receipts, bytes)) = self.in_flight.pop_front() else { return Ok(()) };
        if self.in_flight.is_empty() {
            for shard in &mut self.shards {
                let flushing = Box::pin(shard.producer.send_batch());
                flushing.await.map_err(PulsarFault::while_doing("sending"))?;
            }
        }
        for receipt in receipts {
            receipt.await.map_err(PulsarFault::while_doing("sending"))?;
        }
        self.bytes -= bytes;
        if self.confirmed.is_some() {
            self.confirmed = Some(epoch);
        }
        Ok(())
    }
}

impl Shard {
    /// Whether a part of an epoch was there when the sink was opened.
    fn has(&self, epoch: u64, part: u32) -> bool {
        self.newest.as_ref().is_some_and(|newest| (epoch, part) <= (newest.epoch, newest.part))
    }
}

/// The partition of a subject.
fn shard_of(key: &str, shards: usize) -> usize {
    crc32c::crc32c(key.as_bytes()) as usize % shards.max(1)
}

/// The messages of an epoch by partition, in order.
fn place(messages: Vec<DeltaMessage>, shards: usize) -> Vec<Vec<DeltaMessage>> {
    let mut placed: Vec<Vec<DeltaMessage>> = Vec::new();
    placed.resize_with(shards, Vec::new);
    for message in messages {
        placed[shard_of(&message.key, shards)].push(message);
    }
    placed
}

/// A bit for each partition that has messages, the first one last, in hexadecimal digits.
fn touched(placed: &[Vec<DeltaMessage>]) -> String {
    let digit = |shards: &[Vec<DeltaMessage>]| {
        let bits = shards.iter().zip(0..).filter(|(messages, _)| !messages.is_empty());
        let digit = bits.fold(0, |digit, (_, bit)| digit | 1 << bit);
        char::from_digit(digit, 16).unwrap_or('0')
    };
    let digits: String = placed.chunks(4).rev().map(digit).collect();
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
}

/// The newest epoch that is whole, of what the newest messages say; none where that leads nowhere.
fn resume<'n>(
    incarnation: Uuid,
    newest: impl Iterator<Item = Option<&'n Newest>>,
) -> Option<Epoch> {
    let mut confirmed = None;
    for newest in newest {
        // A topic has a marker in every partition, or nobody has begun.
        let newest = newest.filter(|newest| newest.incarnation == incarnation)?;
        // Without one, everything was being sent: what is there is not whole.
        confirmed = confirmed.max(Some(newest.confirmed?));
    }
    confirmed.map(Epoch)
}

/// The newest message of a partition that is taken already: nobody can write behind what is found.
async fn newest(
    client: &PulsarClient,
    partition: &str,
    producer: &mut Producer<TokioExecutor>,
    now: Instant,
) -> Result<Option<Newest>, PulsarFault> {
    let found = match end(client, partition).await? {
        End::Unknown => {
            let fault = PulsarFault::while_doing("beginning");
            let properties = [("kind".to_owned(), OPEN.to_owned())].into_iter().collect();
            let message = Message { properties, ..Message::default() };
            let receipt = Box::pin(producer.send_non_blocking(message)).await.map_err(&fault)?;
            Box::pin(producer.send_batch()).await.map_err(&fault)?;
            let marker = receipt.await.map_err(&fault)?.message_id.unwrap_or_default();
            before(client, partition, &marker, now).await?
        }
        known => known,
    };
    Ok(match found {
        End::At(newest) => Some(newest),
        End::Empty | End::Unknown => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(incarnation: u128, epoch: u64, confirmed: Option<u64>) -> Newest {
        Newest { incarnation: Uuid::from_u128(incarnation), epoch, part: 0, confirmed }
    }

    #[test]
    fn a_sink_goes_on_after_what_was_known_to_be_whole_or_begins_anew() {
        let own = Uuid::from_u128(1);
        let resumed = |newest: &[Option<Newest>]| resume(own, newest.iter().map(Option::as_ref));
        assert_eq!(resumed(&[None, None]), None, "nothing is there");
        let two = [Some(at(1, 9, Some(7))), Some(at(1, 5, Some(4)))];
        assert_eq!(resumed(&two), Some(Epoch(7)));
        assert_eq!(resumed(&[two[0].clone(), None]), None, "a partition is empty");
        assert_eq!(resumed(&[two[0].clone(), Some(at(2, 9, Some(9)))]), None, "another engine's");
        let half = [two[0].clone(), Some(at(1, 9, None))];
        assert_eq!(resumed(&half), None, "everything was being sent");
    }

    #[test]
    fn a_subject_has_one_partition_and_the_bits_say_which_are_touched() {
        let message =
            |key: &str| DeltaMessage { key: key.to_owned(), view: "latest", body: String::new() };
        let keys = ["PP:1", "PP:2", "CMP:1", "all:all", "PP:1"];
        let placed = place(keys.map(message).into(), 20);
        let mut bits = 0_u64;
        for (shard, messages) in placed.iter().enumerate() {
            for message in messages {
                assert_eq!(shard_of(&message.key, 20), shard);
                bits |= 1 << shard;
            }
        }
        assert_eq!(touched(&placed), format!("{bits:x}"));
        assert_eq!(touched(&place(Vec::new(), 20)), "0");
        // The check value of CRC-32C.
        assert_eq!(shard_of("123456789", 1 << 32), 0xe306_9283);
    }
}
