//! The journal: every tick, in order, durable before it is fed to the dataflow.
//!
//! Append-only segment files of records (length, CRC32C, epoch, version, payload). A tail that was cut off
//! while it was written is dropped at the start; a bad record anywhere else is an error. An error of the
//! sync call is final: what the disk holds then is unknown. A full disk refuses the record and leaves the
//! journal as it was.

mod record;
mod segment;
mod spool;
mod survey;

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use smartpulse_operators::batch::Epoch;
use smartpulse_operators::change::Tick;
use thiserror::Error;
use uuid::Uuid;

use crate::failpoint::{self, Failpoint};
pub use record::RecordError;
use segment::SEGMENT_HEADER;
pub use segment::Tail;
pub use spool::{SpoolWriter, Spools};
pub use survey::Survey;

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
