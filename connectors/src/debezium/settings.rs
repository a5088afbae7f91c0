//! Where Debezium's envelopes are read, and how their values are written.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::postgres::{Mapping, PostgresFault, TableName, are_rules, mapping_of};
use crate::pulsar::{PulsarMode, PulsarTopic};

/// Where Debezium's envelopes of a database are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DebeziumSettings {
    /// The database's name in status and metrics; what was read of it is remembered by it, as for `postgres`.
    pub name: String,
    /// What its topics begin with: `{prefix}.{schema}.{table}`, and `{prefix}.transaction`.
    pub prefix: String,
    /// The topic of transactions, where it is called otherwise.
    pub transactions: Option<String>,
    /// The subscription: one engine each; a second one waits until the first has gone.
    pub subscription: String,
    /// What the tables mean: `legacy`, or a TOML file.
    pub mapping: String,
    /// Rules of the doors that forecasts are held to: `gates`, `limits`, `locks`.
    pub enforce: Vec<String>,
    /// Debezium's `decimal.handling.mode`; of no matter where schemas come with the values.
    pub decimals: DebeziumDecimals,
    /// Debezium's `time.precision.mode`, likewise.
    pub times: DebeziumTimes,
    /// Debezium's `unavailable.value.placeholder`.
    pub unavailable: String,
    /// The server's system identifier (`SELECT system_identifier FROM pg_control_system()`): with it the same rows
    /// become the same batches by `postgres`.
    pub system: Option<u64>,
    /// Where messages go that are no envelopes; none: the topic's name with `-dlq` behind it.
    pub dead_letters: Option<String>,
    /// Messages of each partition that are fetched at once.
    pub receive_messages: u32,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DebeziumDecimals {
    /// Exact, as bytes.
    #[default]
    Precise,
    /// Exact, as text.
    String,
    /// As floating-point numbers.
    Double,
}

/// How wall-clock times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DebeziumTimes {
    /// As exact as their columns.
    #[default]
    Adaptive,
    /// In milliseconds.
    Connect,
    /// In microseconds.
    Microseconds,
    /// In nanoseconds.
    Nanoseconds,
}

impl Default for DebeziumSettings {
    fn default() -> DebeziumSettings {
        DebeziumSettings {
            name: "debezium".to_owned(),
            prefix: String::new(),
            transactions: None,
            subscription: "smartpulse".to_owned(),
            mapping: "legacy".to_owned(),
            enforce: Vec::new(),
            decimals: DebeziumDecimals::default(),
            times: DebeziumTimes::default(),
            unavailable: "__debezium_unavailable_value".to_owned(),
            system: None,
            dead_letters: None,
            receive_messages: 1_000,
        }
    }
}

impl DebeziumSettings {
    /// The first setting that cannot be meant, and what it must be.
    ///
    /// # Errors
    /// Its name and the rule.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let rule = |holds: bool, name, rule: &str| {
            if holds { Ok(()) } else { Err((name, rule.to_owned())) }
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = |text: &str| !text.is_empty() && text.bytes().all(plain);
        rule(is_name(&self.name), "debezium.name", "letters, digits, `-`, `_` and `.`")?;
        let is_topic = |topic: PulsarTopic| topic.full_name().is_some();
        rule(
            !self.prefix.is_empty() && is_topic(self.topic(Some("t"))),
            "debezium.prefix",
            "what topics begin with: persistent://tenant/namespace/name",
        )?;
        rule(is_topic(self.topic(None)), "debezium.transactions", "a topic")?;
        rule(
            is_name(&self.subscription),
            "debezium.subscription",
            "letters, digits, `-`, `_` and `.`",
        )?;
        let letters = PulsarTopic { topic: self.topic(None).letters(), ..PulsarTopic::default() };
        rule(is_topic(letters), "debezium.dead_letters", "a topic")?;
        rule(!self.unavailable.is_empty(), "debezium.unavailable", "a text")?;
        rule(
            (1..=100_000).contains(&self.receive_messages),
            "debezium.receive_messages",
            "1 to 100,000",
        )?;
        rule(are_rules(&self.enforce), "debezium.enforce", "gates, limits or locks")?;
        match self.mapping() {
            Ok(_) => Ok(()),
            Err(PostgresFault::Setting { rule, .. }) => Err(("debezium.mapping", rule)),
            Err(other) => Err(("debezium.mapping", other.to_string())),
        }
    }

    /// What the tables mean.
    ///
    /// # Errors
    /// [`PostgresFault::Setting`] where the file cannot be read or says what cannot be meant.
    pub fn mapping(&self) -> Result<Mapping, PostgresFault> {
        mapping_of(&self.mapping)
    }

    /// Every topic: that of transactions, and those of mapped tables.
    ///
    /// # Errors
    /// [`PostgresFault::Setting`] where the mapping cannot be read.
    pub fn topics(&self) -> Result<Vec<(Option<TableName>, PulsarTopic)>, PostgresFault> {
        let mapping = self.mapping()?;
        let tables: BTreeSet<TableName> =
            mapping.tables.into_iter().map(|mapped| mapped.table).collect();
        let mut topics = vec![(None, self.topic(None))];
        topics.extend(tables.into_iter().map(|table| {
            let topic = self.topic(Some(&table.to_string()));
            (Some(table), topic)
        }));
        Ok(topics)
    }

    /// The topic of a table of that name, or of transactions.
    fn topic(&self, table: Option<&str>) -> PulsarTopic {
        let topic = match (table, &self.transactions) {
            (Some(table), _) => format!("{}.{table}", self.prefix),
            (None, Some(topic)) => topic.clone(),
            (None, None) => format!("{}.transaction", self.prefix),
        };
        PulsarTopic {
            topic,
            subscription: self.subscription.clone(),
            // All topics are read by the same engine: a second one waits for that of transactions.
            mode: PulsarMode::Exclusive,
            dead_letters: self.dead_letters.clone(),
            receive_messages: self.receive_messages,
            ..PulsarTopic::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_by_field_and_rule() {
        let good = DebeziumSettings {
            prefix: "persistent://public/default/legacy".to_owned(),
            ..DebeziumSettings::default()
        };
        assert_eq!(good.check(), Ok(()));
        let topic = |table| good.topic(table).full_name();
        let name = |name: &str| Some(format!("persistent://public/default/{name}"));
        assert_eq!(topic(Some("public.t")), name("legacy.public.t"));
        assert_eq!(topic(None), name("legacy.transaction"));
        for (settings, field) in [
            (DebeziumSettings::default(), "debezium.prefix"),
            (DebeziumSettings { prefix: "http://x".to_owned(), ..good.clone() }, "debezium.prefix"),
            (DebeziumSettings { name: String::new(), ..good.clone() }, "debezium.name"),
            (
                DebeziumSettings { transactions: Some("a b".to_owned()), ..good.clone() },
                "debezium.transactions",
            ),
            (
                DebeziumSettings { dead_letters: Some("a b".to_owned()), ..good.clone() },
                "debezium.dead_letters",
            ),
            (
                DebeziumSettings { enforce: vec!["x".to_owned()], ..good.clone() },
                "debezium.enforce",
            ),
            (DebeziumSettings { mapping: "/no".to_owned(), ..good.clone() }, "debezium.mapping"),
            (DebeziumSettings { receive_messages: 0, ..good.clone() }, "debezium.receive_messages"),
        ] {
            assert_eq!(settings.check().unwrap_err().0, field);
        }
    }
}
