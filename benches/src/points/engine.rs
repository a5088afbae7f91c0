//! The engine as it is, fed from memory: every view with every rule, without journal, history store and
//! read model. What a late curve needs of history is fetched outside of what is measured.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smartpulse::engine::Newest;
use smartpulse::worker::{Done, WorkerStopped, Workers};
use smartpulse_operators::batch::{Batch, Epoch};
use smartpulse_operators::block::{DayBlock, DayState};
use smartpulse_operators::catalog::Catalog;
use smartpulse_operators::change::{BatchName, Change, Tick};
use smartpulse_operators::chunk::{Chunk, Cutter, DayHistory, SeriesDay, WithdrawalWork};
use smartpulse_operators::resolve::{Resolved, resolve_day};
use smartpulse_operators::stretches::Stretches;
use smartpulse_operators::time::Instant;
use smartpulse_operators::total::Total;
use smartpulse_operators::totals::TotalKey;
use smartpulse_operators::totals::sums::DaySums;
use smartpulse_operators::unit::UnitType;
use uuid::Uuid;

use super::archive::Archive;
use crate::clock::now;

/// One in so many series days is compared with a fold of its history at the end.
const SAMPLE: u64 = 61;

/// What applying a tick took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    pub(crate) engine: Duration,
    pub(crate) late_fetch: Duration,
    pub(crate) late_days: usize,
}

/// The engine with a history in memory.
pub(crate) struct MemoryEngine {
    workers: Workers,
    catalog: Catalog,
    cutter: Cutter,
    newest: Newest,
    archive: Archive,
    batches: HashMap<Uuid, (Arc<Batch>, Vec<SeriesDay>), FixedState>,
    withdrawn: HashMap<u64, (), FixedState>,
    /// Blocks of sampled series days as the views show them.
    blocks: HashMap<SeriesDay, Arc<DayBlock>, FixedState>,
    totals: HashMap<TotalKey, Arc<DaySums>, FixedState>,
    owners: BTreeMap<u64, u64>,
    clock: Instant,
}

impl MemoryEngine {
    pub(crate) fn start(workers: usize) -> Result<MemoryEngine, WorkerStopped> {
        Ok(MemoryEngine {
            workers: Workers::start(vec![Vec::new(); workers], Epoch(0))?,
            catalog: Catalog::default(),
            cutter: Cutter::default(),
            newest: Newest::default(),
            archive: Archive::default(),
            batches: HashMap::default(),
            withdrawn: HashMap::default(),
            blocks: HashMap::default(),
            totals: HashMap::default(),
            owners: BTreeMap::new(),
            clock: Instant::MIN,
        })
    }

    /// Applies a tick.
    pub(crate) fn apply(&mut self, tick: &Tick) -> Result<Took, WorkerStopped> {
        let mut took = Took::default();
        let begun = now();
        let mut chunks = self.cutter.cut(tick, &mut self.catalog, self.workers.count());
        let late: Vec<Vec<SeriesDay>> =
            chunks.iter().map(|chunk| self.newest.late_days(chunk)).collect();
        took.engine += begun.elapsed();
        let begun = now();
        for (chunk, days) in chunks.iter_mut().zip(&late) {
            took.late_days += days.len();
            for day in days {
                chunk.histories.insert(*day, self.archive.day(*day));
            }
        }
        took.late_fetch += begun.elapsed();
        self.prepare_withdrawal(tick, &mut chunks);
        let begun = now();
        let done = self.workers.decide(tick.epoch, chunks)?;
        took.engine += begun.elapsed();
        self.remember(tick, &done);
        let begun = now();
        for decided in done.decided.into_iter().filter_map(Arc::into_inner) {
            self.cutter.take_back(decided.chunk);
        }
        drop(done.totals);
        took.engine += begun.elapsed();
        Ok(took)
    }

    fn prepare_withdrawal(&self, tick: &Tick, chunks: &mut [Chunk]) {
        let Some(Change::Withdrawal(withdrawal)) = tick.changes.first() else { return };
        let BatchName::Id(id) = &withdrawal.batch else { return };
        let Some((batch, days)) = self.batches.get(id) else { return };
        let history = |day: &SeriesDay| DayHistory {
            series: day.0,
            described: Arc::clone(self.catalog.series(day.0)),
            day: day.1,
            revisions: self.archive.day(*day),
        };
        let work = WithdrawalWork {
            batch: Arc::clone(batch),
            recorded: withdrawal.recorded,
            checks: withdrawal.checks,
            days: days.iter().map(history).collect(),
            refused: Vec::new(),
        };
        chunks.iter_mut().for_each(|chunk| chunk.withdrawal = Some(work.clone()));
    }

    /// What history keeps of a tick, and what the sampled views show after it.
    fn remember(&mut self, tick: &Tick, done: &Done) {
        self.clock = tick.clock;
        for change in &tick.changes {
            if let Change::Membership(said) = change
                && said.child.unit_type == UnitType::PowerPlant
                && !said.deleted
            {
                self.owners.insert(said.child.unit_no, said.parent.unit_no);
            }
        }
        for decided in &done.decided {
            let chunk = &decided.chunk;
            for piece in &chunk.pieces {
                let batch = &chunk.saves[piece.save as usize].batch;
                let (values, outcomes) =
                    (&chunk.values[piece.range()], &chunk.outcomes[piece.range()]);
                if !self.archive.push(piece, batch, values, outcomes) {
                    continue;
                }
                let named = self.batches.entry(batch.id);
                named.or_insert_with(|| (Arc::clone(batch), Vec::new())).1.push(piece.series_day());
            }
            if let Some(work) = &chunk.withdrawal
                && self.withdrawn.insert(work.batch.sequence.0, ()).is_none()
            {
                for day in &work.days {
                    self.archive.forget((day.series, day.day), work.batch.sequence);
                }
            }
            for (series_day, block) in decided.deltas.blocks() {
                if is_sampled(series_day) {
                    self.blocks.insert(series_day, Arc::clone(block));
                }
            }
        }
        for (key, sums) in done.totals.iter().flat_map(|changes| &changes.days) {
            match sums {
                Some(sums) => drop(self.totals.insert(key.clone(), Arc::clone(sums))),
                None => drop(self.totals.remove(key)),
            }
        }
    }

    /// Compares sampled days with a fold of their history, and the totals of some companies with sums of
    /// their plants; the number of values compared, or what differs.
    pub(crate) fn check(&self) -> Result<usize, String> {
        let mut compared = 0;
        for (series_day, block) in &self.blocks {
            let period = self.catalog.series(series_day.0).period;
            let expected = self.fold(*series_day);
            for slot in 0..period.slots() {
                let batch = |ranks: &[u16], batches: &[Arc<Batch>]| {
                    let rank = usize::from(ranks[slot]);
                    rank.checked_sub(1).map(|index| batches[index].sequence)
                };
                let (winner, shown) = block.ranks(slot);
                let of = |rank: usize| rank.checked_sub(1).map(|it| block.batches()[it].sequence);
                let got = (block.value(slot), of(winner), of(shown));
                let want = (
                    expected.values[slot],
                    batch(&expected.winners, &expected.batches),
                    batch(&expected.shown, &expected.batches),
                );
                if got != want {
                    return Err(format!("{series_day:?} slot {slot}: {got:?}, not {want:?}"));
                }
                compared += 1;
            }
        }
        Ok(compared + self.check_totals()?)
    }

    fn check_totals(&self) -> Result<usize, String> {
        let mut compared = 0;
        for (key, sums) in self.totals.iter().filter(|(key, _)| key.total == Total::Company(1)) {
            let mut expected = DaySums::default();
            for plant in self.owners.iter().filter(|(_, company)| **company == 1) {
                if let Some(resolved) = self.resolved(*plant.0, key) {
                    expected.add(resolved.values(), &Stretches::always(), key.day, 1);
                }
            }
            if **sums != expected {
                return Err(format!("{key:?} differs from the sum of its plants"));
            }
            compared += 1;
        }
        Ok(compared)
    }

    fn resolved(&self, plant: u64, key: &TotalKey) -> Option<Resolved> {
        let of_plant = |series: &&smartpulse_operators::series::SeriesId| {
            let described = self.catalog.series(**series);
            described.unit.unit_no == plant && described.provider == key.provider
        };
        let all: Vec<_> = (0..self.catalog.all().len() as u32)
            .map(smartpulse_operators::series::SeriesId)
            .collect();
        let states: Vec<DayState> =
            all.iter().filter(of_plant).map(|series| self.fold((*series, key.day))).collect();
        resolve_day(&states)
    }

    fn fold(&self, series_day: SeriesDay) -> DayState {
        let slots = self.catalog.series(series_day.0).period.slots();
        DayState::fold(slots, &self.archive.day(series_day))
    }
}

fn is_sampled(series_day: SeriesDay) -> bool {
    (u64::from(series_day.0.0) * 31 + series_day.1.0 as u64).is_multiple_of(SAMPLE)
}
