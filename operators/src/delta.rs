//! What a tick changed: one row a changed series day, with the blocks before and after.

use std::sync::Arc;

use crate::block::DayBlock;
use crate::chunk::SeriesDay;
use crate::series::Subject;
use crate::time::Day;

/// The changed series days of one tick on one worker, in order of first touch.
#[derive(Clone, Debug, Default)]
pub struct Deltas {
    /// The changed days, each once.
    pub rows: Vec<DayChange>,
    /// Unchanged days of changed subjects: series of another period on the same day.
    pub siblings: Vec<Sibling>,
}

/// A changed series day.
#[derive(Clone, Debug)]
pub struct DayChange {
    /// Which.
    pub series_day: SeriesDay,
    /// Of what.
    pub subject: Arc<Subject>,
    /// The subject has no other series.
    pub is_alone: bool,
    /// Before.
    pub old: Arc<DayBlock>,
    /// After.
    pub new: Arc<DayBlock>,
}

/// A day that did not change, of a series whose subject did.
#[derive(Clone, Debug)]
pub struct Sibling {
    /// The day.
    pub day: Day,
    /// The subject.
    pub subject: Arc<Subject>,
    /// Before and after.
    pub block: Arc<DayBlock>,
}

/// What a series contributes to the day of its subject, before and after.
#[derive(Clone, Copy, Debug)]
pub struct Part<'d> {
    /// The subject.
    pub subject: &'d Arc<Subject>,
    /// The day.
    pub day: Day,
    /// Before.
    pub old: &'d DayBlock,
    /// After.
    pub new: &'d DayBlock,
}

impl Deltas {
    /// All series of each changed subject with several, on the changed days.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let changed = self.rows.iter().filter(|row| !row.is_alone).map(|row| Part {
            subject: &row.subject,
            day: row.series_day.1,
            old: &row.old,
            new: &row.new,
        });
        let unchanged = self.siblings.iter().map(|row| Part {
            subject: &row.subject,
            day: row.day,
            old: &row.block,
            new: &row.block,
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
    pub fn blocks(&self) -> impl Iterator<Item = (SeriesDay, &Arc<DayBlock>)> {
        self.rows.iter().map(|row| (row.series_day, &row.new))
    }
}
