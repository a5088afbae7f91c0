//! The workload as rows of points: what the references are fed. Made outside of what is measured.

use smartpulse_operators::change::{Change, Tick};
use smartpulse_operators::quantity::NULL;
use smartpulse_operators::series::Provider;

/// A point: whose slot, in which order it counts, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Point {
    /// Plant, provider and period.
    pub(crate) series: u32,
    /// Slot since 1970 on the series' grid.
    pub(crate) slot: u32,
    /// `valid_after` and sequence.
    pub(crate) order: (i64, u64),
    /// In hundredths of a kW; [`NULL`] for none.
    pub(crate) value: i64,
}

impl Point {
    /// The plant of a series number.
    pub(crate) fn plant(self) -> u64 {
        u64::from(self.series >> 16)
    }

    /// Provider and period, as one number.
    pub(crate) fn voice(self) -> u32 {
        self.series & 0xffff
    }

    /// Whether there is a value.
    pub(crate) fn reports(self) -> bool {
        self.value != NULL
    }
}

/// The points of a tick; withdrawals and sales say none.
pub(crate) fn points(tick: &Tick) -> Vec<Point> {
    let mut points = Vec::new();
    for change in &tick.changes {
        let Change::Save(save) = change else { continue };
        let order = (save.batch.valid_after.0, save.batch.sequence.0);
        for entry in &save.entries {
            let minutes = entry.period.minutes();
            let voice = provider_number(&save.batch.provider) << 12 | u32::from(minutes);
            let series = (entry.unit.unit_no as u32) << 16 | voice;
            entry.curve.for_each_day(entry.period, |day, first, values| {
                let begin = day.0 as u32 * entry.period.slots() as u32 + first as u32;
                for (slot, value) in (begin..).zip(values) {
                    points.push(Point { series, slot, order, value: *value });
                }
            });
        }
    }
    points
}

fn provider_number(provider: &Provider) -> u32 {
    match provider.key() {
        "FinalForecast" => 0,
        "UserForecast" => 1,
        _ => 2,
    }
}
