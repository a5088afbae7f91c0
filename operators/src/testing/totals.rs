//! Totals by brute force, and as the dataflow left them, in the same terms: a number of members, of those
//! that report, and a sum, for every slot of the total's grid.
//!
//! The oracle asks every minute at which anything may change who belongs, by looking at all statements, and
//! what each of them has, by looking at all rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::View;
use crate::batch::Sequence;
use crate::change::Change;
use crate::quantity::NULL;
use crate::series::{Kind, Provider};
use crate::time::{Day, Instant, Period};
use crate::timeline::Timeline;
use crate::total::Total;
use crate::totals::sums::DaySums;
use crate::totals::{TotalChanges, TotalKey};
use crate::unit::{Membership, Unit, UnitType, UnitVersion};

/// (sum, members, reporting) of each slot of the grid, of every total that anybody reports to.
pub(crate) type Totals = BTreeMap<TotalKey, Vec<(i64, u32, u32)>>;

/// The state that changes of totals add up to.
#[derive(Clone, Default)]
pub(crate) struct Told {
    days: BTreeMap<TotalKey, Arc<DaySums>>,
    timelines: BTreeMap<Total, Arc<Timeline>>,
}

impl Told {
    pub(crate) fn take(&mut self, changes: TotalChanges) {
        for (key, sums) in changes.days {
            match sums {
                Some(sums) => drop(self.days.insert(key, sums)),
                None => drop(self.days.remove(&key)),
            }
        }
        self.timelines.extend(changes.timelines);
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::new();
        for (key, sums) in &self.days {
            let read = sums.read(&self.timelines[&key.total], key.day);
            let slots = read.sums.iter().zip(&read.members).zip(&read.reporting);
            let slots = slots.map(|((sum, members), reporting)| (*sum, *members, *reporting));
            totals.insert(key.clone(), slots.collect());
        }
        totals
    }
}

/// All totals that `view` makes under `statements`, where `order` tells since when a batch counts.
pub(crate) fn totals(
    view: &View,
    statements: &[Change],
    order: impl Fn(Sequence) -> (Instant, Sequence),
) -> Totals {
    let hierarchy = Hierarchy::of(statements);
    let subjects: BTreeSet<(Kind, Provider, Day)> = view
        .rows
        .keys()
        .map(|(series, start)| (series.kind, series.provider.clone(), start.day()))
        .collect();
    let mut totals = Totals::new();
    for (kind, provider, day) in subjects {
        let plants: Vec<(Unit, Vec<i64>)> = hierarchy
            .plants
            .iter()
            .filter_map(|plant| {
                Some((*plant, on_grid(view, *plant, kind, &provider, day, &order)?))
            })
            .collect();
        for total in &hierarchy.totals {
            let who = hierarchy.of_day(total, day);
            let present: Vec<&(Unit, Vec<i64>)> = plants
                .iter()
                .filter(|(plant, _)| who.values().any(|members| members.contains(plant)))
                .collect();
            let periods = present.iter().map(|(_, values)| 1_440 / values.len());
            let Some(grid) = periods.chain(who.keys().copied().skip(1)).reduce(common) else {
                continue;
            };
            if present.is_empty() {
                continue;
            }
            let slot = |minute: usize| {
                let (_, members) = who.range(..=minute).next_back().unwrap();
                let values = present.iter().filter(|(plant, _)| members.contains(plant));
                let values = values.map(|(_, values)| values[minute * values.len() / 1_440]);
                let values: Vec<i64> = values.filter(|value| *value != NULL).collect();
                (values.iter().sum(), members.len() as u32, values.len() as u32)
            };
            let key = TotalKey { total: total.clone(), kind, provider: provider.clone(), day };
            totals.insert(key, (0..1_440).step_by(grid).map(slot).collect());
        }
    }
    totals
}

fn common(one: usize, other: usize) -> usize {
    (1..=one.min(other))
        .rev()
        .find(|by| one.is_multiple_of(*by) && other.is_multiple_of(*by))
        .unwrap()
}

/// What holds for a unit on each slot of the grid of what is present that day.
pub(super) fn on_grid(
    view: &View,
    unit: Unit,
    kind: Kind,
    provider: &Provider,
    day: Day,
    order: &impl Fn(Sequence) -> (Instant, Sequence),
) -> Option<Vec<i64>> {
    let rows: Vec<_> = view
        .rows
        .iter()
        .filter(|((series, start), _)| {
            (series.unit, series.kind, &series.provider) == (unit, kind, provider)
                && start.day() == day
        })
        .collect();
    let periods = rows.iter().map(|((series, _), _)| series.period.minutes().into());
    let grid = periods.reduce(common)?;
    let at = |minute: usize| {
        let now = day.start().plus_minutes(minute as i64);
        let covers = |period: Period, start: Instant| {
            start <= now && now < start.plus_minutes(period.minutes().into())
        };
        let covering = rows.iter().filter(|((series, start), _)| covers(series.period, *start));
        let newest = covering
            .max_by_key(|((series, _), row)| (order(row.winner), std::cmp::Reverse(series.period)));
        newest.map_or(NULL, |(_, row)| row.value)
    };
    Some((0..1_440).step_by(grid).map(at).collect())
}

/// All that was said of units.
struct Hierarchy {
    plants: BTreeSet<Unit>,
    totals: BTreeSet<Total>,
    /// The last statement of each key.
    memberships: BTreeMap<(Unit, Unit, Instant), Membership>,
    versions: BTreeMap<(Unit, Instant), UnitVersion>,
}

impl Hierarchy {
    fn of(statements: &[Change]) -> Hierarchy {
        let (mut memberships, mut versions) = (BTreeMap::new(), BTreeMap::new());
        for statement in statements {
            match statement {
                Change::Membership(said) => {
                    memberships.insert((said.child, said.parent, said.valid_from), said.clone());
                }
                Change::Unit(said) => {
                    versions.insert((said.unit, said.valid_from), said.clone());
                }
                _ => {}
            }
        }
        let named = memberships.keys().map(|(child, ..)| *child);
        let named = named.chain(versions.keys().map(|(unit, _)| *unit));
        let plants = named.filter(|unit| unit.unit_type == UnitType::PowerPlant).collect();
        let parents = memberships.keys().map(|(_, parent, _)| match parent.unit_type {
            UnitType::Company => Total::Company(parent.unit_no),
            _ => Total::Group(parent.unit_no),
        });
        let region = |said: &UnitVersion| Some(Total::Region(said.region.as_deref()?.into()));
        let kind = |said: &UnitVersion| Some(Total::PlantType(said.plant_type.as_deref()?.into()));
        let described = versions.values().flat_map(|said| [region(said), kind(said)]).flatten();
        let totals = parents.chain(described).chain([Total::All]).collect();
        Hierarchy { plants, totals, memberships, versions }
    }

    /// Who belongs from each minute of a day on at which that changes; the first is minute 0.
    fn of_day(&self, total: &Total, day: Day) -> BTreeMap<usize, BTreeSet<Unit>> {
        let start = day.start();
        let from = self.memberships.values().map(|said| Some(said.valid_from));
        let to = self.memberships.values().map(|said| said.valid_to);
        let versions = self.versions.keys().map(|(_, from)| Some(*from));
        let edges = from.chain(to).chain(versions).flatten();
        // The first full minute from an edge on: a slot that begins there is judged anew.
        let minutes = edges.map(|edge| edge.0.saturating_sub(start.0).div_euclid(60_000_000));
        let minutes = minutes.flat_map(|minute| [minute, minute + 1]);
        let within = minutes.filter(|minute| (0..1_440).contains(minute));
        let minutes: BTreeSet<usize> = within.map(|minute| minute as usize).chain([0]).collect();
        let mut who: BTreeMap<usize, BTreeSet<Unit>> = BTreeMap::new();
        for minute in minutes {
            let now = start.plus_minutes(minute as i64);
            let members: BTreeSet<Unit> = self
                .plants
                .iter()
                .copied()
                .filter(|plant| self.counts(*plant, total, now))
                .collect();
            if who.last_key_value().is_none_or(|(_, before)| *before != members) {
                who.insert(minute, members);
            }
        }
        who
    }

    fn counts(&self, plant: Unit, total: &Total, now: Instant) -> bool {
        let version =
            self.versions.range((plant, Instant::MIN)..=(plant, now)).next_back().map(|(_, v)| v);
        let belongs = |child: Unit, unit_type: UnitType, unit_no: u64| {
            let parent = Unit { unit_type, unit_no };
            let known = self.memberships.values();
            let mut of_both = known.filter(|said| (said.child, said.parent) == (child, parent));
            of_both.any(|said| said.covers(now))
        };
        match total {
            Total::All => version.is_some(),
            Total::Region(region) => {
                version.is_some_and(|said| said.region.as_deref() == Some(region))
            }
            Total::PlantType(kind) => {
                version.is_some_and(|said| said.plant_type.as_deref() == Some(kind))
            }
            Total::Company(number) => belongs(plant, UnitType::Company, *number),
            Total::Group(number) => {
                let companies = self.memberships.keys().map(|(_, parent, _)| parent);
                let mut companies =
                    companies.filter(|unit| unit.unit_type == UnitType::Company).copied();
                belongs(plant, UnitType::Group, *number)
                    || companies.any(|company| {
                        belongs(plant, UnitType::Company, company.unit_no)
                            && belongs(company, UnitType::Group, *number)
                    })
            }
        }
    }
}
