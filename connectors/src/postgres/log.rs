//! The log: a session of the replication protocol, by which a slot is made and followed.

use std::time::Duration;

use bytes::Bytes;
use pgwire_replication::{
    Lsn, PgWireError, ReplicationClient, ReplicationConfig, ReplicationEvent, SslMode, TlsConfig,
};
use smartpulse_operators::time::Instant;
use sqlx::postgres::PgConnectOptions;

use super::error::PostgresFault;
use super::mapping::quoted;
use super::pgoutput::{self, LogMessage};
use super::settings::{PostgresSettings, PostgresTls};

/// Microseconds from 1970 to 2000, where Postgres begins to count.
const ITS_EPOCH: i64 = 946_684_800_000_000;
/// A message that is longer is not of a table anybody reads forecasts from.
const MESSAGE_BYTES: usize = 256 << 20;
/// Messages that wait to be read: a few ticks of the smallest kind.
const MESSAGES: usize = 4_096;
/// Between two confirmations where nothing else is said.
const CONFIRMING: Duration = Duration::from_secs(1);

/// What the log says next.
#[derive(Clone, Debug)]
pub enum LogEvent {
    /// A transaction begins: when it was committed, and where in the log that stands.
    Begin(Instant, u64),
    /// A change of the transaction, to be read with [`LogBytes::message`].
    Change(LogBytes),
    /// The transaction ends; the log stands there behind it.
    Commit(u64),
    /// Nothing before that place is still to come.
    Idle(u64),
}

/// A message of the log as it came.
#[derive(Clone, Debug)]
pub struct LogBytes(Bytes);

impl LogBytes {
    /// Its meaning.
    ///
    /// # Errors
    /// [`PostgresFault::Unreadable`].
    pub fn message(&self) -> Result<LogMessage<'_>, PostgresFault> {
        pgoutput::read(&self.0).map_err(PostgresFault::Unreadable)
    }
}

/// A slot that was made, and what is seen of the database at its beginning.
pub struct MadeSlot {
    /// Where the log stands that the slot begins to tell.
    pub lsn: u64,
    /// The name of what is seen, until this is dropped.
    pub snapshot: String,
    _session: ReplicationClient,
}

/// The log from a place on.
pub struct PostgresLog {
    client: ReplicationClient,
}

impl PostgresLog {
    /// The system identifier of the cluster.
    ///
    /// # Errors
    /// [`PostgresFault::Unreachable`].
    pub async fn system(settings: &PostgresSettings) -> Result<u64, PostgresFault> {
        let fault = PostgresFault::while_doing("asking for the system identifier");
        let asking = async {
            let mut client = ReplicationClient::connect_gated(configuration(settings, 0)?).await;
            let client = client.as_mut().map_err(|problem| fault(problem.clone()))?;
            client.identify_system().await.map_err(&fault)
        };
        let system = within(settings, "asking for the system identifier", asking).await?;
        system
            .system_id
            .parse()
            .map_err(|_| PostgresFault::Unreadable(format!("system {}", system.system_id)))
    }

    /// Makes the slot, and keeps what is seen at its beginning.
    ///
    /// # Errors
    /// [`PostgresFault::Unreachable`].
    pub async fn make_slot(settings: &PostgresSettings) -> Result<MadeSlot, PostgresFault> {
        let fault = PostgresFault::while_doing("making the slot");
        let statement = format!(
            "CREATE_REPLICATION_SLOT {} LOGICAL pgoutput EXPORT_SNAPSHOT",
            quoted(&settings.slot)
        );
        let mut client =
            ReplicationClient::connect_gated(configuration(settings, 0)?).await.map_err(&fault)?;
        // Without a bound: the server waits for all transactions to end that have begun.
        let rows = client.simple_query(&statement).await.map_err(&fault)?;
        let text = |at: usize| {
            let value = rows.first()?.get(at)?.as_ref()?;
            String::from_utf8(value.to_vec()).ok()
        };
        let lsn = text(1).and_then(|text| Lsn::parse(&text).ok());
        let (Some(lsn), Some(snapshot)) = (lsn, text(2)) else {
            return Err(PostgresFault::Unreadable("the answer to making a slot".to_owned()));
        };
        Ok(MadeSlot { lsn: lsn.as_u64(), snapshot, _session: client })
    }

    /// Follows the slot behind `after`; what lies up to `durable` is confirmed.
    ///
    /// # Errors
    /// [`PostgresFault::Unreachable`].
    pub async fn follow(
        settings: &PostgresSettings,
        after: u64,
        durable: u64,
    ) -> Result<PostgresLog, PostgresFault> {
        let fault = PostgresFault::while_doing("following the log");
        let mut configuration = configuration(settings, after)?;
        configuration.ack_lsn = Some(Lsn::from_u64(durable));
        let mut client = ReplicationClient::connect(configuration).await.map_err(&fault)?;
        within(settings, "following the log", async {
            client.wait_started().await.map_err(&fault)
        })
        .await?;
        Ok(PostgresLog { client })
    }

    /// What it says next; waits for it.
    ///
    /// # Errors
    /// [`PostgresFault::Unreachable`] where it has ended.
    pub async fn next(&mut self) -> Result<LogEvent, PostgresFault> {
        loop {
            let event = self.client.recv().await.map_err(|problem| match problem {
                PgWireError::MessageTooLarge { .. } => {
                    PostgresFault::Unreadable(problem.to_string())
                }
                other => PostgresFault::while_doing("reading the log")(other),
            })?;
            let ended = || PostgresFault::while_doing("reading the log")("it has ended");
            return Ok(match event.ok_or_else(ended)? {
                ReplicationEvent::Begin { final_lsn, commit_time_micros, .. } => {
                    let committed = Instant(commit_time_micros.saturating_add(ITS_EPOCH));
                    LogEvent::Begin(committed, final_lsn.as_u64())
                }
                ReplicationEvent::XLogData { data, .. } => LogEvent::Change(LogBytes(data)),
                ReplicationEvent::Commit { end_lsn, .. } => LogEvent::Commit(end_lsn.as_u64()),
                ReplicationEvent::KeepAlive { wal_end, .. } => LogEvent::Idle(wal_end.as_u64()),
                ReplicationEvent::StoppedAt { .. } => return Err(ended()),
                _ => continue,
            });
        }
    }

    /// Confirms the log up to `lsn`: the server need not keep it any more.
    pub fn confirm(&self, lsn: u64) {
        self.client.update_applied_lsn(Lsn::from_u64(lsn));
    }
}

fn configuration(
    settings: &PostgresSettings,
    after: u64,
) -> Result<ReplicationConfig, PostgresFault> {
    let options: PgConnectOptions = settings.options()?;
    let mut configuration = ReplicationConfig::new(
        options.get_host().to_owned(),
        options.get_username().to_owned(),
        settings.password()?.unwrap_or_default(),
        options.get_database().unwrap_or("postgres").to_owned(),
        settings.slot.clone(),
        settings.publication.clone(),
    );
    let mode = match settings.tls {
        PostgresTls::Disable => SslMode::Disable,
        PostgresTls::Require => SslMode::Require,
        PostgresTls::VerifyFull => SslMode::VerifyFull,
    };
    configuration.port = options.get_port();
    configuration.tls = TlsConfig {
        mode,
        ca_pem_path: settings.ca_file.clone(),
        // Of an address the transport asks that it is meant.
        sni_hostname: Some(options.get_host().to_owned()),
        ..TlsConfig::default()
    };
    configuration.start_lsn = Lsn::from_u64(after);
    configuration.status_interval = CONFIRMING;
    configuration.idle_wakeup_interval = CONFIRMING;
    configuration.buffer_events = MESSAGES;
    configuration.max_message_size = MESSAGE_BYTES;
    configuration.application_name = Some("smartpulse".to_owned());
    configuration.options =
        Some("-c datestyle=ISO,YMD -c timezone=UTC -c extra_float_digits=1".to_owned());
    Ok(configuration)
}

async fn within<T>(
    settings: &PostgresSettings,
    doing: &'static str,
    asking: impl Future<Output = Result<T, PostgresFault>>,
) -> Result<T, PostgresFault> {
    let answer = Box::pin(tokio::time::timeout(settings.timeout(), asking)).await;
    let late = |_| PostgresFault::Unreachable { doing, problem: "no answer in time".to_owned() };
    answer.map_err(late)?
}
