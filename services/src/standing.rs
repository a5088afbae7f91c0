//! Services that a developer leaves running: started by one command, stopped by another. What was started is
//! written down with the start of each process, so that no other process is ever stopped by its number.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::processes::{Process, signal_family};
use crate::redis::Persistence;
use crate::server::{Folder, free_port};
use crate::{Postgres, Pulsar, Redis, RedisCluster, ServiceError, install};

/// Looks at processes that end, and the pause between two: half a minute.
const LOOKS_FOR_THE_END: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// A service that was left running.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// `postgres`, `redis`, `redis-cluster` or `pulsar`.
    pub name: String,
    /// Where it is found; several for a cluster.
    pub urls: Vec<String>,
    /// Its first processes.
    pub processes: Vec<Process>,
    /// What asks them to end.
    pub interrupts: bool,
    /// Where its data and its log lie.
    pub folder: PathBuf,
}

impl Standing {
    /// Whether all of it runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        !self.processes.is_empty() && self.processes.iter().all(|process| process.lives())
    }
}

/// The services that are written down, whether they run or not.
///
/// # Errors
/// [`ServiceError::Io`] where the file is there and cannot be read.
pub fn all() -> Result<Vec<Standing>, ServiceError> {
    let path = file();
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).map_err(ServiceError::at(&path))?;
    serde_json::from_str(&text).map_err(|problem| ServiceError::at(&path)(problem.into()))
}

/// Starts every service that does not run yet, on what it kept; all of them.
///
/// # Errors
/// [`ServiceError`]: those started before it stay.
pub fn up() -> Result<Vec<Standing>, ServiceError> {
    install::everything()?;
    let mut standing: Vec<Standing> = all()?.into_iter().filter(Standing::runs).collect();
    for start in [redis, redis_cluster, postgres, pulsar] {
        let Some(started) = start(&standing)? else { continue };
        standing.push(started);
        write_down(&standing)?;
    }
    Ok(standing)
}

/// Stops what was started; what it kept stays.
///
/// # Errors
/// [`ServiceError::Io`].
pub fn down() -> Result<Vec<Standing>, ServiceError> {
    let standing = all()?;
    for service in &standing {
        let end = if service.interrupts { Signal::INT } else { Signal::TERM };
        service.processes.iter().for_each(|process| process.signal(end));
    }
    let left = || standing.iter().flat_map(|service| service.processes.iter().copied());
    for _ in 0..LOOKS_FOR_THE_END {
        if !left().any(Process::lives) {
            break;
        }
        thread::sleep(PAUSE);
    }
    left().filter(|process| process.lives()).for_each(|process| {
        signal_family(process, Signal::KILL);
    });
    write_down(&[])?;
    Ok(standing)
}

fn redis(standing: &[Standing]) -> Result<Option<Standing>, ServiceError> {
    let Some(folder) = free_folder("redis", standing)? else { return Ok(None) };
    let server =
        Redis::in_folder(Folder::Kept(folder.clone()), free_port()?, Persistence::Log, &[])?;
    let urls = vec![server.url()];
    Ok(Some(left("redis", urls, server.leave(), folder)))
}

fn redis_cluster(standing: &[Standing]) -> Result<Option<Standing>, ServiceError> {
    let Some(folder) = free_folder("redis-cluster", standing)? else { return Ok(None) };
    // A cluster remembers the ports of its nodes, and they are new ones: it begins anew.
    crate::server::remove(&folder)?;
    let nodes = ["1", "2", "3"].map(|node| folder.join(node));
    for node in &nodes {
        fs::create_dir_all(node).map_err(ServiceError::at(node))?;
    }
    let cluster = RedisCluster::in_folders(nodes.map(Folder::Kept).into())?;
    let urls = cluster.urls();
    Ok(Some(left("redis-cluster", urls, cluster.leave(), folder)))
}

fn postgres(standing: &[Standing]) -> Result<Option<Standing>, ServiceError> {
    let Some(folder) = free_folder("postgres", standing)? else { return Ok(None) };
    let server = Postgres::in_folder(Folder::Kept(folder.clone()), free_port()?)?;
    let urls = vec![server.url()];
    Ok(Some(left("postgres", urls, server.leave(), folder)))
}

fn pulsar(standing: &[Standing]) -> Result<Option<Standing>, ServiceError> {
    let Some(folder) = free_folder("pulsar", standing)? else { return Ok(None) };
    let server = Pulsar::in_folder(Folder::Kept(folder.clone()), free_port()?, free_port()?)?;
    let urls = vec![server.url(), server.admin_url()];
    Ok(Some(left("pulsar", urls, server.leave(), folder)))
}

/// The folder of a service that does not run yet.
fn free_folder(name: &str, standing: &[Standing]) -> Result<Option<PathBuf>, ServiceError> {
    if standing.iter().any(|service| service.name == name) {
        return Ok(None);
    }
    let folder = base().join(name);
    fs::create_dir_all(&folder).map_err(ServiceError::at(&folder))?;
    Ok(Some(folder))
}

fn left(
    name: &str,
    urls: Vec<String>,
    processes: impl IntoIterator<Item = (Process, Signal)>,
    folder: PathBuf,
) -> Standing {
    let (processes, ends): (Vec<Process>, Vec<Signal>) = processes.into_iter().unzip();
    let interrupts = ends.contains(&Signal::INT);
    Standing { name: name.to_owned(), urls, processes, interrupts, folder }
}

/// Where services of this clone keep their data. Not in the clone: the user of Postgres must be able to get
/// there.
fn base() -> PathBuf {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).to_string_lossy().into_owned();
    let name: String =
        clone.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
    std::env::temp_dir().join(format!("smartpulse-services{name}"))
}

fn file() -> PathBuf {
    install::home().join("standing.json")
}

fn write_down(standing: &[Standing]) -> Result<(), ServiceError> {
    let path = file();
    let text = serde_json::to_string_pretty(standing)
        .map_err(|problem| ServiceError::at(&path)(problem.into()))?;
    fs::write(&path, text).map_err(ServiceError::at(&path))
}
