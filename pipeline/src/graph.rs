//! The whole dataflow: every view, one line each. No logic here.

use std::sync::Arc;

use smartpulse_operators::block::DayBlock;
use smartpulse_operators::chunk::{Chunk, SeriesDay};
use smartpulse_operators::gate::gate;
use smartpulse_operators::latest::{Decided, Share, latest};
use timely::dataflow::Stream;

/// What flows in.
pub struct Inputs<'s> {
    /// One chunk a tick and worker.
    pub chunks: Stream<'s, u64, Vec<Chunk>>,
}

/// What the dataflow starts from.
pub struct Restored {
    /// This worker's share of the units.
    pub share: Share,
    /// Live series days of the share.
    pub days: Vec<(SeriesDay, Arc<DayBlock>)>,
}

/// Every view.
pub struct Views<'s> {
    /// Decided chunks with what they changed: winners and rows shown.
    pub latest: Stream<'s, u64, Vec<Decided>>,
}

/// The graph.
pub fn graph(inputs: Inputs<'_>, restored: Restored) -> Views<'_> {
    let allowed = gate(inputs.chunks);
    let latest = latest(allowed, restored.share, restored.days);
    Views { latest }
}
