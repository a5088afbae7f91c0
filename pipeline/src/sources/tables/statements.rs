//! From rows of master data to what they say of units.

use std::collections::BTreeMap;

use smartpulse_connectors::{Input, PropertyRule};
use smartpulse_datasets::unnamed_unit;
use smartpulse_operators::change::Change;
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::reference::megawatts;
use smartpulse_operators::time::{Instant, Zone};
use smartpulse_operators::unit::{Lock, Membership, Property, Unit, UnitType, UnitVersion};

use super::fields::{Fields, RowFault, fault};

/// Stands after every instant: the end of a lock without one.
const FOREVER: Instant = Instant(i64::MAX);

/// What follows from a row that was `old` and is `new`. Whatever cannot be read says nothing, and is told.
pub(in crate::sources) fn statements(
    old: Option<Fields<'_>>,
    new: Option<Fields<'_>>,
    input: Input,
) -> (Vec<Change>, Vec<RowFault>) {
    let mut faults = Vec::new();
    // What an old row could not say was told when it came.
    let mut read = |fields: Fields<'_>| {
        said(fields, input).unwrap_or_else(|fault| {
            faults.push(fault);
            Vec::new()
        })
    };
    let after = new.map_or(Vec::new(), &mut read);
    let before = old.map_or(Vec::new(), |fields| said(fields, input).unwrap_or_default());
    let is_restated = |change: &Change| after.iter().any(|other| Key::of(other) == Key::of(change));
    let taken_back = before.iter().filter(|change| !is_restated(change)).filter_map(take_back);
    let changed = after.iter().filter(|change| !before.contains(change)).cloned();
    (taken_back.chain(changed).collect(), faults)
}

/// Whether a statement takes back what rows may say several times.
pub(in crate::sources) fn takes_back(change: &Change) -> bool {
    match change {
        Change::Membership(membership) => membership.deleted,
        Change::Property(property) => property.value.is_none(),
        _ => false,
    }
}

/// What a row says, alone.
fn said(fields: Fields<'_>, input: Input) -> Result<Vec<Change>, RowFault> {
    match input {
        Input::Units => unit(fields).map(|unit| vec![Change::Unit(unit)]),
        Input::Memberships => membership(fields).map(|one| vec![Change::Membership(one)]),
        Input::Properties => properties(fields),
        Input::Locks => lock(fields).map(|lock| lock.map(Change::Lock).into_iter().collect()),
        Input::Names
        | Input::Permissions
        | Input::Roles
        | Input::ProviderKeys
        | Input::Batches
        | Input::Forecasts => Ok(Vec::new()),
    }
}

/// What tells a statement from others of its kind.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sources) enum Key<'c> {
    Unit(Unit, Instant),
    Membership(Unit, Unit, Instant),
    Property(Unit, &'c str),
    Lock(u64),
    Other,
}

impl Key<'_> {
    /// That of a statement.
    pub(in crate::sources) fn of(change: &Change) -> Key<'_> {
        match change {
            Change::Unit(version) => Key::Unit(version.unit, version.valid_from),
            Change::Membership(one) => Key::Membership(one.parent, one.child, one.valid_from),
            Change::Property(property) => Key::Property(property.unit, &property.key),
            Change::Lock(lock) => Key::Lock(lock.id),
            _ => Key::Other,
        }
    }
}

/// What takes a statement back; a unit stays known: what was forecast of it is.
fn take_back(change: &Change) -> Option<Change> {
    match change {
        Change::Membership(one) => {
            Some(Change::Membership(Membership { deleted: true, ..one.clone() }))
        }
        Change::Property(property) => {
            Some(Change::Property(Property { value: None, ..property.clone() }))
        }
        Change::Lock(lock) => {
            Some(Change::Lock(Lock { released: Some(Instant::MIN), ..lock.clone() }))
        }
        _ => None,
    }
}

fn unit(fields: Fields<'_>) -> Result<UnitVersion, RowFault> {
    let unnamed = unnamed_unit(fields.unit("unit_type", "unit_no")?, Instant::MIN);
    let zone = fields.owned("zone").unwrap_or(unnamed.zone);
    if Zone::parse(&zone).is_none() {
        return Err(fault("zone", "an IANA time zone"));
    }
    Ok(UnitVersion {
        name: fields.owned("name").unwrap_or(unnamed.name),
        plant_type: fields.owned("plant_type"),
        installed_power: power(fields, "installed_power_mw")?,
        zone,
        region: fields.owned("region"),
        valid_from: fields.beginning("valid_from")?,
        ..unnamed
    })
}

fn power(fields: Fields<'_>, field: &str) -> Result<Option<Quantity>, RowFault> {
    let Some(text) = fields.owned(field) else { return Ok(None) };
    let power = megawatts(&text).filter(|power| power.0 >= 0);
    power.map(Some).ok_or_else(|| fault(field, "a number of MW that is not negative"))
}

fn membership(fields: Fields<'_>) -> Result<Membership, RowFault> {
    let parent = fields.unit("parent_type", "parent_no")?;
    let child = fields.unit("child_type", "child_no")?;
    let rises = matches!(
        (child.unit_type, parent.unit_type),
        (UnitType::PowerPlant, UnitType::Company) | (UnitType::Company, UnitType::Group)
    );
    if !rises {
        return Err(fault("parent_type", "CMP above PP, or GRP above CMP"));
    }
    let (valid_from, valid_to) = (fields.beginning("valid_from")?, fields.end("valid_to")?);
    if valid_to.is_some_and(|end| end <= valid_from) {
        return Err(fault("valid_to", "later than valid_from"));
    }
    let (recorded, deleted) = (Instant::MIN, false);
    Ok(Membership { parent, child, valid_from, valid_to, recorded, deleted })
}

fn properties(fields: Fields<'_>) -> Result<Vec<Change>, RowFault> {
    let unit = fields.unit("unit_type", "unit_no")?;
    let key = fields.owned("key").ok_or_else(|| fault("key", "a text that is not empty"))?;
    let value = fields.text("value");
    let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
    if fields.mapping.properties.is_empty() {
        found.insert(key, value.map(|text| text.into_owned()));
    } else {
        for rule in fields.mapping.properties.iter().filter(|rule| rule.key == key) {
            found.insert(rule.property.clone(), at(rule, value.as_deref())?);
        }
    }
    let changes = found.into_iter().filter(|(_, value)| value.is_some());
    let changes = changes.map(|(key, value)| {
        Change::Property(Property { unit, key, value, recorded: Instant::MIN })
    });
    Ok(changes.collect())
}

/// The value that a rule takes from a row's.
fn at(rule: &PropertyRule, value: Option<&str>) -> Result<Option<String>, RowFault> {
    let Some(text) = value else { return Ok(None) };
    if rule.path.is_empty() {
        return Ok(Some(text.to_owned()));
    }
    let whole: serde_json::Value =
        serde_json::from_str(text).map_err(|_| fault("value", "JSON"))?;
    Ok(match whole.pointer(&rule.path) {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    })
}

/// The column under which the number of a row's lock is kept: no column is named so.
pub(in crate::sources) const LOCK_ID: &str = "";

fn lock(fields: Fields<'_>) -> Result<Option<Lock>, RowFault> {
    let unit = fields.unit("unit_type", "unit_no")?;
    let is_enabled = fields.flag("enabled", true)?;
    let from = fields.beginning("from")?;
    let to = fields.end("to")?.unwrap_or(FOREVER);
    if to <= from {
        return Err(fault("to", "later than from"));
    }
    let expires = fields.end("expires")?;
    let id = fields.row.get(LOCK_ID).and_then(Option::as_deref).and_then(|text| text.parse().ok());
    let Some(id) = id.filter(|_| is_enabled) else { return Ok(None) };
    Ok(Some(Lock {
        id,
        unit,
        from,
        to,
        user: fields.owned("user").unwrap_or_else(|| "postgres".to_owned()),
        reason: fields.owned("reason").unwrap_or_default(),
        expires,
        released: None,
        recorded: Instant::MIN,
    }))
}
