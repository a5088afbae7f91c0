//! Server and engine are killed, stopped and cut off in the middle of work: nothing is lost, nothing comes twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use smartpulse_connectors::POSTGRES_LEGACY_SCHEMA;
use smartpulse_services::Postgres;
use tokio::runtime::Runtime;

use super::forwarder::Forwarder;
use super::random::{Desk, ONCE, PLANTS, PROVIDERS, plants};
use super::stage::{Engine, await_truth, awaited, seed, setting};

/// Transactions between two faults.
const TRANSACTIONS: u32 = 40;
/// Cuts after which a test has seen enough.
const CUTS: u64 = 12;

/// Somebody who writes all the time, as far as the server takes it.
struct Load {
    is_stopped: Arc<AtomicBool>,
    written: Arc<AtomicU32>,
    thread: JoinHandle<()>,
}

impl Load {
    fn start(server: &Postgres, seed: u64) -> Load {
        let (is_stopped, written) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let (stopped, counted) = (Arc::clone(&is_stopped), Arc::clone(&written));
        let port = server.port();
        let mut desk = Desk::new(seed, seed % 1_000);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let script = desk.transactions(5);
                if smartpulse_services::postgres::script_at(port, "postgres", &script).is_ok() {
                    counted.fetch_add(5, Ordering::Relaxed);
                } else {
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        });
        Load { is_stopped, written, thread }
    }

    fn await_more(&self) {
        let before = self.written.load(Ordering::Relaxed);
        awaited("more transactions", || {
            (self.written.load(Ordering::Relaxed) >= before + TRANSACTIONS).then_some(())
        });
    }

    fn stop(self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// Rows that were written once are in history once, with nothing beside them.
fn assert_each_row_once(engine: &Engine, server: &Postgres) {
    let mut rows = 0;
    for plant in 1..=PLANTS {
        let expected = server
            .sql(&format!(
                "SELECT to_char(valid_after, 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), \
                 to_char(delivery_start, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), prediction_value::int \
                 FROM t004forecast WHERE unit_no = {plant} AND provider_key = '{ONCE}'"
            ))
            .unwrap();
        let mut expected: Vec<String> = expected.lines().map(str::to_owned).collect();
        let path = format!(
            "/api/v2.0/production-forecast/{ONCE}/PP/{plant}/forecasts/history\
             ?from=2026-03-01T00:00:00Z&to=2026-03-04T00:00:00Z"
        );
        let said = engine.client().get(&path).expect_status(200).json();
        let mut held = Vec::new();
        for revision in said["data"].as_array().unwrap() {
            assert!(
                revision["predictions"].as_array().is_some_and(|slots| slots.len() == 1),
                "{revision}"
            );
            let instant: jiff::Timestamp =
                revision["validAfter"].as_str().unwrap().parse().unwrap();
            let slot = &revision["predictions"][0];
            held.push(format!(
                "{}|{}|{}",
                instant.strftime("%Y-%m-%dT%H:%M:%S.%6f"),
                slot["ds"].as_str().unwrap(),
                slot["v"].as_f64().unwrap()
            ));
        }
        expected.sort();
        held.sort();
        rows += held.len();
        assert_eq!(held, expected, "plant {plant}");
    }
    println!("{rows} rows, each once; {}", engine.source());
}

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
    let load = Load::start(&server, seed);
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
    assert_each_row_once(&engine, &server);

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
    let load = Load::start(&server, seed + 1);
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
    let load = Load::start(&server, seed);
    awaited("connections that are cut", || (front.cuts() >= CUTS).then_some(()));
    load.await_more();
    load.stop();
    is_cut.store(false, Ordering::Relaxed);
    await_truth(&engine, &server, "postgres", &PROVIDERS);
    assert_each_row_once(&engine, &server);
    println!("{} cuts", front.cuts());
}
