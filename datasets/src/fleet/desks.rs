//! Who issues what and when: the desks of a fleet, each a provider with its rhythm, its habits and its skill.

use smartpulse_operators::series::{Kind, Provider};

use super::fixed::Fixed;
use super::places::PlantKind;
use super::plants::Plant;

/// One way in which one provider issues values of plants. Times are in minutes, odds in thousandths.
pub(super) struct Desk {
    /// Begins the keys of its batches.
    pub(super) name: &'static str,
    pub(super) provider: &'static str,
    pub(super) kind: Kind,
    /// Whether a person or meter saves, so that values count from the save on; else from the issue on.
    pub(super) counts_from_save: bool,
    /// Between two times at which it may issue.
    pub(super) every: i64,
    /// The first of them in a day, in UTC or on the clock of the plant's area.
    pub(super) first: Clock,
    pub(super) cover: Cover,
    /// From issue to save.
    pub(super) delay: (i64, i64),
    pub(super) odds: Odds,
    pub(super) skill: Skill,
}

/// How often something happens at a desk, in thousandths of its issues.
pub(super) struct Odds {
    /// That it issues at all.
    pub(super) issues: u64,
    /// That the save is hours late.
    pub(super) late: u64,
    /// That it issues the former values again.
    pub(super) repeats: u64,
    /// That some values are taken back.
    pub(super) nulls: u64,
    /// That it counts only from some hours after the save.
    pub(super) future: u64,
    /// That the batch is withdrawn.
    pub(super) withdrawn: u64,
}

/// A time of day, in minutes.
#[derive(Clone, Copy)]
pub(super) enum Clock {
    Utc(i64),
    Office(i64),
}

/// Which slots an issue has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cover {
    /// So many minutes from the next slot on.
    Ahead(i64),
    /// The next civil day.
    Tomorrow,
    /// What is left of the civil day, and the next one.
    TodayAndTomorrow,
    /// A few slots some hours ahead.
    Correction,
    /// The hour before.
    LastHour,
    /// The civil day before.
    Yesterday,
}

/// How wrong a forecast is, in shares of the drive's scale.
#[derive(Clone, Copy)]
pub(super) struct Skill {
    /// At the time of the issue.
    pub(super) near: Fixed,
    /// Two days ahead.
    pub(super) far: Fixed,
    pub(super) bias: Fixed,
    /// Whether it knows of outages that have begun.
    pub(super) knows_outages: bool,
}

const fn skill(near: i64, far: i64, bias: i64, knows_outages: bool) -> Skill {
    let share = Fixed::thousandths;
    Skill { near: share(near), far: share(far), bias: share(bias), knows_outages }
}

/// The slot lengths of all desks, in minutes.
pub(super) const PERIODS: [u16; 5] = [5, 10, 15, 30, 60];

const METER: Odds = Odds { issues: 1_000, late: 12, repeats: 0, nulls: 0, future: 0, withdrawn: 0 };

/// So many desks are in a fleet of a seed; those behind them work in a fleet that goes on, so that a fleet of
/// a seed stays what it was.
pub(super) const FILED_DESKS: usize = 8;

/// All desks, in the order in which they save at the same instant.
pub(super) const DESKS: [Desk; 9] = [
    Desk {
        name: "Meter",
        provider: Provider::METER,
        kind: Kind::Actual,
        counts_from_save: true,
        every: 60,
        first: Clock::Utc(0),
        cover: Cover::LastHour,
        delay: (3, 17),
        odds: METER,
        skill: skill(0, 0, 0, true),
    },
    Desk {
        name: "Meter/settled",
        provider: Provider::METER,
        kind: Kind::Actual,
        counts_from_save: true,
        every: 1_440,
        first: Clock::Office(8 * 60),
        cover: Cover::Yesterday,
        delay: (5, 90),
        odds: METER,
        skill: skill(0, 0, 0, true),
    },
    Desk {
        name: "MeteoNord",
        provider: "MeteoNord",
        kind: Kind::Forecast,
        counts_from_save: false,
        every: 360,
        first: Clock::Utc(0),
        cover: Cover::Ahead(2_880),
        delay: (22, 70),
        odds: Odds { issues: 1_000, late: 45, repeats: 90, nulls: 25, future: 0, withdrawn: 12 },
        skill: skill(95, 420, 22, false),
    },
    Desk {
        name: "WindCast",
        provider: "WindCast",
        kind: Kind::Forecast,
        counts_from_save: false,
        every: 60,
        first: Clock::Utc(0),
        cover: Cover::Ahead(720),
        delay: (2, 9),
        odds: Odds { issues: 1_000, late: 30, repeats: 80, nulls: 15, future: 0, withdrawn: 6 },
        skill: skill(20, 470, -8, false),
    },
    Desk {
        name: "SunFlow",
        provider: "SunFlow",
        kind: Kind::Forecast,
        counts_from_save: false,
        every: 180,
        first: Clock::Utc(60),
        cover: Cover::Ahead(2_160),
        delay: (5, 25),
        odds: Odds { issues: 1_000, late: 40, repeats: 80, nulls: 20, future: 0, withdrawn: 8 },
        skill: skill(70, 330, 12, false),
    },
    Desk {
        name: "UserForecast",
        provider: "UserForecast",
        kind: Kind::Forecast,
        counts_from_save: true,
        every: 1_440,
        first: Clock::Office(9 * 60 + 20),
        cover: Cover::Tomorrow,
        delay: (0, 110),
        odds: Odds { issues: 985, late: 60, repeats: 20, nulls: 30, future: 60, withdrawn: 15 },
        skill: skill(110, 400, -35, true),
    },
    Desk {
        name: "UserForecast/correction",
        provider: "UserForecast",
        kind: Kind::Forecast,
        counts_from_save: true,
        every: 240,
        first: Clock::Office(7 * 60),
        cover: Cover::Correction,
        delay: (0, 230),
        odds: Odds { issues: 220, late: 0, repeats: 0, nulls: 80, future: 80, withdrawn: 20 },
        skill: skill(60, 300, -20, true),
    },
    Desk {
        name: "FinalForecast",
        provider: Provider::FINAL_FORECAST,
        kind: Kind::Forecast,
        counts_from_save: true,
        every: 720,
        first: Clock::Office(10 * 60 + 40),
        cover: Cover::TodayAndTomorrow,
        delay: (0, 25),
        odds: Odds { issues: 1_000, late: 20, repeats: 60, nulls: 10, future: 15, withdrawn: 8 },
        skill: skill(80, 270, 4, true),
    },
    Desk {
        name: "ForecastImport",
        provider: "ForecastImport",
        kind: Kind::Forecast,
        counts_from_save: true,
        every: 360,
        first: Clock::Utc(30),
        cover: Cover::TodayAndTomorrow,
        delay: (1, 6),
        odds: Odds { issues: 1_000, late: 20, repeats: 120, nulls: 0, future: 0, withdrawn: 5 },
        skill: skill(90, 350, 15, false),
    },
];

impl Desk {
    /// Whether it issues for `plant`.
    pub(super) fn serves(&self, plant: &Plant) -> bool {
        match self.name {
            "MeteoNord" => plant.kind != PlantKind::Thermal,
            "WindCast" => plant.kind == PlantKind::Wind,
            "SunFlow" => plant.kind == PlantKind::Solar,
            _ => true,
        }
    }

    /// The slot lengths in which it issues for `plant`, each with the minutes it reaches at most.
    pub(super) fn periods(&self, plant: &Plant) -> Vec<(u16, i64)> {
        let rank = plant.rank();
        let minutes = match (self.name, rank % 10) {
            // The five-minute nowcast comes with the quarters of the next hours.
            ("WindCast", _) if rank.is_multiple_of(4) => return vec![(5, 180), (15, 1_440)],
            ("WindCast", _) => 15,
            ("SunFlow", 1 | 2) => 10,
            ("SunFlow", 4) => 30,
            ("MeteoNord", 0..=5) => 60,
            ("MeteoNord", 6) => 30,
            ("MeteoNord", 7) if plant.kind == PlantKind::Wind => 10,
            ("FinalForecast", 3..=6) => 60,
            // Where clocks are off by half hours, hours of UTC do not fill a civil day.
            (name, _) if name.starts_with("UserForecast") => {
                if plant.area().office_offset % 60 == 0 { 60 } else { 30 }
            }
            _ => 15,
        };
        vec![(minutes, i64::MAX)]
    }

    /// The first time at or after `minute` (since 1970) at which it may issue for `plant`.
    pub(super) fn first_due(&self, plant: &Plant, minute: i64) -> i64 {
        let of_day = match self.first {
            Clock::Utc(of_day) => of_day,
            Clock::Office(of_day) => of_day - plant.area().office_offset,
        };
        minute + (of_day - minute).rem_euclid(self.every)
    }
}
