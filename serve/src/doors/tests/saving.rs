//! What a save answers, and what it asks of the engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use smartpulse_operators::change::Change;
use smartpulse_operators::time::Instant;
use tokio::sync::{mpsc, watch};

use crate::clock_hold::ClockHold;
use crate::stream::Streams;

use super::super::{Behind, DoorRules, Doors, EngineQueues, router};
use super::engine::{Stage, now};
use super::{Heard, forecasts, hourly};

/// The answer without what differs from run to run.
fn settled(heard: &Heard) -> String {
    let mut json = heard.json();
    json["traceId"] = json!("…");
    for entry in json["data"].as_array_mut().into_iter().flatten() {
        if entry["batchId"].is_string() {
            entry["batchId"] = json!("…");
        }
    }
    json.to_string()
}

/// `(code, deliveries)` of an entry's errors.
fn errors(entry: &Value) -> Vec<(String, usize)> {
    let error = |error: &Value| {
        let deliveries = error["deliveries"].as_array().unwrap().len();
        (error["code"].as_str().unwrap().to_owned(), deliveries)
    };
    entry["errors"].as_array().unwrap().iter().map(error).collect()
}

#[tokio::test]
async fn a_save_says_what_became_of_each_slot() {
    let stage = Stage::new().await;
    let body = r#"{
        "UnitForecastList": [{
            "unitNo": 1, "period": 60, "conformUpperLimit": true,
            "predictions": [
                {"ds": "2026-03-02T00:00:00Z", "v": 12.345},
                {"deliveryStart": "2026-03-02T04:00:00+03:00", "value": null},
                {"DS": "2026-03-02T02:00", "V": 250},
                {"ds": "2026-03-02T02:30:00Z", "v": 1},
                {"ds": "2026-03-02T05:00:00Z", "v": 1},
                {"ds": "2026-03-02T05:00:00Z", "v": 2},
                {"ds": "2026-03-02T06:00:00Z", "v": 1e300}
            ]
        }],
        "measureUnit": "mw", "note": "a \"note\"", "userId": 7
    }"#;
    let heard = stage.write("POST", &forecasts("?returnSaves=true"), body).await;
    assert_eq!(heard.header("x-smartpulse-epoch"), Some("5"));
    expect![[r#"{"additionalData":{"epoch":5,"recorded":"2026-03-01T09:00:00.000004Z","sequence":1},"data":[{"batchId":"…","errors":[{"code":"UNALIGNED_DELIVERY","deliveries":["2026-03-02T02:30:00Z"],"message":"the delivery does not start on the grid of the period"},{"code":"DUPLICATE_DELIVERIES","deliveries":["2026-03-02T05:00:00Z","2026-03-02T05:00:00Z"],"message":"the delivery is given more than once"},{"code":"VALUE_OUT_OF_RANGE","deliveries":["2026-03-02T06:00:00Z"],"message":"the value is beyond the value bound"},{"code":"CONFORM_UPPER_LIMIT","deliveries":["2026-03-01T23:00:00Z"],"message":"the value was clipped to the upper limit and saved"}],"period":60,"predictions":[{"bn":"a \"note\"","c":"2026-03-01T09:00:00.000004Z","ds":"2026-03-01T23:00:00Z","mu":"MW","pk":"P","v":100},{"bn":"a \"note\"","c":"2026-03-01T09:00:00.000004Z","ds":"2026-03-02T00:00:00Z","mu":"MW","pk":"P","v":12.35}],"providerKey":"P","requestedCount":7,"savedCount":2,"skippedCount":1,"unitNo":1,"unitType":"PP"}],"isError":false,"message":"OK","statusCode":200,"traceId":"…"}"#]].assert_eq(&settled(&heard));
}

#[tokio::test]
async fn a_save_of_which_nothing_is_fit_asks_nobody() {
    let stage = Stage::new().await;
    let heard = stage.save(hourly(r#"{"ds":"2026-03-02T00:15:00Z","v":1}"#)).await;
    assert_eq!(heard.status, 422);
    let json = heard.json();
    assert_eq!(json["isError"], true);
    assert_eq!(json["data"][0]["batchId"], Value::Null);
    assert!(json["data"][0].as_object().unwrap().contains_key("batchId"));
    assert_eq!(errors(&json["data"][0]), [("UNALIGNED_DELIVERY".to_owned(), 1)]);
    assert!(stage.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_save_whose_slots_are_all_refused_later_is_422_too() {
    let stage = Stage::new().await;
    let heard = stage.save(hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":100.01}"#)).await;
    assert_eq!(heard.status, 422);
    let json = heard.json();
    assert_eq!(json["data"][0]["batchId"], Value::Null);
    assert_eq!(errors(&json["data"][0]), [("UPPER_LIMIT".to_owned(), 1)]);
    assert_eq!(json["additionalData"]["sequence"], 1);
}

#[tokio::test]
async fn an_equal_value_is_skipped_and_keeps_its_batch() {
    let stage = Stage::new().await;
    let body = hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":5}"#);
    let first = stage.save(body.clone()).await.json();
    let second = stage.save(body.clone()).await.json();
    assert_eq!(first["data"][0]["savedCount"], 1);
    assert_eq!(
        (&second["data"][0]["savedCount"], &second["data"][0]["skippedCount"]),
        (&json!(0), &json!(1))
    );
    assert!(second["data"][0]["batchId"].is_string());
    let third = stage.write("POST", &forecasts("?shouldSkipExistingCheck"), body).await.json();
    assert_eq!(third["data"][0]["savedCount"], 1);
}

#[tokio::test]
async fn an_entry_without_predictions_is_told_beside_the_others() {
    let stage = Stage::new().await;
    let body = r#"{"unitForecastList":[
        {"period":15,"predictions":[]},
        {"period":30},
        {"period":60,"predictions":[{"ds":"2026-03-02T00:00:00Z","v":1}],"applyFinalForecast":true}]}"#;
    let heard = stage.save(body).await;
    assert_eq!(heard.status, 200);
    let json = heard.json();
    let data = json["data"].as_array().unwrap();
    let told: Vec<_> = data
        .iter()
        .map(|entry| {
            (entry["period"].as_u64(), entry["providerKey"].as_str(), entry["savedCount"].as_u64())
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some(15), Some("P"), Some(0)),
            (Some(30), Some("P"), Some(0)),
            (Some(60), Some("P"), Some(1)),
            (Some(60), Some("FinalForecast"), Some(1)),
        ]
    );
    assert_eq!(errors(&data[0]), [("NO_PREDICTIONS".to_owned(), 0)]);
    let latest = "/api/v2.0/production-forecast/FinalForecast/PP/1/forecasts/latest";
    let read = stage.get(&format!("{latest}?from=2026-03-02T00:00Z")).await.json();
    assert_eq!(read["data"][0]["predictions"][0]["v"], 1);
}

#[tokio::test]
async fn numbers_are_exact_in_every_measure() {
    let stage = Stage::new().await;
    for (measure, given, shown) in [
        ("0", "12345.675", "12.34568"),
        ("\"kW\"", "0.005", "0.00001"),
        ("1", "1.005", "1.01"),
        ("2", "0.01", "0.00001"),
        ("\"MWh\"", "1e-2", "0.01"),
        ("\"mWH\"", "-0.0", "0"),
    ] {
        let body = format!(
            r#"{{"measureUnit":{measure},"unitForecastList":[{{"period":60,"predictions":[{{"ds":"2026-03-02T00:00:00Z","v":{given}}}]}}]}}"#
        );
        assert_eq!(stage.save(body).await.status, 200, "{measure} {given}");
        let read =
            stage.get(&forecasts("/latest?from=2026-03-02T00:00Z&to=2026-03-02T01:00Z")).await;
        assert!(read.text().contains(&format!(r#""v":{shown},"#)), "{given}: {}", read.text());
    }
}

#[tokio::test]
async fn entries_of_a_company_are_its_plants() {
    let stage = Stage::new().await;
    let membership = r#"{"parentType":"CMP","parentNo":1,"childType":"PP","childNo":2}"#;
    stage.write("PUT", "/api/v2.0/memberships", membership).await;
    let body = r#"{"unitForecastList":[
        {"unitNo":2,"period":60,"predictions":[{"ds":"2026-03-02T00:00:00Z","v":1}]},
        {"unitNo":1,"period":60,"predictions":[{"ds":"2026-03-02T00:00:00Z","v":2}]},
        {"unitNo":1,"unitType":"PP","period":60,"predictions":[{"ds":"2026-03-02T00:00:00Z","v":3}]}]}"#;
    let path = "/api/v2.0/production-forecast/P/CMP/1/forecasts";
    let json = stage.write("POST", path, body).await.json();
    let told: Vec<_> = json["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["unitType"].as_str().unwrap(),
                entry["unitNo"].as_u64().unwrap(),
                entry["savedCount"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [("PP", 2, 1), ("CMP", 1, 1), ("PP", 1, 0)]);
    assert_eq!(errors(&json["data"][2]), [("UNKNOWN_UNIT".to_owned(), 1)]);
}

#[tokio::test]
async fn the_command_carries_what_the_request_says() {
    let stage = Stage::new().await;
    let body = r#"{"note":"n","validAfter":"2026-03-01T13:00","unitForecastList":[
        {"period":60,"predictions":[{"ds":"2026-03-02T00:00:00Z","v":1}]}]}"#;
    stage.save(body).await;
    let asked = stage.asked.lock().unwrap();
    let (Change::Save(save), None) = &asked[0] else { panic!("{asked:?}") };
    assert_eq!((save.batch.recorded, save.batch.sequence.0), (Instant::MIN, 0));
    assert_eq!(save.batch.valid_after, Instant::parse("2026-03-01T10:00Z").unwrap());
    assert_eq!(save.batch.id.get_version_num(), 7);
    assert_eq!(save.batch.user.as_deref(), Some("local"));
    let checks = save.checks;
    assert!(checks.gates && checks.limits && checks.locks && !checks.past_role);
}

#[tokio::test]
async fn actuals_are_saved_and_read_as_the_meter_s() {
    let stage = Stage::new().await;
    let body = hourly(r#"{"ds":"2026-03-01T08:00:00Z","v":7.5}"#);
    let saved = stage.write("POST", "/api/v2.0/actuals/pp/1", body.clone()).await.json();
    assert_eq!(saved["data"][0]["providerKey"], "Meter");
    let read = stage.get("/api/v2.0/actuals/PP/1").await.json();
    assert_eq!(read["data"][0]["predictions"][0]["v"], 7.5);
    let other = stage.get("/api/v2.0/actuals/PP/1?provider=SCADA").await.json();
    assert_eq!(other["data"], json!([]));
    let refused = stage
        .write(
            "POST",
            "/api/v2.0/actuals/PP/1",
            body.replace("60,", r#"60,"applyFinalForecast":true,"#),
        )
        .await;
    assert_eq!(refused.fields(), ["unitForecastList[0].applyFinalForecast"]);
}

#[tokio::test]
async fn a_busy_or_stopped_engine_is_503_with_the_time_to_come_back() {
    let mut stage = Stage::new().await;
    stage.stop().await;
    let heard = stage.save(hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":1}"#)).await;
    assert_eq!(heard.code(), (503, "NO_CHANGES".to_owned()));
    assert_eq!(heard.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn a_full_queue_and_a_late_answer_are_503() {
    let mut stage = Stage::new().await;
    let (commands, _unread) = mpsc::channel(1);
    let (lookups, _) = mpsc::channel(1);
    let rules = DoorRules { reply_wait: Duration::from_millis(50), ..DoorRules::default() };
    let read_model = Arc::clone(&stage.read_model);
    stage.router = router(Doors {
        streams: Streams::new(Arc::clone(&read_model)),
        closing: watch::Sender::new(false).subscribe(),
        read_model,
        behind: Behind::Engine(EngineQueues { commands, lookups, hold: ClockHold::default() }),
        attached: Vec::new(),
        rules,
        now,
    });
    let body = || hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":1}"#);
    let (late, full) = tokio::join!(stage.save(body()), stage.save(body()));
    assert_eq!(late.code(), (503, "ANSWER_LATE".to_owned()));
    assert_eq!(full.code(), (503, "QUEUE_FULL".to_owned()));
    let unasked = stage.get("/api/v2.0/batches/00000000-0000-0000-0000-000000000000").await;
    assert_eq!(unasked.code(), (503, "NO_CHANGES".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every value given is saved, skipped or refused, in a body of any shape.
    #[test]
    fn nothing_given_is_lost(
        entries in vec((0..3_usize, vec((0..40_i64, 0..5_u8), 0..20)), 1..4),
    ) {
        let periods = [15, 30, 60];
        let start = Instant::parse("2026-03-02T00:00Z").unwrap();
        let mut bodies: BTreeMap<usize, String> = BTreeMap::new();
        for (period, slots) in entries {
            let slots = slots.into_iter().map(|(quarter, value)| {
                let value = ["null", "1", "2.005", "101", "1e9"][usize::from(value)];
                format!(r#"{{"ds":"{}","v":{value}}}"#, start.plus_minutes(quarter * 15))
            });
            let slots = slots.collect::<Vec<_>>().join(",");
            bodies.insert(period, format!(r#"{{"period":{},"predictions":[{slots}]}}"#, periods[period]));
        }
        let body = bodies.into_values().collect::<Vec<_>>().join(",");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let heard = runtime.block_on(async {
            Stage::new().await.save(format!(r#"{{"unitForecastList":[{body}]}}"#)).await
        });
        let json = heard.json();
        let mut stored = 0;
        for entry in json["data"].as_array().unwrap() {
            let count = |name: &str| entry[name].as_u64().unwrap() as usize;
            let refused: usize = errors(entry).into_iter().map(|(_, deliveries)| deliveries).sum();
            prop_assert_eq!(count("requestedCount"), count("savedCount") + count("skippedCount") + refused);
            stored += count("savedCount") + count("skippedCount");
        }
        prop_assert_eq!(heard.status.as_u16(), if stored > 0 { 200 } else { 422 });
        prop_assert_eq!(json["data"][0]["batchId"].is_null(), stored == 0);
    }
}

#[tokio::test]
async fn the_normalised_form_says_the_same() {
    let stage = Stage::new().await;
    let body = r#"{"unitForecastList":[{"period":60,"fds":"2026-03-02T00:00:00Z","ps":["P"],"cs":[],"bns":[],
        "normalizedPredictions":[{"idx":0,"v":1.5,"pi":0},{"idx":3,"v":2},{"ds":"2026-03-02T05:00:00Z","v":3}]}]}"#;
    assert_eq!(stage.save(body).await.status, 200);
    let day = "/latest?from=2026-03-02T00:00Z&to=2026-03-03T00:00Z&no-details";
    let json = stage.get(&forecasts(day)).await.json();
    let slots = json["data"][0]["predictions"].as_array().unwrap();
    let slot = |slot: &serde_json::Value| {
        (slot["ds"].as_str().unwrap()[11..16].to_owned(), slot["v"].as_f64().unwrap())
    };
    let told: Vec<_> = slots.iter().map(slot).collect();
    let expected = [("00:00", 1.5), ("03:00", 2.0), ("05:00", 3.0)];
    assert_eq!(told, expected.map(|(start, value)| (start.to_owned(), value)));
    for (entry, field) in [
        (r#""fds":"2026-03-02T00:00:00Z","normalizedPredictions":[{"idx":-1,"v":1}]"#, "[0].idx"),
        (r#""normalizedPredictions":[{"idx":1,"v":1}]"#, "[0].ds"),
        (r#""fds":"banana","normalizedPredictions":[{"idx":1,"v":1}]"#, "fds"),
        (r#""predictions":[],"normalizedPredictions":[]"#, "normalizedPredictions"),
    ] {
        let body = format!(r#"{{"unitForecastList":[{{"period":60,{entry}}}]}}"#);
        let heard = stage.save(body).await;
        assert_eq!(heard.code().0, 400, "{entry}");
        assert!(heard.fields()[0].ends_with(field), "{entry}: {:?}", heard.fields());
    }
}
