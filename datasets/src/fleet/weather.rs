//! Weather of an area: fronts that travel over it, so that one region sees them after the other, and the
//! smaller changes of a region between them.

use super::chance::{Chance, Topic};
use super::fixed::Fixed;

/// Minutes between two fronts of an area, on average.
const FRONT_SPACING: i64 = 1_900;
/// A front may be earlier or later than that by so many minutes.
const FRONT_JITTER: i64 = 700;
/// Longest time after its passage at the area's middle in which a front still matters somewhere, in minutes:
/// the way over half of the largest area at the least speed, and its rain in the rivers.
const AFTERMATH: i64 = 6_600;
/// Longest time before that passage in which it matters somewhere: the same way, and its width.
const FORERUN: i64 = 3_000;

/// Where something stands, in km from the middle of its area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) east: i64,
    pub(super) north: i64,
}

/// A front: a bump of wind, cloud and rain that travels in a straight line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Front {
    /// When it passes the middle of its area, in minutes since 1970.
    passes: i64,
    /// Its direction: the shares of its way that lead east and north.
    east: Fixed,
    north: Fixed,
    /// In km/h.
    speed: i64,
    /// Minutes from its first gusts to its passage.
    width: i64,
    /// Up to 1.
    strength: Fixed,
}

/// The weather of an area.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    chance: Chance,
}

/// What the fronts bring to a place at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passing {
    /// Share of a storm's wind.
    pub(super) wind: Fixed,
    /// Share of the sky that is covered.
    pub(super) cloud: Fixed,
    /// Share of a flood in the rivers.
    pub(super) flood: Fixed,
}

impl Position {
    /// Of hundredths of a degree, for an area whose middle is `middle` (latitude, longitude).
    pub(super) fn new(latitude: i64, longitude: i64, middle: (i64, i64)) -> Position {
        let shrink = Fixed::ratio(middle.0, 36_000).cosine_of_turns();
        // 111.3 km a degree, of longitude less towards the poles.
        let east = shrink.of((longitude - middle.1) * 1_113 / 1_000);
        Position { east, north: (latitude - middle.0) * 1_113 / 1_000 }
    }
}

impl Weather {
    pub(super) fn new(chance: Chance) -> Weather {
        Weather { chance }
    }

    /// The fronts that matter anywhere in the area during the minutes `from..to`, in order.
    pub(super) fn fronts(&self, from: i64, to: i64) -> Vec<Front> {
        let first = (from - AFTERMATH - FRONT_JITTER).div_euclid(FRONT_SPACING);
        let last = (to + FORERUN + FRONT_JITTER).div_euclid(FRONT_SPACING);
        (first..=last).map(|number| self.front(number)).collect()
    }

    fn front(&self, number: i64) -> Front {
        let chance = self.chance.about(Topic::Front).at(number);
        let draw = |question| chance.at(question);
        // Westerlies: within 40° of due east.
        let heading = Fixed::ratio(draw(0).between(-110, 110), 1_000);
        Front {
            passes: number * FRONT_SPACING + draw(1).between(-FRONT_JITTER, FRONT_JITTER),
            east: heading.cosine_of_turns(),
            north: heading.sine_of_turns(),
            speed: draw(2).between(30, 60),
            width: draw(3).between(260, 560),
            strength: Fixed::thousandths(draw(4).between(200, 1_000)),
        }
    }

    /// The wind that no front explains, in m/s about its mean: hours to days, shared by a region.
    pub(super) fn breeze(&self, region: usize, minute: i64) -> Fixed {
        let days = self.chance.about(Topic::Wind).wave(minute, 2_700);
        let hours = self.chance.about(Topic::Region).at(region as i64).wave(minute, 420);
        Fixed::ratio(22, 10) * days + Fixed::ratio(16, 10) * hours
    }

    /// Share of the sky that is covered without any front, shared by a region.
    pub(super) fn haze(&self, region: usize, minute: i64) -> Fixed {
        let chance = self.chance.about(Topic::Cloud).at(region as i64);
        let wave = chance.wave(minute, 300) + chance.about(Topic::Region).wave(minute, 1_300);
        // Clear skies are common: only the upper half of the wave is cloud.
        Fixed::ratio(35, 100) * wave.max(Fixed::ZERO)
    }

    /// The state of the rivers about its mean, from −1 to 1: days, shared by an area.
    pub(super) fn rivers(&self, minute: i64) -> Fixed {
        self.chance.about(Topic::Inflow).wave(minute, 7_200)
    }
}

impl Front {
    /// Minutes between its passage of the area's middle and that of `position`; negative: earlier.
    pub(super) fn lag(&self, position: Position) -> i64 {
        (self.east.of(position.east) + self.north.of(position.north)) * 60 / self.speed
    }

    /// What it brings to `position` at `minute`.
    fn passing(&self, position: Position, minute: i64) -> Passing {
        let since = minute - self.passes - self.lag(position);
        let widths = Fixed::ratio(since, self.width);
        let tenths = |count| Fixed::ratio(count, 10);
        // Wind rises quickly and dies down slowly; cloud runs ahead and clears behind.
        let wind = widths.step(tenths(-12), tenths(0)) * widths.step(tenths(26), tenths(3));
        let cloud = widths.step(tenths(-10), tenths(-2)) * widths.step(tenths(14), tenths(6));
        let hours = Fixed::ratio(since, 60);
        let whole = |count| Fixed::ratio(count, 1);
        let flood = hours.step(whole(2), whole(16)) * hours.step(whole(76), whole(20));
        Passing {
            wind: self.strength * wind,
            cloud: (self.strength + Fixed::ratio(1, 4)).within_unit() * cloud,
            flood: self.strength * flood,
        }
    }
}

/// What all of `fronts` bring to `position` at `minute`, each at most whole.
pub(super) fn passing(fronts: &[Front], position: Position, minute: i64) -> Passing {
    let mut sum = Passing::default();
    for front in fronts {
        let Passing { wind, cloud, flood } = front.passing(position, minute);
        sum.wind += wind;
        sum.cloud += cloud;
        sum.flood += flood;
    }
    Passing {
        wind: sum.wind.within_unit(),
        cloud: sum.cloud.within_unit(),
        flood: sum.flood.within_unit(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::places::AREAS;
    use super::*;

    #[test]
    fn a_front_reaches_regions_one_after_another() {
        let turkey = &AREAS[0];
        let positions: Vec<Position> = turkey
            .regions
            .iter()
            .map(|region| Position::new(region.latitude, region.longitude, turkey.middle()))
            .collect();
        let weather = Weather::new(Chance::of_seed(7).about(Topic::Area).at(0));
        for front in weather.fronts(29_570_000, 29_584_400) {
            let mut arrivals: Vec<(i64, i64)> = Vec::new();
            for position in &positions {
                let lag = front.lag(*position);
                let around = front.passes + lag - 1_000..front.passes + lag + 1_000;
                let peak =
                    around.max_by_key(|minute| front.passing(*position, *minute).wind).unwrap_or(0);
                arrivals.push((lag, peak));
            }
            arrivals.sort_unstable();
            assert!(arrivals.is_sorted_by_key(|(_, peak)| *peak), "{arrivals:?}");
            let (first, last) = (arrivals[0].1, arrivals[arrivals.len() - 1].1);
            assert!(last - first > 16 * 60, "it takes most of a day over 1,500 km");
        }
        // From the west: Çanakkale sees all of them before Van does.
        let (west, east) = (positions[0], positions[positions.len() - 1]);
        let fronts = weather.fronts(29_570_000, 29_584_400);
        assert!(fronts.iter().all(|front| front.lag(west) < front.lag(east)));
    }

    #[test]
    fn no_front_is_left_out_where_it_matters() {
        let turkey = &AREAS[0];
        let weather = Weather::new(Chance::of_seed(3));
        let far = Position::new(3_849, 4_338, turkey.middle());
        let near = Position::new(4_015, 2_641, turkey.middle());
        let all = weather.fronts(29_500_000, 29_700_000);
        for minute in (29_570_000..29_600_000).step_by(35) {
            let some = weather.fronts(minute, minute + 1);
            for position in [near, far] {
                let (one, other) =
                    (passing(&all, position, minute), passing(&some, position, minute));
                assert_eq!(
                    (one.wind, one.cloud, one.flood),
                    (other.wind, other.cloud, other.flood)
                );
            }
        }
    }
}
