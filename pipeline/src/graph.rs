//! The whole dataflow: every view, one line each. No logic here.
//!
//! Statements on units have a dataflow of their own: it moves with a statement and not with every tick, and
//! what it finds is fed to the other one at the epoch of the statement.

use std::sync::Arc;

use smartpulse_operators::change::Change;
use smartpulse_operators::chunk::Chunk;
use smartpulse_operators::gate::gate;
use smartpulse_operators::latest::{Decided, RestoredDay, Share, latest};
use smartpulse_operators::members::{Assignment, Place, Rows, members};
use smartpulse_operators::resolve::resolve;
use smartpulse_operators::totals::{TotalChanges, totals};
use timely::dataflow::Stream;

/// What flows in.
pub struct Inputs<'s> {
    /// One chunk a tick and worker.
    pub chunks: Stream<'s, u64, Vec<Chunk>>,
    /// What [`memberships`] found of the statements of a tick.
    pub members: Rows<'s, Assignment>,
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

/// Which plants count where, by statements on units from one worker.
pub fn memberships<'s>(
    statements: Stream<'s, u64, Vec<(Place, Arc<Change>)>>,
) -> Rows<'s, Assignment> {
    members(statements)
}

/// Everything else.
pub fn graph<'s>(inputs: Inputs<'s>, restored: Restored) -> Views<'s> {
    let allowed = gate(inputs.chunks);
    let latest = latest(allowed, restored.share, &restored.days);
    let resolved = resolve(latest.clone(), restored.days);
    let totals = totals(resolved, inputs.members);
    Views { latest, totals }
}
