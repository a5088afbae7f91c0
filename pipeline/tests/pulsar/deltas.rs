//! What changes is written to a topic, and folded it is what the engine shows: each delta begins where the one before
//! it ended, so that a hole or a repetition would be seen at once.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use smartpulse_services::Pulsar;
use ureq::Agent;

use super::cutting::Cutting;
use super::load::{FROM, Load, TO};
use super::post::{Found, Post};
use super::stage::{Engine, awaited, divide, own_topic, seed, shared_broker};

const PARTITIONS: u32 = 3;
/// Changes before, between and after faults.
const CHANGES: u64 = 60;
const VIEWS: [&str; 4] = ["latest", "actuals", "totals", "units"];

/// Rows by view and key.
type Rows = BTreeMap<String, Value>;

fn writing(url: &str, topic: &str) -> String {
    format!(
        "[{{url={url:?}, timeout_ms=2000, deltas=[{{topic={topic:?}, compression=\"zstd\", \
         views=[\"latest\", \"actuals\", \"totals\", \"units\"]}}]}}]"
    )
}

fn names(topic: &str) -> Vec<String> {
    (0..PARTITIONS).map(|number| format!("{topic}-partition-{number}")).collect()
}

/// One partition, folded: its rows, the newest epoch, and how often everything was sent.
struct Folded {
    rows: Rows,
    epoch: u64,
    resyncs: u32,
    deltas: u32,
    /// Deltas before anything else, in a topic that was emptied while the engine was idle.
    early: u32,
}

fn number(message: &Found, name: &str) -> u64 {
    message.property(name).parse().unwrap_or_else(|_| panic!("{name}: {message:?}"))
}

fn fold(partition: u32, messages: &[Found]) -> Folded {
    let mut folded = Folded { rows: Rows::new(), epoch: 0, resyncs: 0, deltas: 0, early: 0 };
    // The epoch and part of the newest delta, and how many parts its epoch has.
    let (mut newest, mut parts) = ((0, 0), 1);
    let mut is_whole = false;
    for message in messages {
        if message.property("kind") == "open" {
            continue;
        }
        let epoch = number(message, "epoch");
        match message.property("kind") {
            "resync" => {
                folded.rows.clear();
                folded.resyncs += 1;
                is_whole = false;
            }
            "rows" => take(&mut folded.rows, message, "rows"),
            "resync-end" => {
                is_whole = true;
                (newest, parts) = ((epoch, u64::MAX), 0);
            }
            "delta" => {
                if folded.resyncs == 0 {
                    // Written before it was found out that nothing is before it.
                    folded.early += 1;
                    continue;
                }
                assert!(is_whole, "a delta before everything was there: {message:?}");
                let part = number(message, "part");
                assert!((epoch, part) > newest, "{epoch}.{part} after {newest:?}");
                if epoch == newest.0 {
                    assert_eq!(part, newest.1 + 1, "epoch {epoch}");
                } else {
                    assert_eq!((newest.1.wrapping_add(1), part), (parts, 0), "epoch {epoch}");
                }
                let shards = u64::from_str_radix(message.property("shards"), 16).unwrap();
                assert_eq!(shards >> partition & 1, 1, "{message:?}");
                (newest, parts) = ((epoch, part), number(message, "parts"));
                folded.deltas += 1;
                take(&mut folded.rows, message, "deltas");
            }
            other => panic!("{other}: {message:?}"),
        }
        folded.epoch = epoch;
    }
    folded
}

/// Takes the rows of a message; a delta must begin with what was there.
fn take(rows: &mut Rows, message: &Found, list: &str) {
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!(body["epoch"], number(message, "epoch"));
    let view = body["view"].as_str().unwrap();
    assert_eq!(view, message.property("view"));
    for object in body[list].as_array().unwrap() {
        for (key, old, new) in one_by_one(object) {
            let key = format!("{view} {key}");
            if list == "deltas" {
                let before = rows.get(&key).cloned().unwrap_or_default();
                assert_eq!(old, before, "{key} in {body}");
                assert_ne!(old, new, "{key} in {body}");
            }
            match new {
                Value::Null => drop(rows.remove(&key)),
                new => drop(rows.insert(key, new)),
            }
        }
    }
}

/// The rows of an object of columns as a stream tells them: key, before and after.
fn one_by_one(object: &Value) -> Vec<(Value, Value, Value)> {
    let Some(slots) = object["slots"].as_array() else {
        let key = json!({ "unitType": object["unitType"], "unitNo": object["unitNo"] });
        return vec![(key, object["old"].clone(), object["new"].clone())];
    };
    let names = ["kind", "unitType", "unitNo", "dimension", "key", "provider", "period"];
    let midnight: Timestamp =
        format!("{}T00:00:00Z", object["day"].as_str().unwrap()).parse().unwrap();
    let period = object["period"].as_i64().unwrap();
    let side = |index: usize, side: &str| -> Value {
        let cell = |name: &str| object[format!("{side}{name}")][index].clone();
        if object["batches"].is_array() {
            let Some(place) = cell("Batch").as_u64() else { return Value::Null };
            let mut row = object["batches"][place as usize].clone();
            row["v"] = cell("");
            return row;
        }
        if cell("Members").is_null() {
            return Value::Null;
        }
        json!({
            "v": cell(""), "members": cell("Members"), "reporting": cell("Reporting"),
            "coverage": cell("Coverage"),
        })
    };
    let rows = slots.iter().enumerate().map(|(index, slot)| {
        let start = midnight + SignedDuration::from_mins(period * slot.as_i64().unwrap());
        let mut key = serde_json::Map::new();
        for name in names.into_iter().filter(|name| !object[*name].is_null()) {
            key.insert(name.to_owned(), object[name].clone());
        }
        key.insert("ds".to_owned(), json!(start.to_string()));
        (Value::Object(key), side(index, "old"), side(index, "new"))
    });
    rows.collect()
}

/// The rows of a stream at its beginning, and their epoch.
fn shown(engine: &Engine) -> (u64, Rows) {
    let views: Vec<String> = VIEWS.iter().map(|view| format!("view={view}")).collect();
    // Whatever the load says lies in there.
    let range = format!("from={FROM}&to={TO}");
    let url = format!(
        "http://{}/api/v2.0/stream?{}&{range}&kind=forecast&kind=actual",
        engine.address,
        views.join("&")
    );
    let agent: Agent = Agent::config_builder().proxy(None).build().into();
    let body = agent.get(url).call().unwrap().into_body();
    let (mut event, mut rows) = (String::new(), Rows::new());
    for line in BufReader::new(body.into_reader()).lines() {
        let line = line.unwrap();
        if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut event);
        }
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let said: Value = serde_json::from_str(data).unwrap();
        match event.as_str() {
            "rows" => {
                for row in said["rows"].as_array().unwrap() {
                    let view = said["view"].as_str().unwrap();
                    rows.insert(format!("{view} {}", row["key"]), row["new"].clone());
                }
            }
            "snapshot-end" => return (said["epoch"].as_u64().unwrap(), rows),
            _ => {}
        }
    }
    panic!("the stream has ended");
}

/// Waits until the topic is up to date, folds it, and compares it with what the engine shows.
fn assert_folds(engine: &Engine, post: &Post, topic: &str, was_idle: bool) -> Vec<Folded> {
    // The clock may close an epoch at any time: what is compared is of one that stood until all was read.
    let (shown, folded) = awaited("a topic that is up to date", || {
        let (epoch, shown) = shown(engine);
        let is_there = |status: &Value| {
            let sink = &status["data"]["sinks"][0];
            sink["state"] == "following"
                && sink["epoch"] == epoch
                && status["data"]["epoch"] == epoch
        };
        if !is_there(&engine.client().get("/api/v2.0/status").json()) {
            return None;
        }
        let partitions = names(topic).into_iter().zip(0..);
        let folded: Vec<Folded> =
            partitions.map(|(name, partition)| fold(partition, &post.all(&name))).collect();
        is_there(&engine.client().get("/api/v2.0/status").json()).then_some((shown, folded))
    });
    let all: Rows = folded.iter().flat_map(|one| one.rows.clone()).collect();
    assert_eq!(all.len(), folded.iter().map(|one| one.rows.len()).sum::<usize>());
    for (key, row) in &shown {
        assert_eq!(all.get(key), Some(row), "{key}");
    }
    for key in all.keys() {
        assert!(shown.contains_key(key), "{key} is not shown");
    }
    let early: u32 = folded.iter().map(|one| one.early).sum();
    assert!(early == 0 || was_idle, "{early} deltas before everything was there");
    for view in VIEWS {
        assert!(shown.keys().any(|key| key.starts_with(view)), "no {view}");
    }
    folded
}

#[test]
fn what_changes_is_written_and_folded_it_is_what_is_shown() {
    let seed = seed("what_changes_is_written");
    let broker = shared_broker();
    let topic = own_topic();
    divide(&broker, &topic, PARTITIONS);
    let post = Post::new(&broker.url());
    post.keep(&names(&topic));
    let room = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(&room.path().join("data"), &writing(&broker.url(), &topic));
    awaited("a sink that follows", || (engine.sink()["state"] == "following").then_some(()));
    for round in 0..3 {
        let load = Load::start(format!("http://{}", engine.address), seed + round);
        load.await_more(2 * CHANGES);
        load.stop();
        // It goes on where it was, in the middle of an epoch if that is where it was.
        engine.kill();
        engine.start_again();
    }
    let folded = assert_folds(&engine, &post, &topic, false);
    assert!(folded.iter().all(|one| one.resyncs == 1), "everything was sent at the start alone");
    assert!(folded.iter().map(|one| one.deltas).sum::<u32>() > CHANGES as u32);
}

#[test]
fn whatever_is_killed_or_stopped_the_topic_has_no_hole_and_no_repetition() {
    let seed = seed("whatever_is_killed_or_stopped_the_topic");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut broker = Pulsar::start().unwrap();
    let topic = own_topic();
    divide(&broker, &topic, PARTITIONS);
    let post = Post::new(&broker.url());
    post.keep(&names(&topic));
    let room = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(&room.path().join("data"), &writing(&broker.url(), &topic));
    let load = Load::start(format!("http://{}", engine.address), seed);
    load.await_more(CHANGES);
    load.stop();
    broker.server().kill();
    let load = Load::start(format!("http://{}", engine.address), seed);
    load.await_more(CHANGES);
    // Not longer: however long the broker takes, what it missed is still retained then.
    load.stop();
    broker.server().start_again().unwrap();
    let folded = assert_folds(&engine, &post, &topic, false);
    assert!(folded.iter().all(|one| one.resyncs == 1), "what was missed was still retained");
    let load = Load::start(format!("http://{}", engine.address), seed);
    for fault in ["engine", "both", "pause", "stop"] {
        load.await_more(CHANGES);
        println!("{fault}");
        std::thread::sleep(Duration::from_millis(random.random_range(0..200)));
        match fault {
            "engine" => {
                engine.kill();
                engine.start_again();
            }
            "stop" => {
                engine.stop();
                engine.start_again();
            }
            "both" => {
                broker.server().kill();
                engine.kill();
                engine.start_again();
                broker.server().start_again().unwrap();
            }
            _ => {
                broker.server().pause();
                std::thread::sleep(Duration::from_secs(6));
                broker.server().resume();
            }
        }
    }
    load.await_more(CHANGES);
    load.stop();
    let folded = assert_folds(&engine, &post, &topic, false);
    let resyncs: Vec<u32> = folded.iter().map(|one| one.resyncs).collect();
    // One that is further behind than what an engine has at hand after a start begins anew.
    println!("resyncs {resyncs:?}");

    // A broker that comes back without anything gets everything: an engine that begins then finds nothing there, one
    // that was idle meanwhile finds out when what it writes lies behind nothing. The oracle is there before.
    for engine_is_down in [true, false] {
        let mut empty = || {
            broker.server().start_empty().unwrap();
            divide(&broker, &topic, PARTITIONS);
            post.keep(&names(&topic));
        };
        if engine_is_down {
            engine.kill();
            empty();
            engine.start_again();
        } else {
            // Whoever comes first makes a topic, and an engine would make it without partitions.
            engine.paused(empty);
        }
        let load = Load::start(format!("http://{}", engine.address), seed + 1);
        load.await_more(CHANGES);
        load.stop();
        let folded = assert_folds(&engine, &post, &topic, !engine_is_down);
        assert!(folded.iter().all(|one| one.resyncs > 0), "down: {engine_is_down}");
    }
}

#[test]
fn connections_that_are_cut_leave_neither_hole_nor_repetition() {
    let seed = seed("connections_that_are_cut_leave");
    let cutting = Cutting::start(seed, 400..4_000);
    let through = cutting.url();
    let topic = own_topic();
    divide(&cutting.broker, &topic, PARTITIONS);
    let post = Post::new(&through);
    post.keep(&names(&topic));
    let room = tempfile::tempdir().unwrap();
    cutting.cut(true);
    let engine = Engine::start(&room.path().join("data"), &writing(&through, &topic));
    let load = Load::start(format!("http://{}", engine.address), seed);
    load.await_more(4 * CHANGES);
    cutting.await_cuts(|| ());
    load.await_more(CHANGES);
    load.stop();
    cutting.cut(false);
    let folded = assert_folds(&engine, &post, &topic, false);
    println!("{} resyncs", folded[0].resyncs);
}
