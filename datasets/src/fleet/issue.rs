//! One issue of a desk for a plant: when it is saved, from when it counts, which slots it has, and what it
//! says of them.

use smartpulse_operators::time::{Instant, Zone};

use super::chance::{Chance, Topic};
use super::desks::{Cover, Desk};
use super::faults::availability;
use super::fixed::Fixed;
use super::plants::{Habit, Plant};
use super::power::{Drive, Drives, STEP, gusts, held, power};
use super::weather::Weather;

/// Microseconds in a minute.
const MINUTE: i64 = 60_000_000;
/// Where the error of a forecast stops growing with lead time, in minutes.
const FARTHEST_LEAD: i64 = 2_880;
/// How far a front may be foreseen too early or too late at that lead, in minutes.
const FARTHEST_SHIFT: i64 = 170;

/// The issue of that number by a desk for a plant.
#[derive(Clone, Copy)]
pub(super) struct Issue<'f> {
    pub(super) desk: &'static Desk,
    pub(super) plant: &'f Plant,
    /// All draws of this desk for this plant.
    pub(super) chance: Chance,
    /// The time of issue 0, in minutes since 1970.
    pub(super) first_due: i64,
    pub(super) number: i64,
}

/// What happens with an issue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Issued,
    Late,
    Repeated,
    Null,
    Future,
    Withdrawn,
    Delay,
    Cover,
}

/// Slots of one length, `[from, to)` in minutes since 1970, on its grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slots {
    pub(super) period: u16,
    pub(super) from: i64,
    pub(super) to: i64,
}

/// What values are made from.
pub(super) struct Surroundings<'f> {
    pub(super) weather: &'f Weather,
    pub(super) drives: &'f mut Drives,
}

impl Slots {
    pub(super) fn count(&self) -> i64 {
        (self.to - self.from).max(0) / i64::from(self.period)
    }
}

impl Issue<'_> {
    /// When it is due, in minutes since 1970.
    pub(super) fn due(&self) -> i64 {
        self.first_due + self.number * self.desk.every
    }

    fn draw(&self, event: Event) -> Chance {
        self.chance.at(self.number).about(Topic::Issue).at(event as i64)
    }

    pub(super) fn is_issued(&self) -> bool {
        self.draw(Event::Issued).happens(self.desk.odds.issues)
    }

    /// When it is saved: hours late now and then.
    pub(super) fn recorded(&self) -> Instant {
        let (least, most) = self.desk.delay;
        let late = self.draw(Event::Late);
        let lateness =
            if late.happens(self.desk.odds.late) { late.at(1).between(70, 420) } else { 0 };
        let delay = self.draw(Event::Delay);
        let millis = delay.at(0).between(0, 59_999);
        let minutes = self.due() + delay.at(1).between(least, most) + lateness;
        Instant(minutes * MINUTE + millis * 1_000)
    }

    /// From when it counts.
    pub(super) fn valid_after(&self) -> Instant {
        let recorded = self.recorded();
        let future = self.draw(Event::Future);
        if future.happens(self.desk.odds.future) {
            let hours = future.at(1).between(1, 14);
            return Instant((recorded.0.div_euclid(60 * MINUTE) + hours) * 60 * MINUTE);
        }
        if self.desk.counts_from_save { recorded } else { Instant(self.due() * MINUTE) }
    }

    /// When its batch is withdrawn, if it is.
    pub(super) fn withdrawn(&self) -> Option<Instant> {
        let chance = self.draw(Event::Withdrawn);
        let delay = chance.at(1).between(15 * MINUTE, 300 * MINUTE);
        let is_withdrawn = chance.happens(self.desk.odds.withdrawn);
        is_withdrawn.then(|| Instant((self.recorded().0 + delay) / 1_000 * 1_000))
    }

    /// The issue whose values it has: its own, or those of the one it repeats.
    pub(super) fn origin(self) -> Self {
        let repeats = |issue: &Self| {
            issue.number > 0 && issue.draw(Event::Repeated).happens(issue.desk.odds.repeats)
        };
        let mut origin = self;
        while repeats(&origin) {
            origin.number -= 1;
        }
        origin
    }

    /// The slots it has, by period.
    pub(super) fn slots(&self, zone: &Zone) -> Vec<Slots> {
        let due = self.due();
        let civil_days = |at: Instant, days| {
            let (from, to) = zone.civil_days(at, days);
            (from.0.div_euclid(MINUTE), to.0.div_euclid(MINUTE))
        };
        let now = Instant(due * MINUTE);
        let (today, tomorrow) = civil_days(now, 1);
        let after_tomorrow = civil_days(now, 2).1;
        let periods = self.desk.periods(self.plant).into_iter();
        periods
            .map(|(period, reach)| {
                let minutes = i64::from(period);
                let aligned = |minute: i64| minute + (-minute).rem_euclid(minutes);
                let (from, to) = match self.desk.cover {
                    Cover::Ahead(ahead) => (due + minutes, due + minutes + ahead),
                    Cover::Tomorrow => (tomorrow, after_tomorrow),
                    Cover::TodayAndTomorrow => (due, after_tomorrow),
                    Cover::Correction => {
                        let draw = self.draw(Event::Cover);
                        let from = aligned(due + draw.at(0).between(150, 720));
                        // Single slots are the most common correction.
                        let count =
                            if draw.at(1).happens(450) { 1 } else { draw.at(2).between(2, 8) };
                        (from, from + count * minutes)
                    }
                    Cover::LastHour => (due - 60, due),
                    Cover::Yesterday => (civil_days(Instant((today - 720) * MINUTE), 1).0, today),
                };
                let from = aligned(from);
                Slots { period, from, to: aligned(to).min(from.saturating_add(reach)) }
            })
            .collect()
    }

    /// The slots, of `count`, that it takes back or leaves without a value.
    pub(super) fn nulls(&self, count: i64) -> std::ops::Range<i64> {
        let chance = self.draw(Event::Null);
        if count == 0 || !chance.happens(self.desk.odds.nulls) {
            return 0..0;
        }
        let first = chance.at(1).between(0, count - 1);
        first..(first + chance.at(2).between(1, 6)).min(count)
    }

    /// The power it says for the slot of `period` that starts at `start`, in kW.
    pub(super) fn forecast(&self, start: i64, period: u16, around: &mut Surroundings<'_>) -> i64 {
        let Issue { desk, plant, .. } = *self;
        let due = self.due();
        let middle = start + i64::from(period) / 2;
        let lead = Fixed::ratio((middle - due).clamp(0, FARTHEST_LEAD), FARTHEST_LEAD);
        let here = around.drives.at(plant, around.weather, middle);
        let foreseen = match plant.habit {
            Habit::Turbines { .. } | Habit::Panels { .. } => {
                let shift = self.chance.about(Topic::Shift).wave(middle, 1_200) * lead;
                let seen_at = middle + shift.of(FARTHEST_SHIFT);
                around.drives.at(plant, around.weather, seen_at).main
            }
            // Hours of demand are no weather: they are not foreseen early or late.
            Habit::River { .. } | Habit::PumpedStorage | Habit::Blocks { .. } => here.main,
        };
        let main = foreseen + self.error(here.main, lead, middle);
        let drive = Drive { main, sun: here.sun };
        let whole = power(plant, drive, middle);
        let running =
            if desk.skill.knows_outages { availability(plant, middle, due) } else { Fixed::ONE };
        held(plant, running.of(whole), start)
    }

    /// How wrong it is about the drive `main`: partly as wrong as the issues before it, partly anew.
    fn error(&self, main: Fixed, lead: Fixed, minute: i64) -> Fixed {
        let scale = match self.plant.habit {
            Habit::Turbines { .. } => Fixed::ratio(10, 1),
            Habit::Panels { .. } => Fixed::ratio(13, 10),
            Habit::River { .. } => Fixed::ratio(4, 10),
            // That a plant will stand still is known.
            Habit::PumpedStorage | Habit::Blocks { .. } => main * Fixed::ratio(2, 10),
        };
        let skill = &self.desk.skill;
        let spread = skill.near + (skill.far - skill.near) * lead;
        let misjudged = self.chance.about(Topic::Misjudged).wave(minute, 480);
        let revised = self.draw(Event::Issued).about(Topic::Revised).wave(minute, 200);
        let wave = Fixed::ratio(7, 10) * misjudged + Fixed::ratio(4, 10) * revised;
        scale * (skill.bias + spread * wave)
    }

    /// The power metered in the quarter hour that starts at `start`, in kW: the mean of its minutes.
    pub(super) fn metered(&self, start: i64, period: u16, around: &mut Surroundings<'_>) -> i64 {
        let plant = self.plant;
        let steps = i64::from(period) / STEP;
        let sum: i64 = (0..steps)
            .map(|step| {
                let minute = start + step * STEP;
                let drive = gusts(plant, around.drives.at(plant, around.weather, minute), minute);
                availability(plant, minute, i64::MAX).of(power(plant, drive, minute))
            })
            .sum();
        held(plant, sum.div_euclid(steps), start)
    }
}
