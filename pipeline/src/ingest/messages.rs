//! Messages of other systems: live changes that come with the place they were read at, so that none is taken in
//! twice. Nobody waits for an answer; the source hears what became of each, and acknowledges then.
//!
//! What cannot be taken in now (the disk is full, the clock is held) is not refused but stays where it is, in
//! order; so a bounded queue fills, and the other system keeps the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartpulse_operators::change::Change;
use smartpulse_operators::offset::Offset;
use smartpulse_operators::time::Instant;
use smartpulse_serve::command::SlotDecision;
use tokio::sync::mpsc::UnboundedSender;

use super::clock::Reading;
use super::{Hearer, Ingest, IngestError};

/// A message on its way in.
#[derive(Debug)]
pub struct Message {
    /// What it asks for; none: only its offsets are to be remembered.
    pub change: Option<Box<Change>>,
    /// How far its source has been taken in with it.
    pub offsets: Vec<Offset>,
    /// Who hears what became of it.
    pub teller: Teller,
}

/// Tells a source what became of one of its messages.
#[derive(Clone, Debug)]
pub struct Teller {
    /// Where to. Holds no more than the source has messages under way, which it bounds.
    pub to: UnboundedSender<Judged>,
    /// The number by which the source knows the message.
    pub number: u64,
}

/// What became of a message that is durable and visible.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The source's number of the message.
    pub number: u64,
    /// The slots that were refused.
    pub refused: Vec<SlotDecision>,
}

impl Teller {
    /// Tells it.
    pub fn tell(self, refused: Vec<SlotDecision>) {
        // A source that has gone away learns it from its offsets at its next start.
        let _ = self.to.send(Judged { number: self.number, refused });
    }
}

impl Ingest {
    /// Takes messages in; gives them back where they cannot be made durable now.
    pub(super) fn take_messages(
        &mut self,
        mut messages: Vec<Message>,
    ) -> Result<Vec<Message>, IngestError> {
        let Reading::Now(clock) = self.start.clock.read() else { return Ok(messages) };
        if !self.has_room() {
            return Ok(messages);
        }
        let mut tick = self.place.begin(clock);
        let mut furthest: BTreeMap<Arc<str>, Offset> = BTreeMap::new();
        let (mut hearers, mut given) = (Vec::new(), Vec::new());
        for (message, index) in messages.iter_mut().zip(0..) {
            for offset in &message.offsets {
                furthest.insert(Arc::clone(&offset.source), offset.clone());
            }
            if let Some(change) = message.change.take() {
                given.push((index, valid_after(&change)));
                hearers.push(Hearer::Source(message.teller.clone()));
                self.place.live(*change, None, &mut tick);
            }
        }
        tick.offsets = furthest.into_values().collect();
        let Some((tick, _)) = self.hand_on(tick, hearers)? else { return Ok(Vec::new()) };
        for (mut change, (index, valid_after)) in tick.changes.into_iter().zip(given) {
            if let (Change::Save(save), Some(given)) = (&mut change, valid_after) {
                save.batch.valid_after = given;
            }
            messages[index].change = Some(Box::new(change));
        }
        Ok(messages)
    }
}

/// From when a save counts, as it was given.
fn valid_after(change: &Change) -> Option<Instant> {
    match change {
        Change::Save(save) => Some(save.batch.valid_after),
        _ => None,
    }
}
