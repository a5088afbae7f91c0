//! The part files of one folder: row groups go in, `part-0.parquet`, `part-1.parquet`, … come out.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;

use super::{ExportError, ExportStamp};

/// Where row groups and part files end. The rows alone decide, so equal rows are equal files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Rows of a row group, which is what an export holds in memory.
    pub(super) row_group_rows: usize,
    /// Bytes of texts at which a row group ends early.
    pub(super) row_group_text_bytes: usize,
    /// Rows of a part file at which the next one is begun.
    pub(super) part_rows: u64,
}

impl Bounds {
    pub(super) const DEFAULT: Bounds = Bounds {
        // A column of doubles is then 1 MiB, for which readers are tuned, and a row group some megabytes here.
        row_group_rows: 131_072,
        // Notes have 255 characters and keys of a source any length; a dictionary page, as an Arrow array of
        // texts, has to stay far below 2 GiB.
        row_group_text_bytes: 64 << 20,
        // 32 row groups: readers share work by file, and the footer stays small.
        part_rows: 32 * 131_072,
    };
}

/// The part files of a view, one open at a time.
pub(super) struct Parts {
    schema: SchemaRef,
    options: ArrowWriterOptions,
    part_rows: u64,
    folder: PathBuf,
    /// Parts begun in `folder`, which is the number of the next one.
    number: u32,
    open: Option<Part>,
}

struct Part {
    path: PathBuf,
    writer: ArrowWriter<File>,
    rows: u64,
}

impl Parts {
    /// Parts with the columns of `schema` (Parquet's schema language), in `folder` until told otherwise.
    pub(super) fn new(
        folder: &Path,
        schema: &str,
        stamp: &ExportStamp,
        bounds: &Bounds,
    ) -> std::result::Result<Parts, ExportError> {
        let of_schema = || {
            let parquet = SchemaDescriptor::new(Arc::new(parse_message_type(schema)?));
            let arrow = parquet_to_arrow_schema(&parquet, None)?;
            // Without the Arrow schema, which says nothing that the columns do not.
            let options = ArrowWriterOptions::new()
                .with_properties(properties(stamp)?)
                .with_skip_arrow_metadata(true)
                .with_parquet_schema(parquet);
            Ok((Arc::new(arrow), options))
        };
        let (schema, options) = of_schema().map_err(ExportError::parquet(folder))?;
        Ok(Parts {
            schema,
            options,
            part_rows: bounds.part_rows,
            folder: folder.to_owned(),
            number: 0,
            open: None,
        })
    }

    /// Ends the open part; the next one is the first in `folder`, which appears with it.
    pub(super) fn enter(&mut self, folder: PathBuf) -> std::result::Result<(), ExportError> {
        self.close()?;
        self.folder = folder;
        self.number = 0;
        Ok(())
    }

    /// Writes a row group of `rows` rows whose columns `arrays` gives.
    pub(super) fn write(
        &mut self,
        rows: usize,
        arrays: impl FnOnce() -> Result<Vec<ArrayRef>>,
    ) -> std::result::Result<(), ExportError> {
        let mut part = self.opened()?;
        part.rows += rows as u64;
        let full = part.rows >= self.part_rows;
        let names = self.schema.fields().iter().map(|field| field.name());
        let write = || {
            part.writer.write(&RecordBatch::try_from_iter(names.zip(arrays()?))?)?;
            part.writer.flush()
        };
        write().map_err(ExportError::parquet(&part.path))?;
        self.open = Some(part);
        if full { self.close() } else { Ok(()) }
    }

    /// Ends the open part (durable when the folder is published).
    pub(super) fn close(&mut self) -> std::result::Result<(), ExportError> {
        let Some(mut part) = self.open.take() else { return Ok(()) };
        part.writer.finish().map(|_| ()).map_err(ExportError::parquet(&part.path))
    }

    /// Ends the open part; where none was ever written, leaves one without rows.
    pub(super) fn close_with_at_least_one(&mut self) -> std::result::Result<(), ExportError> {
        if self.number == 0 {
            self.open = Some(self.opened()?);
        }
        self.close()
    }

    fn opened(&mut self) -> std::result::Result<Part, ExportError> {
        if let Some(part) = self.open.take() {
            return Ok(part);
        }
        fs::create_dir_all(&self.folder).map_err(ExportError::io("create", &self.folder))?;
        let path = self.folder.join(format!("part-{}.parquet", self.number));
        let file = File::create_new(&path).map_err(|source| {
            if source.kind() == io::ErrorKind::AlreadyExists {
                ExportError::PartitionRepeated { path: path.clone() }
            } else {
                ExportError::io("create", &path)(source)
            }
        })?;
        self.number += 1;
        let (schema, options) = (Arc::clone(&self.schema), self.options.clone());
        let writer = ArrowWriter::try_new_with_options(file, schema, options)
            .map_err(ExportError::parquet(&path))?;
        Ok(Part { path, writer, rows: 0 })
    }
}

/// Named in every file instead of the library and its version, so that a new one changes no bytes.
const CREATED_BY: &str = "smartpulse version 1.0.0";
/// Zstandard's fastest regular level: the columns that compress well do so at any.
const ZSTD_LEVEL: i32 = 1;
/// Bytes of a dictionary of powers at which the rest of the row group goes without. Powers in whole kW have
/// few values, and are then written in two thirds of the bytes or less; of many, a dictionary is a loss.
const POWER_DICTIONARY_BYTES: usize = 128 << 10;

/// Numbers that stay, or go on by the same step, over stretches of rows: their differences take next to
/// nothing, and no row has to be looked up in a dictionary.
const STEADY: [&str; 6] =
    ["unit_no", "period_minutes", "delivery_start", "valid_after", "recorded", "sequence"];
/// Texts by whose least and greatest no reader can leave out a row group: nearly each has both.
const UNORDERED: [&str; 6] = ["unit_type", "provider", "batch_id", "source_batch", "user", "note"];

fn properties(stamp: &ExportStamp) -> Result<WriterProperties> {
    let mut builder = WriterProperties::builder();
    for column in STEADY {
        builder = builder
            .set_column_dictionary_enabled(column.into(), false)
            .set_column_encoding(column.into(), Encoding::DELTA_BINARY_PACKED);
    }
    for column in UNORDERED {
        builder = builder.set_column_statistics_enabled(column.into(), EnabledStatistics::None);
    }
    Ok(builder
        .set_created_by(CREATED_BY.to_owned())
        .set_key_value_metadata(Some(stamp.metadata()))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        // No index of pages: most partitions' columns are a page or two, and small files stay small.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        // `Bounds::row_group_text_bytes` bounds texts written once each; written row by row, nothing would.
        .set_dictionary_page_size_limit(usize::MAX)
        .set_column_dictionary_page_size_limit("value_mw".into(), POWER_DICTIONARY_BYTES)
        .build())
}
