//! A journal read whole before anything is changed in it.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use smartpulse_operators::batch::Epoch;
use uuid::Uuid;

use super::segment::{self, SEGMENT_HEADER, Tail};
use super::{Journal, JournalError, segment_bytes};
use crate::folder::sync_parent;

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
    /// Epochs and how many bytes of the journal go up to them, ascending.
    marks: Vec<(Epoch, u64)>,
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
        let mut survey = Survey {
            folder,
            incarnation,
            segments,
            unborn,
            newest,
            length: 0,
            earlier_bytes: 0,
            torn: None,
            marks: Vec::new(),
        };
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
            let before = survey.earlier_bytes;
            survey.marks.extend(scan.marks.into_iter().map(|(epoch, at)| (epoch, before + at)));
        }
        Ok(survey)
    }

    /// The newest epoch that can be read; 0 when there is none.
    #[must_use]
    pub fn newest(&self) -> Epoch {
        self.newest
    }

    /// Bytes of what follows `epoch`, at most.
    #[must_use]
    pub fn bytes_after(&self, epoch: Epoch) -> u64 {
        let known = self.marks.partition_point(|(marked, _)| *marked <= epoch);
        let before = known.checked_sub(1).map_or(0, |index| self.marks[index].1);
        self.earlier_bytes + self.length - before
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

    pub(super) fn open_with(self, segment_bytes: u64) -> Result<Journal, JournalError> {
        let Survey {
            folder,
            incarnation,
            segments,
            unborn,
            newest,
            length,
            earlier_bytes,
            torn,
            ..
        } = self;
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
