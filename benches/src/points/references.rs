//! What the rows of points are measured beside, fed with the same points as rows of their own.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use smartpulse_operators::change::Tick;
use timely::worker::Worker;

use super::differential_points::DifferentialPoints;
use super::flat::{self, Point};
use super::hash_loop::HashLoop;
use super::peer::Peer;

/// The references of a row.
pub(crate) struct References {
    hash_loop: HashLoop,
    differential: DifferentialPoints,
    dbsp: Option<Peer>,
}

/// What each of them took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    pub(crate) hash_loop: Duration,
    pub(crate) differential: Duration,
    pub(crate) dbsp: Duration,
}

impl References {
    /// Those without a program, and the peer of `dbsp` with that many workers.
    pub(crate) fn start(
        worker: &mut Worker,
        dbsp: Option<&Path>,
        workers: usize,
    ) -> Result<References> {
        Ok(References {
            hash_loop: HashLoop::default(),
            differential: DifferentialPoints::build(worker),
            dbsp: dbsp.map(|program| Peer::start(program, workers)).transpose()?,
        })
    }

    /// Has each take the ticks in, one after the other. `is_first`: nothing has been said of these slots.
    pub(crate) fn apply(
        &mut self,
        ticks: &[Tick],
        is_first: bool,
        worker: &mut Worker,
    ) -> Result<Took> {
        let flat: Vec<Vec<Point>> = ticks.iter().map(flat::points).collect();
        let mut took = Took::default();
        for points in &flat {
            took.hash_loop += self.hash_loop.apply(points);
        }
        for points in &flat {
            took.differential += self.differential.apply(worker, points);
        }
        if let Some(dbsp) = &mut self.dbsp {
            for points in &flat {
                took.dbsp += dbsp.apply(points, is_first)?;
            }
        }
        Ok(took)
    }

    /// Compares the sums that a peer found with those of the plain loop.
    pub(crate) fn check(self) -> Result<()> {
        if let Some(dbsp) = self.dbsp {
            ensure!(dbsp.digest()? == self.hash_loop.digest(), "dbsp finds other sums");
        }
        Ok(())
    }
}
