//! What the doors allow: every bound by its name, with its why.

use std::time::Duration;

use smartpulse_operators::quantity::Quantity;

/// Configuration of the doors.
#[derive(Clone)]
pub struct DoorRules {
    /// Slot lengths in minutes that a save may use; each divides a day.
    pub allowed_periods: Vec<u16>,
    /// Values one save may hold (legacy limit): bounds what one command costs the engine.
    pub max_values: usize,
    /// Decimals kept in the measure unit given, rounded half away from zero.
    pub rounding_digits: u32,
    /// Greatest magnitude of a value; beyond it a slot is a typing error, not a forecast.
    pub value_bound: Quantity,
    /// Bytes of a decoded body: bounds memory a request, whatever its compression promises. 5,000 values
    /// with long names are under 1 MiB; the default leaves room for a greater `max_values`.
    pub body_bytes: usize,
    /// How long a body may take to arrive, so that a slow sender holds no connection for good.
    pub body_wait: Duration,
    /// Units × slots one read may cover: a leap year of minutes of one unit, some 60 MB of text.
    pub read_bound: u64,
    /// Bytes of encoded answers that are kept: some 2,000 days of quarter hours.
    pub encoded_bytes: u64,
    /// How long `min_epoch` waits; an epoch closes every few milliseconds, so longer means trouble.
    pub min_epoch_wait: Duration,
    /// How long a change waits for its answer; longer means the engine hangs, and the caller should know.
    pub reply_wait: Duration,
    /// Roles of the loopback caller without a token.
    pub local_roles: Vec<String>,
    /// Whether other machines may call: then under any name of this one, and each request needs the token.
    pub is_on_network: bool,
    /// The bearer token that gives the identity `token`; none: no token is accepted.
    pub token: Option<String>,
    /// Roles of the identity `token`.
    pub token_roles: Vec<String>,
    /// Streams that may be open at once: each costs a connection and a place.
    pub streams: usize,
    /// Rows a stream may begin with: some 600 MB of text, told piece by piece.
    pub stream_rows: u64,
}

impl DoorRules {
    /// The role that lifts gate closure.
    pub const PAST_ROLE: &'static str = "PastPredictionUpdateRole";
}

impl Default for DoorRules {
    fn default() -> DoorRules {
        DoorRules {
            allowed_periods: vec![5, 10, 15, 30, 60],
            max_values: 5_000,
            rounding_digits: 2,
            value_bound: Quantity::DEFAULT_BOUND,
            body_bytes: 16 << 20,
            body_wait: Duration::from_secs(30),
            read_bound: 366 * 1_440,
            encoded_bytes: 32 << 20,
            min_epoch_wait: Duration::from_secs(5),
            reply_wait: Duration::from_secs(60),
            local_roles: Vec::new(),
            is_on_network: false,
            token: None,
            token_roles: Vec::new(),
            streams: 11_000,
            stream_rows: 2_000_000,
        }
    }
}
