//! A view in partitions: one folder a kind and UTC day of delivery, written one after another.

use std::path::{Path, PathBuf};

use smartpulse_operators::series::Kind;
use smartpulse_operators::time::{Day, Instant};

use super::part::Bounds;
use super::view::{Columns, ViewExport};
use super::{ExportError, ExportStamp};

/// An export whose rows belong to the partition begun last.
pub(super) struct PartitionedExport<C> {
    export: ViewExport<C>,
    partition: Option<(Kind, Day)>,
}

impl<C: Columns> PartitionedExport<C> {
    pub(super) fn create(
        out: &Path,
        view: &str,
        stamp: ExportStamp,
        schema: &str,
    ) -> Result<PartitionedExport<C>, ExportError> {
        let export = ViewExport::create(out, view, stamp, schema, Bounds::DEFAULT)?;
        Ok(PartitionedExport { export, partition: None })
    }

    pub(super) fn begin(&mut self, kind: Kind, day: Day) -> Result<(), ExportError> {
        self.partition = Some((kind, day));
        self.export.enter(&subfolder(kind, day))
    }

    /// Takes a row of `kind` and `delivery_start`, which have to be of the open partition.
    pub(super) fn write(
        &mut self,
        kind: Kind,
        delivery_start: Instant,
        row: &C::Row<'_>,
    ) -> Result<(), ExportError> {
        if self.partition == Some((kind, delivery_start.day())) {
            return self.export.write(row);
        }
        let open = self.partition.map(|(kind, day)| subfolder(kind, day)).unwrap_or_default();
        Err(ExportError::OutsidePartition { path: self.export.path(&open), delivery_start })
    }

    pub(super) fn finish(self) -> Result<u64, ExportError> {
        self.export.finish()
    }
}

fn subfolder(kind: Kind, day: Day) -> PathBuf {
    Path::new(&format!("kind={}", kind.word())).join(format!("delivery_date={day}"))
}
