//! `totals`: the sums of plants by company, group, region, plant type and all, kept up to date.
//!
//! A read of a company or group is the sum of its members' resolved winners (contract section 5). Each
//! worker turns what its own plants changed, and moves of its plants, into differences of sums
//! ([`partial`]); differences of touched sums alone are exchanged and added up where the total lives.

pub mod partial;
pub mod sums;

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;

use crate::members::{Assignment, Rows};
use crate::resolve::ResolvedChange;
use crate::series::{Kind, Provider};
use crate::time::Day;
use crate::timeline::Timeline;
use crate::total::Total;
use partial::{Difference, partial};
use sums::DaySums;

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
    let to_its_worker = Exchange::new(|difference: &Difference| total_hash(difference.total()));
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
    days: HashMap<TotalKey, DaySums, FixedState>,
    timelines: HashMap<Total, Timeline, FixedState>,
}

impl Totals {
    fn apply(&mut self, differences: Vec<Difference>) -> TotalChanges {
        let mut touched_days: HashSet<TotalKey, FixedState> = HashSet::default();
        let mut touched_timelines: BTreeMap<Total, ()> = BTreeMap::new();
        for difference in differences {
            match difference {
                Difference::Sums(key, sums) => match self.days.get_mut(&key) {
                    Some(known) => {
                        known.merge(&sums);
                        touched_days.insert(key);
                    }
                    None => {
                        touched_days.insert(key.clone());
                        self.days.insert(key, sums);
                    }
                },
                Difference::Members(total, held, sign) => {
                    self.timelines.entry(total.clone()).or_default().add(&held, sign);
                    touched_timelines.insert(total, ());
                }
            }
        }
        let mut changes = TotalChanges::default();
        for key in touched_days {
            let Some(known) = self.days.get_mut(&key) else { continue };
            if known.prune() {
                self.days.remove(&key);
                changes.days.push((key, None));
            } else {
                let sums = Arc::new(known.clone());
                changes.days.push((key, Some(sums)));
            }
        }
        for total in touched_timelines.into_keys() {
            let timeline = self.timelines.get(&total).cloned().unwrap_or_default();
            if timeline.is_empty() {
                self.timelines.remove(&total);
            }
            changes.timelines.push((total, Arc::new(timeline)));
        }
        changes
    }
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
