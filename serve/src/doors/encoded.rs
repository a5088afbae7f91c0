//! Live reads through the encoded answers: what was made from the versions that the snapshot shows is given
//! again, anything else is made and kept.

use std::sync::Arc;

use smartpulse_operators::series::{Kind, Provider, Series, SeriesId};
use smartpulse_operators::time::Instant;
use smartpulse_operators::totals::TotalKey;

use super::answer::Level;
use super::desk::Desk;
use super::fragments::{Fragment, Key, Subject, Versions, zone_name};
use super::latest::{UnitRead, Wanted, is_as_saved, known};
use super::reading::{Range, Shape};
use super::refusal::Refusal;
use super::rows_now;
use super::totals::{self, WantedTotal};
use crate::snapshot::Snapshot;

/// Series of a subject, one a period.
type StoredSeries = Vec<(SeriesId, Arc<Series>)>;

/// An answer and where it came from.
pub(crate) struct Found {
    pub(crate) fragment: Arc<Fragment>,
    pub(crate) level: Level,
}

/// A live read of a unit as far as what is kept of it goes.
pub(crate) struct Place {
    pub(crate) wanted: Wanted,
    /// The sum it reads, where that is what a company or group is asked for.
    sum: Option<WantedTotal>,
    /// What its slots cover.
    whole: Range,
    pub(crate) range: Range,
    shape: Shape,
    /// None where answers of it are not kept.
    key: Option<Key>,
}

impl Place {
    /// The place of a read.
    pub(crate) fn of(wanted: &Wanted, read: &UnitRead<'_>) -> Place {
        let sum = read.total_of(wanted);
        let whose = match sum {
            Some(_) => Subject::SumOf(wanted.unit),
            None => Subject::Unit(wanted.unit),
        };
        Place {
            whole: read.whole(&read.targets()),
            range: read.range,
            shape: read.reading.shape,
            key: key(whose, wanted.kind, &wanted.provider, read),
            wanted: wanted.clone(),
            sum,
        }
    }

    /// The series it reads.
    pub(crate) fn series(&self, snapshot: &Snapshot) -> StoredSeries {
        snapshot.series_of(self.wanted.unit, self.wanted.kind, &self.wanted.provider)
    }

    /// The answer that was made from what `snapshot` shows of `series`.
    pub(crate) fn find(
        &self,
        desk: &Desk,
        snapshot: &Snapshot,
        series: &StoredSeries,
    ) -> Option<Arc<Fragment>> {
        find(desk, self.key.as_ref(), &self.versions(snapshot, series))
    }

    fn versions(&self, snapshot: &Snapshot, series: &StoredSeries) -> Versions {
        match &self.sum {
            Some(sum) => total_versions(sum, snapshot, self.whole),
            None => unit_versions(series, snapshot, self.whole),
        }
    }

    /// When what it shows last changed, once that is long enough ago. Computed slots have no instant of
    /// change of their own.
    pub(crate) fn modified(
        &self,
        desk: &Desk,
        snapshot: &Snapshot,
        series: &StoredSeries,
    ) -> Option<Instant> {
        let has_time = self.has_time_of_change(series);
        let stated = known(snapshot, self.wanted.unit).ok().filter(|_| has_time)?;
        rows_now::modified(desk, snapshot, &self.range, series, stated)
    }

    /// Whether it shows slots as saved, which have one.
    pub(crate) fn has_time_of_change(&self, series: &StoredSeries) -> bool {
        self.sum.is_none() && is_as_saved(self.shape, series)
    }
}

/// The answer to a live read of a unit.
pub(crate) async fn of_unit(
    desk: &Desk,
    place: &Place,
    read: &UnitRead<'_>,
) -> Result<Found, Refusal> {
    let series = place.series(read.snapshot);
    if let Some(fragment) = place.find(desk, read.snapshot, &series) {
        return Ok(Found { fragment, level: Level::Encoded });
    }
    let mut elements = Vec::new();
    read.elements(desk, &place.wanted, &mut elements).await?;
    Ok(make(desk, place.key.clone(), &elements, place.versions(read.snapshot, &series)))
}

/// The answer to a live read of a total.
pub(crate) async fn of_total(
    desk: &Desk,
    wanted: &WantedTotal,
    read: &UnitRead<'_>,
) -> Result<Found, Refusal> {
    let range = read.whole(&read.targets());
    let versions = total_versions(wanted, read.snapshot, range);
    let whose = Subject::Total(wanted.total.clone());
    let key = key(whose, wanted.kind, &wanted.provider, read);
    if let Some(fragment) = find(desk, key.as_ref(), &versions) {
        return Ok(Found { fragment, level: Level::Encoded });
    }
    let mut elements = Vec::new();
    totals::elements(desk, wanted, read, &mut elements).await?;
    Ok(make(desk, key, &elements, versions))
}

fn find(desk: &Desk, key: Option<&Key>, versions: &Versions) -> Option<Arc<Fragment>> {
    let (fragment, age) = desk.fragments.find(key?, versions)?;
    desk.meters.gave_encoded(age);
    Some(fragment)
}

fn make(desk: &Desk, key: Option<Key>, elements: &[String], versions: Versions) -> Found {
    desk.meters.made_encoded();
    let fragment = Arc::new(Fragment::new(&elements.join(","), versions));
    if let Some(key) = key {
        desk.fragments.keep(key, &fragment);
    }
    Found { fragment, level: Level::Snapshot }
}

/// The key of a read; none where a zone has no name by which to tell it from others.
fn key(whose: Subject, kind: Kind, provider: &Provider, read: &UnitRead<'_>) -> Option<Key> {
    let reading = read.reading;
    let civil_zone = match reading.shape {
        Shape::Civil(_) => Some(zone_name(reading.zone.as_ref().unwrap_or(&read.zone))?),
        Shape::AsSaved | Shape::Every(_) => None,
    };
    Some(Key {
        whose,
        kind,
        provider: provider.clone(),
        from: read.range.from,
        to: read.range.to,
        shape: reading.shape,
        civil_zone,
        completeness: reading.completeness.map(f64::to_bits),
        measure: reading.text.measure,
        clock_zone: reading.text.clock.zone_name().ok()?.map(Box::from),
        details: reading.text.details,
        normalized: reading.text.normalized,
    })
}

/// Versions of every day of every series that a read may show.
fn unit_versions(series: &StoredSeries, snapshot: &Snapshot, range: Range) -> Versions {
    let days = || range.days();
    series.iter().flat_map(|(id, _)| days().map(|day| snapshot.version(*id, day))).collect()
}

/// Versions of the members and of every day of a total.
fn total_versions(wanted: &WantedTotal, snapshot: &Snapshot, range: Range) -> Versions {
    let version = |day| {
        let (total, provider) = (wanted.total.clone(), wanted.provider.clone());
        let key = TotalKey { total, kind: wanted.kind, provider, day };
        let (members, sums) = snapshot.total_version(&key);
        [members, sums]
    };
    range.days().flat_map(version).collect()
}
