//! What an export door asks for and is given: the words of a request, and bytes that arrive piece by piece.
//!
//! This crate knows no Parquet: who answers a [`crate::command::Lookup::Export`] writes the files and packs
//! them; the doors hand the bytes through.

use smartpulse_operators::series::Provider;
use smartpulse_operators::time::{Instant, Period};
use tokio::sync::mpsc;

/// A view that can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportView {
    /// The row shown of each slot.
    Latest,
    /// What holds for each unit, whatever the periods.
    Resolved,
    /// Sums of plants.
    Totals,
    /// Every revision.
    History,
    /// Master data.
    Units,
    /// Accepted saves.
    Batches,
}

/// What is to be exported, at the epoch of the snapshot that goes with it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportRequest {
    /// The view.
    pub view: ExportView,
    /// The reference; none: `known_at`, else the clock.
    pub valid_at: Option<Instant>,
    /// What had been recorded by then counts; none: everything.
    pub known_at: Option<Instant>,
    /// Slots that start from here on.
    pub from: Option<Instant>,
    /// Slots that start before.
    pub to: Option<Instant>,
    /// Slot length of `resolved` and `totals`; none: the grid of each day.
    pub period: Option<Period>,
    /// Only this provider.
    pub provider: Option<Provider>,
    /// Least coverage of a slot of `resolved` and `totals`, below which it has no value.
    pub completeness: f64,
}

/// An export whose files are whole.
#[derive(Debug)]
pub struct Exported {
    /// The reference it was made at.
    pub valid_at: Instant,
    /// The knowledge, where it was restricted.
    pub known_at: Option<Instant>,
    /// The packed files in pieces; bounded, and dropped when the caller goes away.
    pub pieces: mpsc::Receiver<bytes::Bytes>,
}

/// Why an export was not made. All of them may be tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportRefusal {
    /// As many as may be are under way.
    #[error("{0} exports are under way, which is as many as may be: try again later")]
    TooMany(usize),
    /// The disk is left to saves.
    #[error("the disk has no room for an export: what is free is left to saves")]
    DiskFull,
    /// Something failed; the log says more.
    #[error("the export failed: {0}")]
    Failed(String),
}

impl ExportView {
    /// All of them.
    pub const ALL: [ExportView; 6] = [
        ExportView::Latest,
        ExportView::Resolved,
        ExportView::Totals,
        ExportView::History,
        ExportView::Units,
        ExportView::Batches,
    ];

    /// Its word on the command line, in paths and as the name of its folder.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ExportView::Latest => "latest",
            ExportView::Resolved => "resolved",
            ExportView::Totals => "totals",
            ExportView::History => "history",
            ExportView::Units => "units",
            ExportView::Batches => "batches",
        }
    }

    /// The view of that word, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<ExportView> {
        ExportView::ALL.into_iter().find(|view| view.word().eq_ignore_ascii_case(text))
    }
}
