//! Each view, column by column.

use expect_test::expect;
use parquet::basic::{Encoding, Type};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use smartpulse_connectors::{
    BatchRow, ExportStamp, HistoryExport, HistoryRow, LatestExport, LatestRow, export_batches,
    export_units,
};
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::series::{Kind, Series};
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Unit, UnitType, UnitVersion};

use crate::fixture::{at, batch, files, metadata, rows, series, stamp, types};

#[test]
fn latest_is_a_folder_a_kind_and_day() {
    let out = tempfile::tempdir().unwrap();
    let quarter = series(1, "UserForecast", 15);
    let unit = Unit { unit_type: UnitType::Company, unit_no: 30 };
    let actual = Series { kind: Kind::Actual, unit, ..series(1, "Meter", 60) };
    let plain = smartpulse_operators::batch::Batch {
        source_batch: None,
        user: None,
        note: Some("2. Messung".to_owned()),
        ..batch(3)
    };
    let (first, second) = (batch(1), batch(2));
    let mut export = LatestExport::create(out.path(), "latest", stamp()).unwrap();
    let row = |series, start, value, batch| LatestRow {
        series,
        delivery_start: at(start),
        value: Quantity(value),
        batch,
    };
    export.begin(Kind::Actual, at("1969-12-31T00:00Z").day()).unwrap();
    export.write(row(&actual, "1969-12-31T23:00Z", -1, &plain)).unwrap();
    export.begin(Kind::Forecast, at("2026-01-01T00:00Z").day()).unwrap();
    export.write(row(&quarter, "2026-01-01T00:00Z", 1_234_567, &first)).unwrap();
    export.write(row(&quarter, "2026-01-01T00:15Z", 0, &second)).unwrap();
    export.write(row(&quarter, "2026-01-01T00:30Z", 100_000, &first)).unwrap();
    export.begin(Kind::Forecast, at("2026-01-02T00:00Z").day()).unwrap();
    assert_eq!(export.finish().unwrap(), 4);
    expect![[r#"
        latest/kind=actual/delivery_date=1969-12-31/part-0.parquet
        {unit_type: "CMP", unit_no: 30, provider: "Meter", period_minutes: 60, delivery_start: 1969-12-31 23:00:00.000000 +00:00, value_mw: -1E-5, valid_after: 2025-12-31 23:00:03.000000 +00:00, recorded: 2026-01-01 00:00:03.000000 +00:00, sequence: 3, batch_id: "00000000-0000-0000-0000-000000000003", source_batch: null, user: null, note: "2. Messung"}
        latest/kind=forecast/delivery_date=2026-01-01/part-0.parquet
        {unit_type: "PP", unit_no: 1, provider: "UserForecast", period_minutes: 15, delivery_start: 2026-01-01 00:00:00.000000 +00:00, value_mw: 12.34567, valid_after: 2025-12-31 23:00:01.000000 +00:00, recorded: 2026-01-01 00:00:01.000000 +00:00, sequence: 1, batch_id: "00000000-0000-0000-0000-000000000001", source_batch: "key-1", user: "ayşe", note: null}
        {unit_type: "PP", unit_no: 1, provider: "UserForecast", period_minutes: 15, delivery_start: 2026-01-01 00:15:00.000000 +00:00, value_mw: 0E0, valid_after: 2025-12-31 23:00:02.000000 +00:00, recorded: 2026-01-01 00:00:02.000000 +00:00, sequence: 2, batch_id: "00000000-0000-0000-0000-000000000002", source_batch: "key-2", user: "ayşe", note: null}
        {unit_type: "PP", unit_no: 1, provider: "UserForecast", period_minutes: 15, delivery_start: 2026-01-01 00:30:00.000000 +00:00, value_mw: 1.0, valid_after: 2025-12-31 23:00:01.000000 +00:00, recorded: 2026-01-01 00:00:01.000000 +00:00, sequence: 1, batch_id: "00000000-0000-0000-0000-000000000001", source_batch: "key-1", user: "ayşe", note: null}
    "#]].assert_eq(&rows(out.path(), "latest"));
    expect![[r#"
        unit_type Utf8
        unit_no Int64
        provider Utf8
        period_minutes Int32
        delivery_start Timestamp(µs, "UTC")
        value_mw Float64
        valid_after Timestamp(µs, "UTC")
        recorded Timestamp(µs, "UTC")
        sequence Int64
        batch_id Utf8
        source_batch Utf8
        user Utf8
        note Utf8
    "#]]
    .assert_eq(&types(&files(out.path())[0]));
}

#[test]
fn history_says_what_a_revision_did() {
    let out = tempfile::tempdir().unwrap();
    let quarter = series(1, "UserForecast", 15);
    let row = |value: Option<i64>, batch, confirmed, batch_withdrawn_at| HistoryRow {
        series: &quarter,
        delivery_start: at("2026-01-01T00:00Z"),
        value: value.map(Quantity),
        batch,
        confirmed,
        batch_withdrawn_at,
    };
    let (first, second, third) = (batch(1), batch(2), batch(3));
    let mut export = HistoryExport::create(out.path(), "history", stamp()).unwrap();
    export.begin(Kind::Forecast, at("2026-01-01T00:00Z").day()).unwrap();
    export.write(row(Some(5), &first, false, None)).unwrap();
    export.write(row(Some(5), &second, true, Some(at("2026-01-03T00:00Z")))).unwrap();
    export.write(row(None, &third, false, None)).unwrap();
    assert_eq!(export.finish().unwrap(), 3);
    expect![[r#"
        history/kind=forecast/delivery_date=2026-01-01/part-0.parquet
        {unit_type: "PP", unit_no: 1, provider: "UserForecast", period_minutes: 15, delivery_start: 2026-01-01 00:00:00.000000 +00:00, value_mw: 0.00005, valid_after: 2025-12-31 23:00:01.000000 +00:00, recorded: 2026-01-01 00:00:01.000000 +00:00, sequence: 1, batch_id: "00000000-0000-0000-0000-000000000001", source_batch: "key-1", user: "ayşe", note: null, withdrawn: false, confirmed: false, batch_withdrawn_at: null}
        {unit_type: "PP", unit_no: 1, provider: "UserForecast", period_minutes: 15, delivery_start: 2026-01-01 00:00:00.000000 +00:00, value_mw: 0.00005, valid_after: 2025-12-31 23:00:02.000000 +00:00, recorded: 2026-01-01 00:00:02.000000 +00:00, sequence: 2, batch_id: "00000000-0000-0000-0000-000000000002", source_batch: "key-2", user: "ayşe", note: null, withdrawn: false, confirmed: true, batch_withdrawn_at: 2026-01-03 00:00:00.000000 +00:00}
        {unit_type: "PP", unit_no: 1, provider: "UserForecast", period_minutes: 15, delivery_start: 2026-01-01 00:00:00.000000 +00:00, value_mw: null, valid_after: 2025-12-31 23:00:03.000000 +00:00, recorded: 2026-01-01 00:00:03.000000 +00:00, sequence: 3, batch_id: "00000000-0000-0000-0000-000000000003", source_batch: "key-3", user: "ayşe", note: null, withdrawn: true, confirmed: false, batch_withdrawn_at: null}
    "#]].assert_eq(&rows(out.path(), "history"));
    expect![[r#"
        unit_type Utf8
        unit_no Int64
        provider Utf8
        period_minutes Int32
        delivery_start Timestamp(µs, "UTC")
        value_mw Float64
        valid_after Timestamp(µs, "UTC")
        recorded Timestamp(µs, "UTC")
        sequence Int64
        batch_id Utf8
        source_batch Utf8
        user Utf8
        note Utf8
        withdrawn Boolean
        confirmed Boolean
        batch_withdrawn_at Timestamp(µs, "UTC")
    "#]]
    .assert_eq(&types(&files(out.path())[0]));
}

#[test]
fn units_that_were_always_so_have_no_instants() {
    let out = tempfile::tempdir().unwrap();
    let plant = UnitVersion {
        unit: Unit { unit_type: UnitType::PowerPlant, unit_no: 1 },
        name: "Bandırma".to_owned(),
        plant_type: Some("wind".to_owned()),
        installed_power: Some(Quantity(4_250_000)),
        zone: "Europe/Istanbul".to_owned(),
        region: Some("Marmara".to_owned()),
        valid_from: at("2026-06-01T00:00Z"),
        recorded: at("2026-05-01T12:00Z"),
    };
    let company = UnitVersion {
        unit: Unit { unit_type: UnitType::Company, unit_no: 2 },
        name: String::new(),
        plant_type: None,
        installed_power: None,
        region: None,
        valid_from: Instant::MIN,
        recorded: Instant::MIN,
        ..plant.clone()
    };
    assert_eq!(export_units(out.path(), stamp(), [&plant, &company]).unwrap(), 2);
    expect![[r#"
        units/part-0.parquet
        {unit_type: "PP", unit_no: 1, name: "Bandırma", plant_type: "wind", installed_power_mw: 42.5, zone: "Europe/Istanbul", region: "Marmara", valid_from: 2026-06-01 00:00:00.000000 +00:00, recorded: 2026-05-01 12:00:00.000000 +00:00}
        {unit_type: "CMP", unit_no: 2, name: "", plant_type: null, installed_power_mw: null, zone: "Europe/Istanbul", region: null, valid_from: null, recorded: null}
    "#]].assert_eq(&rows(out.path(), "units"));
    expect![[r#"
        unit_type Utf8
        unit_no Int64
        name Utf8
        plant_type Utf8
        installed_power_mw Float64
        zone Utf8
        region Utf8
        valid_from Timestamp(µs, "UTC")
        recorded Timestamp(µs, "UTC")
    "#]]
    .assert_eq(&types(&files(out.path())[0]));
}

#[test]
fn batches_are_the_saves() {
    let out = tempfile::tempdir().unwrap();
    let (first, second) = (batch(1), batch(2));
    let row = |batch, withdrawn_at| BatchRow { batch, saved: 90, skipped: 6, withdrawn_at };
    let batches = [row(&first, None), row(&second, Some(at("2026-01-03T00:00Z")))];
    assert_eq!(export_batches(out.path(), stamp(), batches).unwrap(), 2);
    expect![[r#"
        batches/part-0.parquet
        {batch_id: "00000000-0000-0000-0000-000000000001", source_batch: "key-1", sequence: 1, recorded: 2026-01-01 00:00:01.000000 +00:00, provider: "UserForecast", user: "ayşe", note: null, saved: 90, skipped: 6, withdrawn_at: null}
        {batch_id: "00000000-0000-0000-0000-000000000002", source_batch: "key-2", sequence: 2, recorded: 2026-01-01 00:00:02.000000 +00:00, provider: "UserForecast", user: "ayşe", note: null, saved: 90, skipped: 6, withdrawn_at: 2026-01-03 00:00:00.000000 +00:00}
    "#]].assert_eq(&rows(out.path(), "batches"));
    expect![[r#"
        batch_id Utf8
        source_batch Utf8
        sequence Int64
        recorded Timestamp(µs, "UTC")
        provider Utf8
        user Utf8
        note Utf8
        saved Int64
        skipped Int64
        withdrawn_at Timestamp(µs, "UTC")
    "#]]
    .assert_eq(&types(&files(out.path())[0]));
}

#[test]
fn views_without_rows_are_there() {
    let out = tempfile::tempdir().unwrap();
    let mut export = LatestExport::create(out.path(), "latest", stamp()).unwrap();
    export.begin(Kind::Forecast, at("2026-01-01T00:00Z").day()).unwrap();
    assert_eq!(export.finish().unwrap(), 0);
    assert_eq!(HistoryExport::create(out.path(), "history", stamp()).unwrap().finish().unwrap(), 0);
    assert_eq!(export_units(out.path(), stamp(), []).unwrap(), 0);
    assert_eq!(export_batches(out.path(), stamp(), []).unwrap(), 0);
    assert!(out.path().join("latest").is_dir() && out.path().join("history").is_dir());
    assert_eq!(rows(out.path(), ""), "batches/part-0.parquet\nunits/part-0.parquet\n");
}

#[test]
fn every_file_says_what_it_shows() {
    let out = tempfile::tempdir().unwrap();
    crate::fixture::export_latest(out.path(), &["2026-01-01T00:00Z", "2026-01-02T00:00Z"], 1);
    let known_at = Some(at("2026-01-01T00:00Z"));
    export_units(out.path(), ExportStamp { known_at, ..stamp() }, []).unwrap();
    for file in files(out.path()) {
        let of_units = file.starts_with(out.path().join("units"));
        let says = |key: &str| metadata(&file, &format!("smartpulse.{key}")).unwrap();
        assert_eq!(says("epoch"), "7");
        assert_eq!(says("valid_at"), "2026-01-02T03:04:05.000006Z");
        assert_eq!(says("known_at"), if of_units { "2026-01-01T00:00:00Z" } else { "" });
        assert_eq!(says("schema_version"), "1");
    }
    assert_eq!(files(out.path()).len(), 3);
}

#[test]
fn texts_are_keyed_steady_numbers_are_differences_and_both_are_bounded_in_the_metadata() {
    let out = tempfile::tempdir().unwrap();
    crate::fixture::export_latest(out.path(), &["2026-01-01T00:15Z", "2026-01-01T00:00Z"], 1);
    let file = std::fs::File::open(&files(out.path())[0]).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let group = reader.metadata().row_group(0).clone();
    let mut bounds = String::new();
    for column in group.columns() {
        let path = column.column_path().string();
        let is_number = column.column_type() != Type::BYTE_ARRAY && path != "value_mw";
        let (is, is_not) = match is_number {
            true => (Encoding::DELTA_BINARY_PACKED, Encoding::RLE_DICTIONARY),
            false => (Encoding::RLE_DICTIONARY, Encoding::DELTA_BINARY_PACKED),
        };
        let has = |wanted| column.encodings().any(|encoding| encoding == wanted);
        assert!(has(is) && !has(is_not), "{path}");
        let Some(statistics) = column.statistics() else {
            bounds += &format!("{path} without\n");
            continue;
        };
        let shown = |bound: Option<&[u8]>| match (statistics, bound) {
            (_, None) => "none".to_owned(),
            (Statistics::ByteArray(_), Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            (Statistics::Double(_), Some(bytes)) => {
                f64::from_le_bytes(bytes.try_into().unwrap()).to_string()
            }
            (_, Some(bytes)) => {
                bytes.iter().rev().fold(0, |sum, byte| sum << 8 | i64::from(*byte)).to_string()
            }
        };
        let (least, greatest) = (statistics.min_bytes_opt(), statistics.max_bytes_opt());
        let nulls = statistics.null_count_opt().unwrap();
        bounds += &format!("{path} {} to {}, {nulls} null\n", shown(least), shown(greatest));
    }
    expect![[r#"
        unit_type without
        unit_no 1 to 1, 0 null
        provider without
        period_minutes 15 to 15, 0 null
        delivery_start 1767225600000000 to 1767226500000000, 0 null
        value_mw 0.00001 to 0.00002, 0 null
        valid_after 1767222001000000 to 1767222001000000, 0 null
        recorded 1767225601000000 to 1767225601000000, 0 null
        sequence 1 to 1, 0 null
        batch_id without
        source_batch without
        user without
        note without
    "#]]
    .assert_eq(&bounds);
}
