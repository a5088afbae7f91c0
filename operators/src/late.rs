//! Revisions as a decided piece leaves them, and a piece that is older than what its day has seen: it is
//! decided against the history of the day and takes its place there.

use std::sync::Arc;

use crate::batch::Batch;
use crate::block::{existing, older_than, winner_of};
use crate::chunk::{Piece, Revision};
use crate::outcome::Outcome;
use crate::quantity::{ABSENT, NULL};

/// Decides a piece against the history of its day and adds it there.
pub(crate) fn decide_by_history(
    piece: &Piece,
    batch: &Arc<Batch>,
    values: &[i64],
    outcomes: &mut [Outcome],
    history: &mut Vec<Revision>,
) {
    let older = older_than(history, batch.order());
    for ((slot, value), outcome) in (usize::from(piece.first)..).zip(values).zip(&mut *outcomes) {
        if *outcome == Outcome::Open {
            *outcome = existing(*value, winner_of(older, slot), batch);
        }
    }
    if let Some(revision) = stored_revision(piece, batch, values, outcomes) {
        insert_in_order(history, revision);
    }
}

/// The revision that a decided piece leaves; none when all of it was refused.
#[must_use]
pub fn stored_revision(
    piece: &Piece,
    batch: &Arc<Batch>,
    values: &[i64],
    outcomes: &[Outcome],
) -> Option<Revision> {
    let stored =
        |(value, outcome): (&i64, &Outcome)| if outcome.is_stored() { *value } else { ABSENT };
    outcomes.iter().any(|outcome| outcome.is_stored()).then(|| Revision {
        batch: Arc::clone(batch),
        first: piece.first,
        values: values.iter().zip(outcomes).map(stored).collect(),
    })
}

/// Puts a revision at its place among others of its day.
pub(crate) fn insert_in_order(revisions: &mut Vec<Revision>, revision: Revision) {
    let order = revision.batch.order();
    let place = revisions.partition_point(|known| known.batch.order() <= order);
    revisions.insert(place, revision);
}

/// Whether a stored value is a null, for the counts.
#[must_use]
pub fn is_null(value: i64) -> bool {
    value == NULL
}
