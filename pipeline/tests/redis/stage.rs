//! An engine and replicas on ports of their own, so that each is found again after it was killed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::client::Client;
use super::process::{REFILL, Server};

/// Looks at what is awaited, and the pause between two: a minute and a half, to end what hangs.
const LOOKS: u32 = 1_800;
const PAUSE: Duration = Duration::from_millis(50);

/// An engine that writes to Redis, and how it is started again.
pub(crate) struct Engine {
    server: Option<Server>,
    pub(crate) address: SocketAddr,
    data: PathBuf,
    redis: String,
}

/// A replica.
pub(crate) struct Replica {
    server: Option<Server>,
    pub(crate) address: SocketAddr,
    redis: Vec<String>,
    engine: Option<SocketAddr>,
    settings: Vec<(String, String)>,
    room: TempDir,
}

impl Engine {
    /// Starts one on `data`; `redis` is its setting of that name.
    pub(crate) fn start(data: &Path, redis: &str) -> Engine {
        let (data, redis) = (data.to_owned(), redis.to_owned());
        let mut engine = Engine { server: None, address: free_address(), data, redis };
        engine.start_again();
        engine
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    pub(crate) fn start_again(&mut self) {
        let (address, redis) = (self.address, self.redis.clone());
        self.server = Some(Server::start_with(&self.data, |command| {
            command.env_remove(REFILL);
            settle(command, address);
            command.env("SMARTPULSE_REDIS", redis);
            command.env("SMARTPULSE_AUTH__LOCAL_ROLES", r#"["PastPredictionUpdateRole"]"#);
        }));
    }

    pub(crate) fn kill(&mut self) {
        self.server.take().unwrap().kill();
    }

    pub(crate) fn stop(&mut self) {
        self.server.take().unwrap().stop().succeeded();
    }

    /// What it says of its link of that name.
    pub(crate) fn sink(&self, name: &str) -> serde_json::Value {
        let status = self.client().get("/api/v2.0/status").json();
        let sinks = status["data"]["sinks"].as_array().cloned().unwrap_or_default();
        sinks.into_iter().find(|sink| sink["name"] == name).unwrap_or_default()
    }

    pub(crate) fn words(&self) -> String {
        self.server.as_ref().unwrap().words()
    }
}

impl Replica {
    /// Starts one that reads `redis` and passes on to `engine`.
    pub(crate) fn start(redis: &[String], engine: Option<SocketAddr>) -> Replica {
        Replica::start_with(redis, engine, &[])
    }

    /// The same with more settings.
    pub(crate) fn start_with(
        redis: &[String],
        engine: Option<SocketAddr>,
        settings: &[(&str, &str)],
    ) -> Replica {
        let room = tempfile::tempdir().unwrap();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let settings = settings.iter().map(owned).collect();
        let (address, redis) = (free_address(), redis.to_vec());
        let mut replica = Replica { server: None, address, redis, engine, settings, room };
        replica.start_again();
        replica
    }

    pub(crate) fn start_again(&mut self) {
        let (address, redis, engine) = (self.address, self.redis.join(","), self.engine);
        let settings = self.settings.clone();
        let data = self.room.path().join("data");
        self.server = Some(Server::start_with(&data, |command| {
            settle(command, address);
            command.env("SMARTPULSE_REPLICA__STALE_SECONDS", "4");
            command.env("SMARTPULSE_REPLICA__TIMEOUT_MS", "1000");
            command.envs(settings);
            command.arg("--from-redis").arg(redis);
            if let Some(engine) = engine {
                command.arg("--engine").arg(format!("http://{engine}"));
            }
        }));
        assert!(!data.exists(), "a replica keeps nothing on disk");
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Waits until it shows `epoch` or a later one, and may be sent work.
    pub(crate) fn await_epoch(&self, epoch: u64) {
        awaited(&format!("epoch {epoch} at the replica"), || {
            let status = self.client().get("/api/v2.0/status").json();
            let is_ready = self.client().get("/health/ready").status == 200;
            (is_ready && status["data"]["epoch"].as_u64() >= Some(epoch)).then_some(())
        });
    }

    pub(crate) fn kill(&mut self) {
        self.server.take().unwrap().kill();
    }

    pub(crate) fn words(&self) -> String {
        self.server.as_ref().unwrap().words()
    }
}

/// The setting of an engine that writes to one Redis.
pub(crate) fn to(urls: &[String]) -> String {
    format!("[{{urls={urls:?}, timeout_ms=1000}}]")
}

/// The setting of a replica that names a prefix.
pub(crate) const PREFIX: &str = "SMARTPULSE_REPLICA__PREFIX";

/// A prefix that nobody else has, for a Redis that is not one's own.
pub(crate) fn own_prefix() -> String {
    format!("test-{}", uuid::Uuid::now_v7())
}

/// The setting of an engine that writes under a prefix.
pub(crate) fn to_prefix(url: &str, prefix: &str) -> String {
    format!("[{{urls=[{url:?}], prefix={prefix:?}, timeout_ms=1000, ttl_hours=1}}]")
}

/// Waits until `look` sees something.
pub(crate) fn awaited<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("{what}: not seen in time");
}

fn settle(command: &mut Command, address: SocketAddr) {
    command.env("SMARTPULSE_LISTEN", address.to_string());
    command.env("SMARTPULSE_LOG", "warn,smartpulse=info,smartpulse_serve=warn");
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}
