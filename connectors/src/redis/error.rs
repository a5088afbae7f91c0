//! What goes wrong with Redis, by what is to be done about it.

use thiserror::Error;

use crate::retry::Trouble;

/// What goes wrong with Redis.
#[derive(Debug, Error)]
pub enum RedisFault {
    /// It cannot be reached, or refuses for now: try again.
    #[error("{doing}: {problem}")]
    Unreachable {
        /// What was being done.
        doing: &'static str,
        /// What was said.
        problem: String,
    },
    /// What was written is no longer there, or is older than it was: write everything again.
    #[error("{0}")]
    Lost(String),
    /// Another engine writes under this prefix: leave it alone.
    #[error("another engine writes under this prefix: {0}")]
    Superseded(String),
    /// What lies there cannot be read by this release.
    #[error("{key} cannot be read: {problem}")]
    Unreadable {
        /// Which key.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Nothing whole lies there yet: look again.
    #[error("{0}")]
    NotYet(String),
    /// What lies there is not whole, or not of one epoch: read everything again.
    #[error("{0}")]
    Gap(String),
    /// An address that cannot be one.
    #[error("{name} must be {rule}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it must be.
        rule: String,
    },
}

impl RedisFault {
    /// What can be done about it.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            RedisFault::Unreachable { .. } | RedisFault::Setting { .. } => Trouble::Unreachable,
            RedisFault::Lost(_) | RedisFault::Gap(_) => Trouble::Lost,
            RedisFault::NotYet(_) => Trouble::NotYet,
            RedisFault::Superseded(_) => Trouble::Superseded,
            RedisFault::Unreadable { .. } => Trouble::Unreadable,
        }
    }

    /// Names what was being done.
    pub(crate) fn while_doing(doing: &'static str) -> impl Fn(redis::RedisError) -> RedisFault {
        move |problem| RedisFault::Unreachable { doing, problem: problem.to_string() }
    }
}
