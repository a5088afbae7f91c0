//! Many random rows come back as they went in, over row groups, dictionaries of every size and nulls.

use std::fs::File;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rand::{RngExt, SeedableRng};
use smartpulse_connectors::{HistoryExport, HistoryRow};
use smartpulse_operators::batch::Batch;
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::series::{Kind, Series};
use smartpulse_operators::time::{Day, Instant};

use crate::fixture::{batch, files, series, stamp};

/// A row by the places of its series and batch.
struct Revision {
    series: usize,
    delivery_start: Instant,
    value: Option<Quantity>,
    batch: usize,
    confirmed: bool,
    batch_withdrawn_at: Option<Instant>,
}

#[test]
fn many_rows_come_back() {
    // Powers of few and of many distinct values; batches that hold for long and that alternate.
    for (seed, powers, stay) in [(1, 40, 0.99), (2, 20_000_000, 0.5), (3, 15_000, 0.0)] {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let all_series: Vec<Series> = (1..=700)
            .map(|unit_no| series(unit_no, ["A", "B", "Ç"][unit_no as usize % 3], 15))
            .collect();
        let batches: Vec<Batch> = (1..=3_000)
            .map(|sequence| Batch {
                note: (sequence % 7 == 0).then(|| "n".repeat(sequence as usize % 200)),
                user: None,
                source_batch: (sequence % 2 == 0).then(|| format!("key-{}", sequence / 10)),
                ..batch(sequence)
            })
            .collect();
        let day = Day(20_500);
        let mut last = 0;
        let rows: Vec<Revision> = (0..150_000)
            .map(|row| {
                if !random.random_bool(stay) {
                    last = random.random_range(0..batches.len());
                }
                Revision {
                    series: row / 250,
                    delivery_start: day.slot_start(all_series[0].period, row % 96),
                    value: random
                        .random_bool(0.9)
                        .then(|| Quantity(random.random_range(-powers..powers))),
                    batch: last,
                    confirmed: random.random_bool(0.5),
                    batch_withdrawn_at: random.random_bool(0.01).then_some(Instant(row as i64)),
                }
            })
            .collect();
        let out = tempfile::tempdir().unwrap();
        let mut export = HistoryExport::create(out.path(), "history", stamp()).unwrap();
        export.begin(Kind::Forecast, day).unwrap();
        for row in &rows {
            let (series, batch) = (&all_series[row.series], &batches[row.batch]);
            let Revision { delivery_start, value, confirmed, batch_withdrawn_at, .. } = *row;
            export
                .write(HistoryRow {
                    series,
                    delivery_start,
                    value,
                    batch,
                    confirmed,
                    batch_withdrawn_at,
                })
                .unwrap();
        }
        assert_eq!(export.finish().unwrap(), rows.len() as u64);

        let file = File::open(&files(out.path())[0]).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 2);
        let mut at = 0;
        for read in reader.build().unwrap() {
            let read = read.unwrap();
            for row in 0..read.num_rows() {
                compare(&read, row, &rows[at], &all_series, &batches);
                at += 1;
            }
        }
        assert_eq!(at, rows.len());
    }
}

fn compare(
    read: &RecordBatch,
    row: usize,
    expected: &Revision,
    series: &[Series],
    batches: &[Batch],
) {
    let (series, batch) = (&series[expected.series], &batches[expected.batch]);
    let column = |name: &str| read.column_by_name(name).unwrap();
    let text = |name: &str| {
        let texts = column(name).as_string::<i32>();
        texts.is_valid(row).then(|| texts.value(row).to_owned())
    };
    let instant = |name: &str| {
        let instants = column(name).as_primitive::<TimestampMicrosecondType>();
        instants.is_valid(row).then(|| Instant(instants.value(row)))
    };
    let powers = column("value_mw").as_primitive::<Float64Type>();
    let value = powers.is_valid(row).then(|| powers.value(row));
    let whole = |name: &str| column(name).as_primitive::<Int64Type>().value(row) as u64;
    let minutes = column("period_minutes").as_primitive::<Int32Type>().value(row);
    assert_eq!(text("unit_type").as_deref(), Some("PP"));
    assert_eq!(whole("unit_no"), series.unit.unit_no);
    assert_eq!(text("provider").as_deref(), Some(series.provider.key()));
    assert_eq!(minutes, 15);
    assert_eq!(instant("delivery_start"), Some(expected.delivery_start));
    assert_eq!(value, expected.value.map(|value| value.0 as f64 / 100_000.0));
    assert_eq!(instant("valid_after"), Some(batch.valid_after));
    assert_eq!(instant("recorded"), Some(batch.recorded));
    assert_eq!(whole("sequence"), batch.sequence.0);
    assert_eq!(text("batch_id"), Some(batch.id.to_string()));
    assert_eq!(text("source_batch"), batch.source_batch);
    assert_eq!(text("user"), batch.user);
    assert_eq!(text("note"), batch.note);
    assert_eq!(column("withdrawn").as_boolean().value(row), expected.value.is_none());
    assert_eq!(column("confirmed").as_boolean().value(row), expected.confirmed);
    assert_eq!(instant("batch_withdrawn_at"), expected.batch_withdrawn_at);
}
