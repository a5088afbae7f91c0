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

use super::Backfill;

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
        change: impl Fn(&T) -> Option<&Change>,
        goes_with: impl Fn(&T, &T) -> bool,
    ) -> Vec<T> {
        let mut load: Vec<T> = Vec::new();
        let mut values = 0;
        while load.len() < TICK_CHANGES && values < TICK_VALUES {
            let Some(next) = self.take() else { break };
            let alone = matches!(change(&next), None | Some(Change::Withdrawal(_)));
            let fits = load.first().is_none_or(|first| !alone && goes_with(first, &next));
            if !fits {
                self.held.push_front(next);
                break;
            }
            if let Some(Change::Save(save)) = change(&next) {
                values += save.entries.iter().map(|entry| entry.curve.len()).sum::<usize>();
            }
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
            waiting,
        }
    }

    /// The next load, waiting for one; `due` is how long until something becomes due.
    pub fn next(&mut self, due: Option<Duration>) -> Load {
        loop {
            let aged = self.live_in_a_row >= AGEING && self.backfill.has_next();
            if !aged && self.live.has_next() {
                self.live_in_a_row += 1;
                return Load::Live(self.live.load(|command| Some(&command.change), |_, _| true));
            }
            // A live tick moves the clock as well; only without one it needs a tick of its own.
            if due == Some(Duration::ZERO) {
                return Load::Due;
            }
            if self.backfill.has_next() {
                self.live_in_a_row = 0;
                return self.backfill_load();
            }
            self.live_in_a_row = 0;
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
            _ => false,
        };
        let mut changes = Vec::new();
        for item in self.backfill.load(change_of, same_source) {
            match item {
                Backfill::Change(change, position) => changes.push((*change, position)),
                Backfill::Flush(done) => return Load::Flush(done),
            }
        }
        Load::Backfill(changes)
    }

    /// Waits until something arrives (true) or may be due (false).
    fn wait(&mut self, due: Option<Duration>) -> bool {
        let Lanes { live, backfill, stop, waiting, .. } = self;
        let Some(runtime) = waiting else { return false };
        let longest = due.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        runtime.block_on(async {
            tokio::select! {
                biased;
                Some(command) = live.queue.recv() => live.held.push_back(command),
                Some(item) = backfill.queue.recv() => backfill.held.push_back(item),
                _ = stop.wait_for(|stop| *stop) => {}
                () = tokio::time::sleep(longest) => return false,
            }
            true
        })
    }
}

fn change_of(item: &Backfill) -> Option<&Change> {
    match item {
        Backfill::Change(change, _) => Some(change),
        Backfill::Flush(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use smartpulse_operators::change::{BatchName, Checks, RefusedBatch, Withdrawal};
    use smartpulse_operators::time::Instant;

    use super::*;

    fn plain() -> Change {
        Change::Refused(RefusedBatch { code: "X".to_owned(), values: 1, recorded: None })
    }

    fn withdrawal() -> Change {
        let batch = BatchName::Source("b".to_owned());
        let recorded = Instant(0);
        Change::Withdrawal(Withdrawal { batch, recorded, checks: Checks::default(), user: None })
    }

    fn live(change: Change) -> Command {
        Command { before: Vec::new(), change, idempotency: None, reply: oneshot::channel().0 }
    }

    fn backfill(change: Change, source: &str, upto: u64) -> Backfill {
        Backfill::Change(Box::new(change), Position { source: source.to_owned(), upto })
    }

    /// The loads that come of what waits, in short: `L2` is a live load of two changes.
    fn loads(live_changes: Vec<Change>, backfills: Vec<Backfill>) -> Vec<String> {
        let (send_live, live_queue) = mpsc::channel(1_000);
        let (send_backfill, backfill_queue) = mpsc::channel(1_000);
        let (stop, stopping) = watch::channel(false);
        for change in live_changes {
            send_live.try_send(live(change)).unwrap();
        }
        for item in backfills {
            send_backfill.try_send(item).unwrap();
        }
        stop.send_replace(true);
        let mut lanes = Lanes::new(live_queue, backfill_queue, stopping);
        let mut seen = Vec::new();
        loop {
            seen.push(match lanes.next(None) {
                Load::Live(commands) => format!("L{}", commands.len()),
                Load::Backfill(changes) => format!("B{}", changes.len()),
                Load::Flush(_) => "F".to_owned(),
                Load::Due => "D".to_owned(),
                Load::Stop => return seen,
            });
        }
    }

    #[test]
    fn live_changes_go_first_and_what_waits_shares_a_tick() {
        let backfills = vec![backfill(plain(), "s", 1), backfill(plain(), "s", 2)];
        assert_eq!(loads(vec![plain(), plain(), plain()], backfills), ["L3", "B2"]);
    }

    #[test]
    fn a_withdrawal_stands_alone_and_keeps_its_place() {
        let changes = vec![plain(), withdrawal(), withdrawal(), plain(), plain()];
        assert_eq!(loads(changes, Vec::new()), ["L1", "L1", "L1", "L2"]);
    }

    #[test]
    fn a_tick_is_of_one_source_and_a_flush_waits_its_turn() {
        let (flush, _) = oneshot::channel();
        let backfills = vec![
            backfill(plain(), "s", 1),
            backfill(plain(), "t", 1),
            Backfill::Flush(flush),
            backfill(plain(), "t", 2),
        ];
        assert_eq!(loads(Vec::new(), backfills), ["B1", "B1", "F", "B1"]);
    }

    #[test]
    fn backfill_ages_and_gets_its_turn_among_live_loads() {
        let changes = (0..40).map(|_| withdrawal()).collect();
        let seen = loads(changes, vec![backfill(plain(), "s", 1)]);
        assert_eq!(seen.iter().position(|load| load == "B1"), Some(AGEING as usize));
        assert_eq!(seen.len(), 41);
    }

    #[test]
    fn what_is_due_interrupts_the_wait() {
        let (_live, live_queue) = mpsc::channel(1);
        let (_backfill, backfill_queue) = mpsc::channel(1);
        let (_stop, stopping) = watch::channel(false);
        let mut lanes = Lanes::new(live_queue, backfill_queue, stopping);
        assert!(matches!(lanes.next(Some(Duration::ZERO)), Load::Due));
        assert!(matches!(lanes.next(Some(Duration::from_millis(1))), Load::Due));
    }
}
