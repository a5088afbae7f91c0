//! Where a worker's live series days are: a block a row, and those that a tick has met apart.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::block::DayBlock;
use crate::chunk::SeriesDay;
use crate::delta::{DayChange, Deltas, Sibling};
use crate::series::{SeriesId, Subject, SubjectId};

/// The live series days and their subjects.
#[derive(Default)]
pub(super) struct Days {
    rows: HashMap<SeriesDay, u32, FixedState>,
    /// By row.
    blocks: Vec<Kept>,
    /// A block for each number of slots a day that nothing covers.
    empty: Vec<Arc<DayBlock>>,
    /// By series, those of other workers left out.
    subjects: Vec<Option<Arc<Subject>>>,
    /// Series of each subject, one a period.
    periods: HashMap<SubjectId, Vec<SeriesId>, FixedState>,
    /// By place: what the tick has met.
    pub(super) touched: Vec<Touched>,
}

/// Where the block of a row is.
enum Kept {
    Here(Arc<DayBlock>),
    /// Among what the tick has met.
    Touched(u32),
}

/// A series day that the tick has met.
pub(super) struct Touched {
    pub(super) series_day: SeriesDay,
    row: u32,
    old: Arc<DayBlock>,
    /// What it has become, where it has changed.
    pub(super) new: Option<Arc<DayBlock>>,
}

impl Touched {
    pub(super) fn block(&self) -> &DayBlock {
        self.new.as_ref().unwrap_or(&self.old)
    }
}

impl Days {
    /// Learns of which subject a series is.
    pub(super) fn name(&mut self, series: SeriesId, subject: Arc<Subject>) {
        let (id, place) = (subject.id, series.0 as usize);
        if self.subjects.len() <= place {
            self.subjects.resize(place + 1, None);
        }
        if self.subjects[place].replace(subject).is_none() {
            self.periods.entry(id).or_default().push(series);
        }
    }

    /// Puts a block at its place.
    pub(super) fn put(&mut self, series_day: SeriesDay, block: Arc<DayBlock>) {
        let row = self.row(series_day, block.slots());
        self.blocks[row as usize] = Kept::Here(block);
    }

    /// The block of a day that the tick has not met.
    pub(super) fn untouched(&self, series_day: SeriesDay) -> Option<&Arc<DayBlock>> {
        match &self.blocks[*self.rows.get(&series_day)? as usize] {
            Kept::Here(block) => Some(block),
            Kept::Touched(_) => None,
        }
    }

    /// The place of a series day among those the tick has met.
    pub(super) fn touch(&mut self, series_day: SeriesDay, slots: usize) -> usize {
        let row = self.row(series_day, slots);
        let next = self.touched.len();
        match std::mem::replace(&mut self.blocks[row as usize], Kept::Touched(next as u32)) {
            Kept::Here(old) => {
                self.touched.push(Touched { series_day, row, old, new: None });
                next
            }
            Kept::Touched(place) => {
                self.blocks[row as usize] = Kept::Touched(place);
                place as usize
            }
        }
    }

    fn row(&mut self, series_day: SeriesDay, slots: usize) -> u32 {
        let next = self.blocks.len() as u32;
        let row = *self.rows.entry(series_day).or_insert(next);
        if row == next {
            let known = self.empty.iter().position(|block| block.slots() == slots);
            let place = known.unwrap_or_else(|| {
                self.empty.push(DayBlock::empty(slots));
                self.empty.len() - 1
            });
            self.blocks.push(Kept::Here(Arc::clone(&self.empty[place])));
        }
        row
    }

    /// Puts the blocks back, and tells those that have changed.
    pub(super) fn deltas(&mut self) -> Deltas {
        let mut deltas =
            Deltas { rows: Vec::with_capacity(self.touched.len()), siblings: Vec::new() };
        let mut other_periods = Vec::new();
        for Touched { series_day, row, old, new } in self.touched.drain(..) {
            let Some(new) = new else {
                self.blocks[row as usize] = Kept::Here(old);
                continue;
            };
            self.blocks[row as usize] = Kept::Here(Arc::clone(&new));
            let Some(subject) = self.subjects[series_day.0.0 as usize].clone() else { continue };
            let periods = &self.periods[&subject.id];
            let is_alone = periods.len() == 1;
            if !is_alone {
                other_periods.extend(periods.iter().map(|series| (*series, series_day.1)));
            }
            deltas.rows.push(DayChange { series_day, subject, is_alone, old, new });
        }
        self.add_siblings(other_periods, &mut deltas);
        deltas
    }

    /// Days of other series of changed subjects, which have not changed.
    fn add_siblings(&self, mut days: Vec<SeriesDay>, deltas: &mut Deltas) {
        days.sort_unstable();
        days.dedup();
        let mut changed: Vec<SeriesDay> = Vec::new();
        if !days.is_empty() {
            changed.extend(deltas.rows.iter().map(|row| row.series_day));
            changed.sort_unstable();
        }
        for (series, day) in days {
            if changed.binary_search(&(series, day)).is_err()
                && let Some(row) = self.rows.get(&(series, day))
                && let (Kept::Here(block), Some(subject)) =
                    (&self.blocks[*row as usize], &self.subjects[series.0 as usize])
            {
                let (subject, block) = (Arc::clone(subject), Arc::clone(block));
                deltas.siblings.push(Sibling { day, subject, block });
            }
        }
    }
}
