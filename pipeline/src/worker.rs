//! Workers: each takes its chunk of a tick, steps until the tick has closed, and hands back what was decided.
//! One tick at a time is in the dataflow; between ticks a worker on a thread of its own sleeps on its queue.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use smartpulse_operators::batch::Epoch;
use smartpulse_operators::change::Change;
use smartpulse_operators::chunk::Chunk;
use smartpulse_operators::latest::{Decided, RestoredDay, Share};
use smartpulse_operators::members::Place;
use smartpulse_operators::totals::TotalChanges;
use timely::WorkerConfig;
use timely::communication::{self, Allocator, WorkerGuards};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::{Capture, Input as _, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

use crate::graph::{Inputs, Restored, graph};
use crate::outputs::Outputs;

/// What became of a tick.
pub struct Done {
    /// The decided chunks, in order of workers.
    pub decided: Vec<Arc<Decided>>,
    /// What changed in the totals.
    pub totals: Vec<TotalChanges>,
}

/// The workers of an engine. A single one works on the thread that calls it: handing a tick to another thread
/// and back costs more than deciding a block.
pub struct Workers(Seats);

enum Seats {
    Here(Box<Seat>, Worker),
    Threads {
        chunks: Vec<SyncSender<(Epoch, Chunk)>>,
        done: Receiver<(usize, Done)>,
        // Joined when dropped, after the queues above have been closed.
        _threads: WorkerGuards<()>,
    },
}

/// A worker has died: the engine cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a worker thread has stopped")]
pub struct WorkerStopped;

impl Workers {
    /// Starts one worker for each element of `restored`, the live series days of its share, to go on after
    /// epoch `after`: one on this thread, several on threads of their own.
    ///
    /// # Errors
    /// [`WorkerStopped`] when the threads cannot be started.
    pub fn start(
        mut restored: Vec<Vec<RestoredDay>>,
        after: Epoch,
    ) -> Result<Workers, WorkerStopped> {
        if restored.len() > 1 {
            return Workers::on_threads(restored, after);
        }
        let alone = Allocator::Thread(communication::allocator::thread::Thread::default());
        let mut worker = Worker::new(WorkerConfig::default(), alone, None);
        let days = restored.pop().unwrap_or_default();
        let seat = Seat::build(&mut worker, Restored { share: Share::default(), days }, after);
        Ok(Workers(Seats::Here(Box::new(seat), worker)))
    }

    fn on_threads(restored: Vec<Vec<RestoredDay>>, after: Epoch) -> Result<Workers, WorkerStopped> {
        let workers = restored.len();
        let (send_done, done) = mpsc::channel();
        let mut chunks = Vec::new();
        let mut shares = Vec::new();
        for days in restored {
            let (send, receive) = mpsc::sync_channel(1);
            chunks.push(send);
            shares.push(Some((receive, days, send_done.clone())));
        }
        let shares = Mutex::new(shares);
        let threads = communication::Config::Process(workers);
        let config = timely::Config { communication: threads, worker: WorkerConfig::default() };
        let threads = timely::execute(config, move |worker| {
            let index = worker.index();
            let share = shares.lock().unwrap_or_else(PoisonError::into_inner)[index].take();
            let Some((chunks, days, done)) = share else { return };
            let restored = Restored { share: Share { index, workers }, days };
            let mut seat = Seat::build(worker, restored, after);
            while let Ok((epoch, chunk)) = chunks.recv() {
                if done.send((index, seat.decide(worker, epoch, chunk))).is_err() {
                    return;
                }
            }
        });
        let _threads = threads.map_err(|_| WorkerStopped)?;
        Ok(Workers(Seats::Threads { chunks, done, _threads }))
    }

    /// Number of workers.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.0 {
            Seats::Here(..) => 1,
            Seats::Threads { chunks, .. } => chunks.len(),
        }
    }

    /// Feeds a tick, one chunk a worker, and waits until it has closed.
    ///
    /// # Errors
    /// [`WorkerStopped`].
    pub fn decide(&mut self, epoch: Epoch, fed: Vec<Chunk>) -> Result<Done, WorkerStopped> {
        let mut all = Done { decided: Vec::new(), totals: Vec::new() };
        match &mut self.0 {
            Seats::Here(seat, worker) => {
                for chunk in fed {
                    all = seat.decide(worker, epoch, chunk);
                }
            }
            Seats::Threads { chunks, done, .. } => {
                for (queue, chunk) in chunks.iter().zip(fed) {
                    queue.send((epoch, chunk)).map_err(|_| WorkerStopped)?;
                }
                let mut answers = Vec::with_capacity(chunks.len());
                for _ in &*chunks {
                    answers.push(done.recv().map_err(|_| WorkerStopped)?);
                }
                answers.sort_by_key(|(index, _)| *index);
                for (_, done) in answers {
                    all.decided.extend(done.decided);
                    all.totals.extend(done.totals);
                }
            }
        }
        Ok(all)
    }
}

/// The dataflow of one worker, with its ends.
struct Seat {
    /// The worker whose statements the dataflow spreads.
    states: bool,
    input: Input<Chunk>,
    statements: Input<(Place, Arc<Change>)>,
    probe: ProbeHandle<u64>,
    latest: Outputs<Arc<Decided>>,
    totals: Outputs<TotalChanges>,
}

type Input<D> = InputHandle<u64, CapacityContainerBuilder<Vec<D>>>;

impl Seat {
    fn build(worker: &mut Worker, restored: Restored, after: Epoch) -> Seat {
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
        let (latest, totals) = (Outputs::new(captured_latest), Outputs::new(captured_totals));
        Seat { states, input, statements, probe, latest, totals }
    }

    /// Takes a chunk, steps until its epoch has closed, and gives what was decided.
    fn decide(&mut self, worker: &mut Worker, epoch: Epoch, chunk: Chunk) -> Done {
        self.input.advance_to(epoch.0);
        self.statements.advance_to(epoch.0);
        if self.states {
            // Every chunk holds all statements of its tick; the dataflow spreads what one worker says.
            for ((_, change), place) in chunk.statements.iter().zip(0..) {
                self.statements.send(((epoch.0, place), Arc::clone(change)));
            }
        }
        self.input.send(chunk);
        let next = epoch.0 + 1;
        self.input.advance_to(next);
        self.statements.advance_to(next);
        worker.step_while(|| self.probe.less_than(&next));
        Done { decided: self.latest.closed(epoch.0), totals: self.totals.closed(epoch.0) }
    }
}
