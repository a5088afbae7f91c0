//! The columns of a slot of a stored series and of the save its value is from.
//!
//! All but delivery and value are functions of the row's series or of its batch, and stretches of rows share
//! both: so a row holds the places of its two, and the columns are Arrow dictionaries of one entry a series
//! or batch, whose keys are these places. (An Arrow dictionary may repeat values; the file's do not.)

use std::sync::Arc;

use arrow_array::builder::{
    Float64Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array};
use hashbrown::HashMap;
use parquet::errors::Result;
use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::series::Series;
use smartpulse_operators::time::Instant;
use uuid::fmt::Hyphenated;

use super::view::{array, instants};

/// The schema of [`SlotColumns`], in Parquet's schema language.
pub(super) const SLOT_COLUMNS: &str = "
    required binary unit_type (STRING);
    required int64 unit_no;
    required binary provider (STRING);
    required int32 period_minutes;
    required int64 delivery_start (TIMESTAMP(MICROS,true));
    optional double value_mw;
    required int64 valid_after (TIMESTAMP(MICROS,true));
    required int64 recorded (TIMESTAMP(MICROS,true));
    required int64 sequence;
    required binary batch_id (STRING);
    optional binary source_batch (STRING);
    optional binary user (STRING);
    optional binary note (STRING);";

/// The rows of a row group.
#[derive(Default)]
pub(super) struct SlotColumns {
    series: SeriesColumns,
    batches: BatchColumns,
    delivery_start: TimestampMicrosecondBuilder,
    value_mw: Float64Builder,
    rows: usize,
}

impl SlotColumns {
    pub(super) fn push(
        &mut self,
        series: &Series,
        delivery_start: Instant,
        value: Option<Quantity>,
        batch: &Batch,
    ) {
        self.series.push(series);
        self.batches.push(batch);
        self.delivery_start.append_value(delivery_start.0);
        self.value_mw.append_option(value.map(Quantity::megawatts));
        self.rows += 1;
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.series.text_bytes() + self.batches.text_bytes()
    }

    /// The columns in the order of [`SLOT_COLUMNS`].
    pub(super) fn arrays(self) -> Result<Vec<ArrayRef>> {
        let mut arrays = self.series.arrays()?;
        arrays.extend([instants(self.delivery_start), array(self.value_mw)]);
        arrays.extend(self.batches.arrays()?);
        Ok(arrays)
    }
}

/// The columns of a row's series: an entry for each stretch of one.
#[derive(Default)]
pub(super) struct SeriesColumns {
    /// The series of the last row.
    last: Option<Series>,
    entries: i32,
    unit_type: StringBuilder,
    unit_no: Int64Builder,
    provider: StringBuilder,
    period_minutes: Int32Builder,
    /// The entry of each row.
    keys: Vec<i32>,
}

impl SeriesColumns {
    pub(super) fn push(&mut self, series: &Series) {
        if self.last.as_ref() != Some(series) {
            self.last = Some(series.clone());
            self.entries += 1;
            self.unit_type.append_value(series.unit.unit_type.word());
            self.unit_no.append_value(series.unit.unit_no as i64);
            self.provider.append_value(series.provider.key());
            self.period_minutes.append_value(i32::from(series.period.minutes()));
        }
        self.keys.push(self.entries - 1);
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.provider.values_slice().len()
    }

    pub(super) fn arrays(self) -> Result<Vec<ArrayRef>> {
        let entries = [
            array(self.unit_type),
            array(self.unit_no),
            array(self.provider),
            array(self.period_minutes),
        ];
        keyed(self.keys, entries)
    }
}

/// The columns of a row's batch, which is known by its sequence: an entry for each.
#[derive(Default)]
struct BatchColumns {
    /// Sequence of the last row's batch and its entry.
    last: Option<(Sequence, i32)>,
    entries: HashMap<Sequence, i32, foldhash::fast::FixedState>,
    valid_after: TimestampMicrosecondBuilder,
    recorded: TimestampMicrosecondBuilder,
    sequence: Int64Builder,
    batch_id: StringBuilder,
    source_batch: StringBuilder,
    user: StringBuilder,
    note: StringBuilder,
    /// The entry of each row.
    keys: Vec<i32>,
}

impl BatchColumns {
    fn push(&mut self, batch: &Batch) {
        let entry = match self.last {
            Some((sequence, entry)) if sequence == batch.sequence => entry,
            _ => self.entry(batch),
        };
        self.keys.push(entry);
    }

    fn entry(&mut self, batch: &Batch) -> i32 {
        let next = self.entries.len() as i32;
        let entry = *self.entries.entry(batch.sequence).or_insert(next);
        if entry == next {
            let mut id = [0; Hyphenated::LENGTH];
            self.valid_after.append_value(batch.valid_after.0);
            self.recorded.append_value(batch.recorded.0);
            self.sequence.append_value(batch.sequence.0 as i64);
            self.batch_id.append_value(batch.id.hyphenated().encode_lower(&mut id));
            self.source_batch.append_option(batch.source_batch.as_deref());
            self.user.append_option(batch.user.as_deref());
            self.note.append_option(batch.note.as_deref());
        }
        self.last = Some((batch.sequence, entry));
        entry
    }

    fn text_bytes(&self) -> usize {
        let texts = [&self.batch_id, &self.source_batch, &self.user, &self.note];
        texts.iter().map(|texts| texts.values_slice().len()).sum()
    }

    fn arrays(self) -> Result<Vec<ArrayRef>> {
        let entries = [
            instants(self.valid_after),
            instants(self.recorded),
            array(self.sequence),
            array(self.batch_id),
            array(self.source_batch),
            array(self.user),
            array(self.note),
        ];
        keyed(self.keys, entries)
    }
}

/// Columns whose rows have the `entries` that `keys` say.
pub(super) fn keyed<const COLUMNS: usize>(
    keys: Vec<i32>,
    entries: [ArrayRef; COLUMNS],
) -> Result<Vec<ArrayRef>> {
    let mut entries = entries.into_iter();
    let Some(first) = entries.next() else { return Ok(Vec::new()) };
    let first = DictionaryArray::<Int32Type>::try_new(Int32Array::from(keys), first)?;
    // All columns have as many entries, so what holds of the keys of the first holds of each.
    let others = entries.map(|entries| Arc::new(first.with_values(entries)) as ArrayRef);
    let mut columns: Vec<ArrayRef> = others.collect();
    columns.insert(0, Arc::new(first));
    Ok(columns)
}
