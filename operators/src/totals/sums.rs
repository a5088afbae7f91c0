//! The sum of plants on a UTC day, kept per member grid: one plant with a fine grid does not make every
//! sum fine. Exact integers, so any order and any share of workers gives the same.

use serde::{Deserialize, Serialize};

use crate::block::NARROW_NULL;
use crate::quantity::NULL;
use crate::resolve::Resolved;
use crate::stretches::Stretches;
use crate::time::{Day, Period};
use crate::timeline::Timeline;

/// Sums of one total, kind, provider and UTC day; or a difference of two of them, in which counts may be
/// negative. In hundredths of a kW: a million plants of ten GW each stay far from overflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySums {
    /// By grid, finest first.
    grids: Vec<GridSums>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct GridSums {
    grid: Period,
    /// Plants that have something present on this grid, values or nulls.
    plants: i64,
    sums: Box<[i64]>,
    reporting: Box<[i32]>,
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
    pub fn add(&mut self, resolved: &Resolved, held: &Stretches, day: Day, sign: i64) {
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
                let value = resolved.value(slot / repeat);
                if value != NULL {
                    of_grid.sums[slot] += sign * value;
                    of_grid.reporting[slot] += sign as i32;
                }
            }
        }
    }

    /// Adds a plant that belongs all day.
    fn add_whole(&mut self, resolved: &Resolved, grid: Period, sign: i64) {
        let of_grid = self.of_grid(grid);
        of_grid.plants += sign;
        let slots = of_grid.sums.iter_mut().zip(&mut of_grid.reporting);
        match resolved {
            Resolved::Narrow(values) => {
                for ((sum, reporting), value) in slots.zip(values) {
                    let is_there = *value != NARROW_NULL;
                    *sum += if is_there { sign * i64::from(*value) } else { 0 };
                    *reporting += if is_there { sign as i32 } else { 0 };
                }
            }
            Resolved::Wide(values) => {
                for ((sum, reporting), value) in slots.zip(values) {
                    let is_there = *value != NULL;
                    *sum += if is_there { sign * *value } else { 0 };
                    *reporting += if is_there { sign as i32 } else { 0 };
                }
            }
        }
    }

    /// Whether adding it changes nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.grids.iter().all(|of_grid| {
            of_grid.plants == 0
                && of_grid.sums.iter().all(|sum| *sum == 0)
                && of_grid.reporting.iter().all(|count| *count == 0)
        })
    }

    /// Adds another sum, or a difference.
    pub fn merge(&mut self, other: &DaySums) {
        for from in &other.grids {
            let into = self.of_grid(from.grid);
            into.plants += from.plants;
            into.sums.iter_mut().zip(&from.sums).for_each(|(sum, more)| *sum += more);
            into.reporting.iter_mut().zip(&from.reporting).for_each(|(sum, more)| *sum += more);
        }
    }

    /// Bytes it holds in memory, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of_grid = |sums: &GridSums| size_of::<GridSums>() + sums.sums.len() * 12;
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
                total.sums[slot] += of_grid.sums[slot / repeat];
                total.reporting[slot] += of_grid.reporting[slot / repeat] as u32;
            }
        }
        total
    }

    fn of_grid(&mut self, grid: Period) -> &mut GridSums {
        let place = self.grids.partition_point(|of_grid| of_grid.grid < grid);
        if self.grids.get(place).is_none_or(|of_grid| of_grid.grid != grid) {
            let (sums, reporting) = (vec![0; grid.slots()].into(), vec![0; grid.slots()].into());
            self.grids.insert(place, GridSums { grid, plants: 0, sums, reporting });
        }
        &mut self.grids[place]
    }
}
