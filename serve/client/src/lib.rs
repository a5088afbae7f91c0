//! A client of smartPulse: it saves, reads and follows, over the doors that everybody has.
//!
//! * [`Client`] makes requests. A change carries an `Idempotency-Key` that stays the same while it is
//!   repeated, so a lost answer never saves twice; what is repeated, and when, is decided in one function,
//!   [`BackOff::retry`]. Reads keep answers by their `ETag` and say so when the server confirms one.
//! * [`Follower`] follows a [`Subscription`] and yields whole epochs ([`Update`]). It reconnects by itself
//!   and resumes behind the last epoch that came whole; what came of a cut one is thrown away.
//! * [`Rows`] folds updates into the rows they lead to, and refuses a delta that does not fit.
//!
//! ```no_run
//! use smartpulse_client::{
//!     Client, Entry, Error, Prediction, Rows, Save, Subscription, Unit, View,
//! };
//!
//! # async fn example() -> Result<(), Error> {
//! let client = Client::new("http://127.0.0.1:8080")?;
//! let curve = Entry::new(60, vec![Prediction::new("2026-11-25T00:00:00Z", Some(12.5))]);
//! let saved = client.save(&Save::forecasts(Unit::plant(7), "UserForecast", vec![curve])).await?;
//! println!("visible from epoch {} on", saved.epoch);
//!
//! let mut follower = client.follow(Subscription::to(View::Latest).unit(Unit::plant(7)));
//! let mut rows = Rows::new();
//! loop {
//!     rows.apply(&follower.next().await?).expect("nothing was lost on the way");
//!     println!("epoch {:?}: {} rows", rows.epoch(), rows.len());
//! }
//! # }
//! ```
//!
//! Connections are plain HTTP/1.1: the service listens on the loopback, and a proxy in front of it would
//! end TLS. Nothing here starts a task: a connection lives in the future that uses it. The crate knows
//! none of the others of this workspace.

mod answer;
mod base;
mod cache;
mod call;
mod canonical;
mod client;
mod error;
mod follower;
mod group;
mod line;
mod lines;
mod options;
mod retry;
mod rows;
mod save;
pub mod sse;
mod subscription;
mod unit;
mod update;

pub use answer::{Answer, Read, Refusal};
pub use call::Call;
pub use client::Client;
pub use error::Error;
pub use follower::Follower;
pub use group::GroupFault;
pub use options::Options;
pub use retry::{BackOff, Happened, Retry};
pub use rows::{Rows, RowsFault};
pub use save::{Entry, Prediction, Save, SaveEntry, Saved, SlotErrors, Withdrawn};
pub use subscription::Subscription;
pub use unit::{Unit, UnitType};
pub use update::{Cause, CauseKind, Delta, Key, Row, Token, Update, View};
