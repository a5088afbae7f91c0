//! The rows of live series as saved: the read that desks repeat all day. Its tag follows from the rows
//! alone, so that a caller who has them hears so before a byte is written.

use std::sync::Arc;

use smartpulse_operators::series::{Series, SeriesId};
use smartpulse_operators::time::{Instant, Period};

use super::answer::{Answer, Version};
use super::curve_text::Row;
use super::desk::Desk;
use super::exchange::Call;
use super::latest::{UnitRead, Wanted};
use super::reading::{Range, Reading};
use crate::snapshot::Snapshot;

/// How old a change must be before its second is named in `Last-Modified`: then no later change can fall
/// into the same second.
const SETTLED_MICROS: i64 = 2_000_000;

/// The answer of a unit's `series`, the newest statement on which was recorded at `stated`.
pub(crate) fn answer(
    desk: &Desk,
    call: &Call,
    wanted: &Wanted,
    read: &UnitRead<'_>,
    series: &[(SeriesId, Arc<Series>)],
    stated: Instant,
) -> Answer {
    let UnitRead { snapshot, reading, range, .. } = read;
    let rows_of =
        |(id, stored): &(SeriesId, Arc<Series>)| rows(desk, snapshot, *id, stored.period, range);
    let curves: Vec<Vec<Row>> = series.iter().map(rows_of).collect();
    let changed = series.iter().filter_map(|(id, _)| last_change(snapshot, *id, range)).max();
    let moved = range.follows_clock.then_some(range.from);
    let changed = changed.map(|changed| changed.max(stated).max(moved.unwrap_or(changed)));
    let settled = |changed: &Instant| {
        let live = desk.doors.rules.live_clock;
        let clock = if live { snapshot.clock.max(desk.now()) } else { snapshot.clock };
        changed.0.saturating_add(SETTLED_MICROS) <= clock.0
    };
    let tag = tag(desk, wanted, reading, range, series, &curves);
    let version = Version { tag, modified: changed.filter(settled) };
    Answer::versioned(&call.conditions, snapshot.epoch, version, || {
        let mut data = "[".to_owned();
        for (index, ((_, stored), rows)) in series.iter().zip(&curves).enumerate() {
            data.push_str(if index == 0 { "" } else { "," });
            reading.text.write(stored, rows, &mut data);
        }
        data.push(']');
        data
    })
}

/// The slots of a series that start in the range and have a value.
fn rows(desk: &Desk, snapshot: &Snapshot, id: SeriesId, period: Period, range: &Range) -> Vec<Row> {
    let mut rows = Vec::new();
    for day in range.days() {
        let Some(block) = snapshot.block(id, day) else { continue };
        desk.meters.visited_block();
        for slot in 0..block.packed.slots().min(period.slots()) {
            let start = day.slot_start(period, slot);
            if (range.from..range.to).contains(&start)
                && let Some((value, shown)) = block.row(slot)
            {
                rows.push(Row { start, value, shown: Arc::clone(shown) });
            }
        }
    }
    rows
}

/// When the element of a series last changed: one of its days, or that it is there at all.
fn last_change(snapshot: &Snapshot, id: SeriesId, range: &Range) -> Option<Instant> {
    range.days().filter_map(|day| snapshot.changed(id, day)).chain(snapshot.named(id)).max()
}

/// What the bytes of the answer follow from: the shape of the request and the rows with their batches.
fn tag(
    desk: &Desk,
    wanted: &Wanted,
    reading: &Reading,
    range: &Range,
    series: &[(SeriesId, Arc<Series>)],
    curves: &[Vec<Row>],
) -> blake3::Hash {
    let mut hash = blake3::Hasher::new();
    hash.update(desk.doors.read_model.incarnation.as_bytes());
    // Lengths before texts, so that no two requests read alike.
    let shape = (wanted.kind.word(), wanted.unit, &wanted.provider, range.from, range.to);
    hash.update(format!("{shape:?}{:?}", reading.text).as_bytes());
    let mut bytes = Vec::new();
    for ((_, stored), rows) in series.iter().zip(curves) {
        bytes.clear();
        bytes.extend_from_slice(&stored.period.minutes().to_le_bytes());
        bytes.extend_from_slice(&(rows.len() as u64).to_le_bytes());
        for row in rows {
            for number in [row.start.0, row.value, row.shown.sequence.0 as i64] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        hash.update(&bytes);
    }
    hash.finalize()
}
