//! Snapshots of the base state, so that a start need not replay the whole journal.
//!
//! A snapshot is one zstd stream (with its content checksum) of length-prefixed frames: the base, then each
//! live series day, then an end that counts them. It is written beside its name, synced and renamed; two
//! are kept. Derived views are not in it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use smartpulse_operators::batch::{Batch, Epoch, Sequence};
use smartpulse_operators::block::{DayBlock, DayState};
use smartpulse_operators::chunk::{Revision, SeriesDay};
use smartpulse_serve::snapshot::Snapshot;
use thiserror::Error;

use crate::engine::{Base, LiveDay};
use crate::failpoint::{self, Failpoint};
use crate::folder::sync_parent;

/// Version of the form below.
const VERSION: u32 = 3;
/// The form whose base has neither offsets nor kept rows, as releases before wrote it.
const WITHOUT_OFFSETS: u32 = 2;
/// Snapshots kept: the newest may be ahead of a store that lost its tail.
const KEPT: usize = 2;
/// Epochs that a start applies again if it can, so that subscribers and readers of past epochs find theirs;
/// the newest snapshot that is so old is kept for it.
pub const REFILL_EPOCHS: u64 = 1_024;
/// Longest frame; a longer one is damage.
const MAX_FRAME: u64 = 1 << 30;

/// Why a snapshot cannot be used or written.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// Reading or writing failed.
    #[error("snapshot {path}: {action} failed")]
    Io { path: PathBuf, action: &'static str, source: io::Error },
    /// Its content cannot be read.
    #[error("snapshot {path} is damaged: {problem}")]
    Damaged { path: PathBuf, problem: String },
    /// A newer release wrote it.
    #[error("snapshot {path} has version {found}; this release reads version {VERSION}")]
    NewerVersion { path: PathBuf, found: u32 },
}

#[derive(Serialize, Deserialize)]
enum Frame {
    Begin {
        version: u32,
        base: Box<Base>,
    },
    /// A batch that later frames name by its sequence.
    Batch(Batch),
    Day(Day),
    End {
        days: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct Day {
    series_day: SeriesDay,
    values: Vec<i64>,
    winners: Vec<u16>,
    shown: Vec<u16>,
    batches: Vec<Sequence>,
    pending: Vec<(Sequence, u16, Vec<i64>)>,
}

/// Snapshots in `folder`, newest first. Nothing is changed.
///
/// # Errors
/// [`SnapshotError::Io`].
pub fn list(folder: &Path) -> Result<Vec<(Epoch, PathBuf)>, SnapshotError> {
    let mut found: Vec<(Epoch, PathBuf)> =
        files(folder)?.into_iter().filter_map(|path| Some((epoch_of(&path)?, path))).collect();
    found.sort_by(|one, other| other.cmp(one));
    Ok(found)
}

/// Removes what a crash left half written.
///
/// # Errors
/// [`SnapshotError::Io`].
pub fn sweep(folder: &Path) -> Result<(), SnapshotError> {
    for path in files(folder)?.into_iter().filter(|path| epoch_of(path).is_none()) {
        fs::remove_file(&path).map_err(|source| SnapshotError::Io {
            path,
            action: "sweeping",
            source,
        })?;
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, SnapshotError> {
    let io = |source| SnapshotError::Io { path: folder.to_owned(), action: "listing", source };
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(io)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(io)).collect()
}

fn epoch_of(path: &Path) -> Option<Epoch> {
    let epoch = path.file_stem()?.to_str()?.parse().ok()?;
    path.extension().is_some_and(|end| end == "snapshot").then_some(Epoch(epoch))
}

/// Writes the snapshot of `base`, whose live series days `published` shows, and drops old ones.
///
/// # Errors
/// [`SnapshotError::Io`]; an older snapshot stays.
pub fn write(folder: &Path, base: Base, published: &Snapshot) -> Result<PathBuf, SnapshotError> {
    let newest = base.epoch;
    let path = folder.join(format!("{:020}.snapshot", newest.0));
    let fresh = folder.join(format!("{:020}.new", base.epoch.0));
    let io = |action| {
        let path = path.clone();
        move |source| SnapshotError::Io { path, action, source }
    };
    fs::create_dir_all(folder).map_err(io("creating the folder"))?;
    if let Err(source) = write_file(&fresh, base, published) {
        // On a full disk the half that was written would only be in the way.
        let _ = fs::remove_file(&fresh);
        return Err(io("writing")(source));
    }
    failpoint::pass(Failpoint::SnapshotWritten);
    fs::rename(&fresh, &path).map_err(io("renaming"))?;
    sync_parent(&path).map_err(io("syncing the folder"))?;
    failpoint::pass(Failpoint::SnapshotRenamed);
    let mut is_spare_needed = true;
    for (epoch, old) in list(folder)?.into_iter().skip(KEPT) {
        let is_spare = epoch.0 + REFILL_EPOCHS <= newest.0;
        if is_spare && is_spare_needed {
            is_spare_needed = false;
            continue;
        }
        fs::remove_file(&old).map_err(io("dropping an old one"))?;
    }
    Ok(path)
}

fn write_file(path: &Path, base: Base, published: &Snapshot) -> io::Result<()> {
    let mut out = zstd::Encoder::new(BufWriter::new(File::create(path)?), 1)?;
    out.include_checksum(true)?;
    write_frames(&mut out, base, published)?;
    let file = out.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

fn write_frames(out: &mut impl Write, base: Base, published: &Snapshot) -> io::Result<()> {
    put(out, &Frame::Begin { version: VERSION, base: Box::new(base) })?;
    let mut named: HashMap<Sequence, (), FixedState> = HashMap::default();
    let mut days = 0;
    let mut outcome = Ok(());
    let mut write_day = |series_day: SeriesDay, block: &Arc<DayBlock>| -> io::Result<()> {
        let waiting = block.pending().iter().map(|revision| &revision.batch);
        for batch in block.batches().iter().chain(waiting) {
            if named.insert(batch.sequence, ()).is_none() {
                put(out, &Frame::Batch(Batch::clone(batch)))?;
            }
        }
        days += 1;
        put(out, &Frame::Day(pack(series_day, block)))
    };
    published.for_each_block(|series_day, block| {
        if outcome.is_ok() {
            outcome = write_day(series_day, block);
        }
    });
    outcome?;
    put(out, &Frame::End { days })
}

fn pack(series_day: SeriesDay, block: &DayBlock) -> Day {
    let mut state = DayState::default();
    block.load(&mut state);
    let pending = block.pending().iter();
    Day {
        series_day,
        values: state.values,
        winners: state.winners,
        shown: state.shown,
        batches: block.batches().iter().map(|batch| batch.sequence).collect(),
        pending: pending.map(|one| (one.batch.sequence, one.first, one.values.to_vec())).collect(),
    }
}

/// Refuses a snapshot of a newer release, whose frames may be of another form; damage is left to [`read`].
///
/// # Errors
/// [`SnapshotError::NewerVersion`].
pub fn refuse_newer(path: &Path) -> Result<(), SnapshotError> {
    /// Length of the first frame, its kind and the version.
    const HEAD: u64 = 8 + 5 + 5;
    let mut head = Vec::new();
    if content(path)?.take(HEAD).read_to_end(&mut head).is_err() {
        return Ok(());
    }
    let words = head.get(8..).map(postcard::take_from_bytes::<(u32, u32)>);
    match words {
        Some(Ok(((0, found), _))) if found > VERSION => {
            Err(SnapshotError::NewerVersion { path: path.to_owned(), found })
        }
        _ => Ok(()),
    }
}

fn content(path: &Path) -> Result<impl Read + use<>, SnapshotError> {
    let io = |source| SnapshotError::Io { path: path.to_owned(), action: "opening", source };
    let file = File::open(path).map_err(io)?;
    zstd::Decoder::new(file).map(BufReader::new).map_err(io)
}

/// Reads a snapshot.
///
/// # Errors
/// [`SnapshotError`].
pub fn read(path: &Path) -> Result<(Base, Vec<LiveDay>), SnapshotError> {
    refuse_newer(path)?;
    let damaged = |problem: String| SnapshotError::Damaged { path: path.to_owned(), problem };
    let mut input = content(path)?;
    let first = frame(&mut input).map_err(|problem| damaged(problem.to_string()))?;
    let base = base_in(&first);
    let base = base.ok_or_else(|| damaged("it does not begin with its base".to_owned()))?;
    let mut next = || {
        let bytes = frame(&mut input).map_err(|problem| damaged(problem.to_string()))?;
        postcard::from_bytes(&bytes).map_err(|problem| damaged(problem.to_string()))
    };
    let mut batches: HashMap<Sequence, Arc<Batch>, FixedState> = HashMap::default();
    let mut live = Vec::new();
    loop {
        match next()? {
            Frame::Begin { .. } => return Err(damaged("it has two bases".to_owned())),
            Frame::Batch(batch) => {
                batches.insert(batch.sequence, Arc::new(batch));
            }
            Frame::Day(day) => {
                let day = unpack(day, &batches);
                live.push(day.ok_or_else(|| damaged("a day names an unknown batch".to_owned()))?);
            }
            Frame::End { days } if days == live.len() as u64 => break,
            Frame::End { days } => {
                return Err(damaged(format!("it holds {} of {days} series days", live.len())));
            }
        }
    }
    // The checksum stands behind the last frame.
    let mut rest = Vec::new();
    input.read_to_end(&mut rest).map_err(|problem| damaged(problem.to_string()))?;
    Ok((base, live))
}

fn unpack(day: Day, batches: &HashMap<Sequence, Arc<Batch>, FixedState>) -> Option<LiveDay> {
    let named = |sequence: &Sequence| batches.get(sequence).cloned();
    let list: Vec<Arc<Batch>> = day.batches.iter().map(named).collect::<Option<_>>()?;
    let pending = day.pending.into_iter().map(|(sequence, first, values)| {
        Some(Revision { batch: named(&sequence)?, first, values: values.into() })
    });
    let pending = pending.collect::<Option<Vec<_>>>()?;
    let state =
        DayState { values: day.values, winners: day.winners, shown: day.shown, batches: list };
    Some((day.series_day, DayBlock::of(&state, pending)))
}

fn put(out: &mut impl Write, frame: &Frame) -> io::Result<()> {
    let bytes = postcard::to_stdvec(frame).map_err(io::Error::other)?;
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(&bytes)
}

/// The base in the first frame of a snapshot of this release or the one before.
fn base_in(first: &[u8]) -> Option<Base> {
    let ((kind, version), rest) = postcard::take_from_bytes::<(u32, u32)>(first).ok()?;
    match (kind, version) {
        (0, VERSION) => postcard::from_bytes(rest).ok(),
        (0, WITHOUT_OFFSETS) => {
            let (epoch, clock, sequence, series, reference, withdrawn, tallies, positions) =
                postcard::from_bytes(rest).ok()?;
            let (offsets, kept) = (BTreeMap::new(), BTreeMap::new());
            Some(Base {
                epoch,
                clock,
                sequence,
                series,
                reference,
                withdrawn,
                tallies,
                positions,
                offsets,
                kept,
            })
        }
        _ => None,
    }
}

fn frame(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_FRAME {
        return Err(io::Error::other("a frame's length is out of bounds"));
    }
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_without_offsets_is_read_too() {
        let base = Base {
            epoch: Epoch(7),
            sequence: Sequence(3),
            positions: [("s".to_owned(), 4)].into_iter().collect(),
            ..Base::default()
        };
        let now =
            postcard::to_stdvec(&Frame::Begin { version: VERSION, base: Box::new(base.clone()) });
        assert_eq!(base_in(&now.unwrap()), Some(base.clone()));
        let Base {
            epoch, clock, sequence, series, reference, withdrawn, tallies, positions, ..
        } = &base;
        let fields = (epoch, clock, sequence, series, reference, withdrawn, tallies, positions);
        let before = postcard::to_stdvec(&(0_u32, WITHOUT_OFFSETS, fields)).unwrap();
        assert_eq!(base_in(&before), Some(base));
        let other = postcard::to_stdvec(&(0_u32, 1_u32, ())).unwrap();
        assert_eq!(base_in(&other), None);
    }
}
