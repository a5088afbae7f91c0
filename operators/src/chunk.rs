//! The form in which a tick reaches a worker: one flat, columnar chunk.
//!
//! A save is cut into pieces, one a series day; their values stand in one array, their outcomes in a
//! parallel one that `gate` and `latest` fill. All series of a unit go to one worker; statements on units
//! and withdrawals go to every worker.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::batch::Batch;
use crate::catalog::{Catalog, SeriesRef};
use crate::change::{Change, Checks, Entry, Save, Tick};
use crate::outcome::Outcome;
use crate::quantity::ABSENT;
use crate::series::{Kind, Provider, Series, SeriesId, Subject};
use crate::time::{Day, Instant, Period};
use crate::unit::Unit;

/// A series day: the datum of the dataflow.
pub type SeriesDay = (SeriesId, Day);

/// What one worker gets of a tick.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The clock when the tick closes.
    pub clock: Instant,
    /// Statements on units, each before the piece of that index.
    pub statements: Vec<(usize, Arc<Change>)>,
    /// Series that this worker has not met before, with their subjects.
    pub named: Vec<(SeriesId, Arc<Subject>)>,
    /// The saves the pieces belong to.
    pub saves: Vec<SaveContext>,
    /// The pieces, in journal order.
    pub pieces: Vec<Piece>,
    /// Values of all pieces; [`ABSENT`] where nothing is said.
    pub values: Vec<i64>,
    /// The decision on each value.
    pub outcomes: Vec<Outcome>,
    /// Indices of values that were clipped to the upper limit, ascending.
    pub clipped: Vec<u32>,
    /// Earlier revisions of the series days that need them to be decided.
    pub histories: HashMap<SeriesDay, Vec<Revision>, foldhash::fast::FixedState>,
    /// A withdrawal, alone in its tick.
    pub withdrawal: Option<WithdrawalWork>,
    /// Set where an older revision came without the history of its series day: the feeder is at fault.
    pub missing_history: Option<SeriesDay>,
}

/// What the pieces of a save share.
#[derive(Clone, Debug)]
pub struct SaveContext {
    /// The batch.
    pub batch: Arc<Batch>,
    /// The rules it is held to.
    pub checks: Checks,
    /// The unit of the path.
    pub path: Option<Unit>,
}

/// The part of a save that lies in one series day.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// The series.
    pub series: SeriesId,
    /// Its unit.
    pub unit: Unit,
    /// Its kind.
    pub kind: Kind,
    /// Its slot length.
    pub period: Period,
    /// The UTC day.
    pub day: Day,
    /// First slot of the day.
    pub first: u16,
    /// Number of values.
    pub len: u16,
    /// Where they begin in the chunk's values.
    pub offset: u32,
    /// Index of the save in the chunk.
    pub save: u32,
    /// Index of the entry in the save.
    pub entry: u32,
    /// The copy that `applyFinalForecast` makes; its refusals are those of the original.
    pub is_final_copy: bool,
    /// Clip to the upper limit instead of refusing.
    pub conform_upper_limit: bool,
}

impl Piece {
    /// Where the piece's values lie in the chunk.
    #[must_use]
    pub fn range(&self) -> std::ops::Range<usize> {
        let start = self.offset as usize;
        start..start + usize::from(self.len)
    }

    /// The series day.
    #[must_use]
    pub fn series_day(&self) -> SeriesDay {
        (self.series, self.day)
    }
}

/// What a batch said of one series day.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// The batch.
    pub batch: Arc<Batch>,
    /// First slot.
    pub first: u16,
    /// Values from there; [`ABSENT`] where it says nothing.
    pub values: Arc<[i64]>,
}

impl Revision {
    /// What the revision says of `slot` of the day; [`ABSENT`] if nothing.
    #[must_use]
    pub fn value_at(&self, slot: usize) -> i64 {
        let index = slot.checked_sub(usize::from(self.first));
        index.and_then(|index| self.values.get(index)).copied().unwrap_or(ABSENT)
    }
}

/// A withdrawal with all that judging it takes.
#[derive(Clone, Debug)]
pub struct WithdrawalWork {
    /// The batch to withdraw.
    pub batch: Arc<Batch>,
    /// When the withdrawal was accepted.
    pub recorded: Instant,
    /// The rules it is held to.
    pub checks: Checks,
    /// The whole history of each series day the batch touches, the batch included.
    pub days: Vec<DayHistory>,
    /// Slots that refuse it (filled by `gate`): unit, slot start and why.
    pub refused: Vec<(Unit, Instant, Outcome)>,
}

/// All revisions of a series day that are not withdrawn, in their order.
#[derive(Clone, Debug)]
pub struct DayHistory {
    /// The series.
    pub series: SeriesId,
    /// What the series is.
    pub described: Arc<Series>,
    /// The day.
    pub day: Day,
    /// Revisions in `(valid_after, sequence)` order.
    pub revisions: Vec<Revision>,
}

/// Cuts ticks into chunks. The arrays of a chunk that has been decided are filled again: a tick that takes
/// fresh ones pays for fresh pages.
#[derive(Debug, Default)]
pub struct Cutter {
    spare: Vec<Arrays>,
}

/// Arrays of a chunk, empty.
#[derive(Debug, Default)]
struct Arrays {
    pieces: Vec<Piece>,
    values: Vec<i64>,
    outcomes: Vec<Outcome>,
}

impl Cutter {
    /// Cuts a tick into one chunk for each of `workers` workers, naming new series in `catalog`. Histories
    /// and a withdrawal's work are added by the feeder.
    #[must_use]
    pub fn cut(&mut self, tick: &Tick, catalog: &mut Catalog, workers: usize) -> Vec<Chunk> {
        let fresh = |_| Chunk::new(tick.clock, self.spare.pop().unwrap_or_default());
        let mut chunks: Vec<Chunk> = (0..workers).map(fresh).collect();
        for change in &tick.changes {
            match change {
                Change::Save(save) => cut_save(save, catalog, &mut chunks),
                Change::Withdrawal(_) | Change::Refused(_) => {}
                Change::Unit(_)
                | Change::Membership(_)
                | Change::Property(_)
                | Change::Lock(_)
                | Change::Rules(_) => {
                    let shared = Arc::new(change.clone());
                    for chunk in &mut chunks {
                        chunk.statements.push((chunk.pieces.len(), Arc::clone(&shared)));
                    }
                }
            }
        }
        chunks
    }

    /// Takes back the arrays of a chunk that nobody needs any more.
    pub fn take_back(&mut self, chunk: Chunk) {
        let Chunk { mut pieces, mut values, mut outcomes, .. } = chunk;
        pieces.clear();
        values.clear();
        outcomes.clear();
        self.spare.push(Arrays { pieces, values, outcomes });
    }
}

impl Chunk {
    fn new(clock: Instant, arrays: Arrays) -> Chunk {
        let Arrays { pieces, values, outcomes } = arrays;
        Chunk {
            clock,
            statements: Vec::new(),
            named: Vec::new(),
            saves: Vec::new(),
            pieces,
            values,
            outcomes,
            clipped: Vec::new(),
            histories: HashMap::default(),
            withdrawal: None,
            missing_history: None,
        }
    }
}

/// The worker that holds all series of `unit`.
#[must_use]
pub fn worker_of(unit: Unit, workers: usize) -> usize {
    (unit_hash(unit) % workers as u64) as usize
}

/// The hash by which units are spread. It is ours: which worker holds a unit must not depend on a library's
/// version. The dataflow's exchange takes it modulo the workers, as [`worker_of`] does.
#[must_use]
pub fn unit_hash(unit: Unit) -> u64 {
    let mixed = unit.unit_no.wrapping_mul(4).wrapping_add(unit.unit_type as u64);
    mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

fn cut_save(save: &Save, catalog: &mut Catalog, chunks: &mut [Chunk]) {
    let batch = Arc::new(save.batch.clone());
    for (entry, index) in save.entries.iter().zip(0..) {
        let chunk = &mut chunks[worker_of(entry.unit, chunks.len())];
        if chunk.saves.last().is_none_or(|context| context.batch.sequence != batch.sequence) {
            chunk.saves.push(SaveContext {
                batch: Arc::clone(&batch),
                checks: save.checks,
                path: save.path,
            });
        }
        cut_entry(entry, index, &batch.provider, false, catalog, chunk);
        if entry.apply_final_forecast
            && batch.provider.key() != Provider::FINAL_FORECAST
            && let Some(provider) = Provider::parse(Provider::FINAL_FORECAST)
        {
            cut_entry(entry, index, &provider, true, catalog, chunk);
        }
    }
}

fn cut_entry(
    entry: &Entry,
    index: u32,
    provider: &Provider,
    is_final_copy: bool,
    catalog: &mut Catalog,
    chunk: &mut Chunk,
) {
    let Entry { kind, unit, period, conform_upper_limit, .. } = *entry;
    let known = catalog.all().len();
    let series = catalog.id(SeriesRef { kind, unit, provider, period });
    if series.0 as usize == known {
        chunk.named.push((series, Arc::clone(catalog.subject(series))));
    }
    let save = chunk.saves.len() as u32 - 1;
    entry.curve.for_each_day(period, |day, first, values| {
        chunk.pieces.push(Piece {
            series,
            unit,
            kind,
            period,
            day,
            first: first as u16,
            len: values.len() as u16,
            offset: chunk.values.len() as u32,
            save,
            entry: index,
            is_final_copy,
            conform_upper_limit,
        });
        chunk.values.extend_from_slice(values);
        let undecided =
            |value: &i64| if *value == ABSENT { Outcome::Absent } else { Outcome::Open };
        chunk.outcomes.extend(values.iter().map(undecided));
    });
}
