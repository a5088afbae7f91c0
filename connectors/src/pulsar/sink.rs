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
//! that is not behind the one before it, in order of (`epoch`, `part`). One engine writes: others are shut out. `content`
//! names the views: where others are asked for, where another data folder writes, and where what was written last is
//! no longer there, everything is written anew.

use futures_util::future::try_join_all;
use pulsar::compression::{
    Compression, CompressionLz4, CompressionSnappy, CompressionZlib, CompressionZstd,
};
use pulsar::producer::Message;
use serde::{Deserialize, Serialize};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::time::Instant;
use uuid::Uuid;

use super::client::{PulsarClient, partitions};
use super::error::PulsarFault;
use super::newest::Newest;
use super::settings::PulsarDeltas;
use super::shard::Shard;
use super::shards::{place, shard_of, touched};

/// Bytes that are sent and not confirmed at most.
const UNCONFIRMED_BYTES: usize = 16 << 20;

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
    /// What is told, as each message says it.
    content: String,
    /// Bytes that are sent and not confirmed.
    unconfirmed: usize,
    /// The newest epoch that was sent.
    newest: Epoch,
    /// The newest epoch up to which everything is there for good.
    confirmed: Option<Epoch>,
    sent: PulsarSent,
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
    pub(super) fn compression(self) -> Option<Compression> {
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
        let partitions = partitions(client, &settings.topic).await?.into_iter();
        let taking = partitions.map(|partition| Shard::take(client, partition, settings, now));
        let shards = Box::pin(try_join_all(taking)).await?;
        let content = settings.content();
        let newest = shards.iter().map(|shard| shard.newest.as_ref());
        let confirmed = resume(incarnation, &content, newest);
        let (sent, newest) = (PulsarSent::default(), Epoch(0));
        Ok(PulsarSink { incarnation, content, shards, unconfirmed: 0, newest, confirmed, sent })
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

    /// Sends what an epoch changed, as far as it is not there. It is there for good when a later
    /// [`PulsarSink::flush`] has returned.
    ///
    /// # Errors
    /// [`PulsarFault`]: the sink is to be opened again.
    pub async fn send(
        &mut self,
        epoch: Epoch,
        messages: Vec<DeltaMessage>,
    ) -> Result<(), PulsarFault> {
        let placed = place(messages, self.shards.len());
        let shards = touched(&placed);
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
                self.put(shard, epoch, properties, message).await?;
            }
        }
        self.newest = epoch;
        // What is sent and not confirmed is sent again by who begins after a crash.
        if self.unconfirmed > UNCONFIRMED_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Waits until everything sent is there for good.
    ///
    /// # Errors
    /// [`PulsarFault`].
    pub async fn flush(&mut self) -> Result<(), PulsarFault> {
        // All partitions at once.
        for shard in &mut self.shards {
            shard.hand_over().await?;
        }
        for shard in &mut self.shards {
            shard.confirm().await?;
        }
        self.unconfirmed = 0;
        if let Some(confirmed) = &mut self.confirmed {
            *confirmed = (*confirmed).max(self.newest);
        }
        Ok(())
    }

    /// Begins everything anew: what was sent before is no longer to be relied on.
    ///
    /// # Errors
    /// [`PulsarFault`].
    pub async fn begin_anew(&mut self, epoch: Epoch) -> Result<(), PulsarFault> {
        self.flush().await?;
        self.confirmed = None;
        self.sent.resyncs += 1;
        self.mark_all("resync", epoch).await
    }

    /// Sends a part of everything.
    ///
    /// # Errors
    /// [`PulsarFault`].
    pub async fn row(&mut self, epoch: Epoch, message: DeltaMessage) -> Result<(), PulsarFault> {
        let shard = shard_of(&message.key, self.shards.len());
        self.put(shard, epoch, vec![("kind", "rows".to_owned())], message).await
    }

    /// Ends everything: it is there for good.
    ///
    /// # Errors
    /// [`PulsarFault`].
    pub async fn end_anew(&mut self, epoch: Epoch) -> Result<(), PulsarFault> {
        self.flush().await?;
        (self.confirmed, self.newest) = (Some(epoch), epoch);
        self.mark_all("resync-end", epoch).await?;
        self.flush().await
    }

    async fn mark_all(&mut self, kind: &str, epoch: Epoch) -> Result<(), PulsarFault> {
        for shard in 0..self.shards.len() {
            let message = DeltaMessage { key: String::new(), view: "", body: String::new() };
            self.put(shard, epoch, vec![("kind", kind.to_owned())], message).await?;
            self.shards[shard].newest = None;
        }
        Ok(())
    }

    async fn put(
        &mut self,
        shard: usize,
        epoch: Epoch,
        properties: Vec<(&str, String)>,
        message: DeltaMessage,
    ) -> Result<(), PulsarFault> {
        self.sent.messages += 1;
        self.sent.bytes += message.body.len() as u64;
        self.unconfirmed += message.body.len();
        let mut own = vec![
            ("incarnation", self.incarnation.to_string()),
            ("epoch", epoch.0.to_string()),
            ("content", self.content.clone()),
        ];
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
        self.shards[shard].put(message).await
    }
}

/// The newest epoch that is whole, of what the newest messages say; none where that leads nowhere.
fn resume<'n>(
    incarnation: Uuid,
    content: &str,
    newest: impl Iterator<Item = Option<&'n Newest>>,
) -> Option<Epoch> {
    let mut confirmed = None;
    for newest in newest {
        // A topic has a marker in every partition, or nobody has begun.
        let newest = newest.filter(|it| it.incarnation == incarnation && it.content == content)?;
        // Without one, everything was being sent: what is there is not whole.
        confirmed = confirmed.max(Some(newest.confirmed?));
    }
    confirmed.map(Epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(incarnation: u128, epoch: u64, confirmed: Option<u64>) -> Newest {
        let (incarnation, content) = (Uuid::from_u128(incarnation), "latest".to_owned());
        Newest { incarnation, epoch, part: 0, confirmed, content }
    }

    #[test]
    fn a_sink_goes_on_after_what_was_known_to_be_whole_or_begins_anew() {
        let own = Uuid::from_u128(1);
        let of = |content: &str, newest: &[Option<Newest>]| {
            resume(own, content, newest.iter().map(Option::as_ref))
        };
        let resumed = |newest: &[Option<Newest>]| of("latest", newest);
        assert_eq!(resumed(&[None, None]), None, "nothing is there");
        let two = [Some(at(1, 9, Some(7))), Some(at(1, 5, Some(4)))];
        assert_eq!(resumed(&two), Some(Epoch(7)));
        assert_eq!(of("latest,units", &two), None, "another view is asked for");
        assert_eq!(resumed(&[two[0].clone(), None]), None, "a partition is empty");
        assert_eq!(resumed(&[two[0].clone(), Some(at(2, 9, Some(9)))]), None, "another engine's");
        let half = [two[0].clone(), Some(at(1, 9, None))];
        assert_eq!(resumed(&half), None, "everything was being sent");
    }
}
