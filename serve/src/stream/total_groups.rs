//! What an epoch may have changed of the totals that a stream shows, and why: saves and withdrawals of the
//! plants in them, and statements that moved a plant.

use std::collections::{BTreeMap, BTreeSet};

use smartpulse_operators::cause::Cause;
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{Day, Instant};
use smartpulse_operators::total::Total;
use smartpulse_operators::unit::{Unit, UnitType};

use super::groups::{Group, Touched, add, add_total, range};
use super::selection::Selection;
use crate::causes;
use crate::ring::Turn;
use crate::snapshot::Snapshot;

/// Causes by total and voice of a day.
type DayCauses = BTreeMap<(Total, Kind, Provider, Day), Vec<Cause>>;

/// Adds the touched totals of an epoch.
pub(super) fn of_totals(
    selection: &Selection,
    before: &Snapshot,
    turn: &Turn,
    groups: &mut Touched,
) {
    let wanted = |total: &Total| selection.takes_total(total);
    let (members, days) = (&turn.touched.members, &turn.touched.totals);
    let named = selection.totals.as_ref();
    // Where totals are named, only they are looked for.
    let touched_days: Vec<_> = match named {
        Some(named) => named.iter().flat_map(|it| turn.touched.days_of_total(it)).collect(),
        None => days.iter().collect(),
    };
    let moved: Vec<&Total> = members.iter().filter(|total| wanted(total)).collect();
    if touched_days.is_empty() && moved.is_empty() {
        return;
    }
    let causes = day_causes(before, turn, &wanted);
    for key in touched_days.into_iter().filter(|key| wanted(&key.total)) {
        if selection.takes_voice(key.kind, &key.provider) {
            let place = (key.total.clone(), key.kind, key.provider.clone(), key.day);
            let mut own = causes.get(&place).cloned().unwrap_or_default();
            stated(before, turn, &key.total).iter().for_each(|it| causes::add(&mut own, it));
            let (total, kind, provider, day) = place;
            add(Group::Total { total, kind, provider, day }, &own, groups);
        }
    }
    let after = &turn.snapshot;
    for total in moved {
        // Members are counted on every day, whoever reports on it.
        let stated = stated(before, turn, total);
        add_total(selection, after, total, range(selection, after, None), &stated, groups);
    }
}

/// What touched the plants of each wanted total.
fn day_causes(before: &Snapshot, turn: &Turn, wanted: &impl Fn(&Total) -> bool) -> DayCauses {
    let mut causes = DayCauses::new();
    for touched in &turn.touched.days {
        let (series, day) = (&touched.series, touched.day);
        if series.unit.unit_type != UnitType::PowerPlant {
            continue;
        }
        for total in totals_of(&[&before.reference, &turn.snapshot.reference], series.unit, day) {
            if wanted(&total) {
                let place = (total, series.kind, series.provider.clone(), day);
                let own = causes.entry(place).or_default();
                touched.causes.iter().for_each(|cause| causes::add(own, cause));
            }
        }
    }
    causes
}

/// The totals to which `plant` may belong on `day`.
fn totals_of(known: &[&Reference], plant: Unit, day: Day) -> BTreeSet<Total> {
    let (start, end) = (day.start(), Day(day.0 + 1).start());
    let mut totals = BTreeSet::from([Total::All]);
    for reference in known {
        for parent in parents(reference, plant, start, end) {
            match parent.unit_type {
                UnitType::Company => {
                    totals.insert(Total::Company(parent.unit_no));
                    let above = parents(reference, parent, start, end);
                    totals.extend(above.map(|group| Total::Group(group.unit_no)));
                }
                UnitType::Group => {
                    totals.insert(Total::Group(parent.unit_no));
                }
                UnitType::PowerPlant => {}
            }
        }
        for version in reference.versions_of(plant) {
            totals.extend(version.region.as_deref().map(|it| Total::Region(it.into())));
            totals.extend(version.plant_type.as_deref().map(|it| Total::PlantType(it.into())));
        }
    }
    totals
}

/// The units to which `child` belongs at some time in `[from, to)`.
fn parents(
    reference: &Reference,
    child: Unit,
    from: Instant,
    to: Instant,
) -> impl Iterator<Item = Unit> {
    let meets = move |valid_from: Instant, valid_to: Option<Instant>| {
        valid_from < to && valid_to.is_none_or(|end| end > from)
    };
    let all = reference.memberships_of(child);
    all.filter(move |it| meets(it.valid_from, it.valid_to)).map(|it| it.parent)
}

/// The statements of an epoch that may have moved plants into or out of `total`.
fn stated(before: &Snapshot, turn: &Turn, total: &Total) -> Vec<Cause> {
    let after = &turn.snapshot.reference;
    let concerns = |cause: &&Cause| match (cause, total) {
        (Cause::Membership { parent, .. }, Total::Company(number)) => {
            *parent == Unit { unit_type: UnitType::Company, unit_no: *number }
        }
        (Cause::Membership { parent, .. }, Total::Group(number)) => {
            let group = Unit { unit_type: UnitType::Group, unit_no: *number };
            let leads =
                |known: &Reference| known.memberships_of(*parent).any(|it| it.parent == group);
            *parent == group || leads(after) || leads(&before.reference)
        }
        (Cause::Unit(unit), Total::Region(key)) => {
            let region = |known: &Reference| {
                known
                    .versions_of(*unit)
                    .iter()
                    .any(|version| version.region.as_deref() == Some(key))
            };
            region(after) || region(&before.reference)
        }
        (Cause::Unit(unit), Total::PlantType(key)) => {
            let of_type = |known: &Reference| {
                known
                    .versions_of(*unit)
                    .iter()
                    .any(|version| version.plant_type.as_deref() == Some(key))
            };
            of_type(after) || of_type(&before.reference)
        }
        (Cause::Unit(unit), Total::All) => unit.unit_type == UnitType::PowerPlant,
        _ => false,
    };
    let mut causes = Vec::new();
    turn.touched.stated.iter().filter(concerns).for_each(|it| causes::add(&mut causes, it));
    causes
}
