//! The journal: every tick, in order, durable before it is fed to the dataflow.
//!
//! Append-only segment files of records (length, CRC32C, epoch, version, payload). A tail that was cut off
//! while it was written is dropped at the start; a bad record anywhere else is an error. An error of the
//! sync call is final: what the disk holds then is unknown. A full disk refuses the record and leaves the
//! journal as it was.

mod record;
mod segment;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use smartpulse_operators::batch::Epoch;
use smartpulse_operators::change::Tick;
use thiserror::Error;
use uuid::Uuid;

use crate::failpoint::{self, Failpoint};
use crate::folder::sync_parent;
pub use record::RecordError;
use segment::SEGMENT_HEADER;
pub use segment::Tail;

/// Size at which a new segment begins: small enough to be read at once, large enough to be few.
const SEGMENT_BYTES: u64 = 64 << 20;

/// The journal, open for appending.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    incarnation: Uuid,
    file: File,
    length: u64,
    newest: Epoch,
    earlier_bytes: u64,
    segment_bytes: u64,
    record: Vec<u8>,
}

/// Why the journal cannot be read or written.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Reading or writing failed.
    #[error("journal {path}: {action} failed")]
    Io { path: PathBuf, action: &'static str, source: io::Error },
    /// The disk is full; the record was taken back.
    #[error("the disk of the journal is full")]
    DiskFull,
    /// The sync call failed: whether the record is durable is unknown.
    #[error("journal {path}: sync failed; what is durable is unknown, the process must stop")]
    SyncFailed { path: PathBuf, source: io::Error },
    /// A record is damaged, and it is not the tail of a write that was cut off.
    #[error("journal {path}: damaged at byte {offset}: {problem}")]
    Damaged { path: PathBuf, offset: u64, problem: RecordError },
    /// A newer release wrote a record.
    #[error(
        "journal {path}: the record at byte {offset} has version {found}; this release reads version {}",
        record::VERSION
    )]
    NewerVersion { path: PathBuf, offset: u64, found: u8 },
    /// A segment belongs elsewhere or is out of order.
    #[error("journal {path}: {problem}")]
    Misplaced { path: PathBuf, problem: String },
}

/// A journal as it was found: read whole, nothing changed.
#[derive(Debug)]
pub struct Survey {
    folder: PathBuf,
    incarnation: Uuid,
    segments: Vec<(Epoch, PathBuf)>,
    /// A last segment whose header was never completed: it holds nothing, the crash came while it began.
    unborn: Option<PathBuf>,
    newest: Epoch,
    length: u64,
    earlier_bytes: u64,
    torn: Option<Tail>,
}

impl Survey {
    /// Reads every record of the journal in `folder`.
    ///
    /// # Errors
    /// [`JournalError`] where a record other than the tail is damaged.
    pub fn read(folder: &Path, incarnation: Uuid) -> Result<Survey, JournalError> {
        let mut segments = segment::list(folder)?;
        let mut unborn = None;
        if let Some((_, path)) = segments.last()
            && segment::is_unborn(path)?
        {
            unborn = segments.pop().map(|(_, path)| path);
        }
        let newest = Epoch(segments.first().map_or(0, |(first, _)| first.0.saturating_sub(1)));
        let folder = folder.to_owned();
        let (length, earlier_bytes, torn) = (0, 0, None);
        let mut survey =
            Survey { folder, incarnation, segments, unborn, newest, length, earlier_bytes, torn };
        for (index, (first, path)) in survey.segments.iter().enumerate() {
            // A segment begins only when all before it is durable: only the very last can be torn.
            let is_last = index + 1 == survey.segments.len() && survey.unborn.is_none();
            if first.0 != survey.newest.0 + 1 {
                let problem = format!(
                    "it begins with epoch {}, but what stands before it ends with {}: a segment is missing",
                    first.0, survey.newest.0
                );
                return Err(JournalError::Misplaced { path: path.clone(), problem });
            }
            survey.earlier_bytes += survey.length;
            let scan = segment::scan(path, incarnation, survey.newest, is_last)?;
            (survey.newest, survey.length, survey.torn) = (scan.newest, scan.good_bytes, scan.torn);
        }
        Ok(survey)
    }

    /// The newest epoch that can be read; 0 when there is none.
    #[must_use]
    pub fn newest(&self) -> Epoch {
        self.newest
    }

    /// What stands behind the newest epoch and cannot be read.
    #[must_use]
    pub fn torn(&self) -> Option<&Tail> {
        self.torn.as_ref()
    }

    /// The same with the segment it stands in.
    #[must_use]
    pub fn torn_in(&self) -> Option<(PathBuf, Tail)> {
        let (_, path) = self.segments.last()?;
        Some((path.clone(), self.torn.clone()?))
    }

    /// Opens the journal for appending, dropping what is torn.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(self) -> Result<Journal, JournalError> {
        self.open_with(segment_bytes())
    }

    fn open_with(self, segment_bytes: u64) -> Result<Journal, JournalError> {
        let Survey { folder, incarnation, segments, unborn, newest, length, earlier_bytes, torn } =
            self;
        let io = |action| {
            let path = folder.clone();
            move |source| JournalError::Io { path, action, source }
        };
        fs::create_dir_all(&folder).map_err(io("creating"))?;
        sync_parent(&folder).map_err(io("syncing"))?;
        if let Some(path) = unborn {
            fs::remove_file(&path).map_err(io("removing an empty segment"))?;
            sync_parent(&path).map_err(io("syncing"))?;
        }
        let (file, length) = match segments.last() {
            Some((_, path)) => {
                (OpenOptions::new().append(true).open(path).map_err(io("opening"))?, length)
            }
            None => {
                (segment::begin(&folder, Epoch(newest.0 + 1), incarnation)?, SEGMENT_HEADER as u64)
            }
        };
        let dropping = io("dropping the torn tail");
        let record = Vec::new();
        let mut journal = Journal {
            folder,
            incarnation,
            file,
            length,
            newest,
            earlier_bytes,
            segment_bytes,
            record,
        };
        if torn.is_some() {
            journal.take_back().map_err(dropping)?;
        }
        // Who wrote the last records may have been killed before it synced them, or the name of their
        // segment: they are about to be shown, so they must not be lost any more.
        journal.sync()?;
        File::open(&journal.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| journal.io("syncing", source))?;
        Ok(journal)
    }
}

impl Journal {
    /// Opens the journal in `folder`, dropping a torn tail, and says what it dropped.
    ///
    /// # Errors
    /// [`JournalError`] with nothing changed where a record other than the tail is damaged.
    pub fn open(folder: &Path, incarnation: Uuid) -> Result<(Journal, Option<Tail>), JournalError> {
        Self::open_with(folder, incarnation, segment_bytes())
    }

    /// The same with a segment size of the caller's (tests want small ones).
    pub fn open_with(
        folder: &Path,
        incarnation: Uuid,
        segment_bytes: u64,
    ) -> Result<(Journal, Option<Tail>), JournalError> {
        let survey = Survey::read(folder, incarnation)?;
        let torn = survey.torn().cloned();
        Ok((survey.open_with(segment_bytes)?, torn))
    }

    /// The newest epoch in the journal; 0 when it is empty.
    #[must_use]
    pub fn newest(&self) -> Epoch {
        self.newest
    }

    /// Bytes of all segments.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.earlier_bytes + self.length
    }

    /// Appends a tick; it is durable only after [`Journal::sync`].
    ///
    /// # Errors
    /// [`JournalError::DiskFull`] with the journal as before.
    pub fn append(&mut self, tick: &Tick) -> Result<(), JournalError> {
        failpoint::pass(Failpoint::JournalAppend);
        if self.length >= self.segment_bytes {
            self.begin_segment(tick.epoch)?;
        }
        self.record.clear();
        record::encode(tick, &mut self.record).map_err(|problem| JournalError::Misplaced {
            path: self.folder.clone(),
            problem: format!("epoch {}: {problem}", tick.epoch.0),
        })?;
        if let Err(source) = self.file.write_all(&self.record) {
            self.take_back().map_err(|source| self.io("taking a record back", source))?;
            return Err(match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => JournalError::DiskFull,
                _ => self.io("appending", source),
            });
        }
        self.length += self.record.len() as u64;
        self.newest = tick.epoch;
        failpoint::pass(Failpoint::JournalAppended);
        Ok(())
    }

    /// Makes everything appended durable.
    ///
    /// # Errors
    /// [`JournalError::SyncFailed`]: the process must stop, for the kernel may have dropped the pages.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        // Only the crash suite sets this, to prove that it notices a journal that does not sync.
        static SKIPPED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        if *SKIPPED.get_or_init(|| std::env::var_os("SMARTPULSE_TEST_WITHOUT_SYNC").is_some()) {
            return Ok(());
        }
        self.file
            .sync_data()
            .map_err(|source| JournalError::SyncFailed { path: self.folder.clone(), source })?;
        failpoint::pass(Failpoint::JournalSynced);
        Ok(())
    }

    fn begin_segment(&mut self, first: Epoch) -> Result<(), JournalError> {
        self.sync()?;
        let file = match segment::begin(&self.folder, first, self.incarnation) {
            Ok(file) => file,
            Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::StorageFull => {
                return Err(JournalError::DiskFull);
            }
            Err(other) => return Err(other),
        };
        failpoint::pass(Failpoint::SegmentStarted);
        self.earlier_bytes += self.length;
        self.file = file;
        self.length = SEGMENT_HEADER as u64;
        Ok(())
    }

    fn take_back(&self) -> io::Result<()> {
        self.file.set_len(self.length)
    }

    fn io(&self, action: &'static str, source: io::Error) -> JournalError {
        JournalError::Io { path: self.folder.clone(), action, source }
    }
}

fn segment_bytes() -> u64 {
    failpoint::bytes("SMARTPULSE_TEST_SEGMENT_BYTES", SEGMENT_BYTES)
}

/// Reads the ticks after `after`, in order. Nothing is changed.
///
/// # Errors
/// [`JournalError`] where the journal does not reach back so far, or a record is damaged.
pub fn read_after(
    folder: &Path,
    incarnation: Uuid,
    after: Epoch,
) -> Result<impl Iterator<Item = Result<Tick, JournalError>> + use<>, JournalError> {
    let mut segments = segment::list(folder)?;
    // A last segment without a header holds nothing, and may be removed before it is read.
    if let Some((_, path)) = segments.last()
        && segment::is_unborn(path)?
    {
        segments.pop();
    }
    let begins = segments.partition_point(|(first, _)| first.0 <= after.0 + 1);
    if begins == 0 && !segments.is_empty() {
        return Err(JournalError::Misplaced {
            path: folder.to_owned(),
            problem: format!("it begins after epoch {}", after.0 + 1),
        });
    }
    segments.drain(..begins.saturating_sub(1));
    let mut newest = segments.first().map_or(0, |(first, _)| first.0 - 1);
    Ok(segments
        .into_iter()
        .flat_map(move |(_, path)| segment::ticks(&path, incarnation))
        .map(move |tick| {
            let tick = tick?;
            let expected = newest + 1;
            if tick.epoch.0 != expected {
                let problem = format!("epoch {} stands where {expected} should", tick.epoch.0);
                return Err(JournalError::Misplaced { path: PathBuf::from("journal"), problem });
            }
            newest = expected;
            Ok(tick)
        })
        .filter(move |tick| tick.as_ref().map_or(true, |tick| tick.epoch > after)))
}

#[cfg(test)]
#[path = "journal/tests.rs"]
mod tests;
