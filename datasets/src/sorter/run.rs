//! A sorted run on disk: length-prefixed postcard records in an unlinked file, written once, read once.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Buffer of a run being written; there is one at a time.
const WRITE_BUFFER: usize = 256 * 1024;
/// Buffer of a run being read; up to a few hundred at a time are merged.
const READ_BUFFER: usize = 64 * 1024;

/// Bytes of the length in front of each record.
const LENGTH: usize = 8;

pub(crate) struct RunWriter {
    file: BufWriter<File>,
    record: Vec<u8>,
}

impl RunWriter {
    /// An empty run in `dir`, which is created when it is not there.
    pub(crate) fn create(dir: &Path) -> io::Result<RunWriter> {
        fs::create_dir_all(dir)?;
        let file = tempfile::tempfile_in(dir)?;
        Ok(RunWriter { file: BufWriter::with_capacity(WRITE_BUFFER, file), record: Vec::new() })
    }

    pub(crate) fn write<T: Serialize>(&mut self, item: &T) -> io::Result<()> {
        self.record.clear();
        self.record = postcard::to_extend(item, std::mem::take(&mut self.record))
            .map_err(io::Error::other)?;
        self.file.write_all(&(self.record.len() as u64).to_le_bytes())?;
        self.file.write_all(&self.record)
    }

    /// The run, ready to be read from its beginning.
    pub(crate) fn finish(self) -> io::Result<Run> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Run(file))
    }
}

/// A run that waits to be merged: costs a file handle and no buffer.
pub(crate) struct Run(File);

/// A run being read.
pub(crate) struct RunReader {
    file: BufReader<File>,
    record: Vec<u8>,
}

impl Run {
    pub(crate) fn into_reader(self) -> RunReader {
        RunReader { file: BufReader::with_capacity(READ_BUFFER, self.0), record: Vec::new() }
    }
}

impl RunReader {
    /// The next item; none at the end.
    pub(crate) fn read<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        if self.file.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut length = [0; LENGTH];
        self.file.read_exact(&mut length)?;
        self.record.resize(u64::from_le_bytes(length) as usize, 0);
        self.file.read_exact(&mut self.record)?;
        postcard::from_bytes(&self.record).map(Some).map_err(io::Error::other)
    }
}
