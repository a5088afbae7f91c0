//! Bodies that no save can be read from, each with the place or field named.

use super::engine::Stage;
use super::{forecasts, hourly};

#[tokio::test]
async fn a_body_that_is_no_json_of_a_save_says_where() {
    let stage = Stage::new().await;
    let deep = "[".repeat(100_000);
    let cases = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{".to_owned(),
        "{\"unitForecastList\": tru".to_owned(),
        "{} trailing".to_owned(),
        r#"{"unitForecastList": 5}"#.to_owned(),
        r#"{"unitForecastList": [5]}"#.to_owned(),
        r#"{"unitForecastList": [{"period": "60"}]}"#.to_owned(),
        r#"{"unitForecastList": [{"period": 60.5}]}"#.to_owned(),
        r#"{"unitForecastList": [{"period": null}]}"#.to_owned(),
        r#"{"unitForecastList": [{"period": 1e400}]}"#.to_owned(),
        r#"{"unitForecastList": [{"unitNo": 99999999999999999999}]}"#.to_owned(),
        r#"{"note": 5}"#.to_owned(),
        r#"{"note": "a", "NOTE": "b"}"#.to_owned(),
        hourly(r#"{"ds": 5, "v": 1}"#),
        hourly(r#"{"ds": "2026-03-02T00:00Z", "v": 1, "v": 2}"#),
        hourly(r#"{"ds": "2026-03-02T00:00Z", "v": 1, "deliveryStart": "x"}"#),
        hourly(r#"{"ds": "2026-03-02T00:00Z", "v": 01}"#),
        hourly(r#"{"ds": "2026-03-02T00:00Z", "v": NaN}"#),
        hourly(r#"{"ds": "2026-03-02T00:00Z", "v": 1, "mu": 0}"#),
        format!(r#"{{"unitForecastList": {deep}"#),
        format!(r#"{{"note": {deep}"#),
        hourly(&format!(r#"{{"v": {deep}"#)),
        format!(r#"{{"nonsense": {deep}"#),
        "{\"note\": \"\u{0}\"}".to_owned(),
    ];
    for body in cases {
        let heard = stage.save(body.clone()).await;
        let start: String = body.chars().take(60).collect();
        assert_eq!(heard.code(), (400, "UNREADABLE_BODY".to_owned()), "{start}");
        let additional = &heard.json()["additionalData"];
        assert!(additional["line"].is_u64() && additional["column"].is_u64(), "{start}");
    }
    assert!(stage.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_unreadable() {
    let stage = Stage::new().await;
    let heard = stage.save(&b"{\"note\": \"caf\xe9\"}"[..]).await;
    assert_eq!(heard.code(), (400, "UNREADABLE_BODY".to_owned()));
    let marked = stage.save(&b"\xef\xbb\xbf{}"[..]).await;
    assert_eq!(marked.code().0, 400);
    let utf_16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(stage.save(utf_16).await.code().0, 400);
}

#[tokio::test]
async fn an_unknown_field_is_named() {
    let stage = Stage::new().await;
    for (body, field) in [
        (r#"{"unitForecastLists": []}"#.to_owned(), "unitForecastLists"),
        (r#"{"unitForecastList": [{"unit": 1}]}"#.to_owned(), "unit"),
        (hourly(r#"{"ds": "2026-03-02T00:00Z", "val": 1}"#), "val"),
    ] {
        let heard = stage.save(body).await;
        let message = heard.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(&format!("unknown field `{field}`")), "{message}");
    }
}

#[tokio::test]
async fn a_field_that_breaks_a_rule_is_named_by_its_path() {
    let stage = Stage::new().await;
    let entry = |fields: &str| {
        format!(r#"{{"unitForecastList":[{{"period":60,"predictions":[]}},{{{fields}}}]}}"#)
    };
    let long_note =
        format!(r#"{{"note":"{}","unitForecastList":[{{"period":60}}]}}"#, "é".repeat(256));
    for (body, code, field) in [
        ("{}".to_owned(), "VALIDATION_ERROR", "unitForecastList"),
        (r#"{"unitForecastList":[]}"#.to_owned(), "VALIDATION_ERROR", "unitForecastList"),
        (r#"{"unitForecastList":null}"#.to_owned(), "VALIDATION_ERROR", "unitForecastList"),
        (long_note, "VALIDATION_ERROR", "note"),
        (entry(r#""predictions":[]"#), "PERIOD_NOT_ALLOWED", "unitForecastList[1].period"),
        (entry(r#""period":7"#), "PERIOD_NOT_ALLOWED", "unitForecastList[1].period"),
        (entry(r#""period":1"#), "PERIOD_NOT_ALLOWED", "unitForecastList[1].period"),
        (entry(r#""period":-15"#), "PERIOD_NOT_ALLOWED", "unitForecastList[1].period"),
        (entry(r#""period":65551"#), "PERIOD_NOT_ALLOWED", "unitForecastList[1].period"),
        (entry(r#""period":60"#), "DUPLICATE_UNIT_PERIOD", "unitForecastList[1].period"),
        (entry(r#""period":15,"unitNo":0"#), "VALIDATION_ERROR", "unitForecastList[1].unitNo"),
        (
            entry(r#""period":15,"unitType":"WIND""#),
            "VALIDATION_ERROR",
            "unitForecastList[1].unitType",
        ),
        (
            r#"{"measureUnit":4,"unitForecastList":[{"period":60}]}"#.to_owned(),
            "MEASURE_UNIT",
            "measureUnit",
        ),
        (
            r#"{"measureUnit":"GW","unitForecastList":[{"period":60}]}"#.to_owned(),
            "MEASURE_UNIT",
            "measureUnit",
        ),
        (
            r#"{"validAfter":"yesterday","unitForecastList":[{"period":60}]}"#.to_owned(),
            "VALIDATION_ERROR",
            "validAfter",
        ),
    ] {
        let heard = stage.save(body.clone()).await;
        assert_eq!(heard.code(), (400, code.to_owned()), "{body}");
        assert_eq!(heard.fields(), [field], "{body}");
        assert_eq!(heard.json()["message"], "Validation Error");
    }
}

#[tokio::test]
async fn deliveries_and_values_that_are_none_are_all_named() {
    let stage = Stage::new().await;
    let good = r#"{"ds":"2026-03-02T00:00:00Z","v":1}"#;
    for (prediction, field) in [
        (r#"{"ds":"banana","v":1}"#, "ds"),
        (r#"{"ds":"","v":1}"#, "ds"),
        (r#"{"ds":"2026-02-30T00:00:00Z","v":1}"#, "ds"),
        (r#"{"ds":"2026-03-02T25:00:00Z","v":1}"#, "ds"),
        (r#"{"ds":"1777-03-02T00:00:00Z","v":1}"#, "ds"),
        (r#"{"ds":"9999-12-31T00:00:00Z","v":1}"#, "ds"),
        (r#"{"ds":"-009999-01-01T00:00:00Z","v":1}"#, "ds"),
        (r#"{"ds":"9999-12-31T23:59","v":1}"#, "ds"),
        (r#"{"v":1}"#, "ds"),
        (r#"{"ds":"2026-03-02T01:00:00Z"}"#, "v"),
        (r#"{"ds":"2026-03-02T01:00:00Z","v":"1"}"#, "v"),
        (r#"{"ds":"2026-03-02T01:00:00Z","v":true}"#, "v"),
        (r#"{"ds":"2026-03-02T01:00:00Z","v":[1]}"#, "v"),
        (r#"{"ds":"2026-03-02T01:00:00Z","v":{"a":1}}"#, "v"),
    ] {
        let heard = stage.save(hourly(&format!("{good},{prediction}"))).await;
        assert_eq!(heard.code().0, 400, "{prediction}");
        assert_eq!(heard.fields(), [format!("unitForecastList[0].predictions[1].{field}")]);
    }
    let many = vec![r#"{"ds":"banana","v":1}"#; 500].join(",");
    assert_eq!(stage.save(hourly(&many)).await.fields().len(), 20);
}

#[tokio::test]
async fn a_number_of_any_size_is_a_number() {
    let stage = Stage::new().await;
    let huge = "9".repeat(10_000);
    let tiny = format!("0.{}1", "0".repeat(10_000));
    for (value, status) in [
        (huge.as_str(), 422),
        ("-1e999999999", 422),
        ("1000000.01", 422),
        (tiny.as_str(), 200),
        ("1e-999999999", 200),
        ("100.004", 200),
    ] {
        let body = hourly(&format!(r#"{{"ds":"2026-03-02T00:00:00Z","v":{value}}}"#));
        let heard = stage.save(body).await;
        assert_eq!(heard.status, status, "{}", heard.text());
        if status == 422 {
            assert_eq!(heard.json()["data"][0]["errors"][0]["code"], "VALUE_OUT_OF_RANGE");
        }
    }
}

#[tokio::test]
async fn more_values_than_a_save_holds_are_413() {
    let stage = Stage::new().await;
    let slots = |count: usize| {
        let start = smartpulse_operators::time::Instant::parse("2026-03-02T00:00Z").unwrap();
        let slot =
            |index: usize| format!(r#"{{"ds":"{}","v":1}}"#, start.plus_minutes(index as i64 * 60));
        hourly(&(0..count).map(slot).collect::<Vec<_>>().join(","))
    };
    let full = stage.save(slots(5_000)).await;
    assert_eq!(full.json()["data"][0]["savedCount"], 5_000);
    assert_eq!(stage.save(slots(5_001)).await.code(), (413, "TOO_MANY_VALUES".to_owned()));
    let empty = vec![r#"{"period":60}"#; 5_001].join(",");
    let heard = stage.save(format!(r#"{{"unitForecastList":[{empty}]}}"#)).await;
    assert_eq!(heard.code(), (413, "TOO_MANY_VALUES".to_owned()));
}

#[tokio::test]
async fn a_path_or_query_that_is_wrong_names_the_part() {
    let stage = Stage::new().await;
    let base = "/api/v2.0/production-forecast";
    let long = "x".repeat(51);
    for (path, field) in [
        (format!("{base}/P/WIND/1/forecasts"), "unitType"),
        (format!("{base}/P/PP/0/forecasts"), "unitNo"),
        (format!("{base}/P/PP/-1/forecasts"), "unitNo"),
        (format!("{base}/P/PP/99999999999999999999/forecasts"), "unitNo"),
        (format!("{base}/{long}/PP/1/forecasts"), "provider"),
        (format!("{base}/%20/PP/1/forecasts"), "provider"),
        (format!("{base}/%ff/PP/1/forecasts"), "path"),
        (forecasts("?retrunSaves=true"), "retrunSaves"),
        (forecasts("?returnSaves=maybe"), "returnSaves"),
        (forecasts("?returnSaves=1&RETURNSAVES=0"), "returnSaves"),
    ] {
        let heard = stage.write("POST", &path, hourly("")).await;
        assert_eq!((heard.code().0, heard.fields()), (400, vec![field.to_owned()]), "{path}");
    }
}
