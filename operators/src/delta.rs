//! What a tick changed: one row a touched series day, in one flat chunk, with the values before and after.

use std::sync::Arc;

use crate::batch::Batch;
use crate::block::{DayBlock, DayState, Packed};
use crate::chunk::{Revision, SeriesDay};

/// The changed series days of one tick on one worker, in order of first touch.
#[derive(Clone, Debug, Default)]
pub struct Deltas {
    rows: Vec<DeltaRow>,
    /// Values and ranks of all rows: `slots` values, then winners, then rows shown, narrow rows in the
    /// first pair of arrays, wide ones in the second.
    narrow: (Vec<i32>, Vec<u8>),
    wide: (Vec<i64>, Vec<u16>),
    batches: Vec<Arc<Batch>>,
}

#[derive(Clone, Debug)]
struct DeltaRow {
    series_day: SeriesDay,
    slots: u16,
    old: Image,
    new: Image,
    pending: Box<[Revision]>,
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
        series_day: SeriesDay,
        old: &DayState,
        new: &DayState,
        pending: &[Revision],
    ) {
        let (old, new, slots) = (self.image(old), self.image(new), new.values.len() as u16);
        self.rows.push(DeltaRow { series_day, slots, old, new, pending: pending.into() });
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
