//! A closed epoch: all that one tick, or several together, changed in the views. It is what an engine hands
//! over to readers, in the same process or by way of another system, and all that a reader needs to follow.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::batch::{Epoch, Sequence};
use crate::block::DayBlock;
use crate::cause::Cause;
use crate::chunk::SeriesDay;
use crate::reference::Reference;
use crate::series::{Series, SeriesId};
use crate::time::Instant;
use crate::timeline::Timeline;
use crate::total::Total;
use crate::totals::sums::DaySums;
use crate::totals::{TotalChanges, TotalKey};

/// What the views show at an epoch that they did not show before.
#[derive(Clone, Debug)]
pub struct ClosedEpoch {
    /// The epoch.
    pub epoch: Epoch,
    /// The clock its views show.
    pub clock: Instant,
    /// Series named for the first time, with their ids.
    pub new_series: Vec<(SeriesId, Arc<Series>)>,
    /// New blocks of the touched series days.
    pub blocks: Vec<(SeriesDay, Arc<DayBlock>)>,
    /// What touched them.
    pub causes: Vec<(SeriesDay, Cause)>,
    /// Statements of membership and master data.
    pub stated: Vec<Cause>,
    /// What changed in the totals.
    pub totals: Vec<TotalChanges>,
    /// The statements on units, where one changed.
    pub reference: Option<Arc<Reference>>,
    /// Batches withdrawn, and when.
    pub withdrawn: Vec<(Sequence, Instant)>,
    /// Figures for `/status` and `/metrics`.
    pub figures: Figures,
}

impl ClosedEpoch {
    /// An epoch that changed nothing.
    #[must_use]
    pub fn nothing(epoch: Epoch, clock: Instant, figures: Figures) -> ClosedEpoch {
        ClosedEpoch {
            epoch,
            clock,
            new_series: Vec::new(),
            blocks: Vec::new(),
            causes: Vec::new(),
            stated: Vec::new(),
            totals: Vec::new(),
            reference: None,
            withdrawn: Vec::new(),
            figures,
        }
    }
}

/// Parts of an epoch that are put together: of what several changed the latest state stands.
#[derive(Debug, Default)]
pub struct Together {
    whole: Option<ClosedEpoch>,
    /// Once there are two.
    merged: Option<Merged>,
}

#[derive(Debug, Default)]
struct Merged {
    blocks: BTreeMap<SeriesDay, Arc<DayBlock>>,
    days: BTreeMap<TotalKey, Option<Arc<DaySums>>>,
    timelines: BTreeMap<Total, Arc<Timeline>>,
}

impl Together {
    /// Adds what the next part changed.
    pub fn add(&mut self, mut part: ClosedEpoch) {
        let Some(whole) = &mut self.whole else {
            self.whole = Some(part);
            return;
        };
        let merged = self.merged.get_or_insert_with(|| {
            let mut merged = Merged::default();
            merged.take(whole);
            merged
        });
        merged.take(&mut part);
        whole.new_series.append(&mut part.new_series);
        whole.causes.append(&mut part.causes);
        whole.stated.append(&mut part.stated);
        whole.withdrawn.append(&mut part.withdrawn);
        whole.reference = part.reference.or(whole.reference.take());
        (whole.clock, whole.figures) = (part.clock, part.figures);
    }

    /// All of it; none where there was no part.
    #[must_use]
    pub fn whole(self) -> Option<ClosedEpoch> {
        let mut whole = self.whole?;
        if let Some(Merged { blocks, days, timelines }) = self.merged {
            whole.blocks = blocks.into_iter().collect();
            let (days, timelines) = (days.into_iter().collect(), timelines.into_iter().collect());
            whole.totals = vec![TotalChanges { days, timelines }];
        }
        Some(whole)
    }
}

impl Merged {
    fn take(&mut self, part: &mut ClosedEpoch) {
        self.blocks.extend(std::mem::take(&mut part.blocks));
        for changes in std::mem::take(&mut part.totals) {
            self.days.extend(changes.days);
            self.timelines.extend(changes.timelines);
        }
    }
}

/// Figures of the engine at an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Epochs that the history store is behind.
    pub history_lag_epochs: u64,
    /// Batches accepted.
    pub batches: u64,
    /// Values stored and refused since the folder began.
    pub saved: u64,
    /// Values stored as confirmations.
    pub skipped: u64,
    /// Values refused.
    pub refused: u64,
    /// Position of each source.
    pub sources: Vec<(String, u64)>,
}
