//! A batch: one accepted save. Its revisions share its instants and its place in the order of versions.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::series::Provider;
use crate::time::Instant;

/// The number of a batch in acceptance order, from 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Sequence(pub u64);

/// The number of a closed tick; says what is visible, and enters no decision.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

/// What all revisions of one save share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// UUIDv7; in a replay a UUIDv5 of the source's key.
    pub id: Uuid,
    /// Place in acceptance order.
    pub sequence: Sequence,
    /// When this system accepted it.
    pub recorded: Instant,
    /// From when its values count.
    pub valid_after: Instant,
    /// Who issued it.
    pub provider: Provider,
    /// Who saved it.
    pub user: Option<String>,
    /// Free text, at most [`Batch::NOTE_CHARS`] characters.
    pub note: Option<String>,
    /// The batch's key in the source of a replay.
    pub source_batch: Option<String>,
    /// `shouldSkipExistingCheck`: an equal value is a new statement, not a confirmation.
    pub skips_existing_check: bool,
}

impl Batch {
    /// Longest note, in characters (legacy column width).
    pub const NOTE_CHARS: usize = 255;

    /// The order in which versions win: the greatest counts (contract section 2).
    #[must_use]
    pub fn order(&self) -> (Instant, Sequence) {
        (self.valid_after, self.sequence)
    }
}
