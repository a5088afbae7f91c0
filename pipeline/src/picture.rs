//! The picture of a folder at a reference instant and a state of knowledge: every series day folded from
//! history. Exports, hashes and `check` all read this one.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartpulse_connectors::LatestRow;
use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::block::DayState;
use smartpulse_operators::quantity::{NULL, Quantity};
use smartpulse_operators::series::{Kind, Series, SeriesId};
use smartpulse_operators::time::{Day, Instant};

use crate::engine::Base;
use crate::history::codec::StoredRevision;
use crate::history::{History, HistoryError};

/// Which versions count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// The reference: versions from later do not count.
    pub valid_at: Instant,
    /// What had been recorded by then, withdrawals too; none: everything.
    pub known_at: Option<Instant>,
}

impl AsOf {
    /// The instants asked for, completed: a `known_at` later than `clock` means the clock, and without a
    /// reference it is the reference; with neither, the reference is the clock.
    #[must_use]
    pub fn new(valid_at: Option<Instant>, known_at: Option<Instant>, clock: Instant) -> AsOf {
        let known_at = known_at.map(|known_at| known_at.min(clock));
        AsOf { valid_at: valid_at.or(known_at).unwrap_or(clock), known_at }
    }
}

/// Which part of a folder is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Slots that start from here on.
    pub from: Option<Instant>,
    /// Slots that start before.
    pub to: Option<Instant>,
    /// Only this provider.
    pub provider: Option<String>,
}

impl Selection {
    fn days(&self) -> std::ops::Range<Day> {
        let start = self.from.map_or(Day(i32::MIN), Instant::day);
        // The day that holds the last wanted slot; `to` itself is outside.
        let end = self.to.map_or(Day(i32::MAX), |to| Day(Instant(to.0 - 1).day().0 + 1));
        start..end
    }

    fn holds(&self, start: Instant) -> bool {
        self.from.is_none_or(|from| from <= start) && self.to.is_none_or(|to| start < to)
    }

    fn wants(&self, series: &Series) -> bool {
        self.provider.as_ref().is_none_or(|provider| provider == series.provider.key())
    }
}

/// A folder's history with what it takes to read it.
pub struct Picture<'f> {
    /// The state beside the series days.
    pub base: &'f Base,
    /// The history store, with everything written up to the base's epoch, and maybe more.
    pub history: &'f History,
}

/// A series with its revisions of a day.
type WithRevisions = (Arc<Series>, Vec<StoredRevision>);

/// The series days of one kind and UTC day, in order of unit, provider and period.
pub struct DayPicture<T> {
    /// Forecast or actual.
    pub kind: Kind,
    /// The day.
    pub day: Day,
    /// Each series with its content.
    pub series: Vec<(Arc<Series>, T)>,
}

impl Picture<'_> {
    /// Visits the winners of every selected (kind, day), days ascending, actuals before forecasts.
    ///
    /// # Errors
    /// [`HistoryError`], and what `visit` returns.
    pub fn for_each_day<E: From<HistoryError>>(
        &self,
        as_of: AsOf,
        selection: &Selection,
        mut visit: impl FnMut(DayPicture<DayState>) -> Result<(), E>,
    ) -> Result<(), E> {
        let counts = |stored: &StoredRevision| {
            let batch = &stored.revision.batch;
            batch.valid_after <= as_of.valid_at
                && as_of.known_at.is_none_or(|known_at| batch.recorded <= known_at)
                && !self.is_withdrawn(batch.sequence, as_of.known_at)
        };
        self.for_each_day_of_revisions(selection, |day| {
            let fold = |(series, revisions): (Arc<Series>, Vec<StoredRevision>)| {
                let counting = revisions.iter().filter(|stored| counts(stored));
                let slots = series.period.slots();
                let state = DayState::fold(slots, counting.map(|stored| &stored.revision));
                (series, state)
            };
            let DayPicture { kind, day, series } = day;
            visit(DayPicture { kind, day, series: series.into_iter().map(fold).collect() })
        })
    }

    /// Visits every revision of every selected (kind, day), in the same order.
    ///
    /// # Errors
    /// [`HistoryError`], and what `visit` returns.
    pub fn for_each_day_of_revisions<E: From<HistoryError>>(
        &self,
        selection: &Selection,
        mut visit: impl FnMut(DayPicture<Vec<StoredRevision>>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut day_open: Option<Day> = None;
        let mut kinds: BTreeMap<Kind, Vec<WithRevisions>> = BTreeMap::new();
        let mut close = |day: Day, kinds: &mut BTreeMap<Kind, Vec<_>>| -> Result<(), E> {
            for (kind, mut series) in std::mem::take(kinds) {
                series.sort_by(|(one, _): &WithRevisions, (other, _)| one.cmp(other));
                visit(DayPicture { kind, day, series })?;
            }
            Ok(())
        };
        self.history.for_each_day::<E>(selection.days(), |(series, day), mut revisions| {
            revisions.retain(|stored| self.is_shown(&stored.revision.batch));
            if revisions.is_empty() {
                return Ok(());
            }
            if let Some(done) = day_open.filter(|open| *open != day) {
                close(done, &mut kinds)?;
            }
            day_open = Some(day);
            let series = self.series(series);
            if selection.wants(&series) {
                kinds.entry(series.kind).or_default().push((series, revisions));
            }
            Ok(())
        })?;
        day_open.map_or(Ok(()), |day| close(day, &mut kinds))
    }

    /// Visits the rows of the `latest` view: slots whose winner is a value.
    ///
    /// # Errors
    /// [`HistoryError`], and what `visit` returns.
    pub fn for_each_latest<E: From<HistoryError>>(
        &self,
        as_of: AsOf,
        selection: &Selection,
        mut visit: impl FnMut(Kind, Day, LatestRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_day(as_of, selection, |picture: DayPicture<DayState>| {
            for (series, state) in &picture.series {
                for (slot, value) in
                    state.values.iter().enumerate().filter(|(_, value)| **value != NULL)
                {
                    let delivery_start = picture.day.slot_start(series.period, slot);
                    if selection.holds(delivery_start) {
                        let batch = &state.batches[usize::from(state.shown[slot]) - 1];
                        let value = Quantity(*value);
                        visit(
                            picture.kind,
                            picture.day,
                            LatestRow { series, delivery_start, value, batch },
                        )?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Whether a slot start lies in the selection.
    #[must_use]
    pub fn holds(selection: &Selection, start: Instant) -> bool {
        selection.holds(start)
    }

    /// Whether a batch had been accepted at the epoch of the base: the store of a running service is ahead.
    #[must_use]
    pub fn is_shown(&self, batch: &Batch) -> bool {
        batch.sequence <= self.base.sequence
    }

    /// When a batch was withdrawn, if it was.
    #[must_use]
    pub fn withdrawn_at(&self, sequence: Sequence) -> Option<Instant> {
        self.base.withdrawn.get(&sequence).copied()
    }

    fn is_withdrawn(&self, sequence: Sequence, known_at: Option<Instant>) -> bool {
        let withdrawn = self.base.withdrawn.get(&sequence);
        withdrawn.is_some_and(|instant| known_at.is_none_or(|known_at| *instant <= known_at))
    }

    fn series(&self, id: SeriesId) -> Arc<Series> {
        Arc::clone(&self.base.series[id.0 as usize])
    }
}
