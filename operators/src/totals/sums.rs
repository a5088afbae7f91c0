//! The sum of plants on a UTC day, kept per member grid: one plant with a fine grid does not make every
//! sum fine. Exact integers, so any order and any share of workers gives the same.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::difference::PlantDifference;
use super::slots::Slots;
use crate::block::NARROW_NULL;
use crate::quantity::NULL;
use crate::resolve::Values;
use crate::stretches::Stretches;
use crate::time::{Day, Period};
use crate::timeline::Timeline;

/// Sums of one total, kind, provider and UTC day; or a difference of two of them, in which counts may be
/// negative. In hundredths of a kW: a million plants of ten GW each stay far from overflow.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySums {
    /// By grid, finest first; nearly always one.
    grids: SmallVec<[GridSums; 1]>,
}

/// A sum that readers hold is copied by each tick that changes it: the one grid without a loop.
impl Clone for DaySums {
    fn clone(&self) -> DaySums {
        let grids = match &self.grids[..] {
            [only] => SmallVec::from_buf([only.clone()]),
            several => several.iter().cloned().collect(),
        };
        DaySums { grids }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct GridSums {
    grid: Period,
    /// Plants that have something present on this grid, values or nulls.
    plants: i64,
    slots: Slots,
}

/// Sums of one grid, as other systems keep them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnGrid {
    /// The grid.
    pub grid: Period,
    /// Plants that have something present on it, values or nulls.
    pub plants: i64,
    /// A sum a slot, in hundredths of a kW.
    pub sums: Vec<i64>,
    /// Of each slot, the plants that report.
    pub counts: Vec<i64>,
}

/// A total on its grid, with who belongs and who reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalDay {
    /// The greatest common divisor of the member grids and of the edges of that day.
    pub grid: Period,
    /// Σ of what reports, in hundredths of a kW.
    pub sums: Vec<i64>,
    /// Members with a value.
    pub reporting: Vec<u32>,
    /// Members.
    pub members: Vec<u32>,
}

impl DaySums {
    /// Adds (`sign` 1) or takes away (−1) a plant that belongs during `held`.
    pub fn add(&mut self, resolved: Values<'_>, held: &Stretches, day: Day, sign: i64) {
        let own = resolved.grid();
        let mut windows = held.of_day(day);
        let windows: Vec<(usize, usize)> = match (windows.next(), windows.next()) {
            (Some((0, 1_440)), _) => return self.add_whole(resolved, own, sign),
            (first, second) => first.into_iter().chain(second).chain(windows).collect(),
        };
        if windows.is_empty() {
            return;
        }
        let edges = windows.iter().flat_map(|(from, to)| [*from, *to]);
        let grid = edges.fold(own, Period::cut_at);
        let minutes = usize::from(grid.minutes());
        let repeat = usize::from(own.minutes()) / minutes;
        let of_grid = self.of_grid(grid);
        of_grid.plants += sign;
        for (from, to) in windows {
            for slot in from / minutes..to / minutes {
                let value = resolved.at(slot / repeat);
                if value != NULL {
                    of_grid.slots.add(slot, sign * value, sign);
                }
            }
        }
    }

    /// Adds a plant that belongs all day.
    fn add_whole(&mut self, resolved: Values<'_>, grid: Period, sign: i64) {
        let of_grid = self.of_grid(grid);
        of_grid.plants += sign;
        match resolved {
            Values::Narrow(values) => {
                let signed =
                    |value: &i32| if *value == NARROW_NULL { 0 } else { sign as i32 * value };
                let count = |value: &i32| if *value == NARROW_NULL { 0 } else { sign as i8 };
                let sums: Vec<i32> = values.iter().map(signed).collect();
                let counts: Vec<i8> = values.iter().map(count).collect();
                of_grid.slots.add_run(0, &sums, &counts);
            }
            Values::Wide(values) => {
                for (slot, value) in values.iter().enumerate().filter(|(_, value)| **value != NULL)
                {
                    of_grid.slots.add(slot, sign * value, sign);
                }
            }
        }
    }

    /// Adds the difference that a plant's day makes where the plant belongs all day.
    pub fn add_difference(&mut self, difference: &PlantDifference) {
        let of_grid = self.of_grid(difference.grid);
        of_grid.plants += i64::from(difference.plants);
        let first = usize::from(difference.first);
        of_grid.slots.add_run(first, &difference.sums, &difference.reporting);
    }

    /// Whether adding it changes nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.grids.iter().all(|of_grid| of_grid.plants == 0 && of_grid.slots.is_nothing())
    }

    /// The sums of each grid, finest first.
    pub fn grids(&self) -> impl Iterator<Item = OnGrid> + '_ {
        self.grids.iter().map(|of_grid| {
            let slots = || 0..of_grid.slots.len();
            OnGrid {
                grid: of_grid.grid,
                plants: of_grid.plants,
                sums: slots().map(|slot| of_grid.slots.sum(slot)).collect(),
                counts: slots().map(|slot| of_grid.slots.count(slot)).collect(),
            }
        })
    }

    /// The sums of those grids; slots beyond a grid's count for nothing.
    #[must_use]
    pub fn of_grids(grids: impl IntoIterator<Item = OnGrid>) -> DaySums {
        let mut sums = DaySums::default();
        for said in grids {
            let of_grid = sums.of_grid(said.grid);
            of_grid.plants = said.plants;
            let slots = said.sums.into_iter().zip(said.counts).take(of_grid.slots.len());
            for (slot, (sum, count)) in slots.enumerate() {
                of_grid.slots.add(slot, sum, count);
            }
        }
        sums
    }

    /// Adds another sum, or a difference.
    pub fn merge(&mut self, other: &DaySums) {
        for from in &other.grids {
            let into = self.of_grid(from.grid);
            into.plants += from.plants;
            into.slots.merge(&from.slots);
        }
    }

    /// A word of its own cache line.
    pub(super) fn touch(&self) -> i32 {
        self.grids.first().map_or(0, |of_grid| of_grid.plants as i32)
    }

    /// A word of each cache line of the sums and counts.
    pub(super) fn touch_lines(&self) -> i32 {
        self.grids.first().map_or(0, |of_grid| of_grid.slots.touch_lines())
    }

    /// Bytes it holds in memory, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of_grid = |sums: &GridSums| size_of::<GridSums>() + sums.slots.bytes();
        self.grids.iter().map(of_grid).sum()
    }

    /// Forgets grids that no plant is on; true when none is left.
    pub fn prune(&mut self) -> bool {
        self.grids.retain(|of_grid| of_grid.plants != 0);
        self.grids.is_empty()
    }

    /// The total as read: on one grid, with the members of `timeline`.
    #[must_use]
    pub fn read(&self, timeline: &Timeline, day: Day) -> TotalDay {
        let grids = self.grids.iter().map(|of_grid| of_grid.grid);
        let grids = grids.reduce(Period::common).unwrap_or(Period::DAY);
        let members = timeline.of_day(day);
        let grid = members.edges().fold(grids, Period::cut_at);
        let minutes = usize::from(grid.minutes());
        let mut total = TotalDay {
            grid,
            sums: vec![0; grid.slots()],
            reporting: vec![0; grid.slots()],
            members: (0..grid.slots()).map(|slot| members.at(slot * minutes)).collect(),
        };
        for of_grid in &self.grids {
            let repeat = usize::from(of_grid.grid.minutes()) / minutes;
            for slot in 0..grid.slots() {
                total.sums[slot] += of_grid.slots.sum(slot / repeat);
                total.reporting[slot] += of_grid.slots.count(slot / repeat) as u32;
            }
        }
        total
    }

    fn of_grid(&mut self, grid: Period) -> &mut GridSums {
        let place = self.grids.partition_point(|of_grid| of_grid.grid < grid);
        if self.grids.get(place).is_none_or(|of_grid| of_grid.grid != grid) {
            let slots = Slots::nothing(grid.slots());
            self.grids.insert(place, GridSums { grid, plants: 0, slots });
        }
        &mut self.grids[place]
    }
}
