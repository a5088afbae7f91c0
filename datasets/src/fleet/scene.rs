//! What the desks of a fleet look at, and the values they make of it: plants, their weather, their zones.

use smartpulse_operators::quantity::{Measure, Quantity};
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::{Instant, Period, Zone};
use smartpulse_operators::unit::{Unit, UnitType};

use super::chance::{Chance, Topic};
use super::desks::{Cover, DESKS, Desk};
use super::faults::{MeterReading, meter_reading};
use super::issue::{Issue, Slots, Surroundings};
use super::megawatts;
use super::places::AREAS;
use super::plants::Plant;
use super::power::Drives;
use super::weather::Weather;
use crate::slots::{Reading, SlotValue, ValueRules};

/// Hundredths of a kW in a kW.
const PER_KILOWATT: i64 = 100;
const MINUTE: i64 = 60_000_000;

/// Plants, and what is around them.
pub(super) struct Scene {
    seed: Chance,
    pub(super) plants: Vec<Plant>,
    /// By area.
    zones: Vec<Zone>,
    weather: Vec<Weather>,
    /// By plant.
    drives: Vec<Drives>,
}

/// An issue by its numbers: desk, plant, the minute from which that desk's issues are counted, and which of
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Issued {
    pub(super) desk: usize,
    pub(super) plant: usize,
    pub(super) counted_from: i64,
    pub(super) number: i64,
}

impl Scene {
    /// The scene of `plants`; the error names a zone that is none.
    pub(super) fn new(seed: Chance, plants: Vec<Plant>) -> Result<Scene, String> {
        let zones = AREAS.iter().map(|area| {
            Zone::parse(area.zone).ok_or_else(|| format!("no time zone {}", area.zone))
        });
        let weather_of = |area| Weather::new(seed.about(Topic::Area).at(area as i64));
        Ok(Scene {
            seed,
            zones: zones.collect::<Result<_, _>>()?,
            weather: (0..AREAS.len()).map(weather_of).collect(),
            drives: plants.iter().map(|_| Drives::default()).collect(),
            plants,
        })
    }

    pub(super) fn zone(&self, plant: &Plant) -> &Zone {
        &self.zones[plant.area]
    }

    pub(super) fn issue(&self, issued: Issued) -> Issue<'_> {
        issue(self.seed, &self.plants, issued)
    }

    /// The values of an issue for `spans`, as `rules` read them.
    pub(super) fn values(
        &mut self,
        issued: Issued,
        spans: &[Slots],
        rules: &ValueRules,
    ) -> Vec<SlotValue> {
        let issue = issue(self.seed, &self.plants, issued).origin();
        let plant = issue.plant;
        let drives = &mut self.drives[issued.plant];
        let mut around = Surroundings { weather: &self.weather[plant.area], drives };
        let unit = Unit { unit_type: UnitType::PowerPlant, unit_no: plant.no };
        let mut values = Vec::new();
        for slots in spans {
            let Some(period) = Period::new(slots.period) else { continue };
            let nulls = issue.nulls(slots.count());
            let starts = (slots.from..slots.to).step_by(usize::from(slots.period));
            values.extend((0..).zip(starts).map(|(at, start)| {
                let kilowatts = if nulls.contains(&at) {
                    None
                } else {
                    said_of(&issue, start, slots, &mut around)
                };
                let reading = kilowatts.map_or(Reading::WITHDRAWN, |kilowatts| {
                    read(rules, Quantity(kilowatts * PER_KILOWATT), period)
                });
                SlotValue { unit, period, start: Instant(start * MINUTE), reading }
            }));
        }
        values
    }

    /// What a desk says of a plant's slots at `minute`, in hundredths of a kW; `number` tells issues of one
    /// minute apart.
    pub(super) fn said_at(
        &mut self,
        minute: i64,
        (desk, plant, number): (usize, usize, i64),
        slots: Slots,
    ) -> Vec<(Instant, i64)> {
        let chance = chance_of(self.seed, desk, plant);
        let (desk, drives): (&'static Desk, _) = (&DESKS[desk], &mut self.drives[plant]);
        let plant = &self.plants[plant];
        let issue = Issue { desk, plant, chance, first_due: minute - number * desk.every, number };
        let mut around = Surroundings { weather: &self.weather[plant.area], drives };
        let starts = (slots.from..slots.to).step_by(usize::from(slots.period));
        let said = starts.map(|start| {
            let kilowatts = match desk.kind {
                Kind::Forecast => issue.forecast(start, slots.period, &mut around),
                Kind::Actual => issue.metered(start, slots.period, &mut around),
            };
            (Instant(start * MINUTE), kilowatts * PER_KILOWATT)
        });
        said.collect()
    }
}

fn issue(seed: Chance, plants: &[Plant], issued: Issued) -> Issue<'_> {
    let Issued { desk, plant, counted_from, number } = issued;
    let chance = chance_of(seed, desk, plant);
    let (desk, plant): (&'static Desk, _) = (&DESKS[desk], &plants[plant]);
    Issue { desk, plant, chance, first_due: desk.first_due(plant, counted_from), number }
}

/// All draws of a desk for a plant.
fn chance_of(seed: Chance, desk: usize, plant: usize) -> Chance {
    seed.about(Topic::Desk).at(desk as i64).at(plant as i64)
}

/// The power an issue says for the slot at `start`, in kW; none: no value.
fn said_of(
    issue: &Issue<'_>,
    start: i64,
    slots: &Slots,
    around: &mut Surroundings<'_>,
) -> Option<i64> {
    if issue.desk.kind == Kind::Forecast {
        return Some(issue.forecast(start, slots.period, around));
    }
    let metered = issue.metered(start, slots.period, around);
    let is_settled = issue.desk.cover == Cover::Yesterday;
    match meter_reading(issue.plant, start) {
        _ if is_settled => Some(metered),
        MeterReading::Right => Some(metered),
        MeterReading::Missing => None,
        MeterReading::Scaled(share) => Some(share.of(metered)),
    }
}

/// A value as a replay of its text in MW would read it.
fn read(rules: &ValueRules, quantity: Quantity, period: Period) -> Reading {
    if rules.round_digits.is_none() && quantity.0.abs() <= rules.bound.0 {
        return Reading::Value(quantity.0);
    }
    rules.read(&megawatts(quantity), Measure::MegaWatt, period)
}
