//! Systems that the service is attached to: how each link stands, for status, health and metrics. A link that is
//! down is shown and tried again; it stops nothing else.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Value, json};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::time::Instant;

use crate::snapshot::Snapshot;

/// Which way a link goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Views go out.
    Sink,
    /// Views come in: the service is a replica.
    Feed,
    /// Changes come in.
    Source,
}

/// How a link stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not been reached yet.
    Starting,
    /// Everything is being written or read.
    Filling,
    /// What changes goes over it.
    Following,
    /// It does not do what it is for; why.
    Degraded(String),
}

/// What a link says of itself.
#[derive(Clone, Debug)]
pub struct State {
    /// How it stands.
    pub standing: Standing,
    /// The newest epoch that went over it.
    pub epoch: Epoch,
    /// The clock of that epoch.
    pub clock: Instant,
    /// What was counted since the start, by name.
    pub counts: Vec<(&'static str, u64)>,
    /// Seconds that it is behind, of a source.
    pub lag_seconds: Option<f64>,
}

/// A link to another system.
#[derive(Debug)]
pub struct Attached {
    /// Which way it goes.
    pub direction: Direction,
    /// What the other system is.
    pub kind: &'static str,
    /// Its name in the configuration.
    pub name: String,
    state: ArcSwap<State>,
}

impl Attached {
    /// A link that has not been reached yet.
    #[must_use]
    pub fn new(direction: Direction, kind: &'static str, name: &str) -> Arc<Attached> {
        let state = State {
            standing: Standing::Starting,
            epoch: Epoch(0),
            clock: Instant::MIN,
            counts: Vec::new(),
            lag_seconds: None,
        };
        let (name, state) = (name.to_owned(), ArcSwap::from_pointee(state));
        Arc::new(Attached { direction, kind, name, state })
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Says how it stands.
    pub fn stands(&self, standing: Standing) {
        let state = State { standing, ..State::clone(&self.state.load()) };
        self.state.store(Arc::new(state));
    }

    /// Says that an epoch went over it, and what was counted.
    pub fn went(&self, epoch: Epoch, clock: Instant, counts: Vec<(&'static str, u64)>) {
        let (standing, lag_seconds) = (Standing::Following, None);
        self.state.store(Arc::new(State { standing, epoch, clock, counts, lag_seconds }));
    }

    /// Says how a source stands: the newest epoch that what it gave may be in, how many seconds it is behind, and
    /// what was counted.
    pub fn reads(
        &self,
        standing: Standing,
        (epoch, clock): (Epoch, Instant),
        lag_seconds: f64,
        counts: Vec<(&'static str, u64)>,
    ) {
        let lag_seconds = Some(lag_seconds);
        self.state.store(Arc::new(State { standing, epoch, clock, counts, lag_seconds }));
    }

    /// Why it does not do what it is for.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        match &self.state.load().standing {
            Standing::Degraded(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    /// Epochs that it is behind; a source is behind what it reads, not behind an epoch.
    pub(crate) fn lag_epochs(&self, newest: &Snapshot) -> u64 {
        if self.direction == Direction::Source {
            return 0;
        }
        newest.epoch.0.saturating_sub(self.state.load().epoch.0)
    }

    /// Seconds that it is behind.
    pub(crate) fn lag_seconds(&self, newest: &Snapshot) -> f64 {
        let state = self.state.load();
        match state.lag_seconds {
            Some(seconds) => seconds,
            None if self.lag_epochs(newest) == 0 => 0.0,
            None => newest.clock.0.saturating_sub(state.clock.0.max(0)).max(0) as f64 / 1e6,
        }
    }

    pub(crate) fn told(&self, newest: &Snapshot) -> Value {
        let state = self.state.load();
        let word = match &state.standing {
            Standing::Starting => "starting",
            Standing::Filling => "filling",
            Standing::Following => "following",
            Standing::Degraded(_) => "degraded",
        };
        let lag_epochs = self.lag_epochs(newest);
        let lag_seconds = self.lag_seconds(newest);
        let counts: serde_json::Map<String, Value> =
            state.counts.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
        json!({
            "name": self.name, "kind": self.kind, "state": word, "reason": self.trouble(),
            "epoch": state.epoch.0, "lagEpochs": lag_epochs, "lagSeconds": lag_seconds,
            "counts": counts,
        })
    }
}
