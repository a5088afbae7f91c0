//! Live reads through the encoded answers: what was made from the versions that the snapshot shows is given
//! again, anything else is made and kept.

use std::sync::Arc;

use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::totals::TotalKey;

use super::answer::Level;
use super::desk::Desk;
use super::fragments::{Fragment, Key, Subject, Versions, zone_name};
use super::latest::{UnitRead, Wanted};
use super::reading::{Range, Shape};
use super::refusal::Refusal;
use super::totals::{self, WantedTotal};

/// An answer and where it came from.
pub(crate) struct Found {
    pub(crate) fragment: Arc<Fragment>,
    pub(crate) level: Level,
}

/// The answer to a live read of a unit.
pub(crate) async fn of_unit(
    desk: &Desk,
    wanted: &Wanted,
    read: &UnitRead<'_>,
) -> Result<Found, Refusal> {
    let range = read.whole(&read.targets());
    let (whose, versions) = match read.total_of(wanted) {
        Some(total) => (Subject::SumOf(wanted.unit), total_versions(&total, read, range)),
        None => (Subject::Unit(wanted.unit), unit_versions(wanted, read, range)),
    };
    let key = key(whose, wanted.kind, &wanted.provider, read);
    if let Some(found) = find(desk, key.as_ref(), &versions) {
        return Ok(found);
    }
    let mut elements = Vec::new();
    read.elements(desk, wanted, &mut elements).await?;
    Ok(make(desk, key, &elements, versions))
}

/// The answer to a live read of a total.
pub(crate) async fn of_total(
    desk: &Desk,
    wanted: &WantedTotal,
    read: &UnitRead<'_>,
) -> Result<Found, Refusal> {
    let range = read.whole(&read.targets());
    let versions = total_versions(wanted, read, range);
    let whose = Subject::Total(wanted.total.clone());
    let key = key(whose, wanted.kind, &wanted.provider, read);
    if let Some(found) = find(desk, key.as_ref(), &versions) {
        return Ok(found);
    }
    let mut elements = Vec::new();
    totals::elements(desk, wanted, read, &mut elements).await?;
    Ok(make(desk, key, &elements, versions))
}

fn find(desk: &Desk, key: Option<&Key>, versions: &Versions) -> Option<Found> {
    let (fragment, age) = desk.fragments.find(key?, versions)?;
    desk.meters.gave_encoded(age);
    Some(Found { fragment, level: Level::Encoded })
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

/// Versions of every day of every series that the read may show.
fn unit_versions(wanted: &Wanted, read: &UnitRead<'_>, range: Range) -> Versions {
    let series = read.snapshot.series_of(wanted.unit, wanted.kind, &wanted.provider);
    let days = || range.days();
    series.iter().flat_map(|(id, _)| days().map(|day| read.snapshot.version(*id, day))).collect()
}

/// Versions of the members and of every day of a total.
fn total_versions(wanted: &WantedTotal, read: &UnitRead<'_>, range: Range) -> Versions {
    let version = |day| {
        let (total, provider) = (wanted.total.clone(), wanted.provider.clone());
        let key = TotalKey { total, kind: wanted.kind, provider, day };
        let (members, sums) = read.snapshot.total_version(&key);
        [members, sums]
    };
    range.days().flat_map(version).collect()
}
