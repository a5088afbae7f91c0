//! Every setting there is, as `smartpulse config` shows it.

/// A setting as documented.
pub struct Setting {
    /// Its name in the file; `auth.token` lies in the table `[auth]`. In the environment it is
    /// `SMARTPULSE_` with the name in capitals and a double underscore for the dot.
    pub name: &'static str,
    /// What it decides, with its unit.
    pub meaning: &'static str,
    /// Whether its value is never printed.
    pub is_secret: bool,
}

const fn open(name: &'static str, meaning: &'static str) -> Setting {
    Setting { name, meaning, is_secret: false }
}

/// Every setting there is.
pub const SETTINGS: &[Setting] = &[
    open("data", "the data folder"),
    open("listen", "address of the doors; one that other machines reach needs a token"),
    open("workers", "worker threads; 0: one less than there are cores, at least 1"),
    open("allowed_periods", "slot lengths a save may have, in minutes"),
    open("max_values", "values a save may have"),
    open("rounding_digits", "decimals a saved value is rounded to, in the unit given"),
    open("value_bound_mw", "greatest magnitude of a slot's value, in MW"),
    open("gate_minutes", "gate closure before delivery, in minutes"),
    open(
        "epias_gate_minutes",
        "gate closure before delivery where a unit's market is EPIAS, in minutes",
    ),
    open("body_bytes", "largest body of a request after decompression, in bytes"),
    open("disk_reserve_bytes", "room on the journal's disk that saves leave free, in bytes"),
    open("ring_bytes", "memory that past epochs may hold for subscribers and `at_epoch`, in bytes"),
    open("ring_minutes", "age up to which past epochs are held, in minutes"),
    open("encoded_bytes", "memory that encoded answers may hold, in bytes"),
    open("connections", "connections that are open at once; further ones wait"),
    open("streams", "streams that are open at once; further ones are refused"),
    open("stream_rows", "rows a stream may begin with"),
    open("stall_seconds", "time after which a caller that takes nothing off its socket is cut off"),
    open("datasets", "folder of the public data sets"),
    open("log", "filter of the log, such as info or warn,smartpulse=debug"),
    open("auth.local_roles", "roles of a caller without a token"),
    Setting { name: "auth.token", meaning: "token of the identity `token`", is_secret: true },
    open("auth.token_file", "file that holds the token, instead of `auth.token`"),
    open("auth.token_roles", "roles of the identity `token`"),
    open(
        "redis",
        "Redis servers and clusters that the views are written to: a list of tables with `name`, `urls`, `prefix`, `ttl_hours`, `stream_bytes`, `timeout_ms`, `ca_file`",
    ),
    open(
        "pulsar",
        "Pulsar clusters that forecasts are read from and changes written to: a list of tables with `name`, `url`, `token_file`, `ca_file`, `timeout_ms`, and `topics`, a list of tables with `topic`, `subscription`, `mode`, `provider`, `roles`, `dead_letters`, `receive_messages`, and `deltas`, a list of tables with `topic`, `views`, `compression`",
    ),
    open(
        "postgres",
        "Postgres databases that tables are read from by logical replication: a list of tables with `name`, `url`, `password_file`, `tls`, `ca_file`, `timeout_ms`, `slot`, `publication`, `mapping`, `enforce`, `on_lost`",
    ),
    open(
        "replica.redis",
        "Redis that a replica reads: addresses, several are nodes of one cluster",
    ),
    open("replica.prefix", "what the keys begin with that a replica reads"),
    open(
        "replica.timeout_ms",
        "time that an answer of a replica's Redis may take, in milliseconds",
    ),
    open(
        "replica.ca_file",
        "certificates (PEM) that sign those of a replica's rediss:// servers; none: the system's",
    ),
    open(
        "replica.engine",
        "engine that a replica passes changes and as-of reads on to: http://HOST:PORT",
    ),
    open(
        "replica.stale_seconds",
        "time without a word of the engine after which a replica is not ready",
    ),
];
