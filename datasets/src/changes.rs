//! The stream of changes a source yields, with how far it is and what it had to remark.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smartpulse_operators::change::Change;

use crate::eia_vintages::EiaVintages;
use crate::eia930::Eia930;
use crate::elexon_pn::ElexonPn;
use crate::error::SourceError;
use crate::fleet::FleetStream;
use crate::long_format::LongFormat;
use crate::rts_gmlc::RtsGmlc;

/// Remarks kept of a source; the counts of what was refused are complete, these are for the reader.
pub(crate) const REMARK_LIMIT: usize = 100;

/// The changes of a source in the order in which a replay takes them. Ends after the first error; what
/// came before it stands.
pub struct Changes {
    source: Opened,
    failed: bool,
}

enum Opened {
    LongFormat(Box<LongFormat>),
    EiaVintages(Box<EiaVintages>),
    Eia930(Box<Eia930>),
    ElexonPn(Box<ElexonPn>),
    RtsGmlc(Box<RtsGmlc>),
    Fleet(Box<FleetStream>),
}

/// How far a source has been read and handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Work done, in bytes of input.
    pub done: u64,
    /// Work there is (a source that is sorted counts its bytes twice: read, handed on).
    pub total: u64,
}

/// A view of the progress that another thread may look at while a `next` is under way.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    done: Arc<AtomicU64>,
    total: Arc<AtomicU64>,
}

/// A refusal worth naming to the owner of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The row within its file, from 1 below the header.
    pub row: u64,
    /// File, row and rule in words.
    pub text: String,
}

impl Changes {
    pub(crate) fn from_long_format(source: LongFormat) -> Changes {
        Changes { source: Opened::LongFormat(Box::new(source)), failed: false }
    }

    pub(crate) fn from_eia(source: EiaVintages) -> Changes {
        Changes { source: Opened::EiaVintages(Box::new(source)), failed: false }
    }

    pub(crate) fn from_eia930(source: Eia930) -> Changes {
        Changes { source: Opened::Eia930(Box::new(source)), failed: false }
    }

    pub(crate) fn from_elexon_pn(source: ElexonPn) -> Changes {
        Changes { source: Opened::ElexonPn(Box::new(source)), failed: false }
    }

    pub(crate) fn from_rts_gmlc(source: RtsGmlc) -> Changes {
        Changes { source: Opened::RtsGmlc(Box::new(source)), failed: false }
    }

    pub(crate) fn from_fleet(source: FleetStream) -> Changes {
        Changes { source: Opened::Fleet(Box::new(source)), failed: false }
    }

    /// How far the source is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.meter().progress()
    }

    /// The progress as something to hand to another thread: the first `next` of a long-format source
    /// reads and sorts all of it.
    #[must_use]
    pub fn meter(&self) -> Meter {
        match &self.source {
            Opened::LongFormat(source) => source.meter(),
            Opened::EiaVintages(source) => source.meter(),
            Opened::Eia930(source) => source.meter(),
            Opened::ElexonPn(source) => source.meter(),
            Opened::RtsGmlc(source) => source.meter(),
            Opened::Fleet(source) => source.meter(),
        }
    }

    /// The first hundred batches refused because their rows disagree.
    #[must_use]
    pub fn remarks(&self) -> &[Remark] {
        match &self.source {
            Opened::LongFormat(source) => source.remarks(),
            Opened::ElexonPn(source) => source.remarks(),
            Opened::EiaVintages(_) | Opened::Eia930(_) | Opened::RtsGmlc(_) | Opened::Fleet(_) => {
                &[]
            }
        }
    }
}

impl Iterator for Changes {
    type Item = Result<Change, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = match &mut self.source {
            Opened::LongFormat(source) => source.next_change(),
            Opened::EiaVintages(source) => source.next_change(),
            Opened::Eia930(source) => source.next_change(),
            Opened::ElexonPn(source) => source.next_change(),
            Opened::RtsGmlc(source) => source.next_change(),
            Opened::Fleet(source) => source.next_change(),
        };
        self.failed = next.is_err();
        next.transpose()
    }
}

impl Meter {
    pub(crate) fn new(total: u64) -> Meter {
        let meter = Meter::default();
        meter.total.store(total, Ordering::Relaxed);
        meter
    }

    pub(crate) fn set_done(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
    }

    /// How far the source is now.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let total = self.total.load(Ordering::Relaxed);
        Progress { done: self.done.load(Ordering::Relaxed).min(total), total }
    }
}
