//! All views at one epoch, as readers see them: immutable, and sharing with the epochs before and after all
//! that did not change.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartpulse_operators::batch::{Epoch, Sequence};
use smartpulse_operators::block::DayBlock;
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::closed::Figures;
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::{Kind, Provider, Series, SeriesId};
use smartpulse_operators::time::{Day, Instant};
use smartpulse_operators::timeline::Timeline;
use smartpulse_operators::total::Total;
use smartpulse_operators::totals::TotalKey;
use smartpulse_operators::totals::sums::{DaySums, TotalDay};
use smartpulse_operators::unit::Unit;

use crate::pages::Pages;
use crate::read_model::Directory;

/// All views at one epoch.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The epoch.
    pub epoch: Epoch,
    /// The clock.
    pub clock: Instant,
    /// Statements on units.
    pub reference: Arc<Reference>,
    /// Figures of the engine.
    pub figures: Arc<Figures>,
    /// Number of series named so far.
    pub(crate) series: u32,
    pub(crate) blocks: Pages<Published>,
    pub(crate) sums: Pages<PublishedSums>,
    pub(crate) timelines: Arc<BTreeMap<Total, (Arc<Timeline>, Epoch)>>,
    /// When the next version of master data begins to hold.
    pub(crate) units_due: Instant,
    pub(crate) directory: Arc<Directory>,
}

/// A block with the epoch that published it, and its clock.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) block: Arc<DayBlock>,
    pub(crate) epoch: Epoch,
    pub(crate) changed: Instant,
}

/// The sums of a day with the epoch that published them; none where no plant is present any more.
#[derive(Clone, Debug)]
pub(crate) struct PublishedSums {
    pub(crate) sums: Option<Arc<DaySums>>,
    pub(crate) epoch: Epoch,
}

impl Snapshot {
    /// What there is before the first epoch.
    pub(crate) fn empty(directory: Arc<Directory>) -> Snapshot {
        Snapshot {
            epoch: Epoch(0),
            clock: Instant::MIN,
            reference: Arc::default(),
            figures: Arc::default(),
            series: 0,
            blocks: Pages::default(),
            sums: Pages::default(),
            timelines: Arc::default(),
            units_due: Instant(i64::MAX),
            directory,
        }
    }

    /// Series of `unit` of that kind and provider, one a period, by period.
    #[must_use]
    pub fn series_of(
        &self,
        unit: Unit,
        kind: Kind,
        provider: &Provider,
    ) -> Vec<(SeriesId, Arc<Series>)> {
        let by_unit = self.directory.by_unit.pin();
        let all = by_unit.get(&unit).map_or(&[][..], Vec::as_slice);
        // The directory is shared with later snapshots; what they named is not there yet at this epoch.
        let wanted = |(id, series): &&(SeriesId, Arc<Series>)| {
            id.0 < self.series && series.kind == kind && series.provider == *provider
        };
        let mut found: Vec<_> = all.iter().filter(wanted).cloned().collect();
        found.sort_by_key(|(_, series)| series.period);
        found
    }

    /// Whether anything was ever said of `unit`.
    #[must_use]
    pub fn has_series(&self, unit: Unit) -> bool {
        let by_unit = self.directory.by_unit.pin();
        by_unit.get(&unit).is_some_and(|all| all.iter().any(|(id, _)| id.0 < self.series))
    }

    /// The block of a series day at this epoch.
    #[must_use]
    pub fn block(&self, series: SeriesId, day: Day) -> Option<&Arc<DayBlock>> {
        self.published(series, day).map(|published| &published.block)
    }

    /// The clock of the epoch that last changed a series day, as of this epoch. It never goes back, whatever
    /// the change was: a withdrawal or an activation shows rows that were recorded long before.
    #[must_use]
    pub fn changed(&self, series: SeriesId, day: Day) -> Option<Instant> {
        self.published(series, day).map(|published| published.changed)
    }

    /// When a batch was withdrawn, if it was at this epoch.
    #[must_use]
    pub fn withdrawn_at(&self, sequence: Sequence) -> Option<Instant> {
        let known = self.directory.withdrawn.pin().get(&sequence).copied();
        known.filter(|(epoch, _)| *epoch <= self.epoch).map(|(_, instant)| instant)
    }

    /// The newest batch accepted by this epoch.
    #[must_use]
    pub fn newest_batch(&self) -> Sequence {
        Sequence(self.figures.batches)
    }

    /// Every series named by this epoch, in order of ids.
    #[must_use]
    pub fn all_series(&self) -> Vec<Arc<Series>> {
        self.all_series_with_ids().into_iter().map(|(_, series)| series).collect()
    }

    pub(crate) fn all_series_with_ids(&self) -> Vec<(SeriesId, Arc<Series>)> {
        let by_unit = self.directory.by_unit.pin();
        let mut all: Vec<_> = by_unit.values().flatten().cloned().collect();
        all.retain(|(id, _)| id.0 < self.series);
        all.sort_by_key(|(id, _)| *id);
        all
    }

    /// Every batch withdrawn by this epoch, and when.
    #[must_use]
    pub fn all_withdrawn(&self) -> BTreeMap<Sequence, Instant> {
        let withdrawn = self.directory.withdrawn.pin();
        let by_now = withdrawn.iter().filter(|(_, (epoch, _))| *epoch <= self.epoch);
        by_now.map(|(sequence, (_, instant))| (*sequence, *instant)).collect()
    }

    /// The clock of the epoch that first named a series.
    #[must_use]
    pub fn named(&self, series: SeriesId) -> Option<Instant> {
        self.directory.since.pin().get(&series).copied()
    }

    /// Every series of `unit`, in order of ids.
    pub(crate) fn all_series_of(&self, unit: Unit) -> Vec<(SeriesId, Arc<Series>)> {
        let by_unit = self.directory.by_unit.pin();
        let all = by_unit.get(&unit).map_or(&[][..], Vec::as_slice);
        all.iter().filter(|(id, _)| id.0 < self.series).cloned().collect()
    }

    /// Every unit of which there is a series, in order.
    pub(crate) fn units_with_series(&self) -> Vec<Unit> {
        let by_unit = self.directory.by_unit.pin();
        let known = by_unit.iter().filter(|(_, all)| all.iter().any(|(id, _)| id.0 < self.series));
        let mut units: Vec<Unit> = known.map(|(unit, _)| *unit).collect();
        units.sort();
        units
    }

    /// Kinds and providers of which there are series, in order; later ones too.
    pub(crate) fn voices(&self) -> Vec<(Kind, Provider)> {
        let mut voices: Vec<_> = self.directory.voices.pin().keys().cloned().collect();
        voices.sort();
        voices
    }

    /// The epoch that published a series day as it is at this epoch.
    pub(crate) fn version(&self, series: SeriesId, day: Day) -> Option<Epoch> {
        self.published(series, day).map(|published| published.epoch)
    }

    /// The epochs that published the members of a total and the sums of its day.
    pub(crate) fn total_version(&self, key: &TotalKey) -> (Option<Epoch>, Option<Epoch>) {
        let members = self.timelines.get(&key.total).map(|(_, epoch)| *epoch);
        (members, self.published_sums(key).map(|published| published.epoch))
    }

    fn published(&self, series: SeriesId, day: Day) -> Option<&Published> {
        let number = *self.directory.days.pin().get(&(series, day))?;
        self.blocks.get(number as usize)
    }

    /// A day of a total on its grid, with members and those that report, if any; none for a total that
    /// nobody ever belonged to.
    #[must_use]
    pub fn total(&self, key: &TotalKey) -> Option<TotalDay> {
        let (timeline, _) = self.timelines.get(&key.total)?;
        let nothing = DaySums::default();
        let sums = self.sums(key).map_or(&nothing, |sums| &**sums);
        Some(sums.read(timeline, key.day))
    }

    pub(crate) fn sums(&self, key: &TotalKey) -> Option<&Arc<DaySums>> {
        self.published_sums(key)?.sums.as_ref()
    }

    fn published_sums(&self, key: &TotalKey) -> Option<&PublishedSums> {
        let number = *self.directory.total_days.pin().get(key)?;
        self.sums.get(number as usize)
    }

    /// Whether anybody ever belonged to `total`.
    #[must_use]
    pub fn knows(&self, total: &Total) -> bool {
        self.timelines.contains_key(total)
    }

    /// Visits every total that anybody ever belonged to, in order.
    pub fn totals(&self) -> impl Iterator<Item = &Total> {
        self.timelines.keys()
    }

    /// Every day of every total, in no particular order.
    pub fn for_each_total(&self, mut visit: impl FnMut(&TotalKey, TotalDay)) {
        self.for_each_sums(|key, _| {
            if let Some(day) = self.total(key) {
                visit(key, day);
            }
        });
    }

    pub(crate) fn for_each_sums(&self, mut visit: impl FnMut(&TotalKey, &Arc<DaySums>)) {
        for key in self.directory.total_days.pin().keys() {
            if let Some(sums) = self.sums(key) {
                visit(key, sums);
            }
        }
    }

    /// Every series day with its block, in no particular order.
    pub fn for_each_block(&self, mut visit: impl FnMut(SeriesDay, &Arc<DayBlock>)) {
        for (series_day, number) in &self.directory.days.pin() {
            if let Some(published) = self.blocks.get(*number as usize) {
                visit(*series_day, &published.block);
            }
        }
    }

    /// Number of series days ever touched.
    #[must_use]
    pub fn series_days(&self) -> usize {
        self.blocks.len()
    }
}
