//! The test bench of the operators: plays a list of steps through `gate` and `latest` under timely and
//! tells what was decided and what is shown, in terms that the from-scratch oracle tells too.
//!
//! [`script`] reads steps from text, [`random`] makes them up; [`feeder`] and [`graph`] run them, [`oracle`]
//! works them out by brute force; [`print`] holds `check`, which compares
//! all of it; [`written`] turns steps into text again. Nothing here names a
//! clock: a tick's clock is the greatest instant of its steps.

mod conserved;
pub(crate) mod feeder;
mod graph;
mod oracle;
pub(crate) mod print;
pub(crate) mod print_totals;
mod property;
mod random;
pub(crate) mod script;
pub(crate) mod totals;
mod written;

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::batch::{Batch, Sequence};
use crate::change::{BatchName, Change, Checks, Curve, Entry, Save, Withdrawal};
use crate::outcome::Outcome;
use crate::series::{Kind, Provider, Series};
use crate::time::{Day, Instant, Period};
use crate::unit::Unit;

/// Something that happens at an instant.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) at: Instant,
    pub(crate) act: Act,
}

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A statement on a unit, a lock or the rules.
    State(Change),
    /// A save.
    Save(Issue),
    /// The withdrawal of the batch of that sequence.
    Withdraw(Sequence, Checks),
    /// Nothing: time passes.
    Clock,
}

/// A save whose curves are still plain points.
#[derive(Clone, Debug)]
pub(crate) struct Issue {
    pub(crate) batch: Batch,
    pub(crate) checks: Checks,
    pub(crate) path: Option<Unit>,
    pub(crate) curves: Vec<Points>,
}

/// One curve of an [`Issue`]: slot starts, ascending, with their values.
#[derive(Clone, Debug)]
pub(crate) struct Points {
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
    pub(crate) period: Period,
    pub(crate) conform_upper_limit: bool,
    pub(crate) apply_final_forecast: bool,
    pub(crate) points: Vec<(Instant, i64)>,
}

impl Step {
    /// The step as the journal would carry it; none where only time passes.
    pub(crate) fn change(&self) -> Option<Change> {
        match &self.act {
            Act::State(change) => Some(change.clone()),
            Act::Save(issue) => Some(Change::Save(issue.save())),
            Act::Withdraw(sequence, checks) => Some(Change::Withdrawal(Withdrawal {
                batch: BatchName::Id(batch_id(*sequence)),
                recorded: self.at,
                checks: *checks,
                user: None,
            })),
            Act::Clock => None,
        }
    }
}

impl Issue {
    fn save(&self) -> Save {
        let entry = |points: &Points| Entry {
            kind: points.kind,
            unit: points.unit,
            period: points.period,
            conform_upper_limit: points.conform_upper_limit,
            apply_final_forecast: points.apply_final_forecast,
            curve: Curve::new(points.period, points.points.iter().copied()),
        };
        Save {
            batch: self.batch.clone(),
            checks: self.checks,
            path: self.path,
            entries: self.curves.iter().map(entry).collect(),
            refused: Vec::new(),
        }
    }
}

/// A batch with nothing in it but what decides.
pub(crate) fn batch(
    sequence: u64,
    recorded: Instant,
    valid_after: Instant,
    provider: &str,
    skips_existing_check: bool,
) -> Batch {
    Batch {
        id: batch_id(Sequence(sequence)),
        sequence: Sequence(sequence),
        recorded,
        valid_after,
        provider: Provider::parse(provider).unwrap(),
        user: None,
        note: None,
        source_batch: None,
        skips_existing_check,
    }
}

/// The id of the batch of that sequence.
pub(crate) fn batch_id(sequence: Sequence) -> Uuid {
    Uuid::from_u128(u128::from(sequence.0))
}

/// Every decision: by batch, entry, whether it is the `FinalForecast` copy, and slot start.
pub(crate) type Decisions = BTreeMap<(Sequence, u32, bool, Instant), Decision>;

/// The decision on one slot of a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) outcome: Outcome,
    /// The value after clipping.
    pub(crate) value: i64,
    pub(crate) clipped: bool,
}

/// What became of a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// No slot of such a batch was ever stored.
    Unknown,
    Already,
    /// Sorted.
    Refused(Vec<(Unit, Instant, Outcome)>),
}

/// What readers would see when a tick has closed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct View {
    /// Each slot that a revision covers.
    pub(crate) rows: BTreeMap<(Series, Instant), Row>,
    /// Batches whose revision of that day does not count yet, in their order.
    pub(crate) waiting: BTreeMap<(Series, Day), Vec<Sequence>>,
}

/// The winner of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) value: i64,
    /// The batch of the row shown.
    pub(crate) shown: Sequence,
    /// The batch that wins.
    pub(crate) winner: Sequence,
}

/// Puts steps into ticks of the given sizes, over and over; a withdrawal is alone in its tick.
pub(crate) fn ticks(steps: &[Step], sizes: &[usize]) -> Vec<Vec<Step>> {
    let mut sizes = sizes.iter().copied().cycle();
    let mut ticks: Vec<Vec<Step>> = Vec::new();
    let mut room = 0;
    for step in steps {
        let alone = matches!(step.act, Act::Withdraw(..));
        if alone || room == 0 {
            ticks.push(Vec::new());
            room = sizes.next().unwrap_or(1).max(1);
        }
        ticks.last_mut().unwrap().push(step.clone());
        room = if alone { 0 } else { room - 1 };
    }
    ticks
}
