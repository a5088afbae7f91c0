//! Server and engine are killed, stopped and cut off in the middle of work: nothing is lost, nothing comes twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use smartpulse_connectors::POSTGRES_LEGACY_SCHEMA;
use smartpulse_services::Postgres;
use tokio::runtime::Runtime;

use super::forwarder::Forwarder;
use super::load::{Load, assert_each_row_once};
use super::random::{Desk, PROVIDERS, plants};
use super::stage::{Engine, await_truth, awaited, seed, setting};

/// Cuts after which a test has seen enough.
const CUTS: u64 = 12;

#[test]
fn whatever_is_killed_or_stopped_every_transaction_is_taken_in_once() {
    let seed = seed("whatever_is_killed_or_stopped");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut server = Postgres::start().unwrap();
    server.sql(POSTGRES_LEGACY_SCHEMA).unwrap();
    server.sql(&plants()).unwrap();
    let room = tempfile::tempdir().unwrap();
    let setting = setting(&server.url(), "engine", "");
    let mut engine = Engine::start(&room.path().join("data"), &setting);
    let load = Load::start(&server, "postgres", seed);
    for fault in
        ["engine", "server", "both", "pause", "engine stopped", "server restarted", "engine"]
    {
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
            "server" => {
                server.server().kill();
                server.server().start_again().unwrap();
            }
            "both" => {
                server.server().kill();
                engine.kill();
                engine.start_again();
                server.server().start_again().unwrap();
            }
            "pause" => {
                server.server().pause();
                std::thread::sleep(Duration::from_secs(5));
                server.server().resume();
            }
            _ => {
                server.server().stop();
                std::thread::sleep(Duration::from_millis(300));
                server.server().start_again().unwrap();
            }
        }
    }
    load.await_more();
    load.stop();
    await_truth(&engine, &server, "postgres", &PROVIDERS);
    assert_each_row_once(&engine, &server, "postgres");

    // A server that comes back without anything is another one: that is said, and nothing is taken away.
    server.server().start_empty().unwrap();
    server.sql(POSTGRES_LEGACY_SCHEMA).unwrap();
    server.sql(&plants()).unwrap();
    awaited("another server", || {
        let reason = engine.source()["reason"].as_str().unwrap_or_default().to_owned();
        reason.contains("another server").then_some(())
    });
    engine.stop();
    engine.set(&super::stage::setting(&server.url(), "engine", ", on_lost=\"snapshot\""));
    engine.start_again();
    engine.await_following();
    let load = Load::start(&server, "postgres", seed + 1);
    load.await_more();
    load.stop();
    await_truth(&engine, &server, "postgres", &PROVIDERS);
}

#[test]
fn connections_that_are_cut_lose_nothing() {
    let seed = seed("connections_that_are_cut");
    let runtime: Runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = Postgres::start().unwrap();
    server.sql(POSTGRES_LEGACY_SCHEMA).unwrap();
    server.sql(&plants()).unwrap();
    let mut desk = Desk::new(seed, 5);
    server.script("postgres", &desk.transactions(60)).unwrap();
    let target = format!("127.0.0.1:{}", server.port()).parse().unwrap();
    let is_cut = Arc::new(AtomicBool::new(true));
    let (is_cut_now, mut random) = (Arc::clone(&is_cut), ChaCha8Rng::seed_from_u64(seed));
    let limit = move || {
        let is_cut = is_cut_now.load(Ordering::Relaxed);
        is_cut.then(|| random.random_range(2_000..400_000))
    };
    let front = runtime.block_on(Forwarder::start(target, limit));
    let url = format!("postgres://postgres@{}/postgres", front.address());
    let room = tempfile::tempdir().unwrap();
    // The first reading is cut off as well.
    let engine = Engine::start(&room.path().join("data"), &setting(&url, "engine", ""));
    let load = Load::start(&server, "postgres", seed);
    awaited("connections that are cut", || (front.cuts() >= CUTS).then_some(()));
    load.await_more();
    load.stop();
    is_cut.store(false, Ordering::Relaxed);
    await_truth(&engine, &server, "postgres", &PROVIDERS);
    assert_each_row_once(&engine, &server, "postgres");
    println!("{} cuts", front.cuts());
}
