//! A segment: a file named by its first epoch, `magic | incarnation | first epoch | CRC32C`, then records.
//!
//! Segments are small enough to be read whole, which keeps the search for records behind a bad one simple.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use smartpulse_operators::batch::Epoch;
use smartpulse_operators::change::Tick;
use uuid::Uuid;

use super::JournalError;
use super::record::{self, RecordError};
use crate::folder::sync_parent;

const MAGIC: &[u8; 8] = b"SPJRNL01";
/// Bytes before the first record.
/// Distance of the marks that a scan leaves: how exactly a start knows what lies behind an epoch.
const MARK_BYTES: u64 = 1 << 20;
pub(super) const SEGMENT_HEADER: usize = 8 + 16 + 8 + 4;

/// A tail that was dropped: a record that was being written when the process died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Where it began.
    pub offset: u64,
    /// Bytes dropped.
    pub bytes: u64,
    /// Why it is no record.
    pub problem: RecordError,
}

/// What a scan of a segment found.
pub(super) struct Scan {
    pub(super) newest: Epoch,
    pub(super) good_bytes: u64,
    pub(super) torn: Option<Tail>,
    /// Epochs and how many bytes of the segment go up to them, about one a [`MARK_BYTES`].
    pub(super) marks: Vec<(Epoch, u64)>,
}

/// Segments of a folder by first epoch.
pub(super) fn list(folder: &Path) -> Result<Vec<(Epoch, PathBuf)>, JournalError> {
    let io = |source| JournalError::Io { path: folder.to_owned(), action: "listing", source };
    let mut segments = Vec::new();
    if !folder.exists() {
        return Ok(segments);
    }
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name =
            path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        if let Some(first) = name.filter(|_| path.extension().is_some_and(|end| end == "segment")) {
            segments.push((Epoch(first), path));
        }
    }
    segments.sort();
    Ok(segments)
}

/// Begins the segment whose first record is `first`.
pub(super) fn begin(folder: &Path, first: Epoch, incarnation: Uuid) -> Result<File, JournalError> {
    let path = folder.join(format!("{:020}.segment", first.0));
    let io =
        |source| JournalError::Io { path: path.clone(), action: "beginning a segment", source };
    let mut header = Vec::with_capacity(SEGMENT_HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(incarnation.as_bytes());
    header.extend_from_slice(&first.0.to_le_bytes());
    header.extend_from_slice(&crc32c::crc32c(&header).to_le_bytes());
    let mut file = File::options().append(true).create(true).open(&path).map_err(io)?;
    file.set_len(0).map_err(io)?;
    if let Err(source) = file.write_all(&header) {
        // A half header would look like a crash; take it away while we know better.
        let _ = fs::remove_file(&path);
        return Err(io(source));
    }
    file.sync_all().map_err(io)?;
    sync_parent(&path).map_err(io)?;
    Ok(file)
}

/// Whether the crash came before the segment's header was complete.
pub(super) fn is_unborn(path: &Path) -> Result<bool, JournalError> {
    let bytes = read(path)?;
    let zeros = bytes.len() <= SEGMENT_HEADER && bytes.iter().all(|byte| *byte == 0);
    Ok(bytes.len() < SEGMENT_HEADER || zeros)
}

/// Verifies every record; in the last segment a torn tail is found, elsewhere it is damage.
pub(super) fn scan(
    path: &Path,
    incarnation: Uuid,
    newest: Epoch,
    is_last: bool,
) -> Result<Scan, JournalError> {
    let bytes = read(path)?;
    check_header(path, &bytes, incarnation)?;
    let mut newest = newest;
    let mut offset = SEGMENT_HEADER;
    let mut marks = vec![(newest, 0)];
    while offset < bytes.len() {
        match record::verify(&bytes[offset..]) {
            Ok((epoch, length)) => {
                if let Some(found) = record::newer_version(&bytes[offset..]) {
                    let offset = offset as u64;
                    return Err(JournalError::NewerVersion {
                        path: path.to_owned(),
                        offset,
                        found,
                    });
                }
                if epoch.0 != newest.0 + 1 {
                    let problem = format!("epoch {} follows epoch {}", epoch.0, newest.0);
                    return Err(JournalError::Misplaced { path: path.to_owned(), problem });
                }
                newest = epoch;
                offset += length;
                if marks.last().is_some_and(|(_, mark)| offset as u64 > mark + MARK_BYTES) {
                    marks.push((newest, offset as u64));
                }
            }
            Err(problem) => {
                if !is_last || later_record(&bytes[offset + 1..], newest) {
                    let offset = offset as u64;
                    return Err(JournalError::Damaged { path: path.to_owned(), offset, problem });
                }
                let bytes = (bytes.len() - offset) as u64;
                let torn = Tail { offset: offset as u64, bytes, problem };
                return Ok(Scan { newest, good_bytes: offset as u64, torn: Some(torn), marks });
            }
        }
    }
    Ok(Scan { newest, good_bytes: offset as u64, torn: None, marks })
}

/// Every tick of a segment; ends quietly at a torn tail, which [`scan`] has judged before.
pub(super) fn ticks(
    path: &Path,
    incarnation: Uuid,
) -> Box<dyn Iterator<Item = Result<Tick, JournalError>>> {
    let path = path.to_owned();
    let bytes = match read(&path)
        .and_then(|bytes| check_header(&path, &bytes, incarnation).map(|()| bytes))
    {
        Ok(bytes) => bytes,
        Err(fault) => return Box::new(std::iter::once(Err(fault))),
    };
    let mut offset = SEGMENT_HEADER;
    Box::new(std::iter::from_fn(move || {
        let (_, length) = record::verify(bytes.get(offset..)?).ok()?;
        let tick = record::decode(&bytes[offset..offset + length]).map_err(|problem| {
            JournalError::Damaged { path: path.clone(), offset: offset as u64, problem }
        });
        offset += length;
        Some(tick)
    }))
}

/// Whether a whole record with a later epoch begins anywhere in `bytes`: then what stands before it is
/// damage, not the tail of a write that was cut off.
fn later_record(bytes: &[u8], newest: Epoch) -> bool {
    /// More epochs than a segment can hold.
    const EPOCHS_AHEAD: u64 = 1 << 32;
    (0..bytes.len().saturating_sub(record::HEADER)).any(|at| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at + 8..at + 16]);
        let epoch = u64::from_le_bytes(word);
        epoch > newest.0
            && epoch - newest.0 < EPOCHS_AHEAD
            && record::verify(&bytes[at..]).is_ok_and(|(found, _)| found.0 == epoch)
    })
}

fn check_header(path: &Path, bytes: &[u8], incarnation: Uuid) -> Result<(), JournalError> {
    let misplaced = |problem: &str| JournalError::Misplaced {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    let header = bytes.get(..SEGMENT_HEADER).ok_or_else(|| misplaced("its header is cut off"))?;
    let damaged = || JournalError::Damaged {
        path: path.to_owned(),
        offset: 0,
        problem: RecordError::Checksum,
    };
    if header[SEGMENT_HEADER - 4..] != crc32c::crc32c(&header[..SEGMENT_HEADER - 4]).to_le_bytes() {
        return Err(damaged());
    }
    if !header.starts_with(MAGIC) {
        return Err(misplaced("it is no journal segment of this release"));
    }
    if header[8..24] != *incarnation.as_bytes() {
        return Err(misplaced("it belongs to another data folder"));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, JournalError> {
    let io =
        |source: io::Error| JournalError::Io { path: path.to_owned(), action: "reading", source };
    fs::read(path).map_err(io)
}
