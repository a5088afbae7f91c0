//! A history in memory for the rows of points, in which the journal and the history store take no part. It
//! lies in large blocks of its own, as a store would lie on disk, and leaves the engine's memory alone.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::chunk::{Piece, Revision, SeriesDay};
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::quantity::ABSENT;

/// Values a block.
const BLOCK: usize = 1 << 20;

/// What every batch said of every series day.
#[derive(Default)]
pub(crate) struct Archive {
    blocks: Vec<Vec<i64>>,
    batches: Vec<Arc<Batch>>,
    days: HashMap<SeriesDay, Vec<Stored>, FixedState>,
}

/// A revision: where its values lie.
#[derive(Clone, Copy)]
struct Stored {
    batch: u32,
    block: u32,
    offset: u32,
    first: u16,
    len: u16,
}

impl Archive {
    /// Keeps what a decided piece stored; whether that was anything.
    pub(crate) fn push(
        &mut self,
        piece: &Piece,
        batch: &Arc<Batch>,
        values: &[i64],
        outcomes: &[Outcome],
    ) -> bool {
        if !outcomes.iter().any(|outcome| outcome.is_stored()) {
            return false;
        }
        if self.batches.last().is_none_or(|last| last.sequence != batch.sequence) {
            self.batches.push(Arc::clone(batch));
        }
        if self.blocks.last().is_none_or(|block| block.len() + values.len() > BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        let (offset, len) = (block.len() as u32, values.len() as u16);
        let stored = values.iter().zip(outcomes);
        block.extend(
            stored.map(|(value, outcome)| if outcome.is_stored() { *value } else { ABSENT }),
        );
        let (batch, block) = (self.batches.len() as u32 - 1, number as u32);
        let stored = Stored { batch, block, offset, first: piece.first, len };
        self.days.entry(piece.series_day()).or_default().push(stored);
        true
    }

    /// Revisions of a series day in `(valid_after, sequence)` order.
    pub(crate) fn day(&self, series_day: SeriesDay) -> Vec<Revision> {
        let stored = self.days.get(&series_day).into_iter().flatten();
        let mut revisions: Vec<Revision> = stored.map(|stored| self.revision(*stored)).collect();
        revisions.sort_by_key(|revision| revision.batch.order());
        revisions
    }

    /// Forgets what a batch said of a series day.
    pub(crate) fn forget(&mut self, series_day: SeriesDay, sequence: Sequence) {
        let batches = &self.batches;
        if let Some(day) = self.days.get_mut(&series_day) {
            day.retain(|stored| batches[stored.batch as usize].sequence != sequence);
        }
    }

    fn revision(&self, stored: Stored) -> Revision {
        let from = stored.offset as usize;
        let values = &self.blocks[stored.block as usize][from..from + usize::from(stored.len)];
        let batch = Arc::clone(&self.batches[stored.batch as usize]);
        Revision { batch, first: stored.first, values: values.into() }
    }
}
