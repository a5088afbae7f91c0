//! How a closed epoch becomes a snapshot, and what it touched on the way.

use std::sync::Arc;

use smartpulse_operators::block::DayBlock;
use smartpulse_operators::cause::Cause;
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::closed::ClosedEpoch;
use smartpulse_operators::time::Instant;
use smartpulse_operators::totals::TotalChanges;
use smartpulse_operators::unit::Unit;

use super::Directory;
use crate::causes;
use crate::ring::{Touched, TouchedDay, Turn};
use crate::snapshot::{Published, PublishedSums, Snapshot};

/// The epoch after `before`, and the bytes of the blocks that it published.
pub(super) fn turn(directory: &Directory, before: &Snapshot, closed: ClosedEpoch) -> (Turn, usize) {
    let mut next = before.clone();
    (next.epoch, next.clock) = (closed.epoch, closed.clock);
    let mut touched = Touched { stated: closed.stated, ..Touched::default() };
    for (id, series) in closed.new_series {
        next.series = next.series.max(id.0 + 1);
        directory.since.pin().insert(id, closed.clock);
        directory.by_id.pin().insert(id, Arc::clone(&series));
        directory.voices.pin().insert((series.kind, series.provider.clone()), ());
        let by_unit = directory.by_unit.pin();
        let mut known = by_unit.get(&series.unit).cloned().unwrap_or_default();
        known.push((id, Arc::clone(&series)));
        by_unit.insert(series.unit, known);
        touched.named.push((id, series));
    }
    let mut causes = closed.causes;
    causes.sort_unstable();
    let mut bytes = 0;
    for (series_day, block) in closed.blocks {
        bytes += block.bytes();
        let causes = causes_of(series_day, &causes, before, closed.clock);
        if let Some(series) = directory.by_id.pin().get(&series_day.0) {
            let (series, (id, day)) = (Arc::clone(series), series_day);
            touched.days.push(TouchedDay { id, series, day, causes });
        }
        publish_block(directory, &mut next, series_day, block);
    }
    for changes in closed.totals {
        bytes += publish_totals(directory, &mut next, changes, &mut touched);
    }
    if let Some(reference) = closed.reference {
        next.reference = reference;
        next.units_due = Instant::MIN;
    }
    touched.units = units(before, &mut next, &touched.stated);
    for (sequence, instant) in closed.withdrawn {
        directory.withdrawn.pin().insert(sequence, (closed.epoch, instant));
        touched.withdrawn.push((sequence, instant));
    }
    next.figures = Arc::new(closed.figures);
    touched.days.sort_by(|one, other| {
        let place = |touched: &TouchedDay| (touched.series.unit, touched.series.kind, touched.day);
        place(one).cmp(&place(other)).then_with(|| one.series.cmp(&other.series))
    });
    touched.totals.sort_unstable();
    touched.members.sort_unstable();
    (Turn { snapshot: Arc::new(next), touched }, bytes)
}

fn publish_block(
    directory: &Directory,
    next: &mut Snapshot,
    series_day: SeriesDay,
    block: Arc<DayBlock>,
) {
    let days = directory.days.pin();
    let published = Published { block, epoch: next.epoch, changed: next.clock };
    match days.get(&series_day) {
        Some(number) => next.blocks.set(*number as usize, published),
        None => {
            let number = next.blocks.len();
            days.insert(series_day, number as u32);
            next.blocks.set(number, published);
        }
    }
}

/// What touched a series day: saves, a withdrawal, and the clock where a version that waited counts now.
fn causes_of(
    series_day: SeriesDay,
    causes: &[(SeriesDay, Cause)],
    before: &Snapshot,
    clock: Instant,
) -> Vec<Cause> {
    let mut own = Vec::new();
    let from = causes.partition_point(|(day, _)| *day < series_day);
    let told = causes[from..].iter().take_while(|(day, _)| *day == series_day);
    told.for_each(|(_, cause)| causes::add(&mut own, cause));
    let waited = |block: &Arc<DayBlock>| {
        block.pending().first().is_some_and(|waiting| waiting.batch.valid_after <= clock)
    };
    if before.block(series_day.0, series_day.1).is_some_and(waited) {
        causes::add(&mut own, &Cause::Clock(clock));
    }
    own
}

/// Publishes what changed in totals; gives the bytes of the new sums.
fn publish_totals(
    directory: &Directory,
    next: &mut Snapshot,
    changes: TotalChanges,
    touched: &mut Touched,
) -> usize {
    let total_days = directory.total_days.pin();
    let mut bytes = 0;
    for (key, sums) in changes.days {
        bytes += sums.as_ref().map_or(0, |sums| sums.bytes());
        let number = total_days.get(&key).copied().unwrap_or_else(|| {
            let number = next.sums.len() as u32;
            total_days.insert(key.clone(), number);
            number
        });
        next.sums.set(number as usize, PublishedSums { sums, epoch: next.epoch });
        touched.totals.push(key);
    }
    if !changes.timelines.is_empty() {
        let timelines = Arc::make_mut(&mut next.timelines);
        for (total, timeline) in changes.timelines {
            timelines.insert(total.clone(), (timeline, next.epoch));
            touched.members.push(total);
        }
    }
    bytes
}

/// Units whose master data as of the clock may differ: those stated, and those of which another version
/// holds since the clock went on.
fn units(before: &Snapshot, next: &mut Snapshot, stated: &[Cause]) -> Vec<Unit> {
    let named = stated.iter().filter_map(|cause| match cause {
        Cause::Unit(unit) => Some(*unit),
        _ => None,
    });
    let mut units: Vec<Unit> = named.collect();
    if next.units_due <= next.clock {
        let versions = || next.reference.unit_versions();
        let began = |from: Instant| before.clock < from && from <= next.clock;
        units.extend(versions().filter(|it| began(it.valid_from)).map(|it| it.unit));
        let later = versions().map(|version| version.valid_from).filter(|from| *from > next.clock);
        next.units_due = later.min().unwrap_or(Instant(i64::MAX));
    }
    units.sort_unstable();
    units.dedup();
    units
}
