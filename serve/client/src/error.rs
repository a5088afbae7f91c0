//! Why there is no answer; each kind says what may be done about it.

use std::io;

use crate::answer::Refusal;
use crate::group::GroupFault;
use crate::retry::Happened;
use crate::sse::SseFault;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The base URL is none that can be used.
    #[error("the base URL {url} {reason}")]
    BaseUrl {
        /// What was given.
        url: String,
        /// What it lacks.
        reason: &'static str,
    },
    /// The path is none.
    #[error("{path} is no path that begins with a slash")]
    Path {
        /// What was given.
        path: String,
    },
    /// The token holds what no header can.
    #[error("the token holds characters that no header can")]
    Token,
    /// A value is no number, which JSON would turn into a withdrawal.
    #[error("the value for {ds} is no finite number")]
    NotFinite {
        /// The delivery start of that value.
        ds: String,
    },
    /// Nobody took the connection; nothing was sent.
    #[error("no connection")]
    NotConnected(#[source] io::Error),
    /// The connection ended before the whole answer had come: what was asked may have been done.
    #[error("the connection was lost")]
    Lost(#[source] Lost),
    /// The server refused, and said why.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The answer is longer than is taken.
    #[error("the answer is over the bound of {bound} bytes")]
    TooLarge {
        /// The bound, from [`Options`](crate::Options).
        bound: usize,
    },
    /// The answer is not what this client knows.
    #[error("the answer cannot be read: {reason}")]
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
    /// What came is no stream of events, or an event over its bound.
    #[error("the stream cannot be read")]
    Stream(#[from] SseFault),
    /// The events of a stream break its rules.
    #[error("the stream breaks its rules")]
    Group(#[from] GroupFault),
}

/// How a connection was lost.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// It broke, or what came was no HTTP.
    #[error("it broke")]
    Broke(#[from] hyper::Error),
    /// Nothing came for too long.
    #[error("nothing came for too long")]
    Silent,
    /// The server ended it.
    #[error("the server ended it")]
    Ended,
}

impl Error {
    /// What it is to the decision whether to try again.
    pub(crate) fn happened(&self, is_repeatable: bool) -> Happened {
        match self {
            Error::NotConnected(_) => Happened::NotConnected,
            Error::Lost(_) => Happened::Lost { is_repeatable },
            Error::Refused(refusal) => {
                Happened::Refused { status: refusal.status, retry_after: refusal.retry_after }
            }
            Error::BaseUrl { .. }
            | Error::Path { .. }
            | Error::Token
            | Error::NotFinite { .. }
            | Error::TooLarge { .. }
            | Error::Unreadable { .. }
            | Error::Stream(_)
            | Error::Group(_) => Happened::Unfit,
        }
    }

    pub(crate) fn unreadable(reason: impl ToString) -> Error {
        Error::Unreadable { reason: reason.to_string() }
    }
}
