//! Rows to batches: rows with one batch cell are one save wherever they stand, rows without one are a save
//! together with the neighbours of the same issue.
//!
//! Neighbouring rows that agree become a fragment; fragments, not rows, are sorted by batch and place.

use serde::{Deserialize, Serialize};
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::Unit;

use crate::error::SourceError;
use crate::forecast_row::{Content, ForecastRow, Header, Issue};
use crate::slots::SlotValue;
use crate::sorter::{Sorted, Sorter};

/// Values in a fragment: few enough that the merge of a sort holds one of each run at little cost.
const FRAGMENT_ROWS: usize = 4_096;

/// Bytes a fragment takes beside its values (its strings and its place in the sorter).
const FRAGMENT_BYTES: usize = 256;

/// Which batch a row belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum BatchKey {
    /// The text of its batch cell.
    Named(String),
    /// The number of its group among those without one.
    Unnamed(u64),
}

/// Neighbouring rows of one batch that agree in all that a batch shares.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Fragment {
    /// `user` and `note` are those of the first row.
    Values { header: Header, user: String, note: String, slots: Vec<SlotValue> },
    /// Rows whose period is not allowed; `units` without neighbouring repetitions.
    BadPeriods { header: Header, units: Vec<Unit>, rows: u64 },
    /// Rows with an unreadable key cell; `recorded` where that of the first is readable.
    Unreadable { issue: Option<Issue>, recorded: Option<Instant>, rows: u64 },
}

/// The fragments of a batch in file order, each with the number of its first row.
pub(crate) type Fragments = Vec<(u64, Fragment)>;

/// Collects rows in file order.
pub(crate) struct Gatherer {
    sorter: Sorter<(BatchKey, u64), Fragment>,
    open: Option<OpenFragment>,
    /// Groups without a batch cell so far.
    unnamed: u64,
}

struct OpenFragment {
    key: BatchKey,
    first_row: u64,
    fragment: Fragment,
}

impl Gatherer {
    pub(crate) fn new(sorter: Sorter<(BatchKey, u64), Fragment>) -> Gatherer {
        Gatherer { sorter, open: None, unnamed: 0 }
    }

    /// Takes the row of that number; numbers ascend.
    pub(crate) fn take(&mut self, number: u64, row: ForecastRow<'_>) -> Result<(), SourceError> {
        let continues = self.open.as_ref().is_some_and(|open| match &open.key {
            BatchKey::Named(name) => *name == row.batch,
            BatchKey::Unnamed(_) => row.batch.is_empty() && open.fragment.is_of_issue(&row.content),
        });
        if continues && let Some(open) = &mut self.open {
            let Some(content) = open.fragment.extend(row.content) else { return Ok(()) };
            let key = open.key.clone();
            return self.begin(key, number, content);
        }
        let key = if row.batch.is_empty() {
            self.unnamed += 1;
            BatchKey::Unnamed(self.unnamed)
        } else {
            BatchKey::Named(row.batch.into_owned())
        };
        self.begin(key, number, row.content)
    }

    /// The batches, each with its fragments in file order.
    pub(crate) fn finish(mut self) -> Result<Batches, SourceError> {
        self.close()?;
        let mut fragments = self.sorter.finish()?;
        let next = fragments.next_item()?;
        Ok(Batches { fragments, next })
    }

    fn begin(
        &mut self,
        key: BatchKey,
        first_row: u64,
        content: Content<'_>,
    ) -> Result<(), SourceError> {
        self.close()?;
        self.open = Some(OpenFragment { key, first_row, fragment: Fragment::of(content) });
        Ok(())
    }

    fn close(&mut self) -> Result<(), SourceError> {
        let Some(OpenFragment { key, first_row, fragment }) = self.open.take() else {
            return Ok(());
        };
        let bytes = fragment.bytes();
        self.sorter.push((key, first_row), fragment, bytes)
    }
}

impl Fragment {
    fn of(content: Content<'_>) -> Fragment {
        match content {
            Content::Value { header, slot, user, note } => Fragment::Values {
                header,
                user: user.into_owned(),
                note: note.into_owned(),
                slots: vec![slot],
            },
            Content::BadPeriod { header, unit } => {
                Fragment::BadPeriods { header, units: vec![unit], rows: 1 }
            }
            Content::Unreadable { issue, recorded } => {
                Fragment::Unreadable { issue, recorded, rows: 1 }
            }
        }
    }

    /// Takes a row that agrees with this fragment; gives back one that does not.
    fn extend<'t>(&mut self, content: Content<'t>) -> Option<Content<'t>> {
        match (self, content) {
            (Fragment::Values { header, slots, .. }, Content::Value { header: same, slot, .. })
                if *header == same && slots.len() < FRAGMENT_ROWS =>
            {
                slots.push(slot);
            }
            (
                Fragment::BadPeriods { header, units, rows },
                Content::BadPeriod { header: same, unit },
            ) if *header == same && units.len() < FRAGMENT_ROWS => {
                *rows += 1;
                if units.last() != Some(&unit) {
                    units.push(unit);
                }
            }
            (
                Fragment::Unreadable { issue, recorded, rows },
                Content::Unreadable { issue: same, recorded: at },
            ) if *issue == same && *recorded == at => *rows += 1,
            (_, other) => return Some(other),
        }
        None
    }

    /// Whether a row without a batch cell belongs to this fragment's group. Rows in which that cannot be
    /// read are together only while all that is known of them is equal.
    fn is_of_issue(&self, content: &Content<'_>) -> bool {
        let (issue, recorded) = match content {
            Content::Value { header, .. } | Content::BadPeriod { header, .. } => {
                (Some(&header.issue), Some(header.issue.recorded))
            }
            Content::Unreadable { issue, recorded } => (issue.as_ref(), *recorded),
        };
        let (own_issue, own_recorded) = match self {
            Fragment::Values { header, .. } | Fragment::BadPeriods { header, .. } => {
                (Some(&header.issue), Some(header.issue.recorded))
            }
            Fragment::Unreadable { issue, recorded, .. } => (issue.as_ref(), *recorded),
        };
        (issue, recorded) == (own_issue, own_recorded)
    }

    /// What all rows share, where they are readable.
    pub(crate) fn header(&self) -> Option<&Header> {
        match self {
            Fragment::Values { header, .. } | Fragment::BadPeriods { header, .. } => Some(header),
            Fragment::Unreadable { .. } => None,
        }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> u64 {
        match self {
            Fragment::Values { slots, .. } => slots.len() as u64,
            Fragment::BadPeriods { rows, .. } | Fragment::Unreadable { rows, .. } => *rows,
        }
    }

    fn bytes(&self) -> usize {
        FRAGMENT_BYTES
            + match self {
                Fragment::Values { slots, .. } => slots.capacity() * size_of::<SlotValue>(),
                Fragment::BadPeriods { units, .. } => units.capacity() * size_of::<Unit>(),
                Fragment::Unreadable { .. } => 0,
            }
    }
}

/// The batches of all rows, in the order of their keys.
pub(crate) struct Batches {
    fragments: Sorted<(BatchKey, u64), Fragment>,
    next: Option<((BatchKey, u64), Fragment)>,
}

impl Batches {
    pub(crate) fn next_batch(&mut self) -> Result<Option<(BatchKey, Fragments)>, SourceError> {
        let Some(((key, row), fragment)) = self.next.take() else { return Ok(None) };
        let mut fragments = vec![(row, fragment)];
        while let Some(((of, row), fragment)) = self.fragments.next_item()? {
            if of != key {
                self.next = Some(((of, row), fragment));
                break;
            }
            fragments.push((row, fragment));
        }
        Ok(Some((key, fragments)))
    }
}
