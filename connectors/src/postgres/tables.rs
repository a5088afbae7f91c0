//! The mapped tables as a database has them, and the publication that tells of them.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::postgres::types::Oid;

use super::error::PostgresFault;
use super::mapping::{Input, Mapping, TableMapping, TableName, quoted};
use super::session::PostgresSession;
use super::settings::PostgresSettings;

/// A mapped table as the database has it.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundTable {
    /// Its name.
    pub table: TableName,
    /// Which table of that name it is.
    pub oid: u32,
    /// The columns that the publication tells of.
    pub columns: Vec<String>,
    /// The columns of its primary key.
    pub primary: Vec<String>,
    /// The columns by which the log names a row that changes.
    pub identity: Vec<String>,
    /// By what a row is named that changes: `d` its primary key, `i` an index, `f` all of it, `n` nothing.
    pub identity_kind: u8,
    /// The rows that the publication tells of, as SQL; none: all.
    filter: Option<String>,
}

impl PostgresSession {
    /// The mapped tables that are there; makes the publication where there is none. Gives the names of tables that
    /// are mapped and not there as well.
    ///
    /// # Errors
    /// [`PostgresFault::Unfit`] where a table lacks what the mapping names, or the publication does.
    pub async fn tables(
        &mut self,
        settings: &PostgresSettings,
        mapping: &Mapping,
    ) -> Result<(Vec<FoundTable>, Vec<TableName>), PostgresFault> {
        let level = self.rows("asking for wal_level", "SHOW wal_level", &[]).await?;
        let level: String = level.first().map_or(String::new(), |row| row.get(0));
        if level != "logical" {
            return Err(PostgresFault::Unfit {
                problem: format!("wal_level is {level}"),
                remedy: "set wal_level = logical and restart the server".to_owned(),
            });
        }
        let oids = self.oids(mapping).await?;
        let (mut there, mut missing): (Vec<&TableName>, Vec<TableName>) = Default::default();
        for table in mapping.tables.iter().map(|table| &table.table) {
            // In the mapping's order, each once.
            if !oids.contains_key(table) && !missing.contains(table) {
                missing.push(table.clone());
            } else if oids.contains_key(table) && !there.contains(&table) {
                there.push(table);
            }
        }
        if there.is_empty() {
            return Err(PostgresFault::Unfit {
                problem: "none of the mapped tables is there".to_owned(),
                remedy: "make them, or map those that are".to_owned(),
            });
        }
        self.publish(&settings.publication, &there).await?;
        let mut tables = Vec::new();
        for name in there {
            let found = self.found(&settings.publication, name, oids[name]).await?;
            for table in mapping.tables.iter().filter(|table| table.table == *name) {
                fits(table, &found, &settings.publication)?;
            }
            tables.push(found);
        }
        Ok((tables, missing))
    }

    /// The tables that are mapped and there: which of their names they are.
    ///
    /// # Errors
    /// [`PostgresFault::Unreachable`].
    async fn oids(&mut self, mapping: &Mapping) -> Result<BTreeMap<TableName, u32>, PostgresFault> {
        let there = self
            .rows(
                "looking for the tables",
                "SELECT n.nspname::text, c.relname::text, c.oid FROM pg_class c \
                 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')",
                &[],
            )
            .await?;
        let there = there.iter().map(|row| {
            let table = TableName { schema: row.get(0), table: row.get(1) };
            (table, row.get::<Oid, _>(2).0)
        });
        let is_mapped = |table: &TableName| mapping.tables.iter().any(|it| it.table == *table);
        Ok(there.filter(|(table, _)| is_mapped(table)).collect())
    }

    /// Makes the publication where there is none.
    async fn publish(&mut self, name: &str, tables: &[&TableName]) -> Result<(), PostgresFault> {
        let asking = "SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate \
                      FROM pg_publication WHERE pubname = $1";
        let known = self.rows("looking for the publication", asking, &[name]).await?;
        if let Some(known) = known.first() {
            if known.get::<bool, _>(0) {
                return Ok(());
            }
            return Err(PostgresFault::Unfit {
                problem: format!("the publication {name} does not tell of every change"),
                remedy: format!(
                    "ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate'), and read all \
                     tables again (on_lost = \"snapshot\", and drop the slot)",
                    quoted(name)
                ),
            });
        }
        let tables: Vec<String> = tables.iter().map(|table| table.quoted()).collect();
        let statement = format!(
            "CREATE PUBLICATION {} FOR TABLE {} WITH (publish_via_partition_root = true)",
            quoted(name),
            tables.join(", ")
        );
        self.execute("making the publication", &statement).await.map_err(|fault| {
            PostgresFault::Unfit {
                problem: format!("there is no publication {name} ({fault})"),
                remedy: format!("let an owner of the tables run: {statement}"),
            }
        })
    }

    async fn found(
        &mut self,
        publication: &str,
        name: &TableName,
        oid: u32,
    ) -> Result<FoundTable, PostgresFault> {
        let published = self
            .rows(
                "reading the publication",
                "SELECT attnames::text[], rowfilter FROM pg_publication_tables \
                 WHERE pubname = $1 AND schemaname = $2 AND tablename = $3",
                &[publication, &name.schema, &name.table],
            )
            .await?;
        let Some(published) = published.first() else {
            return Err(PostgresFault::Unfit {
                problem: format!("the publication {publication} does not tell of {name}"),
                remedy: format!(
                    "drop it and let the service make it, or: ALTER PUBLICATION {} ADD TABLE {}, with \
                     publish_via_partition_root where it is partitioned, and read all tables again \
                     (on_lost = \"snapshot\", and drop the slot)",
                    quoted(publication),
                    name.quoted()
                ),
            });
        };
        let keys = self
            .rows(
                "reading the keys of a table",
                // A row of a partition is named as the partition says.
                "SELECT CASE WHEN c.relkind = 'p' AND c.relreplident = 'f' AND NOT \
                 (SELECT bool_and(l.relreplident = 'f') FROM pg_partition_tree(c.oid) t \
                  JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf) \
                 THEN 'd' ELSE c.relreplident::text END, i.indisprimary, i.indisreplident, \
                 ARRAY(SELECT a.attname::text FROM pg_attribute a \
                       WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])) \
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 LEFT JOIN pg_index i ON i.indrelid = c.oid AND (i.indisprimary OR i.indisreplident) \
                 WHERE n.nspname = $1 AND c.relname = $2",
                &[&name.schema, &name.table],
            )
            .await?;
        let mut found = FoundTable {
            table: name.clone(),
            oid,
            columns: published.try_get(0).map_err(PostgresFault::while_doing("reading columns"))?,
            primary: Vec::new(),
            identity: Vec::new(),
            identity_kind: b'n',
            filter: published.try_get(1).map_err(PostgresFault::while_doing("reading columns"))?,
        };
        for row in keys {
            let kind: String = row.get(0);
            found.identity_kind = kind.bytes().next().unwrap_or(b'n');
            let (is_primary, is_identity): (Option<bool>, Option<bool>) = (row.get(1), row.get(2));
            let columns: Vec<String> = row.get(3);
            if is_primary == Some(true) {
                found.primary = columns.clone();
            }
            let is_key = match found.identity_kind {
                b'd' => is_primary,
                b'i' => is_identity,
                _ => None,
            };
            if is_key == Some(true) {
                found.identity = columns;
            }
        }
        Ok(found)
    }
}

impl FoundTable {
    /// The statement that reads all its rows.
    #[must_use]
    pub fn reading(&self) -> String {
        format!("COPY ({}) TO STDOUT", self.rows())
    }

    /// The statement that reads all its rows as values of forecasts, in the order of versions and batches; user and
    /// note of the rows' batches stand behind its columns where `batches` names their table.
    #[must_use]
    pub fn reading_values(
        &self,
        mapped: &TableMapping,
        batches: Option<(&FoundTable, &TableMapping)>,
    ) -> String {
        let own = |column: &str| format!("f.{}", quoted(column));
        let mut columns: Vec<String> = self.columns.iter().map(|column| own(column)).collect();
        let mut join = String::new();
        if let (Some((table, names)), Some(batch)) = (batches, mapped.column("batch"))
            && let Some(key) = names.column("batch")
        {
            for field in ["user", "note"] {
                let column = names.column(field);
                columns.push(
                    column.map_or("NULL".to_owned(), |column| format!("b.{}", quoted(column))),
                );
            }
            join = format!(
                " LEFT JOIN {} b ON b.{} = {}",
                table.table.quoted(),
                quoted(key),
                own(batch)
            );
        }
        let order = ["valid_after", "batch", "provider", "kind"]
            .iter()
            .filter_map(|field| mapped.column(field));
        let order: Vec<String> = order.map(own).collect();
        let order = if order.is_empty() {
            String::new()
        } else {
            format!(" ORDER BY {}", order.join(", "))
        };
        format!(
            "COPY (SELECT {} FROM ({}) f{join}{order}) TO STDOUT",
            columns.join(", "),
            self.rows()
        )
    }

    /// Its rows that are published, as a query.
    fn rows(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|column| quoted(column)).collect();
        let filter =
            self.filter.as_ref().map_or(String::new(), |filter| format!(" WHERE {filter}"));
        format!("SELECT {} FROM {}{filter}", columns.join(", "), self.table.quoted())
    }
}

/// Whether a table has what a mapping names, and tells enough of rows that change.
fn fits(mapped: &TableMapping, found: &FoundTable, publication: &str) -> Result<(), PostgresFault> {
    let table = &found.table;
    for column in mapped.columns() {
        if !found.columns.iter().any(|known| known == column) {
            return Err(PostgresFault::Unfit {
                problem: format!("{table} has no column {column} that {publication} tells of"),
                remedy: "map another one, or add it".to_owned(),
            });
        }
    }
    if mapped.input == Input::Forecasts && mapped.deletes && found.identity_kind != b'f' {
        let lacking = mapped.slot_columns().into_iter().find(|column| {
            found.identity_kind != b'n' && !found.identity.iter().any(|known| known == column)
        });
        if let Some(column) = lacking {
            return Err(PostgresFault::Unfit {
                problem: format!(
                    "a row of {table} that is deleted would be named without its {column}"
                ),
                remedy: format!(
                    "ALTER TABLE {} REPLICA IDENTITY FULL (each partition, too), or by an index that holds it; \
                     or map it with deletes = false",
                    table.quoted()
                ),
            });
        }
    }
    Ok(())
}
