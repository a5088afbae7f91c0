//! The data folder: whose it is, which version wrote it, and that only one process has it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::journal::Spools;

/// Version of the folder's layout; a newer one is refused, never guessed at.
const FORMAT_VERSION: u32 = 1;
/// File that names version and incarnation.
const FORMAT_FILE: &str = "format.json";
/// File whose lock says that a process has the folder.
const LOCK_FILE: &str = "lock";

/// A data folder that this process has.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Made with the folder; part of the token of streams.
    pub incarnation: Uuid,
    // Held for as long as the folder is.
    _lock: File,
}

#[derive(Serialize, Deserialize)]
struct Format {
    version: u32,
    incarnation: Uuid,
}

/// Why a folder cannot be used. Nothing in it was changed.
#[derive(Debug, Error)]
pub enum FolderError {
    /// Reading or writing failed.
    #[error("data folder {path}: {action} failed")]
    Io { path: PathBuf, action: &'static str, source: io::Error },
    /// Another process has it.
    #[error("data folder {path} is in use by another process")]
    InUse { path: PathBuf },
    /// A newer release wrote it.
    #[error(
        "data folder {path} has format version {found}; this release reads up to {FORMAT_VERSION}"
    )]
    NewerVersion { path: PathBuf, found: u32 },
    /// There are files, but no format file.
    #[error("{path} is not a data folder: it holds files but no {FORMAT_FILE}")]
    NotADataFolder { path: PathBuf },
    /// The format file cannot be read.
    #[error("data folder {path}: {FORMAT_FILE} is damaged")]
    DamagedFormat { path: PathBuf, source: serde_json::Error },
    /// It is not there and must not be made.
    #[error("there is no data folder at {path}")]
    Missing { path: PathBuf },
}

impl DataFolder {
    /// Takes the folder at `path`, made if it is not there and `create` says so. `fresh` becomes the
    /// incarnation of a new folder.
    ///
    /// # Errors
    /// [`FolderError`], with nothing changed in the folder.
    pub fn open(path: &Path, create: bool, fresh: Uuid) -> Result<DataFolder, FolderError> {
        let fault =
            |action| move |source| FolderError::Io { path: path.to_owned(), action, source };
        if !path.exists() && !create {
            return Err(FolderError::Missing { path: path.to_owned() });
        }
        make_folder(path).map_err(fault("creating"))?;
        let format_path = path.join(FORMAT_FILE);
        let is_new = !format_path.exists();
        if is_new {
            let mut entries = fs::read_dir(path).map_err(fault("listing"))?;
            let foreign = entries.any(|entry| {
                // A first start that was cut off leaves these two.
                entry.is_ok_and(|entry| {
                    entry.file_name() != LOCK_FILE && entry.file_name() != "format.json.new"
                })
            });
            if foreign || !create {
                return Err(FolderError::NotADataFolder { path: path.to_owned() });
            }
        } else {
            read_format(path, &format_path)?;
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(fault("opening the lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::InUse { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(fault("locking")(source)),
        }
        if is_new && !format_path.exists() {
            let format = Format { version: FORMAT_VERSION, incarnation: fresh };
            let text = serde_json::to_vec(&format)
                .map_err(|source| FolderError::DamagedFormat { path: path.to_owned(), source })?;
            write_whole(&format_path, &text).map_err(fault("writing the format"))?;
        }
        let format = read_format(path, &format_path)?;
        Ok(DataFolder { path: path.to_owned(), incarnation: format.incarnation, _lock: lock })
    }

    /// Where the journal's segments lie.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// Where changes lie that are too many for the journal's records.
    #[must_use]
    pub fn spools(&self) -> Spools {
        Spools::in_folder(self.path.join("spools"))
    }

    /// Where the history store lies.
    #[must_use]
    pub fn history(&self) -> PathBuf {
        self.path.join("history")
    }

    /// Where the snapshots lie.
    #[must_use]
    pub fn snapshots(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    /// Where files lie that nothing depends on after a restart; emptied at the start.
    #[must_use]
    pub fn spill(&self) -> PathBuf {
        self.path.join("spill")
    }

    /// Where exports lie until they have been sent; emptied at the start.
    #[must_use]
    pub fn exports(&self) -> PathBuf {
        self.path.join("exports")
    }
}

/// Reads the format file; of a newer one only the version.
fn read_format(path: &Path, format_path: &Path) -> Result<Format, FolderError> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let text = fs::read(format_path).map_err(|source| FolderError::Io {
        path: path.to_owned(),
        action: "reading the format",
        source,
    })?;
    let damaged = |source| FolderError::DamagedFormat { path: path.to_owned(), source };
    let Version { version } = serde_json::from_slice(&text).map_err(damaged)?;
    if version > FORMAT_VERSION {
        return Err(FolderError::NewerVersion { path: path.to_owned(), found: version });
    }
    serde_json::from_slice(&text).map_err(damaged)
}

/// Writes a file so that a reader, also after a power cut, sees all of it or none: a new file, synced,
/// renamed into place, and the folder synced.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = PathBuf::from(format!("{}.new", path.display()));
    let mut file = File::create(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync_parent(path)
}

/// Makes the folder at `path` and those above it, with their names durable. The name of a folder that is
/// there already is synced too: who made it may have been killed before.
fn make_folder(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().skip(1).take_while(|above| !above.exists()).collect();
    fs::create_dir_all(path)?;
    missing.into_iter().filter(|above| !above.as_os_str().is_empty()).try_for_each(sync_parent)?;
    sync_parent(path)
}

/// Makes the entries of `path`'s folder durable.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        // A relative path of one name lies in the current folder.
        Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Makes the entries of `folder` and of all folders in it durable.
pub fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}

/// Bytes free on the disk of `path`; where that cannot be told, all there can be.
#[must_use]
pub fn free_bytes(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(u64::MAX, |disk| disk.f_bavail * disk.f_frsize)
}
