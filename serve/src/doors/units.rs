//! `/api/v2.0/units`: master data.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Map, Value, json};
use smartpulse_operators::change::Change;
use smartpulse_operators::quantity::{Measure, Quantity};
use smartpulse_operators::time::{Instant, Period, Zone};
use smartpulse_operators::unit::{Unit, UnitVersion};

use super::answer::Answer;
use super::body::Posted;
use super::desk::Desk;
use super::exchange::Call;
use super::path::UnitPath;
use super::refusal::Refusal;
use super::statement::Statement;
use super::words::Words;
use crate::snapshot::Snapshot;

/// `GET /api/v2.0/units`: each unit once, with the version that holds now, else its newest.
pub(crate) async fn list(
    State(desk): State<Arc<Desk>>,
    Extension(call): Extension<Call>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let words = Words::read(&uri, &["min_epoch", "at_epoch"])?;
    let snapshot = desk.snapshot_for(&words).await?;
    let mut all: Vec<Unit> =
        snapshot.reference.unit_versions().map(|version| version.unit).collect();
    all.dedup();
    let current = all.into_iter().filter_map(|unit| current(&snapshot, unit));
    let data: Vec<Value> = current.map(|version| Value::Object(element(version))).collect();
    Ok(Answer::read(&call.conditions, snapshot.epoch, &Value::Array(data)))
}

/// `GET /api/v2.0/units/{unitType}/{unitNo}`: with properties, all versions, and the series there are.
pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    UnitPath(unit): UnitPath,
    Extension(call): Extension<Call>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let words = Words::read(&uri, &["min_epoch", "at_epoch"])?;
    let snapshot = desk.snapshot_for(&words).await?;
    let version = current(&snapshot, unit).ok_or_else(|| unknown(unit))?;
    let mut data = element(version);
    let reference = &snapshot.reference;
    let properties: Map<String, Value> = reference
        .properties(unit)
        .map(|property| (property.key.clone(), json!(property.value)))
        .collect();
    data.insert("properties".to_owned(), Value::Object(properties));
    let versions = reference.unit_versions().filter(|version| version.unit == unit);
    let versions = versions.map(|version| Value::Object(element(version))).collect();
    data.insert("versions".to_owned(), Value::Array(versions));
    let series = snapshot.all_series_of(unit).into_iter().map(|(_, series)| {
        let (kind, provider) = (series.kind.word(), series.provider.key());
        json!({ "kind": kind, "providerKey": provider, "period": series.period.minutes() })
    });
    data.insert("series".to_owned(), Value::Array(series.collect()));
    Ok(Answer::read(&call.conditions, snapshot.epoch, &Value::Object(data)))
}

/// `PUT /api/v2.0/units/{unitType}/{unitNo}`: a full statement from `validFrom` on.
pub(crate) async fn put(
    State(desk): State<Arc<Desk>>,
    UnitPath(unit): UnitPath,
    posted: Posted,
) -> Result<Answer, Refusal> {
    let known = ["name", "plantType", "installedPowerMw", "zone", "region", "validFrom"];
    let statement = Statement::parse(&posted.body, &known)?;
    let zone_name = statement.text("zone")?.unwrap_or(Zone::DEFAULT_NAME);
    let zone = Zone::parse(zone_name)
        .ok_or_else(|| Refusal::field("zone", format!("`{zone_name}` is no IANA zone")))?;
    let name = statement.text("name")?.ok_or_else(|| Refusal::field("name", "is missing"))?;
    let power = statement.megawatts("installedPowerMw", desk.doors.rules.value_bound)?;
    if power.is_some_and(|power| power.0 < 0) {
        return Err(Refusal::field("installedPowerMw", "must not be negative"));
    }
    let version = UnitVersion {
        unit,
        name: name.to_owned(),
        plant_type: statement.text("plantType")?.map(str::to_owned),
        installed_power: power,
        zone: zone_name.to_owned(),
        region: statement.text("region")?.map(str::to_owned),
        valid_from: statement.time("validFrom", &zone)?.unwrap_or(Instant::MIN),
        recorded: Instant::MIN,
    };
    let data = Value::Object(element(&version));
    let reply = desk.ask(Change::Unit(version), posted.idempotency).await?;
    Ok(Answer::done(&reply, &data))
}

/// The refusal of a unit nobody described.
pub(crate) fn unknown(unit: Unit) -> Refusal {
    Refusal::NotFound(format!("{unit} is not known"))
}

/// Refuses a unit nobody described.
pub(crate) fn require(snapshot: &Snapshot, unit: Unit) -> Result<(), Refusal> {
    snapshot.reference.newest_unit(unit).map(|_| ()).ok_or_else(|| unknown(unit))
}

/// The version that holds now, else the newest.
pub(crate) fn current(snapshot: &Snapshot, unit: Unit) -> Option<&UnitVersion> {
    let reference = &snapshot.reference;
    reference.unit_at(unit, snapshot.clock).or_else(|| reference.newest_unit(unit))
}

/// A version as the doors show it; what is absent is left out.
pub(crate) fn element(version: &UnitVersion) -> Map<String, Value> {
    let mut element = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            element.insert(key.to_owned(), value);
        }
    };
    put("unitType", json!(version.unit.unit_type.word()));
    put("unitNo", json!(version.unit.unit_no));
    put("name", json!(version.name));
    put("plantType", json!(version.plant_type));
    put("installedPowerMw", version.installed_power.map_or(Value::Null, megawatts));
    put("zone", json!(version.zone));
    put("region", json!(version.region));
    put("validFrom", since(version.valid_from));
    put("recorded", since(version.recorded));
    element
}

/// A power in MW as a JSON number.
fn megawatts(power: Quantity) -> Value {
    let text = Period::new(60).map(|hour| power.text_in(Measure::MegaWatt, hour));
    // A double shows five decimals of a power within the bound exactly as they are.
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// An instant as text; none for what always was.
pub(crate) fn since(instant: Instant) -> Value {
    if instant == Instant::MIN { Value::Null } else { json!(instant.to_string()) }
}
