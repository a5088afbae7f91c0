//! Rows as REST shows them and as a stream told them, in one form that can be compared.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use smartpulse_client::{Client, Key, Rows};

use super::scene::{FROM, PROVIDER, TO};

/// Rows by the text of their keys.
pub(crate) type Shown = BTreeMap<String, Value>;

/// What is read.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// Forecasts of a plant.
    Plant(u64),
    /// Metered production of a plant.
    Actual(u64),
    /// A total of forecasts: dimension and key.
    Total(&'static str, String),
    /// A total of metered production.
    ActualTotal(&'static str, String),
    /// Master data of all units.
    Units,
}

/// The rows of a stream: what REST shows of them as well.
pub(crate) fn told(rows: &Rows) -> Shown {
    rows.iter().map(|(key, value)| (key.text().to_owned(), told_one(value))).collect()
}

fn told_one(value: &str) -> Value {
    let value: Value = serde_json::from_str(value).expect("a value is JSON");
    if value.get("v").is_none() {
        return value;
    }
    let mut shown = json!({ "v": value["v"].as_f64() });
    for name in ["members", "reporting", "coverage", "recorded"] {
        if let Some(field) = value.get(name) {
            shown[name] = field.clone();
        }
    }
    if let Some(coverage) = shown.get("coverage").and_then(Value::as_f64) {
        shown["coverage"] = json!(coverage);
    }
    shown
}

/// What REST shows of `subjects` at exactly `epoch`, each slot length as saved or at `period`.
pub(crate) async fn at_epoch(
    client: &Client,
    subjects: &[Subject],
    epoch: u64,
    words: &str,
) -> Shown {
    let mut shown = Shown::new();
    for subject in subjects {
        if let Subject::Units = subject {
            add_units(client, epoch, &mut shown).await;
            continue;
        }
        let path = format!("{}&at_epoch={epoch}{words}", path(subject));
        let read = match client.get(&path).await {
            Ok(read) => read,
            // Nobody belongs to it yet.
            Err(smartpulse_client::Error::Refused(refusal)) if refusal.status == 404 => continue,
            Err(error) => panic!("{path}: {error}"),
        };
        assert_eq!(read.epoch, Some(epoch), "{path}");
        let data = read.data().expect("an envelope");
        for element in data.as_array().expect("a list of elements") {
            add_element(subject, element, &mut shown);
        }
    }
    shown
}

/// The read of a subject in the days of delivery.
pub(crate) fn path(subject: &Subject) -> String {
    let range = format!("from={FROM}&to={TO}");
    match subject {
        Subject::Plant(number) => {
            format!("/api/v2.0/production-forecast/{PROVIDER}/PP/{number}/forecasts/latest?{range}")
        }
        Subject::Actual(number) => {
            format!("/api/v2.0/actuals/PP/{number}?provider={PROVIDER}&{range}")
        }
        Subject::Total(dimension, key) => {
            format!("/api/v2.0/totals/{dimension}/{key}/{PROVIDER}?{range}")
        }
        Subject::ActualTotal(dimension, key) => {
            format!("/api/v2.0/totals/{dimension}/{key}/{PROVIDER}?kind=actual&{range}")
        }
        Subject::Units => "/api/v2.0/units".to_owned(),
    }
}

/// Master data; at the newest epoch, in which nothing of it may have changed since.
async fn add_units(client: &Client, epoch: u64, shown: &mut Shown) {
    let read = client.get(&format!("/api/v2.0/units?min_epoch={epoch}")).await.expect("a read");
    for unit in read.data().expect("an envelope").as_array().expect("a list of units") {
        let key = json!({ "unitType": unit["unitType"], "unitNo": unit["unitNo"] });
        shown.insert(Key::new(&key).text().to_owned(), unit.clone());
    }
}

fn add_element(subject: &Subject, element: &Value, shown: &mut Shown) {
    let mut key = match subject {
        Subject::Plant(number) | Subject::Actual(number) => {
            json!({ "unitType": "PP", "unitNo": number })
        }
        Subject::Total(dimension, key) | Subject::ActualTotal(dimension, key) => {
            json!({ "dimension": dimension, "key": key })
        }
        Subject::Units => unreachable!("units have rows of another form"),
    };
    let is_actual = matches!(subject, Subject::Actual(_) | Subject::ActualTotal(..));
    key["kind"] = json!(if is_actual { "actual" } else { "forecast" });
    key["provider"] = json!(PROVIDER);
    key["period"] = element["period"].clone();
    for prediction in element["predictions"].as_array().expect("a list of slots") {
        key["ds"] = prediction["ds"].clone();
        let mut value = json!({ "v": prediction["v"].as_f64() });
        if prediction.get("members").is_some() {
            value["members"] = prediction["members"].clone();
            value["reporting"] = prediction["reporting"].clone();
        }
        let is_computed = prediction.get("c").is_none();
        if is_computed {
            value["coverage"] = json!(prediction.get("coverage").map_or(Some(1.0), Value::as_f64));
        } else {
            value["recorded"] = prediction["c"].clone();
        }
        shown.insert(Key::new(&key).text().to_owned(), value);
    }
}

/// Holds that two sets of rows are equal, naming the first that differ.
pub(crate) fn assert_same(what: &str, one: &Shown, other: &Shown) {
    if one == other {
        return;
    }
    let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differs = keys.into_iter().filter(|key| one.get(*key) != other.get(*key));
    let lines: Vec<String> = differs
        .take(5)
        .map(|key| format!("{key}: {:?} and {:?}", one.get(key), other.get(key)))
        .collect();
    panic!("{what}: {} and {} rows\n{}", one.len(), other.len(), lines.join("\n"));
}
