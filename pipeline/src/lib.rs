//! The one crate that knows all: the graph, ticks, the journal, the stores, and what starts and stops them.
//!
//! The life of a change: [`ingest`] gives it its place and puts it into a tick; [`journal`] makes the tick
//! durable; [`engine`] hands it to the workers with the history it needs, and when it has closed publishes
//! it, hands it to [`history`] and answers the caller.

pub mod check;
pub mod cli;
pub mod config;
pub mod engine;
pub mod export;
pub mod failpoint;
pub mod folder;
pub mod graph;
pub mod hashes;
pub mod history;
pub mod ingest;
pub mod journal;
mod lookup;
mod outputs;
pub mod picture;
pub mod recovery;
pub mod replay;
pub mod replica;
pub mod rollup;
pub mod service;
pub mod sinks;
pub mod snapshot;
pub mod sources;
pub mod tally;
pub mod worker;
