//! `resample`: reads at another period. The energy that is forecast in a target slot is spread over all of
//! it: Σ(power × covered time) / slot length, with how much of the slot is covered (contract section 2).
//!
//! Finer than the grid repeats the power; coarser, and slots cut by a civil day or month, count by covered
//! time. It is linear, so parts and totals agree at every period up to one rounding each.

use crate::quantity::NULL;
use crate::resolve::Resolved;
use crate::time::{Day, Instant, Period};
use crate::totals::sums::TotalDay;

/// A target slot of a unit, filled day by day. Times are microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    from: Instant,
    to: Instant,
    /// Σ(power × covered time), in hundredths of a kW times microseconds.
    energy: i128,
    covered: i64,
}

/// A target slot of a total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotalSpread {
    spread: Spread,
    /// The greatest number of members in the slot.
    pub members: u32,
    /// The greatest number of members that report in it.
    pub reporting: u32,
    member_time: i128,
    reporting_time: i128,
}

impl Spread {
    /// The slot `[from, to)`, of which nothing is covered yet.
    #[must_use]
    pub fn over(from: Instant, to: Instant) -> Spread {
        Spread { from, to, energy: 0, covered: 0 }
    }

    /// Adds what a day says.
    pub fn add(&mut self, resolved: &Resolved, day: Day) {
        for (slot, time) in self.parts(resolved.grid(), day) {
            let value = resolved.value(slot);
            if value != NULL {
                self.energy += i128::from(value) * i128::from(time);
                self.covered += time;
            }
        }
    }

    /// Average power over the whole slot, in hundredths of a kW, rounded once half away from zero; none
    /// where nothing is covered.
    #[must_use]
    pub fn power(&self) -> Option<i64> {
        (self.covered > 0).then(|| rounded(self.energy, self.length().into()))
    }

    /// The energy of the slot in hundredths of a kWh, rounded once half away from zero; none where nothing
    /// is covered.
    #[must_use]
    pub fn energy(&self) -> Option<i64> {
        const HOUR: i128 = 3_600_000_000;
        (self.covered > 0).then(|| rounded(self.energy, HOUR))
    }

    /// Covered time over the slot's length.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        self.covered as f64 / self.length() as f64
    }

    fn length(&self) -> i64 {
        self.to.0 - self.from.0
    }

    /// Slots of `day` on `grid` that the target meets, with the time they share.
    fn parts(&self, grid: Period, day: Day) -> impl Iterator<Item = (usize, i64)> + use<> {
        let length = Day(1).start().0 / grid.slots() as i64;
        let (start, end) = (day.start().0, Day(day.0 + 1).start().0);
        let (from, to) = (self.from.0.max(start) - start, self.to.0.min(end) - start);
        let slots = if from < to { from / length..(to + length - 1) / length } else { 0..0 };
        slots.map(move |slot| {
            let shared = to.min((slot + 1) * length) - from.max(slot * length);
            (slot as usize, shared)
        })
    }
}

impl TotalSpread {
    /// The slot `[from, to)`, to which nobody has reported yet.
    #[must_use]
    pub fn over(from: Instant, to: Instant) -> TotalSpread {
        let spread = Spread::over(from, to);
        TotalSpread { spread, members: 0, reporting: 0, member_time: 0, reporting_time: 0 }
    }

    /// Adds a day; one on which nobody reports counts too, for its members.
    pub fn add(&mut self, total: &TotalDay, day: Day) {
        for (slot, time) in self.spread.parts(total.grid, day) {
            let (members, reporting) = (total.members[slot], total.reporting[slot]);
            self.members = self.members.max(members);
            self.reporting = self.reporting.max(reporting);
            self.member_time += i128::from(members) * i128::from(time);
            self.reporting_time += i128::from(reporting) * i128::from(time);
            self.spread.energy += i128::from(total.sums[slot]) * i128::from(time);
            self.spread.covered += if reporting > 0 { time } else { 0 };
        }
    }

    /// As [`Spread::power`].
    #[must_use]
    pub fn power(&self) -> Option<i64> {
        self.spread.power()
    }

    /// As [`Spread::energy`].
    #[must_use]
    pub fn energy(&self) -> Option<i64> {
        self.spread.energy()
    }

    /// Σ(reporting × time) / Σ(members × time); 0 where nobody belongs.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        if self.member_time == 0 {
            return 0.0;
        }
        self.reporting_time as f64 / self.member_time as f64
    }
}

/// `of / by`, half away from zero.
fn rounded(of: i128, by: i128) -> i64 {
    let half_up = (2 * of.abs() + by) / (2 * by);
    (half_up * of.signum()) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::DayState;
    use crate::chunk::Revision;
    use crate::resolve::resolve_day;
    use crate::testing::batch;
    use std::sync::Arc;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    /// A day of half hours that are worth their number, of which those from 40 on say nothing.
    fn half_hours() -> Resolved {
        let batch = Arc::new(batch(1, Instant(0), Instant(0), "p", false));
        let values: Vec<i64> = (0..40).collect();
        let revision = Revision { batch, first: 0, values: values.into() };
        resolve_day([&DayState::fold(48, [&revision])]).unwrap()
    }

    fn read(from: &str, to: &str) -> (Option<i64>, Option<i64>, f64) {
        let (from, to) = (at(from), at(to));
        let mut spread = Spread::over(from, to);
        spread.add(&half_hours(), at("2026-01-01T00:00Z").day());
        (spread.power(), spread.energy(), spread.coverage())
    }

    #[test]
    fn a_finer_slot_repeats_the_power() {
        assert_eq!(read("2026-01-01T01:10Z", "2026-01-01T01:15Z"), (Some(2), Some(0), 1.0));
    }

    #[test]
    fn a_coarser_slot_spreads_the_energy_and_rounds_once_half_away_from_zero() {
        assert_eq!(read("2026-01-01T01:00Z", "2026-01-01T02:00Z"), (Some(3), Some(3), 1.0));
        assert_eq!(read("2026-01-01T00:00Z", "2026-01-01T02:00Z"), (Some(2), Some(3), 1.0));
    }

    #[test]
    fn what_is_not_covered_counts_as_nothing_and_shows() {
        assert_eq!(read("2026-01-01T19:00Z", "2026-01-01T21:00Z"), (Some(19), Some(39), 0.5));
        assert_eq!(read("2026-01-01T22:00Z", "2026-01-01T23:00Z"), (None, None, 0.0));
    }

    #[test]
    fn slots_cut_by_the_target_count_by_time() {
        // A third of slot 1 and two thirds of slot 2.
        assert_eq!(read("2026-01-01T00:50Z", "2026-01-01T01:20Z"), (Some(2), Some(1), 1.0));
    }

    #[test]
    fn rounding_is_away_from_zero_on_both_sides() {
        assert_eq!((rounded(5, 2), rounded(-5, 2), rounded(4, 3), rounded(-4, 3)), (3, -3, 1, -1));
    }
}
