//! One view on its way out: rows are gathered until a row group is full, row groups go to the part files,
//! and the folder is published at the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{ArrayBuilder, TimestampMicrosecondBuilder};

use super::folder::PartialFolder;
use super::part::{Bounds, Parts};
use super::{ExportError, ExportStamp};

/// The rows of a row group as columns.
pub(super) trait Columns: Default {
    /// A row as the caller gives it.
    type Row<'a>;

    /// Takes a row.
    fn push(&mut self, row: &Self::Row<'_>);
    /// Rows taken.
    fn rows(&self) -> usize;
    /// Bytes of the texts taken.
    fn text_bytes(&self) -> usize;
    /// The columns in the order of the schema.
    fn arrays(self) -> parquet::errors::Result<Vec<ArrayRef>>;
}

/// What a builder of any column but instants has built.
pub(super) fn array(mut builder: impl ArrayBuilder) -> ArrayRef {
    builder.finish()
}

/// What a builder of instants has built: microseconds of UTC.
pub(super) fn instants(mut builder: TimestampMicrosecondBuilder) -> ArrayRef {
    Arc::new(builder.finish().with_timezone("UTC"))
}

/// An export that is being written.
pub(super) struct ViewExport<C> {
    // Before `folder`: what is open in it closes before it goes.
    parts: Parts,
    folder: PartialFolder,
    columns: C,
    bounds: Bounds,
    rows: u64,
}

impl<C: Columns> ViewExport<C> {
    pub(super) fn create(
        out: &Path,
        view: &str,
        stamp: ExportStamp,
        schema: &str,
        bounds: Bounds,
    ) -> Result<ViewExport<C>, ExportError> {
        let folder = PartialFolder::create(out, view)?;
        let parts = Parts::new(folder.path(), schema, &stamp, &bounds)?;
        Ok(ViewExport { parts, folder, columns: C::default(), bounds, rows: 0 })
    }

    /// The folder of what follows, below that of the view.
    pub(super) fn enter(&mut self, subfolder: &Path) -> Result<(), ExportError> {
        self.flush()?;
        self.parts.enter(self.path(subfolder))
    }

    pub(super) fn path(&self, subfolder: &Path) -> PathBuf {
        self.folder.path().join(subfolder)
    }

    pub(super) fn write(&mut self, row: &C::Row<'_>) -> Result<(), ExportError> {
        self.columns.push(row);
        let full = self.columns.rows() >= self.bounds.row_group_rows
            || self.columns.text_bytes() >= self.bounds.row_group_text_bytes;
        if full { self.flush() } else { Ok(()) }
    }

    /// Publishes the view as its partitions make it, none if there are none; the number of rows.
    pub(super) fn finish(mut self) -> Result<u64, ExportError> {
        self.flush()?;
        self.parts.close()?;
        self.folder.publish()?;
        Ok(self.rows)
    }

    /// Publishes a view without partitions, which has a file even without rows; the number of rows.
    pub(super) fn finish_unpartitioned(mut self) -> Result<u64, ExportError> {
        self.flush()?;
        self.parts.close_with_at_least_one()?;
        self.folder.publish()?;
        Ok(self.rows)
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        let rows = self.columns.rows();
        if rows > 0 {
            let columns = std::mem::take(&mut self.columns);
            self.parts.write(rows, || columns.arrays())?;
            self.rows += rows as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::StringBuilder;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use smartpulse_operators::batch::Epoch;
    use smartpulse_operators::time::Instant;

    use super::*;

    #[derive(Default)]
    struct Words(StringBuilder, usize);

    impl Columns for Words {
        type Row<'a> = &'a str;

        fn push(&mut self, row: &&str) {
            self.0.append_value(row);
            self.1 += 1;
        }

        fn rows(&self) -> usize {
            self.1
        }

        fn text_bytes(&self) -> usize {
            self.0.values_slice().len()
        }

        fn arrays(self) -> parquet::errors::Result<Vec<ArrayRef>> {
            Ok(vec![array(self.0)])
        }
    }

    /// Rows of each row group of each part.
    fn groups_of(words: &[&str], bounds: Bounds) -> Vec<Vec<i64>> {
        let out = tempfile::tempdir().unwrap();
        let stamp = ExportStamp { epoch: Epoch(1), valid_at: Instant(0), known_at: None };
        let schema = "message words { required binary word (STRING); }";
        let mut export =
            ViewExport::<Words>::create(out.path(), "words", stamp, schema, bounds).unwrap();
        for word in words {
            export.write(word).unwrap();
        }
        assert_eq!(export.finish_unpartitioned().unwrap(), words.len() as u64);
        let part = |number: usize| out.path().join(format!("words/part-{number}.parquet"));
        let readers = (0..).map_while(|number| std::fs::File::open(part(number)).ok());
        let groups = readers.map(|file| {
            let reader = SerializedFileReader::new(file).unwrap();
            reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect()
        });
        groups.collect()
    }

    #[test]
    fn row_groups_and_parts_end_at_their_bounds() {
        let bounds = Bounds { row_group_rows: 2, row_group_text_bytes: 1_000, part_rows: 4 };
        let parts = groups_of(&["a", "b", "c", "d", "e", "f", "g"], bounds);
        assert_eq!(parts, [vec![2, 2], vec![2, 1]]);
        assert_eq!(groups_of(&["a", "b", "c", "d"], bounds), [[2, 2]]);
        assert_eq!(groups_of(&[], bounds), [Vec::<i64>::new()]);
    }

    #[test]
    fn long_texts_end_a_row_group_early() {
        let bounds = Bounds { row_group_rows: 100, row_group_text_bytes: 16, part_rows: 1_000 };
        let long = "sixteen letters!";
        assert_eq!(groups_of(&["a", long, long, "b", "b", "b", "b"], bounds), [[2, 1, 4]]);
    }
}
