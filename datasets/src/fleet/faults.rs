//! What goes wrong: plants that stand still for hours, and meters that say nothing or too little until the
//! data of the day are settled.

use super::chance::{Chance, Topic};
use super::fixed::Fixed;
use super::plants::{Habit, Plant};

/// Outages are drawn once in so many minutes for each block.
const OUTAGE_SPACING: i64 = 7_200;
/// The longest outage, in minutes; with its ramp it ends before the next spacing does.
const LONGEST_OUTAGE: i64 = 2_400;

/// The fault of a meter at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MeterReading {
    Right,
    Missing,
    /// It shows this share of what was produced.
    Scaled(Fixed),
}

/// The share of `plant` that runs at `minute`, as far as what began by `known` tells.
pub(super) fn availability(plant: &Plant, minute: i64, known: i64) -> Fixed {
    let blocks = match plant.habit {
        Habit::Blocks { count, .. } => count,
        _ => 1,
    };
    let running = (0..blocks).map(|block| {
        let chance = plant.chance.about(Topic::Outage).at(block);
        let spacing = (minute + chance.between(0, OUTAGE_SPACING)).div_euclid(OUTAGE_SPACING);
        let begun = spacing * OUTAGE_SPACING - chance.between(0, OUTAGE_SPACING);
        let of = |spacing: i64, begun: i64| {
            block_runs(plant, chance.at(spacing), minute - begun, known - begun)
        };
        of(spacing, begun).min(of(spacing - 1, begun - OUTAGE_SPACING))
    });
    running.sum::<Fixed>().over(Fixed::ratio(blocks, 1))
}

/// The share of a block that runs `minute` after the begin of a spacing, when knowledge ends at `known`.
fn block_runs(plant: &Plant, chance: Chance, minute: i64, known: i64) -> Fixed {
    let is_thermal = matches!(plant.habit, Habit::Blocks { .. });
    let (longest, ramp, in_thousand) =
        if is_thermal { (LONGEST_OUTAGE, 240, 170) } else { (600, 20, 130) };
    let start = chance.at(1).between(0, OUTAGE_SPACING - 1);
    if !chance.at(0).happens(in_thousand) || start > known || minute < start {
        return Fixed::ONE;
    }
    let end = start + chance.at(2).between(longest / 5, longest);
    Fixed::ratio(minute - end, ramp).within_unit()
}

/// What the meter of `plant` does at `minute` (since 1970): a fault of hours on one day in five.
pub(super) fn meter_reading(plant: &Plant, minute: i64) -> MeterReading {
    let day = minute.div_euclid(1_440);
    let chance = plant.chance.about(Topic::MeterFault).at(day);
    let start = day * 1_440 + chance.at(1).between(0, 1_200);
    let length = chance.at(2).between(60, 240);
    if !chance.at(0).happens(200) || !(start..start + length).contains(&minute) {
        return MeterReading::Right;
    }
    match chance.at(3).below(3) {
        0 => MeterReading::Missing,
        _ => MeterReading::Scaled(Fixed::thousandths(chance.at(4).between(880, 990))),
    }
}
