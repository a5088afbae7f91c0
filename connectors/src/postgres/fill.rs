//! Fills the tables of the legacy schema with what changes say, as the legacy platform would hold it: the newest
//! master data, and every row of every forecast.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use smartpulse_operators::batch::Batch;
use smartpulse_operators::change::{BatchName, Change, Save};
use smartpulse_operators::quantity::{ABSENT, Measure, NULL, Quantity};
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::{Instant, Period};
use smartpulse_operators::unit::{Lock, Unit, UnitType, UnitVersion};
use uuid::Uuid;

use super::error::PostgresFault;
use super::session::PostgresSession;
use super::settings::PostgresSettings;

/// Values that are written at once: one transaction.
const VALUES: u64 = 20_000;
/// Bytes of a message.
const MESSAGE: usize = 1 << 20;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Rows of forecasts.
    pub values: u64,
    /// Batches they belong to.
    pub batches: u64,
    /// Plants.
    pub plants: u64,
    /// Memberships of plants and companies.
    pub memberships: u64,
    /// Rows of properties.
    pub properties: u64,
    /// Batches whose rows were deleted again.
    pub withdrawals: u64,
    /// Metered values, for which there is no table.
    pub actuals: u64,
}

/// A database that is being filled.
pub struct LegacyFill {
    session: PostgresSession,
    filled: Filled,
    units: BTreeMap<Unit, UnitVersion>,
    memberships: BTreeMap<(Unit, Unit, Instant), Option<Instant>>,
    properties: BTreeMap<(Unit, String), String>,
    locks: BTreeMap<u64, Lock>,
    batches: String,
    values: String,
    waiting: u64,
    names: BTreeMap<String, Uuid>,
}

impl LegacyFill {
    /// Opens a database and makes the tables that are not there.
    ///
    /// # Errors
    /// [`PostgresFault`].
    pub async fn open(settings: &PostgresSettings) -> Result<LegacyFill, PostgresFault> {
        let mut session = PostgresSession::open(settings).await?;
        session.execute("making the tables", super::POSTGRES_LEGACY_SCHEMA).await?;
        Ok(LegacyFill {
            session,
            filled: Filled::default(),
            units: BTreeMap::new(),
            memberships: BTreeMap::new(),
            properties: BTreeMap::new(),
            locks: BTreeMap::new(),
            batches: String::new(),
            values: String::new(),
            waiting: 0,
            names: BTreeMap::new(),
        })
    }

    /// Takes a statement on units; of several on one thing the last is kept. Written by [`LegacyFill::write_units`].
    pub fn state(&mut self, change: Change) {
        match change {
            Change::Unit(version) => drop(self.units.insert(version.unit, version)),
            Change::Membership(said) => {
                let key = (said.child, said.parent, said.valid_from);
                if said.deleted {
                    self.memberships.remove(&key);
                } else {
                    self.memberships.insert(key, said.valid_to);
                }
            }
            Change::Property(property) => {
                let key = (property.unit, property.key);
                match property.value {
                    Some(value) => drop(self.properties.insert(key, value)),
                    None => drop(self.properties.remove(&key)),
                }
            }
            Change::Lock(lock) => drop(self.locks.insert(self.locks.len() as u64, lock)),
            Change::Save(_) | Change::Withdrawal(_) | Change::Refused(_) | Change::Rules(_) => {}
        }
    }

    /// Writes what was stated: one transaction.
    ///
    /// # Errors
    /// [`PostgresFault`].
    pub async fn write_units(&mut self) -> Result<(), PostgresFault> {
        let mut text = "BEGIN;\n".to_owned();
        let types: std::collections::BTreeSet<&str> =
            self.units.values().filter_map(|unit| unit.plant_type.as_deref()).collect();
        for (name, id) in types.iter().zip(1..) {
            let _ = writeln!(
                text,
                "INSERT INTO power_plant_type VALUES ({id}, {}) ON CONFLICT DO NOTHING;",
                literal(Some(name))
            );
        }
        for unit in self.units.values().filter(|it| it.unit.unit_type == UnitType::PowerPlant) {
            self.filled.plants += 1;
            let _ = writeln!(
                text,
                "INSERT INTO power_plant (id, name, type_id, installed_power_mw, region, timezone) VALUES \
                 ({}, {}, (SELECT id FROM power_plant_type WHERE name = {}), {}, {}, {});",
                unit.unit.unit_no,
                literal(Some(&unit.name)),
                literal(unit.plant_type.as_deref()),
                unit.installed_power
                    .map_or("NULL".to_owned(), |power| power.megawatts().to_string()),
                literal(unit.region.as_deref()),
                literal(Some(&unit.zone))
            );
        }
        for ((child, parent, from), to) in &self.memberships {
            self.filled.memberships += 1;
            let (table, columns) = match parent.unit_type {
                UnitType::Group => ("group_company", "group_id, company_id, start_date, end_date"),
                _ => ("company_power_plants", "company_id, power_plant_id, valid_from, valid_to"),
            };
            let _ = writeln!(
                text,
                "INSERT INTO {table} ({columns}) VALUES ({}, {}, {}, {});",
                parent.unit_no,
                child.unit_no,
                written(*from),
                to.map_or("'infinity'".to_owned(), written)
            );
        }
        for ((unit_type, unit_no, key), value) in self.settings() {
            self.filled.properties += 1;
            let _ = writeln!(
                text,
                "INSERT INTO t000entity_property (entity_type, entity_id, key, value) VALUES \
                 ('{unit_type}', {unit_no}, '{key}', {});",
                literal(Some(&value.to_string()))
            );
        }
        for lock in self.locks.values() {
            let _ = writeln!(
                text,
                "INSERT INTO t004forecast_lock (batch_id, unit_type, unit_no, delivery_start, delivery_end, enabled) \
                 VALUES (gen_random_uuid(), '{}', {}, {}, {}, {});",
                lock.unit.unit_type.word(),
                lock.unit.unit_no,
                written(lock.from),
                written(lock.to),
                lock.released.is_none()
            );
        }
        text.push_str("COMMIT;\n");
        self.session.execute("writing master data", &text).await
    }

    /// The properties as the legacy tables hold them: some of them together, as JSON.
    fn settings(&self) -> BTreeMap<(&'static str, u64, String), serde_json::Value> {
        let mut settings: BTreeMap<_, serde_json::Value> = BTreeMap::new();
        for ((unit, key), value) in &self.properties {
            let limits = match unit.unit_type {
                UnitType::Company => "CompanyLimitSettings",
                _ => "PlantLimitSettings",
            };
            let (key, field) = match key.as_str() {
                "lower_limit_mw" => (limits, "lowerLimit"),
                "upper_limit_mw" => (limits, "upperLimit"),
                "market" => ("MarketSettings", "market"),
                other => (other, "value"),
            };
            let place = (unit.unit_type.word(), unit.unit_no, key.to_owned());
            let whole = settings.entry(place).or_insert_with(|| serde_json::json!({}));
            whole[field] = serde_json::Value::String(value.clone());
        }
        settings
    }

    /// Takes a save or a withdrawal; writes when much waits.
    ///
    /// # Errors
    /// [`PostgresFault`].
    pub async fn add(&mut self, change: &Change) -> Result<(), PostgresFault> {
        match change {
            Change::Save(save) => self.add_save(save),
            Change::Withdrawal(withdrawal) => {
                let id = match &withdrawal.batch {
                    BatchName::Id(id) => Some(*id),
                    BatchName::Source(name) => self.names.get(name).copied(),
                };
                let Some(id) = id else { return Ok(()) };
                self.flush().await?;
                self.filled.withdrawals += 1;
                let statement = format!("DELETE FROM t004forecast WHERE batch_id = '{id}'");
                self.session.execute("deleting a batch", &statement).await?;
            }
            _ => {}
        }
        if self.waiting >= VALUES { self.flush().await } else { Ok(()) }
    }

    fn add_save(&mut self, save: &Save) {
        let batch = &save.batch;
        let before = self.waiting;
        for entry in &save.entries {
            if entry.kind == Kind::Actual {
                self.filled.actuals += entry.curve.len() as u64;
                continue;
            }
            let minutes = i64::from(entry.period.minutes());
            entry.curve.for_each_day(entry.period, |day, first, values| {
                let slots = values.iter().zip(first..).filter(|(value, _)| **value != ABSENT);
                for (value, slot) in slots {
                    let start = day.slot_start(entry.period, slot);
                    self.waiting += 1;
                    let _ = writeln!(
                        self.values,
                        "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
                        batch.id,
                        entry.unit.unit_type.word(),
                        entry.unit.unit_no,
                        plain(start),
                        plain(start.plus_minutes(minutes)),
                        escaped(batch.provider.key()),
                        plain(batch.valid_after),
                        number(*value, entry.period),
                    );
                }
            });
        }
        if self.waiting > before {
            self.filled.batches += 1;
            self.filled.values += self.waiting - before;
            let Batch { id, note, recorded, source_batch, .. } = batch;
            let note = note.as_deref().map_or("\\N".to_owned(), escaped);
            let _ = writeln!(self.batches, "{id}\t{note}\t{}", plain(*recorded));
            if let Some(name) = source_batch {
                self.names.insert(name.clone(), *id);
            }
        }
    }

    /// Writes what waits: one transaction.
    async fn flush(&mut self) -> Result<(), PostgresFault> {
        if self.waiting == 0 {
            return Ok(());
        }
        self.waiting = 0;
        let (batches, values) =
            (std::mem::take(&mut self.batches), std::mem::take(&mut self.values));
        self.session.execute("beginning", "BEGIN").await?;
        let into = "COPY t004forecast_batch_info (batch_id, note, start_time) FROM STDIN";
        self.session.copy_in(into, &batches, MESSAGE).await?;
        self.session.copy_in("COPY t004forecast FROM STDIN", &values, MESSAGE).await?;
        self.session.execute("committing", "COMMIT").await
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// [`PostgresFault`].
    pub async fn finish(mut self) -> Result<Filled, PostgresFault> {
        self.flush().await?;
        Ok(self.filled)
    }
}

/// An instant as a column without a zone holds it.
fn plain(instant: Instant) -> String {
    if instant == Instant::MIN {
        return "-infinity".to_owned();
    }
    instant.to_string().trim_end_matches('Z').to_owned()
}

fn written(instant: Instant) -> String {
    format!("'{}'", plain(instant))
}

/// MW, as far as the column holds them: to a tenth of a kW.
fn number(value: i64, period: Period) -> String {
    if value == NULL {
        "\\N".to_owned()
    } else {
        Quantity(value).text_in(Measure::MegaWatt, period)
    }
}

fn literal(text: Option<&str>) -> String {
    text.map_or("NULL".to_owned(), |text| format!("'{}'", text.replace('\'', "''")))
}

/// Text as `COPY` reads it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}
