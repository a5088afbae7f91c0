//! `export`: a view of a folder as Parquet, streamed day by day.

use std::path::Path;

use smartpulse_connectors::{
    BatchExport, BatchRow, ExportError, ExportStamp, HistoryExport, HistoryRow, LatestExport,
    ResolvedExport, TotalsExport, export_units,
};
use smartpulse_operators::quantity::{ABSENT, NULL, Quantity};
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::Day;
use thiserror::Error;

use crate::history::HistoryError;
use crate::history::codec::StoredRevision;
use crate::picture::{AsOf, DayPicture, Picture, Selection};
use crate::rollup::{Reading, for_each_resolved, for_each_total};

/// A view that can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum View {
    /// The row shown of each slot.
    Latest,
    /// What holds for each unit, whatever the periods.
    Resolved,
    /// Sums of plants.
    Totals,
    /// Every revision.
    History,
    /// Master data.
    Units,
    /// Accepted saves.
    Batches,
}

/// Why an export failed.
#[derive(Debug, Error)]
pub enum ViewError {
    /// Reading history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Writing Parquet.
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// What is to be exported.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    /// The view.
    pub view: View,
    /// Reference and knowledge.
    pub as_of: AsOf,
    /// Which part.
    pub selection: &'w Selection,
    /// Period and completeness of `resolved` and `totals`.
    pub reading: Reading,
}

/// Exports what is `wanted` of `picture` into `out` and returns the number of rows.
///
/// # Errors
/// [`ViewError`]; a former export of the view is still there then.
pub fn export(wanted: &Wanted<'_>, picture: &Picture<'_>, out: &Path) -> Result<u64, ViewError> {
    let Wanted { view, as_of, selection, reading } = *wanted;
    let AsOf { valid_at, known_at } = as_of;
    let stamp = ExportStamp { epoch: picture.base.epoch, valid_at, known_at };
    match view {
        View::Latest => {
            export_latest(picture, as_of, selection, LatestExport::create(out, "latest", stamp)?)
        }
        View::Resolved => {
            let mut export = ResolvedExport::create(out, stamp)?;
            let mut open = None;
            for_each_resolved::<ViewError>(
                picture,
                as_of,
                selection,
                reading,
                |kind, day, row| {
                    if open.replace((kind, day)) != Some((kind, day)) {
                        export.begin(kind, day)?;
                    }
                    Ok(export.write(row)?)
                },
            )?;
            Ok(export.finish()?)
        }
        View::Totals => {
            let mut export = TotalsExport::create(out, stamp)?;
            let mut open = None;
            for_each_total::<ViewError>(picture, as_of, selection, reading, |kind, day, row| {
                if open.replace((kind, day)) != Some((kind, day)) {
                    export.begin(kind, day)?;
                }
                Ok(export.write(row)?)
            })?;
            Ok(export.finish()?)
        }
        View::History => {
            export_history(picture, as_of, selection, HistoryExport::create(out, "history", stamp)?)
        }
        View::Units => {
            let reference = &picture.base.reference;
            let units = reference.versions_known_at(known_at);
            Ok(export_units(out, stamp, units.iter())?)
        }
        View::Batches => export_all_batches(picture, as_of, BatchExport::create(out, stamp)?),
    }
}

fn export_latest(
    picture: &Picture<'_>,
    as_of: AsOf,
    selection: &Selection,
    mut export: LatestExport,
) -> Result<u64, ViewError> {
    let mut open: Option<(Kind, Day)> = None;
    picture.for_each_latest::<ViewError>(as_of, selection, |kind, day, row| {
        if open != Some((kind, day)) {
            open = Some((kind, day));
            export.begin(kind, day)?;
        }
        Ok(export.write(row)?)
    })?;
    Ok(export.finish()?)
}

fn export_history(
    picture: &Picture<'_>,
    as_of: AsOf,
    selection: &Selection,
    mut export: HistoryExport,
) -> Result<u64, ViewError> {
    let known = |instant| as_of.known_at.is_none_or(|known_at| instant <= known_at);
    picture.for_each_day_of_revisions::<ViewError>(
        selection,
        |of_day: DayPicture<Vec<StoredRevision>>| {
            let DayPicture { kind, day, series: all } = of_day;
            let mut is_open = false;
            for (series, revisions) in &all {
                for stored in
                    revisions.iter().filter(|stored| known(stored.revision.batch.recorded))
                {
                    let batch = &stored.revision.batch;
                    let withdrawn_at =
                        picture.withdrawn_at(batch.sequence).filter(|instant| known(*instant));
                    let first = usize::from(stored.revision.first);
                    for ((value, confirmed), slot) in
                        stored.revision.values.iter().zip(&stored.confirmed).zip(first..)
                    {
                        let delivery_start = day.slot_start(series.period, slot);
                        if *value == ABSENT || !Picture::holds(selection, delivery_start) {
                            continue;
                        }
                        if !is_open {
                            is_open = true;
                            export.begin(kind, day)?;
                        }
                        export.write(HistoryRow {
                            series,
                            delivery_start,
                            value: (*value != NULL).then_some(Quantity(*value)),
                            batch,
                            confirmed: *confirmed,
                            batch_withdrawn_at: withdrawn_at,
                        })?;
                    }
                }
            }
            Ok(())
        },
    )?;
    Ok(export.finish()?)
}

fn export_all_batches(
    picture: &Picture<'_>,
    as_of: AsOf,
    mut export: BatchExport,
) -> Result<u64, ViewError> {
    let known = |instant| as_of.known_at.is_none_or(|known_at| instant <= known_at);
    picture.history.for_each_batch::<ViewError>(|record| {
        if known(record.batch.recorded) {
            let withdrawn_at =
                picture.withdrawn_at(record.batch.sequence).filter(|instant| known(*instant));
            let (saved, skipped) = (record.saved, record.skipped);
            export.write(BatchRow { batch: &record.batch, saved, skipped, withdrawn_at })?;
        }
        Ok(())
    })?;
    Ok(export.finish()?)
}
