//! An epoch as it lies in the stream: rows in parts, then a commit that counts them.
//!
//! A part is packed MessagePack rows, one behind the other, each a map of one entry by the kind of the row:
//! `{"Series": [id, name]}`, `{"Day": [id, day, bytes, causes]}`, `{"Total": [name, day, bytes or nil]}`,
//! `{"Members": [name, bytes]}`, `{"Unit": [name, json]}`, `{"Rules": json}`, `{"Withdrawn": [sequence, instant]}`,
//! `{"Stated": cause}`. Days are counted from 1970; bytes are as in the hashes, before they are packed. A row says
//! what is, not what changed, in the place of what was, and is passed over where its hash is as new; a total without
//! bytes takes its day away. Names are as in the hashes. Causes say why and may be ignored. A series is named by its
//! row in the epoch of its first day or before.
//!
//! The commit names `epoch`, `from` (the epoch that it follows on, or `resync`: what was between is lost, read the
//! hashes again), `parts`, `clock`, `term` and `figures`.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use smartpulse_operators::batch::Sequence;
use smartpulse_operators::cause::Cause;
use smartpulse_operators::change::Rules;
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::closed::ClosedEpoch;
use smartpulse_operators::reference::{Reference, SaidOfUnit};
use smartpulse_operators::series::SeriesId;
use smartpulse_operators::time::{Day, Instant};
use smartpulse_operators::totals::{TotalChanges, TotalKey};

use super::day::{self, KnownBatches};
use super::keys::{self, TotalSeries};
use super::{packed, total};

/// Bytes of a part before it is packed, about: an entry of the stream stays far below what Redis sends at once, and it
/// is packed while a window of hashes is on its way.
pub(crate) const PART_BYTES: usize = 64 << 10;

/// A row of a part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Row {
    Series(u32, String),
    Day(u32, i32, ByteBuf, Vec<Cause>),
    Total(String, i32, Option<ByteBuf>),
    Members(String, ByteBuf),
    Unit(String, String),
    Rules(String),
    Withdrawn(u64, i64),
    Stated(Cause),
}

/// Rows that are put into parts.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    closed: Vec<Vec<u8>>,
    open: Vec<u8>,
}

impl Parts {
    pub(crate) fn add(&mut self, row: &Row) {
        // Numbers, texts and bytes serialise into memory.
        let _ = rmp_serde::encode::write(&mut self.open, row);
        if self.open.len() >= PART_BYTES {
            self.close();
        }
    }

    /// The parts, packed.
    pub(crate) fn finish(mut self) -> Vec<Vec<u8>> {
        if !self.open.is_empty() {
            self.close();
        }
        self.closed
    }

    fn close(&mut self) {
        self.closed.push(packed::pack(&self.open));
        self.open.clear();
    }
}

/// The rows of a part; none where it is damaged.
pub(crate) fn rows(part: &[u8]) -> Option<Vec<Row>> {
    let bytes = packed::unpack(part)?;
    let mut rest = bytes.as_slice();
    let mut rows = Vec::new();
    while !rest.is_empty() {
        let mut reading = rmp_serde::Deserializer::new(&mut rest);
        rows.push(Row::deserialize(&mut reading).ok()?);
    }
    Some(rows)
}

/// Lays rows over what is known of units.
pub(crate) fn say(reference: &mut Reference, name: &str, json: &str) -> Option<()> {
    let said: SaidOfUnit = serde_json::from_str(json).ok()?;
    reference.say_of(keys::unit_of(name)?, said);
    Some(())
}

/// Puts the rules of a row in force.
pub(crate) fn go_by(reference: &mut Reference, json: &str) -> Option<()> {
    let rules: Rules = serde_json::from_str(json).ok()?;
    reference.go_by(rules);
    Some(())
}

/// Takes rows into `closed`, and what they say of units into `reference`; none where a row is damaged.
pub(crate) fn take(
    rows: Vec<Row>,
    closed: &mut ClosedEpoch,
    reference: &mut Arc<Reference>,
    known: &mut KnownBatches,
) -> Option<()> {
    let mut totals = TotalChanges::default();
    let mut names: HashMap<String, TotalSeries, FixedState> = HashMap::default();
    for row in rows {
        match row {
            Row::Series(id, name) => {
                closed.new_series.push((SeriesId(id), Arc::new(keys::series_of(&name)?)));
            }
            Row::Day(id, day, bytes, causes) => {
                let series_day: SeriesDay = (SeriesId(id), Day(day));
                closed.blocks.push((series_day, day::decode(&bytes, known)?));
                closed.causes.extend(causes.into_iter().map(|cause| (series_day, cause)));
            }
            Row::Total(name, day, bytes) => {
                if !names.contains_key(&name) {
                    names.insert(name.clone(), keys::total_of(&name)?);
                }
                let key = day_of_total(names.get(&name)?, Day(day));
                let sums = match bytes {
                    Some(bytes) => Some(total::decode(&bytes)?),
                    None => None,
                };
                totals.days.push((key, sums));
            }
            Row::Members(name, bytes) => {
                totals.timelines.push((keys::members_of(&name)?, total::decode_members(&bytes)?));
            }
            Row::Unit(name, json) => say(Arc::make_mut(reference), &name, &json)?,
            Row::Rules(json) => go_by(Arc::make_mut(reference), &json)?,
            Row::Withdrawn(sequence, instant) => {
                closed.withdrawn.push((Sequence(sequence), Instant(instant)));
            }
            Row::Stated(cause) => closed.stated.push(cause),
        }
    }
    closed.totals.push(totals);
    Some(())
}

/// The day of a total.
pub(crate) fn day_of_total(series: &TotalSeries, day: Day) -> TotalKey {
    let TotalSeries { total, kind, provider } = series.clone();
    TotalKey { total, kind, provider, day }
}
