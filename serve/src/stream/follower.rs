//! A follower: one open stream and how far it has been told. It is asked for the next bytes when its
//! connection can take some, so a slow one is behind but never in the way.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::time::Instant;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};

use super::picture::{Picture, token};
use super::{Place, Streams};

/// Time between two progress frames: the contract promises one a second.
const PROGRESS: Duration = Duration::from_millis(900);
/// A follower that is that many epochs behind, or fewer, hears of each for itself; beyond it they are folded.
const SINGLE_EPOCHS: u64 = 4;
/// Bytes of deltas that are put together before they are handed over.
const CHUNK_BYTES: usize = 16 << 10;

/// Where a stream begins.
pub(crate) enum Beginning {
    /// With a snapshot; the reason, where the caller had asked to go on from a token.
    Snapshot(Option<&'static str>),
    /// After the epoch that the caller holds.
    After(Epoch),
}

/// One open stream.
pub(crate) struct Follower {
    streams: Arc<Streams>,
    place: Place,
    news: watch::Receiver<Epoch>,
    progress: Interval,
    closing: watch::Receiver<bool>,
    clock: Box<dyn Fn(Instant) -> Instant + Send + Sync>,
    /// All up to this epoch has been told.
    told: Epoch,
    state: State,
}

enum State {
    Beginning(Bytes, Option<Box<Picture>>),
    Telling(Box<Picture>),
    Following,
}

impl Follower {
    /// A stream in `place`. `clock` gives the clock to show from that of the snapshot; `closing` ends it.
    pub(crate) fn begin(
        streams: &Arc<Streams>,
        place: Place,
        beginning: &Beginning,
        closing: watch::Receiver<bool>,
        clock: Box<dyn Fn(Instant) -> Instant + Send + Sync>,
    ) -> Follower {
        let mut words = "retry: 1000\n\n".to_owned();
        let snapshot = streams.read_model.snapshot();
        let (told, picture) = match beginning {
            Beginning::After(epoch) => (*epoch, None),
            Beginning::Snapshot(reason) => {
                if let Some(reason) = reason {
                    streams.counts.resyncs.fetch_add(1, Ordering::Relaxed);
                    let epoch = snapshot.epoch.0;
                    words.push_str(&format!(
                        "event: must-resync\ndata: {{\"reason\":\"{reason}\",\"epoch\":{epoch}}}\n\n"
                    ));
                }
                let incarnation = streams.read_model.incarnation();
                let selection = &place.cohort.selection;
                let picture = Picture::of_snapshot(selection, incarnation, &snapshot);
                (snapshot.epoch, Some(Box::new(picture)))
            }
        };
        let mut progress = tokio::time::interval(PROGRESS);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Follower {
            streams: Arc::clone(streams),
            news: place.cohort.news(),
            place,
            progress,
            closing,
            clock,
            told,
            state: State::Beginning(Bytes::from(words), picture),
        }
    }

    /// The next bytes; none when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            match &mut self.state {
                State::Beginning(words, picture) => {
                    let words = std::mem::take(words);
                    self.state = picture.take().map_or(State::Following, State::Telling);
                    return Some(words);
                }
                State::Telling(picture) => {
                    let epoch = picture.epoch();
                    // Who takes so long that the ring has moved on could not be told the rest: it comes back.
                    if self.streams.read_model.between(epoch, epoch).is_none() {
                        return self.left_behind();
                    }
                    if let Some(piece) = picture.next_piece() {
                        return Some(piece);
                    }
                    self.told = epoch;
                    self.state = State::Following;
                }
                State::Following => {
                    if *self.closing.borrow() {
                        return None;
                    }
                    // A stream that is busy all the time says how far it is all the same.
                    let mut due =
                        |context: &mut Context<'_>| self.progress.poll_tick(context).is_ready();
                    if poll_fn(|context| Poll::Ready(due(context))).await {
                        return Some(self.progress_frame());
                    }
                    let dispatched = self.streams.dispatched();
                    if self.told < dispatched {
                        match self.place.cohort.deltas(self.told, dispatched) {
                            Some(deltas) if deltas.is_empty() => self.told = dispatched,
                            Some(deltas) => {
                                let (bytes, upto) = chunk(deltas, dispatched);
                                self.told = upto;
                                return Some(bytes);
                            }
                            None => self.fold(dispatched)?,
                        }
                        continue;
                    }
                    let is_due = tokio::select! {
                        biased;
                        closing = self.closing.changed() => closing.map(|()| false).ok()?,
                        _ = self.progress.tick() => true,
                        news = self.news.changed() => news.map(|()| false).ok()?,
                    };
                    if is_due {
                        return Some(self.progress_frame());
                    }
                }
            }
        }
    }

    /// Tells the way to `upto` from two snapshots; none when it cannot be told any more.
    fn fold(&mut self, upto: Epoch) -> Option<()> {
        let behind = upto.0 - self.told.0;
        let next = || self.streams.read_model.next_after(self.told);
        let single = (behind <= SINGLE_EPOCHS).then(next).flatten();
        let next = single.unwrap_or(upto);
        let Some((before, turns)) = self.streams.read_model.between(self.told, next) else {
            self.left_behind();
            return None;
        };
        if turns.len() > 1 {
            self.streams.counts.folded.fetch_add(1, Ordering::Relaxed);
        }
        let selection = &self.place.cohort.selection;
        let incarnation = self.streams.read_model.incarnation();
        let picture = Picture::of_turns(selection, incarnation, &before, &turns);
        self.state = State::Telling(Box::new(picture));
        Some(())
    }

    fn left_behind(&self) -> Option<Bytes> {
        self.streams.counts.left_behind.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn progress_frame(&self) -> Bytes {
        let id = token(self.streams.read_model.incarnation(), self.told);
        let clock = (self.clock)(self.streams.read_model.snapshot().clock);
        let epoch = self.told.0;
        Bytes::from(format!(
            "event: progress\nid: {id}\ndata: {{\"epoch\":{epoch},\"clock\":\"{clock}\"}}\n\n"
        ))
    }
}

/// As many deltas as are handed over at once, and the epoch up to which all is told then: small ones together, a
/// large one as the cohort holds it, so that who takes it slowly has no copy of its own.
fn chunk(deltas: Vec<(Epoch, Bytes)>, dispatched: Epoch) -> (Bytes, Epoch) {
    let mut together = 0;
    let fits = deltas.iter().take_while(|(_, delta)| {
        together += delta.len();
        together <= CHUNK_BYTES
    });
    let count = fits.count().max(1);
    let last = deltas.get(count - 1).map_or(dispatched, |(epoch, _)| *epoch);
    let upto = if count == deltas.len() { dispatched } else { last };
    let mut taken = deltas.into_iter().take(count).map(|(_, delta)| delta);
    let bytes = match taken.next() {
        Some(alone) if count == 1 => alone,
        first => {
            let mut chunk = BytesMut::with_capacity(together.min(CHUNK_BYTES));
            first.into_iter().chain(taken).for_each(|delta| chunk.extend_from_slice(&delta));
            chunk.freeze()
        }
    };
    (bytes, upto)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_deltas_go_together_and_a_large_one_is_shared() {
        let delta = |epoch: u64, bytes: usize| (Epoch(epoch), Bytes::from(vec![b'x'; bytes]));
        let (small, large) = (|epoch| delta(epoch, 1_000), |epoch| delta(epoch, 3 * CHUNK_BYTES));
        let taken = |deltas: Vec<(Epoch, Bytes)>| {
            let (bytes, upto) = chunk(deltas, Epoch(9));
            (bytes.len(), upto.0)
        };
        assert_eq!(taken(vec![small(1), small(3), small(4)]), (3_000, 9));
        assert_eq!(taken(vec![small(1), small(3), large(4)]), (2_000, 3));
        assert_eq!(taken(vec![large(1), small(3)]), (3 * CHUNK_BYTES, 1));
        let first = large(1);
        let (bytes, upto) = chunk(vec![first.clone(), large(2)], Epoch(9));
        assert_eq!((bytes.as_ptr(), upto), (first.1.as_ptr(), Epoch(1)));
        assert_eq!(taken(vec![large(5)]), (3 * CHUNK_BYTES, 9));
    }
}
