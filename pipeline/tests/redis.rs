//! An engine, a real Redis and a replica, as processes: what the replica shows is at every moment what its engine
//! showed at that epoch, and after every fault it shows the newest again without anyone's hand.
#![allow(clippy::print_stdout, reason = "the figures a run prints")]
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]

#[path = "redis/attempts.rs"]
mod attempts;
#[path = "redis/begin.rs"]
mod begin;
#[path = "program/client.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod client;
#[path = "redis/cluster.rs"]
mod cluster;
#[path = "redis/faults.rs"]
mod faults;
#[path = "live/forwarder.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod forwarder;
#[path = "redis/load.rs"]
mod load;
#[path = "redis/other_language.rs"]
mod other_language;
#[path = "redis/passing_on.rs"]
mod passing_on;
#[path = "redis/patches.rs"]
mod patches;
#[path = "program/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;
#[path = "redis/same.rs"]
mod same;
#[path = "redis/stage.rs"]
mod stage;
#[path = "redis/streams.rs"]
mod streams;
