//! `POST …/GetLatestMulti` and `…/multi`: the same read of many units, all at one epoch.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use serde_json::{Map, Value};
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Unit, UnitType};

use super::answer::{Answer, Level};
use super::axes::Axes;
use super::body::Posted;
use super::desk::Desk;
use super::encoded::{self, Place};
use super::exchange::Call;
use super::latest::{UnitRead, Wanted, When, known};
use super::path;
use super::reading::{READ_WORDS, Reading, Shape};
use super::refusal::Refusal;
use super::save_body::unreadable;
use super::words::{Words, plain};
use crate::snapshot::Snapshot;
use crate::window::zone_of;

/// The fields of the body, without case and joints.
const FIELDS: [&str; 4] = ["providerkey", "unittype", "unitids", "query"];

/// Reads `{"providerKey", "unitType", "unitIds" | null, "query": {…}}`: those units, or all of that type.
pub(crate) async fn latest(
    State(desk): State<Arc<Desk>>,
    Extension(call): Extension<Call>,
    posted: Posted,
) -> Result<Answer, Refusal> {
    let body = Body::parse(&posted.body)?;
    let provider = path::provider("providerKey", body.text("providerKey")?)?;
    let unit_type = UnitType::parse(body.text("unitType")?)
        .ok_or_else(|| Refusal::field("unitType", "must be PP, CMP or GRP"))?;
    let read_words = [&["date", "offset"], &READ_WORDS[..]].concat();
    let words = Words::from_json(body.get("query"), &read_words)?;
    let reading = Reading::read(&words)?;
    let when = match (words.get("date"), words.get("offset")) {
        (Some(_), Some(_)) => {
            return Err(Refusal::field("query.offset", "cannot be given with `date`"));
        }
        (Some(_), None) => When::ByDate,
        (None, Some(_)) => When::ByOffset,
        (None, None) => When::Now,
    };
    let snapshot = desk.snapshot_for(&words).await?;
    let units = match body.get("unitIds") {
        Some(ids) => named(ids, unit_type)?,
        None => snapshot.reference.units().filter(|unit| unit.unit_type == unit_type).collect(),
    };
    refuse_days_of_several_zones(&snapshot, &reading, &units)?;
    let mut elements = Vec::new();
    // Encoded only where every part of it was.
    let mut level = Level::Encoded;
    let mut known_at: Option<Option<Instant>> = None;
    let mut slots = 0;
    for unit in units {
        known(&snapshot, unit)?;
        let zone = zone_of(&snapshot.reference, unit);
        let range = Reading::range(&words, &zone, snapshot.clock)?;
        let axes = Axes::read(when.reference(&words, &zone)?, &words, &zone, snapshot.clock)?;
        // The answer names one instant.
        if *known_at.get_or_insert(axes.known_at) != axes.known_at {
            let rule = "must carry an offset where the zones of the units differ";
            return Err(Refusal::field("query.known_at", rule));
        }
        slots += range.asked_slots(reading.shape).max(range.slots(60));
        desk.refuse_beyond_bound(slots)?;
        let read = UnitRead { snapshot: &snapshot, reading: &reading, range, axes, zone };
        let wanted = Wanted { kind: Kind::Forecast, unit, provider: provider.clone() };
        if !axes.is_live() {
            level = Level::Database;
            read.elements(&desk, &wanted, &mut elements).await?;
            continue;
        }
        let found = encoded::of_unit(&desk, &Place::of(&wanted, &read), &read).await?;
        if found.level == Level::Snapshot {
            level = Level::Snapshot;
        }
        // A unit of which nothing was ever said has no element.
        let text = Some(found.fragment.elements()).filter(|text| !text.is_empty());
        elements.extend(text.map(str::to_owned));
    }
    let answer = Answer::told(&call.conditions, snapshot.epoch, &elements);
    Ok(answer.with_known_at(known_at.flatten()).of_level(level))
}

/// Days and months are civil: of units in several zones they are counted in none of them unasked.
fn refuse_days_of_several_zones(
    snapshot: &Snapshot,
    reading: &Reading,
    units: &[Unit],
) -> Result<(), Refusal> {
    if reading.zone.is_some() || !matches!(reading.shape, Shape::Civil(_)) {
        return Ok(());
    }
    let mut zones = units.iter().map(|unit| zone_of(&snapshot.reference, *unit));
    let first = zones.next();
    if zones.all(|zone| Some(&zone) == first.as_ref()) {
        return Ok(());
    }
    Err(Refusal::field("zone", "is required by day or month where the zones of the units differ"))
}

/// The body, its names without case and joints.
struct Body(Map<String, Value>);

impl Body {
    fn parse(bytes: &[u8]) -> Result<Body, Refusal> {
        let body: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
        let mut fields = Map::new();
        for (name, value) in body {
            let field = plain(&name);
            if !FIELDS.contains(&field.as_str()) {
                return Err(Refusal::field(name, "is no field of this body"));
            }
            fields.insert(field, value);
        }
        Ok(Body(fields))
    }

    /// A field that is there and not null.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(&plain(name)).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<&str, Refusal> {
        let text = self.get(name).and_then(Value::as_str);
        text.ok_or_else(|| Refusal::field(name, "is required and must be text"))
    }
}

fn named(ids: &Value, unit_type: UnitType) -> Result<Vec<Unit>, Refusal> {
    let rule = "must be a list of positive whole numbers, or null for all";
    let ids = ids.as_array().ok_or_else(|| Refusal::field("unitIds", rule))?;
    let unit = |(index, id): (usize, &Value)| {
        let number = id.as_u64().filter(|number| *number > 0 && *number <= i64::MAX as u64);
        let number = number.ok_or_else(|| Refusal::field(format!("unitIds[{index}]"), rule))?;
        Ok(Unit { unit_type, unit_no: number })
    };
    let mut units = ids.iter().enumerate().map(unit).collect::<Result<Vec<_>, Refusal>>()?;
    // Asked for twice, answered once.
    let mut seen = std::collections::BTreeSet::new();
    units.retain(|unit| seen.insert(*unit));
    Ok(units)
}
