//! Live reads of units that were asked before in the same words: what the words mean is kept, what they show
//! is looked up each time. Most reads of a desk are such: the same page asks for the same again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use axum::extract::MatchedPath;
use axum::http::Uri;
use quick_cache::sync::Cache;
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::reference::Reference;
use smartpulse_operators::time::{Instant, Zone};

use super::answer::{Answer, Conditions, Level};
use super::desk::Desk;
use super::encoded::Place;
use super::exchange::Call;
use super::fragments::Fragment;
use super::latest::UnitRead;
use crate::snapshot::Snapshot;
use crate::window::Window;

/// Reads that are kept.
const ENTRIES: usize = 4_096;
/// Longest path and query of one, in bytes; with the bound above it bounds what is held.
const LONGEST: usize = 256;

/// Of so many answers of one epoch, one is looked up: so that what is read often is kept as such.
const LOOKED_UP: u32 = 64;

/// A live read as its words were understood.
pub(crate) struct Asked {
    place: Place,
    /// The statements on units under which they were: under others they may mean something else.
    reference: Weak<Reference>,
    window: Window,
    zone: Zone,
    route: Option<MatchedPath>,
    last: ArcSwapOption<Last>,
    given: AtomicU32,
}

/// An answer as it was given last: the same again as long as no epoch has closed since.
struct Last {
    epoch: Epoch,
    /// Held by those who keep answers, within their bound.
    fragment: Weak<Fragment>,
    modified: Option<Instant>,
}

/// Reads by path and query.
pub(crate) struct AskedBefore(Cache<Box<str>, Arc<Asked>>);

impl Asked {
    /// A read that names no epoch.
    pub(crate) fn of(place: Place, read: &UnitRead<'_>, window: Window, call: &Call) -> Asked {
        let reference = Arc::downgrade(&read.snapshot.reference);
        let (zone, route) = (read.zone.clone(), call.route.clone());
        let (last, given) = (ArcSwapOption::empty(), AtomicU32::new(0));
        Asked { place, reference, window, zone, route, last, given }
    }

    /// The route it came by.
    pub(crate) fn route(&self) -> Option<&MatchedPath> {
        self.route.as_ref()
    }

    /// Its answer, where one is kept that was made from what the newest snapshot shows.
    pub(crate) fn answer(&self, desk: &Desk, conditions: &Conditions) -> Option<Answer> {
        if let Some((epoch, fragment, modified)) = self.as_before(desk) {
            desk.meters.gave_encoded(fragment.age());
            let answer = Answer::encoded(conditions, epoch, fragment, modified);
            return Some(answer.of_level(Level::Encoded));
        }
        let snapshot = desk.doors.read_model.snapshot();
        let place = Some(&self.place).filter(|_| self.means_the_same(&snapshot))?;
        let series = place.series(&snapshot);
        let fragment = place.find(desk, &snapshot, &series)?;
        let modified = place.modified(desk, &snapshot, &series);
        // A time of change that is too young to be told is told later.
        if modified.is_some() || !place.has_time_of_change(&series) {
            let (epoch, fragment) = (snapshot.epoch, Arc::downgrade(&fragment));
            self.last.store(Some(Arc::new(Last { epoch, fragment, modified })));
        }
        let answer = Answer::encoded(conditions, snapshot.epoch, fragment, modified);
        Some(answer.of_level(Level::Encoded))
    }

    /// The last answer, where the epoch it showed is still the newest.
    fn as_before(&self, desk: &Desk) -> Option<(Epoch, Arc<Fragment>, Option<Instant>)> {
        let newest = desk.newest_epoch();
        let last = self.last.load();
        let last = last.as_ref().filter(|last| last.epoch == newest)?;
        if self.given.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOKED_UP) {
            return None;
        }
        Some((newest, last.fragment.upgrade()?, last.modified))
    }

    /// Whether the words mean the same at `snapshot`.
    fn means_the_same(&self, snapshot: &Snapshot) -> bool {
        let range = || self.window.range(&self.zone, snapshot.clock);
        // An address that is held weakly is not given to another.
        std::ptr::eq(self.reference.as_ptr(), Arc::as_ptr(&snapshot.reference))
            && (!self.window.follows_clock()
                || range() == (self.place.range.from, self.place.range.to))
    }
}

impl AskedBefore {
    /// Nothing yet.
    pub(crate) fn new() -> AskedBefore {
        AskedBefore(Cache::new(ENTRIES))
    }

    /// Keeps a read.
    pub(crate) fn keep(&self, uri: &Uri, asked: Asked) {
        if let Some(text) = words(uri) {
            self.0.insert(text.into(), Arc::new(asked));
        }
    }

    /// A read that was asked before in the same words.
    pub(crate) fn find(&self, uri: &Uri) -> Option<Arc<Asked>> {
        self.0.get(words(uri)?)
    }
}

fn words(uri: &Uri) -> Option<&str> {
    let text = uri.path_and_query()?.as_str();
    (text.len() <= LONGEST).then_some(text)
}
