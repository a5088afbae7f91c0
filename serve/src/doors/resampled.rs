//! Slots at a period other than those saved, and totals: what is computed from the grid of each day.

use std::fmt::Write as _;

use serde_json::Value;
use smartpulse_operators::civil::CivilPeriod;
use smartpulse_operators::resample::{Spread, TotalSpread};
use smartpulse_operators::series::Provider;
use smartpulse_operators::time::{Instant, Period};
use smartpulse_operators::total::Total;
use smartpulse_operators::unit::Unit;

use super::axes::Axes;
use super::curve_text::{CurveText, measure_word};
use super::reading::{Shape, Target};
use super::told::ToldDays;

/// A computed slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Computed {
    pub(crate) target: Target,
    /// In hundredths of a kW, or of a kWh where energy was asked for; none where too little is covered.
    value: Option<i64>,
    coverage: f64,
    /// Members and those that report, of a total.
    counts: Option<(u32, u32)>,
}

/// Whose slots they are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose<'w> {
    Unit(Unit),
    Total(&'w Total),
}

/// The period an element names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Minutes(Period),
    Civil(CivilPeriod),
}

impl Named {
    pub(crate) fn of(shape: Shape, as_saved: Period) -> Named {
        match shape {
            Shape::AsSaved => Named::Minutes(as_saved),
            Shape::Every(period) => Named::Minutes(period),
            Shape::Civil(period) => Named::Civil(period),
        }
    }
}

/// The slots of a unit at `targets`; those of which nothing is covered are not there.
pub(crate) fn of_unit(
    told: &mut ToldDays,
    targets: &[Target],
    axes: &Axes,
    text: &CurveText,
    completeness: f64,
) -> Vec<Computed> {
    let mut slots = Vec::new();
    for target in targets {
        let mut spread = Spread::over(target.from, target.to);
        for day in target.days() {
            if let Some(resolved) = told.resolved(day, axes.at(target.from)) {
                spread.add(&resolved, day);
            }
        }
        let value = if text.measure.is_energy() { spread.energy() } else { spread.power() };
        let coverage = spread.coverage();
        slots.extend(value.map(|value| Computed {
            target: *target,
            value: (coverage >= completeness).then_some(value),
            coverage,
            counts: None,
        }));
    }
    slots
}

/// A slot of a total; none where nobody reports.
pub(crate) fn of_total(
    target: Target,
    spread: &TotalSpread,
    text: &CurveText,
    completeness: f64,
) -> Option<Computed> {
    let value = if text.measure.is_energy() { spread.energy() } else { spread.power() }?;
    let coverage = spread.coverage();
    Some(Computed {
        target,
        value: (coverage >= completeness).then_some(value),
        coverage,
        counts: Some((spread.members, spread.reporting)),
    })
}

/// Appends an element to `text`.
pub(crate) fn write(
    style: &CurveText,
    whose: Whose<'_>,
    provider: &Provider,
    named: Named,
    slots: &[Computed],
    text: &mut String,
) {
    let measure = measure_word(style.measure);
    let provider = Value::from(provider.key()).to_string();
    text.reserve(128 + slots.len() * 96);
    // Writing into a string cannot fail.
    let _ = match whose {
        Whose::Unit(unit) => {
            write!(text, r#"{{"unitType":"{}","unitNo":{},"#, unit.unit_type.word(), unit.unit_no)
        }
        Whose::Total(total) => write!(
            text,
            r#"{{"dimension":"{}","key":{},"#,
            total.dimension(),
            Value::from(total.key())
        ),
    };
    let _ = write!(text, r#""providerKey":{provider},"period":"#);
    let _ = match named {
        Named::Minutes(period) => write!(text, "{}", period.minutes()),
        Named::Civil(period) => write!(text, r#""{}""#, period.word()),
    };
    let _ = write!(text, r#","measureUnit":"{measure}","predictions":["#);
    for (index, slot) in slots.iter().enumerate() {
        text.push_str(if index == 0 { r#"{"ds":""# } else { r#",{"ds":""# });
        style.clock.write(slot.target.from, text);
        text.push_str(r#"","v":"#);
        match slot.value {
            Some(value) => style.measure.write(value, text),
            None => text.push_str("null"),
        }
        if slot.coverage < 1.0 {
            let _ = write!(text, r#","coverage":{}"#, slot.coverage);
        }
        if let Some((members, reporting)) = slot.counts {
            let _ = write!(text, r#","members":{members},"reporting":{reporting}"#);
        }
        if matches!(named, Named::Civil(_)) {
            let _ = write!(text, r#","hours":{}"#, hours(slot.target.from, slot.target.to));
        }
        if style.details {
            let _ = write!(text, r#","pk":{provider}"#);
        }
        let _ = write!(text, r#","mu":"{measure}"}}"#);
    }
    text.push_str("]}");
}

fn hours(from: Instant, to: Instant) -> f64 {
    (to.0 - from.0) as f64 / 3_600_000_000.0
}
