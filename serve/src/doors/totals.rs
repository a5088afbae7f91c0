//! `GET /api/v2.0/totals/{dimension}/{key}/{provider}`, and the reads of companies and groups: sums of
//! plants. What is live is maintained and only looked up; at another reference or knowledge it is summed
//! from history.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use smartpulse_operators::members::members_of;
use smartpulse_operators::resample::TotalSpread;
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::stretches::Stretches;
use smartpulse_operators::time::{Day, Instant, Period, Zone};
use smartpulse_operators::timeline::Timeline;
use smartpulse_operators::total::Total;
use smartpulse_operators::totals::TotalKey;
use smartpulse_operators::totals::sums::{DaySums, TotalDay};
use smartpulse_operators::unit::Unit;

use super::answer::{Answer, Level};
use super::axes::{Axes, Reference};
use super::desk::Desk;
use super::encoded::{self, Found};
use super::exchange::Call;
use super::latest::{UnitRead, When};
use super::path::TotalPath;
use super::reading::{READ_WORDS, Range, Reading, Shape, Target};
use super::refusal::Refusal;
use super::resampled::{self, Computed, Named, Whose};
use super::told::ToldDays;
use super::words::Words;

/// `GET ?kind=&date=&offset=` and the words of every read.
pub(crate) async fn show(
    State(desk): State<Arc<Desk>>,
    TotalPath { total, provider }: TotalPath,
    Extension(call): Extension<Call>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let words = Words::read(&uri, &[&["kind", "date", "offset"], &READ_WORDS[..]].concat())?;
    let kind = words.get("kind").unwrap_or(Kind::Forecast.word());
    let kind =
        Kind::parse(kind).ok_or_else(|| Refusal::field("kind", "must be forecast or actual"))?;
    let reading = Reading::read(&words)?;
    let snapshot = desk.snapshot_for(&words).await?;
    let zone = match (&reading.zone, reading.shape) {
        (Some(zone), _) => zone.clone(),
        // Its plants may lie in several zones: days are counted in none of them unasked.
        (None, Shape::Civil(_)) => {
            return Err(Refusal::field("zone", "is required for a total by day or month"));
        }
        (None, _) => Zone::utc(),
    };
    let range = Reading::range(&words, &zone, snapshot.clock)?;
    let when = match (words.get("date"), words.get("offset")) {
        (Some(_), Some(_)) => return Err(Refusal::field("offset", "cannot be given with `date`")),
        (Some(_), None) => When::ByDate,
        (None, Some(_)) => When::ByOffset,
        (None, None) => When::Now,
    };
    let axes = Axes::read(when.reference(&words, &zone)?, &words, &zone, snapshot.clock)?;
    let read = UnitRead { snapshot: &snapshot, reading: &reading, range, axes, zone };
    let wanted = WantedTotal { total, kind, provider, unit: None };
    let epoch = snapshot.epoch;
    if axes.is_live() {
        let Found { fragment, level } = encoded::of_total(&desk, &wanted, &read).await?;
        return Ok(Answer::encoded(&call.conditions, epoch, fragment, None).of_level(level));
    }
    let mut found = Vec::new();
    elements(&desk, &wanted, &read, &mut found).await?;
    let answer = Answer::told(&call.conditions, epoch, &found);
    Ok(answer.with_known_at(axes.known_at).of_level(Level::Database))
}

/// Whose sum is wanted.
pub(crate) struct WantedTotal {
    pub(crate) total: Total,
    pub(crate) kind: Kind,
    pub(crate) provider: Provider,
    /// The company or group as which it is shown.
    pub(crate) unit: Option<Unit>,
}

/// The sums a read needs: by the reference at which they are taken, and by day.
type Sums = BTreeMap<(Option<Instant>, Day), TotalDay>;

/// Appends the elements of a total: one, or one a grid where no period is asked for.
pub(crate) async fn elements(
    desk: &Desk,
    wanted: &WantedTotal,
    read: &UnitRead<'_>,
    elements: &mut Vec<String>,
) -> Result<(), Refusal> {
    let UnitRead { snapshot, reading, range, axes, .. } = read;
    if !snapshot.knows(&wanted.total) && wanted.unit.is_none() {
        return Err(Refusal::NotFound(format!("nobody belongs to {}", wanted.total)));
    }
    let is_offset = matches!(axes.reference, Reference::MinutesBefore(_));
    if is_offset && reading.shape == Shape::AsSaved {
        return Err(Refusal::field("period", "is required for a total by production-time offset"));
    }
    // The grid of a total is known only when it is read: an hour stands for it.
    desk.refuse_beyond_bound(range.asked_slots(reading.shape).max(range.slots(60)))?;
    let targets = read.targets();
    let whole = read.whole(&targets);
    let sums = if axes.is_live() {
        live(desk, wanted, read, whole)
    } else {
        as_told(desk, wanted, read, whole, &targets).await?
    };
    let least = reading.completeness.unwrap_or(0.0);
    let mut slots: BTreeMap<Period, Vec<Computed>> = BTreeMap::new();
    let mut add = |grid: Period, target: Target| {
        let reference = is_offset.then(|| axes.at(target.from));
        let mut spread = TotalSpread::over(target.from, target.to);
        for day in target.days() {
            if let Some(total) = sums.get(&(reference, day)) {
                spread.add(total, day);
            }
        }
        let slot = resampled::of_total(target, &spread, &reading.text, least);
        slots.entry(grid).or_default().extend(slot);
    };
    if reading.shape == Shape::AsSaved {
        for ((_, day), total) in &sums {
            for slot in 0..total.grid.slots() {
                let from = day.slot_start(total.grid, slot);
                if (range.from..range.to).contains(&from) {
                    let to = from.plus_minutes(total.grid.minutes().into());
                    add(total.grid, Target { from, to });
                }
            }
        }
    } else {
        targets.iter().for_each(|target| add(Period::DAY, *target));
    }
    for (grid, slots) in slots.iter().filter(|(_, slots)| !slots.is_empty()) {
        let named = Named::of(reading.shape, *grid);
        let mut text = String::new();
        let whose = wanted.unit.map_or(Whose::Total(&wanted.total), Whose::Unit);
        resampled::write(&reading.text, whose, &wanted.provider, named, slots, &mut text);
        elements.push(text);
    }
    Ok(())
}

/// What is maintained: a look at one block a day, however many plants there are.
fn live(desk: &Desk, wanted: &WantedTotal, read: &UnitRead<'_>, range: Range) -> Sums {
    let mut sums = Sums::new();
    for day in range.days() {
        let (total, provider) = (wanted.total.clone(), wanted.provider.clone());
        let key = TotalKey { total, kind: wanted.kind, provider, day };
        if let Some(total) = read.snapshot.total(&key) {
            desk.meters.visited_block();
            sums.insert((None, day), total);
        }
    }
    sums
}

/// Sums of what history tells of every plant that belonged, as known then.
async fn as_told(
    desk: &Desk,
    wanted: &WantedTotal,
    read: &UnitRead<'_>,
    range: Range,
    targets: &[Target],
) -> Result<Sums, Refusal> {
    let UnitRead { snapshot, axes, .. } = read;
    let plants = belonging(read, &wanted.total).await?;
    // One reference for everything, or one a slot.
    let asked: Vec<(Option<Instant>, Instant, Day)> = match axes.reference {
        Reference::MinutesBefore(_) => {
            let of_target = |target: &Target| {
                let reference = axes.at(target.from);
                target.days().map(move |day| (Some(reference), reference, day))
            };
            targets.iter().flat_map(of_target).collect()
        }
        _ => range.days().map(|day| (None, axes.at(day.start()), day)).collect(),
    };
    let mut timeline = Timeline::default();
    plants.iter().for_each(|(_, held)| timeline.add(held, 1));
    let mut sums: BTreeMap<(Option<Instant>, Day), DaySums> =
        asked.iter().map(|(name, _, day)| ((*name, *day), DaySums::default())).collect();
    let mut slots = 0;
    for (plant, held) in &plants {
        let series = snapshot.series_of(*plant, wanted.kind, &wanted.provider);
        slots += series.iter().map(|(_, it)| range.slots(it.period.minutes().into())).sum::<u64>();
        desk.refuse_beyond_bound(slots)?;
        let mut told = ToldDays::load(desk, snapshot, &series, range.days(), axes).await?;
        for (name, reference, day) in &asked {
            if let Some(resolved) = told.resolved(*day, *reference)
                && let Some(of_day) = sums.get_mut(&(*name, *day))
            {
                of_day.add(resolved.values(), held, *day, 1);
            }
        }
    }
    let read = |((name, day), sums): ((Option<Instant>, Day), DaySums)| {
        ((name, day), sums.read(&timeline, day))
    };
    Ok(sums.into_iter().map(read).collect())
}

/// The plants of a total with when they belong, as known on the axes of the read.
async fn belonging(read: &UnitRead<'_>, total: &Total) -> Result<Vec<(Unit, Stretches)>, Refusal> {
    let statements = read.snapshot.reference.known_at(read.axes.known_at).collect();
    let total = total.clone();
    // It runs a dataflow of its own, which is no work for a thread that serves others.
    let found = tokio::task::spawn_blocking(move || {
        let assignments = members_of(statements).into_iter();
        let of_total = assignments.filter(|(_, (known, _))| *known == total);
        of_total.map(|(plant, (_, held))| (plant, held)).collect()
    });
    found.await.map_err(|_| Refusal::Busy {
        code: "HISTORY_UNREADABLE",
        message: "the members of the total could not be found".to_owned(),
    })
}
