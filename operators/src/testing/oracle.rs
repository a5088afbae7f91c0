//! Works everything out from scratch, by brute force and from the contract alone: all revisions of every
//! slot in a list, all statements in another, each question answered by looking at all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Act, Answer, Decision, Decisions, Issue, Points, Row, Step, View};
use crate::batch::{Batch, Sequence};
use crate::change::{Change, Checks, Rules};
use crate::outcome::Outcome;
use crate::quantity::{NULL, Quantity};
use crate::reference::megawatts;
use crate::series::{Kind, Provider, Series};
use crate::time::{Day, Instant};
use crate::unit::{Unit, UnitType};

/// All that ever happened.
#[derive(Default)]
pub(crate) struct Oracle {
    pub(crate) decisions: Decisions,
    pub(crate) answers: Vec<Answer>,
    pub(crate) statements: Vec<Change>,
    slots: BTreeMap<(Series, Instant), Vec<Said>>,
    withdrawn: BTreeSet<Sequence>,
    clock: Option<Instant>,
}

/// What a stored revision says of a slot.
#[derive(Clone, Copy)]
struct Said {
    valid_after: Instant,
    sequence: Sequence,
    skips_existing_check: bool,
    value: i64,
}

impl Oracle {
    /// Takes the next step.
    pub(crate) fn take(&mut self, step: &Step) {
        self.clock = self.clock.max(Some(step.at));
        match &step.act {
            Act::State(change) => self.statements.push(change.clone()),
            Act::Save(issue) => {
                for (points, entry) in issue.curves.iter().zip(0..) {
                    self.save(issue, points, entry, false);
                    let is_final = issue.batch.provider.key() == Provider::FINAL_FORECAST;
                    if points.apply_final_forecast && !is_final {
                        self.save(issue, points, entry, true);
                    }
                }
            }
            Act::Withdraw(sequence, checks) => {
                let answer = self.withdraw(*sequence, *checks, step.at);
                self.answers.push(answer);
            }
            Act::Clock => {}
        }
    }

    /// What is shown at the clock.
    pub(crate) fn view(&self) -> View {
        let Some(clock) = self.clock else { return View::default() };
        let mut waiting: BTreeMap<(Series, Day), BTreeSet<(Instant, Sequence)>> = BTreeMap::new();
        let mut view = View::default();
        for ((series, start), said) in &self.slots {
            if let Some(row) = self.row(said, clock) {
                view.rows.insert((series.clone(), *start), row);
            }
            let counts_later =
                |one: &&Said| one.valid_after > clock && !self.withdrawn.contains(&one.sequence);
            for one in said.iter().filter(counts_later) {
                let day = waiting.entry((series.clone(), start.day())).or_default();
                day.insert((one.valid_after, one.sequence));
            }
        }
        let in_order = |order: BTreeSet<(Instant, Sequence)>| order.into_iter().map(|(_, s)| s);
        view.waiting =
            waiting.into_iter().map(|(day, order)| (day, in_order(order).collect())).collect();
        view
    }

    /// The winner of a slot at `reference`, and since when it stands.
    fn row(&self, said: &[Said], reference: Instant) -> Option<Row> {
        let mut counting: Vec<Said> = said
            .iter()
            .filter(|one| one.valid_after <= reference && !self.withdrawn.contains(&one.sequence))
            .copied()
            .collect();
        counting.sort_by_key(|one| (one.valid_after, one.sequence));
        let winner = *counting.last()?;
        let mut shown = counting.pop()?;
        while let Some(before) = counting.pop() {
            if shown.skips_existing_check || before.value != winner.value {
                break;
            }
            shown = before;
        }
        Some(Row { value: winner.value, shown: shown.sequence, winner: winner.sequence })
    }

    fn save(&mut self, issue: &Issue, points: &Points, entry: u32, is_final_copy: bool) {
        let provider = if is_final_copy {
            Provider::parse(Provider::FINAL_FORECAST).unwrap()
        } else {
            issue.batch.provider.clone()
        };
        let Points { kind, unit, period, .. } = *points;
        let series = Series { kind, unit, provider, period };
        let Batch { valid_after, sequence, skips_existing_check, .. } = issue.batch;
        for &(start, given) in &points.points {
            let decision = match self.judge(issue, points, start, given) {
                Err(outcome) => Decision { outcome, value: given, clipped: false },
                Ok(value) => {
                    let said = self.slots.entry((series.clone(), start)).or_default().clone();
                    let existing = self.row(&said, valid_after).map_or(NULL, |row| row.value);
                    let outcome = match (existing == value, existing == NULL || value == NULL) {
                        (true, _) if !skips_existing_check => Outcome::Skipped,
                        (true, _) | (false, true) => Outcome::Saved,
                        (false, false) => Outcome::Restated,
                    };
                    let said = self.slots.entry((series.clone(), start)).or_default();
                    said.push(Said { valid_after, sequence, skips_existing_check, value });
                    Decision { outcome, value, clipped: value != given }
                }
            };
            self.decisions.insert((sequence, entry, is_final_copy, start), decision);
        }
    }

    /// The value to store, clipped or not, or why it is refused.
    fn judge(
        &self,
        issue: &Issue,
        points: &Points,
        start: Instant,
        value: i64,
    ) -> Result<i64, Outcome> {
        let unit = points.unit;
        if points.kind == Kind::Actual {
            return Ok(value);
        }
        if !self.is_known(unit, issue.path, start) {
            return Err(Outcome::UnknownUnit);
        }
        if let Some(refusal) = self.frozen(unit, issue.checks, issue.batch.recorded, start) {
            return Err(refusal);
        }
        if !issue.checks.limits || value == NULL || unit.unit_type == UnitType::Group {
            return Ok(value);
        }
        let lower = self.property(unit, "lower_limit_mw").and_then(|text| megawatts(&text));
        if lower.is_some_and(|lower| value < lower.0) {
            return Err(Outcome::LowerLimit);
        }
        match self.upper_limit(unit, start) {
            Some(upper) if value > upper.0 && points.conform_upper_limit => Ok(upper.0),
            Some(upper) if value > upper.0 => Err(Outcome::UpperLimit),
            _ => Ok(value),
        }
    }

    fn is_known(&self, unit: Unit, path: Option<Unit>, start: Instant) -> bool {
        let described = self.statements.iter().any(
            |one| matches!(one, Change::Unit(one) if one.unit == unit && one.valid_from <= start),
        );
        let parents = self.parents(unit, start);
        let mut owners = parents.iter().filter(|one| one.unit_type == UnitType::Company);
        let on_path = path.is_none_or(|path| {
            path == unit
                || parents.contains(&path)
                || owners.any(|one| self.parents(*one, start).contains(&path))
        });
        described && on_path
    }

    fn frozen(
        &self,
        unit: Unit,
        checks: Checks,
        recorded: Instant,
        start: Instant,
    ) -> Option<Outcome> {
        let mut locks = BTreeMap::new();
        let mut rules = Rules::default();
        for one in &self.statements {
            match one {
                Change::Lock(lock) => drop(locks.insert(lock.id, lock)),
                Change::Rules(newer) => rules = newer.clone(),
                _ => {}
            }
        }
        let is_locked = locks.values().any(|lock| {
            let ends = [lock.expires, lock.released];
            lock.unit == unit
                && (lock.from..lock.to).contains(&start)
                && ends.into_iter().flatten().all(|end| recorded < end)
        });
        if checks.locks && is_locked {
            return Some(Outcome::Locked);
        }
        let is_epias = self.property(unit, "market").is_some_and(|it| it.to_uppercase() == "EPIAS");
        let gate = if is_epias { rules.epias_gate_minutes } else { rules.gate_minutes };
        let is_closed = recorded.0 >= start.0 - gate * 60_000_000;
        (checks.gates && !checks.past_role && is_closed).then_some(Outcome::GateClosed)
    }

    fn upper_limit(&self, unit: Unit, start: Instant) -> Option<Quantity> {
        if let Some(stated) = self.property(unit, "upper_limit_mw") {
            return megawatts(&stated);
        }
        // The version with the greatest `valid_from`; of equal ones the last stated.
        let versions = self.statements.iter().filter_map(|one| match one {
            Change::Unit(one) if one.unit == unit && one.valid_from <= start => Some(one),
            _ => None,
        });
        let version = versions.max_by_key(|version| version.valid_from)?;
        version.installed_power.filter(|_| unit.unit_type == UnitType::PowerPlant)
    }

    fn property(&self, unit: Unit, key: &str) -> Option<String> {
        let stated = self.statements.iter().rev().find_map(|one| match one {
            Change::Property(one) if one.unit == unit && one.key == key => Some(one),
            _ => None,
        });
        stated?.value.clone()
    }

    fn parents(&self, child: Unit, instant: Instant) -> Vec<Unit> {
        let mut stated = BTreeMap::new();
        for one in &self.statements {
            if let Change::Membership(one) = one
                && one.child == child
            {
                stated.insert((one.parent, one.valid_from), one);
            }
        }
        let holds = |end: Option<Instant>| end.is_none_or(|end| instant < end);
        let holding = stated.values().filter(|one| !one.deleted && holds(one.valid_to));
        holding.filter(|one| one.valid_from <= instant).map(|one| one.parent).collect()
    }

    fn withdraw(&mut self, sequence: Sequence, checks: Checks, recorded: Instant) -> Answer {
        let mut own = self.slots.values().flatten().filter(|one| one.sequence == sequence);
        let Some(valid_after) = own.next().map(|one| one.valid_after) else {
            return Answer::Unknown;
        };
        if self.withdrawn.contains(&sequence) {
            return Answer::Already;
        }
        let reference = self.clock.max(Some(valid_after)).unwrap();
        let wins =
            |said: &[Said]| self.row(said, reference).is_some_and(|row| row.winner == sequence);
        let mut refused: Vec<_> = self
            .slots
            .iter()
            .filter(|((series, _), said)| series.kind == Kind::Forecast && wins(said))
            .filter_map(|((series, start), _)| {
                let refusal = self.frozen(series.unit, checks, recorded, *start)?;
                Some((series.unit, *start, refusal))
            })
            .collect();
        refused.sort_unstable();
        if !refused.is_empty() && !checks.past_role {
            return Answer::Refused(refused);
        }
        self.withdrawn.insert(sequence);
        Answer::Done
    }
}
