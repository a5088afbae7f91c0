//! The snapshots of past epochs that are still shown to who asks for one by its number.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use smartpulse_operators::batch::Epoch;

use crate::snapshot::Snapshot;

/// Past epochs kept: minutes of live traffic.
const EPOCHS: usize = 4_096;
/// Blocks that past epochs keep from being freed, some 1.5 kB each: bounds the memory of large ticks.
const BLOCKS: usize = 4_096;

/// Snapshots share what they have in common, so one costs what its epoch touched.
#[derive(Debug, Default)]
pub(crate) struct Retained(RwLock<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Consecutive epochs, each with the number of blocks it touched.
    snapshots: VecDeque<(Arc<Snapshot>, usize)>,
    blocks: usize,
}

impl Retained {
    /// Keeps the newest snapshot, which touched that many blocks, and lets old ones go.
    pub(crate) fn keep(&self, snapshot: Arc<Snapshot>, touched: usize) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        kept.blocks += touched;
        kept.snapshots.push_back((snapshot, touched));
        while kept.snapshots.len() > 1 && (kept.snapshots.len() > EPOCHS || kept.blocks > BLOCKS) {
            if let Some((_, touched)) = kept.snapshots.pop_front() {
                kept.blocks -= touched;
            }
        }
    }

    /// The snapshot of that epoch.
    pub(crate) fn at(&self, epoch: Epoch) -> Option<Arc<Snapshot>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let place = kept.snapshots.binary_search_by_key(&epoch, |(known, _)| known.epoch).ok()?;
        Some(Arc::clone(&kept.snapshots[place].0))
    }
}
