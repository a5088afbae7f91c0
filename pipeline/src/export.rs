//! `export`: a view of a folder as Parquet, streamed day by day.
//!
//! `served` does it for the doors of a running service, `parcel` packs the files for the way.

pub(crate) mod parcel;
pub(crate) mod served;

use std::path::Path;

use smartpulse_connectors::{
    BatchExport, BatchRow, ExportError, ExportStamp, HistoryExport, HistoryRow, LatestExport,
    ResolvedExport, TotalsExport, export_units,
};
use smartpulse_operators::quantity::{ABSENT, NULL, Quantity};
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::Day;
use smartpulse_serve::export::ExportView;
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
    /// Nobody waits for it any more.
    #[error("nobody waits for the export any more")]
    Abandoned,
    /// What is left of the disk is kept for saves.
    #[error("the disk has no room for an export")]
    DiskFull,
}

impl From<ExportView> for View {
    fn from(view: ExportView) -> View {
        match view {
            ExportView::Latest => View::Latest,
            ExportView::Resolved => View::Resolved,
            ExportView::Totals => View::Totals,
            ExportView::History => View::History,
            ExportView::Units => View::Units,
            ExportView::Batches => View::Batches,
        }
    }
}

/// What is to be exported.
#[derive(Clone, Copy)]
pub struct Wanted<'w> {
    /// The view.
    pub view: View,
    /// Reference and knowledge.
    pub as_of: AsOf,
    /// Which part.
    pub selection: &'w Selection,
    /// Period and completeness of `resolved` and `totals`.
    pub reading: Reading,
    /// Asked now and then: an error ends the export with it.
    pub go_on: &'w dyn Fn() -> Result<(), ViewError>,
}

/// Batches between two questions whether to go on: a day of rows asks about as often.
const BATCHES_BETWEEN_QUESTIONS: u64 = 4_096;

/// Exports what is `wanted` of `picture` into `out` and returns the number of rows.
///
/// # Errors
/// [`ViewError`]; a former export of the view is still there then.
pub fn export(wanted: &Wanted<'_>, picture: &Picture<'_>, out: &Path) -> Result<u64, ViewError> {
    let Wanted { view, as_of, selection, reading, go_on } = *wanted;
    let AsOf { valid_at, known_at } = as_of;
    let stamp = ExportStamp { epoch: picture.base.epoch, valid_at, known_at };
    match view {
        View::Latest => export_latest(picture, wanted, LatestExport::create(out, "latest", stamp)?),
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
                        go_on()?;
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
                    go_on()?;
                    export.begin(kind, day)?;
                }
                Ok(export.write(row)?)
            })?;
            Ok(export.finish()?)
        }
        View::History => {
            export_history(picture, wanted, HistoryExport::create(out, "history", stamp)?)
        }
        View::Units => {
            let reference = &picture.base.reference;
            let units = reference.versions_known_at(known_at);
            Ok(export_units(out, stamp, units.iter())?)
        }
        View::Batches => export_all_batches(picture, wanted, BatchExport::create(out, stamp)?),
    }
}

fn export_latest(
    picture: &Picture<'_>,
    wanted: &Wanted<'_>,
    mut export: LatestExport,
) -> Result<u64, ViewError> {
    let mut open: Option<(Kind, Day)> = None;
    picture.for_each_latest::<ViewError>(wanted.as_of, wanted.selection, |kind, day, row| {
        if open != Some((kind, day)) {
            (wanted.go_on)()?;
            open = Some((kind, day));
            export.begin(kind, day)?;
        }
        Ok(export.write(row)?)
    })?;
    Ok(export.finish()?)
}

fn export_history(
    picture: &Picture<'_>,
    wanted: &Wanted<'_>,
    mut export: HistoryExport,
) -> Result<u64, ViewError> {
    let Wanted { as_of, selection, go_on, .. } = *wanted;
    let known = |instant| as_of.known_at.is_none_or(|known_at| instant <= known_at);
    picture.for_each_day_of_revisions::<ViewError>(
        selection,
        |of_day: DayPicture<Vec<StoredRevision>>| {
            let DayPicture { kind, day, series: all } = of_day;
            go_on()?;
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
    wanted: &Wanted<'_>,
    mut export: BatchExport,
) -> Result<u64, ViewError> {
    let known = |instant| wanted.as_of.known_at.is_none_or(|known_at| instant <= known_at);
    picture.history.for_each_batch::<ViewError>(|record| {
        if record.batch.sequence.0.is_multiple_of(BATCHES_BETWEEN_QUESTIONS) {
            (wanted.go_on)()?;
        }
        if picture.is_shown(&record.batch) && known(record.batch.recorded) {
            let withdrawn_at =
                picture.withdrawn_at(record.batch.sequence).filter(|instant| known(*instant));
            let (saved, skipped) = (record.saved, record.skipped);
            export.write(BatchRow { batch: &record.batch, saved, skipped, withdrawn_at })?;
        }
        Ok(())
    })?;
    Ok(export.finish()?)
}
