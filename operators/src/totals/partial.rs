//! What one worker's plants change in the totals: differences of sums, merged per touched day of a total.
//!
//! The worker keeps the resolved days of its plants, because a plant that moves takes all of them along.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;

use super::TotalKey;
use super::sums::DaySums;
use crate::chunk::unit_hash;
use crate::members::{Assignment, Rows};
use crate::resolve::{Resolved, ResolvedChange};
use crate::series::{Kind, Provider, Subject, SubjectId, VoiceId};
use crate::stretches::Stretches;
use crate::time::Day;
use crate::total::Total;
use crate::unit::{Unit, UnitType};

/// A difference on its way to the worker of its total.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Difference {
    /// Of the sums of a day.
    Sums(TotalKey, DaySums),
    /// A plant that enters (1) or leaves (−1) for these stretches.
    Members(Total, Stretches, i64),
}

impl Difference {
    /// Of which total.
    #[must_use]
    pub fn total(&self) -> &Total {
        match self {
            Difference::Sums(key, _) => &key.total,
            Difference::Members(total, ..) => total,
        }
    }
}

/// A row of `members` with its time and difference.
type MemberRow = (Assignment, u64, isize);

/// What this worker's plants change, tick by tick.
pub(super) fn partial<'s>(
    resolved: Stream<'s, u64, Vec<Vec<ResolvedChange>>>,
    members: Rows<'s, Assignment>,
) -> Stream<'s, u64, Vec<Difference>> {
    let to_plants = Exchange::new(|((plant, _), _, _): &MemberRow| unit_hash(*plant));
    let mut plants = Plants::default();
    resolved.binary_frontier::<_, CapacityContainerBuilder<Vec<Difference>>, _, _, _, _>(
        members.inner,
        Pipeline,
        to_plants,
        "partial totals",
        |_, _| {
            let mut waiting: BTreeMap<u64, (Capability<u64>, Tick)> = BTreeMap::new();
            move |(resolved, resolved_frontier), (members, members_frontier), output| {
                resolved.for_each_stamp(|capability, data| {
                    let Some(capability) = capability.retain_least(0) else { return };
                    let tick = waiting
                        .entry(*capability.time())
                        .or_insert_with(|| (capability, Tick::default()));
                    tick.1.changes.extend(data.flat_map(|rows| rows.drain(..)).flatten());
                });
                members.for_each_stamp(|capability, data| {
                    let Some(capability) = capability.retain_least(0) else { return };
                    for row in data.flat_map(|rows| rows.drain(..)) {
                        // One message may hold rows of several epochs.
                        let tick = waiting
                            .entry(row.1)
                            .or_insert_with(|| (capability.delayed(&row.1), Tick::default()));
                        tick.1.moves.push(row);
                    }
                });
                while let Some(entry) = waiting.first_entry()
                    && !resolved_frontier.less_equal(entry.key())
                    && !members_frontier.less_equal(entry.key())
                {
                    let (capability, tick) = entry.remove();
                    let mut session = output.session(&capability);
                    plants.apply(tick).into_iter().for_each(|difference| session.give(difference));
                }
            }
        },
    )
}

/// What reached the worker for one epoch.
#[derive(Default)]
struct Tick {
    changes: Vec<ResolvedChange>,
    moves: Vec<MemberRow>,
}

/// The plants of a worker.
#[derive(Default)]
struct Plants {
    /// In which totals, and when.
    assigned: HashMap<Unit, BTreeMap<Total, (TotalNo, Stretches)>, FixedState>,
    /// Numbers of totals and voices, for the keys of the sums of a tick.
    numbers: HashMap<Total, TotalNo, FixedState>,
    totals: Vec<Total>,
    voices: HashMap<VoiceId, (Kind, Provider), FixedState>,
    days: HashMap<Unit, Days, FixedState>,
}

/// The resolved days of a plant.
type Days = BTreeMap<(SubjectId, Day), (Arc<Subject>, Resolved)>;

/// Number of a total on this worker.
type TotalNo = u32;

/// Differences of a tick by total, voice and day.
type Sums = HashMap<(TotalNo, VoiceId, Day), DaySums, FixedState>;

impl Plants {
    fn apply(&mut self, tick: Tick) -> Vec<Difference> {
        let mut sums = Sums::default();
        for change in tick.changes {
            // Forecasts of companies and groups for themselves are never mixed with sums.
            if change.subject.unit.unit_type == UnitType::PowerPlant {
                self.change(change, &mut sums);
            }
        }
        let mut differences = Vec::new();
        for (plant, moves) in by_plant(tick.moves) {
            self.move_plant(plant, moves, &mut sums, &mut differences);
        }
        let news = sums.into_iter().filter(|(_, sums)| !sums.is_nothing());
        differences.extend(news.map(|((total, voice, day), sums)| {
            let (kind, provider) = self.voices[&voice].clone();
            let total = self.totals[total as usize].clone();
            Difference::Sums(TotalKey { total, kind, provider, day }, sums)
        }));
        differences
    }

    fn change(&mut self, change: ResolvedChange, sums: &mut Sums) {
        let ResolvedChange { subject, day, old, new } = change;
        self.hear(&subject);
        let assigned = self.assigned.get(&subject.unit);
        for (total, held) in assigned.into_iter().flat_map(BTreeMap::values) {
            if held.of_day(day).next().is_none() {
                continue;
            }
            let sums = sums.entry((*total, subject.voice, day)).or_default();
            for (resolved, sign) in [(&old, -1), (&new, 1)] {
                if let Some(resolved) = resolved {
                    sums.add(resolved, held, day, sign);
                }
            }
        }
        let days = self.days.entry(subject.unit).or_default();
        match (new, days.get_mut(&(subject.id, day))) {
            (Some(new), Some((_, known))) => known.become_equal(new),
            (Some(new), None) => drop(days.insert((subject.id, day), (subject, new))),
            (None, _) => drop(days.remove(&(subject.id, day))),
        }
    }

    /// Remembers what a voice is.
    fn hear(&mut self, subject: &Subject) {
        if !self.voices.contains_key(&subject.voice) {
            self.voices.insert(subject.voice, (subject.kind, subject.provider.clone()));
        }
    }

    fn move_plant(
        &mut self,
        plant: Unit,
        moves: BTreeMap<Total, (Option<Stretches>, Option<Stretches>)>,
        sums: &mut Sums,
        differences: &mut Vec<Difference>,
    ) {
        let days = self.days.get(&plant);
        let assigned = self.assigned.entry(plant).or_default();
        for (total, (old, new)) in moves {
            let next = self.totals.len() as TotalNo;
            let number = *self.numbers.entry(total.clone()).or_insert(next);
            if number == next {
                self.totals.push(total.clone());
            }
            for (held, sign) in [(&old, -1), (&new, 1)] {
                let Some(held) = held else { continue };
                differences.push(Difference::Members(total.clone(), held.clone(), sign));
                for ((_, day), (subject, resolved)) in days.into_iter().flatten() {
                    if held.of_day(*day).next().is_some() {
                        let sums = sums.entry((number, subject.voice, *day)).or_default();
                        sums.add(resolved, held, *day, sign);
                    }
                }
            }
            match new {
                Some(new) => drop(assigned.insert(total, (number, new))),
                None => drop(assigned.remove(&total)),
            }
        }
    }
}

type Moves = BTreeMap<Total, (Option<Stretches>, Option<Stretches>)>;

/// Moves by plant and total: what held before, and what holds now.
fn by_plant(rows: Vec<MemberRow>) -> BTreeMap<Unit, Moves> {
    let mut net: BTreeMap<Assignment, isize> = BTreeMap::new();
    for (row, _, difference) in rows {
        *net.entry(row).or_default() += difference;
    }
    let mut plants: BTreeMap<Unit, Moves> = BTreeMap::new();
    for ((plant, (total, held)), difference) in net {
        let (old, new) = plants.entry(plant).or_default().entry(total).or_default();
        match difference {
            0 => {}
            ..0 => *old = Some(held),
            1.. => *new = Some(held),
        }
    }
    plants
}
