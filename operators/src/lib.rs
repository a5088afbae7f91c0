//! The rules of the forecast platform as pure functions and timely operators: no IO, no clock, no log.
//!
//! A forecast is a *curve*: a provider issues the average power of many slots of a unit at once. So the
//! datum here is not a point but a **series day** (`series`, `time::Day`): the slots of one series on one
//! UTC day. A save becomes [`chunk::Piece`]s, one a series day; [`gate`] decides which slots may be
//! written, [`latest`] which value wins and since when it stands ([`block`] holds that rule).
//!
//! Reading order: `quantity`, `time`, `unit`, `series`, `batch`, `change` (what comes in), `chunk` (the
//! form in which a tick reaches a worker), `block` (the rule of the winner), `gate`, `latest`.
#![warn(missing_docs)]

pub mod batch;
pub mod block;
pub mod catalog;
pub mod cause;
mod cells;
pub mod change;
pub mod chunk;
pub mod civil;
pub mod closed;
mod cover;
pub mod delta;
pub mod gate;
pub mod late;
pub mod latest;
pub mod members;
pub mod offset;
pub mod outcome;
pub mod quantity;
pub mod reference;
pub mod resample;
pub mod resolve;
pub mod series;
pub mod stretches;
#[cfg(test)]
mod testing;
pub mod time;
pub mod timeline;
pub mod total;
pub mod totals;
pub mod unit;
