//! How Pulsar is reached and what is read there.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::PulsarFault;
use super::sink::PulsarCoding;
use crate::debezium::DebeziumSettings;

/// How Pulsar is reached and what is read there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PulsarSettings {
    /// Its name in status and metrics.
    pub name: String,
    /// Where it is: `pulsar://host:port`, `pulsar+ssl://` for TLS.
    pub url: String,
    /// File of the token by which the service is known there; read again for each connection.
    pub token_file: Option<PathBuf>,
    /// File of the certificates (PEM) that sign those of `pulsar+ssl://` brokers; none: those of the system.
    pub ca_file: Option<PathBuf>,
    /// How long one answer may take, in milliseconds.
    pub timeout_ms: u64,
    /// Topics that forecasts are read from.
    pub topics: Vec<PulsarTopic>,
    /// Topics that what changes is written to.
    pub deltas: Vec<PulsarDeltas>,
    /// Databases of which Debezium writes the changes there.
    pub debezium: Vec<DebeziumSettings>,
}

/// A topic that what changes is written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PulsarDeltas {
    /// The topic, with or without partitions.
    pub topic: String,
    /// The views: `latest`, `actuals`, `totals`, `units`.
    pub views: Vec<String>,
    /// How messages are compressed: `none`, `lz4`, `zstd`, `snappy`, `zlib`.
    pub compression: PulsarCoding,
}

impl Default for PulsarDeltas {
    fn default() -> PulsarDeltas {
        let views = ["latest", "totals"].map(str::to_owned).into();
        PulsarDeltas { topic: String::new(), views, compression: PulsarCoding::default() }
    }
}

/// A topic that forecasts are read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PulsarTopic {
    /// The topic, with or without partitions: `persistent://tenant/namespace/name`.
    pub topic: String,
    /// The subscription: one engine each.
    pub subscription: String,
    /// Whether a second engine may wait to take over.
    pub mode: PulsarMode,
    /// The provider of messages that name none.
    pub provider: Option<String>,
    /// Roles of whoever sends there: `PastPredictionUpdateRole` lifts gate closure.
    pub roles: Vec<String>,
    /// Where messages go that cannot be used; none: the topic's name with `-dlq` behind it.
    pub dead_letters: Option<String>,
    /// Messages of each partition that are under way at once.
    pub receive_messages: u32,
}

/// Views that can be written.
const VIEWS: [&str; 4] = ["latest", "actuals", "totals", "units"];

/// Who else may read a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PulsarMode {
    /// Others wait, and one takes over when this one has gone.
    #[default]
    Failover,
    /// Nobody else.
    Exclusive,
}

impl Default for PulsarSettings {
    fn default() -> PulsarSettings {
        PulsarSettings {
            name: "pulsar".to_owned(),
            url: String::new(),
            token_file: None,
            ca_file: None,
            timeout_ms: 5_000,
            topics: Vec::new(),
            deltas: Vec::new(),
            debezium: Vec::new(),
        }
    }
}

impl Default for PulsarTopic {
    fn default() -> PulsarTopic {
        PulsarTopic {
            topic: String::new(),
            subscription: "smartpulse".to_owned(),
            mode: PulsarMode::default(),
            provider: None,
            roles: Vec::new(),
            dead_letters: None,
            receive_messages: 1_000,
        }
    }
}

impl PulsarSettings {
    /// Refuses what cannot be meant.
    ///
    /// # Errors
    /// [`PulsarFault::Setting`] naming the field and the rule.
    pub fn check(&self) -> Result<(), PulsarFault> {
        let rule = |holds: bool, name, rule: &str| {
            let rule = rule.to_owned();
            if holds { Ok(()) } else { Err(PulsarFault::Setting { name, rule }) }
        };
        let address = ["pulsar://", "pulsar+ssl://"];
        let host = address.iter().find_map(|scheme| self.url.strip_prefix(scheme));
        // A password in an address would be shown wherever the address is.
        let is_plain = |host: &str| !host.is_empty() && !host.contains(['@', '/', '?', '#', ' ']);
        rule(host.is_some_and(is_plain), "url", "pulsar://host:port or pulsar+ssl://host:port")?;
        rule(is_name(&self.name), "name", "letters, digits, `-`, `_` and `.`")?;
        rule((100..=600_000).contains(&self.timeout_ms), "timeout_ms", "100 to 600,000")?;
        for (place, topic) in self.topics.iter().enumerate() {
            let whole = topic.full_name();
            rule(whole.is_some(), "topics.topic", "persistent://tenant/namespace/name")?;
            rule(
                is_name(&topic.subscription),
                "topics.subscription",
                "letters, digits, `-`, `_` and `.`",
            )?;
            // What was read of a topic is remembered by its name.
            let is_same = |other: &PulsarTopic| other.full_name() == whole;
            rule(!self.topics[..place].iter().any(is_same), "topics", "different topics")?;
            rule(full_name(&topic.letters()).is_some(), "topics.dead_letters", "a topic")?;
            rule(full_name(&topic.letters()) != whole, "topics.dead_letters", "another topic")?;
            rule(
                (1..=100_000).contains(&topic.receive_messages),
                "topics.receive_messages",
                "1 to 100,000",
            )?;
        }
        for (place, deltas) in self.deltas.iter().enumerate() {
            let whole = full_name(&deltas.topic);
            rule(whole.is_some(), "deltas.topic", "persistent://tenant/namespace/name")?;
            let others = self.deltas[..place].iter().map(|other| full_name(&other.topic));
            let read = self
                .topics
                .iter()
                .flat_map(|topic| [topic.full_name(), full_name(&topic.letters())]);
            let is_taken = others.chain(read).any(|other| other == whole);
            rule(!is_taken, "deltas.topic", "a topic that is used for nothing else")?;
            rule(!deltas.views.is_empty(), "deltas.views", "at least one view")?;
            let is_view = |view: &String| VIEWS.contains(&view.as_str());
            rule(
                deltas.views.iter().all(is_view),
                "deltas.views",
                "latest, actuals, totals or units",
            )?;
        }
        for (place, debezium) in self.debezium.iter().enumerate() {
            debezium.check().map_err(|(name, rule)| PulsarFault::Setting { name, rule })?;
            let is_same = |other: &DebeziumSettings| other.prefix == debezium.prefix;
            rule(
                !self.debezium[..place].iter().any(is_same),
                "debezium.prefix",
                "of topics that nobody else here reads",
            )?;
        }
        Ok(())
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

impl PulsarDeltas {
    /// What is told, in one word: the views in order, and the form of the messages.
    pub(crate) fn content(&self) -> String {
        let mut views = self.views.clone();
        views.sort();
        views.dedup();
        format!("{};columns-1", views.join(","))
    }
}

impl PulsarTopic {
    /// Where messages go that cannot be used.
    #[must_use]
    pub fn letters(&self) -> String {
        self.dead_letters.clone().unwrap_or_else(|| format!("{}-dlq", self.topic))
    }

    /// Its name in full, by which what was read of it is remembered.
    #[must_use]
    pub fn full_name(&self) -> Option<String> {
        full_name(&self.topic)
    }
}

/// A topic's name in full; none where it can be none. `name` alone lies in `public/default`.
fn full_name(topic: &str) -> Option<String> {
    let (scheme, path) = topic.split_once("://").unwrap_or(("persistent", topic));
    let parts: Vec<&str> = path.split('/').collect();
    let are_names = parts.iter().all(|part| is_name(part));
    match (scheme, parts.len()) {
        ("persistent", 3) if are_names => Some(format!("persistent://{path}")),
        ("persistent", 1) if are_names => Some(format!("persistent://public/default/{path}")),
        _ => None,
    }
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:=".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str, topics: Vec<PulsarTopic>) -> PulsarSettings {
        PulsarSettings { url: url.to_owned(), topics, ..PulsarSettings::default() }
    }

    fn topic(name: &str) -> PulsarTopic {
        PulsarTopic { topic: name.to_owned(), ..PulsarTopic::default() }
    }

    #[test]
    fn settings_are_checked_by_field_and_rule() {
        let good = "pulsar://127.0.0.1:6650";
        assert!(of(good, vec![topic("a"), topic("persistent://t/n/b")]).check().is_ok());
        assert!(of("pulsar+ssl://broker.example:6651", Vec::new()).check().is_ok());
        let mode = PulsarTopic { receive_messages: 0, ..topic("a") };
        let itself =
            PulsarTopic { dead_letters: Some("public/default/a".to_owned()), ..topic("a") };
        let loops = PulsarTopic {
            dead_letters: Some("persistent://public/default/a".to_owned()),
            ..topic("a")
        };
        for (settings, field) in [
            (of("", Vec::new()), "url"),
            (of("http://127.0.0.1", Vec::new()), "url"),
            (of("pulsar://me:hush@host:6650", Vec::new()), "url"),
            (of(good, vec![topic("")]), "topics.topic"),
            (of(good, vec![topic("non-persistent://t/n/a")]), "topics.topic"),
            (of(good, vec![topic("a"), topic("persistent://public/default/a")]), "topics"),
            (of(good, vec![mode]), "topics.receive_messages"),
            (of(good, vec![itself]), "topics.dead_letters"),
            (of(good, vec![loops]), "topics.dead_letters"),
        ] {
            let Err(PulsarFault::Setting { name, .. }) = settings.check() else {
                panic!("{field} must be refused: {settings:?}");
            };
            assert_eq!(name, field);
        }
    }
}
