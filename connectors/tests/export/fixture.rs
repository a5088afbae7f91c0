//! A small fleet, and exports read back with the Parquet library's own reader.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use smartpulse_connectors::{ExportStamp, LatestExport, LatestRow};
use smartpulse_operators::batch::{Batch, Epoch, Sequence};
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::series::{Kind, Provider, Series};
use smartpulse_operators::time::{Instant, Period};
use smartpulse_operators::unit::{Unit, UnitType};
use uuid::Uuid;

pub(crate) fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

pub(crate) fn stamp() -> ExportStamp {
    ExportStamp { epoch: Epoch(7), valid_at: at("2026-01-02T03:04:05.000006Z"), known_at: None }
}

pub(crate) fn series(unit_no: u64, provider: &str, minutes: u16) -> Series {
    Series {
        kind: Kind::Forecast,
        unit: Unit { unit_type: UnitType::PowerPlant, unit_no },
        provider: Provider::parse(provider).unwrap(),
        period: Period::new(minutes).unwrap(),
    }
}

/// The batch of that sequence, recorded as many seconds into 2026, valid from an hour before.
pub(crate) fn batch(sequence: u64) -> Batch {
    let recorded = Instant(at("2026-01-01T00:00Z").0 + sequence as i64 * 1_000_000);
    Batch {
        id: Uuid::from_u128(u128::from(sequence)),
        sequence: Sequence(sequence),
        recorded,
        valid_after: recorded.plus_minutes(-60),
        provider: Provider::parse("UserForecast").unwrap(),
        user: Some("ayşe".to_owned()),
        note: None,
        source_batch: Some(format!("key-{sequence}")),
        skips_existing_check: false,
    }
}

/// Exports one `latest` row a start, of hundredths of a kW from `first` on.
pub(crate) fn export_latest(out: &Path, starts: &[&str], first: i64) {
    let (series, batch) = (series(1, "UserForecast", 15), batch(1));
    let mut export = LatestExport::create(out, "latest", stamp()).unwrap();
    let mut open = None;
    for (start, value) in starts.iter().map(|start| at(start)).zip(first..) {
        if open.replace(start.day()) != Some(start.day()) {
            export.begin(Kind::Forecast, start.day()).unwrap();
        }
        let value = Quantity(value);
        export
            .write(LatestRow { series: &series, delivery_start: start, value, batch: &batch })
            .unwrap();
    }
    assert_eq!(export.finish().unwrap(), starts.len() as u64);
}

/// All files below `folder`, in the order of their paths.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { files.extend(self::files(&entry)) } else { files.push(entry) }
    }
    files.sort();
    files
}

/// Path and rows of each file of a view, as text.
pub(crate) fn rows(out: &Path, view: &str) -> String {
    let mut text = String::new();
    for file in files(&out.join(view)) {
        text += &format!("{}\n", file.strip_prefix(out).unwrap().display());
        for row in SerializedFileReader::new(File::open(&file).unwrap()).unwrap() {
            text += &format!("{}\n", row.unwrap());
        }
    }
    text
}

/// Column and Arrow type of a file.
pub(crate) fn types(file: &Path) -> String {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    let fields = reader.schema().fields().iter();
    fields.map(|field| format!("{} {}\n", field.name(), field.data_type())).collect()
}

/// What the metadata of a file says under `key`.
pub(crate) fn metadata(file: &Path, key: &str) -> Option<String> {
    let reader = SerializedFileReader::new(File::open(file).unwrap()).unwrap();
    let entries = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
    entries.into_iter().find(|entry| entry.key == key).and_then(|entry| entry.value)
}
