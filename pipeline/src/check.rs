//! `check`: everything of the journal decided again, from the oldest snapshot on, and compared with what is
//! stored: the digests of the journal, the newer snapshots, the history store. Nothing is changed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use smartpulse_operators::batch::Epoch;
use smartpulse_operators::block::{DayBlock, DayState};
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::totals::TotalKey;
use smartpulse_operators::totals::sums::TotalDay;
use smartpulse_serve::read_model::ReadModel;
use smartpulse_serve::ring::RingBounds;

use crate::engine::{Base, Engine, LiveDay, Replies};
use crate::folder::DataFolder;
use crate::history::tail::Archive;
use crate::history::{History, HistoryError};
use crate::journal::{self, Survey};
use crate::picture::{AsOf, Picture, Selection};
use crate::recovery::RecoveryError;
use crate::rollup::Belonging;
use crate::snapshot::{self, SnapshotError};

/// Differences reported; further ones are counted.
const REPORTED: usize = 50;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The newest epoch of the journal.
    pub epoch: Epoch,
    /// Epochs decided again.
    pub epochs_checked: u64,
    /// Differences in words, the first fifty.
    pub differences: Vec<String>,
    /// All differences.
    pub count: u64,
}

impl Findings {
    fn add(&mut self, difference: String) {
        self.count += 1;
        if self.differences.len() < REPORTED {
            self.differences.push(difference);
        }
    }
}

/// Checks `folder` with `workers` workers.
///
/// # Errors
/// [`RecoveryError`] where something cannot be read at all.
pub fn check(
    folder: &DataFolder,
    workers: usize,
    mut progress: impl FnMut(Epoch, Epoch),
) -> Result<Findings, RecoveryError> {
    let mut findings = Findings {
        epoch: Survey::read(&folder.journal(), folder.incarnation)?.newest(),
        ..Findings::default()
    };
    let store = History::open(&folder.history())?;
    let applied = store.applied()?;
    if applied > findings.epoch {
        findings
            .add(format!("the history store holds epoch {}, the journal ends before", applied.0));
    }
    let mut snapshots = readable_snapshots(folder, &mut findings)?;
    let (base, live) = snapshots.pop_first().map_or_else(Default::default, |(_, found)| found);
    let after = base.epoch;
    let read_model = Arc::new(ReadModel::new(
        Some(folder.incarnation),
        "checking",
        RingBounds { bytes: 0, age: 0 },
    ));
    let (archive, comparing) = Archive::compare(store.clone(), applied);
    let mut engine =
        Engine::restore(base, live, workers, archive, (Arc::clone(&read_model), folder.spools()))?;
    let mut digests = BTreeMap::new();
    for tick in journal::read_after(&folder.journal(), folder.incarnation, after)? {
        let tick = tick?;
        for (epoch, remembered) in &tick.digests {
            if digests.remove(epoch).is_some_and(|decided| decided != *remembered) {
                findings.add(format!(
                    "epoch {}: the decisions differ from the journal's digest",
                    epoch.0
                ));
            }
        }
        let done = engine.apply(&tick, Replies::None, 0)?;
        digests.insert(done.epoch, done.digest);
        findings.epochs_checked += 1;
        if let Some((base, live)) = snapshots.remove(&tick.epoch) {
            compare_snapshot(&engine, &read_model, &base, live, &mut findings);
        }
        progress(done.epoch, findings.epoch);
    }
    let base = engine.base();
    drop(engine);
    for difference in
        comparing.join().unwrap_or_else(|_| vec!["comparing history failed".to_owned()])
    {
        findings.add(difference);
    }
    if applied == base.epoch {
        compare_live(&base, &store, &read_model, &mut findings)?;
        compare_totals(&base, &store, &read_model, &mut findings)?;
    }
    Ok(findings)
}

type Snapshots = BTreeMap<Epoch, (Base, Vec<LiveDay>)>;

fn readable_snapshots(
    folder: &DataFolder,
    findings: &mut Findings,
) -> Result<Snapshots, SnapshotError> {
    let mut readable = BTreeMap::new();
    let listed: Vec<(Epoch, PathBuf)> = snapshot::list(&folder.snapshots())?;
    for (epoch, path) in listed {
        if epoch > findings.epoch {
            findings.add(format!("snapshot {} is later than the journal's end", path.display()));
            continue;
        }
        match snapshot::read(&path) {
            Ok(found) => drop(readable.insert(epoch, found)),
            Err(problem) => findings.add(problem.to_string()),
        }
    }
    Ok(readable)
}

fn compare_snapshot(
    engine: &Engine,
    read_model: &ReadModel,
    base: &Base,
    live: Vec<LiveDay>,
    findings: &mut Findings,
) {
    let epoch = base.epoch.0;
    if engine.base() != *base {
        findings.add(format!("snapshot of epoch {epoch}: the base state differs"));
    }
    let published = read_model.snapshot();
    let mut stored: BTreeMap<SeriesDay, Arc<DayBlock>> = live.into_iter().collect();
    published.for_each_block(|series_day, block| match stored.remove(&series_day) {
        Some(known) if known == *block => {}
        _ => findings.add(format!("snapshot of epoch {epoch}: series day {series_day:?} differs")),
    });
    for series_day in stored.keys() {
        findings.add(format!("snapshot of epoch {epoch}: series day {series_day:?} is too many"));
    }
}

/// Compares the live series days with a fold of the history store at the folder's clock.
fn compare_live(
    base: &Base,
    store: &History,
    read_model: &ReadModel,
    findings: &mut Findings,
) -> Result<(), HistoryError> {
    let Some(clock) = base.clock else { return Ok(()) };
    let published = read_model.snapshot();
    let picture = Picture { base, history: store };
    let mut differing = Vec::new();
    picture.for_each_day::<HistoryError>(
        AsOf::new(None, None, clock),
        &Selection::default(),
        |day| {
            for (series, folded) in &day.series {
                let ids = published.series_of(series.unit, series.kind, &series.provider);
                let id = ids.iter().find(|(_, known)| known == series).map(|(id, _)| *id);
                let block = id.and_then(|id| published.block(id, day.day).cloned());
                let mut live = DayState::default();
                live.clear(series.period.slots());
                if let Some(block) = block {
                    block.load(&mut live);
                }
                if live != *folded {
                    differing.push(format!("{series:?} on {}: live and history differ", day.day));
                }
            }
            Ok(())
        },
    )?;
    differing.into_iter().for_each(|difference| findings.add(difference));
    Ok(())
}

/// Compares the totals that the dataflow keeps with sums of the history store at the folder's clock.
fn compare_totals(
    base: &Base,
    store: &History,
    read_model: &ReadModel,
    findings: &mut Findings,
) -> Result<(), HistoryError> {
    let Some(clock) = base.clock else { return Ok(()) };
    let mut kept: BTreeMap<TotalKey, TotalDay> = BTreeMap::new();
    read_model.snapshot().for_each_total(|key, day| drop(kept.insert(key.clone(), day)));
    let picture = Picture { base, history: store };
    let belonging = Belonging::known_at(&picture, None);
    let as_of = AsOf::new(None, None, clock);
    let mut differing = Vec::new();
    picture.for_each_day::<HistoryError>(as_of, &Selection::default(), |of_day| {
        let (kind, day) = (of_day.kind, of_day.day);
        for ((total, provider), sums) in belonging.sums(&of_day) {
            let summed = belonging.read(total, &sums, day);
            let key = TotalKey { total: total.clone(), kind, provider, day };
            if kept.remove(&key) != summed {
                differing.push(format!("{key:?}: the total kept and the sum of history differ"));
            }
        }
        Ok(())
    })?;
    differing.extend(kept.keys().map(|key| format!("{key:?}: a total of nothing is kept")));
    differing.into_iter().for_each(|difference| findings.add(difference));
    Ok(())
}
