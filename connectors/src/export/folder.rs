//! The folder of a view while it is written: hidden beside `OUT/VIEW`, then renamed over it, whole.

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::ExportError;

/// A hidden folder `OUT/.VIEW.partial` that becomes `OUT/VIEW`, or goes when it is dropped before.
///
/// A running export holds a lock on it, so that one left over by a killed run is told from one that is
/// being written.
pub struct PartialFolder {
    out: PathBuf,
    partial: PathBuf,
    /// Where the former export lies between the two renames.
    replaced: PathBuf,
    target: PathBuf,
    /// Open, and locked where the file system can.
    lock: Option<File>,
}

impl PartialFolder {
    /// Creates `out` and an empty partial folder in it; what a killed run left there goes.
    ///
    /// # Errors
    /// [`ExportError::Busy`] while another export of the view is written, [`ExportError::Io`].
    pub fn create(out: &Path, view: &str) -> Result<PartialFolder, ExportError> {
        let partial = out.join(format!(".{view}.partial"));
        fs::create_dir_all(&partial).map_err(ExportError::io("create", &partial))?;
        let lock = File::open(&partial).map_err(ExportError::io("open", &partial))?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(ExportError::Busy { path: partial });
        }
        let folder = PartialFolder {
            out: out.to_owned(),
            replaced: out.join(format!(".{view}.replaced")),
            target: out.join(view),
            partial,
            lock: Some(lock),
        };
        folder.clean_up()?;
        Ok(folder)
    }

    /// Where the files of the view are written.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Makes the folder the view's: durable, then renamed; the former export goes.
    ///
    /// # Errors
    /// [`ExportError::Io`]; the former export stays.
    pub fn publish(mut self) -> Result<(), ExportError> {
        sync_tree(&self.partial)?;
        let existing = exists(&self.target)?;
        if existing {
            rename(&self.target, &self.replaced)?;
        }
        if let Err(error) = rename(&self.partial, &self.target) {
            if existing {
                rename(&self.replaced, &self.target)?;
            }
            return Err(error);
        }
        self.lock = None;
        sync(&self.out)?;
        remove(&self.replaced)
    }

    /// Takes up where a killed run stopped: its files go, and a former export it had moved aside, but not
    /// yet replaced, returns.
    fn clean_up(&self) -> Result<(), ExportError> {
        for entry in entries(&self.partial)? {
            remove(&entry)?;
        }
        if exists(&self.replaced)? && !exists(&self.target)? {
            rename(&self.replaced, &self.target)?;
        }
        remove(&self.replaced)
    }
}

impl Drop for PartialFolder {
    fn drop(&mut self) {
        // Not published: an error is on its way to the caller already, and the next export cleans up.
        if self.lock.is_some() {
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// Syncs under way at once. A disk takes many for little more than one: with a folder a day of years of
/// data, one after another would take longer than the export itself.
const SYNCS_AT_ONCE: usize = 8;

/// Makes a folder and all files and folders in it durable.
fn sync_tree(folder: &Path) -> Result<(), ExportError> {
    let mut paths = vec![folder.to_owned()];
    let mut listed = 0;
    while let Some(path) = paths.get(listed) {
        if path.is_dir() {
            paths.extend(entries(path)?);
        }
        listed += 1;
    }
    let next = AtomicUsize::new(0);
    let sync_next = || {
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            sync(path)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads = SYNCS_AT_ONCE.min(paths.len());
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(sync_next)).collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.collect()
    })
}

fn sync(path: &Path) -> Result<(), ExportError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(ExportError::io("sync", path))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ExportError> {
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(ExportError::io("read", folder))
}

fn exists(path: &Path) -> Result<bool, ExportError> {
    fs::exists(path).map_err(ExportError::io("look at", path))
}

fn rename(from: &Path, to: &Path) -> Result<(), ExportError> {
    fs::rename(from, to).map_err(ExportError::io("rename", from))
}

/// Removes a file or a folder with all it holds; that there is none is fine.
fn remove(path: &Path) -> Result<(), ExportError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ExportError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}
