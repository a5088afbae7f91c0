//! What is sent is shown: in every form a message may have, over every partition, in the order of its key.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int32Array, RecordBatch, TimestampMillisecondArray};
use arrow_ipc::writer::StreamWriter;
use pulsar::compression::{
    Compression, CompressionLz4, CompressionSnappy, CompressionZlib, CompressionZstd,
};
use serde_json::{Value, json};

use super::client::{forecasts, hour, hourly};
use super::post::{Manner, Post, Sent};
use super::small_disk::Disk;
use super::stage::{Engine, PROVIDER, awaited, divide, own_topic, reading, shared_broker};

const PLANTS: u64 = 6;

fn manners() -> Vec<Manner> {
    let codings = [
        None,
        Some(Compression::Lz4(CompressionLz4::default())),
        Some(Compression::Zstd(CompressionZstd::default())),
        Some(Compression::Snappy(CompressionSnappy::default())),
        Some(Compression::Zlib(CompressionZlib::default())),
    ];
    let all = codings.into_iter().flat_map(|compression| {
        [None, Some(7)].map(|batch| Manner { compression: compression.clone(), batch })
    });
    all.collect()
}

/// The newest value of each hour that the engine shows of a plant, in MW.
fn shown(engine: &Engine, plant: u64) -> BTreeMap<String, f64> {
    let path = format!(
        "/api/v2.0/production-forecast/{PROVIDER}/PP/{plant}/forecasts/latest\
         ?from=2099-06-01T00:00:00Z&to=2099-06-05T00:00:00Z"
    );
    let answer = engine.client().get(&path).json();
    let series = answer["data"].as_array().cloned().unwrap_or_default();
    let of = |one: &Value| one["predictions"].as_array().cloned().unwrap_or_default();
    let pairs = series.iter().flat_map(of).map(|prediction| {
        (prediction["ds"].as_str().unwrap().to_owned(), prediction["v"].as_f64().unwrap())
    });
    pairs.collect()
}

/// Messages in every coding, alone and in batches, over partitions: each plant shows what was sent of it last, and its
/// history everything, in order.
#[test]
fn every_coding_and_every_partition_is_taken_in_once_and_in_order() {
    let broker = shared_broker();
    let topic = own_topic();
    divide(&broker, &topic, 3);
    let room = tempfile::tempdir().unwrap();
    let engine = Engine::start(&room.path().join("data"), &reading(&broker.url(), &topic));
    engine.make_plants(1..=PLANTS);
    let post = Post::new(&broker.url());
    let mut expected: BTreeMap<u64, (BTreeMap<String, f64>, Vec<String>)> = BTreeMap::new();
    let mut number = 0_u32;
    for manner in manners() {
        let mut messages = Vec::new();
        for _ in 0..60 {
            number += 1;
            let (plant, hour) = (1 + u64::from(number * 7 % 6), u64::from(number * 5 % 96));
            let value = f64::from(number) / 4.0;
            messages.push(Sent::save(plant, hour, value, &number.to_string()));
            let start = format!("2099-06-{:02}T{:02}:00:00Z", 1 + hour / 24, hour % 24);
            let plant = expected.entry(plant).or_default();
            plant.0.insert(start, value);
            plant.1.push(number.to_string());
        }
        post.send(&topic, &manner, &messages);
    }
    awaited("all messages", || (engine.counted("messages") >= u64::from(number)).then_some(()));
    for (plant, (values, notes)) in &expected {
        awaited("what was sent last", || (shown(&engine, *plant) == *values).then_some(()));
        assert_eq!(engine.notes(*plant), *notes, "plant {plant}");
    }
    let source = awaited("an empty backlog", || {
        let source = engine.source();
        (source["counts"]["backlog"] == 0 && source["lagSeconds"] == 0.0).then_some(source)
    });
    assert_eq!(source["state"], "following", "{source}");
    assert_eq!(source["counts"]["messages"], number, "{source}");
    assert_eq!(source["counts"]["refused"], 0, "{source}");
    assert_eq!(source["counts"]["partitions"], 3, "{source}");
    let metrics = String::from_utf8(engine.client().get("/metrics").body).unwrap();
    for name in ["link_lag_seconds", "link_up"] {
        assert!(metrics.contains(&format!("smartpulse_{name}{{kind=\"pulsar\"")), "{name}");
    }
}

/// A disk that fills refuses saves and leaves messages where they are; with room they are taken in, each once.
#[test]
fn messages_wait_where_the_disk_is_full() {
    /// Hours of noise in a message, which no coding makes small, and messages: more than the disk takes.
    const HOURS: u64 = 2_000;
    const MESSAGES: u64 = 400;
    let broker = shared_broker();
    let topic = own_topic();
    let disk = Disk::mount("20m");
    let engine = Engine::start(&disk.data(), &reading(&broker.url(), &topic));
    engine.make_plants(1..=1);
    let noise = |message: u64, hour: u64| {
        let mixed = (hour + 1).wrapping_mul(message + 7) ^ 0x5bd1;
        mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48
    };
    let messages: Vec<Sent> = (0..MESSAGES)
        .map(|message| {
            let start = |hour: u64| {
                let day = hour / 24;
                format!("2099-{:02}-{:02}T{:02}:00:00Z", 1 + day / 28, 1 + day % 28, hour % 24)
            };
            let slots =
                (0..HOURS).map(|hour| json!({ "ds": start(hour), "v": noise(message, hour) }));
            let predictions: Vec<Value> = slots.collect();
            let entry = json!({ "period": 60, "predictions": predictions });
            let body = json!({ "unitForecastList": [entry] }).to_string().into_bytes();
            Sent { key: Some("PP:1".to_owned()), body, ..Sent::default() }
        })
        .collect();
    Post::new(&broker.url()).send(&topic, &Manner::plain(), &messages);
    let saved = std::cell::Cell::new(0);
    let save = || {
        let body = hourly([(hour(1), json!(1))]);
        let answer = engine.client().post(&forecasts("UserForecast", 1), &body);
        saved.set(saved.get() + u64::from(answer.status == 200));
        answer
    };
    let refused = awaited("a full disk", || Some(save()).filter(|answer| answer.status == 503));
    assert_eq!(refused.json()["additionalData"]["code"], "DISK_FULL");
    let batches = || {
        let status = engine.client().get("/api/v2.0/status").json();
        status["data"]["counts"]["batches"].as_u64().unwrap()
    };
    let taken = batches();
    assert!(taken < MESSAGES, "{taken} of {MESSAGES} fit");
    assert_eq!(engine.client().get("/api/v2.0/status").status, 200, "reads go on");
    disk.grow("400m");
    awaited("all messages", || (batches() >= MESSAGES + saved.get()).then_some(()));
    awaited("an empty backlog", || {
        let counts = &engine.source()["counts"];
        (counts["messages"] == MESSAGES && counts["backlog"] == 0).then_some(())
    });
    assert_eq!(engine.counted("redelivered"), 0);
    assert_eq!(batches(), MESSAGES + saved.get(), "each message once");
    println!("{taken} batches at first");
    assert_eq!(save().status, 200);
}

/// Columns say the same as JSON.
#[test]
fn columns_are_saves_too() {
    let broker = shared_broker();
    let topic = own_topic();
    let room = tempfile::tempdir().unwrap();
    let engine = Engine::start(&room.path().join("data"), &reading(&broker.url(), &topic));
    engine.make_plants(1..=2);
    let first = 4_083_955_200_000_i64;
    let hours: Vec<i64> = (0..24).map(|hour| first + hour * 3_600_000).collect();
    let values =
        Float64Array::from_iter((0..24).map(|hour| (hour != 5).then_some(f64::from(hour) + 0.25)));
    let columns: [(&str, ArrayRef); 4] = [
        ("delivery_start", Arc::new(TimestampMillisecondArray::from(hours))),
        ("value", Arc::new(values)),
        ("period_minutes", Arc::new(Int32Array::from(vec![60; 24]))),
        ("unit_no", Arc::new(Int32Array::from(vec![2; 24]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut body = Vec::new();
    let mut writer = StreamWriter::try_new(&mut body, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let message = Sent { body, ..Sent::default() }
        .with("content-type", "application/vnd.apache.arrow.stream")
        .with("unitType", "PP")
        .with("UNITNO", "2")
        .with("measureUnit", "kW")
        .with("note", "columns");
    Post::new(&broker.url()).send(&topic, &Manner::plain(), &[message]);
    let shown = awaited("the columns", || {
        let shown = shown(&engine, 2);
        (!shown.is_empty()).then_some(shown)
    });
    assert_eq!(shown.len(), 23, "a null withdraws its slot: {shown:?}");
    assert_eq!(shown.get("2099-06-01T07:00:00Z"), Some(&0.00725));
    assert_eq!(engine.notes(2), ["columns"]);
}
