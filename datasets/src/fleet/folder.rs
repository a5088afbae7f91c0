//! A fleet as a folder in the long format: a replay of it takes the same changes in as one of the fleet.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use smartpulse_operators::change::Checks;
use smartpulse_operators::quantity::Quantity;

use self::tables::Files;
use super::Fleet;
use super::desks::PERIODS;
use crate::changes::Changes;
use crate::error::SourceError;
use crate::{ReplayRules, Source};

mod tables;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows of `forecasts`: values and nulls.
    pub values: u64,
    /// Saves they belong to.
    pub batches: u64,
    /// Rows of `units`.
    pub units: u64,
    /// Rows of `memberships`.
    pub memberships: u64,
    /// Rows of `properties`.
    pub properties: u64,
    /// Rows of `withdrawals`.
    pub withdrawals: u64,
}

impl Fleet {
    /// Writes this fleet to the folder `out`, which must not be there or be empty. The files are written to
    /// a hidden folder beside it, which takes its name when all are complete and on disk; one that a killed
    /// run left there is removed. `progress` hears how much is done and how much there is.
    ///
    /// # Errors
    /// [`SourceError`]; `out` is as it was then.
    pub fn write(
        &self,
        out: &Path,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Written, SourceError> {
        let mut changes = Source::Fleet(self.clone()).open(&as_made())?;
        let partial = partial_beside(out)?;
        let written = write_all(&partial, &mut changes, &mut progress).and_then(|written| {
            sync_folder(&partial)?;
            fs::rename(&partial, out).map_err(failed(out))?;
            sync_folder(partial.parent().unwrap_or(Path::new(".")))?;
            Ok(written)
        });
        if written.is_err() {
            // The first fault is the one to tell.
            let _ = fs::remove_dir_all(&partial);
        }
        written
    }
}

/// The rules that leave every value as it was made: what a replay asks of them is its own choice.
pub(super) fn as_made() -> ReplayRules {
    ReplayRules {
        checks: Checks::default(),
        round_digits: None,
        skips_existing_check: false,
        allowed_periods: PERIODS.to_vec(),
        value_bound: Quantity::DEFAULT_BOUND,
        // Nothing is sorted.
        spill_dir: PathBuf::new(),
        sort_bytes: 0,
    }
}

/// An empty hidden folder beside `out`, which must be free.
fn partial_beside(out: &Path) -> Result<PathBuf, SourceError> {
    let wrong = |rule: &str| SourceError::Table { file: out.to_owned(), rule: rule.to_owned() };
    let name = out.file_name().ok_or_else(|| wrong("is no name for a folder"))?;
    match fs::read_dir(out) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(wrong("there is something in this folder; it must be empty or new"));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(out)(error)),
    }
    let room = match out.parent() {
        Some(room) if !room.as_os_str().is_empty() => room,
        _ => Path::new("."),
    };
    let partial = room.join(format!(".{}.partial", name.to_string_lossy()));
    match fs::remove_dir_all(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed(&partial)(error));
        }
        _ => {}
    }
    fs::create_dir_all(&partial).map_err(failed(&partial))?;
    Ok(partial)
}

/// Brings the names in a folder to disk.
fn sync_folder(folder: &Path) -> Result<(), SourceError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))
}

fn failed(file: &Path) -> impl FnOnce(io::Error) -> SourceError {
    let file = file.to_owned();
    |source| SourceError::Unwritten { file, source }
}

fn write_all(
    folder: &Path,
    changes: &mut Changes,
    progress: &mut impl FnMut(u64, u64),
) -> Result<Written, SourceError> {
    let meter = changes.meter();
    let mut files = Files::create(folder)?;
    for change in changes {
        files.write(&change?)?;
        let at = meter.progress();
        progress(at.done, at.total);
    }
    files.finish()
}
