//! Real services on the loopback: Redis, Postgres, Pulsar and Debezium, for tests, benchmarks and developers.
//!
//! Each is installed where it is missing ([`install`]), started on free ports in a folder of its own, and
//! stopped exactly. A test hurts one as a bad night does: [`Server::kill`], [`Server::pause`],
//! [`Server::start_again`], [`Server::start_empty`]. What was started is gone when its handle is
//! dropped; the folder with its log stays where the test fails, and its path is printed.
//!
//! `cargo xtask services up` starts the same for a developer and leaves them running ([`standing`]).

pub mod debezium;
pub mod install;
pub mod postgres;
pub mod processes;
pub mod pulsar;
pub mod redis;
pub mod server;
pub mod standing;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use debezium::Debezium;
pub use postgres::Postgres;
pub use pulsar::Pulsar;
pub use redis::{AnyRedis, Redis, RedisCluster};
pub use server::Server;

/// Why a service does not run.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// A program is missing and cannot be installed.
    #[error("{program} is missing: {remedy}")]
    Missing {
        /// The program.
        program: String,
        /// What to do.
        remedy: String,
    },
    /// A command that sets something up failed.
    #[error("{command} failed: {said}")]
    Command {
        /// The command.
        command: String,
        /// What it said last.
        said: String,
    },
    /// The service has ended, or answers nobody in time.
    #[error("{name} {problem}; it said last:\n{said}")]
    NotReady {
        /// The service.
        name: String,
        /// What is wrong.
        problem: String,
        /// The end of its log.
        said: String,
    },
    /// A file or folder cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ServiceError {
    /// Names the path of an error of the system.
    fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ServiceError {
        let path = path.into();
        |source| ServiceError::Io { path, source }
    }
}
