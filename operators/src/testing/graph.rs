//! Runs `gate` and `latest` under timely on some workers, tick by tick, and checks what must hold of every
//! tick: nothing stays open, no history was missing, and a delta's old state is the new one before it.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use timely::communication::WorkerGuards;
use timely::dataflow::operators::capture::{Capture, Event};
use timely::dataflow::operators::{Input, Probe};
use timely::dataflow::{InputHandleVec, ProbeHandle};
use timely::worker::Worker;

use super::feeder::{Feeder, Histories};
use super::totals::Told;
use super::{Answer, Decision, Decisions, Row, Step, View};
use crate::block::DayBlock;
use crate::chunk::{Chunk, SeriesDay};
use crate::gate::gate;
use crate::latest::{Decided, RestoredDay, Share, latest};
use crate::members::members;
use crate::outcome::Outcome;
use crate::quantity::NULL;
use crate::resolve::resolve;
use crate::totals::{TotalChanges, totals};

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
    /// After each tick.
    pub(crate) totals: Vec<Told>,
    /// At the end.
    pub(crate) blocks: BTreeMap<SeriesDay, Arc<DayBlock>>,
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
        let mut told = run.totals.last().cloned().unwrap_or_default();
        for (part, totals) in &decided {
            totals.iter().cloned().for_each(|changes| told.take(changes));
            feeder.learn(&part.chunk);
            run.take(part, &feeder);
            let work = part.chunk.withdrawal.as_ref();
            let judged = work.map(|work| Answer::of(&work.refused)).or(answer.clone());
            assert!(answer.is_none() || answer == judged, "workers judge a withdrawal differently");
            answer = judged;
        }
        run.totals.push(told);
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
            let subject = Arc::clone(feeder.catalog.subject(day.0));
            let block = Arc::clone(block);
            shares[feeder.worker(*day, workers)].push(RestoredDay {
                series_day: *day,
                subject,
                block,
            });
        }
        let mut engine = Engine::start(workers, shares);
        let mut again = Told::default();
        for (part, totals) in engine.tick(feeder.statements(workers)) {
            assert!(part.deltas.is_empty(), "a restart changes nothing");
            totals.into_iter().for_each(|changes| again.take(changes));
        }
        if let Some(before) = self.totals.last() {
            assert_eq!(again.totals(), before.totals(), "totals are made again from what was kept");
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
        for row in &part.deltas.rows {
            let slots = feeder.catalog.series(row.series_day.0).period.slots();
            let before = self.blocks.get(&row.series_day).cloned();
            let before = before.unwrap_or_else(|| DayBlock::empty(slots));
            assert_eq!(row.old, before, "the old state of a delta is the new one before it");
            self.blocks.insert(row.series_day, Arc::clone(&row.new));
        }
    }

    fn view(&self, feeder: &Feeder) -> View {
        let mut view = View::default();
        for (&(id, day), block) in &self.blocks {
            let series = feeder.catalog.series(id);
            for slot in 0..block.slots() {
                let (winner, shown) = block.ranks(slot);
                let value = block.value(slot);
                let row = (value != NULL).then(|| (value, &block.batches()[shown - 1]));
                assert_eq!(block.row(slot), row);
                if winner != 0 {
                    let [winner, shown] =
                        [winner, shown].map(|rank| block.batches()[rank - 1].sequence);
                    let start = day.slot_start(series.period, slot);
                    view.rows.insert(((**series).clone(), start), Row { value, shown, winner });
                }
            }
            if !block.pending().is_empty() {
                let waiting = block.pending().iter().map(|revision| revision.batch.sequence);
                view.waiting.insert(((**series).clone(), day), waiting.collect());
            }
        }
        view
    }
}

/// Workers at work. Dropping the inputs ends them; the guards wait for that.
struct Engine {
    inputs: Vec<Sender<Chunk>>,
    decided: Receiver<Option<Done>>,
    guards: Option<WorkerGuards<()>>,
}

type Restored = Vec<RestoredDay>;
/// What a worker made of a tick.
type Done = (Arc<Decided>, Vec<TotalChanges>);

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

    fn tick(&mut self, chunks: Vec<Chunk>) -> Vec<Done> {
        for (input, chunk) in self.inputs.iter().zip(chunks) {
            input.send(chunk).unwrap();
        }
        let parts: Option<Vec<Done>> =
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
    sender: Sender<Option<Done>>,
) {
    let share = Share { index: worker.index(), workers: worker.peers() };
    let sender = Out(sender);
    let mut input = InputHandleVec::new();
    let mut statements = InputHandleVec::new();
    let probe = ProbeHandle::new();
    let (capture_decided, decided) = channel();
    let (capture_totals, totals_of_tick) = channel();
    worker.dataflow::<u64, _, _>(|scope| {
        let latest = latest(gate(scope.input_from(&mut input)), share, &restored);
        latest.clone().probe_with(&probe).capture_into(capture_decided);
        let totals = totals(resolve(latest, restored), members(scope.input_from(&mut statements)));
        totals.probe_with(&probe).capture_into(capture_totals);
    });
    for (chunk, epoch) in chunks.iter().zip(1..) {
        if share.index == 0 {
            for ((_, change), place) in chunk.statements.iter().zip(0..) {
                statements.send(((epoch - 1, place), Arc::clone(change)));
            }
        }
        input.send(chunk);
        input.advance_to(epoch);
        statements.advance_to(epoch);
        let patience = Some(Duration::from_micros(200));
        worker.step_or_park_while(patience, || probe.less_than(&epoch));
        let decided = messages(&decided).next().unwrap();
        let _ = sender.0.send(Some((decided, messages(&totals_of_tick).collect())));
    }
}

fn messages<D: 'static>(captured: &Receiver<Event<u64, Vec<D>>>) -> impl Iterator<Item = D> + '_ {
    let events = captured.try_iter();
    events.flat_map(|event| match event {
        Event::Messages(_, rows) => rows,
        Event::Progress(_) => Vec::new(),
    })
}

/// Where a worker's ticks go; none says that the worker is gone.
struct Out(Sender<Option<Done>>);

impl Drop for Out {
    fn drop(&mut self) {
        let _ = self.0.send(None);
    }
}
