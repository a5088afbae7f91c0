//! Workers: each takes its chunk of a tick, steps until the tick has closed, and hands back what was decided.
//! One tick at a time is in the dataflow; between ticks a worker on a thread of its own sleeps on its queue.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use differential_dataflow::AsCollection;
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::change::Change;
use smartpulse_operators::chunk::Chunk;
use smartpulse_operators::latest::{Decided, RestoredDay, Share};
use smartpulse_operators::members::{Assignment, Place};
use smartpulse_operators::totals::TotalChanges;
use timely::WorkerConfig;
use timely::communication::{self, Allocator, WorkerGuards};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::Input as _;
use timely::worker::Worker;

use crate::graph::{Inputs, Restored, graph, memberships};
use crate::outputs::{Closed, Ending, Outputs};

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

/// The dataflows of one worker, with their ends.
struct Seat {
    /// The worker whose statements the dataflow spreads.
    states: bool,
    statements: Input<(Place, Arc<Change>)>,
    assigned: Closed,
    assignments: Outputs<MemberRow>,
    input: Input<Chunk>,
    members: Input<MemberRow>,
    closed: Closed,
    latest: Outputs<Arc<Decided>>,
    totals: Outputs<TotalChanges>,
}

type Input<D> = InputHandle<u64, CapacityContainerBuilder<Vec<D>>>;
type MemberRow = (Assignment, u64, isize);

impl Seat {
    fn build(worker: &mut Worker, restored: Restored, after: Epoch) -> Seat {
        let states = restored.share.index == 0;
        let (mut statements, assignments, assigned) = worker.dataflow::<u64, _, _>(|scope| {
            let (said, statements) = scope.new_input::<Vec<_>>();
            let mut end = Ending::of(scope);
            let assignments = end.take(memberships(statements).inner);
            (said, assignments, end.close())
        });
        statements.advance_to(after.0);
        worker.dataflow::<u64, _, _>(|scope| {
            let (mut input, chunks) = scope.new_input::<Vec<Chunk>>();
            let (mut members, moves) = scope.new_input::<Vec<MemberRow>>();
            let views = graph(Inputs { chunks, members: moves.as_collection() }, restored);
            let mut end = Ending::of(scope);
            let (latest, totals) = (end.take(views.latest), end.take(views.totals));
            let closed = end.close();
            input.advance_to(after.0);
            members.advance_to(after.0);
            Seat {
                states,
                statements,
                assigned,
                assignments,
                input,
                members,
                closed,
                latest,
                totals,
            }
        })
    }

    /// Takes a chunk, steps until its epoch has closed, and gives what was decided.
    fn decide(&mut self, worker: &mut Worker, epoch: Epoch, chunk: Chunk) -> Done {
        let next = epoch.0 + 1;
        self.input.advance_to(epoch.0);
        self.members.advance_to(epoch.0);
        // Every chunk holds all statements of its tick, so all workers take this way or none does.
        if !chunk.statements.is_empty() {
            for (assignment, _, difference) in self.assign(worker, epoch, &chunk) {
                self.members.send((assignment, epoch.0, difference));
            }
        }
        self.input.send(chunk);
        self.input.advance_to(next);
        self.members.advance_to(next);
        worker.step_while(|| !self.closed.has_passed(epoch.0));
        Done { decided: self.latest.closed(epoch.0), totals: self.totals.closed(epoch.0) }
    }

    /// What the statements of a tick change in this worker's part of the assignments.
    fn assign(&mut self, worker: &mut Worker, epoch: Epoch, chunk: &Chunk) -> Vec<MemberRow> {
        self.statements.advance_to(epoch.0);
        if self.states {
            // The dataflow spreads what one worker says.
            for ((_, change), place) in chunk.statements.iter().zip(0..) {
                self.statements.send(((epoch.0, place), Arc::clone(change)));
            }
        }
        let next = epoch.0 + 1;
        self.statements.advance_to(next);
        worker.step_while(|| !self.assigned.has_passed(epoch.0));
        self.assignments.closed(epoch.0)
    }
}
