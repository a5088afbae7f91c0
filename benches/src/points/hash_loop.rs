//! The plainest way: one hash map of points, one of company sums, one loop. No dataflow, no history, no row
//! shown, no withdrawals: what it leaves out is in its favour.

use std::time::Duration;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::flat::Point;
use super::peer::mixed;
use crate::clock::now;

/// Plants a company, as in the workload.
const PLANTS_A_COMPANY: u64 = 20;

/// Order and value of what counts.
type Winner = ((i64, u64), i64);
/// Sum and how many report.
type Sum = (i64, i32);

#[derive(Default)]
pub(crate) struct HashLoop {
    /// By series and slot.
    latest: HashMap<(u32, u32), Winner, FixedState>,
    /// By company, voice and slot.
    sums: HashMap<(u32, u32, u32), Sum, FixedState>,
}

impl HashLoop {
    /// Takes the points of a tick in.
    pub(crate) fn apply(&mut self, points: &[Point]) -> Duration {
        let begun = now();
        for point in points {
            let known = self.latest.entry((point.series, point.slot));
            let known = known.or_insert(((i64::MIN, 0), smartpulse_operators::quantity::NULL));
            if known.0 > point.order {
                continue;
            }
            let before = Point { value: known.1, ..*point };
            *known = (point.order, point.value);
            let company = ((point.plant() - 1) / PLANTS_A_COMPANY) as u32;
            let sum = self.sums.entry((company, point.voice(), point.slot)).or_default();
            if before.reports() {
                *sum = (sum.0 - before.value, sum.1 - 1);
            }
            if point.reports() {
                *sum = (sum.0 + point.value, sum.1 + 1);
            }
        }
        begun.elapsed()
    }

    /// One number of all sums, as a peer makes it.
    pub(crate) fn digest(&self) -> u64 {
        let standing = self.sums.iter().filter(|(_, (_, count))| *count != 0);
        standing.fold(0, |all, ((company, voice, slot), (sum, count))| {
            let key = u64::from(*company) << 48 | u64::from(*voice) << 32 | u64::from(*slot);
            all.wrapping_add(mixed(key, *sum, (*count).into()))
        })
    }
}
