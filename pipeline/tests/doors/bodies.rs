//! Bodies of saves: unreadable ones are refused whole, single slots alone.

use serde_json::{Value, json};

use super::client::{Answer, forecasts, hour, hourly};
use super::{Desk, refused};

/// More brackets than any reader's stack would hold.
const DEEP: usize = 100_000;

/// A save of the hour 0 with `value` as it is written.
fn with_value(value: &str) -> String {
    hourly([(hour(0), json!("VALUE"))]).to_string().replace("\"VALUE\"", value)
}

#[test]
fn unreadable_bodies_are_refused_with_the_place() {
    let desk = Desk::open();
    let good = hourly([(hour(0), json!(1))]).to_string();
    let brackets = "[".repeat(DEEP);
    let braces = "{\"a\":".repeat(DEEP);
    let deep_value = with_value(&format!("{brackets}{}", "]".repeat(DEEP)));
    let deep_unit = format!("{{\"measureUnit\":{brackets}");
    for body in [
        "",
        "{",
        "null",
        "[]",
        "\"text\"",
        &good[..good.len() / 2],
        &format!("{good}{good}"),
        &format!("\u{feff}{good}"),
        &good.replace(':', "="),
        &with_value("NaN"),
        &with_value("Infinity"),
        &with_value("+1"),
        &with_value("01"),
        &with_value("0x10"),
        &with_value("1,5"),
        &with_value("'1'"),
        &brackets,
        &braces,
        &deep_unit,
    ] {
        let answer = desk.post(body);
        let place = answer.json()["additionalData"].clone();
        refused(answer, 400, "UNREADABLE_BODY");
        assert!(place["line"].is_u64() && place["column"].is_u64(), "{place}");
    }
    let told = refused(desk.post(deep_value), 400, "VALIDATION_ERROR");
    assert!(told.contains("unitForecastList[0].predictions[0].v"), "{told}");
    let answer = desk.post(b"{\"note\":\"Gr\xfcn\",\"unitForecastList\":[]}");
    refused(answer, 400, "UNREADABLE_BODY");
    desk.close();
}

#[test]
fn wrong_types_and_names_are_refused_by_field() {
    let desk = Desk::open();
    let good = hourly([(hour(0), json!(1))]);
    let with = |pointer: &str, value: Value| {
        let mut body = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        desk.post(body.to_string())
    };
    let list = "/unitForecastList";
    for (pointer, value) in [
        (list.to_owned(), json!("all")),
        (list.to_owned(), json!([7])),
        (format!("{list}/0/period"), json!("60")),
        (format!("{list}/0/period"), json!(60.5)),
        (format!("{list}/0/unitNo"), json!([1])),
        (format!("{list}/0/predictions"), json!({})),
        (format!("{list}/0/applyFinalForecast"), json!("yes")),
        (format!("{list}/0/forecast"), json!(1)),
        (format!("{list}/0/predictions/0/ds"), json!(17)),
        (format!("{list}/0/predictions/0/vv"), json!(17)),
        ("/note".to_owned(), json!(5)),
        ("/validAfter".to_owned(), json!(5)),
        ("/unitforecastlist".to_owned(), json!([])),
    ] {
        let name = pointer.rsplit('/').next().unwrap();
        let told = refused(with(&pointer, value), 400, "UNREADABLE_BODY");
        assert!(told.contains(name), "{pointer}: {told}");
    }
    for (pointer, value, code, field) in [
        ("/unitForecastList", json!([]), "VALIDATION_ERROR", "unitForecastList"),
        ("/measureUnit", json!("hp"), "MEASURE_UNIT", "measureUnit"),
        ("/validAfter", json!("soon"), "VALIDATION_ERROR", "validAfter"),
        ("/note", json!("n".repeat(256)), "VALIDATION_ERROR", "note"),
        (
            "/unitForecastList/0/period",
            json!(7),
            "PERIOD_NOT_ALLOWED",
            "unitForecastList[0].period",
        ),
        (
            "/unitForecastList/0/period",
            json!(-60),
            "PERIOD_NOT_ALLOWED",
            "unitForecastList[0].period",
        ),
        ("/unitForecastList/0/unitNo", json!(-1), "VALIDATION_ERROR", "unitForecastList[0].unitNo"),
        (
            "/unitForecastList/0/unitType",
            json!("XX"),
            "VALIDATION_ERROR",
            "unitForecastList[0].unitType",
        ),
    ] {
        let told = refused(with(pointer, value), 400, code);
        assert!(told.contains(&format!("\"{field}\"")), "{pointer}: {told}");
    }
    for value in ["\"5\"", "true", "[5]", "{}"] {
        let told = refused(desk.post(with_value(value)), 400, "VALIDATION_ERROR");
        assert!(told.contains("unitForecastList[0].predictions[0].v"), "{value}: {told}");
    }
    desk.close();
}

#[test]
fn absurd_dates_are_refused_by_field() {
    let desk = Desk::open();
    for (date, status) in [
        ("", 400),
        ("yesterday", 400),
        ("2099-02-30T00:00:00Z", 400),
        ("2099-13-01T00:00:00Z", 400),
        ("2099-06-01T25:00:00Z", 400),
        ("0000-00-00T00:00:00Z", 400),
        ("0001-01-01T00:00:00Z", 400),
        ("9999-12-31T23:00:00Z", 400),
        ("-9999-01-01T00:00:00Z", 400),
        ("999999999-01-01T00:00:00Z", 400),
        ("2099-06-01T00:00:00+99:00", 400),
        ("1893456000", 400),
    ] {
        let body = hourly([(hour(0), json!(1)), (date.to_owned(), json!(1))]);
        let told = refused(desk.post(body.to_string()), status, "VALIDATION_ERROR");
        assert!(told.contains("unitForecastList[0].predictions[1].ds"), "{date}: {told}");
    }
    let zone = json!({ "name": "one", "zone": "Europe/Berlin" });
    desk.client.put("/api/v2.0/units/PP/1", &zone).expect_status(200);
    for (local, code) in [
        ("2025-10-26T02:30:00", "AMBIGUOUS_LOCAL_TIME"),
        ("2025-03-30T02:30:00", "NONEXISTENT_LOCAL_TIME"),
    ] {
        let body = hourly([(local.to_owned(), json!(1))]);
        let told = refused(desk.post(body.to_string()), 422, code);
        assert!(told.contains("predictions[0].ds"), "{told}");
    }
    desk.close();
}

/// Errors of the only entry: code and deliveries.
fn errors(answer: &Answer) -> Vec<(String, Vec<String>)> {
    let told = answer.json();
    let texts = |list: &Value| {
        let list = list.as_array().unwrap().iter();
        list.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let error =
        |error: &Value| (error["code"].as_str().unwrap().to_owned(), texts(&error["deliveries"]));
    told["data"][0]["errors"].as_array().unwrap().iter().map(error).collect()
}

#[test]
fn a_slot_that_breaks_a_rule_leaves_the_rest_of_its_batch() {
    let desk = Desk::open();
    let unaligned = "2099-06-01T03:07:00Z".to_owned();
    let body = hourly([
        (hour(0), json!(1)),
        (unaligned.clone(), json!(2)),
        (hour(4), json!(3)),
        (hour(4), json!(4)),
        (hour(5), json!("HUGE")),
        (hour(6), json!("MORE")),
        (hour(7), json!(1_000_001)),
        (hour(8), json!("TINY")),
        ("2020-01-01T00:00:00Z".to_owned(), json!(5)),
        (hour(9), json!(null)),
        (hour(10), json!(6)),
    ]);
    let body = body.to_string();
    let body = body.replace("\"HUGE\"", &"9".repeat(400)).replace("\"MORE\"", "1e999999");
    let body = body.replace("\"TINY\"", "1e-999999");
    let answer = desk.post(&body).expect_status(200);
    let expected = [
        ("UNALIGNED_DELIVERY", vec![unaligned]),
        ("DUPLICATE_DELIVERIES", vec![hour(4), hour(4)]),
        ("VALUE_OUT_OF_RANGE", vec![hour(5), hour(6), hour(7)]),
        ("GATE_CLOSED", vec!["2020-01-01T00:00:00Z".to_owned()]),
    ];
    assert_eq!(errors(&answer), expected.map(|(code, slots)| (code.to_owned(), slots)));
    let kept: Vec<_> = desk.client.latest(1).into_iter().map(|(start, _)| start).collect();
    assert_eq!(kept, [hour(0), hour(8), hour(10)]);
    desk.close();
}

#[test]
fn a_save_of_nothing_but_refusals_is_no_batch() {
    let desk = Desk::open();
    for (slot, value, code) in [
        ("2099-06-01T00:00:01Z".to_owned(), "1".to_owned(), "UNALIGNED_DELIVERY"),
        (hour(0), "9".repeat(400), "VALUE_OUT_OF_RANGE"),
        (hour(0), "-1e999999".to_owned(), "VALUE_OUT_OF_RANGE"),
        ("2020-01-01T00:00:00Z".to_owned(), "1".to_owned(), "GATE_CLOSED"),
    ] {
        let body = hourly([(slot, json!("VALUE"))]).to_string().replace("\"VALUE\"", &value);
        let answer = desk.post(&body).expect_status(422);
        assert_eq!(errors(&answer)[0].0, code);
        assert_eq!(answer.json()["data"][0]["batchId"], Value::Null);
    }
    let body = hourly([(hour(0), json!(1))]);
    let unknown = desk.client.post(&forecasts("UserForecast", 77), &body).expect_status(422);
    assert_eq!(errors(&unknown)[0].0, "UNKNOWN_UNIT");
    desk.close();
}

#[test]
fn more_values_than_a_save_may_have_are_refused_whole() {
    let desk = Desk::open();
    let start = |slot: u32| {
        let minute = slot * 5;
        let (day, hour) = (minute / 1_440, minute / 60 % 24);
        format!("2099-06-{:02}T{hour:02}:{:02}:00Z", 1 + day, minute % 60)
    };
    let body = |values: u32| {
        let slots = (0..values).map(|slot| json!({ "ds": start(slot), "v": slot }));
        let entry = json!({ "period": 5, "predictions": slots.collect::<Vec<_>>() });
        json!({ "unitForecastList": [entry] }).to_string()
    };
    let answer = desk.post(body(5_001));
    assert_eq!(answer.json()["additionalData"]["limit"], 5_000);
    assert!(refused(answer, 413, "TOO_MANY_VALUES").contains("5001"));
    assert!(desk.client.latest(1).is_empty());
    desk.post(body(5_000)).expect_status(200);
    assert_eq!(desk.client.latest(1).len(), 5_000);
    desk.close();
}
