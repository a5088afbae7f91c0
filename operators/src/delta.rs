//! What a tick changed: one row a touched series day, in one flat chunk, with the values before and after.

use std::sync::Arc;

use crate::batch::Batch;
use crate::block::{DayBlock, DayState, Packed, widen};
use crate::chunk::{Revision, SeriesDay};
use crate::quantity::NULL;
use crate::resolve::{Resolved, ResolvedChange};
use crate::series::Subject;
use crate::time::Day;

/// The changed series days of one tick on one worker, in order of first touch.
#[derive(Clone, Debug, Default)]
pub struct Deltas {
    rows: Vec<DeltaRow>,
    /// Unchanged days of changed subjects: series of another period on the same day.
    siblings: Vec<SiblingRow>,
    /// Values and ranks of all rows: `slots` values, then winners, then rows shown, narrow rows in the
    /// first pair of arrays, wide ones in the second.
    narrow: (Vec<i32>, Vec<u8>),
    wide: (Vec<i64>, Vec<u16>),
    batches: Vec<Arc<Batch>>,
}

#[derive(Clone, Debug)]
struct DeltaRow {
    series_day: SeriesDay,
    subject: Arc<Subject>,
    /// The subject has no other series.
    is_alone: bool,
    slots: u16,
    old: Image,
    new: Image,
    pending: Box<[Revision]>,
}

#[derive(Clone, Debug)]
struct SiblingRow {
    day: Day,
    subject: Arc<Subject>,
    slots: u16,
    image: Image,
}

/// What a series contributes to the day of its subject, before and after.
pub struct Part {
    /// The subject.
    pub subject: Arc<Subject>,
    /// The day.
    pub day: Day,
    /// Before.
    pub old: DayState,
    /// After.
    pub new: DayState,
}

/// A touched series day: which, of what, and whether its subject has no other series.
#[derive(Clone, Debug)]
pub struct TouchedDay {
    /// Which.
    pub series_day: SeriesDay,
    /// Of what.
    pub subject: Arc<Subject>,
    /// The subject has no other series.
    pub is_alone: bool,
}

/// Where one state of a day lies in the chunk.
#[derive(Clone, Copy, Debug)]
struct Image {
    is_narrow: bool,
    offset: u32,
    batches: (u32, u32),
}

impl Deltas {
    /// Adds the change of a series day from `old` to `new`.
    pub fn push(
        &mut self,
        touched: TouchedDay,
        old: &DayState,
        new: &DayState,
        pending: &[Revision],
    ) {
        let (old, new, slots) = (self.image(old), self.image(new), new.values.len() as u16);
        let TouchedDay { series_day, subject, is_alone } = touched;
        let pending = pending.into();
        self.rows.push(DeltaRow { series_day, subject, is_alone, slots, old, new, pending });
    }

    /// Adds a day that did not change, of a series whose subject did.
    pub fn push_sibling(&mut self, day: Day, subject: Arc<Subject>, state: &DayState) {
        let (image, slots) = (self.image(state), state.values.len() as u16);
        self.siblings.push(SiblingRow { day, subject, slots, image });
    }

    /// Changed days of subjects that have no other series: before and after as they are.
    pub fn alone(&self) -> impl Iterator<Item = ResolvedChange> + '_ {
        self.rows.iter().filter(|row| row.is_alone).map(|row| ResolvedChange {
            subject: Arc::clone(&row.subject),
            day: row.series_day.1,
            old: self.resolved(row.old, row.slots.into()),
            new: self.resolved(row.new, row.slots.into()),
        })
    }

    /// All series of each other changed subject on the changed days.
    pub fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        let changed = self.rows.iter().filter(|row| !row.is_alone).map(|row| Part {
            subject: Arc::clone(&row.subject),
            day: row.series_day.1,
            old: self.state(row.old, row.slots.into()),
            new: self.state(row.new, row.slots.into()),
        });
        let unchanged = self.siblings.iter().map(|row| {
            let state = self.state(row.image, row.slots.into());
            let (subject, day) = (Arc::clone(&row.subject), row.day);
            Part { subject, day, old: state.clone(), new: state }
        });
        changed.chain(unchanged)
    }

    /// Number of changed series days.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Each changed series day with its new block.
    pub fn blocks(&self) -> impl Iterator<Item = (SeriesDay, DayBlock)> + '_ {
        self.rows.iter().map(|row| {
            let packed = self.packed(row.new, row.slots.into());
            let (start, end) = row.new.batches;
            let batches = self.batches[start as usize..end as usize].into();
            (row.series_day, DayBlock { packed, batches, pending: row.pending.clone() })
        })
    }

    /// Each changed series day with its values before and after.
    pub fn values(&self) -> impl Iterator<Item = (SeriesDay, Packed, Packed)> + '_ {
        self.rows.iter().map(|row| {
            let slots = row.slots.into();
            (row.series_day, self.packed(row.old, slots), self.packed(row.new, slots))
        })
    }

    fn image(&mut self, state: &DayState) -> Image {
        let is_narrow = state.is_narrow();
        let start = self.batches.len() as u32;
        self.batches.extend(state.batches.iter().cloned());
        let batches = (start, self.batches.len() as u32);
        let ranks = state.winners.iter().chain(&state.shown);
        if is_narrow {
            let (values, narrow_ranks) = &mut self.narrow;
            let offset = values.len();
            values.resize(offset + state.values.len(), 0);
            narrow_ranks.resize(2 * values.len(), 0);
            crate::block::narrow_into(
                state,
                &mut values[offset..],
                &mut narrow_ranks[2 * offset..],
            );
            Image { is_narrow, offset: offset as u32, batches }
        } else {
            let (values, wide_ranks) = &mut self.wide;
            let offset = values.len() as u32;
            values.extend_from_slice(&state.values);
            wide_ranks.extend(ranks);
            Image { is_narrow, offset, batches }
        }
    }

    /// The values of a day that has no other series; none where no revision counts.
    fn resolved(&self, image: Image, slots: usize) -> Option<Resolved> {
        let start = image.offset as usize;
        if image.batches.0 == image.batches.1 {
            return None;
        }
        if image.is_narrow {
            return Some(Resolved::Narrow(self.narrow.0[start..start + slots].into()));
        }
        Some(Resolved::pack(&self.wide.0[start..start + slots]))
    }

    fn state(&self, image: Image, slots: usize) -> DayState {
        let start = image.offset as usize;
        let (values, ranks) = (start..start + slots, 2 * start..2 * start + slots);
        let (from, to) = (image.batches.0 as usize, image.batches.1 as usize);
        let mut state =
            DayState { batches: self.batches[from..to].to_vec(), ..DayState::default() };
        if from == to {
            // Nothing covers the day; its values say so.
            state.values.resize(slots, NULL);
            state.winners.resize(slots, 0);
        } else if image.is_narrow {
            state.values.extend(self.narrow.0[values].iter().map(|value| widen(*value)));
            state.winners.extend(self.narrow.1[ranks].iter().map(|rank| u16::from(*rank)));
        } else {
            state.values.extend_from_slice(&self.wide.0[values]);
            state.winners.extend_from_slice(&self.wide.1[ranks]);
        }
        state
    }

    fn packed(&self, image: Image, slots: usize) -> Packed {
        let start = image.offset as usize;
        if image.is_narrow {
            let (values, ranks) = &self.narrow;
            Packed::Narrow {
                values: values[start..start + slots].into(),
                ranks: ranks[2 * start..2 * (start + slots)].into(),
            }
        } else {
            let (values, ranks) = &self.wide;
            Packed::Wide {
                values: values[start..start + slots].into(),
                ranks: ranks[2 * start..2 * (start + slots)].into(),
            }
        }
    }
}
