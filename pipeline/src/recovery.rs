//! From a data folder to a running engine: the newest usable snapshot, then the journal's tail with its own
//! epoch boundaries, each decision compared with the digest the journal remembers.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::{fmt, fs, io, panic};

use smartpulse_operators::batch::Epoch;
use smartpulse_operators::change::{Change, Tick};
use smartpulse_serve::read_model::ReadModel;
use thiserror::Error;
use tracing::{info, warn};

use crate::engine::{Base, Engine, EngineError, Replies};
use crate::failpoint;
use crate::folder::{DataFolder, sync_parent};
use crate::history::tail::Archive;
use crate::history::{History, HistoryError};
use crate::journal::{self, Journal, JournalError, Survey, Tail};
use crate::snapshot::{self, REFILL_EPOCHS, SnapshotError};

/// Journal that a start applies again at most to fill the ring: a second's work.
const REFILL_BYTES: u64 = 16 << 20;

/// Why a folder cannot be recovered. Nothing in it was changed but a torn tail of the journal, and a damaged
/// history store was moved aside.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The history store.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The snapshots.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Applying the journal.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A damaged history store could not be moved aside.
    #[error("the history store {path} is damaged and cannot be moved aside")]
    Aside { path: PathBuf, source: io::Error },
    /// The journal ends before what was made from it: acknowledged ticks are missing.
    #[error(
        "the journal ends at epoch {}, but {what} holds epoch {}: acknowledged changes are missing{behind}",
        .journal.0, .found.0
    )]
    JournalTooShort { journal: Epoch, what: &'static str, found: Epoch, behind: Behind },
}

/// What stands behind the end of the journal and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind(Option<(PathBuf, Tail)>);

impl fmt::Display for Behind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((path, Tail { offset, bytes, problem })) = &self.0 else { return Ok(()) };
        write!(
            formatter,
            "; {} holds {bytes} bytes from byte {offset} on: {problem}",
            path.display()
        )
    }
}

/// A folder brought back to life.
pub struct Recovered {
    /// The journal, to append to.
    pub journal: Journal,
    /// The engine, with every tick of the journal applied.
    pub engine: Engine,
    /// The thread that writes history.
    pub writer: JoinHandle<Result<(), HistoryError>>,
    /// Digests that the journal does not hold yet.
    pub digests: Vec<(Epoch, [u8; 16])>,
    /// Instants at which a version that waits begins to count.
    pub due: Vec<smartpulse_operators::time::Instant>,
}

/// Recovers `folder` with `workers` workers into `read_model`; `progress` hears of each applied epoch.
///
/// # Errors
/// [`RecoveryError`].
pub fn recover(
    folder: &DataFolder,
    workers: usize,
    read_model: &Arc<ReadModel>,
    mut progress: impl FnMut(Epoch, Epoch),
) -> Result<Recovered, RecoveryError> {
    // Whatever is wrong is found before anything is changed.
    let survey = Survey::read(&folder.journal(), folder.incarnation)?;
    let newest = survey.newest();
    let snapshots = snapshot::list(&folder.snapshots())?;
    for (epoch, path) in &snapshots {
        too_short(&survey, "a snapshot", *epoch)?;
        snapshot::refuse_newer(path)?;
    }
    let (store, applied) = history(&folder.history())?;
    too_short(&survey, "the history store", applied)?;
    let (base, live) = beginning(&snapshots, applied, &survey)?;
    let snapshot_epoch = base.epoch;
    let ticks = journal::read_after(&folder.journal(), folder.incarnation, snapshot_epoch)?;
    if let Some(tail) = survey.torn() {
        warn!(
            offset = tail.offset, bytes = tail.bytes, problem = %tail.problem,
            "dropped a record that was being written"
        );
    }
    let journal = survey.open()?;
    folder.spools().sweep(journal.newest())?;
    snapshot::sweep(&folder.snapshots())?;
    let (archive, writer) = Archive::start(store);
    let mut engine =
        Engine::restore(base, live, workers, archive, (Arc::clone(read_model), folder.spools()))?;
    let mut digests: BTreeMap<Epoch, [u8; 16]> = BTreeMap::new();
    let mut due = waiting(read_model);
    for tick in ticks {
        let tick = tick?;
        for (epoch, remembered) in &tick.digests {
            match digests.remove(epoch) {
                Some(decided) if decided != *remembered => {
                    return Err(EngineError::DecidedDifferently(*epoch).into());
                }
                _ => {}
            }
        }
        due.extend(due_in(&tick));
        let applied = engine.apply(&tick, Replies::None, journal.bytes())?;
        digests.insert(applied.epoch, applied.digest);
        progress(applied.epoch, newest);
    }
    info!(snapshot = snapshot_epoch.0, epoch = newest.0, "recovered");
    Ok(Recovered { journal, engine, writer, digests: digests.into_iter().collect(), due })
}

/// The history store and the epoch it holds. One that a power cut damaged beyond its own recovery is moved
/// aside and made anew: the journal holds everything, and fills it again from the beginning.
fn history(path: &Path) -> Result<(History, Epoch), RecoveryError> {
    let open = || {
        let store = History::open(path)?;
        let applied = store.applied()?;
        Ok((store, applied))
    };
    // The library panics over some of what it may find.
    let problem = match panic::catch_unwind(open) {
        Ok(Ok(found)) => return Ok(found),
        Ok(Err(problem)) => problem,
        Err(_) => {
            HistoryError::Damaged { path: path.to_owned(), keyspace: "the library's own files" }
        }
    };
    if !problem.is_damage() {
        return Err(problem.into());
    }
    let aside = move_aside(path);
    let aside = aside.map_err(|source| RecoveryError::Aside { path: path.to_owned(), source })?;
    let cause = problem.source().map(ToString::to_string);
    warn!(
        %problem, cause, aside = %aside.display(),
        "the history store is damaged; it is made anew from the journal"
    );
    let store = History::open(path)?;
    Ok((store, Epoch(0)))
}

/// Renames a damaged store to `history.damaged-N`; of earlier ones none is kept.
fn move_aside(path: &Path) -> io::Result<PathBuf> {
    const DAMAGED: &str = "history.damaged-";
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut newest = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(DAMAGED)?.parse::<u64>().ok());
        if let Some(number) = number {
            newest = newest.max(number);
            fs::remove_dir_all(entry.path())?;
        }
    }
    let aside = folder.join(format!("{DAMAGED}{}", newest + 1));
    fs::rename(path, &aside)?;
    sync_parent(path)?;
    Ok(aside)
}

/// Instants at which a save of `tick` begins to count, where they lie after its clock.
pub fn due_in(tick: &Tick) -> impl Iterator<Item = smartpulse_operators::time::Instant> + '_ {
    let told = tick.changes.iter().filter_map(|change| match change {
        Change::Save(save) => Some(save.batch.valid_after),
        _ => None,
    });
    let filed = tick.spooled.iter().flat_map(|spooled| spooled.due.iter().copied());
    told.chain(filed).filter(|from| *from > tick.clock)
}

fn waiting(read_model: &ReadModel) -> Vec<smartpulse_operators::time::Instant> {
    let mut due = Vec::new();
    read_model.snapshot().for_each_block(|_, block| {
        due.extend(block.pending().iter().map(|revision| revision.batch.valid_after));
    });
    due
}

/// The readable snapshot to go on from, not later than what the history store holds; the folder's beginning
/// where there is none.
fn beginning(
    snapshots: &[(Epoch, PathBuf)],
    applied: Epoch,
    survey: &Survey,
) -> Result<(Base, Vec<crate::engine::LiveDay>), RecoveryError> {
    let (usable, ahead): (Vec<_>, Vec<_>) =
        snapshots.iter().partition(|(epoch, _)| *epoch <= applied);
    for (epoch, _) in ahead {
        warn!(
            snapshot = epoch.0,
            history = applied.0,
            "the history store lost its tail; going further back"
        );
    }
    let Some(first) = refilling(&usable, survey) else { return Ok((Base::default(), Vec::new())) };
    let others = usable.iter().filter(|(_, path)| *path != first.1);
    for (_, path) in std::iter::once(&first).chain(others) {
        match snapshot::read(path) {
            Ok(found) => return Ok(found),
            Err(problem @ SnapshotError::NewerVersion { .. }) => return Err(problem.into()),
            Err(problem) => warn!(%problem, "another snapshot is used"),
        }
    }
    Ok((Base::default(), Vec::new()))
}

/// The newest snapshot behind which enough epochs lie to fill the ring again, as long as they are soon
/// applied; none: from the beginning.
fn refilling<'s>(usable: &[&'s (Epoch, PathBuf)], survey: &Survey) -> Option<&'s (Epoch, PathBuf)> {
    let bound = failpoint::bytes("SMARTPULSE_TEST_REFILL_BYTES", REFILL_BYTES);
    let mut best = usable.first()?;
    for snapshot in usable {
        if survey.bytes_after(snapshot.0) > bound {
            return Some(best);
        }
        best = snapshot;
        if best.0.0 + REFILL_EPOCHS <= survey.newest().0 {
            return Some(best);
        }
    }
    (survey.bytes_after(Epoch(0)) > bound).then_some(best)
}

fn too_short(survey: &Survey, what: &'static str, found: Epoch) -> Result<(), RecoveryError> {
    let journal = survey.newest();
    if found <= journal {
        return Ok(());
    }
    let behind = Behind(survey.torn_in());
    Err(RecoveryError::JournalTooShort { journal, what, found, behind })
}
