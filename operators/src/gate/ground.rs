//! What the rules hold against the slots of one curve, looked up once a curve: units have few versions,
//! properties and locks, a curve has up to days of slots.

use crate::chunk::{Piece, SaveContext};
use crate::outcome::Outcome;
use crate::quantity::{ABSENT, Quantity};
use crate::reference::Reference;
use crate::time::Instant;
use crate::unit::{Lock, Unit, UnitType, UnitVersion};

/// What the rules hold against a curve.
pub(super) struct Ground<'r> {
    reference: &'r Reference,
    unit: Unit,
    /// The unit is known from then on; none: not at all.
    known_from: Option<Instant>,
    /// The unit of the path, where it is another one.
    path: Option<Unit>,
    locks: Vec<&'r Lock>,
    recorded: Instant,
    /// Slots that start then or earlier are closed.
    closed_upto: Option<Instant>,
    limits: Limits<'r>,
    conforms: bool,
}

/// Limits of the values.
enum Limits<'r> {
    /// None is asked for, or there is none.
    None,
    /// The same for every slot.
    Same(Option<Quantity>, Option<Quantity>),
    /// The upper one is the installed power of the version that holds at the slot's start.
    ByVersion(Option<Quantity>, &'r [UnitVersion]),
}

impl<'r> Ground<'r> {
    /// What is held against the curve of `piece`, of the save of `context`.
    pub(super) fn of(reference: &'r Reference, piece: &Piece, context: &SaveContext) -> Ground<'r> {
        let (unit, checks) = (piece.unit, context.checks);
        let recorded = context.batch.recorded;
        let versions = reference.versions_of(unit);
        let locks = if checks.locks { reference.locks_of(unit).collect() } else { Vec::new() };
        let gates = checks.gates && !checks.past_role;
        Ground {
            reference,
            unit,
            known_from: versions.first().map(|version| version.valid_from),
            path: context.path.filter(|path| *path != unit),
            locks,
            recorded,
            closed_upto: gates.then(|| recorded.plus_minutes(reference.gate_minutes(unit))),
            limits: if checks.limits { limits(reference, unit, versions) } else { Limits::None },
            conforms: piece.conform_upper_limit,
        }
    }

    /// Whether nothing can be held against any slot of a piece with those values.
    pub(super) fn lets_all_pass(&self, piece: &Piece, values: &[i64]) -> bool {
        let first = piece.day.slot_start(piece.period, piece.first.into());
        self.known_from.is_some_and(|from| from <= first)
            && self.path.is_none()
            && self.locks.is_empty()
            && self.closed_upto.is_none_or(|upto| upto < first)
            && match self.limits {
                Limits::None => true,
                Limits::Same(lower, upper) => {
                    let lower = lower.map_or(i64::MIN, |limit| limit.0);
                    let upper = upper.map_or(i64::MAX, |limit| limit.0);
                    // Nulls and what is not said lie below every value.
                    let is_within = |value: i64| (value <= ABSENT) | (value >= lower);
                    let all = |all: bool, value: &i64| all & is_within(*value) & (*value <= upper);
                    values.iter().fold(true, all)
                }
                Limits::ByVersion(..) => false,
            }
    }

    /// The first refusal of a slot that starts there.
    pub(super) fn refusal(&self, start: Instant) -> Option<Outcome> {
        if self.known_from.is_none_or(|from| start < from) {
            return Some(Outcome::UnknownUnit);
        }
        if self.path.is_some_and(|path| !self.reference.belongs(self.unit, path, start)) {
            return Some(Outcome::UnknownUnit);
        }
        if self.locks.iter().any(|lock| lock.refuses(start, self.recorded)) {
            return Some(Outcome::Locked);
        }
        self.closed_upto.is_some_and(|upto| start <= upto).then_some(Outcome::GateClosed)
    }

    /// The refusal of a value beyond the limits, none within them, or as error the value it is clipped to.
    pub(super) fn beyond_limits(&self, start: Instant, value: i64) -> Result<Option<Outcome>, i64> {
        let (lower, upper) = match self.limits {
            Limits::None => return Ok(None),
            Limits::Same(lower, upper) => (lower, upper),
            Limits::ByVersion(lower, versions) => {
                let holding = versions.iter().rev().find(|version| version.valid_from <= start);
                (lower, holding.and_then(|version| version.installed_power))
            }
        };
        if lower.is_some_and(|limit| value < limit.0) {
            return Ok(Some(Outcome::LowerLimit));
        }
        match upper.filter(|limit| value > limit.0) {
            Some(limit) if self.conforms => Err(limit.0),
            Some(_) => Ok(Some(Outcome::UpperLimit)),
            None => Ok(None),
        }
    }
}

fn limits<'r>(reference: &Reference, unit: Unit, versions: &'r [UnitVersion]) -> Limits<'r> {
    let (lower, upper) = reference.stated_limits(unit);
    match versions {
        _ if unit.unit_type != UnitType::PowerPlant || upper.is_some() => match (lower, upper) {
            (None, None) => Limits::None,
            (lower, upper) => Limits::Same(lower, upper),
        },
        [only] => match (lower, only.installed_power) {
            (None, None) => Limits::None,
            (lower, upper) => Limits::Same(lower, upper),
        },
        versions => Limits::ByVersion(lower, versions),
    }
}
