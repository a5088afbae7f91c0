//! How many plants a total has, over time: what `members` of a read counts, and where its grid is cut.

use std::collections::BTreeMap;

use crate::stretches::{Minute, Stretches, first_minute};
use crate::time::Day;

/// Minutes in a UTC day.
const DAY_MINUTES: i64 = 1_440;

/// Plants that enter and leave a total, by minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    steps: BTreeMap<Minute, Step>,
}

/// What happens at a minute. Someone may enter while another leaves: that is an edge all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    change: i64,
    edges: i64,
}

impl Timeline {
    /// Adds (`sign` 1) or takes away (−1) a plant that belongs during `held`.
    pub fn add(&mut self, held: &Stretches, sign: i64) {
        for (from, to) in held.iter() {
            self.step(from, sign, sign);
            self.step(to, -sign, sign);
        }
    }

    /// Whether nobody ever belongs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What happens at each minute, ascending: the change in members, and edges that come and go.
    pub fn steps(&self) -> impl Iterator<Item = (Minute, i64, i64)> + '_ {
        self.steps.iter().map(|(minute, step)| (*minute, step.change, step.edges))
    }

    /// The timeline of those steps.
    #[must_use]
    pub fn of_steps(steps: impl IntoIterator<Item = (Minute, i64, i64)>) -> Timeline {
        let step = |(minute, change, edges)| (minute, Step { change, edges });
        Timeline { steps: steps.into_iter().map(step).collect() }
    }

    /// Members at the start of each minute of `day`, and the edges within it, in minutes of the day.
    #[must_use]
    pub fn of_day(&self, day: Day) -> DayMembers {
        let start = first_minute(day);
        let before = self.steps.range(..=start).map(|(_, step)| step.change).sum();
        let within = self.steps.range(start + 1..start + DAY_MINUTES);
        let mut count: i64 = before;
        let mut steps = vec![(0, count)];
        for (minute, step) in within {
            count += step.change;
            steps.push(((minute - start) as usize, count));
        }
        DayMembers { steps }
    }

    fn step(&mut self, minute: Minute, change: i64, edges: i64) {
        if minute == Minute::MAX {
            return;
        }
        let step = self.steps.entry(minute).or_default();
        step.change += change;
        step.edges += edges;
        if *step == Step::default() {
            self.steps.remove(&minute);
        }
    }
}

/// Members during a day, step by step.
#[derive(Clone, Debug)]
pub struct DayMembers {
    /// (minute of the day, members from there on); the first is minute 0.
    steps: Vec<(usize, i64)>,
}

impl DayMembers {
    /// Members at the start of `minute`.
    #[must_use]
    pub fn at(&self, minute: usize) -> u32 {
        let known = self.steps.partition_point(|(from, _)| *from <= minute);
        self.steps[known - 1].1 as u32
    }

    /// Minutes of the day at which someone enters or leaves.
    pub fn edges(&self) -> impl Iterator<Item = usize> + '_ {
        self.steps[1..].iter().map(|(minute, _)| *minute)
    }
}
