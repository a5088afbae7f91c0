//! Views in Redis: written by the engine, read by replicas and by whoever knows this page.
//!
//! All keys begin with a prefix (`sp` unless configured). Words in keys are percent-encoded UTF-8. What is said
//! to be *packed* is a byte and then MessagePack: byte 0, as it is; byte 1, in a zstd frame.
//!
//! | key | type | content |
//! |---|---|---|
//! | `sp:{PP:100}:forecast:PROVIDER:15` | hash | a series: `v` its version `TERM.EPOCH`; of each UTC day, such as `2026-11-27`, the packed day ([`day`]) |
//! | `sp:{company:17}:total:forecast:PROVIDER` | hash | a total: `v`; of each UTC day with something present the packed sums ([`total`]) |
//! | `sp:{stream}` | stream | epochs: parts `{"part": packed rows}` with ids `N-1` … `N-P`, then a commit `N-(P+1)` ([`epoch`]) |
//! | `sp:{stream}:state` | hash | `incarnation`, `term`, `writer`, `epoch` and `clock` (µs) of the last commit, `at` its entry in the stream, `n` its number, `figures` (JSON), `series` and `totals` (names that there are at least), `live` (1: the clock goes on by itself), `beat` (µs; renewed each second), `newest` (the epoch that the engine is at), `filling` (there while what lies here is not whole) |
//! | `sp:{stream}:series` | hash | name of each series (its key without the prefix): `ID:EPOCH`, its number and newest version |
//! | `sp:{stream}:totals` | hash | name of each total: `0:EPOCH` |
//! | `sp:{stream}:members` | hash | `v`; of each total such as `company:17` packed members |
//! | `sp:{stream}:units` | hash | `v`; of each unit such as `PP:100` what is said of it, and `rules`, both JSON |
//! | `sp:{stream}:withdrawn` | hash | `v`; of each withdrawn batch by its sequence the instant (µs) |
//! | `__dataChanged:sp/PP/100:forecast:PROVIDER/15` | channel | JSON Patches of a series, where somebody listens ([`patch`]) |
//!
//! A hash is written by one script that applies a newer version whole and nothing else ([`scripts`]): who reads
//! one hash (`HGETALL`) sees it at one epoch. Who needs several at one epoch does as a replica does: reads the
//! state, with the epoch of the last commit and its entry in the stream; reads the hashes; and lays the epochs of
//! the stream behind that entry over them that are newer than each hash, up to the commit of the greatest version
//! that was read (none, where no version is newer than the state's epoch). Begin again where `filling` is there,
//! where there are fewer names than the state says, where a hash is of another term, missing, or older than its name
//! says, where `from` of a commit is an epoch that
//! was not told, or where it counts other parts than came. An epoch is written to the stream when all its hashes
//! are confirmed. Keys live for a week after they were written, and are written again in half that time as long as
//! an engine vouches for them; what an earlier data folder has written under the prefix goes that way.
//!
//! `members`, `units` and `withdrawn` are always there; `series` and `totals` are not while nothing is named. The
//! hash of a series of which nothing was stored has `v` alone. `-`, `_`, `.` and `~` are plain in keys;
//! a prefix holds letters, digits, `-`, `_` and `.`.
//!
//! JSON of a unit is not packed: `{"versions", "memberships", "properties", "locks"}`, instants in µs (the least
//! integer: always), `installed_power` in hundredths of a kW or null, unit types as `PowerPlant`, `Company` and
//! `Group`. Versions are in order of `valid_from`; the last that is not later than the clock holds.

mod beat;
pub(crate) mod day;
pub(crate) mod epoch;
mod error;
pub(crate) mod keys;
mod link;
mod load;
mod packed;
pub(crate) mod patch;
mod reader;
mod replica;
mod scripts;
mod settings;
mod sink;
pub(crate) mod total;
mod work;
mod writing;

pub use error::RedisFault;
pub use reader::{RedisReader, SeriesChange, SeriesDocument, SeriesHash, SeriesWatch};
pub use replica::{RedisReplica, ReplicaNews};
pub use scripts::APPLY as REDIS_APPLY_SCRIPT;
pub use settings::RedisSettings;
/// A day as the value of a field: what [`REDIS_APPLY_SCRIPT`] is given.
#[must_use]
pub fn redis_day(block: &smartpulse_operators::block::DayBlock) -> Vec<u8> {
    packed::pack(&day::encode(block))
}

pub use sink::{RedisSink, Writer, Written};
