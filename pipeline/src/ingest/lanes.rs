//! Two queues into one: live changes first, backfill with ageing.
//!
//! A load is what one tick takes: everything that waits in one lane, up to a bound. Both queues are
//! bounded, so a sender that is faster than the disk waits.

use std::collections::VecDeque;
use std::time::Duration;

use smartpulse_operators::change::{Change, Position};
use smartpulse_serve::command::Command;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::Backfill;
use super::messages::Message;

/// Values a tick gathers at most, unless one change alone holds more: a tick is a unit of latency.
const TICK_VALUES: usize = 200_000;
/// Changes a tick gathers at most.
const TICK_CHANGES: usize = 10_000;
/// Live loads in a row after which waiting backfill gets its turn.
const AGEING: u32 = 16;
/// Longest wait for something due, so that a step of the machine's clock is noticed.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What goes into the next tick.
#[derive(Debug)]
pub enum Load {
    /// Live changes.
    Live(Vec<Command>),
    /// Changes of one source.
    Backfill(Vec<(Change, Position)>),
    /// Messages of other systems.
    Messages(Vec<Message>),
    /// Say when all before has closed.
    Flush(oneshot::Sender<()>),
    /// Something may be due.
    Due,
    /// Nothing waits, and nothing more is wanted.
    Stop,
}

/// The queues.
pub struct Lanes {
    live: Lane<Command>,
    backfill: Lane<Backfill>,
    stop: watch::Receiver<bool>,
    live_in_a_row: u32,
    /// Until when messages that could not be taken in are left alone.
    held_until: Option<Instant>,
    // Only waits on three things at once; nothing is spawned on it.
    waiting: Option<Runtime>,
}

struct Lane<T> {
    queue: mpsc::Receiver<T>,
    held: VecDeque<T>,
}

impl<T> Lane<T> {
    fn take(&mut self) -> Option<T> {
        self.held.pop_front().or_else(|| self.queue.try_recv().ok())
    }

    fn has_next(&mut self) -> bool {
        if self.held.is_empty() {
            self.held.extend(self.queue.try_recv().ok());
        }
        !self.held.is_empty()
    }

    /// Takes what waits until the bounds are reached; a withdrawal stands alone.
    fn load(
        &mut self,
        values_of: impl Fn(&T) -> usize,
        is_alone: impl Fn(&T) -> bool,
        goes_with: impl Fn(&T, &T) -> bool,
    ) -> Vec<T> {
        let mut load: Vec<T> = Vec::new();
        let mut values = 0;
        while load.len() < TICK_CHANGES && values < TICK_VALUES {
            let Some(next) = self.take() else { break };
            let alone = is_alone(&next);
            let fits = load.first().is_none_or(|first| !alone && goes_with(first, &next));
            if !fits {
                self.held.push_front(next);
                break;
            }
            values += values_of(&next);
            load.push(next);
            if alone {
                break;
            }
        }
        load
    }
}

impl Lanes {
    /// Lanes over the two queues; `stop` turns true when no more shall be taken.
    #[must_use]
    pub fn new(
        live: mpsc::Receiver<Command>,
        backfill: mpsc::Receiver<Backfill>,
        stop: watch::Receiver<bool>,
    ) -> Lanes {
        let waiting = tokio::runtime::Builder::new_current_thread().enable_time().build().ok();
        Lanes {
            live: Lane { queue: live, held: VecDeque::new() },
            backfill: Lane { queue: backfill, held: VecDeque::new() },
            stop,
            live_in_a_row: 0,
            held_until: None,
            waiting,
        }
    }

    /// The next load, waiting for one; `due` is how long until something becomes due.
    pub fn next(&mut self, due: Option<Duration>) -> Load {
        loop {
            let is_held = self.held_until.is_some_and(|until| Instant::now() < until);
            let has_backfill = !is_held && self.backfill.has_next();
            let aged = self.live_in_a_row >= AGEING && has_backfill;
            if !aged && self.live.has_next() {
                self.live_in_a_row += 1;
                let is_alone = |command: &Command| matches!(command.change, Change::Withdrawal(_));
                let change = |command: &'_ Command| values_of(&command.change);
                return Load::Live(self.live.load(change, is_alone, |_, _| true));
            }
            // A live tick moves the clock as well; only without one it needs a tick of its own.
            if due == Some(Duration::ZERO) {
                return Load::Due;
            }
            self.live_in_a_row = 0;
            if has_backfill {
                self.held_until = None;
                return self.backfill_load();
            }
            // A sender that is gone can never say stop: that is one.
            if *self.stop.borrow() || self.stop.has_changed().is_err() {
                return Load::Stop;
            }
            if !self.wait(due) {
                return Load::Due;
            }
        }
    }

    fn backfill_load(&mut self) -> Load {
        let same_source = |one: &Backfill, other: &Backfill| match (one, other) {
            (Backfill::Change(_, one), Backfill::Change(_, other)) => one.source == other.source,
            (Backfill::Message(_), Backfill::Message(_)) => true,
            _ => false,
        };
        let is_alone = |item: &Backfill| match item {
            Backfill::Flush(_) => true,
            Backfill::Change(change, _) => matches!(**change, Change::Withdrawal(_)),
            Backfill::Message(message) => message.spooled.is_some(),
        };
        let values = |item: &Backfill| changes_of(item).iter().map(values_of).sum();
        let (mut changes, mut messages) = (Vec::new(), Vec::new());
        for item in self.backfill.load(values, is_alone, same_source) {
            match item {
                Backfill::Change(change, position) => changes.push((*change, position)),
                Backfill::Message(message) => messages.push(*message),
                Backfill::Flush(done) => return Load::Flush(done),
            }
        }
        if messages.is_empty() { Load::Backfill(changes) } else { Load::Messages(messages) }
    }

    /// Puts back messages that could not be taken in, in front of those behind them, for a while.
    pub fn put_back(&mut self, messages: Vec<Message>, pause: Duration) {
        for message in messages.into_iter().rev() {
            self.backfill.held.push_front(Backfill::Message(Box::new(message)));
        }
        self.held_until = Some(Instant::now() + pause);
    }

    /// Waits until something arrives (true) or may be due (false).
    fn wait(&mut self, due: Option<Duration>) -> bool {
        let Lanes { live, backfill, stop, waiting, held_until, .. } = self;
        let Some(runtime) = waiting else { return false };
        let held = held_until.map(|until| until.saturating_duration_since(Instant::now()));
        let longest = due.unwrap_or(LONGEST_WAIT).min(held.unwrap_or(LONGEST_WAIT));
        let longest = longest.min(LONGEST_WAIT);
        runtime.block_on(async {
            tokio::select! {
                biased;
                Some(command) = live.queue.recv() => live.held.push_back(command),
                Some(item) = backfill.queue.recv(), if held.is_none() => {
                    backfill.held.push_back(item);
                }
                _ = stop.wait_for(|stop| *stop) => {}
                () = tokio::time::sleep(longest) => return false,
            }
            true
        })
    }
}

fn changes_of(item: &Backfill) -> &[Change] {
    match item {
        Backfill::Change(change, _) => std::slice::from_ref(change),
        Backfill::Message(message) => &message.changes,
        Backfill::Flush(_) => &[],
    }
}

fn values_of(change: &Change) -> usize {
    match change {
        Change::Save(save) => save.entries.iter().map(|entry| entry.curve.len()).sum(),
        _ => 0,
    }
}

#[cfg(test)]
#[path = "lanes/tests.rs"]
mod tests;
