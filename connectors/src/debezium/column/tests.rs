//! Values that a real engine wrote of a real table, against the texts that Postgres has for them.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::*;

const UNAVAILABLE: &str = "__debezium_unavailable_value";

fn text(form: ColumnForm, value: &Value) -> Result<String, &'static str> {
    match form.told(value, UNAVAILABLE)? {
        Told::Text(text) => Ok(text),
        other => Ok(format!("{other:?}")),
    }
}

#[test]
fn what_an_engine_wrote_is_what_postgres_shows() {
    let epoch = |per_second| ColumnForm::Epoch { per_second };
    let decimal = ColumnForm::Decimal { scale: 4 };
    for (form, value, expected) in [
        (decimal, json!("AeJA"), "12.3456"),
        (decimal, json!("/w=="), "-0.0001"),
        (decimal, json!("AA=="), "0.0000"),
        (decimal, json!("AMCXznvJBxWzS58P/////w=="), "99999999999999999999999999999999.9999"),
        (
            ColumnForm::Plain,
            json!({"scale": 1, "value": "8GrlYFxdeTaw8YmTxw=="}),
            "-123456789012345678901234567890.5",
        ),
        (ColumnForm::Plain, json!({"scale": 20, "value": "AQ=="}), "0.00000000000000000001"),
        (ColumnForm::Plain, json!({"scale": -2, "value": "AQ=="}), "100"),
        (epoch(1_000), json!(1_740_790_923_456_i64), "2025-03-01 01:02:03.456"),
        (epoch(1_000), json!(1_740_790_923_000_i64), "2025-03-01 01:02:03"),
        (epoch(1_000_000), json!(1_740_790_923_456_789_i64), "2025-03-01 01:02:03.456789"),
        (epoch(1_000_000), json!(-315_619_199_999_999_i64), "1960-01-01 00:00:00.000001"),
        (epoch(1_000_000), json!(9_223_372_036_825_200_000_i64), "infinity"),
        (epoch(1_000), json!(9_223_372_036_825_200_i64), "infinity"),
        (epoch(1_000_000), json!(-9_223_372_036_832_400_000_i64), "-infinity"),
        (ColumnForm::Zoned, json!("2025-02-28T22:02:03.456789Z"), "2025-02-28 22:02:03.456789+00"),
        (ColumnForm::Zoned, json!("infinity"), "infinity"),
        (epoch(1_000), json!("2025-03-01T01:02:03.456Z"), "2025-03-01 01:02:03.456"),
        (ColumnForm::Days, json!(20_148), "2025-03-01"),
        (ColumnForm::Plain, json!(true), "t"),
        (ColumnForm::Plain, json!("{\"a\": 1.50}"), "{\"a\": 1.50}"),
        (ColumnForm::Plain, json!([1, 2, null]), "{1,2,NULL}"),
        (ColumnForm::Plain, json!(["x y", "z", "", "a\"b"]), r#"{"x y",z,"","a\"b"}"#),
        (ColumnForm::Plain, json!([[1], [2]]), "{{1},{2}}"),
        (ColumnForm::Plain, json!([{"scale": 2, "value": "fQ=="}]), "{1.25}"),
        (ColumnForm::Plain, json!(1.1), "1.1"),
        (ColumnForm::Plain, json!(1e20), "1e+20"),
        (ColumnForm::Plain, json!(1.5e-7), "1.5e-07"),
        (ColumnForm::Plain, json!(9_007_199_254_740_993_i64), "9007199254740993"),
        (ColumnForm::Plain, Value::Null, "Null"),
        (ColumnForm::Plain, json!(UNAVAILABLE), "Unchanged"),
        (decimal, json!(STANDARD.encode(UNAVAILABLE)), "Unchanged"),
        (ColumnForm::Plain, json!([UNAVAILABLE]), "Unchanged"),
    ] {
        assert_eq!(text(form, &value).as_deref(), Ok(expected), "{value}");
    }
    for (form, value) in [
        (decimal, json!("12.5")),
        (decimal, json!("")),
        (epoch(1_000), json!(1.5)),
        (epoch(1_000), json!(1_740_790_923_456_789_012_i64)),
    ] {
        text(form, &value).unwrap_err();
    }
}

#[test]
fn every_number_comes_back_as_it_was() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for _ in 0..2_000 {
        let size = random.random_range(0..127_u32);
        let number: i128 = random.random::<i128>() >> size;
        let bytes = number.to_be_bytes();
        // As many bytes as Java's BigInteger writes, or more.
        let sign = if number < 0 { 0xff } else { 0 };
        let spare = bytes.iter().zip(&bytes[1..]);
        let spare = spare.take_while(|(byte, next)| **byte == sign && (**next ^ sign) < 0x80);
        let kept = &bytes[random.random_range(0..=spare.count())..];
        let expected = number.to_string();
        assert_eq!(decimal(&STANDARD.encode(kept), 0).as_deref(), Some(expected.as_str()));
        let scaled = decimal(&STANDARD.encode(kept), 3).unwrap();
        let (whole, part) = scaled.split_once('.').unwrap();
        assert_eq!(part.len(), 3);
        let joined = format!("{whole}{part}");
        let is_negative = joined.starts_with('-');
        let plain = joined.trim_start_matches(['-', '0']);
        let plain = if plain.is_empty() { "0" } else { plain };
        assert_eq!(format!("{}{plain}", if is_negative { "-" } else { "" }), expected);
    }
}

#[test]
fn types_are_read_as_postgres_names_them() {
    for (written, expected) in [
        ("numeric(36,4)", Some(ColumnType::Numeric { scale: 4 })),
        ("numeric(36, 0)", Some(ColumnType::Numeric { scale: 0 })),
        ("numeric(5)", Some(ColumnType::Numeric { scale: 0 })),
        ("timestamp", Some(ColumnType::Timestamp { digits: 6 })),
        ("timestamp(0)", Some(ColumnType::Timestamp { digits: 0 })),
        ("timestamptz", Some(ColumnType::Zoned)),
        ("date", Some(ColumnType::Date)),
        ("numeric", None),
        ("timestamp(7)", None),
        ("text", None),
    ] {
        assert_eq!(ColumnType::parse(written), expected, "{written}");
    }
    let form =
        |digits, times| ColumnType::Timestamp { digits }.form(DebeziumDecimals::Precise, times);
    let epoch = |per_second| ColumnForm::Epoch { per_second };
    assert_eq!(form(3, DebeziumTimes::Adaptive), epoch(1_000));
    assert_eq!(form(4, DebeziumTimes::Adaptive), epoch(1_000_000));
    assert_eq!(form(6, DebeziumTimes::Connect), epoch(1_000));
}
