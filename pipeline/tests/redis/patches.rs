//! Whoever listens to single series holds at the end what their hashes hold, and that is what REST shows: also where
//! Redis was emptied in between and the connection was lost.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use smartpulse_connectors::{RedisFault, RedisReader, RedisSettings, SeriesDocument};
use smartpulse_operators::series::{Kind, Series};
use smartpulse_services::Redis;
use smartpulse_services::redis::Persistence;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client::Client;
use super::load::{FROM, Load, TO, encoded};
use super::stage::{Engine, awaited, to};

/// How often a reader looks whether it has heard all.
const LOOK: Duration = Duration::from_millis(100);

/// A listener's document, and how it came by it.
#[derive(Debug, Default)]
struct Heard {
    document: Option<SeriesDocument>,
    patched: u64,
    read: u64,
}

/// Follows a series until `end` is told and nothing more was heard for a while.
async fn listen(settings: RedisSettings, series: Series, end: watch::Receiver<bool>) -> Heard {
    let mut heard = Heard::default();
    loop {
        match follow(&settings, &series, &end, &mut heard).await {
            Ok(()) => return heard,
            Err(RedisFault::Unreachable { .. }) => tokio::time::sleep(LOOK).await,
            Err(fault) => panic!("{fault}"),
        }
    }
}

async fn follow(
    settings: &RedisSettings,
    series: &Series,
    end: &watch::Receiver<bool>,
    heard: &mut Heard,
) -> Result<(), RedisFault> {
    let mut reader = RedisReader::open(settings).await?;
    let mut watch = reader.watch(series).await?;
    let mut document = reader.document(series).await?;
    heard.read += 1;
    loop {
        let change = tokio::select! {
            change = watch.next() => change?,
            () = tokio::time::sleep(30 * LOOK) => {
                heard.document = Some(document.clone());
                if *end.borrow() {
                    return Ok(());
                }
                continue;
            }
        };
        if document.apply(&change) {
            heard.patched += 1;
        } else {
            document = reader.document(series).await?;
            heard.read += 1;
        }
    }
}

/// The slots of a document by their start: value and batch's instant.
fn slots(document: &SeriesDocument) -> BTreeMap<String, (Value, Value)> {
    let mut slots = BTreeMap::new();
    for (day, of_day) in document.days.as_object().unwrap() {
        for (time, row) in of_day.as_object().unwrap() {
            let row = (row["v"].clone(), row["recorded"].clone());
            slots.insert(format!("{day}T{time}:00Z"), row);
        }
    }
    slots
}

/// The same as REST shows it.
fn shown(client: &Client, series: &Series) -> BTreeMap<String, (Value, Value)> {
    let (word, number) = (series.unit.unit_type.word(), series.unit.unit_no);
    let provider = encoded(series.provider.key());
    let path = match series.kind {
        Kind::Forecast => format!(
            "/api/v2.0/production-forecast/{provider}/{word}/{number}/forecasts/latest?from={FROM}&to={TO}"
        ),
        Kind::Actual => {
            format!("/api/v2.0/actuals/{word}/{number}?provider={provider}&from={FROM}&to={TO}")
        }
    };
    let answer = client.get(&path).expect_status(200).json();
    let elements = answer["data"].as_array().unwrap().iter();
    let own = elements.filter(|element| element["period"] == json!(series.period.minutes()));
    let rows = own.flat_map(|element| element["predictions"].as_array().unwrap());
    rows.map(|row| {
        let start = row["ds"].as_str().unwrap().to_owned();
        (start, (row["v"].clone(), row["c"].clone()))
    })
    .collect()
}

#[test]
fn listeners_hold_what_the_hashes_hold() {
    let room = tempfile::tempdir().unwrap();
    let redis = Redis::start(Persistence::None).unwrap();
    let engine = Engine::start(&room.path().join("data"), &to(&[redis.url()]));
    let settings = RedisSettings { urls: vec![redis.url()], ..RedisSettings::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let load = Load::start(format!("http://{}", engine.address), 5);
    load.await_more(150);
    let all = runtime
        .block_on(async { RedisReader::open(&settings).await.unwrap().series().await.unwrap() });
    assert!(all.len() >= 8, "{all:?}");
    let (end, ends) = watch::channel(false);
    let mut listening = JoinSet::new();
    for series in &all {
        let (settings, series, ends) = (settings.clone(), series.clone(), ends.clone());
        listening.spawn_on(
            async move { (series.clone(), listen(settings, series, ends).await) },
            runtime.handle(),
        );
    }
    load.await_more(400);
    redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
    load.await_more(150);
    redis.command(&["FLUSHALL"]).unwrap();
    load.await_more(300);
    let newest = load.stop();
    awaited("the last epoch in Redis", || {
        let sink = engine.sink("redis");
        let is_there = sink["epoch"].as_u64() >= Some(newest) && sink["lagEpochs"] == 0;
        (is_there && sink["state"] == "following").then_some(())
    });
    end.send_replace(true);
    let heard = runtime.block_on(listening.join_all());
    let (mut patched, mut read) = (0, 0);
    for (series, heard) in heard {
        let document = heard.document.unwrap();
        let again = runtime.block_on(async {
            let mut reader = RedisReader::open(&settings).await.unwrap();
            reader.document(&series).await.unwrap()
        });
        assert_eq!(document, again, "{series:?}");
        assert_eq!(slots(&document), shown(&engine.client(), &series), "{series:?}");
        (patched, read) = (patched + heard.patched, read + heard.read);
    }
    println!("{patched} changes patched, {read} documents read");
    assert!(patched > read, "{patched} changes patched, {read} documents read");
}
