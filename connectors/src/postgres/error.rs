//! What goes wrong with a Postgres, by what is to be done about it.

use thiserror::Error;

use crate::retry::Trouble;

/// What goes wrong with a Postgres.
#[derive(Debug, Error)]
pub enum PostgresFault {
    /// It cannot be reached, or refuses for now: try again.
    #[error("{doing}: {problem}")]
    Unreachable {
        /// What was being done.
        doing: &'static str,
        /// What was said.
        problem: String,
    },
    /// The log that would tell what changed is lost, or of another database.
    #[error("{problem}; {remedy}")]
    Lost {
        /// What is lost.
        problem: String,
        /// The way out.
        remedy: String,
    },
    /// The database is not as the mapping says: somebody has to change one of them.
    #[error("{problem}; {remedy}")]
    Unfit {
        /// What does not fit.
        problem: String,
        /// The way out.
        remedy: String,
    },
    /// What it sends cannot be understood.
    #[error("what the server sends cannot be read: {0}")]
    Unreadable(String),
    /// A setting that cannot be meant.
    #[error("{name} must be {rule}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it must be.
        rule: String,
    },
}

impl PostgresFault {
    /// What can be done about it.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            PostgresFault::Unreachable { .. } | PostgresFault::Setting { .. } => {
                Trouble::Unreachable
            }
            PostgresFault::Lost { .. } | PostgresFault::Unfit { .. } => Trouble::Unreachable,
            PostgresFault::Unreadable(_) => Trouble::Unreadable,
        }
    }

    /// Names what was being done.
    pub fn while_doing<E: std::fmt::Display>(doing: &'static str) -> impl Fn(E) -> PostgresFault {
        move |problem| PostgresFault::Unreachable { doing, problem: problem.to_string() }
    }
}
