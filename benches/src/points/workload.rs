//! The point workload of the benchmark page: a fleet, curves re-issued tick by tick, late ones, nulls,
//! withdrawn batches, a plant sold now and then. Seeded; made outside of what is measured.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use smartpulse_operators::batch::{Batch, Epoch, Sequence};
use smartpulse_operators::change::{
    BatchName, Change, Checks, Curve, Entry, Save, Tick, Withdrawal,
};
use smartpulse_operators::quantity::{NULL, Quantity};
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{Day, Instant, Period};
use smartpulse_operators::unit::{Membership, Unit, UnitType, UnitVersion};
use uuid::Uuid;

/// Days of delivery that are kept live.
pub(crate) const DAYS: i32 = 14;
/// Providers of each plant.
pub(crate) const PROVIDERS: [&str; 3] = ["FinalForecast", "UserForecast", "ForecastImport"];
const PLANTS_A_COMPANY: u64 = 20;
const COMPANIES_A_GROUP: u64 = 10;
/// Ticks between two sales of a plant, and between two withdrawals.
const SALE_TICKS: u64 = 100;
const WITHDRAWAL_TICKS: u64 = 250;
/// The day on which delivery begins: in 2026.
const FIRST_DAY: Day = Day(20_500);
/// Points of a tick while the fleet is filled.
const FILL_POINTS: usize = 200_000;

/// A series of the fleet.
#[derive(Clone, Debug)]
pub(crate) struct FleetSeries {
    pub(crate) plant: u64,
    pub(crate) provider: Provider,
    pub(crate) period: Period,
    /// Where its slots begin in [`Workload::current`].
    offset: usize,
}

/// The fleet and what has been said of it so far.
pub(crate) struct Workload {
    pub(crate) series: Vec<FleetSeries>,
    /// Company of each plant.
    owners: Vec<u64>,
    companies: u64,
    /// The value said last of each slot, in hundredths of a kW.
    current: Vec<i64>,
    random: ChaCha8Rng,
    clock: Instant,
    sequence: u64,
    epoch: u64,
    recent: Vec<Uuid>,
}

fn unit(unit_type: UnitType, unit_no: u64) -> Unit {
    Unit { unit_type, unit_no }
}

fn minutes(period: u16) -> Period {
    Period::new(period).unwrap_or(Period::DAY)
}

impl Workload {
    /// A fleet of `plants`.
    pub(crate) fn new(seed: u64, plants: u64) -> Workload {
        let mut series = Vec::new();
        let mut slots = 0;
        for plant in 1..=plants {
            // 95 % quarter hours, 4 % at 5, 30 or 60 minutes, 1 % with two periods.
            let periods: &[u16] = match plant % 100 {
                95 => &[5],
                96 | 97 => &[30],
                98 => &[60],
                99 => &[15, 60],
                _ => &[15],
            };
            for provider in PROVIDERS.into_iter().filter_map(Provider::parse) {
                for period in periods.iter().map(|period| minutes(*period)) {
                    let provider = provider.clone();
                    series.push(FleetSeries { plant, provider, period, offset: slots });
                    slots += period.slots() * DAYS as usize;
                }
            }
        }
        let companies = plants.div_ceil(PLANTS_A_COMPANY);
        Workload {
            series,
            owners: (0..plants).map(|plant| plant / PLANTS_A_COMPANY + 1).collect(),
            companies,
            current: vec![NULL; slots],
            random: ChaCha8Rng::seed_from_u64(seed),
            clock: Instant(FIRST_DAY.start().0 - 86_400_000_000),
            sequence: 0,
            epoch: 0,
            recent: Vec::new(),
        }
    }

    /// Live points once the fleet is filled.
    pub(crate) fn live_points(&self) -> usize {
        self.current.len()
    }

    /// Master data and memberships.
    pub(crate) fn statements(&mut self) -> Tick {
        let always = Instant::MIN;
        let mut changes = Vec::new();
        for plant in 1..=self.owners.len() as u64 {
            changes.push(Change::Unit(UnitVersion {
                unit: unit(UnitType::PowerPlant, plant),
                name: format!("Plant {plant}"),
                plant_type: None,
                installed_power: Some(Quantity(100_000_000)),
                zone: "Europe/Istanbul".to_owned(),
                region: None,
                valid_from: always,
                recorded: always,
            }));
            let company = self.owners[plant as usize - 1];
            changes.push(membership(
                unit(UnitType::Company, company),
                plant_unit(plant),
                always,
                None,
            ));
        }
        for company in 1..=self.companies {
            let group = unit(UnitType::Group, (company - 1) / COMPANIES_A_GROUP + 1);
            changes.push(membership(group, unit(UnitType::Company, company), always, None));
        }
        self.tick(changes)
    }

    /// Ticks that say every slot once.
    pub(crate) fn fill(&mut self) -> Vec<Tick> {
        let mut ticks = Vec::new();
        let mut changes = Vec::new();
        let mut points = 0;
        for index in 0..self.series.len() {
            let slots = self.series[index].period.slots() * DAYS as usize;
            changes.push(self.curve(index, 0, slots, false));
            points += slots;
            if points >= FILL_POINTS {
                let full = std::mem::take(&mut changes);
                ticks.push(self.tick(full));
                points = 0;
            }
        }
        ticks.push(self.tick(changes));
        ticks
    }

    /// The next tick of about `points` points, and how many it has.
    pub(crate) fn next(&mut self, points: usize) -> (Tick, usize) {
        if self.epoch.is_multiple_of(WITHDRAWAL_TICKS) && !self.recent.is_empty() {
            let index = self.random.random_range(0..self.recent.len());
            let batch = BatchName::Id(self.recent.swap_remove(index));
            self.clock.0 += 1;
            let (recorded, checks) = (self.clock, Checks::default());
            let withdrawal = Withdrawal { batch, recorded, checks, user: None };
            return (self.tick(vec![Change::Withdrawal(withdrawal)]), 0);
        }
        let mut changes = Vec::new();
        if self.epoch.is_multiple_of(SALE_TICKS) {
            self.sell(&mut changes);
        }
        let mut said = 0;
        while said < points {
            let index = self.random.random_range(0..self.series.len());
            let per_day = self.series[index].period.slots();
            let all = per_day * DAYS as usize;
            let draw = self.random.random_range(0..100);
            let (first, count) = match draw {
                0..60 => {
                    let days = self.random.random_range(1..=5);
                    let day = self.random.random_range(0..=DAYS as usize - days);
                    (day * per_day, days * per_day)
                }
                60..90 => {
                    let count = self.random.random_range(8..=40).min(all);
                    (self.random.random_range(0..=all - count), count)
                }
                _ => (self.random.random_range(0..all), 1),
            };
            let is_late = self.random.random_range(0..100) < 5;
            changes.push(self.curve(index, first, count, is_late));
            said += count;
        }
        (self.tick(changes), said)
    }

    /// A tick of one day of quarter hours of some series.
    pub(crate) fn day_of_quarters(&mut self) -> Tick {
        loop {
            let index = self.random.random_range(0..self.series.len());
            let per_day = self.series[index].period.slots();
            if per_day == 96 {
                let day = self.random.random_range(0..DAYS as usize);
                let change = self.curve(index, day * per_day, per_day, false);
                return self.tick(vec![change]);
            }
        }
    }

    /// One plant goes to another company.
    fn sell(&mut self, changes: &mut Vec<Change>) {
        let plant = self.random.random_range(0..self.owners.len() as u64) + 1;
        let seller = self.owners[plant as usize - 1];
        let buyer = self.random.random_range(1..=self.companies);
        if buyer == seller {
            return;
        }
        self.owners[plant as usize - 1] = buyer;
        // The whole plant at once: what was said of the seller is taken back.
        let always = Instant::MIN;
        let (seller, buyer) = (unit(UnitType::Company, seller), unit(UnitType::Company, buyer));
        let mut left = membership(seller, plant_unit(plant), always, None);
        if let Change::Membership(said) = &mut left {
            said.deleted = true;
        }
        changes.push(left);
        changes.push(membership(buyer, plant_unit(plant), always, None));
    }

    /// A save of `count` slots of a series from slot `first` on.
    fn curve(&mut self, index: usize, first: usize, count: usize, is_late: bool) -> Change {
        self.clock.0 += 1;
        self.sequence += 1;
        let FleetSeries { plant, provider, period, offset } = self.series[index].clone();
        let length = i64::from(period.minutes()) * 60_000_000;
        let start = FIRST_DAY.start().0 + first as i64 * length;
        let mut slots = Vec::with_capacity(count);
        for slot in 0..count {
            let current = &mut self.current[offset + first + slot];
            let value = match self.random.random_range(0..100) {
                0..20 if *current != NULL => *current,
                20..22 => NULL,
                _ => i64::from(self.random.random_range(0..1_500_000_u32)) * 10,
            };
            if !is_late {
                *current = value;
            }
            slots.push((Instant(start + slot as i64 * length), value));
        }
        // Late by up to a minute of what has been said since.
        let back = if is_late { self.random.random_range(1..60_000) } else { 0 };
        let id = Uuid::from_u64_pair(1, self.sequence);
        if self.random.random_range(0..64) == 0 {
            self.recent.push(id);
        }
        let batch = Batch {
            id,
            sequence: Sequence(self.sequence),
            recorded: self.clock,
            valid_after: Instant(self.clock.0 - back),
            provider,
            user: None,
            note: None,
            source_batch: None,
            skips_existing_check: false,
        };
        let entry = Entry {
            kind: Kind::Forecast,
            unit: plant_unit(plant),
            period,
            conform_upper_limit: false,
            apply_final_forecast: false,
            curve: Curve::new(period, slots),
        };
        let checks = Checks { gates: true, limits: true, locks: true, past_role: false };
        Change::Save(Save { batch, checks, path: None, entries: vec![entry], refused: Vec::new() })
    }

    fn tick(&mut self, changes: Vec<Change>) -> Tick {
        self.epoch += 1;
        Tick { changes, ..Tick::empty(Epoch(self.epoch), self.clock) }
    }
}

fn plant_unit(plant: u64) -> Unit {
    unit(UnitType::PowerPlant, plant)
}

fn membership(parent: Unit, child: Unit, valid_from: Instant, valid_to: Option<Instant>) -> Change {
    Change::Membership(Membership {
        parent,
        child,
        valid_from,
        valid_to,
        recorded: Instant::MIN,
        deleted: false,
    })
}
