//! An ordinary session: what the database holds, how the slot stands, and the rows of a snapshot.

use std::borrow::Cow;
use std::time::Duration;

use futures_util::{FutureExt as _, TryStreamExt as _};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _};

use super::copying::{Lines, values};
use super::error::PostgresFault;
use super::mapping::{Input, Mapping, TableMapping, TableName, quoted};
use super::settings::PostgresSettings;

/// A mapped table as the database has it.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundTable {
    /// Its name.
    pub table: TableName,
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

/// How a replication slot stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Whether somebody reads it now.
    pub is_active: bool,
    /// What is wrong with it for good.
    pub problem: Option<String>,
    /// Up to where its reader has confirmed the log.
    pub confirmed: u64,
    /// Bytes of the log that it has not confirmed.
    pub lag_bytes: u64,
    /// Bytes of the log that are held back for it.
    pub held_bytes: u64,
}

/// An ordinary session.
pub struct PostgresSession {
    connection: PgConnection,
    timeout: Duration,
}

impl PostgresSession {
    /// Opens one.
    ///
    /// # Errors
    /// [`PostgresFault::Unreachable`].
    pub async fn open(settings: &PostgresSettings) -> Result<PostgresSession, PostgresFault> {
        let (options, timeout) = (settings.options()?, settings.timeout());
        let connecting = Box::pin(tokio::time::timeout(timeout, options.connect()));
        let connection = answered("connecting", connecting.await)?;
        Ok(PostgresSession { connection, timeout })
    }

    async fn rows(
        &mut self,
        doing: &'static str,
        statement: &str,
        arguments: &[&str],
    ) -> Result<Vec<PgRow>, PostgresFault> {
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()));
        for argument in arguments {
            query = query.bind((*argument).to_owned());
        }
        let fetching = query.fetch_all(&mut self.connection).boxed();
        answered(doing, tokio::time::timeout(self.timeout, fetching).await)
    }

    /// Runs statements that give nothing back.
    ///
    /// # Errors
    /// [`PostgresFault::Unreachable`] with the server's words.
    pub async fn execute(
        &mut self,
        doing: &'static str,
        statements: &str,
    ) -> Result<(), PostgresFault> {
        let statements = sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned()));
        let running = self.connection.execute(statements).boxed();
        answered(doing, tokio::time::timeout(self.timeout, running).await).map(drop)
    }

    /// Whether the server answers.
    ///
    /// # Errors
    /// [`PostgresFault::Unreachable`].
    pub async fn ping(&mut self) -> Result<(), PostgresFault> {
        let asking = self.connection.ping().boxed();
        answered("asking whether it lives", tokio::time::timeout(self.timeout, asking).await)
    }

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
        let mut names: Vec<&TableName> = Vec::new();
        for table in &mapping.tables {
            // In the mapping's order, each once.
            if !names.contains(&&table.table) {
                names.push(&table.table);
            }
        }
        let (mut there, mut missing) = (Vec::new(), Vec::new());
        for name in names {
            let found = self
                .rows(
                    "looking for a table",
                    "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')",
                    &[&name.schema, &name.table],
                )
                .await?;
            if found.is_empty() { missing.push(name.clone()) } else { there.push(name) }
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
            let found = self.found(&settings.publication, name).await?;
            for table in mapping.tables.iter().filter(|table| table.table == *name) {
                fits(table, &found, &settings.publication)?;
            }
            tables.push(found);
        }
        Ok((tables, missing))
    }

    /// Makes the publication where there is none.
    async fn publish(&mut self, name: &str, tables: &[&TableName]) -> Result<(), PostgresFault> {
        let asking = "SELECT 1 FROM pg_publication WHERE pubname = $1";
        if !self.rows("looking for the publication", asking, &[name]).await?.is_empty() {
            return Ok(());
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
                       WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)) \
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 LEFT JOIN pg_index i ON i.indrelid = c.oid AND (i.indisprimary OR i.indisreplident) \
                 WHERE n.nspname = $1 AND c.relname = $2",
                &[&name.schema, &name.table],
            )
            .await?;
        let mut found = FoundTable {
            table: name.clone(),
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

    /// How the slot stands; none where there is none.
    ///
    /// # Errors
    /// [`PostgresFault::Unreachable`].
    pub async fn slot(&mut self, name: &str) -> Result<Option<Slot>, PostgresFault> {
        let found = self
            .rows(
                "looking at the slot",
                "SELECT active, plugin::text, database = current_database(), wal_status, \
                 (confirmed_flush_lsn - '0/0')::text, \
                 (pg_current_wal_lsn() - confirmed_flush_lsn)::text, \
                 (pg_current_wal_lsn() - restart_lsn)::text \
                 FROM pg_replication_slots WHERE slot_name = $1",
                &[name],
            )
            .await?;
        let Some(row) = found.first() else { return Ok(None) };
        let text = |at: usize| row.try_get::<Option<String>, _>(at).ok().flatten();
        let number = |at: usize| text(at).and_then(|text| text.parse().ok());
        let (plugin, status) = (text(1), text(3));
        let problem = if plugin.as_deref() != Some("pgoutput") {
            Some(format!("its plugin is {}", plugin.unwrap_or_else(|| "none".to_owned())))
        } else if row.try_get::<Option<bool>, _>(2).ok().flatten() != Some(true) {
            Some("it is of another database".to_owned())
        } else if status.as_deref() == Some("lost") {
            Some("it was invalidated: log that it had not read was removed".to_owned())
        } else {
            None
        };
        Ok(Some(Slot {
            is_active: row.try_get(0).unwrap_or(false),
            problem,
            confirmed: number(4).unwrap_or(0),
            lag_bytes: number(5).unwrap_or(0),
            held_bytes: number(6).unwrap_or(0),
        }))
    }

    /// Drops the slot.
    ///
    /// # Errors
    /// [`PostgresFault::Unreachable`].
    pub async fn drop_slot(&mut self, name: &str) -> Result<(), PostgresFault> {
        let dropping = "SELECT pg_drop_replication_slot($1)";
        self.rows("dropping the slot", dropping, &[name]).await.map(drop)
    }

    /// Sees the database from here on as another session has exported it.
    ///
    /// # Errors
    /// [`PostgresFault::Unreachable`].
    pub async fn look_back(&mut self, snapshot: &str) -> Result<(), PostgresFault> {
        let snapshot = snapshot.replace('\'', "''");
        let statements = format!(
            "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; \
             SET TRANSACTION SNAPSHOT '{snapshot}'"
        );
        self.execute("taking the snapshot over", &statements).await
    }

    /// Writes rows in the text format of `COPY … FROM STDIN`, in messages of so many bytes.
    ///
    /// # Errors
    /// [`PostgresFault`].
    pub(super) async fn copy_in(
        &mut self,
        statement: &str,
        rows: &str,
        message: usize,
    ) -> Result<(), PostgresFault> {
        let fault = PostgresFault::while_doing("writing a table");
        let mut copying = self.connection.copy_in_raw(statement).await.map_err(&fault)?;
        for part in rows.as_bytes().chunks(message) {
            copying.send(part).await.map_err(&fault)?;
        }
        copying.finish().await.map_err(&fault).map(drop)
    }

    /// Runs a `COPY … TO STDOUT`: `each` is told the values of a row, and may wait.
    ///
    /// # Errors
    /// [`PostgresFault`], and what `each` gives.
    pub async fn copy(
        &mut self,
        settings: &PostgresSettings,
        statement: &str,
        mut each: impl AsyncFnMut(Vec<Option<Cow<'_, str>>>) -> Result<(), PostgresFault>,
    ) -> Result<(), PostgresFault> {
        let fault = PostgresFault::while_doing("reading a table");
        let mut copying = self.connection.copy_out_raw(statement).await.map_err(&fault)?;
        let mut lines = Lines::default();
        loop {
            let chunk = loop {
                match tokio::time::timeout(self.timeout, copying.try_next()).await {
                    Ok(chunk) => break chunk.map_err(&fault)?,
                    // It may have much to sort; but does it live?
                    Err(_) => Box::pin(PostgresSession::open(settings)).await?.ping().await?,
                }
            };
            let Some(chunk) = chunk else { return Ok(()) };
            lines.add(&chunk);
            while let Some(line) = lines.next_line() {
                each(values(line).map_err(PostgresFault::Unreadable)?).await?;
            }
        }
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
        let order =
            ["valid_after", "batch", "provider"].iter().filter_map(|field| mapped.column(field));
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

/// What came of a request that may have taken too long.
fn answered<T>(
    doing: &'static str,
    answer: Result<Result<T, sqlx::Error>, tokio::time::error::Elapsed>,
) -> Result<T, PostgresFault> {
    match answer {
        Ok(answer) => answer.map_err(PostgresFault::while_doing(doing)),
        Err(_) => {
            Err(PostgresFault::Unreachable { doing, problem: "no answer in time".to_owned() })
        }
    }
}
