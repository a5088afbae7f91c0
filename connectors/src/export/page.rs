//! Columns become bytes: each column of a row group is one chunk, a dictionary page and one data page.
//!
//! The pages are put together here and not by the library's column writers because those look up every
//! value of every row, and nearly all columns of an export are functions of a row's series or batch: as
//! runs they cost next to nothing. Measured on `latest`, one core: 5 to 7 million rows a second with the
//! library's, 12 to 20 with these. Page headers, chunk metadata and footer are the library's.

use std::fs::File;
use std::io::Write;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type as PhysicalType, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};
use smartpulse_operators::quantity::Quantity;

use super::column::{Flags, NO_KEY, NumberColumn, Numbers, Powers, TextColumn, Texts};
use super::hybrid;

/// Zstandard's fastest regular level: the columns that compress well do so at any.
pub(super) const ZSTD_LEVEL: i32 = 1;
/// Longest text, in bytes, that bounds its column in the metadata; where there is a longer one, a reader
/// that looks for a text opens the row group.
const BOUND_TEXT_BYTES: usize = 64;

/// A row group that takes its columns one after another, in the order of the schema.
pub(super) struct RowGroup<'a> {
    pub(super) writer: SerializedRowGroupWriter<'a, File>,
    pub(super) compressor: &'a mut zstd::bulk::Compressor<'static>,
    pub(super) schema: &'a SchemaDescriptor,
    pub(super) column: usize,
    pub(super) rows: u64,
}

/// The pages of a chunk before compression, and what the metadata says of them.
struct Chunk {
    dictionary: Option<(Vec<u8>, usize)>,
    data: Vec<u8>,
    encoding: Encoding,
    statistics: Statistics,
}

impl RowGroup<'_> {
    /// A column of texts: the key of each row's, as stretches.
    pub(super) fn texts(
        &mut self,
        texts: &Texts,
        keys: impl Iterator<Item = (u32, u32)> + Clone,
    ) -> Result<()> {
        let nulls = rows_without(keys.clone());
        let short = texts.iter().all(|text| text.len() <= BOUND_TEXT_BYTES);
        let bound =
            |text: Option<&[u8]>| text.filter(|_| short).map(|text| ByteArray::from(text.to_vec()));
        let (least, greatest) = (bound(texts.iter().min()), bound(texts.iter().max()));
        let statistics = Statistics::byte_array(least, greatest, None, Some(nulls), false);
        self.keyed((texts.plain().to_vec(), texts.iter().count()), keys, statistics)
    }

    /// A column of whole numbers or instants: the key of each row's, as stretches.
    pub(super) fn numbers(
        &mut self,
        numbers: &Numbers,
        keys: impl Iterator<Item = (u32, u32)> + Clone,
    ) -> Result<()> {
        let nulls = Some(rows_without(keys.clone()));
        let values = numbers.values();
        let (least, greatest) = (values.iter().min().copied(), values.iter().max().copied());
        let (plain, statistics) = if self.next()?.physical_type() == PhysicalType::INT32 {
            let narrow = |value: Option<i64>| value.map(|value| value as i32);
            let plain = values.iter().flat_map(|value| (*value as i32).to_le_bytes()).collect();
            (plain, Statistics::int32(narrow(least), narrow(greatest), None, nulls, false))
        } else {
            let plain: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            (plain, Statistics::int64(least, greatest, None, nulls, false))
        };
        self.keyed((plain, values.len()), keys, statistics)
    }

    /// A column of texts that are the rows' own.
    pub(super) fn text_column(&mut self, column: &TextColumn) -> Result<()> {
        self.texts(&column.texts, column.keys.iter())
    }

    /// A column of whole numbers or instants that are the rows' own.
    pub(super) fn number_column(&mut self, column: &NumberColumn) -> Result<()> {
        self.numbers(&column.numbers, column.keys.iter())
    }

    /// A column of powers, in megawatts.
    pub(super) fn powers(&mut self, powers: &Powers) -> Result<()> {
        let nulls = powers.presence().map(|(present, rows)| u64::from((1 - present) * rows)).sum();
        let bound = |power: Option<Quantity>| power.map(Quantity::megawatts);
        let (least, greatest) = (bound(powers.iter().min()), bound(powers.iter().max()));
        let statistics = Statistics::double(least, greatest, None, Some(nulls), false);
        if let Some(few) = powers.keyed() {
            let values = few.numbers.values();
            let plain = plain_megawatts(values.iter().map(|value| Quantity(*value)), values.len());
            return self.keyed((plain, values.len()), few.keys.iter(), statistics);
        }
        let mut data = Vec::new();
        self.levels(powers.presence(), &mut data)?;
        data.extend_from_slice(&plain_megawatts(powers.iter(), powers.rows()));
        self.append(Chunk { dictionary: None, data, encoding: Encoding::PLAIN, statistics })
    }

    /// A column of truths.
    pub(super) fn flags(&mut self, flags: &Flags) -> Result<()> {
        let (least, greatest) = flags.bounds();
        let statistics = Statistics::boolean(Some(least), Some(greatest), None, Some(0), false);
        let data = flags.plain().to_vec();
        self.append(Chunk { dictionary: None, data, encoding: Encoding::PLAIN, statistics })
    }

    /// All columns are there.
    pub(super) fn close(self) -> Result<()> {
        self.writer.close().map(|_| ())
    }

    fn next(&self) -> Result<ColumnDescPtr> {
        let more = self.column < self.schema.num_columns();
        let missing = || ParquetError::General("more columns than the schema has".to_owned());
        more.then(|| self.schema.column(self.column)).ok_or_else(missing)
    }

    fn keyed(
        &mut self,
        dictionary: (Vec<u8>, usize),
        keys: impl Iterator<Item = (u32, u32)> + Clone,
        statistics: Statistics,
    ) -> Result<()> {
        let mut data = Vec::new();
        self.levels(keys.clone().map(|(key, rows)| (u32::from(key != NO_KEY), rows)), &mut data)?;
        if dictionary.1 == 0 {
            // No row has a value: there is nothing to look up, and nothing to write.
            let (dictionary, encoding) = (None, Encoding::PLAIN);
            return self.append(Chunk { dictionary, data, encoding, statistics });
        }
        let width = hybrid::key_width(dictionary.1);
        data.push(width as u8);
        hybrid::encode(keys.filter(|(key, _)| *key != NO_KEY), width, &mut data);
        let (dictionary, encoding) = (Some(dictionary), Encoding::RLE_DICTIONARY);
        self.append(Chunk { dictionary, data, encoding, statistics })
    }

    /// Which rows have a value, where the schema lets them have none.
    fn levels(&self, present: impl Iterator<Item = (u32, u32)>, data: &mut Vec<u8>) -> Result<()> {
        if self.next()?.max_def_level() == 0 {
            return Ok(());
        }
        let start = data.len();
        data.extend_from_slice(&[0; size_of::<u32>()]);
        hybrid::encode(present, 1, data);
        let length = data.len() - start - size_of::<u32>();
        data[start..start + size_of::<u32>()].copy_from_slice(&(length as u32).to_le_bytes());
        Ok(())
    }

    fn append(&mut self, chunk: Chunk) -> Result<()> {
        let column = self.next()?;
        let mut sink = TrackedWrite::new(Vec::new());
        let mut pages = SerializedPageWriter::new(&mut sink);
        let mut uncompressed = 0;
        let mut dictionary_offset = None;
        let mut encodings = vec![chunk.encoding, Encoding::RLE];
        if let Some((plain, values)) = chunk.dictionary {
            let page = Page::DictionaryPage {
                buf: self.compressed(&plain)?,
                num_values: values as u32,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            let written = pages.write_page(CompressedPage::new(page, plain.len()))?;
            uncompressed += written.uncompressed_size;
            dictionary_offset = Some(0);
            encodings.push(Encoding::PLAIN);
        }
        let page = Page::DataPage {
            buf: self.compressed(&chunk.data)?,
            num_values: self.rows as u32,
            encoding: chunk.encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let written = pages.write_page(CompressedPage::new(page, chunk.data.len()))?;
        uncompressed += written.uncompressed_size;
        sink.flush()?;
        let bytes = Bytes::from(sink.into_inner()?);
        let metadata = ColumnChunkMetaData::builder(column)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
            .set_encodings(encodings)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(uncompressed as i64)
            .set_num_values(self.rows as i64)
            .set_data_page_offset(written.offset as i64)
            .set_dictionary_page_offset(dictionary_offset)
            .set_statistics(chunk.statistics)
            .build()?;
        self.column += 1;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        self.writer.append_column(&bytes, close)
    }

    fn compressed(&mut self, plain: &[u8]) -> Result<Bytes> {
        Ok(Bytes::from(self.compressor.compress(plain)?))
    }
}

fn plain_megawatts(powers: impl Iterator<Item = Quantity>, most: usize) -> Vec<u8> {
    let mut plain = Vec::with_capacity(most * size_of::<f64>());
    for power in powers {
        plain.extend_from_slice(&power.megawatts().to_le_bytes());
    }
    plain
}

fn rows_without(keys: impl Iterator<Item = (u32, u32)>) -> u64 {
    keys.filter(|(key, _)| *key == NO_KEY).map(|(_, rows)| u64::from(rows)).sum()
}
