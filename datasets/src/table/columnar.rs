//! Parquet: row groups streamed as batches of rows, each wanted column brought to one of a few forms.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, Decimal128Array, Decimal256Array, Float32Array, Float64Array, Int64Array,
    RecordBatch, StringArray,
};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use smartpulse_operators::time::Instant;

use super::Cell;
use crate::error::SourceError;

/// Rows decoded at a time: enough to amortise decoding, a few MB at most.
const BATCH_ROWS: usize = 8_192;

pub(crate) struct Columnar {
    batches: ParquetRecordBatchReader,
    columns: Vec<Column>,
    /// The current row within the batch, and the rows of the batch.
    place: usize,
    rows: usize,
    file_bytes: u64,
    file_rows: u64,
}

/// A column of a batch in the form in which cells are taken from it.
enum Column {
    Empty,
    Text(StringArray),
    Integers(Int64Array),
    Doubles(Float64Array),
    Singles(Float32Array),
    Decimals(Decimal128Array),
    WideDecimals(Decimal256Array),
    Times(Int64Array, TimeUnit),
}

impl Columnar {
    /// Opens `path`: the reader and the lower-case names of those columns that are wanted.
    pub(crate) fn open(
        path: &Path,
        wanted: &[&str],
    ) -> Result<(Columnar, Vec<String>), SourceError> {
        let failed = |source| SourceError::File { file: path.to_owned(), source };
        let broken = |error: parquet::errors::ParquetError| SourceError::Table {
            file: path.to_owned(),
            rule: format!("this is no whole Parquet file: {error}"),
        };
        let file = File::open(path).map_err(failed)?;
        let file_bytes = file.metadata().map_err(failed)?.len();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(broken)?;
        let names = builder.schema().fields().iter().map(|field| field.name().to_lowercase());
        let kept: Vec<(usize, String)> =
            names.enumerate().filter(|(_, name)| wanted.contains(&name.as_str())).collect();
        let mask =
            ProjectionMask::roots(builder.parquet_schema(), kept.iter().map(|(place, _)| *place));
        let file_rows = builder.metadata().file_metadata().num_rows().unsigned_abs();
        let batches =
            builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(broken)?;
        let reader =
            Columnar { batches, columns: Vec::new(), place: 0, rows: 0, file_bytes, file_rows };
        Ok((reader, kept.into_iter().map(|(_, name)| name).collect()))
    }

    pub(crate) fn advance(&mut self, file: &Path, row: u64) -> Result<bool, SourceError> {
        self.place += 1;
        while self.place >= self.rows {
            let broken = |error: ArrowError| SourceError::Row {
                file: file.to_owned(),
                row,
                rule: format!("this part of the file cannot be decoded: {error}"),
            };
            let Some(batch) = self.batches.next().transpose().map_err(broken)? else {
                return Ok(false);
            };
            self.columns = columns_of(&batch, file)?;
            (self.place, self.rows) = (0, batch.num_rows());
        }
        Ok(true)
    }

    pub(crate) fn cell(&self, column: usize) -> Cell<'_> {
        let row = self.place;
        let is_null = match &self.columns[column] {
            Column::Empty => true,
            Column::Text(cells) => cells.is_null(row),
            Column::Integers(cells) | Column::Times(cells, _) => cells.is_null(row),
            Column::Doubles(cells) => cells.is_null(row),
            Column::Singles(cells) => cells.is_null(row),
            Column::Decimals(cells) => cells.is_null(row),
            Column::WideDecimals(cells) => cells.is_null(row),
        };
        if is_null {
            return Cell::Empty;
        }
        match &self.columns[column] {
            Column::Empty => Cell::Empty,
            Column::Text(cells) if cells.value(row).is_empty() => Cell::Empty,
            Column::Text(cells) => Cell::Text(cells.value(row)),
            Column::Integers(cells) => Cell::Integer(cells.value(row)),
            Column::Doubles(cells) => Cell::Double(cells.value(row)),
            Column::Singles(cells) => Cell::Single(cells.value(row)),
            Column::Decimals(cells) => Cell::Decimal(cells.value_as_string(row)),
            Column::WideDecimals(cells) => Cell::Decimal(cells.value_as_string(row)),
            Column::Times(cells, unit) => Cell::Time(instant(cells.value(row), *unit)),
        }
    }

    pub(crate) fn bytes_read(&self, row: u64) -> u64 {
        let bytes = u128::from(self.file_bytes) * u128::from(row);
        u64::try_from(bytes / u128::from(self.file_rows.max(1))).unwrap_or(self.file_bytes)
    }
}

fn columns_of(batch: &RecordBatch, file: &Path) -> Result<Vec<Column>, SourceError> {
    let schema = batch.schema();
    let columns = batch.columns().iter().zip(schema.fields());
    let formed = columns.map(|(array, field)| {
        column_of(array).map_err(|error| SourceError::Table {
            file: file.to_owned(),
            rule: format!("column {}: {error}", field.name().to_lowercase()),
        })
    });
    formed.collect()
}

/// Brings a column to one of the forms of [`Column`], without ever turning a cell into a null.
fn column_of(array: &ArrayRef) -> Result<Column, ArrowError> {
    let cast = |to: &DataType| {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(array, to, &options)
    };
    Ok(match array.data_type() {
        DataType::Null => Column::Empty,
        DataType::Utf8 => Column::Text(array.as_string().clone()),
        DataType::LargeUtf8 | DataType::Utf8View => column_of(&cast(&DataType::Utf8)?)?,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            column_of(&cast(&DataType::Utf8)?)?
        }
        DataType::Dictionary(_, held) => column_of(&cast(held)?)?,
        DataType::Int64 => Column::Integers(array.as_primitive::<Int64Type>().clone()),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => column_of(&cast(&DataType::Int64)?)?,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            column_of(&cast(&DataType::Int64)?)?
        }
        DataType::UInt64 => column_of(&cast(&DataType::Decimal128(20, 0))?)?,
        DataType::Float64 => Column::Doubles(array.as_primitive::<Float64Type>().clone()),
        DataType::Float32 => Column::Singles(array.as_primitive::<Float32Type>().clone()),
        DataType::Float16 => column_of(&cast(&DataType::Float32)?)?,
        DataType::Decimal128(..) => {
            Column::Decimals(array.as_primitive::<Decimal128Type>().clone())
        }
        DataType::Decimal256(..) => {
            Column::WideDecimals(array.as_primitive::<Decimal256Type>().clone())
        }
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            column_of(&cast(&DataType::Decimal128(*precision, *scale))?)?
        }
        DataType::Timestamp(unit, _) => {
            let counts = cast(&DataType::Int64)?;
            Column::Times(counts.as_primitive::<Int64Type>().clone(), *unit)
        }
        other => {
            return Err(ArrowError::SchemaError(format!("cells of type {other} cannot be read")));
        }
    })
}

/// The instant of a timestamp, cut to the microsecond; none outside the years an instant can have.
fn instant(count: i64, unit: TimeUnit) -> Option<Instant> {
    let micros = match unit {
        TimeUnit::Second => count.checked_mul(1_000_000)?,
        TimeUnit::Millisecond => count.checked_mul(1_000)?,
        TimeUnit::Microsecond => count,
        TimeUnit::Nanosecond => count.div_euclid(1_000),
    };
    let instant = Instant(micros);
    (Instant::from(instant.timestamp()) == instant).then_some(instant)
}
