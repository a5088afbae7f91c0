//! Many writers at once: what each was told is what everybody reads, and a repeated request is one save.
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]
#![allow(clippy::print_stdout, reason = "the figures a run prints")]

#[path = "program/client.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod client;
#[path = "program/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;

use client::{Answer, Client, forecasts, hour, hourly};
use jiff::Timestamp;
use process::{Server, run};
use serde_json::{Value, json};

const WRITERS: u32 = 64;
const SAVES: u32 = 12;
/// Hours that the writers fight over.
const HOURS: u32 = 48;

/// What a writer was told of a save.
struct Told {
    recorded: Timestamp,
    sequence: u64,
    epoch: u64,
    hours: std::ops::Range<u32>,
    value: f64,
}

/// The hours and the value of a writer's save: every value once, every hour from many.
fn plan(writer: u32, round: u32) -> (std::ops::Range<u32>, f64) {
    let first = (writer * 7 + round * 11) % HOURS;
    let last = (first + 1 + (writer + round) % 30).min(HOURS);
    (first..last, f64::from(writer * SAVES + round + 1))
}

fn save(client: &Client, writer: u32, round: u32) -> Told {
    let (hours, value) = plan(writer, round);
    let body = hourly(hours.clone().map(|slot| (hour(slot), json!(value))));
    let answer = client.post(&forecasts("UserForecast", 1), &body).expect_status(200);
    let told = answer.json();
    assert_eq!(told["data"][0]["savedCount"], hours.len());
    let additional = &told["additionalData"];
    let number = |name: &str| additional[name].as_u64().unwrap();
    assert_eq!(answer.header("x-smartpulse-epoch"), number("epoch").to_string());
    let recorded = additional["recorded"].as_str().unwrap().parse().unwrap();
    Told { recorded, sequence: number("sequence"), epoch: number("epoch"), hours, value }
}

/// The rows shown: hour, value, and when it was recorded.
fn shown(answer: &Answer) -> BTreeMap<String, (f64, Timestamp)> {
    let read = answer.json();
    let rows = read["data"][0]["predictions"].as_array().unwrap();
    let row = |row: &Value| {
        let recorded = row["c"].as_str().unwrap().parse().unwrap();
        (row["ds"].as_str().unwrap().to_owned(), (row["v"].as_f64().unwrap(), recorded))
    };
    rows.iter().map(row).collect()
}

fn latest(client: &Client, words: &str) -> Answer {
    let range = "from=2099-06-01T00:00:00Z&to=2099-06-03T00:00:00Z";
    let path = forecasts("UserForecast", 1);
    client.get(&format!("{path}/latest?{range}{words}")).expect_status(200)
}

fn sees_its_own_or_later(told: &Told, answer: &Answer) {
    let epoch: u64 = answer.header("x-smartpulse-epoch").parse().unwrap();
    assert!(epoch >= told.epoch, "epoch {epoch} does not show {}", told.epoch);
    let rows = shown(answer);
    for slot in told.hours.clone() {
        let (value, recorded) = rows[&hour(slot)];
        assert!(
            recorded > told.recorded || (recorded == told.recorded && value == told.value),
            "hour {slot}: {value} of {recorded} shown after {} of {}",
            told.value,
            told.recorded
        );
    }
}

#[test]
fn what_many_writers_were_told_is_what_everybody_reads() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let server = Server::start(&data);
    server.client().make_plant(1);
    let start = Barrier::new(WRITERS as usize);
    let write = |writer| {
        let (own, other) = (server.client(), server.client());
        start.wait();
        let told = (0..SAVES).map(|round| {
            let told = save(&own, writer, round);
            sees_its_own_or_later(&told, &latest(&other, ""));
            sees_its_own_or_later(&told, &latest(&other, &format!("&min_epoch={}", told.epoch)));
            told
        });
        told.collect::<Vec<_>>()
    };
    let mut told: Vec<Told> = thread::scope(|scope| {
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    told.sort_by_key(|told| told.sequence);
    assert!(
        told.iter().map(|told| told.sequence).eq(1..=u64::from(WRITERS * SAVES)),
        "each has a place"
    );
    for pair in told.windows(2) {
        assert!(pair[0].recorded < pair[1].recorded, "recorded rises with the sequence");
        assert!(pair[0].epoch <= pair[1].epoch);
    }
    let mut expected = BTreeMap::new();
    for told in &told {
        expected.extend(told.hours.clone().map(|slot| (hour(slot), (told.value, told.recorded))));
    }
    let first = latest(&server.client(), "");
    assert_eq!(shown(&first), expected);
    let epochs = told.last().unwrap().epoch;
    println!("{} saves of {WRITERS} writers in {epochs} epochs", told.len());
    server.stop().succeeded();
    let server = Server::start(&data);
    assert_eq!(latest(&server.client(), "").body, first.body, "byte by byte after a restart");
    server.stop().succeeded();
    assert_eq!(run(&data, ["check", "--json"]).succeeded().json()["differenceCount"], 0);
}

/// Repetitions of a request at the same time.
const DUPLICATES: usize = 16;

fn keyed(client: &Client, key: &str, value: u32) -> Answer {
    let body = hourly([(hour(0), json!(value))]).to_string();
    // The trace id is the caller's own; with one of ours answers would differ in it.
    let headers = [("idempotency-key", key), ("x-trace-id", "the-same-request")];
    client.send("POST", &forecasts("UserForecast", 1), &headers, body.as_bytes())
}

fn batches(server: &Server) -> u64 {
    server.client().get("/api/v2.0/status").json()["data"]["counts"]["batches"].as_u64().unwrap()
}

#[test]
fn a_repeated_request_is_one_save_also_after_a_restart() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let server = Server::start(&data);
    server.client().make_plant(1);
    let start = Barrier::new(DUPLICATES);
    let mut answers: Vec<Answer> = thread::scope(|scope| {
        let ask = || {
            let client = server.client();
            start.wait();
            keyed(&client, "morning", 5)
        };
        let asking: Vec<_> = (0..DUPLICATES).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(batches(&server), 1);
    let first = answers.remove(0).expect_status(200);
    for answer in answers {
        assert_eq!(answer.expect_status(200).body, first.body);
    }
    // Later saves do not change what was answered.
    server.client().save(1, 0, 6).expect_status(200);
    assert_eq!(keyed(&server.client(), "morning", 5).expect_status(200).body, first.body);
    let other = keyed(&server.client(), "morning", 7).expect_status(409);
    assert_eq!(other.code(), "KEY_REUSED");
    assert_eq!(batches(&server), 2);
    assert_eq!(server.client().latest(1)[0].1, json!(6));

    assert_eq!(server.kill().code, None);
    let server = Server::start(&data);
    assert_eq!(keyed(&server.client(), "morning", 5).expect_status(200).body, first.body);
    assert_eq!(keyed(&server.client(), "morning", 7).expect_status(409).code(), "KEY_REUSED");
    assert_eq!(batches(&server), 2);
    server.stop().succeeded();
    let server = Server::start(&data);
    assert_eq!(keyed(&server.client(), "morning", 5).expect_status(200).body, first.body);
    keyed(&server.client(), "evening", 7).expect_status(200);
    assert_eq!(batches(&server), 3);
    server.stop().succeeded();
    assert_eq!(run(&data, ["check", "--json"]).succeeded().json()["differenceCount"], 0);
}
