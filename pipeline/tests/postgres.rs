//! An engine and a real Postgres: tables are read as they are and followed by the log, whole transactions at once,
//! whatever is killed, stopped or changed on the way.
#![allow(clippy::print_stdout, reason = "the figures a run prints")]
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]

#[path = "postgres/beginning.rs"]
mod beginning;
#[path = "program/client.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod client;
#[path = "postgres/faults.rs"]
mod faults;
#[path = "postgres/following.rs"]
mod following;
#[path = "live/forwarder.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod forwarder;
#[path = "postgres/load.rs"]
mod load;
#[path = "program/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;
#[path = "postgres/random.rs"]
mod random;
#[path = "postgres/rights.rs"]
mod rights;
#[path = "postgres/rows.rs"]
mod rows;
#[path = "postgres/stage.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod stage;
#[path = "postgres/tables.rs"]
mod tables;
