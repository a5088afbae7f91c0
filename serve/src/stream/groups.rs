//! Which parts of the views a stream has to look at: all of them for a snapshot, those that were touched for
//! a delta. A group is looked at whole, at one snapshot or at two.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartpulse_operators::cause::Cause;
use smartpulse_operators::series::{Kind, Provider, Series};
use smartpulse_operators::time::{Day, Instant, Zone};
use smartpulse_operators::total::Total;
use smartpulse_operators::unit::Unit;

use super::selection::{Selection, View};
use crate::causes;
use crate::ring::Turn;
use crate::snapshot::Snapshot;
use crate::window::{days, zone_of};

/// Microseconds of a quarter of an hour: on its grid lies midnight of every zone.
const QUARTER: i64 = 15 * 60_000_000;

/// A part of a view: the day of a subject or of a total, or a unit. The order is that of the views.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    Day { view: View, unit: Unit, kind: Kind, provider: Provider, day: Day },
    Total { total: Total, kind: Kind, provider: Provider, day: Day },
    Unit(Unit),
}

impl Group {
    pub(crate) fn view(&self) -> View {
        match self {
            Group::Day { view, .. } => *view,
            Group::Total { .. } => View::Totals,
            Group::Unit(_) => View::Units,
        }
    }
}

/// Groups with what touched them.
pub(crate) type Touched = BTreeMap<Group, Vec<Cause>>;

/// The range of delivery that `selection` means for `unit`; none: for totals.
pub(crate) fn range(
    selection: &Selection,
    snapshot: &Snapshot,
    unit: Option<Unit>,
) -> (Instant, Instant) {
    if let (Some(from), Some(to)) = (selection.window.from, selection.window.to) {
        return (from, to);
    }
    let zone = unit.map_or_else(Zone::utc, |unit| zone_of(&snapshot.reference, unit));
    selection.window.range(&zone, snapshot.clock)
}

/// Everything that `selection` shows at `snapshot`.
pub(crate) fn all(selection: &Selection, snapshot: &Snapshot) -> Touched {
    let mut groups = Touched::new();
    if selection.has(View::Latest) || selection.has(View::Actuals) {
        let units = selection.named_units().unwrap_or_else(|| snapshot.units_with_series());
        for unit in units.into_iter().filter(|unit| selection.takes_unit(*unit)) {
            let range = range(selection, snapshot, Some(unit));
            add_days(selection, snapshot, unit, range, &[], &mut groups);
        }
    }
    if selection.has(View::Totals) {
        for total in snapshot.totals().filter(|total| selection.takes_total(total)) {
            let range = range(selection, snapshot, None);
            add_total(selection, snapshot, total, range, &[], &mut groups);
        }
    }
    if selection.has(View::Units) {
        let taken = snapshot.reference.units().filter(|unit| selection.takes_unit(*unit));
        groups.extend(taken.map(|unit| (Group::Unit(unit), Vec::new())));
    }
    groups
}

/// What `turns`, which lead on from `before`, may have changed of `selection`.
pub(crate) fn touched(selection: &Selection, before: &Snapshot, turns: &[Arc<Turn>]) -> Touched {
    let mut groups = Touched::new();
    let Some(after) = turns.last().map(|turn| &turn.snapshot) else { return groups };
    let named = selection.named_units();
    let mut previous = before;
    for turn in turns {
        match &named {
            Some(units) => {
                units.iter().for_each(|unit| of_unit(selection, turn, *unit, &mut groups));
            }
            None => of_all_units(selection, turn, &mut groups),
        }
        if selection.has(View::Totals) {
            super::total_groups::of_totals(selection, previous, turn, &mut groups);
        }
        if selection.has_unit_views() {
            of_master_data(selection, previous, turn, &mut groups);
        }
        previous = &turn.snapshot;
    }
    if selection.window.follows_clock()
        && before.clock.0.div_euclid(QUARTER) != after.clock.0.div_euclid(QUARTER)
    {
        of_new_day(selection, before, after, &mut groups);
    }
    groups
}

fn of_unit(selection: &Selection, turn: &Turn, unit: Unit, groups: &mut Touched) {
    for touched in turn.touched.days_of(unit) {
        add_touched(selection, &touched.series, touched.day, &touched.causes, groups);
    }
    of_named_series(selection, turn, |series| series.unit == unit, groups);
}

fn of_all_units(selection: &Selection, turn: &Turn, groups: &mut Touched) {
    let taken = turn.touched.days.iter();
    for touched in taken.filter(|touched| selection.takes_unit(touched.series.unit)) {
        add_touched(selection, &touched.series, touched.day, &touched.causes, groups);
    }
    of_named_series(selection, turn, |series| selection.takes_unit(series.unit), groups);
}

fn add_touched(
    selection: &Selection,
    series: &Series,
    day: Day,
    causes: &[Cause],
    groups: &mut Touched,
) {
    if let Some(view) = selection.view_of(series) {
        let (unit, kind, provider) = (series.unit, series.kind, series.provider.clone());
        add(Group::Day { view, unit, kind, provider, day }, causes, groups);
    }
}

/// At a period, the slots of a unit are as saved while it is the only one that is stored: a series of
/// another period changes how all its days are shown.
fn of_named_series(
    selection: &Selection,
    turn: &Turn,
    takes: impl Fn(&Series) -> bool,
    groups: &mut Touched,
) {
    if selection.period.is_none() {
        return;
    }
    let named = turn.touched.named.iter().map(|(_, series)| series);
    let named = named.filter(|series| takes(series));
    for series in named.filter(|series| selection.view_of(series).is_some()) {
        let touched = turn.touched.days_of(series.unit).iter();
        let mut causes = Vec::new();
        for touched in touched.filter(|touched| touched.series == *series) {
            touched.causes.iter().for_each(|cause| causes::add(&mut causes, cause));
        }
        let range = range(selection, &turn.snapshot, Some(series.unit));
        add_days(selection, &turn.snapshot, series.unit, range, &causes, groups);
    }
}

/// Units as such, and the days of those whose zone is another one now.
fn of_master_data(selection: &Selection, before: &Snapshot, turn: &Turn, groups: &mut Touched) {
    let after = &turn.snapshot;
    for unit in turn.touched.units.iter().copied().filter(|unit| selection.takes_unit(*unit)) {
        let stated = turn.touched.stated.contains(&Cause::Unit(unit));
        let cause = if stated { Cause::Unit(unit) } else { Cause::Clock(after.clock) };
        if selection.has(View::Units) {
            add(Group::Unit(unit), std::slice::from_ref(&cause), groups);
        }
        if !selection.window.is_fixed() {
            moved(selection, before, after, unit, &cause, groups);
        }
    }
}

/// The clock moves the window of each unit at its own midnight.
fn of_new_day(selection: &Selection, before: &Snapshot, after: &Snapshot, groups: &mut Touched) {
    let cause = Cause::Clock(after.clock);
    if selection.has(View::Latest) || selection.has(View::Actuals) {
        let units = selection.named_units().unwrap_or_else(|| after.units_with_series());
        for unit in units.into_iter().filter(|unit| selection.takes_unit(*unit)) {
            moved(selection, before, after, unit, &cause, groups);
        }
    }
    let (old, new) = (range(selection, before, None), range(selection, after, None));
    if selection.has(View::Totals) && old != new {
        for total in after.totals().filter(|total| selection.takes_total(total)) {
            for range in [old, new] {
                let cause = std::slice::from_ref(&cause);
                add_total(selection, after, total, range, cause, groups);
            }
        }
    }
}

/// The days that enter or leave the window of `unit`, if it moved.
fn moved(
    selection: &Selection,
    before: &Snapshot,
    after: &Snapshot,
    unit: Unit,
    cause: &Cause,
    groups: &mut Touched,
) {
    let old = range(selection, before, Some(unit));
    let new = range(selection, after, Some(unit));
    if old != new {
        for range in [old, new] {
            add_days(selection, after, unit, range, std::slice::from_ref(cause), groups);
        }
    }
}

/// The days of `unit` in the range of which something is known.
fn add_days(
    selection: &Selection,
    snapshot: &Snapshot,
    unit: Unit,
    (from, to): (Instant, Instant),
    causes: &[Cause],
    groups: &mut Touched,
) {
    for (id, series) in snapshot.all_series_of(unit) {
        if selection.view_of(&series).is_some() {
            for day in days(from, to).filter(|day| snapshot.block(id, *day).is_some()) {
                add_touched(selection, &series, day, causes, groups);
            }
        }
    }
}

/// The days of `total` in the range.
pub(super) fn add_total(
    selection: &Selection,
    snapshot: &Snapshot,
    total: &Total,
    (from, to): (Instant, Instant),
    causes: &[Cause],
    groups: &mut Touched,
) {
    if selection.window.is_ever() {
        // Where nobody reports, there is no row.
        snapshot.for_each_sums(|key, _| {
            if key.total == *total && selection.takes_voice(key.kind, &key.provider) {
                let (total, kind, provider) = (total.clone(), key.kind, key.provider.clone());
                add(Group::Total { total, kind, provider, day: key.day }, causes, groups);
            }
        });
        return;
    }
    for (kind, provider) in snapshot.voices() {
        if selection.takes_voice(kind, &provider) {
            for day in days(from, to) {
                let (total, provider) = (total.clone(), provider.clone());
                add(Group::Total { total, kind, provider, day }, causes, groups);
            }
        }
    }
}

pub(super) fn add(group: Group, causes: &[Cause], groups: &mut Touched) {
    let own = groups.entry(group).or_default();
    causes.iter().for_each(|cause| causes::add(own, cause));
}
