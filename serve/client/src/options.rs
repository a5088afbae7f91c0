//! What a client may be told: each bound by its name, with its why.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::retry::BackOff;

/// How a [`Client`](crate::Client) goes about it.
#[derive(Clone)]
pub struct Options {
    /// The bearer token; none: the caller is who the connection says.
    pub token: Option<String>,
    /// Where to connect instead of the host of the base URL, as through a forwarder; requests still name
    /// that host.
    pub through: Option<SocketAddr>,
    /// How what was lost or put off is tried again.
    pub back_off: BackOff,
    /// How long a connection may take.
    pub connect_wait: Duration,
    /// How long an answer may take, its body included: longer than the server itself waits for a change
    /// (60 s), so that its own word is heard.
    pub answer_wait: Duration,
    /// How long a stream may be silent before it counts as lost: it says something every second.
    pub silence_wait: Duration,
    /// Bytes of an answer, decoded: the largest read a server gives is some 60 MB.
    pub answer_bytes: usize,
    /// Answers kept by their `ETag`; 0 keeps none.
    pub cache_entries: usize,
    /// Bytes of all answers kept.
    pub cache_bytes: usize,
    /// Whether answers may come compressed.
    pub takes_gzip: bool,
    /// Bytes of one event of a stream.
    pub event_bytes: usize,
    /// Bytes of an epoch of a stream, a snapshot above all, of which the end has not come.
    pub group_bytes: usize,
    /// The socket's receive buffer in bytes; none: what the system gives. A small one shows a server early
    /// that its reader is slow.
    pub receive_buffer: Option<u32>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            token: None,
            through: None,
            back_off: BackOff::default(),
            connect_wait: Duration::from_secs(5),
            answer_wait: Duration::from_secs(90),
            silence_wait: Duration::from_secs(15),
            answer_bytes: 128 << 20,
            cache_entries: 1_000,
            cache_bytes: 32 << 20,
            takes_gzip: true,
            event_bytes: 8 << 20,
            group_bytes: 256 << 20,
            receive_buffer: None,
        }
    }
}

impl fmt::Debug for Options {
    /// Without the token.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Options")
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("through", &self.through)
            .field("back_off", &self.back_off)
            .finish_non_exhaustive()
    }
}
