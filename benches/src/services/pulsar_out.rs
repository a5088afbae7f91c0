//! `pulsar-out`: messages of a day of quarter hours that go from closed epochs to Pulsar, told, placed, sent and
//! confirmed, beside a bare producer loop that sends the same messages, made before.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use pulsar::compression::{Compression, CompressionLz4};
use pulsar::producer::Message;
use pulsar::{Producer, ProducerOptions, Pulsar as Client, TokioExecutor};
use smartpulse_connectors::{
    DeltaMessage, PulsarClient, PulsarDeltas, PulsarSettings, PulsarSink, connect,
};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::time::Instant;
use smartpulse_serve::stream::sending::{Next, Parcel, Sending};
use smartpulse_services::Pulsar;
use uuid::Uuid;

use super::epochs::{EPOCHS, Epochs, SERIES, SLOTS};
use crate::clock::now;
use crate::plan::{Plan, say};
use crate::table::{Better, Measured, Row, Table, number};

const NAME: &str = "pulsar-out";
const OURS: &str = "persistent://public/default/deltas";
const BARE: &str = "persistent://public/default/bare";

/// Both sides.
struct Sides {
    epochs: Epochs,
    sending: Sending,
    sink: PulsarSink,
    bare: Producer<TokioExecutor>,
    /// Messages and bytes of the newest round.
    told: (u64, u64),
}

pub(super) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(NAME) {
        return Ok(());
    }
    let broker = Pulsar::start()?;
    // One thread for each side, as the sink has.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let settings = PulsarSettings { url: broker.url(), ..PulsarSettings::default() };
        let client = Box::pin(connect(&settings)).await?;
        let mut sides = Box::pin(Sides::begin(&client)).await?;
        // The first is the warm-up.
        Box::pin(sides.ours()).await?;
        Box::pin(sides.theirs()).await?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 1..=plan.sized(9, 3) {
            ours.push(Box::pin(sides.ours()).await?);
            theirs.push(Box::pin(sides.theirs()).await?);
            let last = |rates: &[f64]| number(rates.last().copied().unwrap_or_default());
            say(&format!(
                "{NAME}: round {round}: {} messages/s, bare {}",
                last(&ours),
                last(&theirs)
            ));
        }
        let sent = sides.sink.sent().messages;
        ensure!(sent > u64::from(SERIES), "{sent} messages were sent");
        let (messages, bytes) = sides.told;
        let row = Row::new(NAME, "messages/s", Better::More, Measured::of(ours));
        table.add(row.beside("bare-producer", Measured::of(theirs)).remark(format!(
            "a day of {SLOTS} slots each, old and new, {} bytes of JSON, LZ4, epochs of {}",
            number(bytes as f64 / messages as f64),
            SERIES / EPOCHS
        )));
        Ok(())
    })
}

impl Sides {
    async fn begin(client: &PulsarClient) -> Result<Sides> {
        let epochs = Epochs::begin()?;
        let sending = Sending::of(["latest"]).context("a view")?;
        let deltas = PulsarDeltas { topic: OURS.to_owned(), ..PulsarDeltas::default() };
        let opening = PulsarSink::open(client, &deltas, Uuid::from_u128(1), Instant(1));
        let mut sink = Box::pin(opening).await?;
        sink.begin_anew(Epoch(1)).await?;
        sink.end_anew(Epoch(1)).await?;
        let bare = Box::pin(producer(client)).await?;
        Ok(Sides { epochs, sending, sink, bare, told: (0, 0) })
    }

    /// What the epochs after `after` changed.
    fn told(&self, after: &mut Epoch) -> Result<Option<(Epoch, Vec<Parcel>)>> {
        match self.sending.after(&self.epochs.read_model, *after) {
            Next::Nothing => Ok(None),
            Next::Epoch(epoch, _, parcels) => {
                *after = epoch;
                Ok(Some((epoch, parcels)))
            }
            Next::Lost => anyhow::bail!("an epoch is gone"),
        }
    }

    /// Messages a second through the sink: from epochs that have closed until the last is there for good.
    async fn ours(&mut self) -> Result<f64> {
        let mut after = Epoch(self.epochs.newest);
        for said in self.epochs.round() {
            self.epochs.publish(said);
        }
        let begun = now();
        self.told = (0, 0);
        while let Some((epoch, parcels)) = self.told(&mut after)? {
            self.told.0 += parcels.len() as u64;
            self.told.1 += parcels.iter().map(|parcel| parcel.body.len() as u64).sum::<u64>();
            let message = |Parcel { key, view, body }| DeltaMessage { key, view, body };
            let messages = parcels.into_iter().map(message).collect();
            self.sink.send(epoch, messages).await?;
        }
        self.sink.flush().await?;
        ensure!(self.told.0 == u64::from(SERIES), "{} messages", self.told.0);
        Ok(self.told.0 as f64 / begun.elapsed().as_secs_f64())
    }

    /// The same messages by the client alone.
    async fn theirs(&mut self) -> Result<f64> {
        let mut after = Epoch(self.epochs.newest);
        for said in self.epochs.round() {
            self.epochs.publish(said);
        }
        let mut prepared = Vec::new();
        while let Some((_, parcels)) = self.told(&mut after)? {
            prepared.extend(parcels);
        }
        let messages = prepared.len();
        let begun = now();
        let mut receipts = std::collections::VecDeque::new();
        for Parcel { key, body, .. } in prepared {
            let partition_key = Some(key);
            let message =
                Message { partition_key, payload: body.into_bytes(), ..Message::default() };
            receipts.push_back(Box::pin(self.bare.send_non_blocking(message)).await?);
            if receipts.len() > 500
                && let Some(first) = receipts.pop_front()
            {
                first.await?;
            }
        }
        Box::pin(self.bare.send_batch()).await?;
        for receipt in receipts {
            receipt.await?;
        }
        let rate = messages as f64 / begun.elapsed().as_secs_f64();
        // Nothing of it is the sink's: it goes on behind.
        Ok(rate)
    }
}

/// A producer with the settings of the sink.
async fn producer(client: &Client<TokioExecutor>) -> Result<Producer<TokioExecutor>> {
    let options = ProducerOptions {
        batch_size: Some(1_000),
        batch_byte_size: Some(512 << 10),
        batch_timeout: Some(Duration::from_millis(10)),
        compression: Some(Compression::Lz4(CompressionLz4::default())),
        block_queue_if_full: true,
        ..ProducerOptions::default()
    };
    let opening = client.producer().with_topic(BARE).with_options(options).build();
    Ok(Box::pin(opening).await?)
}
