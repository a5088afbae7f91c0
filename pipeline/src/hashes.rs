//! Hashes of the views: one over every exported column, one over keys and values only, so that folders
//! filled in other ways, and other sources of the same data, can be compared.

use std::collections::BTreeMap;

use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::time::Instant;

use crate::history::HistoryError;
use crate::picture::{AsOf, Picture, Selection};
use crate::rollup::{Reading, for_each_resolved, for_each_total};

/// The two hashes of a view, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewHashes {
    /// Over every exported column.
    pub all: String,
    /// Over key and value.
    pub content: String,
}

/// Hashes of every view at the folder's clock, by the name of the view.
///
/// # Errors
/// [`HistoryError`].
pub fn of_all_views(
    picture: &Picture<'_>,
) -> Result<BTreeMap<&'static str, ViewHashes>, HistoryError> {
    Ok(BTreeMap::from([
        ("latest", latest(picture)?),
        ("resolved", resolved(picture)?),
        ("totals", totals(picture)?),
    ]))
}

fn latest(picture: &Picture<'_>) -> Result<ViewHashes, HistoryError> {
    let mut rows = Rows::default();
    let selection = Selection::default();
    picture.for_each_latest::<HistoryError>(now(picture), &selection, |kind, _, row| {
        let (unit, batch) = (row.series.unit, row.batch);
        rows.text(kind.word()).text(unit.unit_type.word()).text(row.series.provider.key());
        rows.number(unit.unit_no as i64).number(row.series.period.minutes().into());
        rows.number(row.delivery_start.0).number(row.value.0);
        rows.end_key();
        rows.number(batch.valid_after.0).number(batch.recorded.0).number(batch.sequence.0 as i64);
        rows.bytes.extend_from_slice(batch.id.as_bytes());
        for text in [&batch.source_batch, &batch.user, &batch.note] {
            rows.number(text.is_some().into()).text(text.as_deref().unwrap_or_default());
        }
        rows.end();
        Ok(())
    })?;
    Ok(rows.hashes())
}

fn resolved(picture: &Picture<'_>) -> Result<ViewHashes, HistoryError> {
    let mut rows = Rows::default();
    let (selection, reading) = (Selection::default(), Reading::default());
    for_each_resolved::<HistoryError>(
        picture,
        now(picture),
        &selection,
        reading,
        |kind, _, row| {
            let unit = row.series.unit;
            rows.text(kind.word()).text(unit.unit_type.word()).text(row.series.provider.key());
            rows.number(unit.unit_no as i64).number(row.series.period.minutes().into());
            rows.number(row.delivery_start.0).value(row.value);
            rows.end_key();
            rows.number(row.coverage.to_bits() as i64);
            rows.end();
            Ok(())
        },
    )?;
    Ok(rows.hashes())
}

fn totals(picture: &Picture<'_>) -> Result<ViewHashes, HistoryError> {
    let mut rows = Rows::default();
    let (selection, reading) = (Selection::default(), Reading::default());
    for_each_total::<HistoryError>(picture, now(picture), &selection, reading, |kind, _, row| {
        rows.text(kind.word()).text(row.total.dimension()).text(&row.total.key());
        rows.text(row.provider.key()).number(row.period.minutes().into());
        rows.number(row.delivery_start.0).value(row.value);
        rows.end_key();
        rows.number(row.members.into()).number(row.reporting.into());
        rows.number(row.coverage.to_bits() as i64);
        rows.end();
        Ok(())
    })?;
    Ok(rows.hashes())
}

fn now(picture: &Picture<'_>) -> AsOf {
    AsOf::new(None, None, picture.base.clock.unwrap_or(Instant::MIN))
}

/// Bytes gathered before they are hashed: many at once are several times faster.
const HASHED_BYTES: usize = 64 << 10;

/// Rows as bytes, key and value first.
#[derive(Default)]
struct Rows {
    all: blake3::Hasher,
    content: blake3::Hasher,
    bytes: Vec<u8>,
    /// Where the row begins that is being written.
    row: usize,
    keys: Vec<u8>,
}

impl Rows {
    fn number(&mut self, number: i64) -> &mut Rows {
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn value(&mut self, value: Option<Quantity>) -> &mut Rows {
        self.number(value.is_some().into()).number(value.map_or(0, |value| value.0))
    }

    /// Length first, so that neighbouring texts cannot run into each other.
    fn text(&mut self, text: &str) -> &mut Rows {
        self.number(text.len() as i64).bytes.extend_from_slice(text.as_bytes());
        self
    }

    fn end_key(&mut self) {
        self.keys.extend_from_slice(&self.bytes[self.row..]);
    }

    fn end(&mut self) {
        self.row = self.bytes.len();
        if self.row >= HASHED_BYTES {
            self.hash();
        }
    }

    fn hash(&mut self) {
        self.all.update(&self.bytes);
        self.content.update(&self.keys);
        self.bytes.clear();
        self.keys.clear();
        self.row = 0;
    }

    fn hashes(mut self) -> ViewHashes {
        self.hash();
        let hex = |hasher: &blake3::Hasher| hasher.finalize().to_hex().to_string();
        ViewHashes { all: hex(&self.all), content: hex(&self.content) }
    }
}
