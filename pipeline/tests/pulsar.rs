//! An engine and a real Pulsar: what is sent is taken in once, in order, whatever is killed, stopped or lost on the
//! way; what cannot be used becomes a dead letter that can be sent again.
#![allow(clippy::print_stdout, reason = "the figures a run prints")]
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]

#[path = "program/client.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod client;
#[path = "pulsar/cutting.rs"]
mod cutting;
#[path = "pulsar/deltas.rs"]
mod deltas;
#[path = "pulsar/faults.rs"]
mod faults;
#[path = "live/forwarder.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod forwarder;
#[path = "pulsar/letters.rs"]
mod letters;
#[path = "redis/load.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod load;
#[path = "pulsar/post.rs"]
mod post;
#[path = "program/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;
#[path = "program/small_disk.rs"]
mod small_disk;
#[path = "pulsar/stage.rs"]
mod stage;
#[path = "pulsar/taking_in.rs"]
mod taking_in;
