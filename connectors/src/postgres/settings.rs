//! How a Postgres is reached and what is read there.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::error::PostgresFault;
use super::mapping::{LEGACY, Mapping};

/// How a Postgres is reached and what is read there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresSettings {
    /// Its name in status and metrics; what was read of it is remembered by it.
    pub name: String,
    /// Where it is: `postgres://user@host:port/database`.
    pub url: String,
    /// File of the password; read again for each connection.
    pub password_file: Option<PathBuf>,
    /// What the connection is held to.
    pub tls: PostgresTls,
    /// File of the certificates (PEM) that sign the server's; none: those of the system.
    pub ca_file: Option<PathBuf>,
    /// How long one answer may take, in milliseconds.
    pub timeout_ms: u64,
    /// The replication slot: one engine each.
    pub slot: String,
    /// The publication; made where there is none.
    pub publication: String,
    /// What the tables mean: `legacy`, or a TOML file.
    pub mapping: String,
    /// Rules of the doors that forecasts are held to: `gates`, `limits`, `locks`.
    pub enforce: Vec<String>,
    /// What is done where the slot is gone, or the database is another one.
    pub on_lost: OnLost,
}

/// What the connection to a Postgres is held to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PostgresTls {
    /// Plain text: for the loopback and networks that are secured otherwise.
    #[default]
    Disable,
    /// Encrypted; nobody asks who the server is.
    Require,
    /// Encrypted, and the server's certificate is signed and names the host.
    VerifyFull,
}

/// What is done where the log is lost that would tell what changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnLost {
    /// Say so, and wait for somebody.
    #[default]
    Stop,
    /// Read all tables again.
    Snapshot,
}

impl Default for PostgresSettings {
    fn default() -> PostgresSettings {
        PostgresSettings {
            name: "postgres".to_owned(),
            url: String::new(),
            password_file: None,
            tls: PostgresTls::default(),
            ca_file: None,
            timeout_ms: 10_000,
            slot: "smartpulse".to_owned(),
            publication: "smartpulse".to_owned(),
            mapping: "legacy".to_owned(),
            enforce: Vec::new(),
            on_lost: OnLost::default(),
        }
    }
}

/// Whether all are rules that forecasts may be held to.
pub(crate) fn are_rules(words: &[String]) -> bool {
    words.iter().all(|word| ["gates", "limits", "locks"].contains(&word.as_str()))
}

/// The mapping that a setting names: `legacy`, or a TOML file.
///
/// # Errors
/// [`PostgresFault::Setting`] where the file cannot be read or says what cannot be meant.
pub(crate) fn mapping_of(setting: &str) -> Result<Mapping, PostgresFault> {
    let refused = |rule| PostgresFault::Setting { name: "mapping", rule };
    if setting == "legacy" {
        return Mapping::parse(LEGACY).map_err(refused);
    }
    let text = std::fs::read_to_string(setting).map_err(|problem| {
        refused(format!("`legacy` or a file that can be read: {setting}: {problem}"))
    })?;
    Mapping::parse(&text).map_err(|problem| refused(format!("{setting}: {problem}")))
}

impl PostgresSettings {
    /// Refuses what cannot be meant.
    ///
    /// # Errors
    /// [`PostgresFault::Setting`] naming the field and the rule.
    pub fn check(&self) -> Result<(), PostgresFault> {
        let rule = |holds: bool, name, rule: &str| {
            let rule = rule.to_owned();
            if holds { Ok(()) } else { Err(PostgresFault::Setting { name, rule }) }
        };
        let address = ["postgres://", "postgresql://"];
        let rest = address.iter().find_map(|scheme| self.url.strip_prefix(scheme));
        // A password in an address would be shown wherever the address is.
        let is_plain = |rest: &str| {
            rest.split_once('@').is_some_and(|(user, host)| {
                !user.is_empty() && !user.contains(':') && host.contains('/') && !host.contains('?')
            })
        };
        let is_address =
            rest.is_some_and(is_plain) && PgConnectOptions::from_str(&self.url).is_ok();
        rule(is_address, "url", "postgres://user@host:port/database")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = !self.name.is_empty() && self.name.bytes().all(plain);
        rule(is_name, "name", "letters, digits, `-`, `_` and `.`")?;
        rule((100..=600_000).contains(&self.timeout_ms), "timeout_ms", "100 to 600,000")?;
        let low = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_low = |text: &str| (1..=63).contains(&text.len()) && text.bytes().all(low);
        rule(is_low(&self.slot), "slot", "1 to 63 lower-case letters, digits and `_`")?;
        rule(
            is_low(&self.publication),
            "publication",
            "1 to 63 lower-case letters, digits and `_`",
        )?;
        rule(are_rules(&self.enforce), "enforce", "gates, limits or locks")?;
        self.mapping().map(drop)
    }

    /// What the tables mean.
    ///
    /// # Errors
    /// [`PostgresFault::Setting`] where the file cannot be read or says what cannot be meant.
    pub fn mapping(&self) -> Result<Mapping, PostgresFault> {
        mapping_of(&self.mapping)
    }

    /// How long one answer may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// The password, where there is one.
    pub(super) fn password(&self) -> Result<Option<String>, PostgresFault> {
        let Some(path) = &self.password_file else { return Ok(None) };
        let text = std::fs::read_to_string(path)
            .map_err(PostgresFault::while_doing("reading the password file"))?;
        Ok(Some(text.trim().to_owned()))
    }

    /// How a session is opened.
    pub(super) fn options(&self) -> Result<PgConnectOptions, PostgresFault> {
        let options = PgConnectOptions::from_str(&self.url)
            .map_err(PostgresFault::while_doing("reading the address"))?;
        let mode = match self.tls {
            PostgresTls::Disable => PgSslMode::Disable,
            PostgresTls::Require => PgSslMode::Require,
            PostgresTls::VerifyFull => PgSslMode::VerifyFull,
        };
        let mut options = options.ssl_mode(mode).application_name("smartpulse").options([
            ("datestyle", "ISO,YMD"),
            ("timezone", "UTC"),
            ("extra_float_digits", "1"),
        ]);
        if let Some(path) = &self.ca_file {
            options = options.ssl_root_cert(path);
        }
        Ok(match self.password()? {
            Some(password) => options.password(&password),
            None => options,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_by_field_and_rule() {
        let good = PostgresSettings {
            url: "postgres://reader@127.0.0.1:5432/plants".to_owned(),
            ..PostgresSettings::default()
        };
        assert!(good.check().is_ok());
        let url = |url: &str| PostgresSettings { url: url.to_owned(), ..good.clone() };
        for (settings, field) in [
            (url(""), "url"),
            (url("mysql://reader@host/plants"), "url"),
            (url("postgres://reader:hush@host/plants"), "url"),
            (url("postgres://host/plants"), "url"),
            (PostgresSettings { name: "a b".to_owned(), ..good.clone() }, "name"),
            (PostgresSettings { slot: "Upper".to_owned(), ..good.clone() }, "slot"),
            (PostgresSettings { publication: String::new(), ..good.clone() }, "publication"),
            (PostgresSettings { timeout_ms: 1, ..good.clone() }, "timeout_ms"),
            (PostgresSettings { enforce: vec!["all".to_owned()], ..good.clone() }, "enforce"),
            (PostgresSettings { mapping: "/no/file".to_owned(), ..good.clone() }, "mapping"),
        ] {
            let Err(PostgresFault::Setting { name, .. }) = settings.check() else {
                panic!("{field} must be refused: {settings:?}");
            };
            assert_eq!(name, field);
        }
    }
}
