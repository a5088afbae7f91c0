//! Streams: who follows what, and how the deltas of each epoch reach them.
//!
//! Equal selections are one cohort: what an epoch changed of it is encoded once, and cohorts that
//! nothing touched are not woken. One task runs [`Streams::dispatch`]; each follower takes what its cohort
//! has at its own pace, and what it is too slow for is folded from two snapshots. So nobody
//! waits for anybody, and a slow follower costs no memory but its place.

pub(crate) mod cohort;
mod columns;
pub(crate) mod follower;
mod groups;
mod index;
pub(crate) mod picture;
mod rows;
pub(crate) mod selection;
pub mod sending;
mod text;
mod total_groups;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use smartpulse_operators::batch::Epoch;

use crate::read_model::ReadModel;
use crate::ring::Turn;
use crate::snapshot::Snapshot;
use cohort::Cohort;
use index::Index;
use picture::Picture;
use selection::Selection;

/// Encoded deltas that all cohorts together keep for their followers; whoever is further behind than that
/// is told folded ones.
const QUEUED_BYTES: usize = 64 << 20;

/// What is counted of the streams.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Streams that are open.
    pub(crate) open: AtomicU64,
    /// Deltas that were told folded.
    pub(crate) folded: AtomicU64,
    /// Followers that were cut off because they were too far behind.
    pub(crate) left_behind: AtomicU64,
    /// Streams that had to begin anew.
    pub(crate) resyncs: AtomicU64,
    /// Deltas encoded, one a cohort and epoch.
    pub(crate) encoded: AtomicU64,
}

/// All streams of a read model.
#[derive(Debug)]
pub struct Streams {
    pub(crate) read_model: Arc<ReadModel>,
    pub(crate) counts: Counts,
    registry: Mutex<Registry>,
    /// The newest epoch whose deltas lie with their cohorts.
    dispatched: AtomicU64,
    queued_bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Registry {
    cohorts: BTreeMap<Selection, Member>,
    index: Index,
    /// The epoch whose cohorts have been chosen: a later cohort begins after it.
    chosen: Epoch,
}

#[derive(Debug)]
struct Member {
    cohort: Arc<Cohort>,
    followers: usize,
}

/// A frame that lies with a cohort, in the order in which frames are let go.
struct Queued {
    cohort: Weak<Cohort>,
    epoch: Epoch,
    bytes: usize,
}

/// The place of a follower in its cohort; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    streams: Arc<Streams>,
    pub(crate) cohort: Arc<Cohort>,
}

impl Streams {
    /// Streams of `read_model`, of which there are none yet.
    #[must_use]
    pub fn new(read_model: Arc<ReadModel>) -> Arc<Streams> {
        Arc::new(Streams {
            read_model,
            counts: Counts::default(),
            registry: Mutex::default(),
            dispatched: AtomicU64::new(0),
            queued_bytes: AtomicU64::new(0),
        })
    }

    /// Hands the deltas of each epoch to the cohorts they concern, until the read model is gone. It computes:
    /// run it on a thread of its own.
    pub async fn dispatch(&self) {
        let mut closings = self.read_model.closings();
        let mut queue = VecDeque::new();
        loop {
            let newest = *closings.borrow_and_update();
            self.dispatch_upto(newest, &mut queue);
            if closings.changed().await.is_err() {
                return;
            }
        }
    }

    /// A place in the cohort of `selection`, unless `bound` streams are open.
    pub(crate) fn join(self: &Arc<Streams>, selection: Selection, bound: usize) -> Option<Place> {
        let mut registry = self.registry();
        if self.counts.open.load(Ordering::Relaxed) >= bound as u64 {
            return None;
        }
        self.counts.open.fetch_add(1, Ordering::Relaxed);
        let chosen = registry.chosen;
        let Registry { cohorts, index, .. } = &mut *registry;
        let member = cohorts.entry(selection).or_insert_with_key(|selection| {
            let cohort = Arc::new(Cohort::new(selection.clone(), chosen));
            index.add(&cohort);
            Member { cohort, followers: 0 }
        });
        member.followers += 1;
        let cohort = Arc::clone(&member.cohort);
        Some(Place { streams: Arc::clone(self), cohort })
    }

    /// The newest epoch whose deltas lie with their cohorts.
    pub(crate) fn dispatched(&self) -> Epoch {
        Epoch(self.dispatched.load(Ordering::Acquire))
    }

    /// Cohorts, and bytes of encoded deltas that wait with them.
    pub(crate) fn sizes(&self) -> (usize, u64) {
        (self.registry().cohorts.len(), self.queued_bytes.load(Ordering::Relaxed))
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dispatch_upto(&self, newest: Epoch, queue: &mut VecDeque<Queued>) {
        while self.dispatched() < newest {
            let done = self.dispatched();
            let next = || self.read_model.next_after(done);
            let way = || self.read_model.between(done, next()?);
            match (!self.is_deserted()).then(way).flatten() {
                Some((before, turns)) => {
                    for turn in turns {
                        self.dispatch_turn(&before, &turn, queue);
                    }
                }
                // Nobody follows, or the epochs between are gone: whoever is behind helps itself.
                None => self.skip_to(newest, queue),
            }
        }
    }

    fn dispatch_turn(
        &self,
        before: &Arc<Snapshot>,
        turn: &Arc<Turn>,
        queue: &mut VecDeque<Queued>,
    ) {
        let epoch = turn.snapshot.epoch;
        let concerned = {
            let mut registry = self.registry();
            registry.chosen = epoch;
            registry.index.concerned(before, turn)
        };
        let incarnation = self.read_model.incarnation();
        let mut woken = Vec::new();
        for cohort in concerned {
            let turns = std::slice::from_ref(turn);
            let delta = Picture::of_turns(&cohort.selection, incarnation, before, turns);
            let frame = delta.into_bytes();
            if !frame.is_empty() {
                let bytes = frame.len();
                self.counts.encoded.fetch_add(1, Ordering::Relaxed);
                self.queued_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                cohort.push(epoch, frame);
                queue.push_back(Queued { cohort: Arc::downgrade(&cohort), epoch, bytes });
                woken.push(cohort);
            }
        }
        self.trim(queue, QUEUED_BYTES);
        self.dispatched.store(epoch.0, Ordering::Release);
        woken.iter().for_each(|cohort| cohort.wake(epoch));
    }

    fn skip_to(&self, newest: Epoch, queue: &mut VecDeque<Queued>) {
        let all: Vec<Arc<Cohort>> = {
            let mut registry = self.registry();
            registry.chosen = newest;
            registry.cohorts.values().map(|member| Arc::clone(&member.cohort)).collect()
        };
        all.iter().for_each(|cohort| cohort.begin_anew(newest));
        self.trim(queue, 0);
        self.dispatched.store(newest.0, Ordering::Release);
        all.iter().for_each(|cohort| cohort.wake(newest));
    }

    fn trim(&self, queue: &mut VecDeque<Queued>, bound: usize) {
        while self.queued_bytes.load(Ordering::Relaxed) > bound as u64
            && let Some(oldest) = queue.pop_front()
        {
            self.queued_bytes.fetch_sub(oldest.bytes as u64, Ordering::Relaxed);
            if let Some(cohort) = oldest.cohort.upgrade() {
                cohort.let_go(oldest.epoch);
            }
        }
    }

    fn is_deserted(&self) -> bool {
        self.registry().cohorts.is_empty()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.counts.open.fetch_sub(1, Ordering::Relaxed);
        let mut registry = self.streams.registry();
        let Registry { cohorts, index, .. } = &mut *registry;
        if let Some(member) = cohorts.get_mut(&*self.cohort.selection) {
            member.followers -= 1;
            if member.followers == 0 {
                index.remove(&self.cohort);
                cohorts.remove(&*self.cohort.selection);
            }
        }
    }
}
