//! Files given to `replay` that cannot be decoded: the run ends with file and row, and what was accepted
//! before stays.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use super::process::run;

const COLUMNS: &str = "unit_type,unit_no,provider,kind,valid_after,recorded,delivery_start,period_minutes,measure_unit,value,batch,note";
/// Good rows before the bad one.
const ROWS: u32 = 500;

/// Cells of row `row`, each a save of its own.
fn row(row: u32) -> [String; 12] {
    let recorded = format!("2026-01-01T{:02}:{:02}:00Z", row / 60, row % 60);
    let start = format!("2026-02-{:02}T{:02}:00:00Z", 1 + row / 24, row % 24);
    let cells = ["PP", "1", "A", "", &recorded, "", &start, "60", "MW", &row.to_string(), "", "n"];
    cells.map(str::to_owned)
}

fn rows_kept(data: &Path, room: &Path) -> Value {
    let out = room.join("out").display().to_string();
    run(data, ["export", "latest", "--out", &out, "--json"]).succeeded().json()["rows"].clone()
}

#[test]
fn a_file_in_another_charset_ends_at_its_row() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let source = room.path().join("latin.csv");
    let mut text = format!("{COLUMNS}\n").into_bytes();
    for number in 0..=ROWS {
        let mut line = row(number).join(",").into_bytes();
        if number == ROWS {
            line.extend_from_slice(b"Gr\xfcn");
        }
        line.push(b'\n');
        text.extend(line);
    }
    fs::write(&source, &text).unwrap();
    let source = source.display().to_string();
    for _ in 0..2 {
        let ended = run(&data, ["replay", &source, "--json"]);
        let ended = ended.failed_saying(&[&format!("{source}, row {}", ROWS + 1), "note", "UTF-8"]);
        assert_eq!(ended.json()["saved"], ROWS, "what came before stays, once");
    }
    assert_eq!(rows_kept(&data, room.path()), ROWS);
    run(&data, ["check"]).succeeded();
}

/// Writes rows as Parquet in groups of a hundred.
fn write_parquet(path: &Path) {
    let names: Vec<&str> = COLUMNS.split(',').collect();
    let column = |index: usize| -> ArrayRef {
        let cells = (0..ROWS).map(|number| row(number)[index].clone());
        if names[index] == "period_minutes" {
            return Arc::new(Int32Array::from_iter_values(cells.map(|cell| cell.parse().unwrap())));
        }
        Arc::new(StringArray::from_iter_values(cells))
    };
    let columns = names.iter().enumerate().map(|(index, name)| (*name, column(index)));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn half_a_parquet_file_is_named_and_nothing_is_taken() {
    let room = tempfile::tempdir().unwrap();
    let (data, whole, half) = (
        room.path().join("data"),
        room.path().join("whole.parquet"),
        room.path().join("half.parquet"),
    );
    write_parquet(&whole);
    let bytes = fs::read(&whole).unwrap();
    fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
    let taken = run(&data, ["replay", &whole.display().to_string(), "--json"]).succeeded().json();
    assert_eq!(taken["saved"], ROWS);
    let name = half.display().to_string();
    run(&data, ["replay", &name, "--json"]).failed_saying(&[&name, "no whole Parquet file"]);
    assert_eq!(rows_kept(&data, room.path()), ROWS, "what was accepted before stays");
    run(&data, ["check"]).succeeded();
}

#[test]
fn a_damaged_page_of_a_parquet_file_ends_at_its_rows() {
    let room = tempfile::tempdir().unwrap();
    let (data, source) = (room.path().join("data"), room.path().join("damaged.parquet"));
    write_parquet(&source);
    let mut bytes = fs::read(&source).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle - 64..middle + 64].fill(0xff);
    fs::write(&source, bytes).unwrap();
    let name = source.display().to_string();
    let ended = run(&data, ["replay", &name, "--json"]).failed_saying(&[&name, "row"]);
    let saved = ended.json()["saved"].as_u64().unwrap();
    assert!(saved < u64::from(ROWS), "{saved}");
    assert_eq!(rows_kept(&data, room.path()), saved);
    run(&data, ["check"]).succeeded();
}
