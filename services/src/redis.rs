//! Redis 7: one server, with or without a log on disk, and a cluster of three.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::ServiceError;
use crate::install;
use crate::processes::Process;
use crate::server::{DATA, Folder, Launch, Ready, Server, free_port, write};

const SERVER: &str = "/usr/bin/redis-server";
const CLIENT: &str = "/usr/bin/redis-cli";
const PACKAGES: [&str; 2] = ["redis-server", "redis-tools"];
/// In the folder of one that speaks TLS.
const CERTIFICATE: &str = "certificate.pem";
/// Nodes of a cluster: the fewest that make one.
const NODES: usize = 3;
/// Looks at a cluster that is being made, and the pause between two.
const LOOKS: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);

/// A Redis server.
#[derive(Debug)]
pub struct Redis {
    server: Server,
    port: u16,
    is_tls: bool,
}

/// The variable that names a Redis that runs already (`cargo xtask services up` says where): tests that hurt nothing use
/// it, each under a prefix of its own.
pub const CONFIGURED: &str = "SMARTPULSE_TEST_REDIS";

/// A Redis for somebody who hurts nothing: the one that is configured, else one of its own.
#[derive(Debug)]
pub struct AnyRedis {
    /// Where it is.
    pub url: String,
    _own: Option<Redis>,
}

impl AnyRedis {
    /// The one that [`CONFIGURED`] names, else one that is started.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn find() -> Result<AnyRedis, ServiceError> {
        match std::env::var(CONFIGURED) {
            Ok(url) if !url.is_empty() => Ok(AnyRedis { url, _own: None }),
            _ => {
                let own = Redis::start(Persistence::None)?;
                Ok(AnyRedis { url: own.url(), _own: Some(own) })
            }
        }
    }
}

/// Three nodes that share the slots.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

/// What a server keeps of its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing: it is empty after a restart.
    None,
    /// A log of every write, synced once a second as most do.
    Log,
}

/// The programs, installed where they are missing.
///
/// # Errors
/// [`ServiceError::Missing`].
pub fn installed() -> Result<(PathBuf, PathBuf), ServiceError> {
    Ok((install::program(SERVER, &PACKAGES)?, install::program(CLIENT, &PACKAGES)?))
}

impl Redis {
    /// Starts one in a folder of its own.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn start(persistence: Persistence) -> Result<Redis, ServiceError> {
        Redis::in_folder(Folder::passing("redis")?, free_port()?, persistence, &[])
    }

    /// Starts one that speaks TLS alone, with a certificate for 127.0.0.1 that it signs itself ([`Redis::ca_file`]).
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn start_with_tls() -> Result<Redis, ServiceError> {
        let (folder, port) = (Folder::passing("redis-tls")?, free_port()?);
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
        let made = made.map_err(|problem| ServiceError::Command {
            command: "making a certificate".to_owned(),
            said: problem.to_string(),
        })?;
        let (certificate, key) = (folder.path().join(CERTIFICATE), folder.path().join("key.pem"));
        write(&certificate, &made.cert.pem())?;
        write(&key, &made.signing_key.serialize_pem())?;
        let [certificate, key] = [certificate, key].map(|path| path.display().to_string());
        let more = [
            ["--tls-port", &port.to_string()],
            ["--tls-cert-file", &certificate],
            ["--tls-key-file", &key],
            ["--tls-ca-cert-file", &certificate],
            ["--tls-auth-clients", "no"],
        ];
        let more: Vec<String> = more.as_flattened().iter().map(|word| (*word).to_owned()).collect();
        // Port 0: nobody is answered in plain words.
        let data = folder.path().join(DATA);
        let mut arguments = settings(0, &data.display().to_string(), Persistence::None);
        arguments.extend(more);
        let (program, _) = installed()?;
        let ready = Ready::Says("Ready to accept connections");
        let (name, end) = ("redis", Signal::TERM);
        let launch = Launch { name, program, arguments, ready, prepare: None, user: None, end };
        Ok(Redis { server: Server::start(launch, folder)?, port, is_tls: true })
    }

    /// The certificate of one that speaks TLS.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.server.folder().join(CERTIFICATE)
    }

    pub(crate) fn in_folder(
        folder: Folder,
        port: u16,
        persistence: Persistence,
        more: &[String],
    ) -> Result<Redis, ServiceError> {
        let (program, _) = installed()?;
        let data = folder.path().join(DATA);
        let mut arguments = settings(port, &data.display().to_string(), persistence);
        arguments.extend_from_slice(more);
        // While it reads its log it answers with an error.
        let ready = Ready::Answers { port, asked: b"PING\r\n", expected: b"+PONG\r\n" };
        let (name, end) = ("redis", Signal::TERM);
        let launch = Launch { name, program, arguments, ready, prepare: None, user: None, end };
        Ok(Redis { server: Server::start(launch, folder)?, port, is_tls: false })
    }

    /// Where it is found.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process, to hurt it.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// What a command answers, as text.
    ///
    /// # Errors
    /// [`ServiceError::Command`].
    pub fn command(&self, words: &[&str]) -> Result<String, ServiceError> {
        cli(self.port, words)
    }

    pub(crate) fn leave(self) -> Option<(Process, Signal)> {
        self.server.leave()
    }
}

impl RedisCluster {
    /// Starts three nodes and gives each a third of the slots.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn start() -> Result<RedisCluster, ServiceError> {
        let folders = (0..NODES).map(|_| Folder::passing("redis-cluster"));
        RedisCluster::in_folders(folders.collect::<Result<_, _>>()?)
    }

    pub(crate) fn in_folders(folders: Vec<Folder>) -> Result<RedisCluster, ServiceError> {
        let node = |folder: Folder| {
            let more = ["--cluster-enabled", "yes", "--cluster-port", &free_port()?.to_string()];
            let more = more.map(str::to_owned);
            Redis::in_folder(folder, free_port()?, Persistence::Log, &more)
        };
        let nodes = folders.into_iter().map(node).collect::<Result<Vec<Redis>, _>>()?;
        let cluster = RedisCluster { nodes };
        let (_, client) = installed()?;
        let addresses = cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        install::run(Command::new(client).args(["--cluster", "create"]).args(addresses).args([
            "--cluster-replicas",
            "0",
            "--cluster-yes",
        ]))?;
        for _ in 0..LOOKS {
            let is_well = |node: &Redis| {
                let state = node.command(&["CLUSTER", "INFO"]);
                state.is_ok_and(|state| state.contains("cluster_state:ok"))
            };
            if cluster.nodes.iter().all(is_well) {
                return Ok(cluster);
            }
            thread::sleep(PAUSE);
        }
        let said = cluster.nodes[0].server.said_last();
        let (name, problem) =
            ("redis cluster".to_owned(), "does not agree on its slots".to_owned());
        Err(ServiceError::NotReady { name, problem, said })
    }

    /// Where its nodes are found.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// A node, to hurt it.
    pub fn node(&mut self, index: usize) -> &mut Redis {
        &mut self.nodes[index]
    }

    pub(crate) fn leave(self) -> Vec<(Process, Signal)> {
        self.nodes.into_iter().filter_map(Redis::leave).collect()
    }
}

fn settings(port: u16, data: &str, persistence: Persistence) -> Vec<String> {
    let keeps = if persistence == Persistence::Log { "yes" } else { "no" };
    let settings = [
        ["--bind", "127.0.0.1"],
        ["--port", &port.to_string()],
        ["--dir", data],
        ["--save", ""],
        ["--appendonly", keeps],
    ];
    settings.as_flattened().iter().map(|word| (*word).to_owned()).collect()
}

fn cli(port: u16, words: &[&str]) -> Result<String, ServiceError> {
    let mut command = Command::new(Path::new(CLIENT));
    let output = command.args(["-p", &port.to_string()]).args(words).output();
    let command = format!("redis-cli {}", words.join(" "));
    let failed = |said| ServiceError::Command { command: command.clone(), said };
    let output = output.map_err(|problem| failed(problem.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    if output.status.success() { Ok(said) } else { Err(failed(said)) }
}
