//! How the stand-in engine decides a slot, and what it makes of decisions.

use std::sync::Arc;

use smartpulse_operators::block::{DayBlock, DayState};
use smartpulse_operators::change::Save;
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::quantity::{ABSENT, NULL};
use smartpulse_operators::reference::Reference;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::Unit;

use crate::command::{BatchSummary, SlotDecision};

/// What became of the values of a save.
pub(super) fn summary(save: &Save, slots: &[SlotDecision]) -> BatchSummary {
    let count = |outcome| slots.iter().filter(|slot| slot.outcome == outcome).count() as u64;
    let ends = slots.first().zip(slots.last());
    BatchSummary {
        batch: save.batch.clone(),
        saved: count(Outcome::Saved) + count(Outcome::Restated),
        skipped: count(Outcome::Skipped),
        withdrawn_at: None,
        delivery_days: ends.map(|(first, last)| (first.start.day(), last.start.day())),
    }
}

/// The decision on a slot, without the existing check.
pub(super) fn judge(
    reference: &Reference,
    save: &Save,
    unit: Unit,
    start: Instant,
    value: &mut i64,
    conform: bool,
) -> Outcome {
    if *value == ABSENT {
        return Outcome::Absent;
    }
    let foreign = save.path.filter(|path| *path != unit);
    if reference.unit_at(unit, start).is_none()
        || foreign.is_some_and(|path| !reference.belongs(unit, path, start))
    {
        return Outcome::UnknownUnit;
    }
    if reference.locks_of(unit).any(|lock| lock.refuses(start, save.batch.recorded)) {
        return Outcome::Locked;
    }
    match reference.limits(unit, start).1 {
        Some(limit) if *value != NULL && *value > limit.0 && conform => *value = limit.0,
        Some(limit) if *value != NULL && *value > limit.0 => return Outcome::UpperLimit,
        _ => {}
    }
    Outcome::Open
}

/// The block of a day.
pub(super) fn packed(state: &DayState) -> Arc<DayBlock> {
    DayBlock::of(state, Vec::new())
}
