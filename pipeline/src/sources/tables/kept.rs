//! Rows of master data as they stand: a row that changes may come without what did not change, and one that is deleted
//! with its key alone. They are journaled with the changes that follow from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartpulse_connectors::{Datum, Field, Input, Mapping, TableMapping, TableName};
use smartpulse_operators::change::Change;
use smartpulse_operators::offset::KeptRow;
use smartpulse_operators::unit::Lock;

use super::fields::{Fields, Names, Row, RowFault};
use super::statements::{Key, LOCK_ID, statements, takes_back};
use crate::engine::Rows;

/// What follows from a row that came.
#[derive(Debug, Default)]
pub(in crate::sources) struct Followed {
    pub(in crate::sources) changes: Vec<Change>,
    pub(in crate::sources) kept: Vec<KeptRow>,
    /// What makes the kept rows what they were before, from the last to the first.
    pub(in crate::sources) undo: Vec<Undo>,
    /// What could not be read of rows, with their tables and keys.
    pub(in crate::sources) faults: Vec<(TableName, Box<str>, RowFault)>,
}

/// What takes a step back.
#[derive(Debug)]
pub(in crate::sources) enum Undo {
    /// A row as it was under a key; none: it was not there.
    Row(TableName, Box<str>, Option<Row>),
    /// The rows as they were, and the columns that told them apart.
    Table(TableName, Vec<String>, BTreeMap<Box<str>, Row>),
}

/// All kept rows of a database.
pub(in crate::sources) struct Keeper {
    mapping: Arc<Mapping>,
    tables: BTreeMap<TableName, KeptTable>,
    names: Names,
    /// A number that no lock has.
    free_lock: Box<dyn FnMut() -> u64 + Send>,
}

struct KeptTable {
    /// Under which its rows are journaled.
    name: Arc<str>,
    /// The columns that tell rows apart.
    key: Vec<String>,
    rows: BTreeMap<Box<str>, Row>,
}

impl Keeper {
    /// The rows that were kept before, by journaled name.
    pub(in crate::sources) fn new(
        source: &str,
        mapping: &Arc<Mapping>,
        kept: &BTreeMap<Arc<str>, Rows>,
        free_lock: impl FnMut() -> u64 + Send + 'static,
    ) -> Keeper {
        let mut tables = BTreeMap::new();
        for mapped in mapping.tables.iter().filter(|table| table.input.is_kept()) {
            let name: Arc<str> = format!("{source} {}", mapped.table).into();
            let rows = kept.get(&name).into_iter().flatten();
            let rows = rows
                .filter_map(|(key, row)| Some((key.clone(), serde_json::from_str(row).ok()?)))
                .collect();
            tables.insert(mapped.table.clone(), KeptTable { name, key: Vec::new(), rows });
        }
        let free_lock = Box::new(free_lock);
        let mut keeper =
            Keeper { mapping: Arc::clone(mapping), tables, names: Names::new(), free_lock };
        keeper.gather_names();
        keeper
    }

    /// Whether rows of a table are kept.
    pub(in crate::sources) fn keeps(&self, table: &TableName) -> bool {
        self.tables.contains_key(table)
    }

    /// Tells rows of a table apart by other columns: those by which the log names them.
    pub(in crate::sources) fn identify(
        &mut self,
        table: &TableName,
        key: &[String],
        into: &mut Followed,
    ) {
        let Some(kept) = self.tables.get_mut(table).filter(|kept| kept.key != key) else { return };
        into.undo.push(Undo::Table(table.clone(), kept.key.clone(), kept.rows.clone()));
        let is_first = kept.key.is_empty();
        kept.key = key.to_vec();
        let before = std::mem::take(&mut kept.rows);
        // What was journaled under the same columns stands as it is.
        let is_same = is_first && before.iter().all(|(old, row)| kept.key_of(row) == *old);
        if !is_same {
            // All go before any comes: a new key may be another one's old key.
            into.kept.extend(before.keys().map(|old| kept.journaled(old, None)));
        }
        for row in before.into_values() {
            let new = kept.key_of(&row);
            if !is_same {
                into.kept.push(kept.journaled(&new, Some(&row)));
            }
            kept.rows.insert(new, row);
        }
    }

    /// A row that came: `old` names it where it was another one, `new` is none where it was deleted.
    pub(in crate::sources) fn take(
        &mut self,
        table: &TableName,
        columns: &[(String, bool)],
        old: Option<&[Datum<'_>]>,
        new: Option<&[Datum<'_>]>,
        into: &mut Followed,
    ) {
        let Some(kept) = self.tables.get(table) else { return };
        let named = old.or(new).map(|tuple| row_of(columns, tuple, None)).unwrap_or_default();
        let old_key = kept.key_of(&named);
        let before = kept.rows.get(&old_key);
        let after = new.map(|tuple| row_of(columns, tuple, before));
        self.put(table, &old_key, after, into);
    }

    /// Every row of a table was deleted.
    pub(in crate::sources) fn empty(&mut self, table: &TableName, into: &mut Followed) {
        let Some(kept) = self.tables.get(table) else { return };
        for key in kept.rows.keys().cloned().collect::<Vec<_>>() {
            self.put(table, &key, None, into);
        }
    }

    /// The key of a row whose table is told apart by `key`.
    pub(in crate::sources) fn named(
        &self,
        key: &[String],
        columns: &[(String, bool)],
        row: &[Datum<'_>],
    ) -> Box<str> {
        name_of(key, &row_of(columns, row, None))
    }

    /// Rows are gone that are not among those of a table.
    pub(in crate::sources) fn retain(
        &mut self,
        is_there: impl Fn(&TableName, &str) -> bool,
        into: &mut Followed,
    ) {
        let gone: Vec<(TableName, Box<str>)> = self
            .tables
            .iter()
            .flat_map(|(table, kept)| kept.rows.keys().map(move |key| (table, key)))
            .filter(|(table, key)| !is_there(table, key))
            .map(|(table, key)| (table.clone(), key.clone()))
            .collect();
        for (table, key) in gone {
            self.put(&table, &key, None, into);
        }
    }

    /// All rows of a table as they are: what is not among them is there no more.
    pub(in crate::sources) fn replace(
        &mut self,
        table: &TableName,
        rows: Vec<Row>,
        into: &mut Followed,
    ) {
        let Some(kept) = self.tables.get(table) else { return };
        let rows: BTreeMap<Box<str>, Row> =
            rows.into_iter().map(|row| (kept.key_of(&row), row)).collect();
        let gone = kept.rows.keys().filter(|key| !rows.contains_key(*key)).cloned();
        for key in gone.collect::<Vec<_>>() {
            self.put(table, &key, None, into);
        }
        for (key, row) in rows {
            self.put(table, &key, Some(row), into);
        }
    }

    /// Of what rows have taken back, states again what other rows still say: once for all that changed together.
    pub(in crate::sources) fn restate_others(&self, followed: &mut Followed) {
        if !followed.changes.iter().any(takes_back) {
            return;
        }
        let mut said = Vec::new();
        for mapped in &self.mapping.tables {
            let rows =
                self.tables.get(&mapped.table).into_iter().flat_map(|kept| kept.rows.values());
            let fields = rows.map(|row| Fields { mapping: mapped, row, names: &self.names });
            said.extend(fields.flat_map(|fields| statements(None, Some(fields), mapped.input).0));
        }
        let said: BTreeMap<Key<'_>, &Change> =
            said.iter().map(|change| (Key::of(change), change)).collect();
        for change in followed.changes.iter_mut().filter(|change| takes_back(change)) {
            if let Some(still) = said.get(&Key::of(change)) {
                *change = Change::clone(still);
            }
        }
    }

    /// Makes the rows what they were.
    pub(in crate::sources) fn undo(&mut self, steps: Vec<Undo>) {
        for step in steps.into_iter().rev() {
            match step {
                Undo::Row(table, key, row) => {
                    let Some(kept) = self.tables.get_mut(&table) else { continue };
                    match row {
                        Some(row) => drop(kept.rows.insert(key, row)),
                        None => drop(kept.rows.remove(&key)),
                    }
                }
                Undo::Table(table, key, rows) => {
                    if let Some(kept) = self.tables.get_mut(&table) {
                        (kept.key, kept.rows) = (key, rows);
                    }
                }
            }
        }
        self.gather_names();
    }

    fn put(&mut self, table: &TableName, old_key: &str, row: Option<Row>, into: &mut Followed) {
        let mapping = Arc::clone(&self.mapping);
        let Some(kept) = self.tables.get_mut(table) else { return };
        let before = kept.rows.remove(old_key);
        into.undo.push(Undo::Row(table.clone(), old_key.into(), before.clone()));
        let mut after = row;
        let inputs: Vec<&TableMapping> =
            mapping.tables.iter().filter(|mapped| mapped.table == *table).collect();
        if let Some(after) = &mut after {
            number_lock(&inputs, before.as_ref(), after, &mut self.free_lock);
        }
        if before == after {
            kept.rows.extend(after.map(|row| (old_key.into(), row)));
            return;
        }
        let new_key = after.as_ref().map(|row| kept.key_of(row));
        if before.is_some() && new_key.as_deref() != Some(old_key) {
            into.kept.push(kept.journaled(old_key, None));
        }
        if let (Some(key), Some(row)) = (&new_key, &after) {
            into.kept.push(kept.journaled(key, Some(row)));
        }
        let said_key: Box<str> = new_key.clone().unwrap_or_else(|| old_key.into());
        for mapped in &inputs {
            let fields = |row| Fields { mapping: mapped, row, names: &self.names };
            let new = after.as_ref().map(fields);
            let old = before.as_ref().map(fields).filter(|_| new.is_some() || mapped.deletes);
            let (changes, faults) = statements(old, new, mapped.input);
            into.changes.extend(changes);
            into.faults
                .extend(faults.into_iter().map(|fault| (table.clone(), said_key.clone(), fault)));
        }
        if let (Some(key), Some(row)) = (new_key, after) {
            let was = kept.rows.insert(key.clone(), row);
            into.undo.push(Undo::Row(table.clone(), key, was));
        }
        if inputs.iter().any(|mapped| mapped.input == Input::Names) {
            self.gather_names();
            self.restate(table, into);
        }
    }

    /// States units anew whose rows refer to a table of names.
    fn restate(&self, names: &TableName, into: &mut Followed) {
        for mapped in self.mapping.tables.iter().filter(|mapped| mapped.input == Input::Units) {
            let refers = |field: &Field| matches!(field, Field::Column { names: Some(table), .. } if table == names);
            if !mapped.fields.values().any(refers) {
                continue;
            }
            for row in
                self.tables.get(&mapped.table).into_iter().flat_map(|kept| kept.rows.values())
            {
                let fields = Fields { mapping: mapped, row, names: &self.names };
                into.changes.extend(statements(None, Some(fields), mapped.input).0);
            }
        }
    }

    fn gather_names(&mut self) {
        self.names.clear();
        for mapped in self.mapping.tables.iter().filter(|mapped| mapped.input == Input::Names) {
            let Some(kept) = self.tables.get(&mapped.table) else { continue };
            let none = Names::new();
            let named = kept.rows.values().filter_map(|row| {
                let fields = Fields { mapping: mapped, row, names: &none };
                Some((fields.owned("key")?, fields.owned("name")?))
            });
            let named = named.collect();
            self.names.insert(mapped.table.clone(), named);
        }
    }
}

impl KeptTable {
    fn key_of(&self, row: &Row) -> Box<str> {
        name_of(&self.key, row)
    }

    fn journaled(&self, key: &str, row: Option<&Row>) -> KeptRow {
        let row = row.and_then(|row| serde_json::to_string(row).ok()).map(Into::into);
        KeptRow { table: Arc::clone(&self.name), key: key.into(), row }
    }
}

/// What tells a row from others, by those columns.
fn name_of(key: &[String], row: &Row) -> Box<str> {
    let values: Vec<Option<&str>> = key.iter().map(|column| row.get(column)?.as_deref()).collect();
    serde_json::to_string(&values).unwrap_or_default().into()
}

/// The columns by which rows of a table are told apart: those by which its source names them; where that is all of
/// them, its primary key, and without one all that are mapped.
pub(in crate::sources) fn key_of(
    table: &TableName,
    primary: &[String],
    (identity, columns): (u8, &[(String, bool)]),
    mapping: &Mapping,
) -> Vec<String> {
    let named: Vec<String> =
        columns.iter().filter(|(_, is_key)| *is_key).map(|(name, _)| name.clone()).collect();
    let mut key = if matches!(identity, b'd' | b'i') && !named.is_empty() {
        named
    } else if !primary.is_empty() {
        primary.to_vec()
    } else {
        let mapped = mapping.tables.iter().filter(|mapped| mapped.table == *table);
        mapped.flat_map(|mapped| mapped.columns()).map(str::to_owned).collect()
    };
    key.sort();
    key.dedup();
    key
}

/// A row of its columns; what is as it was comes from `before`.
fn row_of(columns: &[(String, bool)], tuple: &[Datum<'_>], before: Option<&Row>) -> Row {
    let values = columns.iter().zip(tuple).filter_map(|((column, _), datum)| {
        let value = match datum {
            Datum::Null => None,
            Datum::Text(text) => Some((*text).to_owned()),
            Datum::Unchanged => before?.get(column)?.clone(),
        };
        Some((column.clone(), value))
    });
    values.collect()
}

/// Gives a lock that begins a number of its own; one that goes on, or stays off, keeps its.
fn number_lock(
    inputs: &[&TableMapping],
    before: Option<&Row>,
    after: &mut Row,
    free_lock: &mut impl FnMut() -> u64,
) {
    let Some(mapped) = inputs.iter().find(|mapped| mapped.input == Input::Locks) else { return };
    let names = Names::new();
    let is_on = |row: &Row| {
        Fields { mapping: mapped, row, names: &names }.flag("enabled", true) == Ok(true)
    };
    let unit = |row: &Row| {
        Fields { mapping: mapped, row, names: &names }.unit("unit_type", "unit_no").ok()
    };
    // One of another unit is another lock.
    let goes_on = before.is_some_and(|before| is_on(before) && unit(before) == unit(after));
    let begins = is_on(after) && !goes_on;
    let id = match before.and_then(|row| row.get(LOCK_ID)).filter(|_| !begins) {
        Some(known) => known.clone(),
        None => Some(free_lock().to_string()),
    };
    after.insert(LOCK_ID.to_owned(), id);
}

/// Draws a number for a lock that its source numbers.
pub(in crate::sources) fn drawn_lock(random: u64) -> u64 {
    Lock::FIRST_FOREIGN | (random & (Lock::FIRST_FOREIGN - 1))
}

#[cfg(test)]
#[path = "kept/tests.rs"]
mod tests;
