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
use crate::totals::TotalChanges;

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

impl ClosedEpoch {
    /// This one and what `later` changed behind it, as one: of what both changed the later state stands.
    #[must_use]
    pub fn followed_by(self, later: ClosedEpoch) -> ClosedEpoch {
        let mut totals = TotalChanges::default();
        let all = self.totals.into_iter().chain(later.totals);
        let (mut days, mut timelines) = (BTreeMap::new(), BTreeMap::new());
        for changes in all {
            days.extend(changes.days);
            timelines.extend(changes.timelines);
        }
        totals.days.extend(days);
        totals.timelines.extend(timelines);
        let blocks: BTreeMap<SeriesDay, Arc<DayBlock>> =
            self.blocks.into_iter().chain(later.blocks).collect();
        ClosedEpoch {
            epoch: later.epoch,
            clock: later.clock,
            new_series: self.new_series.into_iter().chain(later.new_series).collect(),
            blocks: blocks.into_iter().collect(),
            causes: self.causes.into_iter().chain(later.causes).collect(),
            stated: self.stated.into_iter().chain(later.stated).collect(),
            totals: vec![totals],
            reference: later.reference.or(self.reference),
            withdrawn: self.withdrawn.into_iter().chain(later.withdrawn).collect(),
            figures: later.figures,
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
