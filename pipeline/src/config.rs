//! The configuration: one table of settings, read from a file, the environment and flags, in that order of
//! growing weight, with where each value came from.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::providers::{Env, Format, Serialized, Toml};
use figment::{Figment, Profile};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smartpulse_connectors::{DebeziumSettings, PostgresSettings, PulsarSettings, RedisSettings};
use smartpulse_operators::quantity::Quantity;
use smartpulse_serve::doors::{DoorRules, Elsewhere};
use thiserror::Error;

mod settings;

pub use settings::{SETTINGS, Setting};

/// Least characters of a token that other machines may try to guess: 128 bits in hexadecimal digits.
const NETWORK_TOKEN_CHARS: usize = 32;

/// The effective configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub workers: usize,
    pub allowed_periods: Vec<u16>,
    pub max_values: usize,
    pub rounding_digits: u32,
    pub value_bound_mw: i64,
    pub gate_minutes: i64,
    pub epias_gate_minutes: i64,
    pub body_bytes: usize,
    pub disk_reserve_bytes: u64,
    pub ring_bytes: usize,
    pub ring_minutes: i64,
    pub encoded_bytes: u64,
    pub connections: usize,
    pub streams: usize,
    pub stream_rows: u64,
    pub stall_seconds: u64,
    pub datasets: PathBuf,
    pub log: String,
    pub auth: Auth,
    pub redis: Vec<RedisSettings>,
    pub pulsar: Vec<PulsarSettings>,
    pub postgres: Vec<PostgresSettings>,
    pub replica: Replica,
}

/// What a replica reads and whom it asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Replica {
    pub redis: Vec<String>,
    pub prefix: String,
    pub timeout_ms: u64,
    pub ca_file: Option<PathBuf>,
    pub engine: Option<String>,
    pub stale_seconds: u64,
}

impl Default for Replica {
    fn default() -> Replica {
        let RedisSettings { prefix, timeout_ms, .. } = RedisSettings::default();
        let (ca_file, engine) = (None, None);
        Replica { redis: Vec::new(), prefix, timeout_ms, ca_file, engine, stale_seconds: 15 }
    }
}

impl Replica {
    /// How its Redis is reached.
    #[must_use]
    pub fn settings(&self) -> RedisSettings {
        let Replica { redis: urls, prefix, timeout_ms, ca_file, .. } = self.clone();
        RedisSettings { urls, prefix, timeout_ms, ca_file, ..RedisSettings::default() }
    }
}

/// Who may do what, until users exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    pub local_roles: Vec<String>,
    pub token: Option<String>,
    pub token_file: Option<PathBuf>,
    pub token_roles: Vec<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            data: PathBuf::from("data/smartpulse"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            workers: 0,
            allowed_periods: vec![5, 10, 15, 30, 60],
            max_values: 5_000,
            rounding_digits: 2,
            value_bound_mw: 1_000_000,
            gate_minutes: 60,
            epias_gate_minutes: 120,
            body_bytes: 16 << 20,
            disk_reserve_bytes: 8 << 20,
            ring_bytes: 32 << 20,
            ring_minutes: 15,
            encoded_bytes: 32 << 20,
            connections: 12_000,
            streams: 11_000,
            stream_rows: 2_000_000,
            stall_seconds: 20,
            datasets: PathBuf::from("../shared/datasets"),
            log: "warn,pulsar=error,pgwire_replication=off,smartpulse=info".to_owned(),
            auth: Auth::default(),
            redis: Vec::new(),
            pulsar: Vec::new(),
            postgres: Vec::new(),
            replica: Replica::default(),
        }
    }
}

impl Config {
    /// The databases of which Debezium writes the changes, with where.
    pub fn debeziums(&self) -> impl Iterator<Item = (&PulsarSettings, &DebeziumSettings)> {
        self.pulsar.iter().flat_map(|connection| {
            connection.debezium.iter().map(move |settings| (connection, settings))
        })
    }

    /// What the doors allow, and the messages of sources.
    #[must_use]
    pub fn door_rules(&self) -> DoorRules {
        DoorRules {
            allowed_periods: self.allowed_periods.clone(),
            max_values: self.max_values,
            rounding_digits: self.rounding_digits,
            value_bound: Quantity(self.value_bound_mw * 100_000),
            body_bytes: self.body_bytes,
            local_roles: self.auth.local_roles.clone(),
            is_on_network: !self.listen.ip().is_loopback(),
            token: self.auth.token.clone(),
            token_roles: self.auth.token_roles.clone(),
            encoded_bytes: self.encoded_bytes,
            streams: self.streams,
            stream_rows: self.stream_rows,
            ..DoorRules::default()
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A source cannot be read, or names or types are wrong.
    #[error("configuration: {0}")]
    Unreadable(Box<figment::Error>),
    /// The file is not there.
    #[error("configuration: there is no file {0}")]
    NoFile(PathBuf),
    /// The file of a secret cannot be read.
    #[error("configuration: {name}: {} cannot be read: {source}", path.display())]
    Secret { name: &'static str, path: PathBuf, source: std::io::Error },
    /// What names another system breaks a rule.
    #[error("configuration: {table}: {problem}")]
    Link { table: String, problem: String },
    /// A value is out of its rule.
    #[error("configuration: {name} must be {rule}")]
    Rule { name: &'static str, rule: &'static str },
}

/// A configuration with its sources.
pub struct Loaded {
    /// The values.
    pub config: Config,
    figment: Figment,
}

/// Reads the configuration: defaults, `file`, the environment, `flags`.
///
/// # Errors
/// [`ConfigError`] naming the setting and the rule.
pub fn load(
    file: Option<&Path>,
    flags: &BTreeMap<&'static str, Value>,
) -> Result<Loaded, ConfigError> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    if let Some(file) = file {
        if !file.is_file() {
            return Err(ConfigError::NoFile(file.to_owned()));
        }
        figment = figment.merge(Toml::file_exact(file));
    }
    let known = |key: &figment::value::UncasedStr| {
        let name = key.as_str().to_ascii_lowercase().replace("__", ".");
        SETTINGS.iter().any(|setting| setting.name == name)
    };
    figment = figment.merge(Env::prefixed("SMARTPULSE_").filter(known).split("__"));
    for (name, value) in flags {
        figment = figment.merge(Serialized::default(name, value).profile(Profile::Default));
    }
    let mut config: Config =
        figment.extract().map_err(|problem| ConfigError::Unreadable(Box::new(problem)))?;
    read_token(&mut config.auth)?;
    check(&config)?;
    Ok(Loaded { config, figment })
}

/// Takes the token from its file, where one is named.
fn read_token(auth: &mut Auth) -> Result<(), ConfigError> {
    let Some(path) = auth.token_file.clone() else { return Ok(()) };
    if auth.token.is_some() {
        let rule = "left out where auth.token is given";
        return Err(ConfigError::Rule { name: "auth.token_file", rule });
    }
    let name = "auth.token_file";
    let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::Secret {
        name,
        path,
        source,
    })?;
    auth.token = Some(text.trim().to_owned());
    Ok(())
}

/// Refuses a configuration that breaks a rule.
///
/// # Errors
/// [`ConfigError`] naming the setting and the rule.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    let rule = |holds: bool, name, rule| {
        if holds { Ok(()) } else { Err(ConfigError::Rule { name, rule }) }
    };
    let divides = |minutes: &u16| *minutes > 0 && 1_440 % *minutes == 0;
    rule(config.workers <= 256, "workers", "at most 256")?;
    rule(!config.allowed_periods.is_empty(), "allowed_periods", "at least one period")?;
    rule(config.allowed_periods.iter().all(divides), "allowed_periods", "divisors of 1440")?;
    rule(config.max_values > 0, "max_values", "at least 1")?;
    rule(config.rounding_digits <= 6, "rounding_digits", "at most 6")?;
    rule(
        (1..=1_000_000_000).contains(&config.value_bound_mw),
        "value_bound_mw",
        "1 to 1,000,000,000",
    )?;
    rule(config.gate_minutes.abs() <= 525_600, "gate_minutes", "within a year")?;
    rule(config.epias_gate_minutes.abs() <= 525_600, "epias_gate_minutes", "within a year")?;
    rule(config.body_bytes >= 1_024, "body_bytes", "at least 1024")?;
    rule((0..=525_600).contains(&config.ring_minutes), "ring_minutes", "0 to 525,600")?;
    rule(config.connections > 0, "connections", "at least 1")?;
    rule(config.stall_seconds > 0, "stall_seconds", "at least 1")?;
    check_links(config)?;
    let token = config.auth.token.as_deref();
    let is_header = |token: &str| token.bytes().all(|byte| byte.is_ascii_graphic());
    rule(token.is_none_or(is_header), "auth.token", "printable ASCII without blanks")?;
    rule(token.is_none_or(|token| !token.is_empty()), "auth.token", "at least one character")?;
    let is_strong = token.is_some_and(|token| token.len() >= NETWORK_TOKEN_CHARS);
    rule(
        config.listen.ip().is_loopback() || is_strong,
        "listen",
        "a loopback address, unless auth.token or auth.token_file gives at least 32 characters",
    )
}

fn link<E: std::fmt::Display>(table: String) -> impl FnOnce(E) -> ConfigError {
    move |problem| ConfigError::Link { table, problem: problem.to_string() }
}

fn check_links(config: &Config) -> Result<(), ConfigError> {
    for (place, redis) in config.redis.iter().enumerate() {
        redis.check().map_err(link(format!("redis[{place}]")))?;
        let is_same = |other: &RedisSettings| other.name == redis.name;
        if config.redis[..place].iter().any(is_same) {
            return Err(ConfigError::Rule { name: "redis", rule: "a list of different names" });
        }
    }
    for (place, pulsar) in config.pulsar.iter().enumerate() {
        pulsar.check().map_err(link(format!("pulsar[{place}]")))?;
        if config.pulsar[..place].iter().any(|other| other.name == pulsar.name) {
            return Err(ConfigError::Rule { name: "pulsar", rule: "a list of different names" });
        }
    }
    let mut databases: BTreeSet<&str> = BTreeSet::new();
    for (place, postgres) in config.postgres.iter().enumerate() {
        postgres.check().map_err(link(format!("postgres[{place}]")))?;
        if !databases.insert(&postgres.name) {
            return Err(ConfigError::Rule { name: "postgres", rule: "a list of different names" });
        }
    }
    // What was read of a database is remembered by its name, whichever way it came.
    if config.debeziums().any(|(_, debezium)| !databases.insert(&debezium.name)) {
        let rule = "of a database that neither `postgres` nor another `debezium` names";
        return Err(ConfigError::Rule { name: "pulsar.debezium.name", rule });
    }
    if !config.replica.redis.is_empty() {
        config.replica.settings().check().map_err(link("replica".to_owned()))?;
    }
    let engine = Elsewhere::at(config.replica.engine.as_deref(), Duration::ZERO);
    engine.map_err(|rule| ConfigError::Rule { name: "replica.engine", rule })?;
    if config.replica.stale_seconds < 2 {
        return Err(ConfigError::Rule { name: "replica.stale_seconds", rule: "at least 2" });
    }
    Ok(())
}

impl Loaded {
    /// Every setting with its value (secrets masked), source and meaning.
    #[must_use]
    pub fn table(&self) -> Vec<Value> {
        let mut shown = self.config.clone();
        shown.redis.iter_mut().for_each(|redis| redis.urls = redis.shown());
        shown.replica.redis = shown.replica.settings().shown();
        let values = serde_json::to_value(&shown).unwrap_or(Value::Null);
        SETTINGS
            .iter()
            .map(|setting| {
                let path = format!("/{}", setting.name.replace('.', "/"));
                let value = values.pointer(&path).cloned().unwrap_or(Value::Null);
                let shown =
                    if setting.is_secret && !value.is_null() { json!("********") } else { value };
                json!({
                    "name": setting.name, "value": shown, "source": self.source(setting.name),
                    "meaning": setting.meaning,
                })
            })
            .collect()
    }

    fn source(&self, name: &str) -> String {
        if let (true, Some(path)) = (name == "auth.token", &self.config.auth.token_file) {
            return format!("file {}", path.display());
        }
        let Some(metadata) = self.figment.find_metadata(name) else { return "default".to_owned() };
        if metadata.name.contains("environment") {
            return format!(
                "environment SMARTPULSE_{}",
                name.to_ascii_uppercase().replace('.', "__")
            );
        }
        match &metadata.source {
            Some(figment::Source::File(path)) => format!("file {}", path.display()),
            _ if metadata.name.contains("Config") => "default".to_owned(),
            _ => "flag".to_owned(),
        }
    }
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
