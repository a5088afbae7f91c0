//! Rows of envelopes, as the log itself would tell them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};
use smartpulse_connectors::{
    ColumnForm, Datum, DebeziumSettings, Envelope, Forms, Input, Mapping, Operation, PostgresFault,
    Relation, TableMapping, TableName, Told, Tuple,
};

use super::super::tables::fields::{RowFault, fault};
use super::super::tables::learned::Learned;

/// What an envelope says.
#[derive(Debug)]
pub(super) enum Saying {
    /// A row that was, and that is.
    Row(Arc<Learned>, Option<Values>, Option<Values>),
    /// A table was emptied.
    Empty(Arc<Learned>),
    /// Of a row that was, too little is told: what it is counts, and what it was stays.
    Half(Arc<Learned>, Option<Values>, RowFault),
    /// Nothing that matters.
    Nothing,
}

/// The values of a row, by column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Values(Vec<Told>);

impl Values {
    /// As the log tells a row.
    pub(super) fn tuple(&self) -> Tuple<'_> {
        let datum = |told: &'_ Told| match told {
            Told::Null => Datum::Null,
            Told::Unchanged => Datum::Unchanged,
            Told::Text(_) => Datum::Null,
        };
        let values = self.0.iter().map(|told| match told {
            Told::Text(text) => Datum::Text(text),
            other => datum(other),
        });
        values.collect()
    }
}

/// Why an envelope says nothing.
#[derive(Debug)]
pub(super) enum Unread {
    /// A value of its row cannot be understood.
    Row(RowFault),
    /// Its table is not as the mapping says.
    Table(PostgresFault),
}

/// The tables as their envelopes have them.
pub(super) struct Shapes {
    settings: DebeziumSettings,
    mapping: Arc<Mapping>,
    known: BTreeMap<TableName, Shape>,
}

/// A table as its newest envelope has it.
struct Shape {
    learned: Arc<Learned>,
    columns: Vec<String>,
    key: Vec<String>,
    forms: Vec<ColumnForm>,
    /// Which columns matter: of others nothing has to be understood.
    needed: Vec<bool>,
    schema: Option<Arc<Forms>>,
}

impl Shapes {
    pub(super) fn new(settings: &DebeziumSettings, mapping: &Arc<Mapping>) -> Shapes {
        let (settings, mapping) = (settings.clone(), Arc::clone(mapping));
        Shapes { settings, mapping, known: BTreeMap::new() }
    }

    /// Whether a table is mapped.
    pub(super) fn is_mapped(&self, table: &TableName) -> bool {
        self.mapping.tables.iter().any(|mapped| mapped.table == *table)
    }

    /// What an envelope says that bears `key`.
    pub(super) fn read(&mut self, change: &Envelope, key: Option<&str>) -> Result<Saying, Unread> {
        if change.operation == Operation::Other || !self.is_mapped(&change.table) {
            return Ok(Saying::Nothing);
        }
        if change.operation == Operation::Truncate {
            return self.emptied(&change.table).map(Saying::Empty).map_err(Unread::Table);
        }
        let row = change.after.as_ref().or(change.before.as_ref());
        let Some(row) = row else { return Ok(Saying::Nothing) };
        self.shape(change, row, &key_columns(key)).map_err(Unread::Table)?;
        let Some(shape) = self.known.get(&change.table) else { return Ok(Saying::Nothing) };
        let values = |row: &Map<String, Value>| {
            shape.values(row, &self.settings.unavailable).map_err(Unread::Row)
        };
        let new = change.after.as_ref().filter(|_| change.operation != Operation::Delete);
        let old = change.before.as_ref().map(values).transpose()?;
        // By an index that is not its key it may be named otherwise: where it is there still, its key is.
        let is_update = change.operation == Operation::Update;
        let old = old.filter(|row| !is_update || !shape.is_nameless(row));
        let new = new.map(values).transpose()?;
        let learned = Arc::clone(&shape.learned);
        let mapped = self.mapping.tables.iter().filter(|mapped| mapped.table == change.table);
        match shape.lacking(mapped, old.as_ref(), change.operation) {
            Some(fault) => Ok(Saying::Half(learned, new, fault)),
            None => Ok(Saying::Row(learned, old, new)),
        }
    }

    fn emptied(&self, table: &TableName) -> Result<Arc<Learned>, PostgresFault> {
        if let Some(shape) = self.known.get(table) {
            return Ok(Arc::clone(&shape.learned));
        }
        // Nothing has told its columns yet: those that are mapped are all that matter.
        let mapped = self.mapping.tables.iter().filter(|mapped| mapped.table == *table);
        let columns = mapped.flat_map(TableMapping::columns).map(str::to_owned).collect();
        self.learn(table, columns, &[]).map(Arc::new)
    }

    /// Learns the table of a row anew where that has other columns, another key or other types.
    fn shape(
        &mut self,
        change: &Envelope,
        row: &Map<String, Value>,
        key: &[String],
    ) -> Result<(), PostgresFault> {
        let is_same = |shape: &Shape| {
            shape.columns.iter().eq(row.keys())
                && shape.key == key
                && match (&shape.schema, &change.forms) {
                    (Some(known), Some(told)) => Arc::ptr_eq(known, told) || known == told,
                    (known, told) => known.is_none() && told.is_none(),
                }
        };
        if self.known.get(&change.table).is_some_and(is_same) {
            return Ok(());
        }
        let columns: Vec<String> = row.keys().cloned().collect();
        let learned = Arc::new(self.learn(&change.table, columns.clone(), key)?);
        let mapped = self.mapping.tables.iter().filter(|mapped| mapped.table == change.table);
        let declared: BTreeMap<_, _> = mapped.flat_map(|mapped| &mapped.types).collect();
        let DebeziumSettings { decimals, times, .. } = self.settings;
        let form = |column: &String| match &change.forms {
            Some(forms) => forms.get(column).copied().unwrap_or(ColumnForm::Plain),
            None => declared
                .get(column)
                .map_or(ColumnForm::Plain, |declared| declared.form(decimals, times)),
        };
        let forms = columns.iter().map(form).collect();
        let mapped = self.mapping.tables.iter().filter(|mapped| mapped.table == change.table);
        let meant: BTreeSet<&str> = mapped.flat_map(TableMapping::columns).collect();
        let needed =
            columns.iter().map(|column| meant.contains(column.as_str()) || key.contains(column));
        let needed = needed.collect();
        let (key, schema) = (key.to_vec(), change.forms.clone());
        let shape = Shape { learned, columns, key, forms, needed, schema };
        self.known.insert(change.table.clone(), shape);
        Ok(())
    }

    fn learn(
        &self,
        table: &TableName,
        columns: Vec<String>,
        key: &[String],
    ) -> Result<Learned, PostgresFault> {
        let columns =
            columns.into_iter().map(|column| (column.clone(), key.contains(&column))).collect();
        // What names a row that changes is the key of its message, whatever the table's identity.
        let relation = Relation { id: 0, table: table.clone(), identity: b'n', columns };
        Learned::of(&self.settings.name, &self.mapping, key, &relation)
    }
}

impl Shape {
    fn values(&self, row: &Map<String, Value>, unavailable: &str) -> Result<Values, RowFault> {
        let forms = self.forms.iter().zip(&self.needed);
        let told = self.columns.iter().zip(forms).map(|(column, (form, is_needed))| {
            let value = row.get(column).unwrap_or(&Value::Null);
            match form.told(value, unavailable) {
                Err(rule) if *is_needed => Err(fault(column, rule)),
                told => Ok(told.unwrap_or(Told::Null)),
            }
        });
        told.collect::<Result<_, _>>().map(Values)
    }

    /// Whether a row that was bears nothing of what rows are told apart by.
    fn is_nameless(&self, row: &Values) -> bool {
        let key = &self.learned.key;
        let mut told = self.columns.iter().zip(&row.0).filter(|(column, _)| key.contains(column));
        told.all(|(_, told)| *told == Told::Null)
    }

    /// What is not told of a row that was, though it is needed to know which it was.
    fn lacking<'t>(
        &self,
        mapped: impl Iterator<Item = &'t TableMapping>,
        old: Option<&Values>,
        operation: Operation,
    ) -> Option<RowFault> {
        if !matches!(operation, Operation::Update | Operation::Delete) {
            return None;
        }
        let is_null = |column: &str| {
            let place = self.columns.iter().position(|known| known == column);
            let told = place.and_then(|place| old?.0.get(place));
            told.is_none_or(|told| *told == Told::Null)
        };
        let is_key = |column: &str| self.key.iter().any(|known| known == column);
        // With less than all of it, the row bears its key alone.
        let is_partial = self.columns.iter().all(|column| is_key(column) || is_null(column));
        let needed =
            "told of a row that changes or is deleted: its table needs REPLICA IDENTITY FULL";
        for mapped in mapped {
            let lacking = match mapped.input {
                Input::Forecasts if mapped.deletes && is_partial => {
                    mapped.slot_columns().into_iter().find(|column| !is_key(column))
                }
                Input::Forecasts | Input::Batches => None,
                _ if operation == Operation::Delete => {
                    let key = &self.learned.key;
                    let all_null = key.iter().all(|column| is_null(column));
                    key.first().filter(|_| all_null).map(String::as_str)
                }
                _ => None,
            };
            if let Some(column) = lacking {
                return Some(fault(column, needed));
            }
        }
        None
    }
}

/// The columns in the key of a message, with or without its schema.
fn key_columns(key: Option<&str>) -> Vec<String> {
    let read: Option<Map<String, Value>> = key.and_then(|key| serde_json::from_str(key).ok());
    let Some(mut read) = read else { return Vec::new() };
    if read.contains_key("schema")
        && let Some(Value::Object(payload)) = read.remove("payload")
    {
        read = payload;
    }
    read.into_iter().map(|(column, _)| column).collect()
}

#[cfg(test)]
#[path = "rows/tests.rs"]
mod tests;
