//! Somebody who writes while faults happen, and what must be there afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use smartpulse_services::Postgres;

use super::random::{Desk, ONCE, PLANTS};
use super::stage::{Engine, awaited};

/// Transactions between two faults.
const TRANSACTIONS: u32 = 40;

/// Somebody who writes all the time, as far as the server takes it.
pub(crate) struct Load {
    is_stopped: Arc<AtomicBool>,
    written: Arc<AtomicU32>,
    thread: JoinHandle<()>,
}

impl Load {
    pub(crate) fn start(server: &Postgres, database: &str, seed: u64) -> Load {
        let (is_stopped, written) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let (stopped, counted) = (Arc::clone(&is_stopped), Arc::clone(&written));
        let (port, database) = (server.port(), database.to_owned());
        let mut desk = Desk::new(seed, seed % 1_000);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let script = desk.transactions(5);
                if smartpulse_services::postgres::script_at(port, &database, &script).is_ok() {
                    counted.fetch_add(5, Ordering::Relaxed);
                } else {
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        });
        Load { is_stopped, written, thread }
    }

    pub(crate) fn await_more(&self) {
        let before = self.written.load(Ordering::Relaxed);
        awaited("more transactions", || {
            (self.written.load(Ordering::Relaxed) >= before + TRANSACTIONS).then_some(())
        });
    }

    pub(crate) fn stop(self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// Rows that were written once are in history once, with nothing beside them.
pub(crate) fn assert_each_row_once(engine: &Engine, server: &Postgres, database: &str) {
    let mut rows = 0;
    for plant in 1..=PLANTS {
        let expected = server
            .script(
                database,
                &format!(
                    "SELECT to_char(valid_after, 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), \
                 to_char(delivery_start, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), prediction_value::int \
                 FROM t004forecast WHERE unit_no = {plant} AND provider_key = '{ONCE}'"
                ),
            )
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
        assert_eq!(held, expected, "plant {plant}; {}", engine.words());
    }
    println!("{rows} rows, each once; {}", engine.source());
}
