//! The point workload as changes for a whole service: a fleet whose every slot is said once, and what is
//! said of it afterwards. The same seed says the same again, so nobody has to keep it.

use serde::{Deserialize, Serialize};
use smartpulse_operators::change::{Change, Tick};

use crate::points::workload::Workload;

const SEED: u64 = 7;

/// How much is said.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) plants: u64,
    /// Ticks after every slot has been said once.
    pub(crate) ticks: u64,
    /// Points of each of them.
    pub(crate) tick_points: usize,
}

impl Said {
    /// The fleet, and the ticks that say what there is and every slot once.
    pub(crate) fn begin(self) -> (Workload, Vec<Tick>) {
        let mut workload = Workload::new(SEED, self.plants);
        let mut ticks = vec![workload.statements()];
        ticks.extend(workload.fill());
        (workload, ticks)
    }

    /// What is said after that.
    pub(crate) fn go_on(self, workload: &mut Workload) -> Vec<Tick> {
        (0..self.ticks).map(|_| workload.next(self.tick_points).0).collect()
    }

    /// Visits all of it, in order.
    pub(crate) fn for_each(self, mut visit: impl FnMut(Change)) {
        let (mut workload, begun) = self.begin();
        begun.into_iter().flat_map(|tick| tick.changes).for_each(&mut visit);
        for _ in 0..self.ticks {
            workload.next(self.tick_points).0.changes.into_iter().for_each(&mut visit);
        }
    }
}

/// Values that some changes say.
pub(crate) fn points(changes: &[Change]) -> u64 {
    let of_change = |change: &Change| match change {
        Change::Save(save) => save.entries.iter().map(|entry| entry.curve.len() as u64).sum(),
        _ => 0,
    };
    changes.iter().map(of_change).sum()
}
