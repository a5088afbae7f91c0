//! The columns of a slot of a stored series and of the save its value is from.
//!
//! All but delivery and value are functions of the row's series or of its batch, and stretches of rows share
//! both: so a row notes which it has, and the columns of a series or a batch are looked up once.

use hashbrown::HashMap;
use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::series::Series;
use smartpulse_operators::time::Instant;
use uuid::fmt::Hyphenated;

use super::column::{NumberColumn, Numbers, Powers, Runs, Texts};
use super::page::RowGroup;

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
    delivery_start: NumberColumn,
    value_mw: Powers,
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
        self.delivery_start.push(Some(delivery_start.0));
        self.value_mw.push(value);
    }

    pub(super) fn rows(&self) -> usize {
        self.value_mw.rows()
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.series.provider.plain().len() + self.batches.text_bytes()
    }

    /// Hands the columns over in the order of [`SLOT_COLUMNS`].
    pub(super) fn write(&self, group: &mut RowGroup<'_>) -> parquet::errors::Result<()> {
        self.series.write(group)?;
        group.number_column(&self.delivery_start)?;
        group.powers(&self.value_mw)?;
        self.batches.write(group)
    }
}

/// The columns of a row's series.
#[derive(Default)]
struct SeriesColumns {
    /// The series of the last row.
    last: Option<Series>,
    unit_type: Texts,
    unit_no: Numbers,
    provider: Texts,
    period_minutes: Numbers,
    /// Keys of the four columns, for each stretch of one series.
    keys: Vec<[u32; 4]>,
    stretches: Runs,
}

impl SeriesColumns {
    fn push(&mut self, series: &Series) {
        if self.last.as_ref() != Some(series) {
            self.last = Some(series.clone());
            self.keys.push([
                self.unit_type.key(series.unit.unit_type.word()),
                self.unit_no.key(series.unit.unit_no as i64),
                self.provider.key(series.provider.key()),
                self.period_minutes.key(i64::from(series.period.minutes())),
            ]);
        }
        self.stretches.push(self.keys.len() as u32 - 1);
    }

    fn write(&self, group: &mut RowGroup<'_>) -> parquet::errors::Result<()> {
        let column = |column: usize| column_of(&self.keys, &self.stretches, column);
        group.texts(&self.unit_type, column(0))?;
        group.numbers(&self.unit_no, column(1))?;
        group.texts(&self.provider, column(2))?;
        group.numbers(&self.period_minutes, column(3))
    }
}

/// The columns of a row's batch, which is known by its sequence.
#[derive(Default)]
struct BatchColumns {
    /// Sequence of the last row's batch and its place in `keys`.
    last: Option<(Sequence, u32)>,
    places: HashMap<Sequence, u32, foldhash::fast::FixedState>,
    valid_after: Numbers,
    recorded: Numbers,
    sequence: Numbers,
    batch_id: Texts,
    source_batch: Texts,
    user: Texts,
    note: Texts,
    /// Keys of the seven columns, for each batch.
    keys: Vec<[u32; 7]>,
    stretches: Runs,
}

impl BatchColumns {
    fn push(&mut self, batch: &Batch) {
        let place = match self.last {
            Some((sequence, place)) if sequence == batch.sequence => place,
            _ => self.place(batch),
        };
        self.stretches.push(place);
    }

    fn place(&mut self, batch: &Batch) -> u32 {
        let next = self.keys.len() as u32;
        let place = *self.places.entry(batch.sequence).or_insert(next);
        if place == next {
            let mut id = [0; Hyphenated::LENGTH];
            self.keys.push([
                self.valid_after.key(batch.valid_after.0),
                self.recorded.key(batch.recorded.0),
                self.sequence.append(batch.sequence.0 as i64),
                self.batch_id.append(batch.id.hyphenated().encode_lower(&mut id)),
                self.source_batch.optional_key(batch.source_batch.as_deref()),
                self.user.optional_key(batch.user.as_deref()),
                self.note.optional_key(batch.note.as_deref()),
            ]);
        }
        self.last = Some((batch.sequence, place));
        place
    }

    fn text_bytes(&self) -> usize {
        let texts = [&self.batch_id, &self.source_batch, &self.user, &self.note];
        texts.iter().map(|texts| texts.plain().len()).sum()
    }

    fn write(&self, group: &mut RowGroup<'_>) -> parquet::errors::Result<()> {
        let column = |column: usize| column_of(&self.keys, &self.stretches, column);
        group.numbers(&self.valid_after, column(0))?;
        group.numbers(&self.recorded, column(1))?;
        group.numbers(&self.sequence, column(2))?;
        group.texts(&self.batch_id, column(3))?;
        group.texts(&self.source_batch, column(4))?;
        group.texts(&self.user, column(5))?;
        group.texts(&self.note, column(6))
    }
}

/// The keys of one of `keys`' columns, for the stretches of rows.
fn column_of<const COLUMNS: usize>(
    keys: &[[u32; COLUMNS]],
    stretches: &Runs,
    column: usize,
) -> impl Iterator<Item = (u32, u32)> + Clone {
    stretches.iter().map(move |(place, rows)| (keys[place as usize][column], rows))
}
