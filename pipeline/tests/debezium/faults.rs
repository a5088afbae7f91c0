//! Debezium, the broker, the database and the engine are killed, stopped and cut off in the middle of work.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use smartpulse_services::{Debezium, Pulsar};

use super::chain::{await_read, route, source};
use super::cutting::Cutting;
use super::load::{Load, assert_each_row_once};
use super::random::{PROVIDERS, plants};
use super::stage::{Database, Engine, assert_checks, await_truth, awaited, seed};

/// Starts Debezium again where it has given up, as whoever operates it would.
fn revive(debezium: &mut Debezium) {
    if !debezium.server().process().is_some_and(|process| process.lives()) {
        debezium.server().start_again().unwrap();
    }
}

#[test]
fn whatever_is_killed_or_stopped_every_transaction_is_taken_in_once() {
    let seed = seed("whatever_is_killed_or_stopped_every_transaction");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let database = Database::new();
    database.sql(&plants());
    let mut broker = Pulsar::start().unwrap();
    // Whatever Debezium has sent since it kept its place last, it sends again.
    let slowly = "offset.flush.interval.ms=60000";
    let mut debezium = Debezium::start(&route(&database, broker.url(), slowly)).unwrap();
    let room = tempfile::tempdir().unwrap();
    let read = source(&database, &broker.url(), "");
    let mut engine = Engine::reading(&room.path().join("data"), read, &[]);
    await_read(&engine);
    let load = Load::start(&database.server, &database.name, seed);
    for fault in ["engine", "debezium", "both", "broker", "pause", "engine stopped", "debezium"] {
        load.await_more();
        println!("{fault}");
        std::thread::sleep(Duration::from_millis(random.random_range(0..300)));
        match fault {
            "engine" => {
                engine.kill();
                engine.start_again();
            }
            "engine stopped" => {
                engine.stop();
                engine.start_again();
            }
            "debezium" => {
                debezium.server().kill();
                debezium.server().start_again().unwrap();
            }
            "both" => {
                debezium.server().kill();
                engine.kill();
                engine.start_again();
                debezium.server().start_again().unwrap();
            }
            "broker" => {
                broker.server().kill();
                broker.server().start_again().unwrap();
                revive(&mut debezium);
            }
            _ => {
                broker.server().pause();
                std::thread::sleep(Duration::from_secs(5));
                broker.server().resume();
                revive(&mut debezium);
            }
        }
    }
    load.await_more();
    load.stop();
    revive(&mut debezium);
    await_truth(&engine, &database.server, &database.name, &PROVIDERS);
    assert_each_row_once(&engine, &database.server, &database.name);
    awaited("everything acknowledged", || {
        (engine.counted("backlog") == 0 && engine.counted("waiting") == 0).then_some(())
    });
    engine.stop();
    assert_checks(&room.path().join("data"));
}

#[test]
fn connections_that_are_cut_lose_nothing() {
    let seed = seed("connections_that_are_cut");
    let database = Database::new();
    database.sql(&plants());
    let cutting = Cutting::start(seed, 20_000..400_000);
    // What connects from here on is cut: the engine, and Debezium only where it connects again.
    let mut debezium = Debezium::start(&route(&database, cutting.broker.url(), "")).unwrap();
    cutting.cut(true);
    let room = tempfile::tempdir().unwrap();
    let engine =
        Engine::reading(&room.path().join("data"), source(&database, &cutting.url(), ""), &[]);
    await_read(&engine);
    let load = Load::start(&database.server, &database.name, seed);
    cutting.await_cuts(|| revive(&mut debezium));
    load.await_more();
    load.stop();
    cutting.cut(false);
    revive(&mut debezium);
    await_truth(&engine, &database.server, &database.name, &PROVIDERS);
    assert_each_row_once(&engine, &database.server, &database.name);
}
