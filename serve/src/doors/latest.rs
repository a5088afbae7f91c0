//! `GET …/forecasts/latest`, `/latest-by-date`, `/latest-by-production-time-offset` and
//! `GET /api/v2.0/actuals/…`: what is said of a unit's slots, as saved or at a period.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use smartpulse_operators::quantity::NULL;
use smartpulse_operators::series::{Kind, Provider, Series, SeriesId};
use smartpulse_operators::time::{Instant, Zone};
use smartpulse_operators::total::Total;
use smartpulse_operators::unit::{Unit, UnitType};

use super::answer::{Answer, Level};
use super::asked::Asked;
use super::axes::{self, Axes, Reference};
use super::curve_text::Row;
use super::desk::Desk;
use super::encoded::{self, Found, Place};
use super::exchange::Call;
use super::path::{self, ProviderPath, UnitPath};
use super::reading::{READ_WORDS, Range, Reading, Shape, Target};
use super::refusal::Refusal;
use super::resampled::{self, Named, Whose};
use super::rows_now;
use super::told::ToldDays;
use super::totals::{self, WantedTotal};
use super::words::Words;
use crate::snapshot::Snapshot;
use crate::window::zone_of;

/// `GET /api/v2.0/production-forecast/{provider}/{unitType}/{unitNo}/forecasts/latest`
pub(crate) async fn forecasts(
    State(desk): State<Arc<Desk>>,
    ProviderPath { provider, unit }: ProviderPath,
    Extension(call): Extension<Call>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let words = Words::read(&uri, &READ_WORDS)?;
    let wanted = Wanted { kind: Kind::Forecast, unit, provider };
    read(&desk, &call, &wanted, (&uri, &words), When::Now).await
}

/// `GET …/forecasts/latest-by-date?date=`
pub(crate) async fn by_date(
    State(desk): State<Arc<Desk>>,
    ProviderPath { provider, unit }: ProviderPath,
    Extension(call): Extension<Call>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let words = Words::read(&uri, &[&["date"], &READ_WORDS[..]].concat())?;
    let wanted = Wanted { kind: Kind::Forecast, unit, provider };
    read(&desk, &call, &wanted, (&uri, &words), When::ByDate).await
}

/// `GET …/forecasts/latest-by-production-time-offset?offset=`
pub(crate) async fn by_offset(
    State(desk): State<Arc<Desk>>,
    ProviderPath { provider, unit }: ProviderPath,
    Extension(call): Extension<Call>,
    uri: Uri,
) -> Result<Answer, Refusal> {
    let words = Words::read(&uri, &[&["offset"], &READ_WORDS[..]].concat())?;
    let wanted = Wanted { kind: Kind::Forecast, unit, provider };
    read(&desk, &call, &wanted, (&uri, &words), When::ByOffset).await
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
    let wanted = Wanted { kind: Kind::Actual, unit, provider };
    read(&desk, &call, &wanted, (&uri, &words), When::Now).await
}

/// Whose values are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
    pub(crate) provider: Provider,
}

/// Where the reference of a door comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    Now,
    ByDate,
    ByOffset,
}

impl When {
    pub(crate) fn reference(self, words: &Words, zone: &Zone) -> Result<Reference, Refusal> {
        match self {
            When::Now => Ok(Reference::Now),
            When::ByDate => axes::by_date(words, zone),
            When::ByOffset => axes::by_offset(words),
        }
    }
}

/// A read of a unit, when all of its words are understood.
pub(crate) struct UnitRead<'r> {
    pub(crate) snapshot: &'r Snapshot,
    pub(crate) reading: &'r Reading,
    pub(crate) range: Range,
    pub(crate) axes: Axes,
    pub(crate) zone: Zone,
}

async fn read(
    desk: &Desk,
    call: &Call,
    wanted: &Wanted,
    (uri, words): (&Uri, &Words),
    when: When,
) -> Result<Answer, Refusal> {
    let reading = Reading::read(words)?;
    let snapshot = desk.snapshot_for(words).await?;
    known(&snapshot, wanted.unit)?;
    let zone = zone_of(&snapshot.reference, wanted.unit);
    let range = Reading::range(words, &zone, snapshot.clock)?;
    let axes = Axes::read(when.reference(words, &zone)?, words, &zone, snapshot.clock)?;
    let (snapshot, reading) = (&*snapshot, &reading);
    let of_unit = UnitRead { snapshot, reading, range, axes, zone };
    if !axes.is_live() {
        let mut elements = Vec::new();
        of_unit.elements(desk, wanted, &mut elements).await?;
        let answer = Answer::told(&call.conditions, snapshot.epoch, &elements);
        return Ok(answer.with_known_at(axes.known_at).of_level(Level::Database));
    }
    let place = Place::of(wanted, &of_unit);
    let Found { fragment, level } = encoded::of_unit(desk, &place, &of_unit).await?;
    let modified = place.modified(desk, snapshot, &place.series(snapshot));
    // What is asked for a second time will be asked again.
    if level == Level::Encoded && !words.name_an_epoch() {
        let window = Reading::window(words, &of_unit.zone)?;
        desk.asked.keep(uri, Asked::of(place, &of_unit, window, call));
    }
    Ok(Answer::encoded(&call.conditions, snapshot.epoch, fragment, modified).of_level(level))
}

/// When the newest master data of `unit` was stated; before everything for one that is known by its actuals
/// only.
pub(crate) fn known(snapshot: &Snapshot, unit: Unit) -> Result<Instant, Refusal> {
    match snapshot.reference.newest_unit(unit) {
        Some(version) => Ok(version.recorded),
        None if snapshot.has_series(unit) => Ok(Instant::MIN),
        None => Err(Refusal::NotFound(format!("{unit} is not known"))),
    }
}

impl UnitRead<'_> {
    /// Appends the elements of a unit.
    pub(crate) async fn elements(
        &self,
        desk: &Desk,
        wanted: &Wanted,
        elements: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        let UnitRead { snapshot, reading, range, axes, .. } = self;
        if let Some(total) = self.total_of(wanted) {
            return totals::elements(desk, &total, self, elements).await;
        }
        let series = snapshot.series_of(wanted.unit, wanted.kind, &wanted.provider);
        refuse_beyond_bound(desk, &series, self)?;
        let is_as_saved = is_as_saved(reading.shape, &series);
        if is_as_saved && axes.is_live() {
            rows_now::elements(desk, self, &series, elements);
            return Ok(());
        }
        if is_as_saved {
            let told = ToldDays::load(desk, snapshot, &series, range.days(), axes).await?;
            self.as_saved(&series, told, elements);
            return Ok(());
        }
        if reading.text.normalized {
            let rule = "is a form of slots as saved; leave `period` out";
            return Err(Refusal::field("normalized", rule));
        }
        let targets = self.targets();
        let whole = self.whole(&targets);
        let mut told = ToldDays::load(desk, snapshot, &series, whole.days(), axes).await?;
        let least = reading.completeness.unwrap_or(1.0);
        let slots = resampled::of_unit(&mut told, &targets, axes, &reading.text, least);
        // A unit of which nothing was ever said has no element, as when read as saved.
        if let Some((_, one)) = series.first() {
            let named = Named::of(reading.shape, one.period);
            let whose = Whose::Unit(wanted.unit);
            let mut text = String::new();
            resampled::write(&reading.text, whose, &wanted.provider, named, &slots, &mut text);
            elements.push(text);
        }
        Ok(())
    }

    /// The slots of the answer; none where they are those that were saved.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let zone = self.reading.zone.as_ref().unwrap_or(&self.zone);
        self.range.targets(self.reading.shape, zone)
    }

    /// The range that its slots cover together.
    pub(crate) fn whole(&self, targets: &[Target]) -> Range {
        match (targets.first(), targets.last()) {
            (Some(first), Some(last)) => Range { from: first.from, to: last.to, ..self.range },
            _ if self.reading.shape == Shape::AsSaved => self.range,
            _ => Range { to: self.range.from, ..self.range },
        }
    }

    /// The sum it reads, where that is what a company or group is asked for.
    pub(crate) fn total_of(&self, wanted: &Wanted) -> Option<WantedTotal> {
        let number = wanted.unit.unit_no;
        let total = match wanted.unit.unit_type {
            _ if self.reading.own => return None,
            UnitType::PowerPlant => return None,
            UnitType::Company => Total::Company(number),
            UnitType::Group => Total::Group(number),
        };
        let (kind, provider) = (wanted.kind, wanted.provider.clone());
        Some(WantedTotal { total, kind, provider, unit: Some(wanted.unit) })
    }

    /// Elements of what history tells, one a series.
    fn as_saved(
        &self,
        series: &[(SeriesId, Arc<Series>)],
        mut told: ToldDays,
        elements: &mut Vec<String>,
    ) {
        for (_, stored) in series {
            let mut rows = Vec::new();
            for (day, parts) in told.days() {
                let Some(part) = parts.iter_mut().find(|part| part.series == *stored) else {
                    continue;
                };
                for slot in 0..stored.period.slots() {
                    let start = day.slot_start(stored.period, slot);
                    if !(self.range.from..self.range.to).contains(&start) {
                        continue;
                    }
                    let state = part.at(self.axes.at(start));
                    let (value, shown) = (state.values[slot], state.shown[slot]);
                    if value != NULL {
                        let shown = Arc::clone(&state.batches[usize::from(shown) - 1]);
                        rows.push(Row { start, value, shown });
                    }
                }
            }
            let mut text = String::new();
            self.reading.text.write(stored, &rows, &mut text);
            elements.push(text);
        }
    }
}

/// Whether the slots of an answer of `shape` are those that were saved: where no period is asked for, or the
/// only one there is.
pub(crate) fn is_as_saved(shape: Shape, series: &[(SeriesId, Arc<Series>)]) -> bool {
    match shape {
        Shape::AsSaved => true,
        Shape::Every(period) => series.iter().all(|(_, stored)| stored.period == period),
        Shape::Civil(_) => false,
    }
}

/// Slots a read may cover: those that are stored, or those asked for where they are more.
fn refuse_beyond_bound(
    desk: &Desk,
    series: &[(SeriesId, Arc<Series>)],
    read: &UnitRead<'_>,
) -> Result<(), Refusal> {
    let stored = series.iter().map(|(_, it)| read.range.slots(it.period.minutes().into())).sum();
    desk.refuse_beyond_bound(read.range.asked_slots(read.reading.shape).max(stored))
}
