//! The notifications read without the crate under test, and their energy by another integration.

use std::collections::BTreeMap;
use std::fs::File;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMicrosecondType, TimestampNanosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use smartpulse_operators::time::Instant;

use super::FOLDER;
use crate::datasets;

/// A line of a notification: minutes since 1970, levels in kW.
#[derive(Clone, Copy)]
pub(super) struct Line {
    from: i64,
    to: i64,
    level_from: i128,
    level_to: i128,
}

/// Lines by unit and half-hour (its first minute), read without the crate under test.
pub(super) type Lines = BTreeMap<(String, i64), Vec<Line>>;

fn kilowatts(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap();
    assert!(fraction.len() <= 3, "{text}");
    format!("{whole}{fraction:0<3}").parse().unwrap()
}

pub(super) fn minute(instant: i64) -> i64 {
    assert_eq!(instant % 60_000_000, 0);
    instant / 60_000_000
}

pub(super) fn lines_of_csv() -> Lines {
    let mut reader = csv::Reader::from_path(datasets().join(FOLDER).join("fpn.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|column| column == name).unwrap();
    let (kind, unit) = (place("recordType"), place("bmUnitID"));
    let times = [place("timeFrom"), place("timeTo")];
    let levels = [place("pnLevelFrom"), place("pnLevelTo")];
    let mut lines = Lines::new();
    for row in reader.records() {
        let row = row.unwrap();
        if &row[kind] != "PN" {
            continue;
        }
        let [from, to] = times.map(|place| {
            let text = format!("{}Z", &row[place]).replace(' ', "T");
            minute(Instant::parse(&text).unwrap().0)
        });
        let [level_from, level_to] = levels.map(|place| kilowatts(&row[place]));
        let key = (row[unit].to_owned(), from.div_euclid(30) * 30);
        lines.entry(key).or_default().push(Line { from, to, level_from, level_to });
    }
    lines
}

pub(super) fn lines_of_parquet() -> Lines {
    let file = File::open(datasets().join(FOLDER).join("fpn.parquet")).unwrap();
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut lines = Lines::new();
    for batch in batches {
        let batch = batch.unwrap();
        let units = batch.column_by_name("unit").unwrap().as_string::<i32>();
        let [from, to] = ["timeFrom", "timeTo"].map(|name| micros(&batch, name));
        let [level_from, level_to] = ["levelFrom", "levelTo"].map(|name| {
            let levels = batch.column_by_name(name).unwrap().as_primitive::<Float64Type>();
            levels.values().iter().map(|level| kilowatts(&format!("{level:?}"))).collect::<Vec<_>>()
        });
        for row in 0..batch.num_rows() {
            let (from, to) = (minute(from[row]), minute(to[row]));
            let line = Line { from, to, level_from: level_from[row], level_to: level_to[row] };
            let key = (units.value(row).to_owned(), from.div_euclid(30) * 30);
            lines.entry(key).or_default().push(line);
        }
    }
    lines
}

fn micros(batch: &RecordBatch, name: &str) -> Vec<i64> {
    let column = batch.column_by_name(name).unwrap();
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            column.as_primitive::<TimestampMicrosecondType>().values().to_vec()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let nanos = column.as_primitive::<TimestampNanosecondType>().values().iter();
            nanos.map(|count| count / 1_000).collect()
        }
        other => panic!("{other}"),
    }
}

/// The energy of lines as an exact fraction of kW minutes: power at the middle of each minute, minute by
/// minute. A minute said twice or not at all fails.
pub(super) fn energy(lines: &[Line], start: i64) -> (i128, i128) {
    let (mut numerator, mut denominator) = (0_i128, 1_i128);
    for minute in start..start + 30 {
        let mut covering = lines.iter().filter(|line| line.from <= minute && minute < line.to);
        let line = covering.next().unwrap();
        assert!(covering.next().is_none());
        // level_from + (level_to - level_from) × (minute + ½ - from) / (to - from)
        let twice = 2 * i128::from(line.to - line.from);
        let power = line.level_from * twice
            + (line.level_to - line.level_from) * i128::from(2 * (minute - line.from) + 1);
        (numerator, denominator) = (numerator * twice + power * denominator, denominator * twice);
        let divisor = common_divisor(numerator.abs(), denominator);
        (numerator, denominator) = (numerator / divisor, denominator / divisor);
    }
    (numerator, denominator)
}

fn common_divisor(one: i128, other: i128) -> i128 {
    if other == 0 { one.max(1) } else { common_divisor(other, one % other) }
}
