//! Files to cells: one way to read a table, whether it is CSV, compressed CSV or Parquet, in one file or
//! in parts.
//!
//! A table is read row by row and never held: of CSV a buffer, of Parquet a batch of rows. Rows and columns
//! of every error are named here, so that what reads the cells need not know where they come from.

use std::borrow::Cow;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use smartpulse_operators::time::Instant;

use self::columnar::Columnar;
use self::delimited::Delimited;
use crate::error::SourceError;

mod columnar;
mod delimited;

/// The endings by which a file's format is known.
const ENDINGS: [&str; 3] = [".csv", ".csv.gz", ".parquet"];

/// What a cell holds. CSV cells are text; Parquet cells keep their type as far as it matters.
#[derive(Debug)]
pub(crate) enum Cell<'t> {
    Empty,
    Text(&'t str),
    Integer(i64),
    Double(f64),
    Single(f32),
    /// An exact decimal, as text.
    Decimal(String),
    /// A timestamp; none where it is outside the years an instant can have.
    Time(Option<Instant>),
}

impl<'t> Cell<'t> {
    /// The text a CSV file would hold here; floats by their shortest decimal text.
    pub(crate) fn text(&self) -> Cow<'t, str> {
        match self {
            Cell::Empty | Cell::Time(None) => Cow::Borrowed(""),
            Cell::Text(text) => Cow::Borrowed(text),
            Cell::Integer(number) => Cow::Owned(number.to_string()),
            Cell::Double(number) => Cow::Owned(number.to_string()),
            Cell::Single(number) => Cow::Owned(number.to_string()),
            Cell::Decimal(text) => Cow::Owned(text.clone()),
            Cell::Time(Some(instant)) => Cow::Owned(instant.to_string()),
        }
    }

    /// Whether the cell says nothing.
    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Cell::Empty => true,
            Cell::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// The instant this cell names.
    pub(crate) fn instant(&self) -> Option<Instant> {
        match self {
            Cell::Time(instant) => *instant,
            other => Instant::parse(&other.text()),
        }
    }
}

/// One file of rows, read forwards.
pub(crate) struct Table {
    file: PathBuf,
    format: Format,
    /// Lower-case names of the columns that cells can be asked of.
    columns: Vec<String>,
    /// The current row, from 1 below the header; 0 before the first.
    row: u64,
}

enum Format {
    Delimited(Box<Delimited>),
    Columnar(Box<Columnar>),
}

impl Table {
    /// Opens `file`; `wanted` are the columns that will be read (others are passed over).
    pub(crate) fn open(file: &Path, wanted: &[&str]) -> Result<Table, SourceError> {
        let is_columnar = file.extension().is_some_and(|ending| ending == "parquet");
        let (format, columns) = if is_columnar {
            let (reader, columns) = Columnar::open(file, wanted)?;
            (Format::Columnar(Box::new(reader)), columns)
        } else {
            let (reader, columns) = Delimited::open(file)?;
            (Format::Delimited(Box::new(reader)), columns)
        };
        for name in wanted {
            if columns.iter().filter(|column| column == name).count() > 1 {
                let rule = format!("there are two columns {name}");
                return Err(SourceError::Table { file: file.to_owned(), rule });
            }
        }
        Ok(Table { file: file.to_owned(), format, columns, row: 0 })
    }

    /// The names of the columns in lower case, in the order of the file.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The place of column `name`, if the table has it.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The place of column `name`, which must be there.
    pub(crate) fn required_column(&self, name: &str) -> Result<usize, SourceError> {
        self.column(name).ok_or_else(|| SourceError::Table {
            file: self.file.clone(),
            rule: format!("column {name} is missing"),
        })
    }

    /// Goes to the next row; false at the end.
    pub(crate) fn advance(&mut self) -> Result<bool, SourceError> {
        let advanced = match &mut self.format {
            Format::Delimited(reader) => reader.advance(&self.file, self.row + 1, &self.columns)?,
            Format::Columnar(reader) => reader.advance(&self.file, self.row + 1)?,
        };
        self.row += u64::from(advanced);
        Ok(advanced)
    }

    /// The cell of the current row in `column`.
    pub(crate) fn cell(&self, column: usize) -> Cell<'_> {
        match &self.format {
            Format::Delimited(reader) => reader.cell(column),
            Format::Columnar(reader) => reader.cell(column),
        }
    }

    /// Bytes of the file read so far (of Parquet the share of its rows).
    pub(crate) fn bytes_read(&self) -> u64 {
        match &self.format {
            Format::Delimited(reader) => reader.bytes_read(),
            Format::Columnar(reader) => reader.bytes_read(self.row),
        }
    }

    /// The error of a cell of the current row that breaks `rule`.
    pub(crate) fn cell_error(&self, column: &str, rule: impl Display) -> SourceError {
        SourceError::Cell {
            file: self.file.clone(),
            row: self.row,
            column: column.to_owned(),
            rule: rule.to_string(),
        }
    }
}

/// The files of table `name` in a folder, parts in the order of their names: `name.csv`, `name.csv.gz`,
/// `name.parquet`, several of them with more words between (`name.1.csv`), or a folder `name` or
/// `name.parquet` of such files under any name. Empty where there is no such table.
pub(crate) fn files_of(folder: &Path, name: &str) -> Result<Vec<PathBuf>, SourceError> {
    let mut files = Vec::new();
    for entry in listed(folder)? {
        let entry_name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_named = entry_name.split('.').next() == Some(name);
        if is_named && entry.is_dir() {
            files.extend(parts_of(&entry)?);
        } else if is_named && is_table(&entry_name) {
            files.push(entry);
        }
    }
    Ok(files)
}

/// The part files of a folder that is one table, in the order of their names.
pub(crate) fn parts_of(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let mut parts = listed(folder)?;
    parts.retain(|part| {
        let name = part.file_name().unwrap_or_default().to_string_lossy();
        // Hidden files and those of an unfinished write (`_temporary`, `_SUCCESS`) are none.
        part.is_file() && is_table(&name) && !name.starts_with(['.', '_'])
    });
    Ok(parts)
}

/// The entries of a folder in byte order of their names.
pub(crate) fn listed(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let failed = |source| SourceError::File { file: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Whether a file of this name holds a table.
pub(crate) fn is_table(name: &str) -> bool {
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}
