//! A long-format folder as a stream of changes in the order of `recorded`.
//!
//! Rows are gathered into batches, batches judged, and the changes sorted, both sorts on disk where memory
//! does not suffice. A file that breaks in the middle ends the stream with its fault, after everything
//! that stood before it.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use smartpulse_operators::change::Change;
use smartpulse_operators::unit::Unit;

use crate::ReplayRules;
use crate::assemble::{Arrival, Disagreement, Place, SaveRules};
use crate::changes::{Meter, REMARK_LIMIT, Remark};
use crate::error::SourceError;
use crate::forecast_row::{RowReader, WANTED};
use crate::gather::{BatchKey, Gatherer};
use crate::master;
use crate::slots::ValueRules;
use crate::sorter::{Sorted, Sorter};
use crate::table::{Table, files_of, is_table, parts_of};

/// Rows between two updates of the progress.
const METER_ROWS: u64 = 4_096;

/// A long-format source being replayed.
pub(crate) struct LongFormat {
    rules: ReplayRules,
    /// The files of forecasts in order.
    files: Vec<PathBuf>,
    input_bytes: u64,
    stage: Stage,
    /// None where a units file names them; else those seen. As large as the master data, which the
    /// engine holds as well.
    seen_units: Option<BTreeSet<Unit>>,
    /// Changes that are next, at most the units of one batch and the batch.
    ready: VecDeque<Change>,
    locks: u64,
    /// What ended the reading of the forecasts; told after all that stood before it.
    fault: Option<SourceError>,
    remarks: Vec<Remark>,
    meter: Meter,
}

enum Stage {
    /// Master data is read, forecasts are not.
    Opened(Sorter<Place, Arrival>),
    Delivering {
        arrivals: Sorted<Place, Arrival>,
        delivered: u64,
        count: u64,
    },
    /// All is told, or sorting failed.
    Ended,
}

/// Numbers of rows over all files back to rows of a file.
#[derive(Default)]
struct Parts(Vec<(u64, PathBuf)>);

impl LongFormat {
    /// Opens a folder, or a file or folder of parts that is the forecasts alone.
    pub(crate) fn open(path: &Path, rules: &ReplayRules) -> Result<LongFormat, SourceError> {
        let (files, folder) = forecast_files(path)?;
        // The gathering of rows and the ordering of changes are at work at once: half of the memory each.
        let mut arrivals = Sorter::new(rules.sort_bytes / 2, &rules.spill_dir);
        let has_units = match folder {
            Some(folder) => master::read_folder(folder, rules.checks, &mut arrivals)?,
            None => false,
        };
        if let Some(first) = files.first() {
            RowReader::columns(&Table::open(first, &WANTED)?)?;
        }
        let input_bytes = files.iter().filter_map(|file| fs::metadata(file).ok());
        let input_bytes = input_bytes.map(|metadata| metadata.len()).sum();
        Ok(LongFormat {
            rules: rules.clone(),
            files,
            input_bytes,
            stage: Stage::Opened(arrivals),
            seen_units: (!has_units).then(BTreeSet::new),
            ready: VecDeque::new(),
            locks: 0,
            fault: None,
            remarks: Vec::new(),
            meter: Meter::new(2 * input_bytes),
        })
    }

    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    pub(crate) fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// The next change; the first call reads and sorts the forecasts.
    pub(crate) fn next_change(&mut self) -> Result<Option<Change>, SourceError> {
        if let Some(change) = self.ready.pop_front() {
            return Ok(Some(change));
        }
        if let Stage::Opened(_) = self.stage
            && let Stage::Opened(arrivals) = std::mem::replace(&mut self.stage, Stage::Ended)
        {
            self.stage = self.read_forecasts(arrivals)?;
        }
        let Stage::Delivering { arrivals, delivered, count } = &mut self.stage else {
            return Ok(None);
        };
        let Some(((recorded, _, _), mut arrival)) = arrivals.next_item()? else {
            self.stage = Stage::Ended;
            return self.fault.take().map_or(Ok(None), Err);
        };
        *delivered += 1;
        let share = u128::from(self.input_bytes) * u128::from(*delivered) / u128::from(*count);
        self.meter.set_done(self.input_bytes + share as u64);
        if let Some(seen) = &mut self.seen_units {
            let news = arrival.units.iter().filter(|unit| seen.insert(**unit));
            let named = news.map(|unit| Change::Unit(master::unnamed_unit(*unit, recorded)));
            self.ready.extend(named);
        }
        if let Change::Lock(lock) = &mut arrival.change {
            self.locks += 1;
            lock.id = self.locks;
        }
        self.ready.push_back(arrival.change);
        Ok(self.ready.pop_front())
    }

    fn read_forecasts(
        &mut self,
        mut arrivals: Sorter<Place, Arrival>,
    ) -> Result<Stage, SourceError> {
        let rows = Sorter::new(self.rules.sort_bytes / 2, &self.rules.spill_dir);
        let mut gatherer = Gatherer::new(rows);
        let parts = self.gather(&mut gatherer)?;
        let rules = SaveRules::new(&self.rules, self.seen_units.is_some());
        let mut batches = gatherer.finish()?;
        while let Some((key, fragments)) = batches.next_batch()? {
            let name = key.clone();
            let assembled = rules.assemble(key, fragments);
            if let Some(disagreement) = assembled.disagreement {
                self.remark(&parts, &name, &disagreement);
            }
            let bytes = assembled.arrival.bytes();
            arrivals.push(assembled.place, assembled.arrival, bytes)?;
        }
        self.meter.set_done(self.input_bytes);
        let count = arrivals.taken();
        Ok(Stage::Delivering { arrivals: arrivals.finish()?, delivered: 0, count })
    }

    /// Reads the rows of all files, up to the first fault.
    fn gather(&mut self, gatherer: &mut Gatherer) -> Result<Parts, SourceError> {
        let values = ValueRules::of(&self.rules);
        let mut reader = RowReader::new(&self.rules.allowed_periods, values);
        let mut parts = Parts::default();
        let mut number = 0;
        let mut bytes_before = 0;
        for file in &self.files {
            parts.0.push((number, file.clone()));
            let opened = Table::open(file, &WANTED)
                .and_then(|table| RowReader::columns(&table).map(|columns| (table, columns)));
            let (mut table, columns) = match opened {
                Ok(opened) => opened,
                Err(fault) => {
                    self.fault = Some(fault);
                    return Ok(parts);
                }
            };
            loop {
                match table.advance() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(fault) => {
                        self.fault = Some(fault);
                        return Ok(parts);
                    }
                }
                gatherer.take(number, reader.read(&table, &columns))?;
                number += 1;
                if number.is_multiple_of(METER_ROWS) {
                    self.meter.set_done(bytes_before + table.bytes_read());
                }
            }
            bytes_before += table.bytes_read();
        }
        Ok(parts)
    }

    fn remark(&mut self, parts: &Parts, key: &BatchKey, disagreement: &Disagreement) {
        if self.remarks.len() >= REMARK_LIMIT {
            return;
        }
        let (file, row) = parts.place(disagreement.row);
        let (head_file, head_row) = parts.place(disagreement.head_row);
        let batch = match key {
            BatchKey::Named(name) => format!("batch {name}"),
            BatchKey::Unnamed(_) => "a batch without a name".to_owned(),
        };
        let head = if head_file == file {
            format!("row {head_row}")
        } else {
            format!("{}, row {head_row}", head_file.display())
        };
        let text = format!(
            "{}, row {row}: {batch} is refused whole (MIXED_BATCH): rows of a batch share {}, which \
             differs from {head}",
            file.display(),
            disagreement.column,
        );
        self.remarks.push(Remark { row, text });
    }
}

impl Parts {
    /// The file and the row in it, from 1, of the row of that number.
    fn place(&self, number: u64) -> (&Path, u64) {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        match self.0[..after].last() {
            Some((first, file)) => (file, number - first + 1),
            None => (Path::new(""), number + 1),
        }
    }
}

/// The files of forecasts at `path`, and the folder whose other files belong to them.
fn forecast_files(path: &Path) -> Result<(Vec<PathBuf>, Option<&Path>), SourceError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let wrong = |rule: &str| SourceError::Table { file: path.to_owned(), rule: rule.to_owned() };
    if !path.is_dir() {
        return if is_table(&name) {
            Ok((vec![path.to_owned()], None))
        } else {
            Err(wrong("a file of forecasts is a .csv, .csv.gz or .parquet"))
        };
    }
    let files = files_of(path, "forecasts")?;
    if !files.is_empty() {
        return Ok((files, Some(path)));
    }
    // The folder may itself be the table, written in parts.
    let is_table_of_parts = name.split('.').next() == Some("forecasts") || is_table(&name);
    let parts = if is_table_of_parts { parts_of(path)? } else { Vec::new() };
    if parts.is_empty() {
        return Err(wrong("there is no forecasts file (.csv, .csv.gz, .parquet) in this folder"));
    }
    Ok((parts, None))
}
