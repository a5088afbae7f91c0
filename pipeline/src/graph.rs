//! The whole dataflow: every view, one line each. No logic here.

use std::sync::Arc;

use smartpulse_operators::change::Change;
use smartpulse_operators::chunk::Chunk;
use smartpulse_operators::gate::gate;
use smartpulse_operators::latest::{Decided, RestoredDay, Share, latest};
use smartpulse_operators::members::{Place, members};
use smartpulse_operators::resolve::resolve;
use smartpulse_operators::totals::{TotalChanges, totals};
use timely::dataflow::Stream;

/// What flows in.
pub struct Inputs<'s> {
    /// One chunk a tick and worker.
    pub chunks: Stream<'s, u64, Vec<Chunk>>,
    /// Statements on units, from one worker.
    pub statements: Stream<'s, u64, Vec<(Place, Arc<Change>)>>,
}

/// What the dataflow starts from.
pub struct Restored {
    /// This worker's share of the units.
    pub share: Share,
    /// Live series days of the share.
    pub days: Vec<RestoredDay>,
}

/// Every view.
pub struct Views<'s> {
    /// Decided chunks with what they changed: winners and rows shown.
    pub latest: Stream<'s, u64, Vec<Arc<Decided>>>,
    /// Sums of plants and who belongs to them.
    pub totals: Stream<'s, u64, Vec<TotalChanges>>,
}

/// The graph.
pub fn graph<'s>(inputs: Inputs<'s>, restored: Restored) -> Views<'s> {
    let allowed = gate(inputs.chunks);
    let latest = latest(allowed, restored.share, &restored.days);
    let resolved = resolve(latest.clone(), restored.days);
    let members = members(inputs.statements);
    let totals = totals(resolved, members);
    Views { latest, totals }
}
