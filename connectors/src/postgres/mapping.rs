//! What the tables of a database mean: `table → input, columns → fields`, as TOML.
//!
//! ```toml
//! [[table]]
//! table = "public.plants"                 # `public` where no schema is named
//! input = "units"
//! [table.fields]
//! unit_type = { value = "PP" }            # the same for every row
//! unit_no = "id"                          # a column
//! plant_type = { column = "type_id", names = "public.plant_types" }
//! valid_from = { column = "since", zone = "Europe/Istanbul" }   # a wall-clock time there
//! ```
//!
//! A table may be mapped to several inputs. Times without a zone are UTC unless `zone` says otherwise. With
//! `[[table.properties]]` a table of keys and values gives several properties from one row:
//! `{ key = "limits", path = "/upper", property = "upper_limit_mw" }` takes the value at a JSON pointer. With
//! `[table.types]`, `amount = "numeric(36,4)"`, values are understood that come without their types, as Debezium's do.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use smartpulse_operators::time::Zone;

use crate::debezium::ColumnType;

/// The mapping of the legacy schema.
pub(super) const LEGACY: &str = include_str!("legacy.toml");

/// What the tables of a database mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// The tables, in the order in which their rows depend on each other.
    pub tables: Vec<TableMapping>,
}

/// What one table means.
#[derive(Clone, Debug, PartialEq)]
pub struct TableMapping {
    /// Schema and name.
    pub table: TableName,
    /// What its rows are.
    pub input: Input,
    /// Where each field comes from.
    pub fields: BTreeMap<String, Field>,
    /// Properties in a value.
    pub properties: Vec<PropertyRule>,
    /// Whether a deleted row takes back what it said; else it is only there no more.
    pub deletes: bool,
    /// Types of columns, for values that come without.
    pub types: BTreeMap<String, ColumnType>,
}

/// Schema and name of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
}

/// What the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Names that other tables refer to.
    Names,
    /// Master data of units.
    Units,
    /// Memberships.
    Memberships,
    /// Properties of units.
    Properties,
    /// Locks.
    Locks,
    /// What users may do; kept for them.
    Permissions,
    /// Roles of users; kept for them.
    Roles,
    /// Providers of units; kept for them.
    ProviderKeys,
    /// User and note of batches.
    Batches,
    /// Values of forecasts or actuals.
    Forecasts,
}

/// Where a field comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// The same for every row.
    Value(String),
    /// A column.
    Column {
        /// Its name.
        column: String,
        /// The table of names by which its value is replaced.
        names: Option<TableName>,
        /// The zone of a time without one.
        zone: Option<Zone>,
    },
}

/// A property in the value of a row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertyRule {
    /// The row's key.
    pub key: String,
    /// Where in its value, a JSON pointer; the whole value where empty.
    #[serde(default)]
    pub path: String,
    /// The property's key.
    pub property: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    table: Vec<WrittenTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTable {
    table: String,
    input: Input,
    #[serde(default)]
    fields: BTreeMap<String, WrittenField>,
    #[serde(default)]
    properties: Vec<PropertyRule>,
    #[serde(default = "yes")]
    deletes: bool,
    #[serde(default)]
    types: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenField {
    Column(String),
    Told(ToldField),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldField {
    value: Option<String>,
    column: Option<String>,
    names: Option<String>,
    zone: Option<String>,
}

impl TableName {
    /// Reads `schema.table`, or a table of `public`.
    #[must_use]
    pub fn parse(text: &str) -> Option<TableName> {
        let (schema, table) = text.split_once('.').unwrap_or(("public", text));
        let is_name =
            |name: &str| (1..=63).contains(&name.len()) && !name.contains(['.', '"', '\0']);
        let (schema, table) = (schema.to_owned(), table.to_owned());
        (is_name(&schema) && is_name(&table)).then_some(TableName { schema, table })
    }

    /// As SQL names it.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.schema, self.table)
    }
}

/// A name as SQL quotes it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Input {
    /// Whether its rows are kept: what a row said is needed when it changes.
    #[must_use]
    pub fn is_kept(self) -> bool {
        !matches!(self, Input::Forecasts | Input::Batches)
    }

    /// Fields that must be there, and fields that may be; none where any may be.
    fn fields(self) -> (&'static [&'static str], Option<&'static [&'static str]>) {
        match self {
            Input::Names => (&["key", "name"], Some(&[])),
            Input::Units => (
                &["unit_type", "unit_no"],
                Some(&["name", "plant_type", "installed_power_mw", "zone", "region", "valid_from"]),
            ),
            Input::Memberships => (
                &["parent_type", "parent_no", "child_type", "child_no"],
                Some(&["valid_from", "valid_to"]),
            ),
            Input::Properties => (&["unit_type", "unit_no", "key", "value"], Some(&[])),
            Input::Locks => (
                &["unit_type", "unit_no", "from", "to"],
                Some(&["enabled", "reason", "user", "expires"]),
            ),
            Input::Permissions | Input::Roles | Input::ProviderKeys => (&[], None),
            Input::Batches => (&["batch"], Some(&["user", "note"])),
            Input::Forecasts => (
                &["unit_type", "unit_no", "provider", "delivery_start", "value"],
                Some(&[
                    "delivery_end",
                    "period_minutes",
                    "valid_after",
                    "batch",
                    "measure_unit",
                    "kind",
                    "user",
                    "note",
                ]),
            ),
        }
    }
}

impl Mapping {
    /// That of the legacy schema.
    ///
    /// # Panics
    /// Never: it is a part of the program, and its test reads it.
    #[must_use]
    pub fn legacy() -> Mapping {
        Mapping::parse(LEGACY).unwrap_or_else(|problem| panic!("legacy.toml: {problem}"))
    }

    /// Reads a mapping.
    ///
    /// # Errors
    /// What cannot be meant, with table and field.
    pub fn parse(text: &str) -> Result<Mapping, String> {
        let written: Written = toml::from_str(text).map_err(|problem| problem.to_string())?;
        let mut tables =
            written.table.into_iter().map(TableMapping::read).collect::<Result<Vec<_>, _>>()?;
        if tables.is_empty() {
            return Err("it maps no table".to_owned());
        }
        // What others refer to comes first.
        tables.sort_by_key(|table| table.input);
        let mut seen = BTreeSet::new();
        for table in &tables {
            if !seen.insert((table.table.clone(), table.input)) {
                return Err(format!("{} is mapped twice to the same input", table.table));
            }
            for (name, field) in &table.fields {
                let Field::Column { names: Some(names), .. } = field else { continue };
                let is_there =
                    |other: &TableMapping| other.input == Input::Names && other.table == *names;
                if !tables.iter().any(is_there) {
                    return Err(format!(
                        "{}: {name}: names = \"{names}\" must be a table with input = \"names\"",
                        table.table
                    ));
                }
            }
        }
        Ok(Mapping { tables })
    }
}

impl TableMapping {
    fn read(written: WrittenTable) -> Result<TableMapping, String> {
        let WrittenTable { table, input, fields, properties, deletes, types } = written;
        let name = TableName::parse(&table)
            .ok_or_else(|| format!("table = \"{table}\" must be a name or schema.name"))?;
        let refused = |field: &str, rule: &str| Err(format!("{name}: {field} {rule}"));
        let (required, optional) = input.fields();
        for field in required {
            if !fields.contains_key(*field) {
                return refused(field, "is missing");
            }
        }
        if input == Input::Forecasts
            && fields.contains_key("delivery_end") == fields.contains_key("period_minutes")
        {
            return refused(
                "delivery_end",
                "or period_minutes must be there, and only one of them",
            );
        }
        if input != Input::Properties && !properties.is_empty() {
            return refused("properties", "are for input = \"properties\" alone");
        }
        let mut read = BTreeMap::new();
        for (field, written) in fields {
            let is_known = required.contains(&field.as_str())
                || optional.is_none_or(|optional| optional.contains(&field.as_str()));
            if !is_known {
                return refused(&field, "is no field of this input");
            }
            match Field::read(written) {
                Ok(source) => drop(read.insert(field, source)),
                Err(rule) => return refused(&field, &rule),
            }
        }
        let mut declared = BTreeMap::new();
        for (column, written) in types {
            match ColumnType::parse(&written) {
                Some(column_type) => drop(declared.insert(column, column_type)),
                None => {
                    let rule =
                        "must be numeric(p,s), timestamp(p), timestamptz or date: others need none";
                    return refused(&format!("types.{column}"), rule);
                }
            }
        }
        Ok(TableMapping { table: name, input, fields: read, properties, deletes, types: declared })
    }

    /// The columns that are read, each once.
    #[must_use]
    pub fn columns(&self) -> BTreeSet<&str> {
        let columns = self.fields.values().filter_map(|field| match field {
            Field::Column { column, .. } => Some(column.as_str()),
            Field::Value(_) => None,
        });
        columns.collect()
    }

    /// The column that a field comes from.
    #[must_use]
    pub fn column(&self, field: &str) -> Option<&str> {
        match self.fields.get(field)? {
            Field::Column { column, .. } => Some(column),
            Field::Value(_) => None,
        }
    }

    /// The columns that tell a value from others.
    #[must_use]
    pub fn slot_columns(&self) -> BTreeSet<&str> {
        let slot = ["value", "measure_unit", "user", "note"];
        let fields = self.fields.iter().filter(|(name, _)| !slot.contains(&name.as_str()));
        let columns = fields.filter_map(|(_, field)| match field {
            Field::Column { column, .. } => Some(column.as_str()),
            Field::Value(_) => None,
        });
        columns.collect()
    }
}

impl Field {
    fn read(written: WrittenField) -> Result<Field, String> {
        let told = match written {
            WrittenField::Column(column) => {
                return Ok(Field::Column { column, names: None, zone: None });
            }
            WrittenField::Told(told) => told,
        };
        match told {
            ToldField { value: Some(value), column: None, names: None, zone: None } => {
                Ok(Field::Value(value))
            }
            ToldField { value: None, column: Some(column), names, zone } => {
                let names = names
                    .map(|name| TableName::parse(&name).ok_or("names must be a table".to_owned()));
                let zone = zone.map(|zone| {
                    Zone::parse(&zone).ok_or(format!("zone \"{zone}\" is no IANA zone"))
                });
                Ok(Field::Column { column, names: names.transpose()?, zone: zone.transpose()? })
            }
            _ => Err("must be a column, or a value alone".to_owned()),
        }
    }
}

#[cfg(test)]
#[path = "mapping/tests.rs"]
mod tests;
