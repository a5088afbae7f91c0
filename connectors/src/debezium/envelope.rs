//! Envelopes: a change of a row, or the end of a transaction.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use smartpulse_operators::time::Instant;
use thiserror::Error;

use super::column::ColumnForm;
use crate::postgres::TableName;

/// A change of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// What was done.
    pub operation: Operation,
    /// The table.
    pub table: TableName,
    /// The row as it was; with less than all of it where the table's identity says less.
    pub before: Option<Map<String, Value>>,
    /// The row as it is.
    pub after: Option<Map<String, Value>>,
    /// Where in the log it is.
    pub lsn: u64,
    /// What was read with it, where tables were read as they are.
    pub snapshot: SnapshotMark,
    /// Its transaction.
    pub transaction: Option<TransactionMark>,
    /// Nothing was committed before it since the tables were read: its engine knows of no commit.
    pub is_first: bool,
    /// When that was committed, or the tables were read.
    pub committed: Instant,
    /// When the engine wrote this, by its clock: what it had read by then was committed before.
    pub written: Instant,
    /// How its values come, where a schema came with them.
    pub forms: Option<Arc<Forms>>,
}

/// How the values of columns come.
pub type Forms = BTreeMap<String, ColumnForm>;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The row was read as it is.
    Read,
    /// It was added.
    Create,
    /// It was changed.
    Update,
    /// It was removed.
    Delete,
    /// The table was emptied.
    Truncate,
    /// Something else.
    Other,
}

/// What a row is among those that were read as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotMark {
    /// None of them: it came by the log.
    None,
    /// One of them.
    Within,
    /// The last of all.
    Last,
    /// One that was asked for beside the log.
    Incremental,
}

/// Of which transaction a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionMark {
    /// Its number there.
    pub number: u64,
    /// Which of its changes, from 1.
    pub order: u64,
}

/// The end of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its number there.
    pub number: u64,
    /// Where the log stands behind it.
    pub lsn: u64,
    /// Its changes, by table.
    pub changes: BTreeMap<TableName, u64>,
    /// When it was committed.
    pub committed: Instant,
}

/// What is wrong with a message.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{field} must be {rule}")]
pub struct EnvelopeFault {
    /// The field.
    pub field: String,
    /// What it must be.
    pub rule: String,
}

/// A message with or without its schema.
#[derive(Deserialize)]
struct Wrapped<'m> {
    #[serde(borrow)]
    schema: Option<&'m RawValue>,
    #[serde(borrow)]
    payload: Option<&'m RawValue>,
}

#[derive(Deserialize)]
struct Written<'m> {
    before: Option<Map<String, Value>>,
    after: Option<Map<String, Value>>,
    #[serde(borrow)]
    op: Option<Cow<'m, str>>,
    #[serde(borrow)]
    source: Option<Source<'m>>,
    #[serde(borrow)]
    transaction: Option<WrittenTransaction<'m>>,
    ts_ms: Option<i64>,
}

#[derive(Deserialize)]
struct Source<'m> {
    #[serde(borrow)]
    connector: Option<Cow<'m, str>>,
    #[serde(borrow)]
    schema: Option<Cow<'m, str>>,
    #[serde(borrow)]
    table: Option<Cow<'m, str>>,
    lsn: Option<u64>,
    /// The place of the commit before it, and its own, as a JSON array.
    #[serde(borrow)]
    sequence: Option<Cow<'m, str>>,
    snapshot: Option<Value>,
    ts_ms: Option<i64>,
}

#[derive(Deserialize)]
struct WrittenTransaction<'m> {
    #[serde(borrow)]
    id: Cow<'m, str>,
    total_order: u64,
}

#[derive(Deserialize)]
struct WrittenEnd<'m> {
    #[serde(borrow)]
    status: Option<Cow<'m, str>>,
    #[serde(borrow)]
    id: Option<Cow<'m, str>>,
    data_collections: Option<Vec<Collection>>,
    ts_ms: Option<i64>,
}

#[derive(Deserialize)]
struct Collection {
    data_collection: String,
    event_count: u64,
}

fn fault(field: &str, rule: &str) -> EnvelopeFault {
    EnvelopeFault { field: field.to_owned(), rule: rule.to_owned() }
}

fn parsed<'m, T: Deserialize<'m>>(field: &str, text: &'m str) -> Result<T, EnvelopeFault> {
    serde_json::from_str(text).map_err(|problem| fault(field, &format!("as documented: {problem}")))
}

/// What is in a message, without its schema; none where there is nothing.
fn payload(body: &[u8]) -> Result<Option<(Option<&str>, &str)>, EnvelopeFault> {
    let text = std::str::from_utf8(body).map_err(|_| fault("the message", "JSON in UTF-8"))?;
    if text.trim().is_empty() || text.trim() == "null" {
        return Ok(None);
    }
    let wrapped: Wrapped<'_> = parsed("the message", text)?;
    Ok(match (wrapped.schema, wrapped.payload) {
        (schema, Some(payload)) => Some((schema.map(RawValue::get), payload.get()))
            .filter(|(_, payload)| *payload != "null"),
        // Its envelope was left out, for nothing is in it.
        (Some(_), None) => None,
        // Nothing says whether it was left out, or is nothing.
        (None, None) if text.contains("\"payload\"") => {
            let fields: BTreeMap<String, &RawValue> = parsed("the message", text)?;
            (!fields.contains_key("payload")).then_some((None, text))
        }
        (None, None) => Some((None, text)),
    })
}

/// Number and place of `number:lsn`.
fn transaction_id(id: &str) -> Option<(u64, u64)> {
    let (number, lsn) = id.split_once(':')?;
    Some((number.parse().ok()?, lsn.parse().ok()?))
}

/// Reads what a topic of a table holds, and remembers the newest schema: it is the same mostly.
#[derive(Debug, Default)]
pub struct EnvelopeReader {
    schema: Option<(String, Arc<Forms>)>,
}

impl EnvelopeReader {
    /// Reads a message; none where it is nothing but the mark behind a row that was deleted.
    ///
    /// # Errors
    /// [`EnvelopeFault`] where it is no envelope.
    pub fn change(&mut self, body: &[u8]) -> Result<Option<Envelope>, EnvelopeFault> {
        let Some((schema, text)) = payload(body)? else { return Ok(None) };
        let Written { before, after, op, source, transaction, ts_ms } =
            parsed("the envelope", text)?;
        let op = op.ok_or_else(|| fault("op", "there"))?;
        let operation = match &*op {
            "r" => Operation::Read,
            "c" => Operation::Create,
            "u" => Operation::Update,
            "d" => Operation::Delete,
            "t" => Operation::Truncate,
            _ => Operation::Other,
        };
        let source = source.ok_or_else(|| fault("source", "there"))?;
        if source.connector.as_deref() != Some("postgresql") {
            return Err(fault("source.connector", "postgresql"));
        }
        let (Some(schema_name), Some(table)) = (source.schema, source.table) else {
            return Err(fault("source.table", "there, with source.schema"));
        };
        let table = TableName { schema: schema_name.into_owned(), table: table.into_owned() };
        let snapshot = snapshot_mark(source.snapshot.as_ref());
        let needs_row = !matches!(operation, Operation::Truncate | Operation::Other);
        let is_there = match operation {
            Operation::Delete => before.is_some(),
            _ => after.is_some(),
        };
        if needs_row && !is_there {
            let rule = "there; for a row that is deleted, by a REPLICA IDENTITY of its table";
            return Err(fault("before or after", rule));
        }
        let transaction = transaction.map(|written| {
            let id = transaction_id(&written.id);
            let (number, _) = id.ok_or_else(|| fault("transaction.id", "number:lsn"))?;
            Ok(TransactionMark { number, order: written.total_order })
        });
        Ok(Some(Envelope {
            operation,
            table,
            before,
            after,
            lsn: source.lsn.ok_or_else(|| fault("source.lsn", "there"))?,
            snapshot,
            transaction: transaction.transpose()?,
            is_first: source.sequence.is_some_and(|places| places.starts_with("[null")),
            committed: instant(source.ts_ms),
            written: instant(ts_ms),
            forms: schema.map(|schema| self.forms(schema)).transpose()?.flatten(),
        }))
    }

    /// How values come, as a schema says.
    fn forms(&mut self, schema: &str) -> Result<Option<Arc<Forms>>, EnvelopeFault> {
        if let Some((known, forms)) = &self.schema
            && known == schema
        {
            return Ok(Some(Arc::clone(forms)));
        }
        let written: Value = parsed("schema", schema)?;
        let fields = |value: &Value| value["fields"].as_array().cloned().unwrap_or_default();
        let rows = fields(&written).into_iter();
        let rows = rows.filter(|field| matches!(field["field"].as_str(), Some("before" | "after")));
        let forms = rows.flat_map(|row| fields(&row)).filter_map(|column| {
            let name = column["name"].as_str().unwrap_or_default();
            let scale = column["parameters"]["scale"].as_str();
            let form = ColumnForm::of_schema(name, scale.and_then(|scale| scale.parse().ok()));
            Some((column["field"].as_str()?.to_owned(), form))
        });
        let forms = Arc::new(forms.collect::<Forms>());
        if forms.is_empty() {
            return Ok(None);
        }
        self.schema = Some((schema.to_owned(), Arc::clone(&forms)));
        Ok(Some(forms))
    }
}

impl Ended {
    /// Reads a message of the topic of transactions; none where one begins.
    ///
    /// # Errors
    /// [`EnvelopeFault`] where it is neither.
    pub fn read(body: &[u8]) -> Result<Option<Ended>, EnvelopeFault> {
        let Some((_, text)) = payload(body)? else { return Ok(None) };
        let written: WrittenEnd<'_> = parsed("the message", text)?;
        match written.status.as_deref() {
            Some("BEGIN") => return Ok(None),
            Some("END") => {}
            _ => return Err(fault("status", "BEGIN or END")),
        }
        let id = written.id.as_deref().and_then(transaction_id);
        let (number, lsn) = id.ok_or_else(|| fault("id", "number:lsn"))?;
        let mut changes = BTreeMap::new();
        for collection in written.data_collections.unwrap_or_default() {
            let table = TableName::parse(&collection.data_collection);
            let table = table.ok_or_else(|| fault("data_collection", "schema.table"))?;
            *changes.entry(table).or_default() += collection.event_count;
        }
        Ok(Some(Ended { number, lsn, changes, committed: instant(written.ts_ms) }))
    }
}

/// An instant of milliseconds since 1970.
fn instant(milliseconds: Option<i64>) -> Instant {
    Instant(milliseconds.unwrap_or(0).saturating_mul(1_000))
}

/// What the source says of a snapshot.
fn snapshot_mark(said: Option<&Value>) -> SnapshotMark {
    match said {
        Some(Value::Bool(true)) => SnapshotMark::Within,
        Some(Value::String(word)) => match word.as_str() {
            "false" => SnapshotMark::None,
            "last" => SnapshotMark::Last,
            "incremental" => SnapshotMark::Incremental,
            _ => SnapshotMark::Within,
        },
        _ => SnapshotMark::None,
    }
}

#[cfg(test)]
#[path = "envelope/tests.rs"]
mod tests;
