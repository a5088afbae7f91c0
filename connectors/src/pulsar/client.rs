//! The connection to Pulsar.

use std::time::Duration;

use pulsar::{
    Authentication, ConnectionRetryOptions, OperationRetryOptions, Pulsar, TokioExecutor,
};

use uuid::Uuid;

use super::error::PulsarFault;
use super::settings::PulsarSettings;

/// Tries of an operation that the broker refuses for now; further ones are made by who asked, with pauses that
/// grow.
const TRIES: u32 = 2;
/// Messages that may wait to be written to one connection.
const OUTBOUND: usize = 1_000;

/// How long a message may take that the broker is known to have.
pub(super) const READING: Duration = Duration::from_secs(10);

/// A connected client; its connections end when it and all that came of it are dropped.
pub type PulsarClient = Pulsar<TokioExecutor>;

/// Connects.
///
/// # Errors
/// [`PulsarFault::Unreachable`].
pub async fn connect(settings: &PulsarSettings) -> Result<PulsarClient, PulsarFault> {
    if settings.url.starts_with("pulsar+ssl:") {
        // Another user of rustls may have chosen the same already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let timeout = settings.timeout();
    let connecting = ConnectionRetryOptions {
        max_retries: TRIES,
        max_backoff: timeout,
        connection_timeout: timeout,
        // A broker that has stopped is noticed by this alone.
        keep_alive: timeout,
        ..ConnectionRetryOptions::default()
    };
    let asking = OperationRetryOptions {
        operation_timeout: timeout,
        retry_delay: Duration::from_millis(300),
        max_retries: Some(TRIES),
    };
    let mut builder = Pulsar::builder(settings.url.clone(), TokioExecutor)
        .with_connection_retry_options(connecting)
        .with_operation_retry_options(asking)
        .with_outbound_channel_size(OUTBOUND);
    if let Some(path) = &settings.token_file {
        let token = std::fs::read_to_string(path)
            .map_err(PulsarFault::while_doing("reading token_file"))?;
        let data = token.trim().as_bytes().to_vec();
        builder = builder.with_auth(Authentication { name: "token".to_owned(), data });
    }
    if let Some(path) = &settings.ca_file {
        builder = builder
            .with_certificate_chain_file(path)
            .map_err(PulsarFault::while_doing("reading ca_file"))?;
    }
    let connecting = tokio::time::timeout(timeout.saturating_mul(1 + TRIES), builder.build());
    let connected = connecting.await.map_err(PulsarFault::while_doing("connecting"))?;
    connected.map_err(PulsarFault::while_doing("connecting"))
}

/// A name for a producer. One that the broker gives may be that of another producer, once the broker has lost what it
/// knew; and then it would drop what is sent as a repetition.
pub(super) fn own_name() -> String {
    format!("smartpulse-{}", Uuid::now_v7())
}

/// The partitions of a topic by their names in full; one without partitions is its own.
///
/// # Errors
/// [`PulsarFault::Unreachable`].
pub async fn partitions(client: &PulsarClient, topic: &str) -> Result<Vec<String>, PulsarFault> {
    let looked = Box::pin(client.lookup_partitioned_topic_number(topic)).await;
    let count = looked.map_err(PulsarFault::while_doing("looking for partitions"))?;
    if count == 0 {
        return Ok(vec![topic.to_owned()]);
    }
    Ok((0..count).map(|partition| format!("{topic}-partition-{partition}")).collect())
}
