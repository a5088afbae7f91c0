//! The delta ring: past epochs, each with its snapshot and what it touched, for readers that come back
//! with the number of an epoch and for subscribers that are behind.
//!
//! No delta is stored. Snapshots share what they have in common, so two of them and the names of what was
//! touched between them give every delta, folded over as many epochs as a reader is behind.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use smartpulse_operators::batch::{Epoch, Sequence};
use smartpulse_operators::cause::Cause;
use smartpulse_operators::series::{Series, SeriesId};
use smartpulse_operators::time::{Day, Instant};
use smartpulse_operators::total::Total;
use smartpulse_operators::totals::TotalKey;
use smartpulse_operators::unit::Unit;

use crate::snapshot::Snapshot;

/// Most epochs that are kept: the root of a snapshot costs a few kilobytes whatever it touched.
const EPOCHS: usize = 4_096;
/// Epochs that are kept whatever their age, as far as the bytes allow: the clock of a replay jumps by days.
const FRESH_EPOCHS: usize = 64;
/// What the paths to a touched block cost beside the block: copies of a page and a branch, often shared.
const PATH_BYTES: usize = 1_024;

/// How much the ring keeps.
#[derive(Clone, Copy, Debug)]
pub struct RingBounds {
    /// Bytes that past epochs keep from being freed.
    pub bytes: usize,
    /// Microseconds of the clock.
    pub age: i64,
}

impl Default for RingBounds {
    /// 32 MiB and a quarter of an hour: some 20,000 curves, so that a subscriber outlives a restart.
    fn default() -> RingBounds {
        RingBounds { bytes: 32 << 20, age: 15 * 60_000_000 }
    }
}

/// An epoch: what it shows and what it touched.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) touched: Touched,
}

/// The way from one epoch to another: where it begins, and each epoch after that.
pub(crate) type Way = (Arc<Snapshot>, Vec<Arc<Turn>>);

/// What an epoch may have changed; nothing else did change.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// Days of series, by unit, kind, provider and day.
    pub(crate) days: Vec<TouchedDay>,
    /// Days of totals, ascending.
    pub(crate) totals: Vec<TotalKey>,
    /// Totals whose members changed, ascending.
    pub(crate) members: Vec<Total>,
    /// Series that were named for the first time.
    pub(crate) named: Vec<(SeriesId, Arc<Series>)>,
    /// Units whose master data changed or began to hold, ascending.
    pub(crate) units: Vec<Unit>,
    /// Statements of membership and master data.
    pub(crate) stated: Vec<Cause>,
    /// Batches that were withdrawn, and when.
    pub(crate) withdrawn: Vec<(Sequence, Instant)>,
}

/// A touched day of a series, with what touched it.
#[derive(Debug)]
pub(crate) struct TouchedDay {
    pub(crate) id: SeriesId,
    pub(crate) series: Arc<Series>,
    pub(crate) day: Day,
    pub(crate) causes: Vec<Cause>,
}

impl Touched {
    /// The touched days of `unit`.
    pub(crate) fn days_of(&self, unit: Unit) -> &[TouchedDay] {
        let from = self.days.partition_point(|touched| touched.series.unit < unit);
        let count = self.days[from..].partition_point(|touched| touched.series.unit == unit);
        &self.days[from..from + count]
    }

    /// The touched days of `total`.
    pub(crate) fn days_of_total(&self, total: &Total) -> &[TotalKey] {
        let from = self.totals.partition_point(|key| key.total < *total);
        let count = self.totals[from..].partition_point(|key| key.total == *total);
        &self.totals[from..from + count]
    }
}

/// The newest epochs, without a gap.
#[derive(Debug)]
pub(crate) struct Ring {
    bounds: RingBounds,
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    turns: VecDeque<(Arc<Turn>, usize)>,
    bytes: usize,
}

impl Ring {
    pub(crate) fn new(bounds: RingBounds) -> Ring {
        Ring { bounds, kept: RwLock::default() }
    }

    /// Keeps the newest epoch, whose blocks have that many bytes, and lets old ones go.
    pub(crate) fn keep(&self, turn: Turn, block_bytes: usize) {
        let touched = turn.touched.days.len() + turn.touched.totals.len();
        let bytes = block_bytes + touched * PATH_BYTES;
        let clock = turn.snapshot.clock;
        // What is let go is freed after the readers have been let in again.
        let mut let_go = Vec::new();
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += bytes;
        kept.turns.push_back((Arc::new(turn), bytes));
        while kept.turns.len() > 1 && self.is_beyond(&kept, clock.0) {
            if let Some((turn, bytes)) = kept.turns.pop_front() {
                kept.bytes -= bytes;
                let_go.push(turn);
            }
        }
        drop(kept);
    }

    fn is_beyond(&self, kept: &Kept, clock: i64) -> bool {
        let oldest = kept.turns.front().map_or(clock, |(turn, _)| turn.snapshot.clock.0);
        let is_old = clock.saturating_sub(oldest) > self.bounds.age;
        kept.bytes > self.bounds.bytes
            || kept.turns.len() > EPOCHS
            || (is_old && kept.turns.len() > FRESH_EPOCHS)
    }

    /// The snapshot of that epoch.
    pub(crate) fn at(&self, epoch: Epoch) -> Option<Arc<Snapshot>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.place(epoch).map(|place| Arc::clone(&kept.turns[place].0.snapshot))
    }

    /// The snapshot of `after` and the epochs from there up to `upto`, oldest first; none where one of them
    /// is no longer kept.
    pub(crate) fn between(&self, after: Epoch, upto: Epoch) -> Option<Way> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let (from, to) = (kept.place(after)?, kept.place(upto)?);
        let turns = kept.turns.iter().take(to + 1).skip(from + 1);
        let before = Arc::clone(&kept.turns[from].0.snapshot);
        Some((before, turns.map(|(turn, _)| Arc::clone(turn)).collect()))
    }

    /// The first epoch after `after`, which is kept too.
    pub(crate) fn next_after(&self, after: Epoch) -> Option<Epoch> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.turns.get(kept.place(after)? + 1).map(|(turn, _)| turn.snapshot.epoch)
    }

    /// Epochs and bytes that are kept, and the oldest epoch.
    pub(crate) fn size(&self) -> (usize, usize, Epoch) {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let oldest = kept.turns.front().map_or(Epoch(0), |(turn, _)| turn.snapshot.epoch);
        (kept.turns.len(), kept.bytes, oldest)
    }
}

impl Kept {
    fn place(&self, epoch: Epoch) -> Option<usize> {
        self.turns.binary_search_by_key(&epoch, |(turn, _)| turn.snapshot.epoch).ok()
    }
}
