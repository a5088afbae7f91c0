//! `smartpulse dead-letters`: sends messages that could not be used again to the topics they came from.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;
use smartpulse_connectors::{PulsarSettings, PulsarTopic, Resending, Resent, connect, resend};

use super::{DeadLettersArgs, Shared};
use crate::sinks::alone;

/// Runs the command.
///
/// # Errors
/// No topic that is configured, or the first fault; what was sent again by then is sent.
pub fn run(shared: &Shared, arguments: &DeadLettersArgs) -> anyhow::Result<()> {
    let config = shared.load(None)?.config;
    let is_asked = |topic: &PulsarTopic| {
        let named = arguments.topic.iter();
        arguments.topic.is_empty() || named.into_iter().any(|name| *name == topic.topic)
    };
    let read = config.pulsar.iter().flat_map(|connection| {
        connection.topics.iter().map(move |topic| (connection, topic.clone()))
    });
    let mut topics: Vec<(&PulsarSettings, PulsarTopic)> = read.collect();
    for (connection, debezium) in config.debeziums() {
        topics.extend(debezium.topics()?.into_iter().map(|(_, topic)| (connection, topic)));
    }
    topics.retain(|(_, topic)| is_asked(topic));
    if topics.is_empty() {
        bail!("the configuration names no such topic under `pulsar`");
    }
    let (mut told, mut left_to_send) = (Vec::new(), arguments.limit);
    for (connection, topic) in topics {
        let resending = Resending {
            limit: left_to_send,
            partly: arguments.partly,
            quiet: Duration::from_millis(connection.timeout_ms),
        };
        let sent = alone(async {
            let client = Box::pin(connect(connection)).await?;
            Box::pin(resend(&client, &topic, resending)).await
        });
        let sent = sent.context("no runtime")?.with_context(|| topic.topic.clone())?;
        let Resent { sent, left } = sent;
        left_to_send = left_to_send.map(|limit| limit.saturating_sub(sent));
        shared.say(&format!("{}: {sent} sent again, {left} left as they are", topic.topic));
        told.push(json!({ "topic": topic.topic, "sent": sent, "left": left }));
    }
    shared.print(&json!({ "topics": told }));
    Ok(())
}
