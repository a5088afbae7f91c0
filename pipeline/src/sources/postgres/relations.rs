//! Tables as the log describes them, with what they mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartpulse_connectors::{
    Datum, Field, FoundTable, Input, Mapping, PostgresFault, Relation, TableMapping, TableName,
};

use super::kept::key_columns;
use super::values::{Layout, Said};

/// A table with what its rows mean.
#[derive(Debug)]
pub(super) struct Learned {
    pub(super) table: TableName,
    pub(super) columns: Vec<(String, bool)>,
    /// By which its rows are kept.
    pub(super) key: Vec<String>,
    pub(super) is_kept: bool,
    /// Where values lie in its rows.
    pub(super) layouts: Vec<Layout>,
    batches: Option<BatchPlaces>,
}

#[derive(Debug)]
struct BatchPlaces {
    batch: usize,
    user: Option<usize>,
    note: Option<usize>,
}

/// The tables of a log by their numbers there.
pub(super) struct Relations {
    name: String,
    mapping: Arc<Mapping>,
    found: Vec<FoundTable>,
    learned: BTreeMap<u32, Option<Arc<Learned>>>,
}

/// What values of a table are known by.
pub(super) fn origin(name: &str, table: &TableName) -> Arc<str> {
    format!("{name}/{table}").into()
}

impl Relations {
    pub(super) fn new(name: &str, mapping: &Arc<Mapping>, found: Vec<FoundTable>) -> Relations {
        let (mapping, learned) = (Arc::clone(mapping), BTreeMap::new());
        Relations { name: name.to_owned(), mapping, found, learned }
    }

    /// Takes what the log says of a table.
    ///
    /// # Errors
    /// [`PostgresFault::Unfit`] where a column is gone that is needed.
    pub(super) fn learn(&mut self, relation: &Relation) -> Result<(), PostgresFault> {
        let learned = self.read(relation)?;
        self.learned.insert(relation.id, learned.map(Arc::new));
        Ok(())
    }

    /// A table that is mapped; none for others.
    ///
    /// # Errors
    /// [`PostgresFault::Unreadable`] where the log has not described it.
    pub(super) fn get(&self, relation: u32) -> Result<Option<Arc<Learned>>, PostgresFault> {
        let known = self.learned.get(&relation);
        let known = known.ok_or_else(|| {
            PostgresFault::Unreadable(format!(
                "a row of relation {relation}, which it did not describe"
            ))
        })?;
        Ok(known.clone())
    }

    fn read(&self, relation: &Relation) -> Result<Option<Learned>, PostgresFault> {
        let Relation { table, identity, columns, .. } = relation;
        let mapped: Vec<&TableMapping> =
            self.mapping.tables.iter().filter(|mapped| mapped.table == *table).collect();
        let found = self.found.iter().find(|found| found.table == *table);
        let Some(found) = found.filter(|_| !mapped.is_empty()) else { return Ok(None) };
        let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        let gone = |column: &str| {
            PostgresFault::Unfit {
            problem: format!("{table} has no column {column} any more"),
            remedy: "map the one that takes its place; or add it again, drop the slot, and read all tables \
                     again (on_lost = \"snapshot\")"
                .to_owned(),
        }
        };
        let mut layouts = Vec::new();
        let mut batches = None;
        for mapped in &mapped {
            if let Some(column) =
                mapped.columns().into_iter().find(|column| !names.iter().any(|name| name == column))
            {
                return Err(gone(column));
            }
            let lacking = mapped
                .slot_columns()
                .into_iter()
                .find(|column| !columns.iter().any(|(name, is_key)| name == column && *is_key));
            if let Some(column) = lacking
                && mapped.input == Input::Forecasts
                && mapped.deletes
                && !matches!(identity, b'f' | b'n')
            {
                return Err(PostgresFault::Unfit {
                    problem: format!("a row of {table} that is deleted is named without its {column}"),
                    remedy: "give it its REPLICA IDENTITY back, drop the slot, and read all tables again \
                             (on_lost = \"snapshot\")"
                        .to_owned(),
                });
            }
            match mapped.input {
                Input::Forecasts => {
                    let origin = origin(&self.name, table);
                    let layout = Layout::of(&origin, mapped, &names, false);
                    layouts.push(layout.map_err(|column| gone(&column))?);
                }
                Input::Batches => {
                    let at = |field: &str| {
                        let Some(Field::Column { column, .. }) = mapped.fields.get(field) else {
                            return None;
                        };
                        names.iter().position(|name| name == column)
                    };
                    let batch = at("batch").ok_or_else(|| gone("of its batch"))?;
                    batches = Some(BatchPlaces { batch, user: at("user"), note: at("note") });
                }
                _ => {}
            }
        }
        Ok(Some(Learned {
            table: table.clone(),
            columns: columns.clone(),
            key: key_columns(found, Some((*identity, columns)), &self.mapping),
            is_kept: mapped.iter().any(|mapped| mapped.input.is_kept()),
            layouts,
            batches,
        }))
    }
}

impl Learned {
    /// The batch that a row describes: its key, user and note.
    pub(super) fn batch(&self, row: &[Datum<'_>]) -> Option<(Arc<str>, Said)> {
        let places = self.batches.as_ref()?;
        let text = |at: Option<usize>| match row.get(at?)? {
            Datum::Text(text) => Some(Arc::<str>::from(*text)),
            _ => None,
        };
        Some((text(Some(places.batch))?, (text(places.user), text(places.note))))
    }
}
