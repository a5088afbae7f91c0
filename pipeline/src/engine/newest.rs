//! The newest version of each live series day: a save that is older needs the history of the day.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smartpulse_operators::batch::Sequence;
use smartpulse_operators::chunk::{Chunk, SeriesDay};
use smartpulse_operators::time::Instant;

/// The newest version by series day.
#[derive(Clone, Debug, Default)]
pub struct Newest(HashMap<SeriesDay, (Instant, Sequence), FixedState>);

impl Newest {
    /// Begins with a day that a snapshot holds.
    pub fn insert(&mut self, series_day: SeriesDay, order: (Instant, Sequence)) {
        self.0.insert(series_day, order);
    }

    /// Takes the pieces of `chunk` in and gives the days for which one is older than what is there, each
    /// once.
    pub fn late_days(&mut self, chunk: &Chunk) -> Vec<SeriesDay> {
        let mut late: Vec<SeriesDay> = Vec::new();
        for piece in &chunk.pieces {
            let order = chunk.saves[piece.save as usize].batch.order();
            let newest = self.0.entry(piece.series_day()).or_insert(order);
            if *newest <= order {
                *newest = order;
            } else {
                late.push(piece.series_day());
            }
        }
        late.sort_unstable();
        late.dedup();
        late
    }
}
