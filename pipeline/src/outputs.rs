//! What comes out of the dataflow, grouped by its own time and released when the epoch has closed: one
//! captured message may hold rows of several epochs, or an epoch several messages.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;

use timely::dataflow::operators::core::capture::Event;

/// Captured rows that wait for their epoch to close.
pub(crate) struct Outputs<D> {
    captured: Receiver<Event<u64, Vec<D>>>,
    waiting: BTreeMap<u64, Vec<D>>,
}

impl<D> Outputs<D> {
    pub(crate) fn new(captured: Receiver<Event<u64, Vec<D>>>) -> Outputs<D> {
        Outputs { captured, waiting: BTreeMap::new() }
    }

    /// All rows up to `epoch`, which the frontier has passed.
    pub(crate) fn closed(&mut self, epoch: u64) -> Vec<D> {
        for event in self.captured.try_iter() {
            if let Event::Messages(stamp, rows) = event {
                // Chunks are captured with the stamp of their one tick.
                let time = stamp.iter().copied().max().unwrap_or(epoch);
                self.waiting.entry(time).or_default().extend(rows);
            }
        }
        let later = self.waiting.split_off(&(epoch + 1));
        std::mem::replace(&mut self.waiting, later).into_values().flatten().collect()
    }
}
