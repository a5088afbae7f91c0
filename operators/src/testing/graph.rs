//! Runs `gate` and `latest` under timely on some workers, tick by tick, and checks what must hold of every
//! tick: nothing stays open, no history was missing, and a delta's old state is the new one before it.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use timely::communication::WorkerGuards;
use timely::dataflow::operators::capture::{Capture, Event, EventPusher};
use timely::dataflow::operators::{Input, Probe};
use timely::dataflow::{InputHandleVec, ProbeHandle};
use timely::worker::Worker;

use super::feeder::{Feeder, Histories};
use super::{Answer, Decision, Decisions, Row, Step, View};
use crate::block::{DayBlock, DayState, Packed};
use crate::chunk::{Chunk, SeriesDay};
use crate::gate::gate;
use crate::latest::{Decided, Share, latest};
use crate::outcome::Outcome;
use crate::quantity::NULL;

/// How steps are run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) workers: usize,
    pub(crate) histories: Histories,
    /// Before the tick of that index, start again from the blocks, with that many workers.
    pub(crate) restart: Option<(usize, usize)>,
}

/// What a run left.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) decisions: Decisions,
    pub(crate) answers: Vec<Answer>,
    /// After each tick.
    pub(crate) views: Vec<View>,
    /// At the end.
    pub(crate) blocks: BTreeMap<SeriesDay, DayBlock>,
}

/// Runs `ticks` as `setup` says.
pub(crate) fn run(ticks: &[Vec<Step>], setup: &Setup) -> Run {
    let mut feeder = Feeder::new(setup.histories);
    let mut run = Run::default();
    let mut engine = Engine::start(setup.workers, Vec::new());
    for (index, tick) in ticks.iter().enumerate() {
        if let Some((_, workers)) = setup.restart.filter(|(before, _)| *before == index) {
            engine = run.restart(&mut feeder, workers);
        }
        let (chunks, mut answer) = feeder.prepare(tick, engine.inputs.len());
        let decided = engine.tick(chunks);
        for part in &decided {
            feeder.learn(&part.chunk);
            run.take(part, &feeder);
            let work = part.chunk.withdrawal.as_ref();
            let told = work.map(|work| Answer::of(&work.refused)).or(answer.clone());
            assert!(answer.is_none() || answer == told, "workers judge a withdrawal differently");
            answer = told;
        }
        run.answers.extend(answer);
        run.views.push(run.view(&feeder));
    }
    run
}

impl Answer {
    fn of(refused: &[(crate::unit::Unit, crate::time::Instant, Outcome)]) -> Answer {
        let mut sorted = refused.to_vec();
        sorted.sort_unstable();
        if sorted.is_empty() { Answer::Done } else { Answer::Refused(sorted) }
    }
}

impl Run {
    fn restart(&self, feeder: &mut Feeder, workers: usize) -> Engine {
        let mut shares = vec![Vec::new(); workers];
        for (day, block) in &self.blocks {
            shares[feeder.worker(*day, workers)].push((*day, Arc::new(block.clone())));
        }
        let mut engine = Engine::start(workers, shares);
        for part in engine.tick(feeder.statements(workers)) {
            assert!(part.deltas.is_empty(), "a restart changes nothing");
        }
        engine
    }

    fn take(&mut self, part: &Decided, feeder: &Feeder) {
        let chunk = &part.chunk;
        assert_eq!(chunk.missing_history, None);
        for piece in &chunk.pieces {
            let sequence = chunk.saves[piece.save as usize].batch.sequence;
            for (index, slot) in piece.range().zip(usize::from(piece.first)..) {
                let (outcome, value) = (chunk.outcomes[index], chunk.values[index]);
                assert_ne!(outcome, Outcome::Open);
                if outcome != Outcome::Absent {
                    let start = piece.day.slot_start(piece.period, slot);
                    let clipped = chunk.clipped.contains(&(index as u32));
                    self.decisions.insert(
                        (sequence, piece.entry, piece.is_final_copy, start),
                        Decision { outcome, value, clipped },
                    );
                }
            }
        }
        for ((day, old, new), (_, block)) in part.deltas.values().zip(part.deltas.blocks()) {
            let period = feeder.catalog.series(day.0).period;
            let before = self.blocks.get(&day).map_or_else(
                || {
                    let mut nothing = DayState::default();
                    nothing.clear(period.slots());
                    Packed::pack(&nothing)
                },
                |known| known.packed.clone(),
            );
            assert_eq!(old, before, "the old state of a delta is the new one before it");
            assert_eq!(new, block.packed);
            self.blocks.insert(day, block);
        }
    }

    fn view(&self, feeder: &Feeder) -> View {
        let mut view = View::default();
        for (&(id, day), block) in &self.blocks {
            let series = feeder.catalog.series(id);
            for slot in 0..block.packed.slots() {
                let (winner, shown) = block.packed.ranks(slot);
                let value = block.packed.value(slot);
                let row = (value != NULL).then(|| (value, &block.batches[shown - 1]));
                assert_eq!(block.row(slot), row);
                if winner != 0 {
                    let [winner, shown] =
                        [winner, shown].map(|rank| block.batches[rank - 1].sequence);
                    let start = day.slot_start(series.period, slot);
                    view.rows.insert(((**series).clone(), start), Row { value, shown, winner });
                }
            }
            if !block.pending.is_empty() {
                let waiting = block.pending.iter().map(|revision| revision.batch.sequence);
                view.waiting.insert(((**series).clone(), day), waiting.collect());
            }
        }
        view
    }
}

/// Workers at work. Dropping the inputs ends them; the guards wait for that.
struct Engine {
    inputs: Vec<Sender<Chunk>>,
    decided: Receiver<Option<Decided>>,
    guards: Option<WorkerGuards<()>>,
}

type Restored = Vec<(SeriesDay, Arc<DayBlock>)>;

impl Engine {
    fn start(workers: usize, mut shares: Vec<Restored>) -> Engine {
        shares.resize(workers, Vec::new());
        let (inputs, outputs): (Vec<_>, Vec<_>) = (0..workers).map(|_| channel()).unzip();
        let (sender, decided) = channel();
        let ends: Vec<_> = outputs.into_iter().zip(shares).map(Some).collect();
        let ends = Mutex::new(ends);
        let guards = timely::execute(timely::Config::process(workers), move |worker| {
            let (chunks, restored) = ends.lock().unwrap()[worker.index()].take().unwrap();
            work(worker, &chunks, restored, sender.clone());
        });
        Engine { inputs, decided, guards: Some(guards.unwrap()) }
    }

    fn tick(&mut self, chunks: Vec<Chunk>) -> Vec<Decided> {
        for (input, chunk) in self.inputs.iter().zip(chunks) {
            input.send(chunk).unwrap();
        }
        let parts: Option<Vec<Decided>> =
            self.inputs.iter().map(|_| self.decided.recv().unwrap()).collect();
        parts.unwrap_or_else(|| {
            // The others would wait for the dead worker for ever, and the guards for them.
            std::mem::forget(self.guards.take());
            panic!("a worker panicked");
        })
    }
}

fn work(
    worker: &mut Worker,
    chunks: &Receiver<Chunk>,
    restored: Restored,
    sender: Sender<Option<Decided>>,
) {
    let share = Share { index: worker.index(), workers: worker.peers() };
    let mut input = InputHandleVec::new();
    let probe = ProbeHandle::new();
    worker.dataflow::<u64, _, _>(|scope| {
        let chunks = gate(scope.input_from(&mut input));
        latest(chunks, share, restored).probe_with(&probe).capture_into(Out(sender));
    });
    for (chunk, epoch) in chunks.iter().zip(1..) {
        input.send(chunk);
        input.advance_to(epoch);
        let patience = Some(Duration::from_micros(200));
        worker.step_or_park_while(patience, || probe.less_than(&epoch));
    }
}

/// Where a worker's ticks go; none says that the worker is gone.
struct Out(Sender<Option<Decided>>);

impl EventPusher<u64, Vec<Decided>> for Out {
    fn push(&mut self, event: Event<u64, Vec<Decided>>) {
        if let Event::Messages(_, parts) = event {
            for part in parts {
                let _ = self.0.send(Some(part));
            }
        }
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        let _ = self.0.send(None);
    }
}
