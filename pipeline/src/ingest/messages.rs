//! Messages of other systems: live changes that come with the place they were read at, so that none is taken in
//! twice. Nobody waits for an answer; the source hears what became of each, and acknowledges then.
//!
//! All changes of a message are of one tick: what another system did at once is seen at once. What cannot be taken
//! in now (the disk is full, the clock is held) is not refused but stays where it is, in order; so a bounded queue
//! fills, and the other system keeps the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartpulse_operators::change::{Change, Spooled};
use smartpulse_operators::offset::{KeptRow, Offset};
use smartpulse_operators::time::Instant;
use smartpulse_serve::command::SlotDecision;
use tokio::sync::mpsc::UnboundedSender;

use super::clock::Reading;
use super::{Hearer, Ingest, IngestError};

/// A message on its way in.
#[derive(Debug)]
pub struct Message {
    /// What it asks for, in order; none: only its rows and offsets are to be remembered, and nobody is told.
    pub changes: Vec<Change>,
    /// Changes behind those that lie in a file; it is alone in its tick then.
    pub spooled: Option<Spooled>,
    /// Rows of its source as they stand after it.
    pub kept: Vec<KeptRow>,
    /// How far its source has been taken in with it.
    pub offsets: Vec<Offset>,
    /// Who hears what became of it.
    pub teller: Teller,
}

/// Tells a source what became of one of its messages.
#[derive(Clone, Debug)]
pub struct Teller {
    /// Where to. Holds no more than the source has changes under way, which it bounds.
    pub to: UnboundedSender<Judged>,
    /// The number by which the source knows the message.
    pub number: u64,
}

/// What became of a change of a message that is durable and visible.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The source's number of the message.
    pub number: u64,
    /// Which of its changes, from 0.
    pub change: u32,
    /// Whether it is the last of the message.
    pub is_last: bool,
    /// The slots that were refused.
    pub refused: Vec<SlotDecision>,
}

/// Which change of which message somebody hears of.
#[derive(Debug)]
pub struct Told {
    teller: Teller,
    change: u32,
    is_last: bool,
}

impl Told {
    /// Tells it. Of a change before the last that went in whole there is nothing to tell.
    pub fn tell(self, refused: Vec<SlotDecision>) {
        let Told { teller: Teller { to, number }, change, is_last } = self;
        if is_last || !refused.is_empty() {
            // A source that has gone away learns it from its offsets at its next start.
            let _ = to.send(Judged { number, change, is_last, refused });
        }
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
        for message in &mut messages {
            for offset in &message.offsets {
                furthest.insert(Arc::clone(&offset.source), offset.clone());
            }
            tick.kept.extend(message.kept.iter().cloned());
            let changes = std::mem::take(&mut message.changes);
            let last = changes.len().wrapping_sub(1);
            let lacking: Vec<Lacking> = changes.iter().map(Lacking::of).collect();
            for (index, change) in changes.into_iter().enumerate() {
                let (teller, is_last) = (message.teller.clone(), index == last);
                hearers.push(Hearer::Source(Told { teller, change: index as u32, is_last }));
                self.place.live(change, None, &mut tick);
            }
            if let Some(mut spooled) = message.spooled.take() {
                self.place.spooled(&mut spooled, &mut tick);
                tick.spooled = Some(spooled);
            }
            given.push(lacking);
        }
        tick.offsets = furthest.into_values().collect();
        let Some((mut tick, _)) = self.hand_on(tick, hearers)? else { return Ok(Vec::new()) };
        let mut changes = tick.changes.into_iter();
        for (message, lacking) in messages.iter_mut().zip(given) {
            let own = lacking.into_iter().zip(&mut changes);
            message.changes = own.map(|(lacking, change)| lacking.restore(change)).collect();
            message.spooled = tick.spooled.take();
        }
        Ok(messages)
    }
}

/// What a change lacked before it was given its place, where that decides what it is given.
#[derive(Clone, Copy)]
enum Lacking {
    ValidAfter,
    Recorded,
    Release,
    Nothing,
}

impl Lacking {
    fn of(change: &Change) -> Lacking {
        match change {
            Change::Save(save) if save.batch.valid_after == Instant::MIN => Lacking::ValidAfter,
            Change::Lock(lock) if lock.released == Some(Instant::MIN) => Lacking::Release,
            Change::Lock(lock) if lock.recorded == Instant::MIN => Lacking::Recorded,
            _ => Lacking::Nothing,
        }
    }

    fn restore(self, mut change: Change) -> Change {
        match (self, &mut change) {
            (Lacking::ValidAfter, Change::Save(save)) => save.batch.valid_after = Instant::MIN,
            (Lacking::Release, Change::Lock(lock)) => lock.released = Some(Instant::MIN),
            (Lacking::Recorded, Change::Lock(lock)) => lock.recorded = Instant::MIN,
            _ => {}
        }
        change
    }
}
