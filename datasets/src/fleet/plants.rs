//! The plants of a fleet: what they are, where they stand, and how they are run.

use std::collections::BTreeMap;

use super::chance::{Chance, Topic};
use super::fixed::Fixed;
use super::places::{AREAS, Area, PlantKind};
use super::sun::Site;
use super::weather::Position;

/// A plant. Powers are in kW, times in minutes since 1970.
#[derive(Clone, Debug)]
pub(super) struct Plant {
    /// Its `unit_no`, from 1.
    pub(super) no: u64,
    pub(super) name: String,
    pub(super) kind: PlantKind,
    /// Its area and region, by their places in the tables.
    pub(super) area: usize,
    pub(super) region: usize,
    pub(super) site: Site,
    pub(super) position: Position,
    pub(super) habit: Habit,
    /// Installed power at first.
    pub(super) installed: i64,
    /// From when on more is installed, and how much then.
    pub(super) extension: Option<(i64, i64)>,
    /// What its grid connection or licence allows, where that is less.
    pub(super) upper_limit: Option<i64>,
    /// Least power: negative for a plant that pumps.
    pub(super) lower_limit: i64,
    pub(super) chance: Chance,
}

/// How a plant turns weather and time of day into power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Wind turbines; mean speed of the wind there in m/s.
    Turbines { mean_speed: Fixed },
    /// Panels of so much more peak power than the inverters pass on.
    Panels { oversize: Fixed },
    /// A river: mean load, and how much of it is kept back for the peaks of the day.
    River { level: Fixed, peaks: Fixed },
    /// Pumps at night, generates in the evening.
    PumpedStorage,
    /// Thermal blocks, on all day or (`two_shift`) off at night.
    Blocks { count: i64, two_shift: bool },
}

use PlantKind::{Hydro, Solar, Thermal, Wind};

/// The mix of kinds, repeated over the fleet.
const MIX: [PlantKind; 11] =
    [Wind, Solar, Hydro, Wind, Solar, Thermal, Wind, Solar, Hydro, Solar, Wind];
/// Of twenty plants these stand in the areas 1, 2, …; all others in the first.
const ABROAD: [usize; 4] = [6, 11, 15, 19];

/// The span a fleet is made for, in minutes since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) days: i64,
}

impl Plant {
    /// Installed power at `minute`.
    pub(super) fn installed_at(&self, minute: i64) -> i64 {
        match self.extension {
            Some((from, extended)) if from <= minute => extended,
            _ => self.installed,
        }
    }

    /// The most it may feed in at `minute`.
    pub(super) fn upper_bound(&self, minute: i64) -> i64 {
        let installed = self.installed_at(minute);
        self.upper_limit.map_or(installed, |limit| limit.min(installed))
    }

    pub(super) fn area(&self) -> &'static Area {
        &AREAS[self.area]
    }

    /// Its place in the fleet, from 0: what recurs in a fleet recurs by it.
    pub(super) fn rank(&self) -> usize {
        self.no as usize - 1
    }
}

/// The `count` plants of a seed.
pub(super) fn plants(chance: Chance, count: usize, span: Span) -> Vec<Plant> {
    let mut names = BTreeMap::new();
    (0..count).map(|rank| plant(chance, rank, span, &mut names)).collect()
}

fn plant(seed: Chance, rank: usize, span: Span, names: &mut BTreeMap<String, u32>) -> Plant {
    let chance = seed.about(Topic::Plant).at(rank as i64);
    let draw = |question| chance.about(Topic::Owner).at(question);
    let area = ABROAD.iter().position(|place| *place == rank % 20).map_or(0, |place| place + 1);
    let place = &AREAS[area];
    let wanted = MIX[rank % MIX.len()];
    let kind = if place.regions_of(wanted).is_empty() { Solar } else { wanted };
    let region = draw(0).one_of(&place.regions_of(kind));
    let middle = &place.regions[region];
    // Within some 25 km of the middle of its region.
    let latitude = middle.latitude + draw(1).between(-20, 20);
    let longitude = middle.longitude + draw(2).between(-25, 25);
    let habit = habit(kind, rank, draw(3));
    let installed = installed_megawatts(kind, habit, draw(4)) * 1_000 / place.smallness;
    // Not in the first days of a longer fleet, so that it becomes known while the fleet runs.
    let extension = (rank % 17 == 5 && span.days > 2).then(|| {
        let day = draw(5).between(span.days.min(5) - 1, span.days - 1);
        let from = span.start + day * 1_440 - place.office_offset;
        (from, installed + Fixed::thousandths(draw(6).between(150, 400)).of(installed))
    });
    let is_limited = rank % 9 == 4 && matches!(kind, Wind | Solar);
    Plant {
        no: rank as u64 + 1,
        name: name(place, kind, draw(7).one_of(middle.places), names),
        kind,
        area,
        region,
        site: Site::new(latitude, longitude),
        position: Position::new(latitude, longitude, place.middle()),
        habit,
        installed,
        extension,
        upper_limit: is_limited.then_some(installed * 9 / 10),
        lower_limit: if habit == Habit::PumpedStorage { -installed * 7 / 10 } else { 0 },
        chance,
    }
}

fn habit(kind: PlantKind, rank: usize, chance: Chance) -> Habit {
    let draw = |question, least, most| chance.at(question).between(least, most);
    match kind {
        Wind => Habit::Turbines { mean_speed: Fixed::ratio(draw(0, 48, 66), 10) },
        Solar => Habit::Panels { oversize: Fixed::thousandths(draw(0, 1_150, 1_400)) },
        // Rare, and one of the first plants.
        Hydro if rank % 44 == 8 => Habit::PumpedStorage,
        Hydro => Habit::River {
            level: Fixed::thousandths(draw(0, 300, 600)),
            peaks: Fixed::thousandths(if draw(1, 0, 2) == 0 { 0 } else { draw(2, 150, 350) }),
        },
        Thermal => Habit::Blocks { count: draw(0, 1, 4), two_shift: draw(1, 0, 2) == 0 },
    }
}

/// Installed power in MW, small plants more often than large ones.
fn installed_megawatts(kind: PlantKind, habit: Habit, chance: Chance) -> i64 {
    let (least, most) = match kind {
        Wind => (18, 190),
        Solar => (6, 150),
        Hydro if habit == Habit::PumpedStorage => (200, 1_400),
        Hydro => (12, 540),
        Thermal => (140, 1_100),
    };
    let share = Fixed::thousandths(chance.between(0, 1_000));
    least + (share * share).of(most - least)
}

/// The place and what stands there; numbered from the second plant of that name.
fn name(area: &Area, kind: PlantKind, place: &str, names: &mut BTreeMap<String, u32>) -> String {
    let ending = area.endings[kind as usize];
    let count = names.entry(format!("{place} {ending}")).or_default();
    *count += 1;
    if *count == 1 { format!("{place} {ending}") } else { format!("{place} {ending} {count}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_fleet_has_all_kinds_in_all_areas_under_names_of_their_own() {
        let span = Span { start: 29_573_280, days: 10 };
        for seed in 0..20 {
            let plants = plants(Chance::of_seed(seed), 60, span);
            let kinds: BTreeSet<PlantKind> = plants.iter().map(|plant| plant.kind).collect();
            assert_eq!(kinds.len(), 4);
            let areas: BTreeSet<usize> = plants.iter().map(|plant| plant.area).collect();
            assert_eq!(areas.len(), AREAS.len());
            let names: BTreeSet<&str> = plants.iter().map(|plant| plant.name.as_str()).collect();
            assert_eq!(names.len(), plants.len());
            assert!(plants.iter().any(|plant| plant.extension.is_some()));
            assert!(plants.iter().any(|plant| plant.habit == Habit::PumpedStorage));
            assert!(plants.iter().all(|plant| plant.installed > 0));
        }
    }
}
