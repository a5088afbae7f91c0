//! Changes of one tick that are too many to be held in memory: parts in a file beside the journal, each a record as
//! the journal's. A file is made before its tick and named by its epoch when the tick is journaled; one without a
//! tick is removed at the next start.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use smartpulse_operators::batch::{Epoch, Sequence};
use smartpulse_operators::change::{Change, Spooled, Tick};
use smartpulse_operators::time::Instant;
use uuid::Uuid;

use super::JournalError;
use super::record::{self, HEADER, RecordError};
use crate::folder::sync_parent;

/// What a file is called before its tick is journaled.
const UNNAMED: &str = "unnamed";

/// The folder of the files.
#[derive(Clone, Debug)]
pub struct Spools(PathBuf);

/// A file that is being written.
#[derive(Debug)]
pub struct SpoolWriter {
    path: PathBuf,
    file: BufWriter<File>,
    spooled: Spooled,
    record: Vec<u8>,
    is_finished: bool,
}

impl Spools {
    /// Those in `folder`, which is made when it is needed.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Spools {
        Spools(folder)
    }

    /// Begins a file.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn begin(&self) -> Result<SpoolWriter, JournalError> {
        if !self.0.exists() {
            fs::create_dir_all(&self.0).map_err(io_error(&self.0, "making the folder"))?;
            sync_parent(&self.0).map_err(io_error(&self.0, "syncing the folder"))?;
        }
        let name = format!("{}.{UNNAMED}", Uuid::now_v7());
        let path = self.0.join(&name);
        let file = File::create_new(&path).map_err(io_error(&path, "making"))?;
        let spooled = Spooled {
            name,
            parts: 0,
            changes: 0,
            saves: 0,
            first_recorded: Instant::MIN,
            first_sequence: Sequence(0),
            due: Vec::new(),
        };
        let (file, record) = (BufWriter::new(file), Vec::new());
        Ok(SpoolWriter { path, file, spooled, record, is_finished: false })
    }

    /// Names a file by the epoch whose tick will hold it.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn name(&self, spooled: &mut Spooled, epoch: Epoch) -> Result<(), JournalError> {
        let name = format!("{:020}.parts", epoch.0);
        let (from, to) = (self.0.join(&spooled.name), self.0.join(&name));
        fs::rename(&from, &to).map_err(io_error(&from, "renaming"))?;
        sync_parent(&to).map_err(io_error(&to, "syncing the folder"))?;
        spooled.name = name;
        Ok(())
    }

    /// Removes files whose tick was not journaled: those without a name, and those of epochs after `newest`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn sweep(&self, newest: Epoch) -> Result<(), JournalError> {
        if !self.0.exists() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.0).map_err(io_error(&self.0, "listing"))? {
            let path = entry.map_err(io_error(&self.0, "listing"))?.path();
            let epoch = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            let is_kept = path.extension().is_some_and(|end| end == "parts")
                && epoch.is_some_and(|epoch| epoch <= newest.0);
            if !is_kept {
                fs::remove_file(&path).map_err(io_error(&path, "sweeping"))?;
            }
        }
        Ok(())
    }

    /// The parts of a file, in order, each change with its place.
    ///
    /// # Errors
    /// [`JournalError`] where the file is not there.
    pub fn parts(
        &self,
        spooled: &Spooled,
    ) -> Result<impl Iterator<Item = Result<Vec<Change>, JournalError>> + use<>, JournalError> {
        let path = self.0.join(&spooled.name);
        let mut file = BufReader::new(File::open(&path).map_err(io_error(&path, "opening"))?);
        let (mut recorded, mut sequence) = (spooled.first_recorded, spooled.first_sequence);
        let mut offset = 0;
        Ok((0..spooled.parts).map(move |_| {
            let damaged = |problem| JournalError::Damaged { path: path.clone(), offset, problem };
            let bytes = one_record(&mut file).map_err(|problem| match problem.kind() {
                io::ErrorKind::UnexpectedEof => damaged(RecordError::CutOff),
                _ => JournalError::Io { path: path.clone(), action: "reading", source: problem },
            })?;
            record::verify(&bytes).map_err(damaged)?;
            let mut changes = record::decode(&bytes).map_err(damaged)?.changes;
            offset += bytes.len() as u64;
            for change in &mut changes {
                place(change, recorded, &mut sequence);
                recorded.0 += 1;
            }
            Ok(changes)
        }))
    }
}

/// Gives a change its place.
fn place(change: &mut Change, recorded: Instant, sequence: &mut Sequence) {
    if let Change::Save(save) = change {
        save.batch.sequence = *sequence;
        sequence.0 += 1;
        save.batch.recorded = recorded;
        if save.batch.valid_after == Instant::MIN {
            save.batch.valid_after = recorded;
        }
    }
}

fn one_record(file: &mut impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEADER];
    file.read_exact(&mut bytes)?;
    let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let read = file.take(u64::from(length)).read_to_end(&mut bytes)?;
    if read < length as usize { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}

impl SpoolWriter {
    /// Adds a part: saves alone, for everything else is little. Of those that count from later than `now` on it is
    /// noted.
    ///
    /// # Errors
    /// [`JournalError`]; a full disk is [`JournalError::DiskFull`].
    pub fn add(&mut self, changes: Vec<Change>, now: Instant) -> Result<(), JournalError> {
        let mut saves = 0;
        for change in &changes {
            let Change::Save(save) = change else { continue };
            saves += 1;
            let from = save.batch.valid_after;
            if from > now && self.spooled.due.last() != Some(&from) {
                self.spooled.due.push(from);
            }
        }
        self.spooled.parts += 1;
        self.spooled.changes += changes.len() as u64;
        self.spooled.saves += saves;
        let tick = Tick { changes, ..Tick::empty(Epoch(0), Instant::MIN) };
        self.record.clear();
        let misplaced = |problem: RecordError| JournalError::Misplaced {
            path: self.path.clone(),
            problem: problem.to_string(),
        };
        record::encode(&tick, &mut self.record).map_err(misplaced)?;
        self.file.write_all(&self.record).map_err(io_error(&self.path, "writing"))
    }

    /// Makes the file durable.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn finish(mut self) -> Result<Spooled, JournalError> {
        self.file.flush().map_err(io_error(&self.path, "writing"))?;
        self.file.get_ref().sync_all().map_err(io_error(&self.path, "syncing"))?;
        self.is_finished = true;
        self.spooled.due.sort_unstable();
        self.spooled.due.dedup();
        Ok(self.spooled.clone())
    }
}

impl Drop for SpoolWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            // What is left is removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn io_error(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> JournalError + use<> {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => JournalError::DiskFull,
        _ => JournalError::Io { path, action, source },
    }
}

#[cfg(test)]
mod tests {
    use smartpulse_operators::change::RefusedBatch;

    use super::*;

    fn change(values: u64) -> Change {
        Change::Refused(RefusedBatch { code: "X".to_owned(), values, recorded: None })
    }

    #[test]
    fn parts_come_back_in_order_and_what_has_no_tick_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let spools = Spools::in_folder(folder.path().join("spools"));
        spools.sweep(Epoch(9)).unwrap();
        let mut writer = spools.begin().unwrap();
        writer.add(vec![change(1), change(2)], Instant(0)).unwrap();
        writer.add(vec![change(3)], Instant(0)).unwrap();
        let mut spooled = writer.finish().unwrap();
        assert_eq!((spooled.parts, spooled.changes, spooled.saves), (2, 3, 0));
        drop(spools.begin().unwrap());
        spools.begin().unwrap().finish().unwrap();
        spools.name(&mut spooled, Epoch(7)).unwrap();
        let read = |spooled: &Spooled| -> Result<Vec<Vec<Change>>, JournalError> {
            spools.parts(spooled)?.collect()
        };
        spools.sweep(Epoch(7)).unwrap();
        assert_eq!(read(&spooled).unwrap(), [vec![change(1), change(2)], vec![change(3)]]);
        assert_eq!(fs::read_dir(folder.path().join("spools")).unwrap().count(), 1);
        // A byte that is another one is found.
        let path = folder.path().join("spools").join(&spooled.name);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(read(&spooled), Err(JournalError::Damaged { .. })));
        spools.sweep(Epoch(6)).unwrap();
        assert!(read(&spooled).is_err());
    }
}
