//! A real Debezium that reads a real Postgres and writes to a real Pulsar, and an engine that reads it there: what the
//! tables hold is shown, whole transactions at once, whatever is killed on the way.
#![allow(clippy::print_stdout, reason = "the figures a run prints")]
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]

#[path = "debezium/chain.rs"]
mod chain;
#[path = "program/client.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod client;
#[path = "pulsar/cutting.rs"]
mod cutting;
#[path = "debezium/faults.rs"]
mod faults;
#[path = "debezium/following.rs"]
mod following;
#[path = "live/forwarder.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod forwarder;
#[path = "debezium/letters.rs"]
mod letters;
#[path = "postgres/load.rs"]
mod load;
#[path = "program/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;
#[path = "postgres/random.rs"]
mod random;
#[path = "debezium/reading.rs"]
mod reading;
#[path = "postgres/rows.rs"]
mod rows;
#[path = "postgres/stage.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod stage;
#[path = "debezium/ways.rs"]
mod ways;
