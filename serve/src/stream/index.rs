//! From what an epoch touched to the cohorts it may concern: those that name units or totals are found by
//! them, all others are asked every time.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smartpulse_operators::cause::Cause;
use smartpulse_operators::total::Total;
use smartpulse_operators::unit::Unit;

use super::cohort::Cohort;
use super::selection::{Selection, View};
use crate::ring::Turn;
use crate::snapshot::Snapshot;

/// Microseconds of a quarter of an hour: on its grid lies midnight of every zone.
const QUARTER: i64 = 15 * 60_000_000;

#[derive(Debug, Default)]
pub(super) struct Index {
    by_unit: HashMap<Unit, Vec<Arc<Cohort>>, FixedState>,
    by_total: HashMap<Total, Vec<Arc<Cohort>>, FixedState>,
    /// Those that take whatever units or totals there are.
    others: Vec<Arc<Cohort>>,
    /// Those that name what they show, and whose window the clock moves.
    moving: Vec<Arc<Cohort>>,
}

impl Index {
    pub(super) fn add(&mut self, cohort: &Arc<Cohort>) {
        self.lists(&cohort.selection, |list| list.push(Arc::clone(cohort)));
    }

    pub(super) fn remove(&mut self, cohort: &Arc<Cohort>) {
        self.lists(&cohort.selection, |list| list.retain(|known| !Arc::ptr_eq(known, cohort)));
        for unit in cohort.selection.named_units().into_iter().flatten() {
            if self.by_unit.get(&unit).is_some_and(Vec::is_empty) {
                self.by_unit.remove(&unit);
            }
        }
        for total in cohort.selection.totals.iter().flatten() {
            if self.by_total.get(total).is_some_and(Vec::is_empty) {
                self.by_total.remove(total);
            }
        }
    }

    /// The cohorts that the epoch may concern, each once.
    pub(super) fn concerned(&self, before: &Snapshot, turn: &Turn) -> Vec<Arc<Cohort>> {
        let mut concerned: BTreeMap<*const Cohort, &Arc<Cohort>> = BTreeMap::new();
        let touched = &turn.touched;
        let mut lists: Vec<&Vec<Arc<Cohort>>> = vec![&self.others];
        let quarter = |clock: i64| clock.div_euclid(QUARTER);
        if quarter(before.clock.0) != quarter(turn.snapshot.clock.0) {
            lists.push(&self.moving);
        }
        if !self.by_unit.is_empty() {
            let stated = touched.stated.iter().filter_map(|cause| match cause {
                Cause::Unit(unit) => Some(*unit),
                _ => None,
            });
            let days = touched.days.iter().map(|day| day.series.unit);
            let named = touched.named.iter().map(|(_, series)| series.unit);
            let units = days.chain(named).chain(touched.units.iter().copied()).chain(stated);
            lists.extend(units.filter_map(|unit| self.by_unit.get(&unit)));
        }
        if !self.by_total.is_empty() {
            let totals = touched.totals.iter().map(|key| &key.total).chain(&touched.members);
            lists.extend(totals.filter_map(|total| self.by_total.get(total)));
        }
        for cohort in lists.into_iter().flatten() {
            concerned.insert(Arc::as_ptr(cohort), cohort);
        }
        concerned.into_values().cloned().collect()
    }

    /// Calls `change` with every list in which a cohort of `selection` stands.
    fn lists(&mut self, selection: &Selection, change: impl Fn(&mut Vec<Arc<Cohort>>)) {
        let units = selection.named_units();
        let totals = selection.totals.as_ref();
        let by_unit = !selection.has_unit_views() || units.is_some();
        let by_total = !selection.has(View::Totals) || totals.is_some();
        if !(by_unit && by_total) {
            return change(&mut self.others);
        }
        if selection.has_unit_views() {
            for unit in units.into_iter().flatten() {
                change(self.by_unit.entry(unit).or_default());
            }
        }
        if selection.has(View::Totals) {
            for total in totals.into_iter().flatten() {
                change(self.by_total.entry(total.clone()).or_default());
            }
        }
        if selection.window.follows_clock() {
            change(&mut self.moving);
        }
    }
}
