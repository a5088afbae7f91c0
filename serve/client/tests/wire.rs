//! The client over real sockets, against a server that says exactly what a test wants: answers that are cut,
//! late, wrong or in pieces.
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]

#[path = "wire/reads.rs"]
mod reads;
#[path = "wire/repeats.rs"]
mod repeats;
#[path = "wire/server.rs"]
mod server;
#[path = "wire/streams.rs"]
mod streams;
