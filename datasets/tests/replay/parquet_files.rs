//! Parquet says what CSV says: the types a column may have, and the exactness of each.

use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array,
    NullArray, RecordBatch, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use expect_test::expect;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use smartpulse_operators::time::Instant;

use crate::Folder;

fn micros(text: &str) -> i64 {
    Instant::parse(text).unwrap().0
}

fn texts(cells: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(cells.to_vec()))
}

/// A file of these columns; the others of the format are filled with what is plain.
fn write(path: &Path, rows: usize, columns: Vec<(&str, ArrayRef)>) {
    let hours = (0..rows as i64).map(|hour| micros("2026-02-01T00:00:00Z") + hour * 3_600_000_000);
    let mut all: Vec<(&str, ArrayRef)> = vec![
        ("unit_type", texts(&vec!["PP"; rows])),
        ("unit_no", Arc::new(Int64Array::from(vec![1; rows]))),
        ("provider", texts(&vec!["P"; rows])),
        ("kind", texts(&vec!["forecast"; rows])),
        ("valid_after", texts(&vec!["2026-01-01T00:00:00Z"; rows])),
        ("recorded", Arc::new(NullArray::new(rows))),
        ("delivery_start", Arc::new(TimestampMicrosecondArray::from_iter_values(hours))),
        ("period_minutes", Arc::new(Int32Array::from(vec![60; rows]))),
        ("measure_unit", Arc::new(Int64Array::from(vec![1; rows]))),
        ("value", Arc::new(Float64Array::from(vec![1.0; rows]))),
        ("batch", texts(&vec!["b"; rows])),
    ];
    for (name, column) in columns {
        all.retain(|(known, _)| *known != name);
        all.push((name, column));
    }
    let batch = RecordBatch::try_from_iter_with_nullable(
        all.into_iter().map(|(name, column)| (name, column, true)),
    )
    .unwrap();
    // Small row groups, so that a table is several.
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(3)).build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn replay(rows: usize, columns: Vec<(&str, ArrayRef)>) -> String {
    let folder = Folder::empty();
    write(&folder.path().join("forecasts.parquet"), rows, columns);
    let text = folder.replay();
    text.lines().skip(1).map(|line| format!("{line}\n")).collect()
}

#[test]
fn numbers_keep_their_shortest_decimal_text() {
    let doubles = Float64Array::from(vec![
        Some(0.1),
        Some(1.000005),
        None,
        Some(f64::NAN),
        Some(f64::INFINITY),
        Some(1e300),
        Some(-0.0),
    ]);
    let singles = Float32Array::from(vec![Some(0.1), Some(16_777.217), None]);
    let decimals = Decimal128Array::from(vec![Some(1_000_005), Some(-15), None])
        .with_precision_and_scale(20, 6)
        .unwrap();
    let text = [
        replay(7, vec![("value", Arc::new(doubles))]),
        replay(3, vec![("value", Arc::new(singles))]),
        replay(3, vec![("value", Arc::new(decimals))]),
        replay(2, vec![("value", Arc::new(UInt64Array::from(vec![7, u64::MAX])))]),
        replay(3, vec![("value", texts(&["1.5", "", "x"]))]),
    ];
    expect![[r#"
        save b P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 10000 100001 null - - - 0; INVALID_VALUE × 2; VALUE_OUT_OF_RANGE × 1
        save b P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 10000 1677721700 null
        save b P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 100001 -2 null
        save b P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 700000; VALUE_OUT_OF_RANGE × 1
        save b P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 150000 null; INVALID_VALUE × 1
    "#]]
    .assert_eq(&text.concat());
}

#[test]
fn timestamps_of_every_unit_are_utc() {
    let recorded = micros("2026-01-05T12:34:56Z");
    let stamp = |array: ArrayRef| replay(2, vec![("recorded", array)]);
    let seconds = TimestampSecondArray::from(vec![recorded / 1_000_000; 2]);
    let millis = TimestampMillisecondArray::from(vec![recorded / 1_000; 2]);
    let zoned = TimestampMicrosecondArray::from(vec![recorded; 2]).with_timezone("Europe/Berlin");
    let nanos = TimestampNanosecondArray::from(vec![recorded * 1_000; 2]);
    let text = stamp(Arc::new(seconds));
    expect![[r#"
        save b P at 2026-01-05T12:34:56Z valid 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 100000 100000
    "#]]
    .assert_eq(&text);
    assert_eq!(stamp(Arc::new(millis)), text);
    assert_eq!(stamp(Arc::new(zoned)), text);
    assert_eq!(stamp(Arc::new(nanos)), text);
    // Cut to the microsecond like text, before 1970 too; out of all years it is unreadable.
    let early = TimestampNanosecondArray::from(vec![-1; 2]);
    assert!(stamp(Arc::new(early)).contains("at 1969-12-31T23:59:59.999999Z"));
    let never = TimestampSecondArray::from(vec![i64::MAX; 2]);
    assert_eq!(stamp(Arc::new(never)), "");
}

#[test]
fn dictionaries_are_text() {
    let provider: DictionaryArray<Int32Type> = ["P", "P", "Q"].into_iter().collect();
    let batch: DictionaryArray<Int32Type> = [Some("b"), Some("b"), None].into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("PROVIDER", Arc::new(provider)), ("Batch", Arc::new(batch))];
    let folder = Folder::empty();
    let path = folder.path().join("forecasts.parquet");
    write(&path, 3, columns.iter().map(|(name, array)| (*name, Arc::clone(array))).collect());
    // Both spellings of a column: the table does not say which is meant.
    assert_eq!(folder.fault(), "forecasts.parquet: there are two columns provider");
    let lower = columns
        .into_iter()
        .map(|(name, array)| (if name == "Batch" { "batch" } else { "provider" }, array));
    expect![[r#"
        save b P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 100000 100000
        save - Q at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T02:00Z 100000
    "#]]
    .assert_eq(&replay(3, lower.collect()));
}

#[test]
fn the_small_files_may_be_parquet_too() {
    let folder = Folder::empty();
    write(&folder.path().join("forecasts.parquet"), 1, Vec::new());
    // Columns that a table need not have are passed over, whatever their type.
    write(&folder.path().join("units.parquet"), 1, vec![("batch", Arc::new(NullArray::new(1)))]);
    assert!(folder.replay().starts_with("unit PP 1 \"PP 1\""));
    let bools: ArrayRef = Arc::new(arrow_array::BooleanArray::from(vec![true]));
    write(&folder.path().join("forecasts.parquet"), 1, vec![("value", bools)]);
    assert!(folder.fault().contains("column value: "), "{}", folder.fault());
}

#[test]
fn a_damaged_file_is_an_error_wherever_it_is_damaged() {
    let folder = Folder::empty();
    let path = folder.path().join("forecasts.parquet");
    write(&path, 9, Vec::new());
    let whole = std::fs::read(&path).unwrap();
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x5a;
        std::fs::write(&path, damaged).unwrap();
        if let Ok(changes) = folder.open() {
            // Values may differ: a checksum is optional in Parquet. It must end, and not in a panic.
            assert!(changes.count() < 100);
        }
    }
}
