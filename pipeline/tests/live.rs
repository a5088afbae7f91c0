//! The whole of it over real sockets: the program as a process, its doors, its streams, and the client of
//! `serve/client`.
//!
//! What streams, reads and saves say of each other is held together here: sums and their parts, streams that
//! are cut and streams that are not, answers from the cache and what was acknowledged. Nothing asserts a
//! time: a wait that is too long only fails what hangs.
#![allow(clippy::print_stdout, reason = "the figures a run prints")]
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]

#[path = "program/client.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod client;
#[path = "live/cohort.rs"]
mod cohort;
#[path = "live/crowd.rs"]
mod crowd;
#[path = "live/cuts.rs"]
mod cuts;
#[path = "live/forwarder.rs"]
mod forwarder;
#[path = "live/ledger.rs"]
mod ledger;
#[path = "program/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;
#[path = "live/rest.rs"]
mod rest;
#[path = "live/resync.rs"]
mod resync;
#[path = "live/scene.rs"]
mod scene;
#[path = "live/seed.rs"]
mod seed;
#[path = "live/stale.rs"]
mod stale;
#[path = "live/steady.rs"]
mod steady;
#[path = "live/totals.rs"]
mod totals;
#[path = "live/writer.rs"]
mod writer;
