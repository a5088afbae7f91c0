//! The thread that writes closed epochs into the store, behind what is shown.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use tracing::{info, warn};

use super::backlog::Writing;
use super::shelf::Shelf;
use super::tail::{Order, Signs, Waiting, values};
use super::{EpochHistory, History, HistoryError};

/// How often a full disk is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Writes what `orders` brings until the last sender is gone, then makes all of it durable.
pub(super) fn write_behind(
    shelf: &Shelf,
    waiting: &Waiting,
    signs: &Signs,
    writing: &Writing,
    orders: &Receiver<Order>,
) -> Result<(), HistoryError> {
    while let Ok(order) = orders.recv() {
        match order {
            Order::Write(epoch) => {
                write_when_there_is_room(shelf, &epoch, signs)?;
                let place = (epoch.epoch, epoch.part);
                waiting.write().unwrap_or_else(PoisonError::into_inner).remove(&place);
                writing.0.leave(values(&epoch));
            }
            Order::Persist(done) => {
                shelf.read(History::persist)?;
                // Nobody waits any more when this fails.
                let _ = done.send(());
            }
        }
    }
    shelf.read(History::persist)
}

fn write_when_there_is_room(
    shelf: &Shelf,
    epoch: &EpochHistory,
    signs: &Signs,
) -> Result<(), HistoryError> {
    let mut written = shelf.read(|store| store.write(epoch));
    while written.as_ref().is_err_and(|problem| shelf.lacks_room(problem)) {
        if !signs.waits_for_room.swap(true, Ordering::Relaxed) {
            warn!(epoch = epoch.epoch.0, "the disk of the history store is full: waiting for room");
        }
        if signs.hurries.load(Ordering::Relaxed) {
            return Err(shelf.full());
        }
        thread::sleep(LOOK_AGAIN);
        if shelf.has_room() {
            // A store that failed to write takes no more until it is opened again.
            shelf.reopen()?;
            written = shelf.read(|store| store.write(epoch));
        }
    }
    if written.is_ok() && signs.waits_for_room.swap(false, Ordering::Relaxed) {
        info!(epoch = epoch.epoch.0, "the history store goes on");
    }
    written
}
