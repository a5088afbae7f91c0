//! Chance that can be asked in any order: each question has its own number, drawn from the seed and the
//! question alone. So a part of a fleet can be computed without what came before it.

use super::fixed::Fixed;

/// Odd, with bits spread evenly: the step of the SplitMix64 generator.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What is drawn; topics keep the draws for one thing apart from those for another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Topic {
    Area,
    Region,
    Plant,
    Front,
    Wind,
    Cloud,
    Inflow,
    Gust,
    Dispatch,
    Outage,
    Desk,
    Issue,
    Shift,
    Misjudged,
    Revised,
    MeterFault,
    Owner,
    Living,
}

/// A place in the tree of all draws of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn of_seed(seed: u64) -> Chance {
        Chance(mixed(seed))
    }

    /// The draws about `topic` below this place.
    pub(super) fn about(self, topic: Topic) -> Chance {
        Chance(mixed(self.0 ^ GOLDEN.wrapping_mul(topic as u64 + 1)))
    }

    /// The draws of the thing of that number below this place.
    pub(super) fn at(self, number: i64) -> Chance {
        Chance(mixed(self.0.wrapping_add(GOLDEN.wrapping_mul(number as u64).wrapping_add(GOLDEN))))
    }

    /// A whole number in `0..bound`; each call on the same place gives the same.
    pub(super) fn below(self, bound: u64) -> u64 {
        ((u128::from(self.0) * u128::from(bound)) >> 64) as u64
    }

    /// A whole number in `least..=most`.
    pub(super) fn between(self, least: i64, most: i64) -> i64 {
        least + self.below((most - least + 1) as u64) as i64
    }

    /// Whether it happens, in so many of a thousand cases.
    pub(super) fn happens(self, in_thousand: u64) -> bool {
        self.below(1_000) < in_thousand
    }

    /// From −1 up to 1.
    pub(super) fn swing(self) -> Fixed {
        Fixed::from_bits((self.0 >> 47) as i64 - (1 << 16))
    }

    /// One of a list.
    pub(super) fn one_of<T: Copy>(self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    /// A curve over time between −1 and 1 that bends every `mesh` minutes at most.
    pub(super) fn wave(self, minute: i64, mesh: i64) -> Fixed {
        let (knot, within) = (minute.div_euclid(mesh), minute.rem_euclid(mesh));
        let (one, next) = (self.at(knot).swing(), self.at(knot + 1).swing());
        one + (next - one) * Fixed::ratio(within, mesh).eased()
    }
}

/// The finalizer of SplitMix64.
fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread_evenly_and_waves_are_smooth() {
        let chance = Chance::of_seed(7).about(Topic::Plant);
        let mut counts = [0_u32; 10];
        (0..10_000).for_each(|number| counts[chance.at(number).below(10) as usize] += 1);
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
        let mean: Fixed = (0..10_000).map(|number| chance.at(number).swing()).sum();
        assert!(mean.over(Fixed::ratio(10_000, 1)).bits().abs() < 1_500);
        let steps = (0..5_000).map(|minute| chance.wave(minute + 1, 60) - chance.wave(minute, 60));
        assert!(steps.map(|step| step.bits().abs()).max() < Some(4_000));
    }

    #[test]
    fn seeds_topics_and_numbers_have_draws_of_their_own() {
        let of = |seed, number| Chance::of_seed(seed).about(Topic::Front).at(number);
        assert_ne!(of(1, 5), of(2, 5));
        assert_ne!(of(1, 5), of(1, 6));
        assert_ne!(of(1, 5), Chance::of_seed(1).about(Topic::Cloud).at(5));
        assert_eq!(of(0, -3), of(0, -3));
    }
}
