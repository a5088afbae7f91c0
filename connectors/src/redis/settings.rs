//! How Redis is reached and used.

use std::path::PathBuf;
use std::time::Duration;

use redis::{Client, TlsCertificates};
use serde::{Deserialize, Serialize};

use super::error::RedisFault;

/// How Redis is reached and used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisSettings {
    /// Its name in status and metrics.
    pub name: String,
    /// Where it is: `redis://[user:password@]host:port[/database]`, `rediss://` for TLS. Several: nodes of one
    /// cluster.
    pub urls: Vec<String>,
    /// What all keys begin with: one engine each.
    pub prefix: String,
    /// Hours after which a key goes that no engine has written since.
    pub ttl_hours: u64,
    /// Bytes of past epochs that the stream holds for replicas that are behind.
    pub stream_bytes: u64,
    /// How long one answer may take, in milliseconds.
    pub timeout_ms: u64,
    /// File of the certificates (PEM) that sign those of `rediss://` servers; none: those of the system.
    pub ca_file: Option<PathBuf>,
}

impl Default for RedisSettings {
    fn default() -> RedisSettings {
        RedisSettings {
            name: "redis".to_owned(),
            urls: Vec::new(),
            prefix: "sp".to_owned(),
            ttl_hours: 7 * 24,
            stream_bytes: 64 << 20,
            timeout_ms: 5_000,
            ca_file: None,
        }
    }
}

impl RedisSettings {
    /// Refuses what cannot be meant.
    ///
    /// # Errors
    /// [`RedisFault::Setting`] naming the field and the rule.
    pub fn check(&self) -> Result<(), RedisFault> {
        let rule = |holds: bool, name, rule: &str| {
            let rule = rule.to_owned();
            if holds { Ok(()) } else { Err(RedisFault::Setting { name, rule }) }
        };
        let is_plain = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        rule(!self.urls.is_empty(), "urls", "at least one address")?;
        for url in &self.urls {
            let is_tcp = url.starts_with("redis://") || url.starts_with("rediss://");
            let is_address = Client::open(url.as_str()).is_ok();
            rule(
                is_tcp && is_address,
                "urls",
                "redis://[user:password@]host:port[/database], or rediss://",
            )?;
        }
        rule(
            is_plain(&self.name) && !self.name.is_empty(),
            "name",
            "letters, digits, `-`, `_` and `.`",
        )?;
        rule(
            is_plain(&self.prefix) && !self.prefix.is_empty(),
            "prefix",
            "letters, digits, `-`, `_` and `.`",
        )?;
        rule((1..=8_760).contains(&self.ttl_hours), "ttl_hours", "1 to 8,760")?;
        rule(self.stream_bytes >= 1 << 20, "stream_bytes", "at least a mebibyte")?;
        rule((100..=600_000).contains(&self.timeout_ms), "timeout_ms", "100 to 600,000")
    }

    /// The addresses as they may be shown.
    #[must_use]
    pub fn shown(&self) -> Vec<String> {
        self.urls.iter().map(|url| without_password(url)).collect()
    }

    /// A client of one server.
    pub(crate) fn client(&self, url: &str) -> Result<Client, RedisFault> {
        let fault = RedisFault::while_doing("connecting");
        match self.certificates()? {
            Some(certificates) => Client::build_with_tls(url, certificates).map_err(fault),
            None => Client::open(url).map_err(fault),
        }
    }

    /// The certificates that are trusted instead of the system's, where TLS is asked for.
    pub(crate) fn certificates(&self) -> Result<Option<TlsCertificates>, RedisFault> {
        if !self.urls.iter().any(|url| url.starts_with("rediss:")) {
            return Ok(None);
        }
        // Another user of rustls may have chosen the same already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Some(path) = &self.ca_file else { return Ok(None) };
        let root_cert = std::fs::read(path).map_err(|problem| RedisFault::Unreachable {
            doing: "reading ca_file",
            problem: format!("{}: {problem}", path.display()),
        })?;
        Ok(Some(TlsCertificates { client_tls: None, root_cert: Some(root_cert) }))
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// Milliseconds that a key lives.
    pub(crate) fn ttl_ms(&self) -> u64 {
        self.ttl_hours * 3_600_000
    }

    /// Time after which everything is written again.
    #[must_use]
    pub fn renewal(&self) -> Duration {
        Duration::from_millis(self.ttl_ms() / 2)
    }
}

/// An address without what only its owner knows.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "********".to_owned() };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://********@{host}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> RedisSettings {
        RedisSettings { urls: vec![url.to_owned()], ..RedisSettings::default() }
    }

    #[test]
    fn settings_are_checked_and_passwords_are_not_shown() {
        assert!(at("redis://127.0.0.1:6379").check().is_ok());
        assert!(at("rediss://me:hush@cache.example:6380").check().is_ok());
        for (settings, field) in [
            (RedisSettings::default(), "urls"),
            (at("http://127.0.0.1"), "urls"),
            (at("redis://"), "urls"),
            (at("redis+unix:///socket?pass=hush"), "urls"),
            (RedisSettings { prefix: "a{b}".to_owned(), ..at("redis://h") }, "prefix"),
            (RedisSettings { name: String::new(), ..at("redis://h") }, "name"),
            (RedisSettings { ttl_hours: 0, ..at("redis://h") }, "ttl_hours"),
            (RedisSettings { timeout_ms: 0, ..at("redis://h") }, "timeout_ms"),
            (RedisSettings { stream_bytes: 0, ..at("redis://h") }, "stream_bytes"),
        ] {
            let problem = settings.check().unwrap_err().to_string();
            assert!(problem.starts_with(field), "{problem}");
        }
        let shown = at("redis://me:hush@h:1/2").shown();
        assert_eq!(shown, ["redis://********@h:1/2"]);
    }
}
