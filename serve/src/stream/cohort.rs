//! A cohort: followers of one selection, and the encoded deltas that wait for them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use smartpulse_operators::batch::Epoch;
use tokio::sync::watch;

use super::selection::Selection;

/// Followers of one selection.
#[derive(Debug)]
pub(crate) struct Cohort {
    pub(crate) selection: Arc<Selection>,
    frames: Mutex<Frames>,
    news: watch::Sender<Epoch>,
}

#[derive(Debug)]
struct Frames {
    /// Every delta after this epoch is here, as far as they are dispatched.
    complete_after: Epoch,
    waiting: VecDeque<(Epoch, Bytes)>,
}

impl Cohort {
    /// A cohort whose deltas begin after `epoch`.
    pub(crate) fn new(selection: Selection, epoch: Epoch) -> Cohort {
        Cohort {
            selection: Arc::new(selection),
            frames: Mutex::new(Frames { complete_after: epoch, waiting: VecDeque::new() }),
            news: watch::Sender::new(epoch),
        }
    }

    /// Hears of each epoch that changed something.
    pub(crate) fn news(&self) -> watch::Receiver<Epoch> {
        self.news.subscribe()
    }

    /// The deltas after `after` up to `upto`, oldest first; none where some of them are not here.
    pub(crate) fn deltas(&self, after: Epoch, upto: Epoch) -> Option<Vec<(Epoch, Bytes)>> {
        let frames = self.frames();
        if after < frames.complete_after {
            return None;
        }
        let from = frames.waiting.partition_point(|(epoch, _)| *epoch <= after);
        let wanted = frames.waiting.iter().skip(from).take_while(|(epoch, _)| *epoch <= upto);
        Some(wanted.cloned().collect())
    }

    pub(super) fn push(&self, epoch: Epoch, frame: Bytes) {
        self.frames().waiting.push_back((epoch, frame));
    }

    pub(super) fn wake(&self, epoch: Epoch) {
        self.news.send_replace(epoch);
    }

    /// Lets the oldest delta go, if it is still there.
    pub(super) fn let_go(&self, epoch: Epoch) {
        let mut frames = self.frames();
        if frames.waiting.front().is_some_and(|(oldest, _)| *oldest <= epoch) {
            frames.waiting.pop_front();
            frames.complete_after = frames.complete_after.max(epoch);
        }
    }

    /// Forgets every delta: what comes after `epoch` will be here.
    pub(super) fn begin_anew(&self, epoch: Epoch) {
        let mut frames = self.frames();
        frames.waiting.clear();
        frames.complete_after = epoch;
    }

    fn frames(&self) -> MutexGuard<'_, Frames> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
