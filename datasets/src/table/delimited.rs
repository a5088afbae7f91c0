//! CSV, plain or gzip: UTF-8, a header, comma-separated, every row as wide as the header.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use csv::{ErrorKind, StringRecord};
use flate2::read::MultiGzDecoder;

use super::Cell;
use crate::error::SourceError;

/// Buffer of the CSV reader; large reads keep the disk from being the slow part.
const BUFFER: usize = 256 * 1024;

pub(crate) struct Delimited {
    reader: csv::Reader<Input>,
    record: StringRecord,
}

impl Delimited {
    /// Opens `path` and reads its header: the reader and the lower-case names of the columns.
    pub(crate) fn open(path: &Path) -> Result<(Delimited, Vec<String>), SourceError> {
        let input = Input::open(path)
            .map_err(|source| SourceError::File { file: path.to_owned(), source })?;
        let mut reader = csv::ReaderBuilder::new().buffer_capacity(BUFFER).from_reader(input);
        let header = reader.headers().map_err(|error| SourceError::Table {
            file: path.to_owned(),
            rule: format!("the header cannot be read: {}", rule(&error)),
        })?;
        let columns = header.iter().map(|name| name.trim().to_lowercase()).collect();
        Ok((Delimited { reader, record: StringRecord::new() }, columns))
    }

    pub(crate) fn advance(
        &mut self,
        file: &Path,
        row: u64,
        columns: &[String],
    ) -> Result<bool, SourceError> {
        self.reader.read_record(&mut self.record).map_err(|error| {
            let (file, rule) = (file.to_owned(), rule(&error));
            match error.kind() {
                ErrorKind::Utf8 { err, .. } if err.field() < columns.len() => {
                    SourceError::Cell { file, row, column: columns[err.field()].clone(), rule }
                }
                _ => SourceError::Row { file, row, rule },
            }
        })
    }

    pub(crate) fn cell(&self, column: usize) -> Cell<'_> {
        match self.record.get(column) {
            None | Some("") => Cell::Empty,
            Some(text) => Cell::Text(text),
        }
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.reader.get_ref().bytes_read()
    }
}

/// The rule that a file breaks, in words.
fn rule(error: &csv::Error) -> String {
    match error.kind() {
        ErrorKind::Utf8 { .. } => "text must be UTF-8".to_owned(),
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("a row must have {expected_len} cells like the header, this one has {len}")
        }
        ErrorKind::Io(error) => format!("the file breaks off: {error}"),
        _ => error.to_string(),
    }
}

/// The bytes of a file, unpacked where its name says so.
enum Input {
    Plain(Counted),
    Gzip(Box<MultiGzDecoder<BufReader<Counted>>>),
}

impl Input {
    fn open(path: &Path) -> io::Result<Input> {
        let file = Counted { file: File::open(path)?, bytes: 0 };
        let is_packed = path.extension().is_some_and(|ending| ending == "gz");
        Ok(if is_packed {
            Input::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, file))))
        } else {
            Input::Plain(file)
        })
    }

    fn bytes_read(&self) -> u64 {
        match self {
            Input::Plain(file) => file.bytes,
            Input::Gzip(decoder) => decoder.get_ref().get_ref().bytes,
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Input::Plain(file) => file.read(buffer),
            Input::Gzip(decoder) => decoder.read(buffer),
        }
    }
}

/// A file that counts what was read of it, for the progress.
struct Counted {
    file: File,
    bytes: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}
