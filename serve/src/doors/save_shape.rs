//! What can be judged of a save without state, in the contract's order: shape, rounding, conversion, bound.
//!
//! A save refused as a whole never becomes a command; a slot refused here is kept by the door and stands in
//! the answer beside what the engine decided.

use std::collections::BTreeSet;

use smartpulse_operators::batch::Batch;
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::quantity::{Decimal, Measure, NULL, NumberError};
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::{Instant, Period, Zone};
use smartpulse_operators::unit::{Unit, UnitType};

use super::clock_text::read_time;
use super::refusal::{FieldFault, Refusal};
use super::rules::DoorRules;
use super::save_body::{EntryBody, PredictionBody, SaveBody};
use super::shaped_save::{ShapedEntry, ShapedSave, Target};
use crate::window::zone_of;

/// Deliveries and issue times lie in `[1900, 2200)`: elsewhere a year was mistyped. In microseconds.
const EARLIEST: Instant = Instant(-2_208_988_800_000_000);
const LATEST: Instant = Instant(7_258_118_400_000_000);
/// Faults named in one refusal: enough to see the pattern, not a copy of the body.
const MAX_FAULTS: usize = 20;

/// Judges the shape of `body`.
pub(crate) fn shape(
    body: &SaveBody<'_>,
    target: Target,
    rules: &DoorRules,
    reference: &Reference,
) -> Result<ShapedSave, Refusal> {
    let measure = measure(body)?;
    let note = body.note.iter().flatten().map(|note| note.0.clone().into_owned()).next();
    if note.as_ref().is_some_and(|note| note.chars().count() > Batch::NOTE_CHARS) {
        return Err(Refusal::field("note", "must be at most 255 characters"));
    }
    let bodies = body.entries.iter().flatten().next().map_or(&[][..], Vec::as_slice);
    if bodies.is_empty() {
        return Err(Refusal::field("unitForecastList", "must hold at least one entry"));
    }
    let values = |entry: &EntryBody<'_>| predictions(entry).len().max(1);
    let given: usize = bodies.iter().map(values).sum();
    let bound = rules.max_values;
    if given > bound {
        return Err(Refusal::TooManyValues { given, bound });
    }
    let heads = heads(bodies, &target, rules)?;
    let zone = zone_of(reference, target.unit);
    let valid_after = match body.valid_after.iter().flatten().next() {
        Some(text) => instant("validAfter", &text.0, &zone)?,
        None => Instant::MIN,
    };
    let mut faults = Vec::new();
    let mut entries = Vec::with_capacity(bodies.len());
    for ((index, entry), (unit, period)) in bodies.iter().enumerate().zip(heads) {
        let zone = zone_of(reference, unit);
        let path = format!("unitForecastList[{index}].{}", predictions_name(entry));
        let first = first_start(entry, index, &zone)?;
        let reading = Reading { path: &path, zone: &zone, first, measure, period, rules };
        let slots = reading.slots(predictions(entry), &mut faults)?;
        entries.push(judge(entry, unit, period, slots));
    }
    if faults.is_empty() {
        return Ok(ShapedSave { target, measure, note, valid_after, entries });
    }
    Err(Refusal::Invalid(faults))
}

fn predictions<'e, 'b>(entry: &'e EntryBody<'b>) -> &'e [PredictionBody<'b>] {
    let given = entry.predictions.iter().chain(&entry.normalized).flatten().next();
    given.map_or(&[], Vec::as_slice)
}

fn predictions_name(entry: &EntryBody<'_>) -> &'static str {
    let plain = entry.predictions.iter().flatten().next();
    if plain.is_none() && entry.normalized.is_some() {
        return "normalizedPredictions";
    }
    "predictions"
}

/// `fds` of an entry in the normalised form, from which its indices count.
fn first_start(
    entry: &EntryBody<'_>,
    index: usize,
    zone: &Zone,
) -> Result<Option<Instant>, Refusal> {
    let field = |name: &str| format!("unitForecastList[{index}].{name}");
    let both = [&entry.predictions, &entry.normalized].map(|list| list.iter().flatten().count());
    if both == [1, 1] {
        let rule = "cannot be given with `predictions`";
        return Err(Refusal::field(field("normalizedPredictions"), rule));
    }
    let text = entry.first_start.iter().flatten().next();
    text.map(|text| instant(&field("fds"), &text.0, zone)).transpose()
}

fn measure(body: &SaveBody<'_>) -> Result<Measure, Refusal> {
    let Some(text) = body.measure.filter(|text| *text != "null") else {
        return Ok(Measure::default());
    };
    Measure::parse(text.trim_matches('"')).ok_or_else(|| {
        Refusal::coded("MEASURE_UNIT", "measureUnit", "must be 0 to 3, kW, MW, kWh or MWh")
    })
}

/// Unit and period of each entry, each pair once.
fn heads(
    bodies: &[EntryBody<'_>],
    target: &Target,
    rules: &DoorRules,
) -> Result<Vec<(Unit, Period)>, Refusal> {
    let mut seen = BTreeSet::new();
    let mut heads = Vec::with_capacity(bodies.len());
    for (index, entry) in bodies.iter().enumerate() {
        let field = |name: &str| format!("unitForecastList[{index}].{name}");
        let unit = entry_unit(entry, target.unit, field)?;
        let allowed = |minutes: &u16| rules.allowed_periods.contains(minutes);
        let minutes = entry.period.and_then(|minutes| u16::try_from(minutes).ok());
        let period = minutes.filter(allowed).and_then(Period::new).ok_or_else(|| {
            let rule = format!("must be one of {:?} minutes", rules.allowed_periods);
            Refusal::coded("PERIOD_NOT_ALLOWED", field("period"), rule)
        })?;
        let is_final = entry.apply_final_forecast.flatten() == Some(true);
        if is_final && target.kind == Kind::Actual {
            return Err(Refusal::field(field("applyFinalForecast"), "an actual is no forecast"));
        }
        if !seen.insert((unit, period)) {
            let rule = format!("{unit} with period {} stands twice", period.minutes());
            return Err(Refusal::coded("DUPLICATE_UNIT_PERIOD", field("period"), rule));
        }
        heads.push((unit, period));
    }
    Ok(heads)
}

/// An entry's unit: the path's unless it names another. A company's and a group's entries are plants
/// unless they say `unitType`.
fn entry_unit(
    entry: &EntryBody<'_>,
    path: Unit,
    field: impl Fn(&str) -> String,
) -> Result<Unit, Refusal> {
    let unit_no = match entry.unit_no.flatten() {
        None => path.unit_no,
        Some(number) => u64::try_from(number)
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| Refusal::field(field("unitNo"), "must be a positive whole number"))?,
    };
    let named = entry.unit_type.iter().flatten().next();
    let unit_type = match named {
        Some(text) => UnitType::parse(&text.0)
            .ok_or_else(|| Refusal::field(field("unitType"), "must be PP, CMP or GRP"))?,
        None if unit_no == path.unit_no => path.unit_type,
        None => UnitType::PowerPlant,
    };
    Ok(Unit { unit_type, unit_no })
}

fn instant(field: &str, text: &str, zone: &Zone) -> Result<Instant, Refusal> {
    let instant = read_time(text, zone).map_err(|fault| fault.refusal(field, text))?;
    if (EARLIEST..LATEST).contains(&instant) {
        return Ok(instant);
    }
    Err(Refusal::field(field, format!("`{text}` lies outside the years 1900 to 2199")))
}

/// A slot start with its value, or why that is refused.
type Given = (Instant, Result<i64, Outcome>);

/// How the predictions of an entry are read.
struct Reading<'r> {
    path: &'r str,
    zone: &'r Zone,
    /// Where indices count from.
    first: Option<Instant>,
    measure: Measure,
    period: Period,
    rules: &'r DoorRules,
}

impl Reading<'_> {
    /// The predictions in the order given.
    fn slots(
        &self,
        predictions: &[PredictionBody<'_>],
        faults: &mut Vec<FieldFault>,
    ) -> Result<Vec<Given>, Refusal> {
        let mut slots = Vec::with_capacity(predictions.len());
        for (index, prediction) in predictions.iter().enumerate() {
            match self.slot(index, prediction) {
                Ok(slot) => slots.push(slot),
                Err(Refusal::Invalid(found)) if faults.len() < MAX_FAULTS => faults.extend(found),
                Err(Refusal::Invalid(_)) => break,
                Err(whole) => return Err(whole),
            }
        }
        Ok(slots)
    }

    fn slot(&self, index: usize, prediction: &PredictionBody<'_>) -> Result<Given, Refusal> {
        let missing = |name: &str| Refusal::field(self.field(index, name), "is missing");
        let start = match (&prediction.start, prediction.index, self.first) {
            (None, Some(place), Some(first)) => self.indexed(index, place, first)?,
            _ if let Some(start) = prediction.at => self.placed(index, start)?,
            (start, ..) => {
                let text = start.as_ref().ok_or_else(|| missing("ds"))?;
                match Instant::parse(&text.0) {
                    Some(start) if (EARLIEST..LATEST).contains(&start) => start,
                    _ => instant(&self.field(index, "ds"), &text.0, self.zone)?,
                }
            }
        };
        let number = prediction.value.ok_or_else(|| missing("v"))?;
        if number == "null" {
            return Ok((start, Ok(NULL)));
        }
        if !number.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return Err(Refusal::field(self.field(index, "v"), "must be a number or null"));
        }
        let decimal = Decimal::parse(number);
        if decimal == Err(NumberError::Unreadable) {
            return Err(Refusal::field(self.field(index, "v"), "must be a number or null"));
        }
        let value = decimal
            .and_then(|decimal| {
                decimal.rounded(self.rules.rounding_digits).to_quantity(self.measure, self.period)
            })
            .ok()
            .filter(|value| value.0.abs() <= self.rules.value_bound.0);
        Ok((start, value.map(|value| value.0).ok_or(Outcome::ValueOutOfRange)))
    }

    /// The slot start of a value in a column.
    fn placed(&self, index: usize, start: Instant) -> Result<Instant, Refusal> {
        if (EARLIEST..LATEST).contains(&start) {
            return Ok(start);
        }
        let rule = format!("{start} lies outside the years 1900 to 2199");
        Err(Refusal::field(self.field(index, "ds"), rule))
    }

    /// The slot start of a value in the normalised form.
    fn indexed(&self, index: usize, place: i64, first: Instant) -> Result<Instant, Refusal> {
        let minutes = place.checked_mul(self.period.minutes().into());
        let start = minutes.map(|minutes| first.plus_minutes(minutes));
        let start = start.filter(|start| place >= 0 && (EARLIEST..LATEST).contains(start));
        start.ok_or_else(|| {
            let rule = "must count slots from `fds`, within the years 1900 to 2199";
            Refusal::field(self.field(index, "idx"), rule)
        })
    }

    fn field(&self, index: usize, name: &str) -> String {
        format!("{}[{index}].{name}", self.path)
    }
}

/// Sorts the slots of an entry into those to decide and those refused.
fn judge(entry: &EntryBody<'_>, unit: Unit, period: Period, mut given: Vec<Given>) -> ShapedEntry {
    given.sort_by_key(|(start, _)| *start);
    let mut shaped = ShapedEntry {
        unit,
        period,
        apply_final_forecast: entry.apply_final_forecast.flatten() == Some(true),
        conform_upper_limit: entry.conform_upper_limit.flatten() == Some(true),
        requested: given.len(),
        slots: Vec::with_capacity(given.len()),
        refused: Vec::new(),
    };
    for same in given.chunk_by(|(left, _), (right, _)| left == right) {
        let start = same[0].0;
        let refusal = if !period.is_aligned(start) {
            Err(Outcome::UnalignedDelivery)
        } else if same.len() > 1 {
            Err(Outcome::DuplicateDeliveries)
        } else {
            same[0].1
        };
        match refusal {
            Ok(value) => shaped.slots.push((start, value)),
            Err(outcome) => shaped.refused.extend(same.iter().map(|_| (start, outcome))),
        }
    }
    shaped
}
