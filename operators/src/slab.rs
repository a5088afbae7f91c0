//! Where live series days lie: rows of equal length in segments that never move, changed in place.
//!
//! Measured in the design: slabs changed in place with one flat chunk a tick were the largest single gain
//! over shared blocks. A row that does not fit 32-bit values and 8-bit ranks goes to a box of its own
//! until it fits again.

use std::sync::Arc;

use crate::batch::Batch;
use crate::block::{DayState, Packed, narrow_into, widen};
use crate::chunk::Revision;

/// Rows a segment holds: large enough that growing is rare, small enough to waste little.
const SEGMENT_ROWS: usize = 1_024;

/// All live series days with the same number of slots.
#[derive(Debug)]
pub struct Slab {
    slots: usize,
    segments: Vec<Segment>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Segment {
    values: Box<[i32]>,
    ranks: Box<[u8]>,
}

/// What a row has beside its narrow values.
#[derive(Debug, Default)]
struct Row {
    batches: Vec<Arc<Batch>>,
    wide: Option<Box<Packed>>,
    pending: Vec<Revision>,
}

impl Slab {
    /// A slab for days of `slots` slots.
    #[must_use]
    pub fn new(slots: usize) -> Slab {
        Slab { slots, segments: Vec::new(), rows: Vec::new() }
    }

    /// Slots a row.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Adds a row that nothing covers and returns its number.
    pub fn add_row(&mut self) -> u32 {
        if self.rows.len() == self.segments.len() * SEGMENT_ROWS {
            self.segments.push(Segment {
                values: vec![i32::MIN; SEGMENT_ROWS * self.slots].into(),
                ranks: vec![0; SEGMENT_ROWS * 2 * self.slots].into(),
            });
        }
        self.rows.push(Row::default());
        self.rows.len() as u32 - 1
    }

    /// Copies a row out.
    pub fn load(&self, row: u32, state: &mut DayState) {
        let meta = &self.rows[row as usize];
        state.batches.clear();
        state.batches.extend(meta.batches.iter().cloned());
        state.values.clear();
        state.winners.clear();
        state.shown.clear();
        match meta.wide.as_deref() {
            Some(packed) => {
                for slot in 0..self.slots {
                    let (winner, shown) = packed.ranks(slot);
                    state.values.push(packed.value(slot));
                    state.winners.push(winner as u16);
                    state.shown.push(shown as u16);
                }
            }
            None => {
                let (values, ranks) = self.narrow(row);
                let (winners, shown) = ranks.split_at(self.slots);
                state.values.extend(values.iter().map(|value| widen(*value)));
                state.winners.extend(winners.iter().map(|rank| u16::from(*rank)));
                state.shown.extend(shown.iter().map(|rank| u16::from(*rank)));
            }
        }
    }

    /// Replaces a row.
    pub fn store(&mut self, row: u32, state: &DayState) {
        let meta = &mut self.rows[row as usize];
        meta.batches.clear();
        meta.batches.extend(state.batches.iter().cloned());
        if state.is_narrow() {
            meta.wide = None;
            let (segment, place) = (row as usize / SEGMENT_ROWS, row as usize % SEGMENT_ROWS);
            let Segment { values, ranks } = &mut self.segments[segment];
            let slots = self.slots;
            narrow_into(
                state,
                &mut values[place * slots..][..slots],
                &mut ranks[place * 2 * slots..][..2 * slots],
            );
        } else {
            meta.wide = Some(Box::new(Packed::pack(state)));
        }
    }

    /// Revisions of a row that count from later than the clock, in order.
    #[must_use]
    pub fn pending(&self, row: u32) -> &[Revision] {
        &self.rows[row as usize].pending
    }

    /// The same, to change.
    pub fn pending_mut(&mut self, row: u32) -> &mut Vec<Revision> {
        &mut self.rows[row as usize].pending
    }

    fn narrow(&self, row: u32) -> (&[i32], &[u8]) {
        let (segment, place) = (row as usize / SEGMENT_ROWS, row as usize % SEGMENT_ROWS);
        let Segment { values, ranks } = &self.segments[segment];
        (
            &values[place * self.slots..][..self.slots],
            &ranks[place * 2 * self.slots..][..2 * self.slots],
        )
    }
}
