//! What a closed epoch means for Redis: calls of the script, rows of the stream. Nothing here speaks to anybody.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use redis::Cmd;
use serde_bytes::ByteBuf;
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::block::DayBlock;
use smartpulse_operators::cause::Cause;
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::closed::ClosedEpoch;
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::{Series, SeriesId};
use smartpulse_operators::time::{Day, Instant};
use smartpulse_operators::totals::TotalKey;
use smartpulse_operators::totals::sums::DaySums;

use super::epoch::{Parts, Row};
use super::keys::{self, Keys, TotalSeries};
use super::scripts::Lua;
use super::{day, packed, total};

/// A hash that was written.
#[derive(Debug)]
pub(crate) struct Known {
    /// Its name, of which its key is made.
    pub(crate) name: String,
    /// The epoch that wrote it last; 0: none of ours.
    pub(crate) before: Epoch,
}

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) series: HashMap<SeriesId, (Arc<Series>, Known), FixedState>,
    pub(crate) totals: HashMap<TotalSeries, Known, FixedState>,
    pub(crate) reference: Arc<Reference>,
    /// The epochs that last wrote members, what is said of units, and withdrawals.
    pub(crate) members: Epoch,
    pub(crate) units: Epoch,
    pub(crate) withdrawn: Epoch,
}

/// How the script is called for all hashes of an epoch.
pub(crate) struct Calling<'c> {
    pub(crate) apply: &'c Lua,
    pub(crate) keys: &'c Keys,
    pub(crate) term: u64,
    pub(crate) epoch: Epoch,
    pub(crate) ttl_ms: u64,
    /// Every hash is written whole.
    pub(crate) is_whole: bool,
}

/// A field of a hash, and its value; none takes it away.
pub(crate) type Field = (String, Option<Vec<u8>>);

/// What a hash is for: how its version is noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Series(SeriesId),
    Total(TotalSeries),
    Members,
    Units,
    Withdrawn,
}

impl Calling<'_> {
    /// The call that writes `fields`, and tells a channel a message.
    pub(crate) fn call(
        &self,
        key: &str,
        before: Epoch,
        told: Option<&(String, String)>,
        fields: &[Field],
    ) -> Cmd {
        let before = if self.is_whole { Epoch(0) } else { before };
        let mut call = self.apply.call(&[key]);
        call.arg(self.term).arg(self.epoch.0).arg(before.0).arg(self.ttl_ms);
        let (channel, message) = told.map_or(("", ""), |(channel, message)| (channel, message));
        call.arg(channel).arg(message);
        for (field, value) in fields {
            call.arg(field).arg(value.as_deref().unwrap_or_default());
        }
        call
    }
}

/// The days of one series that changed.
pub(crate) fn series_fields(
    days: &[(SeriesDay, Arc<DayBlock>)],
    causes: &[(SeriesDay, Cause)],
    mut parts: Option<&mut Parts>,
) -> Vec<Field> {
    let field = |(series_day, block): &(SeriesDay, Arc<DayBlock>)| {
        let bytes = day::encode(block);
        let value = packed::pack(&bytes);
        if let Some(parts) = parts.as_deref_mut() {
            let own = causes.iter().filter(|(day, _)| day == series_day);
            let causes = own.map(|(_, cause)| cause.clone()).collect();
            parts.add(&Row::Day(series_day.0.0, series_day.1.0, ByteBuf::from(bytes), causes));
        }
        (series_day.1.to_string(), Some(value))
    };
    days.iter().map(field).collect()
}

/// The days of one total that changed.
pub(crate) fn total_fields(
    name: &str,
    days: &[TotalDay<'_>],
    mut parts: Option<&mut Parts>,
) -> Vec<Field> {
    let field = |(key, sums): &TotalDay<'_>| {
        let bytes = sums.map(|sums| total::encode(sums));
        let value = bytes.as_deref().map(packed::pack);
        if let Some(parts) = parts.as_deref_mut() {
            parts.add(&Row::Total(name.to_owned(), key.day.0, bytes.map(ByteBuf::from)));
        }
        (key.day.to_string(), value)
    };
    days.iter().map(field).collect()
}

/// What is said of units that are unlike `before`, and the rules where they are.
pub(crate) fn unit_fields(
    before: &Reference,
    now: &Reference,
    is_whole: bool,
    mut parts: Option<&mut Parts>,
) -> Vec<Field> {
    let mut fields = Vec::new();
    for unit in now.units_unlike(before) {
        let name = keys::unit_name(unit);
        // Structs of plain fields serialise.
        let json = serde_json::to_string(&now.said_of(unit)).unwrap_or_default();
        if let Some(parts) = parts.as_deref_mut() {
            parts.add(&Row::Unit(name.clone(), json.clone()));
        }
        fields.push((name, Some(json.into_bytes())));
    }
    if is_whole || before.rules() != now.rules() {
        let json = serde_json::to_string(now.rules()).unwrap_or_default();
        if let Some(parts) = parts {
            parts.add(&Row::Rules(json.clone()));
        }
        fields.push(("rules".to_owned(), Some(json.into_bytes())));
    }
    fields
}

/// New members of totals, withdrawals, and statements.
pub(crate) fn other_fields(
    closed: &ClosedEpoch,
    mut parts: Option<&mut Parts>,
) -> (Vec<Field>, Vec<Field>) {
    let mut members = Vec::new();
    for (total, timeline) in closed.totals.iter().flat_map(|changes| &changes.timelines) {
        let (name, bytes) = (keys::members_name(total), total::encode_members(timeline));
        members.push((name.clone(), Some(packed::pack(&bytes))));
        if let Some(parts) = parts.as_deref_mut() {
            parts.add(&Row::Members(name, ByteBuf::from(bytes)));
        }
    }
    let mut withdrawn = Vec::new();
    for (sequence, instant) in &closed.withdrawn {
        withdrawn.push((sequence.0.to_string(), Some(instant.0.to_string().into_bytes())));
        if let Some(parts) = parts.as_deref_mut() {
            parts.add(&Row::Withdrawn(sequence.0, instant.0));
        }
    }
    if let Some(parts) = parts {
        closed.stated.iter().for_each(|cause| parts.add(&Row::Stated(cause.clone())));
    }
    (members, withdrawn)
}

/// The day of a total, with its sums where it has some.
pub(crate) type TotalDay<'c> = (&'c TotalKey, Option<&'c Arc<DaySums>>);

/// The changed days of totals, by total.
pub(crate) fn by_total(closed: &ClosedEpoch) -> Vec<(TotalSeries, Vec<TotalDay<'_>>)> {
    let mut changed: Vec<TotalDay<'_>> = Vec::new();
    for (key, sums) in closed.totals.iter().flat_map(|changes| &changes.days) {
        changed.push((key, sums.as_ref()));
    }
    changed.sort_by_key(|(key, _)| *key);
    let is_one = |one: &TotalKey, other: &TotalKey| {
        (&one.total, one.kind, &one.provider) == (&other.total, other.kind, &other.provider)
    };
    let mut totals = Vec::new();
    for days in changed.chunk_by(|(one, _), (other, _)| is_one(one, other)) {
        let TotalKey { total, kind, provider, .. } = days[0].0.clone();
        totals.push((TotalSeries { total, kind, provider }, days.to_vec()));
    }
    totals
}

/// The day of a field.
pub(crate) fn day_of(field: &str) -> Option<Day> {
    Instant::parse(&format!("{field}T00:00:00Z")).map(Instant::day)
}
