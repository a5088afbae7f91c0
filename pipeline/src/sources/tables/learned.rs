//! A table as its source describes it, with what its rows mean.

use std::sync::Arc;

use smartpulse_connectors::{
    Datum, Field, Input, Mapping, PostgresFault, Relation, TableMapping, TableName,
};

use super::kept::key_of;
use super::values::{Layout, Said};

/// A table with what its rows mean.
#[derive(Debug)]
pub(in crate::sources) struct Learned {
    pub(in crate::sources) table: TableName,
    pub(in crate::sources) columns: Vec<(String, bool)>,
    /// By which its rows are kept.
    pub(in crate::sources) key: Vec<String>,
    pub(in crate::sources) is_kept: bool,
    /// Where values lie in its rows.
    pub(in crate::sources) layouts: Vec<Layout>,
    batches: Option<BatchPlaces>,
}

#[derive(Debug)]
struct BatchPlaces {
    batch: usize,
    user: Option<usize>,
    note: Option<usize>,
}

/// What values of a table are known by.
pub(in crate::sources) fn origin(name: &str, table: &TableName) -> Arc<str> {
    format!("{name}/{table}").into()
}

impl Learned {
    /// What rows of a table mean that is described like that, in the database called `name`.
    ///
    /// # Errors
    /// [`PostgresFault::Unfit`] where a column is gone that is needed.
    pub(in crate::sources) fn of(
        name: &str,
        mapping: &Mapping,
        primary: &[String],
        relation: &Relation,
    ) -> Result<Learned, PostgresFault> {
        let Relation { table, identity, columns, .. } = relation;
        let mapped: Vec<&TableMapping> =
            mapping.tables.iter().filter(|mapped| mapped.table == *table).collect();
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
                    let origin = origin(name, table);
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
        Ok(Learned {
            table: table.clone(),
            columns: columns.clone(),
            key: key_of(table, primary, (*identity, columns), mapping),
            is_kept: mapped.iter().any(|mapped| mapped.input.is_kept()),
            layouts,
            batches,
        })
    }

    /// The batch that a row describes: its key, user and note.
    pub(in crate::sources) fn batch(&self, row: &[Datum<'_>]) -> Option<(Arc<str>, Said)> {
        let places = self.batches.as_ref()?;
        let text = |at: Option<usize>| match row.get(at?)? {
            Datum::Text(text) => Some(Arc::<str>::from(*text)),
            _ => None,
        };
        Some((text(Some(places.batch))?, (text(places.user), text(places.note))))
    }
}
