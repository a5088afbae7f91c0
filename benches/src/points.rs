//! `points-*`, `block-latency`: the views with every rule in force, fed from memory, beside a plain loop and
//! differential dataflow over points. Journal, history writes and the fetch for late curves stay outside.

mod archive;
mod differential_points;
mod engine;
mod flat;
mod hash_loop;
mod peer;
mod references;
pub(crate) mod workload;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, anyhow};
use smartpulse_operators::change::Tick;
use timely::worker::Worker;

use crate::clock::now;
use crate::plan::{Plan, say};
use crate::table::{Better, Measured, Row, Table};
use engine::MemoryEngine;
use references::References;
use workload::Workload;

/// The seed of every fleet.
const SEED: u64 = 20_260;

/// Points a tick, by name.
const TICKS: [(&str, usize); 3] = [("small", 100), ("medium", 10_000), ("large", 1_000_000)];
/// Plants of a fleet, by the live points it has.
const FLEETS: [(&str, u64); 2] = [("2m", 500), ("20m", 5_000)];

/// Points that the engine takes in before a reference takes in the same: each works on caches of its own, as
/// it would alone, and all meet the same minutes of the machine.
const STRETCH: usize = 1_000_000;

/// Adds the rows of points.
pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    for (fleet, plants) in FLEETS {
        // A large fleet takes minutes: a quick run has it only where it is asked for by name.
        if plan.quick && fleet == "20m" && plan.wants("replay-eia") {
            continue;
        }
        for (tick, points) in TICKS {
            for workers in [1, 2] {
                let name = format!("points-{tick}-{fleet}-{workers}w");
                if plan.wants(&name) {
                    say(&format!("{name} …"));
                    let has_references = tick == "medium";
                    let dbsp = plan.dbsp().filter(|_| has_references).map(Path::to_owned);
                    let case = Case { plants, points, workers, has_references, dbsp };
                    table.add(case.row(plan, name)?);
                }
            }
        }
    }
    if plan.wants("block-latency") {
        say("block-latency …");
        table.add(block_latency(plan)?);
    }
    Ok(())
}

/// One row of points.
#[derive(Clone, Debug)]
struct Case {
    plants: u64,
    points: usize,
    workers: usize,
    has_references: bool,
    /// The program of the peer.
    dbsp: Option<PathBuf>,
}

/// What one run took.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    points: usize,
    engine: Duration,
    references: references::Took,
    late_fetch: Duration,
    late_days: usize,
    made: Duration,
}

impl Case {
    fn row(self, plan: &Plan, name: String) -> Result<Row> {
        // What references keep of a point is many times what the engine keeps.
        let most = if self.has_references { 5_000_000 } else { 10_000_000 };
        let (runs, points) = (plan.sized(5, 3), plan.sized(most, 1_000_000));
        // Fewer points where a tick has few: its own cost is what is measured there.
        let points = points.min(self.points * plan.sized(20_000, 2_000)).max(self.points);
        let case = self.clone();
        let measured = timely::execute_directly(move |worker| -> Result<(Vec<Run>, usize)> {
            let mut bench = Bench::start(&case, worker)?;
            bench.fill(worker)?;
            // The first runs after the fill meet cold pages.
            bench.run(points / 4, worker)?;
            let runs = (0..runs).map(|_| bench.run(points, worker)).collect::<Result<_>>()?;
            Ok((runs, bench.check()?))
        });
        let (runs, compared) = measured?;
        let rate = |time: fn(&Run) -> Duration| {
            let of = |run: &Run| run.points as f64 / time(run).as_secs_f64();
            Measured::of(runs.iter().map(of).collect())
        };
        let mut row = Row::new(name, "points/s", Better::More, rate(|run| run.engine));
        if self.has_references {
            row = row.beside("hash-loop", rate(|run| run.references.hash_loop));
            row = row.beside("differential-points", rate(|run| run.references.differential));
        }
        if self.dbsp.is_some() {
            row = row.beside("dbsp", rate(|run| run.references.dbsp));
        }
        let sum = |time: fn(&Run) -> Duration| runs.iter().map(time).sum::<Duration>();
        let late_days: usize = runs.iter().map(|run| run.late_days).sum();
        let late_fetch = sum(|run| run.late_fetch).as_secs_f64() * 1e6 / late_days.max(1) as f64;
        let made = sum(|run| run.made).as_secs_f64();
        let share = made / (made + sum(|run| run.engine).as_secs_f64());
        Ok(row
            .with("lateFetchMicros", late_fetch)
            .with("generatorShare", share)
            .with("comparedValues", compared)
            .remark(format!(
                "late-fetch {late_fetch:.1} µs a day; making the input {:.0} % beside; {compared} values equal the oracle's",
                share * 100.0
            )))
    }
}

/// The engine and its references with one workload.
struct Bench {
    workload: Workload,
    points: usize,
    engine: MemoryEngine,
    references: Option<References>,
}

impl Bench {
    fn start(case: &Case, worker: &mut Worker) -> Result<Bench> {
        let mut workload = Workload::new(SEED, case.plants);
        let mut engine = MemoryEngine::start(case.workers)?;
        engine.apply(&workload.statements())?;
        let dbsp = case.dbsp.as_deref();
        let start = || References::start(worker, dbsp, case.workers);
        let references = case.has_references.then(start).transpose()?;
        Ok(Bench { workload, points: case.points, engine, references })
    }

    fn fill(&mut self, worker: &mut Worker) -> Result<()> {
        for tick in self.workload.fill() {
            self.apply(&[tick], true, &mut Run::default(), worker)?;
        }
        Ok(())
    }

    /// Takes ticks in until they have held that many points.
    fn run(&mut self, points: usize, worker: &mut Worker) -> Result<Run> {
        let mut run = Run::default();
        while run.points < points {
            let begun = now();
            let (mut stretch, upto) = (Vec::new(), points.min(run.points + STRETCH));
            while run.points < upto {
                let (tick, said) = self.workload.next(self.points);
                run.points += said;
                stretch.push(tick);
            }
            run.made += begun.elapsed();
            self.apply(&stretch, false, &mut run, worker)?;
        }
        Ok(run)
    }

    /// Lets each take the ticks in, one after the other: the engine, then every reference.
    fn apply(
        &mut self,
        ticks: &[Tick],
        is_first: bool,
        run: &mut Run,
        worker: &mut Worker,
    ) -> Result<()> {
        for tick in ticks {
            let took = self.engine.apply(tick)?;
            run.engine += took.engine;
            run.late_fetch += took.late_fetch;
            run.late_days += took.late_days;
        }
        if let Some(references) = &mut self.references {
            let took = references.apply(ticks, is_first, worker)?;
            run.references.hash_loop += took.hash_loop;
            run.references.differential += took.differential;
            run.references.dbsp += took.dbsp;
        }
        Ok(())
    }

    /// Compares what the engine shows with the oracle; how many values.
    fn check(self) -> Result<usize> {
        self.references.map_or(Ok(()), References::check)?;
        self.engine.check().map_err(|fault| anyhow!("wrong: {fault}"))
    }
}

/// One whole day of quarter hours through every view, on a full fleet.
fn block_latency(plan: &Plan) -> Result<Row> {
    let plants = plan.sized(5_000, 500);
    let mut workload = Workload::new(SEED, plants);
    let mut engine = MemoryEngine::start(1)?;
    engine.apply(&workload.statements())?;
    for tick in workload.fill() {
        engine.apply(&tick)?;
    }
    let (runs, ticks) = (plan.sized(5, 3), plan.sized(10_000, 2_000));
    let mut samples: Vec<Vec<u32>> = Vec::new();
    for run in 0..=runs {
        let mut micros = Vec::with_capacity(ticks);
        for _ in 0..ticks {
            let took = engine.apply(&workload.day_of_quarters())?;
            micros.push(took.engine.as_nanos().div_ceil(1_000) as u32);
        }
        // The first is the warm-up.
        if run > 0 {
            samples.push(micros);
        }
    }
    let compared = engine.check().map_err(|fault| anyhow!("wrong: {fault}"))?;
    let live = workload.live_points();
    let row = Row::new("block-latency", "µs", Better::Less, Measured::latency(&samples));
    Ok(row
        .with("livePoints", live)
        .with("comparedValues", compared)
        .remark(format!("{live} live points; {compared} values equal the oracle's")))
}
