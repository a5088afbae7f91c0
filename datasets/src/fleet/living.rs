//! A fleet that goes on: it has no first day and no last one, and may be asked at any time what its desks have
//! recorded between two instants and what they would say now. The demonstration runs on it.
//!
//! Nothing in it is sold or extended by itself. What it says is a function of the seed and of what is asked.

use smartpulse_operators::change::{Change, Curve, Entry};
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{Instant, Period, Zone};
use smartpulse_operators::unit::{Unit, UnitType, UnitVersion};

use super::chance::{Chance, Topic};
use super::desks::{DESKS, Desk};
use super::folder::as_made;
use super::issue::Slots;
use super::owners::statements;
use super::plants::{Plant, Span, plants};
use super::scene::Scene;
use super::stream::{FleetStream, Window};
use crate::changes::Changes;
use crate::error::SourceError;

const MINUTE: i64 = 60_000_000;
/// Issues of all times are counted from 2026-01-01T00:00Z.
const COUNTED_FROM: i64 = 29_453_760;
/// Longest time from the due to the save of any issue, in minutes: its delay, and seven hours late.
const LONGEST_DELAY: i64 = 720;
/// Issues that are asked for have numbers from here on, which no counted one reaches.
const ASKED_FOR: i64 = 1 << 40;

/// A fleet that goes on.
pub struct LivingFleet {
    seed: Chance,
    scene: Scene,
    plants: Vec<LivingPlant>,
}

/// A plant of it.
#[derive(Clone, Debug)]
pub struct LivingPlant {
    /// Its master data, the same at all times.
    pub master: UnitVersion,
    /// The zone of its civil days.
    pub zone: Zone,
    /// Who forecasts it.
    pub providers: Vec<Provider>,
}

/// A forecast that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The plant, by its place among the plants of the fleet.
    pub plant: usize,
    /// Who is to forecast it.
    pub provider: &'a str,
    /// When it is issued: its error grows from here on.
    pub at: Instant,
    /// Tells issues of the same time apart: another number, slightly other values.
    pub number: u64,
    /// Every slot that starts in `[from, to)`.
    pub from: Instant,
    /// See `from`.
    pub to: Instant,
}

impl LivingFleet {
    /// The fleet of so many plants.
    ///
    /// # Errors
    /// [`SourceError::Unknown`] where the machine's time zones are not known.
    pub fn new(seed: u64, count: u32) -> Result<LivingFleet, SourceError> {
        let wrong = |rule: &str| SourceError::Unknown {
            text: "living fleet".to_owned(),
            rule: rule.to_owned(),
        };
        let chance = Chance::of_seed(seed);
        let plants = plants(chance, count as usize, span());
        let scene = Scene::new(chance, plants).map_err(|rule| wrong(&rule))?;
        let mut fleet = LivingFleet { seed: chance, scene, plants: Vec::new() };
        let master = fleet.statements().into_iter().filter_map(|change| match change {
            Change::Unit(version) if version.unit.unit_type == UnitType::PowerPlant => {
                Some(version)
            }
            _ => None,
        });
        let described = master.zip(&fleet.scene.plants).map(|(master, plant)| LivingPlant {
            master,
            zone: fleet.scene.zone(plant).clone(),
            providers: providers(plant),
        });
        fleet.plants = described.collect();
        Ok(fleet)
    }

    /// The plants; the first has `unit_no` 1.
    #[must_use]
    pub fn plants(&self) -> &[LivingPlant] {
        &self.plants
    }

    /// What is said of the units: master data, memberships, properties, always known and for all times.
    #[must_use]
    pub fn statements(&self) -> Vec<Change> {
        statements(self.seed, &self.scene.plants, span())
    }

    /// What the desks and meters record after the first instant and until the second, in that order.
    ///
    /// # Errors
    /// [`SourceError::Unknown`] where the machine's time zones are not known.
    pub fn recorded(&self, after: Instant, upto: Instant) -> Result<Changes, SourceError> {
        let wrong = |rule| SourceError::Unknown { text: "living fleet".to_owned(), rule };
        let scene = Scene::new(self.seed, self.scene.plants.clone()).map_err(wrong)?;
        let window = Window {
            counted_from: COUNTED_FROM,
            first: after.0.div_euclid(MINUTE) - LONGEST_DELAY,
            end: upto.0.div_euclid(MINUTE) + 1,
            recorded: (after, upto),
            desks: DESKS.len(),
        };
        let stream = FleetStream::new(scene, window, Vec::new(), &as_made()).map_err(wrong)?;
        Ok(Changes::from_fleet(stream))
    }

    /// What a provider would say of a plant now, in each period in which it does; nothing from one that does
    /// not forecast it.
    pub fn forecast(&mut self, asked: Asked<'_>) -> Vec<Entry> {
        let plant = &self.scene.plants[asked.plant];
        let forecasts = |desk: &&Desk| {
            desk.kind == Kind::Forecast && desk.provider == asked.provider && desk.serves(plant)
        };
        let Some(desk) = DESKS.iter().position(|desk| forecasts(&desk)) else { return Vec::new() };
        let periods = DESKS[desk].periods(plant);
        let number = ASKED_FOR + asked.number as i64;
        let at = asked.at.0.div_euclid(MINUTE);
        let entries = periods.into_iter().filter_map(|(minutes, reach)| {
            let mut slots = slots_between(minutes, asked.from, asked.to);
            slots.to = slots.to.min(slots.from.saturating_add(reach));
            self.entry(at, (desk, asked.plant, number), slots)
        });
        entries.collect()
    }

    /// What the meter of a plant shows for the quarter hours that start in `[from, to)`, without its faults.
    pub fn metered(&mut self, plant: usize, from: Instant, to: Instant) -> Option<Entry> {
        /// The meter is the first desk.
        const METER: usize = 0;
        let slots = slots_between(15, from, to);
        self.entry(slots.from, (METER, plant, 0), slots)
    }

    /// A whole number in `0..bound`, the same for the same question.
    #[must_use]
    pub fn draw(&self, question: u64, bound: u64) -> u64 {
        self.seed.about(Topic::Living).at(question as i64).below(bound)
    }

    fn entry(&mut self, at: i64, issue: (usize, usize, i64), slots: Slots) -> Option<Entry> {
        let (desk, plant, _) = issue;
        let period = Period::new(slots.period)?;
        let unit_no = self.scene.plants[plant].no;
        let entry = Entry {
            kind: DESKS[desk].kind,
            unit: Unit { unit_type: UnitType::PowerPlant, unit_no },
            period,
            conform_upper_limit: false,
            apply_final_forecast: false,
            curve: Curve::new(period, self.scene.said_at(at, issue, slots)),
        };
        Some(entry).filter(|entry| !entry.curve.is_empty())
    }
}

/// A single day: on one day nothing is sold and no plant grows.
fn span() -> Span {
    Span { start: COUNTED_FROM, days: 1 }
}

/// Slots of so many minutes that start in `[from, to)`.
fn slots_between(period: u16, from: Instant, to: Instant) -> Slots {
    let minutes = i64::from(period);
    let first_at = |at: Instant| {
        let slot = at.0.div_euclid(minutes * MINUTE);
        let is_start = at.0.rem_euclid(minutes * MINUTE) == 0;
        (slot + i64::from(!is_start)) * minutes
    };
    Slots { period, from: first_at(from), to: first_at(to) }
}

/// Who forecasts `plant`, each once.
fn providers(plant: &Plant) -> Vec<Provider> {
    let mut keys: Vec<&str> = Vec::new();
    for desk in DESKS.iter().filter(|desk| desk.kind == Kind::Forecast && desk.serves(plant)) {
        if !keys.contains(&desk.provider) {
            keys.push(desk.provider);
        }
    }
    keys.into_iter().filter_map(Provider::parse).collect()
}
