//! The `resolved` and `totals` of a picture: computed from scratch, day by day, at any reference and
//! knowledge. Exports, hashes and `check` read these; what is live is kept by the dataflow.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartpulse_connectors::{ResolvedRow, TotalRow};
use smartpulse_operators::block::DayState;
use smartpulse_operators::members::members_of;
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::resample::{Spread, TotalSpread};
use smartpulse_operators::resolve::{Resolved, resolve_day};
use smartpulse_operators::series::{Kind, Provider, Series};
use smartpulse_operators::stretches::Stretches;
use smartpulse_operators::time::{Day, Instant, Period};
use smartpulse_operators::timeline::Timeline;
use smartpulse_operators::total::Total;
use smartpulse_operators::totals::sums::{DaySums, TotalDay};
use smartpulse_operators::unit::{Unit, UnitType};

use crate::history::HistoryError;
use crate::picture::{AsOf, DayPicture, Picture, Selection};

/// At which period a view is read, and how complete a slot must be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// None: the grid of each day.
    pub period: Option<Period>,
    /// Least coverage, 0 to 1, below which a slot has no value.
    pub completeness: f64,
}

impl Reading {
    fn value(self, value: i64, coverage: f64) -> Option<Quantity> {
        (coverage >= self.completeness).then_some(Quantity(value))
    }
}

/// Visits the rows of `resolved`: slots of which anything is covered, by unit and provider.
///
/// # Errors
/// [`HistoryError`], and what `visit` returns.
pub fn for_each_resolved<E: From<HistoryError>>(
    picture: &Picture<'_>,
    as_of: AsOf,
    selection: &Selection,
    reading: Reading,
    mut visit: impl FnMut(Kind, Day, ResolvedRow<'_>) -> Result<(), E>,
) -> Result<(), E> {
    picture.for_each_day(as_of, selection, |of_day: DayPicture<DayState>| {
        let DayPicture { kind, day, .. } = of_day;
        for (named, resolved) in resolved_days(&of_day) {
            let period = reading.period.unwrap_or(resolved.grid());
            let series = Series { period, ..Series::clone(&named) };
            for slot in 0..period.slots() {
                let (from, to) = slot_of(day, period, slot);
                if !Picture::holds(selection, from) {
                    continue;
                }
                let mut spread = Spread::over(from, to);
                spread.add(&resolved, day);
                let Some(power) = spread.power() else { continue };
                let coverage = spread.coverage();
                let value = reading.value(power, coverage);
                let row = ResolvedRow { series: &series, delivery_start: from, value, coverage };
                visit(kind, day, row)?;
            }
        }
        Ok(())
    })
}

/// Visits the rows of `totals`: slots to which anybody reports, by total and provider.
///
/// # Errors
/// [`HistoryError`], and what `visit` returns.
pub fn for_each_total<E: From<HistoryError>>(
    picture: &Picture<'_>,
    as_of: AsOf,
    selection: &Selection,
    reading: Reading,
    mut visit: impl FnMut(Kind, Day, TotalRow<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let belonging = Belonging::known_at(picture, as_of.known_at);
    picture.for_each_day(as_of, selection, |of_day: DayPicture<DayState>| {
        let DayPicture { kind, day, .. } = of_day;
        for ((total, provider), sums) in belonging.sums(&of_day) {
            let total_day = sums.read(&belonging.timelines[total], day);
            let period = reading.period.unwrap_or(total_day.grid);
            for slot in 0..period.slots() {
                let (from, to) = slot_of(day, period, slot);
                if !Picture::holds(selection, from) {
                    continue;
                }
                let mut spread = TotalSpread::over(from, to);
                spread.add(&total_day, day);
                let (Some(power), coverage) = (spread.power(), spread.coverage()) else { continue };
                let value = reading.value(power, coverage);
                let TotalSpread { members, reporting, .. } = spread;
                let (provider, delivery_start) = (&provider, from);
                let row = TotalRow {
                    total,
                    kind,
                    provider,
                    period,
                    delivery_start,
                    value,
                    members,
                    reporting,
                    coverage,
                };
                visit(kind, day, row)?;
            }
        }
        Ok(())
    })
}

/// Who belongs to which total, and when, as known at an instant.
pub struct Belonging {
    of_plants: BTreeMap<Unit, Vec<(Total, Stretches)>>,
    timelines: BTreeMap<Total, Timeline>,
}

impl Belonging {
    /// As known at `known_at`; none: now.
    #[must_use]
    pub fn known_at(picture: &Picture<'_>, known_at: Option<Instant>) -> Belonging {
        let statements = picture.base.reference.known_at(known_at).collect();
        let mut belonging = Belonging { of_plants: BTreeMap::new(), timelines: BTreeMap::new() };
        for (plant, (total, held)) in members_of(statements) {
            belonging.timelines.entry(total.clone()).or_default().add(&held, 1);
            belonging.of_plants.entry(plant).or_default().push((total, held));
        }
        belonging
    }

    /// The sums of a day, by total and provider.
    #[must_use]
    pub fn sums(&self, of_day: &DayPicture<DayState>) -> BTreeMap<(&Total, Provider), DaySums> {
        let mut sums: BTreeMap<(&Total, Provider), DaySums> = BTreeMap::new();
        for (series, resolved) in resolved_days(of_day) {
            // Forecasts of companies and groups for themselves are never mixed with sums.
            if series.unit.unit_type != UnitType::PowerPlant {
                continue;
            }
            for (total, held) in self.of_plants.get(&series.unit).into_iter().flatten() {
                if held.of_day(of_day.day).next().is_some() {
                    let of_total = sums.entry((total, series.provider.clone())).or_default();
                    of_total.add(resolved.values(), held, of_day.day, 1);
                }
            }
        }
        sums
    }

    /// A day of a total as read.
    #[must_use]
    pub fn read(&self, total: &Total, sums: &DaySums, day: Day) -> Option<TotalDay> {
        Some(sums.read(self.timelines.get(total)?, day))
    }
}

/// What holds for each unit and provider, with one of its series.
fn resolved_days(of_day: &DayPicture<DayState>) -> Vec<(Arc<Series>, Resolved)> {
    let same = |one: &(Arc<Series>, DayState), other: &(Arc<Series>, DayState)| {
        (one.0.unit, &one.0.provider) == (other.0.unit, &other.0.provider)
    };
    let subjects = of_day.series.chunk_by(same);
    let resolved = subjects.filter_map(|parts| {
        let resolved = resolve_day(parts.iter().map(|(_, state)| state))?;
        Some((Arc::clone(&parts[0].0), resolved))
    });
    resolved.collect()
}

fn slot_of(day: Day, period: Period, slot: usize) -> (Instant, Instant) {
    let from = day.slot_start(period, slot);
    (from, from.plus_minutes(period.minutes().into()))
}
