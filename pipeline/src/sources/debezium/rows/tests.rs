//! Envelopes of the legacy tables, as an engine writes them without schemas.

use serde_json::json;
use smartpulse_connectors::{EnvelopeReader, Field};

use super::*;

fn shapes() -> Shapes {
    Shapes::new(&DebeziumSettings::default(), &Arc::new(Mapping::legacy()))
}

/// An envelope of a table.
fn envelope(table: &str, op: &str, before: Value, after: Value) -> Envelope {
    let body = json!({
        "before": before,
        "after": after,
        "op": op,
        "source": { "connector": "postgresql", "schema": "public", "table": table, "lsn": 5, "ts_ms": 1 },
        "transaction": { "id": "7:5", "total_order": 1 },
    });
    EnvelopeReader::default().change(body.to_string().as_bytes()).unwrap().unwrap()
}

fn forecast(value: Value) -> Value {
    json!({
        "batch_id": "b", "unit_type": "PP", "unit_no": 3, "delivery_start": 1_740_787_200_000_i64,
        "delivery_end": 1_740_790_800_000_i64, "provider_key": "Desk",
        "valid_after": 1_740_787_200_000_001_i64, "prediction_value": value,
    })
}

const KEY: &str = r#"{"batch_id":"b","unit_type":"PP","unit_no":3,"delivery_start":1,"delivery_end":2,
    "provider_key":"Desk","valid_after":3}"#;

/// The texts of a row, by column.
fn texts(learned: &Learned, values: &Values) -> BTreeMap<String, String> {
    let columns = learned.columns.iter().map(|(column, _)| column.clone());
    let text = |datum: &Datum<'_>| match datum {
        Datum::Text(text) => (*text).to_owned(),
        other => format!("{other:?}"),
    };
    columns.zip(values.tuple().iter().map(text)).collect()
}

#[test]
fn a_row_is_told_as_the_log_itself_tells_it() {
    let mut shapes = shapes();
    let created = envelope("t004forecast", "c", Value::Null, forecast(json!("AeJA")));
    let Ok(Saying::Row(learned, None, Some(new))) = shapes.read(&created, Some(KEY)) else {
        panic!("a row");
    };
    let told = texts(&learned, &new);
    assert_eq!(told["prediction_value"], "12.3456");
    assert_eq!(told["delivery_start"], "2025-03-01 00:00:00");
    assert_eq!(told["valid_after"], "2025-03-01 00:00:00.000001");
    assert_eq!((told["unit_no"].as_str(), learned.layouts.len()), ("3", 1));
    // Another column, as after ALTER TABLE: learned anew.
    let mut wider = forecast(Value::Null);
    wider["more"] = json!("x");
    let changed = envelope("t004forecast", "u", Value::Null, wider);
    let Ok(Saying::Row(learned, None, Some(new))) = shapes.read(&changed, Some(KEY)) else {
        panic!("a row");
    };
    assert_eq!(texts(&learned, &new)["more"], "x");
    assert_eq!(texts(&learned, &new)["prediction_value"], "Null");
}

#[test]
fn of_a_row_that_goes_its_slot_must_be_told() {
    let mut shapes = shapes();
    // The default identity: the key alone, which is the slot.
    let named = forecast(Value::Null);
    let gone = envelope("t004forecast", "d", named.clone(), Value::Null);
    assert!(matches!(shapes.read(&gone, Some(KEY)), Ok(Saying::Row(_, Some(_), None))));
    // A key that says less.
    let mut less = json!({ "batch_id": "b" });
    for (column, _) in named.as_object().unwrap() {
        if column != "batch_id" {
            less[column] = Value::Null;
        }
    }
    let key = r#"{"batch_id":"b"}"#;
    let gone = envelope("t004forecast", "d", less, Value::Null);
    let Ok(Saying::Half(_, None, fault)) = shapes.read(&gone, Some(key)) else { panic!("half") };
    assert!(fault.rule.contains("REPLICA IDENTITY FULL"), "{fault}");
    let changed = envelope("t004forecast", "u", Value::Null, forecast(json!("AeJA")));
    assert!(matches!(shapes.read(&changed, Some(key)), Ok(Saying::Half(_, Some(_), _))));
    // All of it: nothing is missing, whatever the key.
    let whole = envelope("t004forecast", "u", forecast(json!("AQ==")), forecast(json!("AeJA")));
    assert!(matches!(shapes.read(&whole, Some(key)), Ok(Saying::Row(_, Some(_), Some(_)))));
    let lost = envelope("power_plant_type", "d", json!({ "id": null, "name": null }), Value::Null);
    assert!(matches!(shapes.read(&lost, None), Ok(Saying::Half(_, None, _))));
}

#[test]
fn what_does_not_matter_says_nothing_and_what_does_not_fit_is_told() {
    let mut shapes = shapes();
    let other = envelope("elsewhere", "c", Value::Null, json!({ "id": 1 }));
    assert!(matches!(shapes.read(&other, None), Ok(Saying::Nothing)));
    let message = envelope("t004forecast", "m", Value::Null, Value::Null);
    assert!(matches!(shapes.read(&message, None), Ok(Saying::Nothing)));
    // Emptied before any row has told its columns.
    let emptied = envelope("t004forecast", "t", Value::Null, Value::Null);
    let Ok(Saying::Empty(learned)) = shapes.read(&emptied, None) else { panic!("emptied") };
    assert_eq!(learned.layouts.len(), 1);
    let wrong = envelope("t004forecast", "c", Value::Null, forecast(json!("12.5")));
    let Err(Unread::Row(fault)) = shapes.read(&wrong, Some(KEY)) else { panic!("a fault") };
    assert_eq!(fault.field, "prediction_value");
    let mut lacking = forecast(Value::Null);
    lacking.as_object_mut().unwrap().remove("provider_key");
    let lacking = envelope("t004forecast", "c", Value::Null, lacking);
    let Err(Unread::Table(fault)) = shapes.read(&lacking, Some(KEY)) else { panic!("a fault") };
    assert!(fault.to_string().contains("no column provider_key"), "{fault}");
}

#[test]
fn the_key_of_a_message_is_read_with_its_schema_and_without() {
    assert_eq!(key_columns(Some(r#"{"a":1,"b":2}"#)), ["a", "b"]);
    assert_eq!(key_columns(Some(r#"{"schema":{"type":"struct"},"payload":{"a":1}}"#)), ["a"]);
    assert!(key_columns(None).is_empty() && key_columns(Some("x")).is_empty());
    let mapping = Mapping::legacy();
    let forecasts = mapping.tables.iter().find(|mapped| mapped.input == Input::Forecasts).unwrap();
    assert!(matches!(forecasts.fields["value"], Field::Column { .. }));
}
