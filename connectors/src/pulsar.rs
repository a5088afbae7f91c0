//! Pulsar: forecasts in, dead letters, deltas out.
//!
//! A topic is read through a durable subscription, each partition by itself, in order. What of it is new is decided
//! by the place of a message (ledger, entry, place in the entry), never by what the broker believes to have
//! delivered: after a fault it delivers again what was acknowledged ([`reader`](PulsarReader)). A message that
//! cannot be used goes to a dead-letter topic with why, whole, so that it can be sent again ([`DeadLetter`]).

mod client;
mod error;
mod letter;
mod newest;
mod reader;
mod resend;
mod settings;
mod shard;
mod shards;
mod sink;

pub use client::{PulsarClient, connect, partitions};
pub use error::PulsarFault;
pub use letter::{DeadLetter, DeadLetters, Why};
pub use reader::{PulsarReader, Reached, Read, Received, TopicEnd};
pub use resend::{Resending, Resent, resend};
pub use settings::{PulsarDeltas, PulsarMode, PulsarSettings, PulsarTopic};
pub use sink::{DeltaMessage, PulsarCoding, PulsarSent, PulsarSink, Resume};
