//! Worker threads: each takes its chunk of a tick, steps until the tick has closed, and hands back what was
//! decided. One tick at a time is in the dataflow; between ticks a worker sleeps on its queue.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use smartpulse_operators::batch::Epoch;
use smartpulse_operators::block::DayBlock;
use smartpulse_operators::chunk::{Chunk, SeriesDay};
use smartpulse_operators::latest::{Decided, Share};
use timely::WorkerConfig;
use timely::communication::Config as Threads;
use timely::dataflow::operators::{Capture, Input, Probe};

use crate::graph::{Inputs, Restored, graph};
use crate::outputs::Outputs;

type Days = Vec<(SeriesDay, Arc<DayBlock>)>;

/// The worker threads of an engine.
pub struct Workers {
    chunks: Vec<SyncSender<(Epoch, Chunk)>>,
    decided: Receiver<(usize, Vec<Decided>)>,
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
    pub fn start(restored: Vec<Days>, after: Epoch) -> Result<Workers, WorkerStopped> {
        let workers = restored.len();
        let (send_decided, decided) = mpsc::channel();
        let mut chunks = Vec::new();
        let mut seats = Vec::new();
        for days in restored {
            let (send, receive) = mpsc::sync_channel(1);
            chunks.push(send);
            seats.push(Some((receive, days, send_decided.clone())));
        }
        let seats = Mutex::new(seats);
        let threads = if workers == 1 { Threads::Thread } else { Threads::Process(workers) };
        let config = timely::Config { communication: threads, worker: WorkerConfig::default() };
        let threads = timely::execute(config, move |worker| {
            let seat = seats.lock().unwrap_or_else(PoisonError::into_inner)[worker.index()].take();
            if let Some((chunks, days, decided)) = seat {
                let share = Share { index: worker.index(), workers };
                run(worker, Restored { share, days }, after, &chunks, &decided);
            }
        });
        threads
            .map(|threads| Workers { chunks, decided, _threads: threads })
            .map_err(|_| WorkerStopped)
    }

    /// Number of workers.
    #[must_use]
    pub fn count(&self) -> usize {
        self.chunks.len()
    }

    /// Feeds a tick, one chunk a worker, and waits until it has closed. The answer is in order of workers.
    ///
    /// # Errors
    /// [`WorkerStopped`].
    pub fn decide(&self, epoch: Epoch, chunks: Vec<Chunk>) -> Result<Vec<Decided>, WorkerStopped> {
        for (queue, chunk) in self.chunks.iter().zip(chunks) {
            queue.send((epoch, chunk)).map_err(|_| WorkerStopped)?;
        }
        let mut answers = Vec::with_capacity(self.chunks.len());
        for _ in &self.chunks {
            answers.push(self.decided.recv().map_err(|_| WorkerStopped)?);
        }
        answers.sort_by_key(|(index, _)| *index);
        Ok(answers.into_iter().flat_map(|(_, decided)| decided).collect())
    }
}

fn run(
    worker: &mut timely::worker::Worker,
    restored: Restored,
    after: Epoch,
    chunks: &Receiver<(Epoch, Chunk)>,
    decided: &mpsc::Sender<(usize, Vec<Decided>)>,
) {
    let (capture, captured) = mpsc::channel();
    let (mut input, probe) = worker.dataflow::<u64, _, _>(|scope| {
        let (input, chunks) = scope.new_input::<Vec<Chunk>>();
        let views = graph(Inputs { chunks }, restored);
        let (probe, latest) = views.latest.probe();
        latest.capture_into(capture);
        (input, probe)
    });
    input.advance_to(after.0);
    let mut outputs = Outputs::new(captured);
    while let Ok((epoch, chunk)) = chunks.recv() {
        input.advance_to(epoch.0);
        input.send(chunk);
        input.advance_to(epoch.0 + 1);
        worker.step_while(|| probe.less_than(&(epoch.0 + 1)));
        if decided.send((worker.index(), outputs.closed(epoch.0))).is_err() {
            return;
        }
    }
}
