//! The read model and the doors: what the outside sees of the engine, and how it speaks to it.
//!
//! Two one-way streets. The engine *publishes* closed epochs into the [`read_model`]; the [`doors`] read
//! immutable snapshots of it without a lock. The doors send [`command`]s through a bounded queue and wait
//! for the answer, which comes when the change is durable and visible. This crate knows `operators` and
//! nothing of journals, stores or dataflows.

pub mod accept;
pub mod attached;
pub mod causes;
pub mod clock_hold;
pub mod command;
pub mod doors;
pub mod export;
mod pages;
pub mod read_model;
pub mod ring;
pub mod snapshot;
pub mod stream;
mod window;
