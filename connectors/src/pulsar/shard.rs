//! One partition of a topic of deltas, taken for itself.
//!
//! The client goes on to the next entry when it has given one up, so a second entry is never handed to it before the
//! first is known to be there: else one could be missing before another. And it comes back to the broker by itself, to
//! a topic that may have been lost and made again, or written by somebody else meanwhile: so each entry must lie
//! directly behind the one before it.

use pulsar::producer::{Message, SendFuture};
use pulsar::{Producer, ProducerOptions, TokioExecutor};
use smartpulse_operators::time::Instant;

use super::client::{PulsarClient, own_name};
use super::error::PulsarFault;
use super::newest::{End, Newest, OPEN, before, end, follows};
use super::settings::PulsarDeltas;

/// Only this producer may write; another waits until it has gone.
const EXCLUSIVE: i32 = 1;
/// Messages of an entry at most, and their bytes: a broker takes 5 MB.
const BATCH: usize = 1_000;
const BATCH_BYTES: usize = 512 << 10;

/// One partition.
pub(super) struct Shard {
    client: PulsarClient,
    partition: String,
    producer: Producer<TokioExecutor>,
    /// The newest message that was there when it was taken.
    pub(super) newest: Option<Newest>,
    /// Where the newest entry lies that is known to be there: ledger and entry.
    place: Option<(u64, u64)>,
    waiting: Vec<Message>,
    waiting_bytes: usize,
    sent: Vec<SendFuture>,
}

impl Shard {
    /// Takes a partition, and reads where it ends.
    pub(super) async fn take(
        client: &PulsarClient,
        partition: String,
        settings: &PulsarDeltas,
        now: Instant,
    ) -> Result<Shard, PulsarFault> {
        let options = ProducerOptions {
            access_mode: Some(EXCLUSIVE),
            // More than are ever handed over: what is sent together is decided here.
            batch_size: Some(BATCH as u32 + 1),
            compression: settings.compression.compression(),
            block_queue_if_full: true,
            ..ProducerOptions::default()
        };
        let opening = client.producer().with_topic(&partition).with_name(own_name());
        let opening = opening.with_options(options).build();
        let producer =
            Box::pin(opening).await.map_err(PulsarFault::while_doing("taking the topic"))?;
        let (client, newest, place) = (client.clone(), None, None);
        let (waiting, sent) = (Vec::new(), Vec::new());
        let mut shard =
            Shard { client, partition, producer, newest, place, waiting, waiting_bytes: 0, sent };
        Box::pin(shard.find_newest(now)).await?;
        Ok(shard)
    }

    /// Reads the newest message; the partition is taken, so nobody writes behind it.
    async fn find_newest(&mut self, now: Instant) -> Result<(), PulsarFault> {
        let found = match end(&self.client, &self.partition).await? {
            End::Unknown => {
                let properties = [("kind".to_owned(), OPEN.to_owned())].into_iter().collect();
                self.waiting.push(Message { properties, ..Message::default() });
                self.hand_over().await?;
                self.confirm().await?;
                let marker = self.place.unwrap_or_default();
                before(&self.client, &self.partition, marker, now).await?
            }
            known => known,
        };
        if let End::At(newest, place) = found {
            self.newest = Some(newest);
            self.place = self.place.or(Some(place));
        }
        Ok(())
    }

    /// Whether a part of an epoch was there when the partition was taken.
    pub(super) fn has(&self, epoch: u64, part: u32) -> bool {
        self.newest.as_ref().is_some_and(|newest| (epoch, part) <= (newest.epoch, newest.part))
    }

    /// Adds a message; it may wait until others come or [`Shard::hand_over`] is called.
    pub(super) async fn put(&mut self, message: Message) -> Result<(), PulsarFault> {
        self.waiting_bytes += message.payload.len();
        self.waiting.push(message);
        if self.waiting.len() >= BATCH || self.waiting_bytes >= BATCH_BYTES {
            self.hand_over().await?;
        }
        Ok(())
    }

    /// Hands what waits to the client, as one entry, once the entry before it is there.
    pub(super) async fn hand_over(&mut self) -> Result<(), PulsarFault> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.confirm().await?;
        let fault = PulsarFault::while_doing("sending");
        for message in self.waiting.drain(..) {
            let sending = Box::pin(self.producer.send_non_blocking(message));
            self.sent.push(sending.await.map_err(&fault)?);
        }
        self.waiting_bytes = 0;
        Box::pin(self.producer.send_batch()).await.map_err(&fault)
    }

    /// Waits until what was handed over is there.
    pub(super) async fn confirm(&mut self) -> Result<(), PulsarFault> {
        let mut place = None;
        for receipt in self.sent.drain(..) {
            let receipt = receipt.await.map_err(PulsarFault::while_doing("sending"))?;
            place = receipt.message_id.map(|id| (id.ledger_id, id.entry_id)).or(place);
        }
        // A broker that has it already, and drops a second one, names no place.
        let Some(place) = place.filter(|(_, entry)| *entry < u64::MAX >> 1) else { return Ok(()) };
        if let Some(before) = self.place {
            let is_next = place == (before.0, before.1 + 1);
            let follows =
                is_next || Box::pin(follows(&self.client, &self.partition, before, place)).await?;
            if !follows {
                return Err(PulsarFault::MadeAnew(format!(
                    "{} has {}:{} where nothing of this engine is before it",
                    self.partition, place.0, place.1
                )));
            }
        }
        self.place = Some(place);
        Ok(())
    }
}
