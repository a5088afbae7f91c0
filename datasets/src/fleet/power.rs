//! From weather to power: what drives a plant through a day, and what it makes of it.
//!
//! The drive (speed of the wind, clearness of the sky, load wanted) is what forecasts are wrong about; power
//! follows from it by the plant's own curve. So a forecast is never above installed power or bright at night.

use super::chance::Topic;
use super::fixed::Fixed;
use super::plants::{Habit, Plant};
use super::weather::{Front, Weather, passing};

/// Minutes between two samples of a drive: the finest period of a fleet.
pub(super) const STEP: i64 = 5;
/// Samples in a UTC day.
const SAMPLES: i64 = 1_440 / STEP;
/// Days of a plant that are kept: those between a restatement of yesterday and the end of a horizon, and
/// some more, since the day's number picks its place.
const KEPT_DAYS: usize = 8;
/// What drives a plant at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Drive {
    /// Wind: m/s. Sun: clearness of the sky. Else: share of the installed power that is wanted.
    pub(super) main: Fixed,
    /// Sun: the clear sky's irradiance. Else zero.
    pub(super) sun: Fixed,
}

/// The drive of a plant, computed by days and kept for those in use.
#[derive(Debug, Default)]
pub(super) struct Drives {
    days: [Option<Box<DriveDay>>; KEPT_DAYS],
}

#[derive(Debug)]
struct DriveDay {
    day: i64,
    /// In steps of 2^-16; the second is empty where the sun does not matter.
    main: Vec<i32>,
    sun: Vec<i32>,
}

impl Drives {
    /// The drive of `plant` at `minute`, without gusts.
    pub(super) fn at(&mut self, plant: &Plant, weather: &Weather, minute: i64) -> Drive {
        let sample = minute.div_euclid(STEP);
        let day = sample.div_euclid(SAMPLES);
        let kept = &mut self.days[day.rem_euclid(KEPT_DAYS as i64) as usize];
        let fits = kept.as_ref().is_some_and(|kept| kept.day == day);
        if !fits {
            *kept = None;
        }
        let kept = kept.get_or_insert_with(|| Box::new(DriveDay::new(plant, weather, day)));
        kept.at(sample.rem_euclid(SAMPLES) as usize)
    }
}

impl DriveDay {
    fn at(&self, sample: usize) -> Drive {
        let of = |bits: Option<&i32>| Fixed::from_bits(bits.copied().unwrap_or(0).into());
        Drive { main: of(self.main.get(sample)), sun: of(self.sun.get(sample)) }
    }

    fn new(plant: &Plant, weather: &Weather, day: i64) -> DriveDay {
        let shines = matches!(plant.habit, Habit::Panels { .. });
        let start = day * 1_440;
        let fronts = weather.fronts(start, start + 1_440);
        let (mut main, mut sun) = (Vec::new(), Vec::new());
        for minute in (start..start + 1_440).step_by(STEP as usize) {
            main.push(main_drive(plant, weather, &fronts, minute).bits() as i32);
            if shines {
                sun.push(plant.site.clear_sky(minute).bits() as i32);
            }
        }
        DriveDay { day, main, sun }
    }
}

/// The drive of `plant` at `minute` as the weather and the hour make it.
fn main_drive(plant: &Plant, weather: &Weather, fronts: &[Front], minute: i64) -> Fixed {
    let passing = || passing(fronts, plant.position, minute);
    let sun_time = minute + plant.site.solar_offset;
    let of_day = sun_time.rem_euclid(1_440);
    // What dispatchers make of a day differs from day to day.
    let wanted = plant.chance.about(Topic::Dispatch).at(sun_time.div_euclid(1_440));
    match plant.habit {
        Habit::Turbines { mean_speed } => {
            // The land's own wind is strongest in the afternoon.
            let day = Fixed::ratio(of_day - 9 * 60, 1_440).sine_of_turns();
            let speed = mean_speed
                + Fixed::ratio(85, 10) * passing().wind
                + weather.breeze(plant.region, minute)
                + Fixed::ratio(7, 10) * day;
            speed.max(Fixed::ZERO)
        }
        Habit::Panels { .. } => {
            let cloud = (passing().cloud + weather.haze(plant.region, minute)).within_unit();
            Fixed::ratio(97, 100) - Fixed::ratio(80, 100) * cloud
        }
        Habit::River { level, peaks } => {
            let water = level
                + Fixed::ratio(14, 100) * weather.rivers(minute)
                + Fixed::ratio(28, 100) * passing().flood;
            water + peaks * peak_hours(of_day) * Fixed::thousandths(wanted.between(500, 1_000))
        }
        Habit::PumpedStorage => pumping(of_day) * Fixed::thousandths(wanted.between(550, 1_000)),
        Habit::Blocks { two_shift, .. } => {
            // 1970-01-01 was a Thursday.
            let is_weekend = [2, 3].contains(&sun_time.div_euclid(1_440).rem_euclid(7));
            let most = if is_weekend { 850 } else { 1_000 };
            let (night, rise) = if two_shift { (0, 95) } else { (58, 39) };
            let day = day_shift(of_day) * Fixed::thousandths(wanted.between(most - 250, most));
            Fixed::ratio(night, 100) + Fixed::ratio(rise, 100) * day
        }
    }
}

/// Power in kW that `plant` makes of `drive` at `minute` when nothing is broken, uncut.
pub(super) fn power(plant: &Plant, drive: Drive, minute: i64) -> i64 {
    let tenths = |count| Fixed::ratio(count, 10);
    let share = match plant.habit {
        Habit::Turbines { .. } => {
            // A farm's curve: softer than one turbine's. Storms turn it off.
            let rising = drive.main.step(tenths(25), tenths(142));
            Fixed::ratio(97, 100) * rising * drive.main.step(tenths(280), tenths(240))
        }
        Habit::Panels { oversize } => {
            Fixed::ratio(94, 100) * oversize * drive.sun * drive.main.max(Fixed::ratio(6, 100))
        }
        Habit::River { .. } => drive.main.max(Fixed::ratio(4, 100)),
        Habit::PumpedStorage => drive.main.max(Fixed::ratio(-7, 10)),
        Habit::Blocks { .. } => drive.main.max(Fixed::ZERO),
    };
    share.min(Fixed::ONE).of(plant.installed_at(minute))
}

/// `power` held to what the plant can and may do at `minute`, the start of a slot.
pub(super) fn held(plant: &Plant, power: i64, minute: i64) -> i64 {
    power.clamp(plant.lower_limit, plant.upper_bound(minute))
}

/// The changes of minutes that no forecast knows, at `minute`.
pub(super) fn gusts(plant: &Plant, drive: Drive, minute: i64) -> Drive {
    let chance = plant.chance.about(Topic::Gust);
    let wave = |mesh| chance.at(mesh).wave(minute, mesh);
    let main = match plant.habit {
        Habit::Turbines { .. } => {
            drive.main + Fixed::ratio(8, 10) * wave(90) + Fixed::ratio(5, 10) * wave(20)
        }
        // Broken cloud flickers; clear and overcast skies do not.
        Habit::Panels { .. } => {
            let broken = drive.main * (Fixed::ONE - drive.main);
            let flicker = Fixed::ratio(5, 10) * wave(60) + Fixed::ratio(7, 10) * wave(10);
            (drive.main + broken * flicker).within_unit()
        }
        Habit::River { .. } | Habit::PumpedStorage | Habit::Blocks { .. } => {
            // What stands still stands still.
            drive.main * (Fixed::ONE + Fixed::thousandths(14) * wave(45))
        }
    };
    Drive { main, ..drive }
}

/// 1 in the hours of high demand, morning and evening, 0 else.
fn peak_hours(solar_minute: i64) -> Fixed {
    let hour = Fixed::ratio(solar_minute, 60);
    let at = |tenths| Fixed::ratio(tenths, 10);
    hour.step(at(60), at(80)) * hour.step(at(115), at(95))
        + hour.step(at(155), at(175)) * hour.step(at(230), at(205))
}

/// Pumps after midnight, generates in the evening.
fn pumping(solar_minute: i64) -> Fixed {
    let hour = Fixed::ratio(solar_minute, 60);
    let at = |tenths| Fixed::ratio(tenths, 10);
    let night = hour.step(at(5), at(13)) * hour.step(at(56), at(46));
    let evening = hour.step(at(158), at(170)) * hour.step(at(222), at(210));
    Fixed::ratio(8, 10) * evening - Fixed::ratio(65, 100) * night
}

/// 1 by day, 0 at night, with ramps of hours.
fn day_shift(solar_minute: i64) -> Fixed {
    let hour = Fixed::ratio(solar_minute, 60);
    let at = |tenths| Fixed::ratio(tenths, 10);
    hour.step(at(52), at(82)) * hour.step(at(236), at(212))
}
