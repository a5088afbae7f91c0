//! The tables of a log by the numbers they have there.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartpulse_connectors::{FoundTable, Mapping, PostgresFault, Relation};

use super::super::tables::learned::Learned;

/// The tables of a log by their numbers there.
pub(super) struct Relations {
    name: String,
    mapping: Arc<Mapping>,
    found: Vec<FoundTable>,
    learned: BTreeMap<u32, Option<Arc<Learned>>>,
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
        let is_mapped = self.mapping.tables.iter().any(|mapped| mapped.table == relation.table);
        let found = self.found.iter().find(|found| found.table == relation.table);
        let Some(found) = found.filter(|_| is_mapped) else { return Ok(None) };
        Learned::of(&self.name, &self.mapping, &found.primary, relation).map(Some)
    }
}
