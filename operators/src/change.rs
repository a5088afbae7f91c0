//! What comes in: the closed set of changes, and the tick that carries them in journal order.
//!
//! These types are the journal's payload. Everything that could be judged without state (shape, rounding,
//! bounds) has been judged before a [`Change`] exists; what depends on state is decided by `gate` and
//! `latest` in the order of the journal.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::batch::{Batch, Epoch, Sequence};
use crate::offset::{KeptRow, Offset};
use crate::outcome::Outcome;
use crate::quantity::ABSENT;
use crate::series::Kind;
use crate::time::{Day, Instant, Period};
use crate::unit::{Lock, Membership, Property, Unit, UnitVersion};

/// One accepted change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// Master data of a unit.
    Unit(UnitVersion),
    /// A membership, or its removal.
    Membership(Membership),
    /// A property of a unit.
    Property(Property),
    /// A lock, or (same id) its new state.
    Lock(Lock),
    /// The rules that decide from here on.
    Rules(Rules),
    /// A save.
    Save(Save),
    /// The withdrawal of a batch.
    Withdrawal(Withdrawal),
    /// A batch of a replay that was refused as a whole: only counted.
    Refused(RefusedBatch),
}

impl Change {
    /// When the change was accepted; [`Instant::MIN`] where that was before everything or is not known.
    #[must_use]
    pub fn recorded(&self) -> Instant {
        match self {
            Change::Unit(version) => version.recorded,
            Change::Membership(membership) => membership.recorded,
            Change::Property(property) => property.recorded,
            Change::Lock(lock) => lock.recorded,
            Change::Save(save) => save.batch.recorded,
            Change::Withdrawal(withdrawal) => withdrawal.recorded,
            Change::Refused(refused) => refused.recorded.unwrap_or(Instant::MIN),
            Change::Rules(_) => Instant::MIN,
        }
    }
}

/// Configuration that decides; journaled before it takes effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Gate closure before delivery for most units, in minutes.
    pub gate_minutes: i64,
    /// Gate closure before delivery for units whose `market` is `EPIAS`, in minutes.
    pub epias_gate_minutes: i64,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { gate_minutes: 60, epias_gate_minutes: 120 }
    }
}

/// Which state-dependent rules a change is held to. A replay of history leaves them out unless asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// Gate closure.
    pub gates: bool,
    /// Upper and lower limits.
    pub limits: bool,
    /// Locks.
    pub locks: bool,
    /// The caller has `PastPredictionUpdateRole`: gate closure is lifted.
    pub past_role: bool,
}

/// One save: a batch and its curves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Save {
    /// The batch. Until it is accepted `sequence` is 0, `recorded` [`Instant::MIN`] for a live save, and
    /// `valid_after` [`Instant::MIN`] where it follows `recorded`.
    pub batch: Batch,
    /// The rules it is held to.
    pub checks: Checks,
    /// The unit of the path; entries of other units must be its members.
    pub path: Option<Unit>,
    /// The curves, at most one for each (kind, unit, period).
    pub entries: Vec<Entry>,
    /// Values refused by their shape before this change existed, counted for the replay's totals.
    pub refused: Vec<(Outcome, u64)>,
}

/// One curve of a save.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Forecast or actual.
    pub kind: Kind,
    /// Whose values.
    pub unit: Unit,
    /// Their slot length.
    pub period: Period,
    /// Clip to the upper limit instead of refusing.
    pub conform_upper_limit: bool,
    /// Also write what passes as provider `FinalForecast`.
    pub apply_final_forecast: bool,
    /// The values.
    pub curve: Curve,
}

/// Values by slot, ascending: runs of neighbouring slots over one flat array.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Curve {
    /// (number of the first slot since 1970 on the period's grid, count of slots) of each run.
    runs: Vec<(i64, u32)>,
    /// Hundredths of a kW, [`crate::quantity::NULL`] for a withdrawn slot.
    values: Vec<i64>,
}

impl Curve {
    /// A curve of `(slot start, value)`, ascending and without repeated starts, all on `period`'s grid.
    pub fn new(period: Period, slots: impl IntoIterator<Item = (Instant, i64)>) -> Curve {
        let mut curve = Curve::default();
        let length = i64::from(period.minutes()) * 60_000_000;
        for (start, value) in slots {
            let slot = start.0.div_euclid(length);
            match curve.runs.last_mut() {
                Some((first, count)) if *first + i64::from(*count) == slot => *count += 1,
                _ => curve.runs.push((slot, 1)),
            }
            curve.values.push(value);
        }
        curve
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Cuts the curve at UTC midnights: calls `day_piece(day, first slot of the day, values)` for each
    /// touched day in order; gaps between runs of a day are [`ABSENT`].
    pub fn for_each_day(&self, period: Period, mut day_piece: impl FnMut(Day, usize, &[i64])) {
        let per_day = period.slots() as i64;
        let mut tell = |first: i64, values: &[i64]| {
            let (day, slot) = (first.div_euclid(per_day), first.rem_euclid(per_day));
            day_piece(Day(day as i32), slot as usize, values);
        };
        // Several runs of one day are put together; a run alone, as nearly all are, is handed on as it lies.
        let mut together: Vec<i64> = Vec::new();
        let mut open: Option<(i64, &[i64])> = None;
        let mut rest = &self.values[..];
        for &(first, count) in &self.runs {
            let (mut slot, end) = (first, first + i64::from(count));
            while slot < end {
                let upto = end.min((slot.div_euclid(per_day) + 1) * per_day);
                let (values, tail) = rest.split_at((upto - slot) as usize);
                rest = tail;
                match open {
                    Some((begun, alone))
                        if begun.div_euclid(per_day) == slot.div_euclid(per_day) =>
                    {
                        if together.is_empty() {
                            together.extend_from_slice(alone);
                        }
                        together.resize((slot - begun) as usize, ABSENT);
                        together.extend_from_slice(values);
                    }
                    _ => {
                        if let Some((begun, alone)) = open.replace((slot, values)) {
                            tell(begun, if together.is_empty() { alone } else { &together });
                            together.clear();
                        }
                    }
                }
                slot = upto;
            }
        }
        if let Some((begun, alone)) = open {
            tell(begun, if together.is_empty() { alone } else { &together });
        }
    }
}

/// Which batch a withdrawal names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BatchName {
    /// By its id.
    Id(Uuid),
    /// By its key in the source of a replay (the newest batch of that key).
    Source(String),
}

/// The withdrawal of a whole batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// The batch.
    pub batch: BatchName,
    /// When accepted.
    pub recorded: Instant,
    /// The rules it is held to.
    pub checks: Checks,
    /// Who asked.
    pub user: Option<String>,
}

/// A batch refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedBatch {
    /// `PERIOD_NOT_ALLOWED`, `MEASURE_UNIT`, `MIXED_BATCH`, or `INVALID_VALUE` for rows without a batch.
    pub code: String,
    /// Values it held.
    pub values: u64,
    /// Its place on the second time axis; none where that cell was unreadable.
    pub recorded: Option<Instant>,
}

/// How far a source has been taken in: changes `..upto` of it are in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Name of the source.
    pub source: String,
    /// Count of its changes taken in.
    pub upto: u64,
}

/// The request behind a change that its caller may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestKey {
    /// Index of the change in its tick.
    pub change: u32,
    /// SHA-256 of (identity, path, key).
    pub scope: [u8; 32],
    /// SHA-256 of the decoded body.
    pub body: [u8; 32],
}

/// A closed group of changes: the journal's record and the dataflow's unit of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// Its number.
    pub epoch: Epoch,
    /// The clock all views show when the tick has closed.
    pub clock: Instant,
    /// The changes, in the order in which they are decided. A withdrawal is decided alone: what it needs to see
    /// of history must have been decided before.
    pub changes: Vec<Change>,
    /// Position of the source these changes came from.
    pub position: Option<Position>,
    /// Changes whose answer is remembered for a repetition of the request.
    pub requests: Vec<RequestKey>,
    /// Digests of decisions of earlier epochs, compared on recovery and by `check`.
    pub digests: Vec<(Epoch, [u8; 16])>,
    /// How far streams of other systems have been taken in with this tick.
    pub offsets: Vec<Offset>,
    /// Rows of other systems as they stand after this tick.
    pub kept: Vec<KeptRow>,
    /// Changes behind those above that lie in a file of their own.
    pub spooled: Option<Spooled>,
}

/// Changes of a tick that are too many to be held in memory: parts in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spooled {
    /// The file.
    pub name: String,
    /// How many parts it has.
    pub parts: u32,
    /// Changes in it.
    pub changes: u64,
    /// Saves among them.
    pub saves: u64,
    /// When the first was accepted; further ones a microsecond each after it.
    pub first_recorded: Instant,
    /// The first batch; further ones follow it.
    pub first_sequence: Sequence,
    /// Instants from which saves in it count that lay ahead when it was written.
    pub due: Vec<Instant>,
}

impl Tick {
    /// One that changes nothing.
    #[must_use]
    pub fn empty(epoch: Epoch, clock: Instant) -> Tick {
        Tick {
            epoch,
            clock,
            changes: Vec::new(),
            position: None,
            requests: Vec::new(),
            digests: Vec::new(),
            offsets: Vec::new(),
            kept: Vec::new(),
            spooled: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_cut_at_midnight_and_gaps_are_absent() {
        let hour = Period::new(60).unwrap();
        let at = |slot: i64| Instant(slot * 3_600_000_000);
        let curve = Curve::new(hour, [(at(22), 1), (at(24), 2), (at(27), 3), (at(28), 4)]);
        let mut pieces = Vec::new();
        curve.for_each_day(hour, |day, first, values| pieces.push((day.0, first, values.to_vec())));
        assert_eq!(pieces, [(0, 22, vec![1]), (1, 0, vec![2, ABSENT, ABSENT, 3, 4])]);
    }
}
