//! What goes wrong with Pulsar, by what is to be done about it.

use thiserror::Error;

use crate::retry::Trouble;

/// What goes wrong with Pulsar.
#[derive(Debug, Error)]
pub enum PulsarFault {
    /// It cannot be reached, or refuses for now: try again.
    #[error("{doing}: {problem}")]
    Unreachable {
        /// What was being done.
        doing: &'static str,
        /// What was said.
        problem: String,
    },
    /// The broker began to deliver again: what was delivered is to be looked at anew.
    #[error("{0}")]
    Again(String),
    /// The topic is not the one that was read before: it was lost and made again.
    #[error("the topic was made anew: {0}")]
    MadeAnew(String),
    /// A setting that cannot be meant.
    #[error("{name} must be {rule}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it must be.
        rule: String,
    },
}

impl PulsarFault {
    /// What can be done about it.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            PulsarFault::Unreachable { .. } | PulsarFault::Setting { .. } => Trouble::Unreachable,
            PulsarFault::Again(_) | PulsarFault::MadeAnew(_) => Trouble::Lost,
        }
    }

    /// Names what was being done.
    pub(crate) fn while_doing<E: std::fmt::Display>(
        doing: &'static str,
    ) -> impl Fn(E) -> PulsarFault {
        move |problem| PulsarFault::Unreachable { doing, problem: problem.to_string() }
    }
}
