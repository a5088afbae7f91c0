//! `totals`: the sums of plants by company, group, region, plant type and all, kept up to date.
//!
//! A read of a company or group is the sum of its members' resolved winners (contract section 5). Each
//! worker turns what its own plants changed, and moves of its plants, into differences of sums
//! ([`partial`]); differences of touched sums alone are exchanged and added up where the total lives.

pub mod difference;
pub mod partial;
mod slots;
pub mod sums;

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;

use crate::members::{Assignment, Rows};
use crate::resolve::ResolvedChange;
use crate::series::{Kind, Provider, VoiceId};
use crate::time::Day;
use crate::timeline::Timeline;
use crate::total::Total;
use difference::PlantDifference;
use partial::{DayOf, Difference, TotalNo, What, partial};
use sums::DaySums;

/// Days whose sums are read before the first of them is changed, so that the memory fetches many at once.
const AHEAD: usize = 16;

/// A day of a total.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TotalKey {
    /// What is summed.
    pub total: Total,
    /// Forecasts or actuals.
    pub kind: Kind,
    /// Whose.
    pub provider: Provider,
    /// The UTC day.
    pub day: Day,
}

/// What a tick changed in the totals of one worker.
#[derive(Clone, Debug, Default)]
pub struct TotalChanges {
    /// New sums of touched days, in no particular order; none where no plant is present any more.
    pub days: Vec<(TotalKey, Option<Arc<DaySums>>)>,
    /// New timelines of totals whose members changed.
    pub timelines: Vec<(Total, Arc<Timeline>)>,
}

/// The totals of `resolved` days under the assignments of `members`, as changes tick by tick.
#[must_use]
pub fn totals<'s>(
    resolved: Stream<'s, u64, Vec<Vec<ResolvedChange>>>,
    members: Rows<'s, Assignment>,
) -> Stream<'s, u64, Vec<TotalChanges>> {
    let differences = partial(resolved, members);
    let to_its_worker = Exchange::new(|difference: &Difference| difference.to);
    let mut totals = Totals::default();
    differences.unary_frontier::<CapacityContainerBuilder<Vec<TotalChanges>>, _, _, _>(
        to_its_worker,
        "totals",
        |_, _| {
            let mut waiting: BTreeMap<u64, (Capability<u64>, Vec<Difference>)> = BTreeMap::new();
            move |(input, frontier), output| {
                input.for_each_stamp(|capability, data| {
                    let Some(capability) = capability.retain_least(0) else { return };
                    let (_, gathered) = waiting
                        .entry(*capability.time())
                        .or_insert_with(|| (capability, Vec::new()));
                    gathered.extend(data.flat_map(|differences| differences.drain(..)));
                });
                while let Some(entry) = waiting.first_entry()
                    && !frontier.less_equal(entry.key())
                {
                    let (capability, differences) = entry.remove();
                    output.session(&capability).give(totals.apply(differences));
                }
            }
        },
    )
}

/// The totals that live on a worker.
#[derive(Default)]
struct Totals {
    /// Numbers here of the numbers there, by source.
    heard: Vec<Vec<Option<TotalNo>>>,
    numbers: HashMap<Total, TotalNo, FixedState>,
    totals: Vec<Known>,
    rows: HashMap<(TotalNo, VoiceId, Day), u32, FixedState>,
    /// By row; none where no plant is present any more.
    days: Vec<Option<KnownDay>>,
    /// Rows to be used again.
    free: Vec<u32>,
    /// What reading ahead has read: kept, so that it is read.
    warmth: i32,
}

/// A total that some plant was ever in.
struct Known {
    total: Total,
    timeline: Timeline,
    is_touched: bool,
}

/// A day of a total.
struct KnownDay {
    place: (TotalNo, VoiceId, Day),
    key: TotalKey,
    /// Shared with what readers hold, until a tick changes it.
    sums: Arc<DaySums>,
    is_touched: bool,
}

impl Totals {
    fn apply(&mut self, differences: Vec<Difference>) -> TotalChanges {
        let (mut of_days, mut touched) = (Vec::with_capacity(differences.len()), Vec::new());
        for Difference { source, total, what, .. } in differences {
            let of_day = match what {
                What::Members(members) => {
                    let (of, held, sign) = *members;
                    let number = self.hear(source, total, of);
                    let known = &mut self.totals[number as usize];
                    known.timeline.add(&held, sign);
                    if !std::mem::replace(&mut known.is_touched, true) {
                        touched.push(number);
                    }
                    continue;
                }
                What::Sums(sums) => (self.row(source, total, &sums.0), More::Sums(sums)),
                What::Plant(plant) => (self.row(source, total, &plant.0), More::Plant(plant)),
            };
            of_days.extend(of_day.0.map(|row| (row, of_day.1)));
        }
        let touched_days = self.add_up(&of_days);
        let days = touched_days.into_iter().filter_map(|row| self.tell_day(row)).collect();
        touched.sort_unstable_by_key(|number| &self.totals[*number as usize].total);
        let timelines = touched.into_iter().map(|number| {
            let known = &mut self.totals[number as usize];
            known.is_touched = false;
            (known.total.clone(), Arc::new(known.timeline.clone()))
        });
        TotalChanges { days, timelines: timelines.collect() }
    }

    /// Adds to the days of those rows; each touched row once.
    fn add_up(&mut self, of_days: &[(u32, More)]) -> Vec<u32> {
        let mut touched = Vec::with_capacity(of_days.len());
        for group in of_days.chunks(AHEAD) {
            let known = group.iter().filter_map(|(row, _)| self.days[*row as usize].as_ref());
            self.warmth ^= known.clone().fold(0, |all, day| all ^ day.sums.touch());
            self.warmth ^= known.fold(0, |all, day| all ^ day.sums.touch_lines());
            for (row, more) in group {
                let Some(known) = &mut self.days[*row as usize] else { continue };
                if !std::mem::replace(&mut known.is_touched, true) {
                    touched.push(*row);
                }
                let sums = Arc::make_mut(&mut known.sums);
                match more {
                    More::Sums(more) => sums.merge(&more.1),
                    More::Plant(more) => sums.add_difference(&more.1),
                }
            }
        }
        touched
    }

    /// The number here of what `source` calls `there`.
    fn hear(&mut self, source: u32, there: TotalNo, total: Total) -> TotalNo {
        let next = self.totals.len() as TotalNo;
        let number = *self.numbers.entry(total.clone()).or_insert(next);
        if number == next {
            self.totals.push(Known { total, timeline: Timeline::default(), is_touched: false });
        }
        let (source, there) = (source as usize, there as usize);
        if self.heard.len() <= source {
            self.heard.resize_with(source + 1, Vec::new);
        }
        let heard = &mut self.heard[source];
        if heard.len() <= there {
            heard.resize(there + 1, None);
        }
        heard[there] = Some(number);
        number
    }

    /// The row of a day; none of a total that `source` has not named.
    fn row(&mut self, source: u32, there: TotalNo, of: &DayOf) -> Option<u32> {
        let number = (*self.heard.get(source as usize)?.get(there as usize)?)?;
        let place = (number, of.voice, of.day);
        if let Some(row) = self.rows.get(&place) {
            return Some(*row);
        }
        let DayOf { kind, ref provider, day, .. } = *of;
        let total = self.totals[number as usize].total.clone();
        let key = TotalKey { total, kind, provider: provider.clone(), day };
        let known = Some(KnownDay { place, key, sums: Arc::default(), is_touched: false });
        let row = match self.free.pop() {
            Some(row) => {
                self.days[row as usize] = known;
                row
            }
            None => {
                self.days.push(known);
                self.days.len() as u32 - 1
            }
        };
        self.rows.insert(place, row);
        Some(row)
    }

    fn tell_day(&mut self, row: u32) -> Option<(TotalKey, Option<Arc<DaySums>>)> {
        let day = &mut self.days[row as usize];
        let known = day.as_mut()?;
        known.is_touched = false;
        if !Arc::make_mut(&mut known.sums).prune() {
            return Some((known.key.clone(), Some(Arc::clone(&known.sums))));
        }
        let known = day.take()?;
        self.rows.remove(&known.place);
        self.free.push(row);
        Some((known.key, None))
    }
}

/// What is added to a day.
enum More {
    Sums(Box<(DayOf, DaySums)>),
    Plant(Arc<(DayOf, PlantDifference)>),
}

/// Which worker a total lives on; of our own making, so that it does not depend on a library's version.
fn total_hash(total: &Total) -> u64 {
    let bytes = total.dimension().bytes().chain([0]);
    let mixed = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, mixed);
    total.key().bytes().fold(hash, mixed)
}

#[cfg(test)]
mod tests;
