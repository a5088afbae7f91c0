//! What readers see: one immutable snapshot per closed epoch, swapped atomically.
//!
//! Series days have dense numbers; a snapshot maps them to shared blocks in a persistent vector, so that
//! publishing an epoch copies only the paths to the days it touched. The directory from names to numbers
//! only grows and is shared by all snapshots: a number that a snapshot does not know yet reads as absent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use papaya::HashMap;
use smartpulse_operators::batch::{Epoch, Sequence};
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::closed::ClosedEpoch;
use smartpulse_operators::series::{Kind, Provider, Series, SeriesId};
use smartpulse_operators::time::Instant;
use smartpulse_operators::totals::TotalKey;
use smartpulse_operators::unit::Unit;
use tokio::sync::watch;
use uuid::Uuid;

use crate::ring::{Ring, RingBounds, Way};
use crate::snapshot::Snapshot;

mod handing_on;
mod publishing;

type FixedState = foldhash::fast::FixedState;

/// Names to numbers; only grows.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Series of a unit.
    pub(crate) by_unit: HashMap<Unit, Vec<(SeriesId, Arc<Series>)>, FixedState>,
    pub(crate) by_id: HashMap<SeriesId, Arc<Series>, FixedState>,
    /// Kinds and providers of which there are series.
    pub(crate) voices: HashMap<(Kind, Provider), (), FixedState>,
    /// The clock of the epoch that first named a series.
    pub(crate) since: HashMap<SeriesId, Instant, FixedState>,
    pub(crate) days: HashMap<SeriesDay, u32, FixedState>,
    pub(crate) total_days: HashMap<TotalKey, u32, FixedState>,
    /// The epoch that withdrew a batch, and when that was.
    pub(crate) withdrawn: HashMap<Sequence, (Epoch, Instant), FixedState>,
}

/// The read model: readers ask it for the newest snapshot, the engine publishes into it.
#[derive(Debug)]
pub struct ReadModel {
    incarnation: OnceLock<Uuid>,
    newest: ArcSwap<Snapshot>,
    ring: Ring,
    directory: Arc<Directory>,
    closed: watch::Sender<Epoch>,
    ready: ArcSwap<Result<(), String>>,
    clock_goes_on: AtomicBool,
}

impl ReadModel {
    /// An empty model, not ready because of `reason`; a replica hears later whose views they are.
    #[must_use]
    pub fn new(incarnation: Option<Uuid>, reason: &str, ring: RingBounds) -> ReadModel {
        let directory = Arc::new(Directory::default());
        let empty = Snapshot::empty(Arc::clone(&directory));
        let model = ReadModel {
            incarnation: OnceLock::new(),
            newest: ArcSwap::from_pointee(empty),
            ring: Ring::new(ring),
            directory,
            closed: watch::Sender::new(Epoch(0)),
            ready: ArcSwap::from_pointee(Err(reason.to_owned())),
            clock_goes_on: AtomicBool::new(true),
        };
        if let Some(incarnation) = incarnation {
            model.belongs_to(incarnation);
        }
        model
    }

    /// What is made with the data folder, part of the token of streams; nil as long as it is not known.
    #[must_use]
    pub fn incarnation(&self) -> Uuid {
        self.incarnation.get().copied().unwrap_or_default()
    }

    /// Whether the clock goes on with the wall clock between epochs. Where it does not (a replay), a change may
    /// carry an instant long past, so `Last-Modified` must wait for the clock of the views itself.
    #[must_use]
    pub fn clock_goes_on(&self) -> bool {
        self.clock_goes_on.load(Ordering::Relaxed)
    }

    /// Says whether it does.
    pub fn let_clock_go_on(&self, goes_on: bool) {
        self.clock_goes_on.store(goes_on, Ordering::Relaxed);
    }

    /// Says whose views these are, once.
    pub fn belongs_to(&self, incarnation: Uuid) {
        self.incarnation.get_or_init(|| incarnation);
    }

    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.newest.load_full()
    }

    /// The epoch of the newest snapshot.
    #[must_use]
    pub fn newest_epoch(&self) -> Epoch {
        self.newest.load().epoch
    }

    /// The snapshot of exactly that epoch, while it is retained.
    #[must_use]
    pub fn at(&self, epoch: Epoch) -> Option<Arc<Snapshot>> {
        self.ring.at(epoch)
    }

    /// The snapshot of `after` and the epochs from there up to `upto`, while all of them are retained.
    pub(crate) fn between(&self, after: Epoch, upto: Epoch) -> Option<Way> {
        self.ring.between(after, upto)
    }

    /// The first epoch after `after`, while that is retained.
    pub(crate) fn next_after(&self, after: Epoch) -> Option<Epoch> {
        self.ring.next_after(after)
    }

    /// Epochs and bytes that are retained, and the oldest of them.
    pub(crate) fn retained(&self) -> (usize, usize, Epoch) {
        self.ring.size()
    }

    /// Hears of each epoch that closes.
    pub fn closings(&self) -> watch::Receiver<Epoch> {
        self.closed.subscribe()
    }

    /// Makes a closed epoch visible. Called by one thread only, in the order of epochs.
    pub fn publish(&self, closed: ClosedEpoch) {
        let (turn, bytes) = publishing::turn(&self.directory, &self.newest.load(), closed);
        let next = Arc::clone(&turn.snapshot);
        let epoch = next.epoch;
        self.ring.keep(turn, bytes);
        self.newest.store(next);
        self.closed.send_replace(epoch);
    }

    /// The first snapshot that shows `epoch`, or none when it has not closed within `limit`.
    pub async fn at_least(&self, epoch: Epoch, limit: Duration) -> Option<Arc<Snapshot>> {
        let mut closed = self.closed.subscribe();
        let reached = closed.wait_for(|newest| *newest >= epoch);
        tokio::time::timeout(limit, reached).await.ok()?.ok()?;
        Some(self.snapshot())
    }

    /// Whether the service is ready, else why not.
    #[must_use]
    pub fn ready(&self) -> Arc<Result<(), String>> {
        self.ready.load_full()
    }

    /// Says whether the service is ready.
    pub fn set_ready(&self, ready: Result<(), String>) {
        self.ready.store(Arc::new(ready));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smartpulse_operators::block::DayBlock;
    use smartpulse_operators::closed::Figures;
    use smartpulse_operators::series::Series;
    use smartpulse_operators::time::{Day, Period};
    use smartpulse_operators::unit::UnitType;

    #[test]
    fn a_snapshot_shows_nothing_that_came_after_it() {
        let model = ReadModel::new(Some(Uuid::nil()), "test", RingBounds::default());
        let unit = Unit { unit_type: UnitType::PowerPlant, unit_no: 1 };
        let provider = Provider::parse("P").unwrap();
        let block = || DayBlock::empty(24);
        let mut earlier = model.snapshot();
        for (epoch, minutes) in [(1, 60), (2, 30)] {
            let period = Period::new(minutes).unwrap();
            let series = Series { kind: Kind::Forecast, unit, provider: provider.clone(), period };
            let id = SeriesId(epoch as u32 - 1);
            model.publish(ClosedEpoch {
                epoch: Epoch(epoch),
                clock: Instant(epoch as i64),
                new_series: vec![(id, Arc::new(series))],
                blocks: vec![((SeriesId(0), Day(0)), block()), ((id, Day(1)), block())],
                causes: Vec::new(),
                stated: Vec::new(),
                totals: Vec::new(),
                reference: None,
                withdrawn: vec![(Sequence(epoch), Instant(epoch as i64))],
                figures: Figures { batches: 10 * epoch, ..Figures::default() },
            });
            if epoch == 1 {
                assert_eq!(model.snapshot().changed(SeriesId(0), Day(0)), Some(Instant(1)));
                earlier = model.snapshot();
            }
        }
        let newest = model.snapshot();
        let periods = |snapshot: &Snapshot| -> Vec<u16> {
            let series = snapshot.series_of(unit, Kind::Forecast, &provider);
            series.iter().map(|(_, series)| series.period.minutes()).collect()
        };
        assert_eq!(periods(&newest), [30, 60]);
        assert_eq!(newest.changed(SeriesId(0), Day(0)), Some(Instant(2)));
        assert_eq!(newest.changed(SeriesId(0), Day(1)), Some(Instant(1)));
        assert_eq!(periods(&earlier), [60]);
        assert!(earlier.block(SeriesId(1), Day(1)).is_none());
        for (snapshot, epochs) in [(&earlier, 1), (&newest, 2)] {
            let all = snapshot.all_series().into_iter();
            let minutes: Vec<u16> = all.map(|series| series.period.minutes()).collect();
            assert_eq!(minutes, &[60, 30][..epochs]);
            let withdrawn: Vec<Sequence> = snapshot.all_withdrawn().into_keys().collect();
            assert_eq!(withdrawn, &[Sequence(1), Sequence(2)][..epochs]);
            assert_eq!(snapshot.newest_batch(), Sequence(10 * epochs as u64));
        }
    }
}
