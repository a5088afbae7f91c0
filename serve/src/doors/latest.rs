//! `GET …/forecasts/latest` and `GET /api/v2.0/actuals/…`: what is said now of a unit's slots, as saved.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use smartpulse_operators::quantity::Measure;
use smartpulse_operators::series::{Kind, Provider, Series, SeriesId};
use smartpulse_operators::time::{Day, Instant, Period, Zone};
use smartpulse_operators::unit::{Unit, UnitType};

use super::answer::{Answer, Version};
use super::clock_text::{ClockText, zone_of};
use super::curve_text::{CurveText, Row};
use super::desk::Desk;
use super::exchange::Call;
use super::path::{self, ProviderPath, UnitPath};
use super::refusal::Refusal;
use super::words::Words;
use crate::read_model::Snapshot;

/// How old a change must be before its second is named in `Last-Modified`: then no later change can fall
/// into the same second.
const SETTLED_MICROS: i64 = 2_000_000;
/// Civil days a read without a range answers: today and tomorrow.
const DEFAULT_DAYS: i32 = 2;

/// `GET /api/v2.0/production-forecast/{provider}/{unitType}/{unitNo}/forecasts/latest`
pub(crate) async fn forecasts(
    State(desk): State<Arc<Desk>>,
    ProviderPath { provider, unit }: ProviderPath,
    Extension(call): Extension<Call>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let words = Words::read(&uri, &READ_WORDS)?;
    read(&desk, &call, Wanted { kind: Kind::Forecast, unit, provider }, &words).await
}

/// `GET /api/v2.0/actuals/{unitType}/{unitNo}?provider=`
pub(crate) async fn actuals(
    State(desk): State<Arc<Desk>>,
    UnitPath(unit): UnitPath,
    Extension(call): Extension<Call>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let words = Words::read(&uri, &[&["provider"], &READ_WORDS[..]].concat())?;
    let provider = path::provider("provider", words.get("provider").unwrap_or(Provider::METER))?;
    read(&desk, &call, Wanted { kind: Kind::Actual, unit, provider }, &words).await
}

const READ_WORDS: [&str; 11] = [
    "from",
    "to",
    "period",
    "no-details",
    "measure-unit",
    "zone",
    "known_at",
    "at_epoch",
    "min_epoch",
    "completeness",
    "own",
];

/// Whose values are wanted.
struct Wanted {
    kind: Kind,
    unit: Unit,
    provider: Provider,
}

/// `[from, to)`, and whether the clock moves it.
struct Range {
    from: Instant,
    to: Instant,
    follows_clock: bool,
}

async fn read(desk: &Desk, call: &Call, wanted: Wanted, words: &Words) -> Result<Answer, Refusal> {
    refuse_what_comes_later(&wanted, words)?;
    let period = words.get("period").map(period).transpose()?;
    let text = curve_text(words)?;
    let snapshot = desk.snapshot(words.min_epoch()?).await?;
    let unit = snapshot.reference.newest_unit(wanted.unit);
    let unit = unit.ok_or_else(|| Refusal::NotFound(format!("{} is not known", wanted.unit)))?;
    let range = range(words, &zone_of(&snapshot.reference, wanted.unit), snapshot.clock)?;
    let series = snapshot.series_of(wanted.unit, wanted.kind, &wanted.provider);
    if period.is_some_and(|period| series.iter().any(|(_, stored)| stored.period != period)) {
        return Err(Refusal::NotYetMaintained("a period other than the only one stored"));
    }
    refuse_beyond_bound(&series, &range, desk.doors.rules.read_bound)?;
    let curves: Vec<Vec<Row<'_>>> =
        series.iter().map(|(id, stored)| rows(&snapshot, *id, stored.period, &range)).collect();

    let changed = series.iter().filter_map(|(id, _)| last_change(&snapshot, *id, &range)).max();
    let moved = range.follows_clock.then_some(range.from);
    let changed = changed.map(|changed| changed.max(unit.recorded).max(moved.unwrap_or(changed)));
    let settled = |changed: &Instant| {
        let live = desk.doors.rules.live_clock;
        let clock = if live { snapshot.clock.max(desk.now()) } else { snapshot.clock };
        changed.0.saturating_add(SETTLED_MICROS) <= clock.0
    };
    let tag = tag(desk, &wanted, words, &range, &series, &curves);
    let version = Version { tag, modified: changed.filter(settled) };
    Ok(Answer::versioned(&call.conditions, snapshot.epoch, version, || {
        let mut data = "[".to_owned();
        for (index, ((_, stored), rows)) in series.iter().zip(&curves).enumerate() {
            data.push_str(if index == 0 { "" } else { "," });
            text.write(stored, rows, &mut data);
        }
        data.push(']');
        data
    }))
}

fn refuse_what_comes_later(wanted: &Wanted, words: &Words) -> Result<(), Refusal> {
    let own = words.flag("own")?;
    if wanted.unit.unit_type != UnitType::PowerPlant && !own {
        return Err(Refusal::NotYetMaintained(
            "the total of a company or group (own=true reads its own series)",
        ));
    }
    for (word, what) in [("known_at", "a read at known_at"), ("at_epoch", "a read at_epoch")] {
        if words.get(word).is_some() {
            return Err(Refusal::NotYetMaintained(what));
        }
    }
    let is_share = |text: &str| text.parse::<f64>().is_ok_and(|share| (0.0..=1.0).contains(&share));
    if words.get("completeness").is_some_and(|text| !is_share(text)) {
        return Err(Refusal::field("completeness", "must be a number from 0 to 1"));
    }
    Ok(())
}

fn period(text: &str) -> Result<Period, Refusal> {
    if ["day", "month"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Err(Refusal::NotYetMaintained("a read by day or month"));
    }
    let minutes = text.parse().ok().and_then(Period::new);
    minutes.ok_or_else(|| {
        Refusal::field("period", "must be minutes that divide a day, `day` or `month`")
    })
}

fn curve_text(words: &Words) -> Result<CurveText, Refusal> {
    let measure = words.get("measure-unit").map(|text| {
        let rule = "must be 0 to 3, kW, MW, kWh or MWh";
        Measure::parse(text).ok_or_else(|| Refusal::coded("MEASURE_UNIT", "measure-unit", rule))
    });
    let clock = words.get("zone").map(|name| {
        ClockText::in_zone(name)
            .ok_or_else(|| Refusal::field("zone", format!("`{name}` is no IANA zone")))
    });
    Ok(CurveText {
        measure: measure.transpose()?.unwrap_or_default(),
        clock: clock.transpose()?.unwrap_or(ClockText::Utc),
        details: !words.flag("no-details")?,
    })
}

/// The range asked for; where an end is missing, the one that makes it two civil days of `zone`.
fn range(words: &Words, zone: &Zone, clock: Instant) -> Result<Range, Refusal> {
    let (from, to) = (words.time("from", zone)?, words.time("to", zone)?);
    let follows_clock = from.is_none() && to.is_none();
    let (from, to) = match (from, to) {
        (Some(from), Some(to)) => (from, to),
        (Some(from), None) => (from, zone.civil_days(from, DEFAULT_DAYS).1),
        (None, Some(to)) => {
            let last_day = zone.civil_days(Instant(to.0.saturating_sub(1)), 1).0;
            (zone.civil_days(Instant(last_day.0.saturating_sub(1)), 1).0, to)
        }
        (None, None) => zone.civil_days(clock, DEFAULT_DAYS),
    };
    if from > to {
        return Err(Refusal::field("from", "must not be after `to`"));
    }
    Ok(Range { from, to, follows_clock })
}

fn refuse_beyond_bound(
    series: &[(SeriesId, Arc<Series>)],
    range: &Range,
    bound: u64,
) -> Result<(), Refusal> {
    let minutes = range.to.0.saturating_sub(range.from.0) / 60_000_000;
    let slots = |(_, stored): &(SeriesId, Arc<Series>)| {
        u64::try_from(minutes).unwrap_or(0) / u64::from(stored.period.minutes())
    };
    let given = series.iter().map(slots).sum();
    if given > bound { Err(Refusal::ReadTooLarge { given, bound }) } else { Ok(()) }
}

/// The slots of a series that start in the range and have a value.
fn rows<'r>(snapshot: &'r Snapshot, id: SeriesId, period: Period, range: &Range) -> Vec<Row<'r>> {
    let mut rows = Vec::new();
    for day in range.days() {
        let Some(block) = snapshot.block(id, day) else { continue };
        for slot in 0..block.packed.slots().min(period.slots()) {
            let start = day.slot_start(period, slot);
            if (range.from..range.to).contains(&start)
                && let Some((value, shown)) = block.row(slot)
            {
                rows.push(Row { start, value, shown });
            }
        }
    }
    rows
}

/// When the element of a series last changed: one of its days, or that it is there at all.
fn last_change(snapshot: &Snapshot, id: SeriesId, range: &Range) -> Option<Instant> {
    range.days().filter_map(|day| snapshot.changed(id, day)).chain(snapshot.named(id)).max()
}

impl Range {
    fn days(&self) -> impl Iterator<Item = Day> + use<> {
        let last = Instant(self.to.0.saturating_sub(1)).day().0;
        (self.from.day().0..=last).map(Day)
    }
}

/// What the bytes of the answer follow from: the shape of the request and the rows with their batches.
fn tag(
    desk: &Desk,
    wanted: &Wanted,
    words: &Words,
    range: &Range,
    series: &[(SeriesId, Arc<Series>)],
    curves: &[Vec<Row<'_>>],
) -> blake3::Hash {
    let mut hash = blake3::Hasher::new();
    hash.update(desk.doors.read_model.incarnation.as_bytes());
    // Lengths before texts, so that no two requests read alike.
    let shape = (wanted.kind.word(), wanted.unit, &wanted.provider, range.from, range.to);
    let shaping: Vec<_> =
        ["no-details", "measure-unit", "zone"].iter().map(|word| words.get(word)).collect();
    hash.update(format!("{shape:?}{shaping:?}").as_bytes());
    let mut bytes = Vec::new();
    for ((_, stored), rows) in series.iter().zip(curves) {
        bytes.clear();
        bytes.extend_from_slice(&stored.period.minutes().to_le_bytes());
        bytes.extend_from_slice(&(rows.len() as u64).to_le_bytes());
        for row in rows {
            for number in [row.start.0, row.value, row.shown.sequence.0 as i64] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        hash.update(&bytes);
    }
    hash.finalize()
}
