//! `pulsar-in`: messages of a day of quarter hours that an engine takes from Pulsar, journaled, decided, visible and
//! acknowledged, beside a bare loop over the same topic with the same client and the same settings that looks at
//! nothing and acknowledges.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use pulsar::compression::{Compression, CompressionLz4};
use pulsar::consumer::InitialPosition;
use pulsar::producer::Message;
use pulsar::routing_policy::RoutingPolicy;
use pulsar::{
    Consumer, ConsumerOptions, ProducerOptions, Pulsar as Client, SubType, TokioExecutor,
};
use smartpulse_services::Pulsar;

use crate::clock::now;
use crate::plan::{Plan, say};
use crate::scene::{PROVIDER, Scene, VARIANTS};
use crate::server::Server;
use crate::table::{Better, Measured, Row, Table, number};
use crate::wire::Line;

const NAME: &str = "pulsar-in";
const SCENE: Scene = Scene { plants: 1_000, slots: 96 };
const TOPIC: &str = "persistent://public/default/forecasts";
/// Messages in an entry.
const BATCH: u32 = 100;
/// What comes before the clock runs: caches warm, queues full.
const WARM_UP: u64 = 5;
const LOOK: Duration = Duration::from_millis(2);
const HANG: Duration = Duration::from_secs(300);
/// Acknowledged at once by the bare loop: the client's receive queue, and the engine's.
const ACKNOWLEDGED: u64 = 1_000;

pub(super) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(NAME) {
        return Ok(());
    }
    let broker = Pulsar::start()?;
    // As the engine's: one thread for the client.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let messages = SCENE.plants * plan.sized(40, 12);
    runtime.block_on(fill(&broker.url(), messages))?;
    let room = plan.room()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let rounds = plan.sized(7_u64, 3);
    for round in 0..=rounds {
        let data = room.path().join(format!("data-{round}"));
        let our = engine(plan, &data, &broker.url(), messages, round)?;
        let bare = runtime.block_on(bare(&broker.url(), messages, round))?;
        std::fs::remove_dir_all(&data).ok();
        say(&format!("{NAME}: round {round}: {} messages/s, bare {}", number(our), number(bare)));
        // The first warms the broker up.
        if round > 0 {
            ours.push(our);
            theirs.push(bare);
        }
    }
    let points: Vec<f64> = ours.iter().map(|rate| rate * SCENE.slots as f64).collect();
    let points = number(Measured::of(points).value);
    let row = Row::new(NAME, "messages/s", Better::More, Measured::of(ours));
    let row = row.beside("bare-consumer", Measured::of(theirs)).remark(format!(
        "{} messages of {} values in JSON, LZ4, {BATCH} an entry; {points} points/s, durable, checked",
        number(messages as f64),
        SCENE.slots,
    ));
    table.add(row);
    Ok(())
}

fn plant_of(message: u64) -> u64 {
    message % SCENE.plants + 1
}

fn turn_of(message: u64) -> u64 {
    (message / SCENE.plants) % VARIANTS
}

async fn connect(url: &str) -> Result<Client<TokioExecutor>> {
    Ok(Box::pin(Client::builder(url, TokioExecutor).with_outbound_channel_size(1_000).build())
        .await?)
}

async fn fill(url: &str, messages: u64) -> Result<()> {
    let client = connect(url).await?;
    let options = ProducerOptions {
        batch_size: Some(BATCH),
        compression: Some(Compression::Lz4(CompressionLz4::default())),
        routing_policy: Some(RoutingPolicy::RoundRobin),
        block_queue_if_full: true,
        ..ProducerOptions::default()
    };
    let producer = client.producer().with_topic(TOPIC).with_options(options).build();
    let mut producer = Box::pin(producer).await?;
    let bodies = SCENE.bodies();
    let mut receipts = std::collections::VecDeque::new();
    // Kept by a subscription that acknowledges nothing, for every round.
    drop(subscribe(&client, "kept").await?);
    for message in 0..messages {
        let plant = plant_of(message);
        let body = &bodies[Scene::class(plant) as usize][turn_of(message) as usize];
        let sent = Message {
            payload: body.clone(),
            partition_key: Some(format!("PP:{plant}")),
            ..Message::default()
        };
        receipts.push_back(Box::pin(producer.send_non_blocking(sent)).await?);
        if receipts.len() > 10 * BATCH as usize
            && let Some(first) = receipts.pop_front()
        {
            first.await?;
        }
    }
    Box::pin(producer.send_batch()).await?;
    for receipt in receipts {
        receipt.await?;
    }
    Ok(())
}

async fn subscribe(
    client: &Client<TokioExecutor>,
    name: &str,
) -> Result<Consumer<Vec<u8>, TokioExecutor>> {
    let options = ConsumerOptions::default()
        .durable(true)
        .with_initial_position(InitialPosition::Earliest)
        .with_receiver_queue_size(1_000);
    let subscribing = client
        .consumer()
        .with_topic(TOPIC)
        .with_subscription(name)
        .with_subscription_type(SubType::Failover)
        .with_batch_size(1_000)
        .with_options(options)
        .build();
    Ok(Box::pin(subscribing).await?)
}

/// Messages a second of the bare loop.
async fn bare(url: &str, messages: u64, round: u64) -> Result<f64> {
    let client = connect(url).await?;
    let mut consumer = subscribe(&client, &format!("bare-{round}")).await?;
    let (mut read, mut bytes, mut begun) = (0, 0, now());
    while read < messages {
        let message = consumer.next().await.context("the subscription has ended")??;
        read += 1;
        bytes += message.payload.data.len();
        if read == messages / WARM_UP {
            begun = now();
        }
        if read % ACKNOWLEDGED == 0 {
            consumer.cumulative_ack(&message).await?;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(bytes > 0, "the messages are empty");
    Ok((messages - messages / WARM_UP) as f64 / seconds)
}

/// Messages a second of an engine: from when the first of them are visible until all are.
fn engine(plan: &Plan, data: &Path, url: &str, messages: u64, round: u64) -> Result<f64> {
    SCENE.prepare(data)?;
    let setting = format!(
        "[{{url={url:?}, topics=[{{topic={TOPIC:?}, subscription=\"ours-{round}\", \
         provider={PROVIDER:?}}}]}}]"
    );
    let server = Server::start_with(plan, data, |command| {
        command.arg("--accept-clock").env("SMARTPULSE_PULSAR", setting);
    })?;
    let mut line = Line::open(server.address())?;
    let mut visible = |least: u64| -> Result<(u64, std::time::Instant)> {
        let asked = now();
        loop {
            let batches = line.get("/api/v2.0/status")?.number("batches")?;
            if batches >= least {
                return Ok((batches, now()));
            }
            ensure!(asked.elapsed() < HANG, "{batches} of {least} messages are visible");
            std::thread::sleep(LOOK);
        }
    };
    let (first, begun) = visible(messages / WARM_UP)?;
    let (last, ended) = visible(messages)?;
    let mut line = Line::open(server.address())?;
    for message in (messages - SCENE.plants..messages).step_by(37) {
        SCENE.check(&mut line, plant_of(message), turn_of(message))?;
    }
    ensure!(last == messages, "{last} batches of {messages} messages");
    server.stop()?;
    Ok((last - first) as f64 / ended.duration_since(begun).as_secs_f64())
}
