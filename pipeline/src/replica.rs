//! A replica: shows in its own read model what an engine writes to Redis. It keeps nothing on disk; what it
//! cannot follow it reads anew, and shows what it had until then.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use smartpulse_connectors::retry::{Remedy, Row, remedy};
use smartpulse_connectors::{RedisFault, RedisReplica, RedisSettings, ReplicaNews};
use smartpulse_operators::closed::ClosedEpoch;
use smartpulse_serve::attached::{Attached, Direction, Standing};
use smartpulse_serve::read_model::ReadModel;
use smartpulse_serve::ring::RingBounds;
use tokio::sync::watch;
use tracing::{info, warn};

/// Between two looks whether what is shown may still be relied on, while all is read.
const LOOK: Duration = Duration::from_millis(500);

/// How a replica is run.
pub struct Options {
    /// The Redis it reads.
    pub redis: RedisSettings,
    /// How much of past epochs stays readable.
    pub ring: RingBounds,
    /// Time without a word of the engine after which it is not ready.
    pub stale: Duration,
}

/// A running replica.
pub struct Replica {
    /// What readers see.
    pub read_model: Arc<ReadModel>,
    /// How the link to Redis stands.
    pub link: Arc<Attached>,
    over: watch::Receiver<Option<Over>>,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// What ends a replica that was not told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Another data folder writes there now: nothing that was shown has to do with what is shown next.
    OtherIncarnation,
    /// The thread has panicked.
    Panicked,
}

/// What the thread works with.
struct Work {
    options: Options,
    read_model: Arc<ReadModel>,
    link: Arc<Attached>,
    stopping: watch::Receiver<bool>,
    resyncs: u64,
    epochs: u64,
    /// When the engine was heard of last, and what it said then.
    heard: (tokio::time::Instant, i64),
    /// Since when the engine has been further than what comes.
    behind: Option<tokio::time::Instant>,
}

impl Replica {
    /// Starts it; its read model becomes ready when everything was read.
    #[must_use]
    pub fn start(options: Options) -> Replica {
        let read_model = Arc::new(ReadModel::new(None, "reading Redis", options.ring));
        let link = Attached::new(Direction::Feed, "redis", &options.redis.name);
        let (stop, stopping) = watch::channel(false);
        let (end, over) = watch::channel(None);
        let (model, attached) = (Arc::clone(&read_model), Arc::clone(&link));
        let thread = thread::spawn(move || {
            let ended = crate::sinks::alone(async move {
                let heard = (tokio::time::Instant::now(), i64::MIN);
                let (read_model, link) = (model, attached);
                let (resyncs, epochs, behind) = (0, 0, None);
                let work =
                    Work { options, read_model, link, stopping, resyncs, epochs, heard, behind };
                run(work).await
            });
            end.send_replace(ended.flatten());
        });
        Replica { read_model, link, over, stop, thread }
    }

    /// Waits until it has ended by itself.
    pub async fn over(&self) -> Over {
        let mut over = self.over.clone();
        let ended = over.wait_for(Option::is_some).await.ok().and_then(|ended| *ended);
        ended.unwrap_or(Over::Panicked)
    }

    /// Ends it.
    pub fn stop(self) {
        self.stop.send_replace(true);
        if self.thread.join().is_err() {
            warn!("the replica has panicked; its message is in the log");
        }
    }
}

/// Runs until told to stop, or until it is over.
async fn run(mut work: Work) -> Option<Over> {
    let mut row = Row::default();
    loop {
        let before = work.link.state().epoch;
        let fault = match follow(&mut work).await {
            Ok(over) => return over,
            Err(fault) => fault,
        };
        let went_well = work.link.state().epoch > before;
        let (times, is_news) = row.add(fault.trouble(), fault.to_string(), went_well);
        if is_news {
            warn!(problem = %fault, "the replica does not follow");
        }
        work.link.stands(Standing::Degraded(fault.to_string()));
        work.judge();
        let (Remedy::Again(pause) | Remedy::Anew(pause)) =
            remedy(fault.trouble(), times, rand::random());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = work.stopping.wait_for(|stop| *stop) => return None,
        }
    }
}

async fn follow(work: &mut Work) -> Result<Option<Over>, RedisFault> {
    let mut stopping = work.stopping.clone();
    let shown = (work.read_model.incarnation(), work.read_model.newest_epoch());
    let redis = work.options.redis.clone();
    let opening = RedisReplica::open(&redis, shown);
    tokio::pin!(opening);
    let (mut redis, whole) = loop {
        tokio::select! {
            opened = &mut opening => break opened?,
            // Reading takes its time, and what is shown grows older.
            () = tokio::time::sleep(LOOK) => work.judge(),
            _ = stopping.wait_for(|stop| *stop) => return Ok(None),
        }
    };
    let known = work.read_model.incarnation();
    if !known.is_nil() && known != redis.incarnation() {
        return Ok(Some(Over::OtherIncarnation));
    }
    work.show_whole(whole, &redis)?;
    loop {
        let news = tokio::select! {
            news = redis.next() => news?,
            _ = stopping.wait_for(|stop| *stop) => return Ok(None),
        };
        if let ReplicaNews::Epoch(closed) = news {
            work.show(*closed);
            work.heard.0 = tokio::time::Instant::now();
        }
        // A clock may be set back.
        if redis.beat() != work.heard.1 {
            work.heard = (tokio::time::Instant::now(), redis.beat());
        }
        let is_behind = redis.newest() > work.read_model.newest_epoch();
        work.behind = is_behind.then(|| work.behind.unwrap_or_else(tokio::time::Instant::now));
        work.judge();
    }
}

impl Work {
    /// Shows everything that was read: the first time all of it, later what is not as it was.
    fn show_whole(&mut self, whole: ClosedEpoch, redis: &RedisReplica) -> Result<(), RedisFault> {
        let shown = self.read_model.snapshot();
        let is_first = self.read_model.incarnation().is_nil();
        let (epoch, series, days) = (whole.epoch.0, whole.new_series.len(), whole.blocks.len());
        if is_first {
            self.read_model.let_clock_go_on(redis.is_live());
            self.read_model.publish(whole);
            self.read_model.belongs_to(redis.incarnation());
        } else {
            if whole.epoch < shown.epoch {
                // A Redis that has lost its newest epochs: its engine writes them again.
                let shown = shown.epoch.0;
                return Err(RedisFault::NotYet(format!(
                    "epoch {epoch} is older than {shown}, which is shown"
                )));
            }
            self.resyncs += 1;
            if whole.epoch > shown.epoch {
                self.read_model.publish(shown.unlike(whole));
            }
        }
        info!(epoch, series, days, resync = !is_first, "the replica has read everything");
        self.heard = (tokio::time::Instant::now(), redis.beat());
        self.told();
        self.judge();
        Ok(())
    }

    fn show(&mut self, closed: ClosedEpoch) {
        if closed.epoch > self.read_model.newest_epoch() {
            self.epochs += 1;
            self.read_model.publish(closed);
        }
        self.told();
    }

    fn told(&self) {
        let shown = self.read_model.snapshot();
        let counts = vec![("epochs", self.epochs), ("resyncs", self.resyncs)];
        self.link.went(shown.epoch, shown.clock, counts);
    }

    /// Whether what is shown may be relied on: an engine that says nothing may have closed epochs that do not
    /// come.
    fn judge(&self) {
        let silent = self.heard.0.elapsed();
        let ready = if self.read_model.incarnation().is_nil() {
            Err("the replica has not read an epoch yet".to_owned())
        } else if silent >= self.options.stale {
            let seconds = silent.as_secs();
            Err(format!(
                "nothing was heard of the engine for {seconds} s: what is shown may be old"
            ))
        } else if self.behind.is_some_and(|since| since.elapsed() >= self.options.stale) {
            Err("the engine is further than what it writes to Redis".to_owned())
        } else {
            Ok(())
        };
        if *self.read_model.ready() != ready {
            self.read_model.set_ready(ready);
        }
    }
}
