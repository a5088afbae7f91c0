//! Worker threads: each takes its chunk of a tick, steps until the tick has closed, and hands back what was
//! decided. One tick at a time is in the dataflow; between ticks a worker sleeps on its queue.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use smartpulse_operators::batch::Epoch;
use smartpulse_operators::chunk::Chunk;
use smartpulse_operators::latest::{Decided, RestoredDay, Share};
use smartpulse_operators::totals::TotalChanges;
use timely::WorkerConfig;
use timely::communication::Config as Threads;
use timely::dataflow::ProbeHandle;
use timely::dataflow::operators::{Capture, Input, Probe};

use crate::graph::{Inputs, Restored, graph};
use crate::outputs::Outputs;

/// What became of a tick.
pub struct Done {
    /// The decided chunks, in order of workers.
    pub decided: Vec<Arc<Decided>>,
    /// What changed in the totals.
    pub totals: Vec<TotalChanges>,
}

/// The worker threads of an engine.
pub struct Workers {
    chunks: Vec<SyncSender<(Epoch, Chunk)>>,
    done: Receiver<(usize, Done)>,
    // Joined when dropped, after the queues above have been closed.
    _threads: timely::communication::WorkerGuards<()>,
}

/// A worker has died: the engine cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a worker thread has stopped")]
pub struct WorkerStopped;

impl Workers {
    /// Starts one thread for each element of `restored`, the live series days of its share, to go on after
    /// epoch `after`.
    ///
    /// # Errors
    /// [`WorkerStopped`] when the threads cannot be started.
    pub fn start(restored: Vec<Vec<RestoredDay>>, after: Epoch) -> Result<Workers, WorkerStopped> {
        let workers = restored.len();
        let (send_done, done) = mpsc::channel();
        let mut chunks = Vec::new();
        let mut seats = Vec::new();
        for days in restored {
            let (send, receive) = mpsc::sync_channel(1);
            chunks.push(send);
            seats.push(Some((receive, days, send_done.clone())));
        }
        let seats = Mutex::new(seats);
        let threads = if workers == 1 { Threads::Thread } else { Threads::Process(workers) };
        let config = timely::Config { communication: threads, worker: WorkerConfig::default() };
        let threads = timely::execute(config, move |worker| {
            let seat = seats.lock().unwrap_or_else(PoisonError::into_inner)[worker.index()].take();
            if let Some((chunks, days, done)) = seat {
                let share = Share { index: worker.index(), workers };
                run(worker, Restored { share, days }, after, &chunks, &done);
            }
        });
        threads
            .map(|threads| Workers { chunks, done, _threads: threads })
            .map_err(|_| WorkerStopped)
    }

    /// Number of workers.
    #[must_use]
    pub fn count(&self) -> usize {
        self.chunks.len()
    }

    /// Feeds a tick, one chunk a worker, and waits until it has closed.
    ///
    /// # Errors
    /// [`WorkerStopped`].
    pub fn decide(&self, epoch: Epoch, chunks: Vec<Chunk>) -> Result<Done, WorkerStopped> {
        for (queue, chunk) in self.chunks.iter().zip(chunks) {
            queue.send((epoch, chunk)).map_err(|_| WorkerStopped)?;
        }
        let mut answers = Vec::with_capacity(self.chunks.len());
        for _ in &self.chunks {
            answers.push(self.done.recv().map_err(|_| WorkerStopped)?);
        }
        answers.sort_by_key(|(index, _)| *index);
        let mut all = Done { decided: Vec::new(), totals: Vec::new() };
        for (_, done) in answers {
            all.decided.extend(done.decided);
            all.totals.extend(done.totals);
        }
        Ok(all)
    }
}

fn run(
    worker: &mut timely::worker::Worker,
    restored: Restored,
    after: Epoch,
    chunks: &Receiver<(Epoch, Chunk)>,
    done: &mpsc::Sender<(usize, Done)>,
) {
    let states = restored.share.index == 0;
    let (capture_latest, captured_latest) = mpsc::channel();
    let (capture_totals, captured_totals) = mpsc::channel();
    let (mut input, mut statements, probe) = worker.dataflow::<u64, _, _>(|scope| {
        let (input, chunks) = scope.new_input::<Vec<Chunk>>();
        let (said, statements) = scope.new_input::<Vec<_>>();
        let views = graph(Inputs { chunks, statements }, restored);
        let probe = ProbeHandle::new();
        views.latest.probe_with(&probe).capture_into(capture_latest);
        views.totals.probe_with(&probe).capture_into(capture_totals);
        (input, said, probe)
    });
    input.advance_to(after.0);
    statements.advance_to(after.0);
    let mut latest = Outputs::new(captured_latest);
    let mut totals = Outputs::new(captured_totals);
    while let Ok((epoch, chunk)) = chunks.recv() {
        input.advance_to(epoch.0);
        statements.advance_to(epoch.0);
        if states {
            // Every chunk holds all statements of its tick; the dataflow spreads what one worker says.
            for ((_, change), place) in chunk.statements.iter().zip(0..) {
                statements.send(((epoch.0, place), Arc::clone(change)));
            }
        }
        input.send(chunk);
        input.advance_to(epoch.0 + 1);
        statements.advance_to(epoch.0 + 1);
        worker.step_while(|| probe.less_than(&(epoch.0 + 1)));
        let closed = Done { decided: latest.closed(epoch.0), totals: totals.closed(epoch.0) };
        if done.send((worker.index(), closed)).is_err() {
            return;
        }
    }
}
