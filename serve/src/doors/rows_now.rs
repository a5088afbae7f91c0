//! The rows of live series as saved: the read that desks repeat all day.

use std::sync::Arc;

use smartpulse_operators::batch::Batch;
use smartpulse_operators::series::{Series, SeriesId};
use smartpulse_operators::time::{Instant, Period};

use super::curve_text::Row;
use super::desk::Desk;
use super::latest::UnitRead;
use super::reading::Range;
use crate::snapshot::Snapshot;

/// How old a change must be before its second is named in `Last-Modified`: then no later change can fall
/// into the same second.
const SETTLED_MICROS: i64 = 2_000_000;

/// Rows that room is made for before they are looked at: a week of quarter hours.
const MOST_RESERVED: u64 = 672;

/// Appends the elements of `series`, one each.
pub(crate) fn elements(
    desk: &Desk,
    read: &UnitRead<'_>,
    series: &[(SeriesId, Arc<Series>)],
    elements: &mut Vec<String>,
) {
    for (id, stored) in series {
        let rows = rows(desk, read.snapshot, *id, stored.period, &read.range);
        let mut text = String::new();
        read.reading.text.write(stored, &rows, &mut text);
        elements.push(text);
    }
}

/// When the answer of `series` last changed, once that is long enough ago; `stated` is when the newest
/// statement on the unit was recorded.
pub(crate) fn modified(
    desk: &Desk,
    snapshot: &Snapshot,
    range: &Range,
    series: &[(SeriesId, Arc<Series>)],
    stated: Instant,
) -> Option<Instant> {
    let changed = series.iter().filter_map(|(id, _)| last_change(snapshot, *id, range)).max();
    let moved = range.follows_clock.then_some(range.from);
    let changed = changed.map(|changed| changed.max(stated).max(moved.unwrap_or(changed)));
    let live = desk.doors.read_model.clock_goes_on();
    let clock = if live { snapshot.clock.max(desk.now()) } else { snapshot.clock };
    changed.filter(|changed| changed.0.saturating_add(SETTLED_MICROS) <= clock.0)
}

/// The slots of a series that start in the range and have a value.
fn rows<'s>(
    desk: &Desk,
    snapshot: &'s Snapshot,
    id: SeriesId,
    period: Period,
    range: &Range,
) -> Vec<Row<&'s Arc<Batch>>> {
    let most = range.slots(period.minutes().into()).min(MOST_RESERVED);
    let mut rows = Vec::with_capacity(most as usize);
    for day in range.days() {
        let Some(block) = snapshot.block(id, day) else { continue };
        desk.meters.visited_block();
        for slot in 0..block.slots().min(period.slots()) {
            let start = day.slot_start(period, slot);
            if (range.from..range.to).contains(&start)
                && let Some((value, shown)) = block.row(slot)
            {
                rows.push(Row { start, value, shown });
            }
        }
    }
    rows
}

/// When the element of a series last changed: one of its days, or that it is there at all.
fn last_change(snapshot: &Snapshot, id: SeriesId, range: &Range) -> Option<Instant> {
    range.days().filter_map(|day| snapshot.changed(id, day)).chain(snapshot.named(id)).max()
}
