//! What one worker's plants change in the totals: differences of sums, addressed to the worker of the total.
//!
//! The worker remembers the resolved days of its plants, because a plant that moves takes all of them
//! along; a day is the block that `latest` holds, not a copy.

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

use super::difference::{Effect, PlantDifference};
use super::sums::DaySums;
use super::total_hash;
use crate::chunk::unit_hash;
use crate::members::{Assignment, Rows};
use crate::resolve::{ResolvedChange, ResolvedDay};
use crate::series::{Kind, Provider, Subject, SubjectId, VoiceId};
use crate::stretches::Stretches;
use crate::time::Day;
use crate::total::Total;
use crate::unit::{Unit, UnitType};

/// A difference on its way to the worker of its total.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// The hash by which totals are spread.
    pub to: u64,
    /// The worker it comes from.
    pub source: u32,
    /// The number the total has there: named by its first [`What::Members`].
    pub total: TotalNo,
    /// What differs.
    pub what: What,
}

/// Number of a total on one worker.
pub type TotalNo = u32;

/// What differs in a total.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum What {
    /// A plant enters (1) or leaves (−1) for these stretches.
    Members(Box<(Total, Stretches, i64)>),
    /// The sums of a day.
    Sums(Box<(DayOf, DaySums)>),
    /// A plant's day, of the same effect on every total that holds it.
    Plant(Arc<(DayOf, PlantDifference)>),
}

/// A day of a voice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DayOf {
    /// Number of kind and provider.
    pub voice: VoiceId,
    /// Forecasts or actuals.
    pub kind: Kind,
    /// Whose.
    pub provider: Provider,
    /// The UTC day.
    pub day: Day,
}

/// A row of `members` with its time and difference.
type MemberRow = (Assignment, u64, isize);

/// What this worker's plants change, tick by tick.
pub(super) fn partial<'s>(
    resolved: Stream<'s, u64, Vec<Vec<ResolvedChange>>>,
    members: Rows<'s, Assignment>,
) -> Stream<'s, u64, Vec<Difference>> {
    let to_plants = Exchange::new(|((plant, _), _, _): &MemberRow| unit_hash(*plant));
    let mut plants = Plants { source: resolved.scope().index() as u32, ..Plants::default() };
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
    source: u32,
    places: HashMap<Unit, u32, FixedState>,
    plants: Vec<Plant>,
    /// By number, those of other workers left out.
    subjects: Vec<Option<SubjectDays>>,
    numbers: HashMap<Total, TotalNo, FixedState>,
    /// Hashes of totals, by number.
    hashes: Vec<u64>,
}

#[derive(Default)]
struct Plant {
    /// In which totals, and when.
    assigned: Vec<(TotalNo, Stretches)>,
    subjects: Vec<SubjectId>,
}

/// The resolved days of a subject, ascending.
struct SubjectDays {
    subject: Arc<Subject>,
    plant: u32,
    days: Vec<(Day, ResolvedDay)>,
}

/// Differences of a tick that are not the same for every total.
type Uneven = HashMap<(TotalNo, DayOf), DaySums, FixedState>;

impl Plants {
    fn apply(&mut self, tick: Tick) -> Vec<Difference> {
        let (mut differences, mut uneven) = (Vec::new(), Uneven::default());
        for change in tick.changes {
            // Forecasts of companies and groups for themselves are never mixed with sums.
            if change.subject.unit.unit_type == UnitType::PowerPlant {
                self.change(change, &mut uneven, &mut differences);
            }
        }
        for (plant, moves) in by_plant(tick.moves) {
            self.move_plant(plant, moves, &mut uneven, &mut differences);
        }
        let uneven = uneven.into_iter().filter(|(_, sums)| !sums.is_nothing());
        differences.extend(
            uneven.map(|((total, day), sums)| {
                self.difference(total, What::Sums(Box::new((day, sums))))
            }),
        );
        differences
    }

    fn difference(&self, total: TotalNo, what: What) -> Difference {
        Difference { to: self.hashes[total as usize], source: self.source, total, what }
    }

    fn change(
        &mut self,
        change: ResolvedChange,
        uneven: &mut Uneven,
        differences: &mut Vec<Difference>,
    ) {
        let ResolvedChange { subject, day, old, new } = change;
        let plant = self.hear(&subject);
        let [was, is] = [&old, &new].map(|day| day.as_ref().map(ResolvedDay::values));
        let effect = Effect::of(was, is);
        if !matches!(effect, Effect::Nothing) {
            let of = DayOf::of(&subject, day);
            let even = match effect {
                Effect::Even(difference) => Some(Arc::new((of.clone(), difference))),
                _ => None,
            };
            for (total, held) in &self.plants[plant as usize].assigned {
                if let Some(even) = even.as_ref().filter(|_| held.hold_all_of(day)) {
                    differences.push(self.difference(*total, What::Plant(Arc::clone(even))));
                } else if held.of_day(day).next().is_some() {
                    let sums = uneven.entry((*total, of.clone())).or_default();
                    for (values, sign) in [(was, -1), (is, 1)] {
                        if let Some(values) = values {
                            sums.add(values, held, day, sign);
                        }
                    }
                }
            }
        }
        if let Some(known) = &mut self.subjects[subject.id.0 as usize] {
            known.keep(day, new);
        }
    }

    /// Remembers a subject; the place of its plant.
    fn hear(&mut self, subject: &Arc<Subject>) -> u32 {
        let place = subject.id.0 as usize;
        if let Some(Some(known)) = self.subjects.get(place) {
            return known.plant;
        }
        if self.subjects.len() <= place {
            self.subjects.resize_with(place + 1, || None);
        }
        let plant = self.place(subject.unit);
        self.plants[plant as usize].subjects.push(subject.id);
        let days = SubjectDays { subject: Arc::clone(subject), plant, days: Vec::new() };
        self.subjects[place] = Some(days);
        plant
    }

    fn place(&mut self, plant: Unit) -> u32 {
        let next = self.plants.len() as u32;
        let place = *self.places.entry(plant).or_insert(next);
        if place == next {
            self.plants.push(Plant::default());
        }
        place
    }

    fn number(&mut self, total: &Total) -> TotalNo {
        if let Some(known) = self.numbers.get(total) {
            return *known;
        }
        let number = self.hashes.len() as TotalNo;
        self.hashes.push(total_hash(total));
        self.numbers.insert(total.clone(), number);
        number
    }

    fn move_plant(
        &mut self,
        plant: Unit,
        moves: Moves,
        uneven: &mut Uneven,
        differences: &mut Vec<Difference>,
    ) {
        let place = self.place(plant) as usize;
        for (total, (old, new)) in moves {
            let number = self.number(&total);
            for (held, sign) in [(&old, -1), (&new, 1)] {
                let Some(held) = held else { continue };
                let what = What::Members(Box::new((total.clone(), held.clone(), sign)));
                differences.push(self.difference(number, what));
                let known = self.plants[place].subjects.iter();
                let subjects = known.filter_map(|id| self.subjects[id.0 as usize].as_ref());
                for SubjectDays { subject, days, .. } in subjects {
                    for (day, resolved) in days {
                        if held.of_day(*day).next().is_some() {
                            let of = DayOf::of(subject, *day);
                            let sums = uneven.entry((number, of)).or_default();
                            sums.add(resolved.values(), held, *day, sign);
                        }
                    }
                }
            }
            let assigned = &mut self.plants[place].assigned;
            assigned.retain(|(known, _)| *known != number);
            assigned.extend(new.map(|new| (number, new)));
        }
    }
}

impl DayOf {
    fn of(subject: &Subject, day: Day) -> DayOf {
        let Subject { voice, kind, .. } = *subject;
        DayOf { voice, kind, provider: subject.provider.clone(), day }
    }
}

impl SubjectDays {
    fn keep(&mut self, day: Day, resolved: Option<ResolvedDay>) {
        let place = self.days.binary_search_by_key(&day, |(known, _)| *known);
        match (place, resolved) {
            (Ok(place), Some(resolved)) => self.days[place].1 = resolved,
            (Ok(place), None) => drop(self.days.remove(place)),
            (Err(place), Some(resolved)) => self.days.insert(place, (day, resolved)),
            (Err(_), None) => {}
        }
    }
}

/// What held before in each total, and what holds now.
type Moves = BTreeMap<Total, (Option<Stretches>, Option<Stretches>)>;

/// Moves by plant.
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
