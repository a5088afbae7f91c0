//! An ordinary session: what the database holds, how the slot stands, and the rows of a snapshot.

use std::borrow::Cow;
use std::time::Duration;

use futures_util::{FutureExt as _, TryStreamExt as _};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _};

use super::copying::{Lines, values};
use super::error::PostgresFault;
use super::settings::PostgresSettings;

/// How a replication slot stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Whether somebody reads it now.
    pub is_active: bool,
    /// What is wrong with it for good.
    pub problem: Option<String>,
    /// Up to where its reader has confirmed the log.
    pub confirmed: u64,
    /// Where the log ends now.
    pub end: u64,
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

    pub(super) async fn rows(
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
                 (pg_current_wal_lsn() - restart_lsn)::text, (pg_current_wal_lsn() - '0/0')::text \
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
            end: number(7).unwrap_or(u64::MAX),
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
