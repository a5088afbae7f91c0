//! Exports that a door asked for: written into a folder of their own in the data folder, sent, removed.
//!
//! The store of a running service is ahead of the snapshot asked for: the base made from the snapshot says
//! what counts. Nothing is left behind by a caller that goes away, whenever that is.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Scope};
use std::time::Duration;

use bytes::Bytes;
use smartpulse_serve::export::{ExportRefusal, ExportRequest, Exported};
use smartpulse_serve::snapshot::Snapshot;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};
use uuid::Uuid;

use super::{ViewError, Wanted, export, parcel};
use crate::engine::Base;
use crate::folder::free_bytes;
use crate::history::tail::Archive;
use crate::picture::{AsOf, Picture, Selection};
use crate::rollup::Reading;

/// Exports under way, each until it has been sent: one is bound by a core and the disk, and what is written
/// but not sent yet takes the disk.
const AT_ONCE: usize = 2;
/// Bytes sent at once.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that may wait for a slow caller: a megabyte.
const PIECES: usize = 4;
/// How long a caller may take nothing before it counts as gone: it holds a place and disk.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a caller that is slow is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// What an export door asked for.
pub(crate) struct Asked {
    pub(crate) request: ExportRequest,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) reply: oneshot::Sender<Result<Exported, ExportRefusal>>,
}

/// The exports of a running service.
pub(crate) struct ServedExports {
    folder: PathBuf,
    /// Bytes of the disk left to saves.
    disk_reserve: u64,
    under_way: AtomicUsize,
}

impl ServedExports {
    /// Exports that lie in `folder` meanwhile; what a killed service left there goes.
    pub(crate) fn new(folder: PathBuf, disk_reserve: u64) -> ServedExports {
        remove(&folder);
        ServedExports { folder, disk_reserve, under_way: AtomicUsize::new(0) }
    }

    /// Begins an export on a thread of its own, or refuses it. Called by one thread only.
    pub(crate) fn begin<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        archive: &'s Archive,
        asked: Asked,
    ) {
        if self.under_way.load(Ordering::Acquire) >= AT_ONCE {
            // The caller may have gone away.
            let _ = asked.reply.send(Err(ExportRefusal::TooMany(AT_ONCE)));
            return;
        }
        let place = Place::take(&self.under_way);
        scope.spawn(move || {
            self.run(archive, asked);
            drop(place);
        });
    }

    fn run(&self, archive: &Archive, asked: Asked) {
        let Asked { request, snapshot, reply } = asked;
        let base = base_of(&snapshot);
        // The epochs that follow need not share their days with this one any more.
        drop(snapshot);
        let place = Workspace(self.folder.join(Uuid::now_v7().to_string()));
        let as_of = AsOf::new(
            request.valid_at,
            request.known_at,
            base.clock.unwrap_or(smartpulse_operators::time::Instant::MIN),
        );
        let go_on = || self.go_on(archive, reply.is_closed());
        match write(&request, archive, &base, &Job { as_of, out: &place.0, go_on: &go_on }) {
            Ok(rows) => {
                let AsOf { valid_at, known_at } = as_of;
                let (sender, pieces) = mpsc::channel(PIECES);
                if reply.send(Ok(Exported { valid_at, known_at, pieces })).is_ok() {
                    let view = place.0.join(request.view.word());
                    let mut out = Pieces { sender, gathered: Vec::new() };
                    // Without its last frame the caller knows that it was cut off.
                    if let Err(problem) = parcel::pack(&view, rows, &mut out) {
                        debug!(%problem, "an export was not sent whole");
                    }
                }
            }
            Err(ViewError::Abandoned) => debug!("nobody waits for an export any more"),
            Err(problem) => {
                warn!(?problem, view = request.view.word(), "an export was given up");
                let refusal = match problem {
                    ViewError::DiskFull => ExportRefusal::DiskFull,
                    other => ExportRefusal::Failed(other.to_string()),
                };
                // The caller may have gone away.
                let _ = reply.send(Err(refusal));
            }
        }
    }

    fn go_on(&self, archive: &Archive, is_abandoned: bool) -> Result<(), ViewError> {
        if is_abandoned {
            return Err(ViewError::Abandoned);
        }
        // The folder of exports may not be there yet; that of the data is, and is on the same disk.
        let data = self.folder.parent().unwrap_or(&self.folder);
        if archive.waits_for_room() || free_bytes(data) < self.disk_reserve {
            return Err(ViewError::DiskFull);
        }
        Ok(())
    }
}

/// How and where an export is written.
struct Job<'j> {
    as_of: AsOf,
    out: &'j Path,
    go_on: &'j dyn Fn() -> Result<(), ViewError>,
}

/// Writes the files; the number of rows.
fn write(
    request: &ExportRequest,
    archive: &Archive,
    base: &Base,
    job: &Job<'_>,
) -> Result<u64, ViewError> {
    (job.go_on)()?;
    if !archive.persist() {
        // The writer has failed: the service is about to stop, and its log says why.
        return Err(ViewError::Abandoned);
    }
    (job.go_on)()?;
    let selection = Selection {
        from: request.from,
        to: request.to,
        provider: request.provider.as_ref().map(|provider| provider.key().to_owned()),
    };
    let wanted = Wanted {
        view: request.view.into(),
        as_of: job.as_of,
        selection: &selection,
        reading: Reading { period: request.period, completeness: request.completeness },
        go_on: job.go_on,
    };
    archive.read_store(|history| export(&wanted, &Picture { base, history }, job.out))
}

/// What a picture needs to know of the epoch of `snapshot`.
fn base_of(snapshot: &Snapshot) -> Base {
    Base {
        epoch: snapshot.epoch,
        clock: Some(snapshot.clock),
        sequence: snapshot.newest_batch(),
        series: snapshot.all_series(),
        reference: Arc::clone(&snapshot.reference),
        withdrawn: Arc::new(snapshot.all_withdrawn()),
        ..Base::default()
    }
}

/// One of the places for exports under way.
struct Place<'p>(&'p AtomicUsize);

impl Place<'_> {
    fn take(under_way: &AtomicUsize) -> Place<'_> {
        under_way.fetch_add(1, Ordering::AcqRel);
        Place(under_way)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The folder of one export; gone when it is dropped.
struct Workspace(PathBuf);

impl Drop for Workspace {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Removes a folder with all it holds. One that stays costs disk until the next start, nothing else.
fn remove(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(problem) if problem.kind() != io::ErrorKind::NotFound => {
            warn!(%problem, folder = %folder.display(), "a folder of exports stays");
        }
        _ => {}
    }
}

/// Gathers bytes into pieces and sends them to a caller that takes them.
struct Pieces {
    sender: mpsc::Sender<Bytes>,
    gathered: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut piece = Bytes::from(std::mem::take(&mut self.gathered));
        let mut waited = Duration::ZERO;
        loop {
            match self.sender.try_send(piece) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Closed(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(TrySendError::Full(_)) if waited >= PATIENCE => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(TrySendError::Full(unsent)) => piece = unsent,
            }
            thread::sleep(LOOK_AGAIN);
            waited += LOOK_AGAIN;
        }
    }
}
