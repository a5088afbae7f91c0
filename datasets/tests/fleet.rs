//! The fleet that a seed makes: the same each time, plausible at any time, and with everything in it that a
//! forecast platform must cope with.
// The lint knows test functions by themselves; what they call fails a test in the same way.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use smartpulse_datasets::{ReplayRules, Source};
use smartpulse_operators::change::{Change, Checks, Entry, Save};
use smartpulse_operators::quantity::{ABSENT, Quantity};
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Unit, UnitVersion};

mod fleet {
    mod features;
    mod files;
    mod living;
    mod plausible;
    mod skill;
    mod stream;
}

/// Microseconds in a minute.
const MINUTE: i64 = 60_000_000;

fn rules() -> ReplayRules {
    ReplayRules {
        checks: Checks::default(),
        round_digits: None,
        skips_existing_check: false,
        allowed_periods: vec![5, 10, 15, 30, 60],
        value_bound: Quantity::DEFAULT_BOUND,
        spill_dir: "no sort takes place".into(),
        sort_bytes: 64 << 20,
    }
}

fn source(text: &str) -> Source {
    Source::parse(text, Path::new("no data sets are needed")).unwrap()
}

fn changes(text: &str) -> impl Iterator<Item = Change> {
    source(text).open(&rules()).unwrap().map(Result::unwrap)
}

/// Unit, period in minutes, start of the slot, hundredths of a kW or NULL.
type Value = (Unit, u16, Instant, i64);

/// The values of a save.
fn values(save: &Save) -> Vec<Value> {
    save.entries.iter().flat_map(entry_values).collect()
}

/// The values of one of its curves.
fn entry_values(entry: &Entry) -> Vec<Value> {
    let mut all = Vec::new();
    entry.curve.for_each_day(entry.period, |day, first, values| {
        let slots = values.iter().zip(first..).filter(|(value, _)| **value != ABSENT);
        all.extend(slots.map(|(value, slot)| {
            let start = day.slot_start(entry.period, slot);
            (entry.unit, entry.period.minutes(), start, *value)
        }));
    });
    all
}

/// The versions of each unit, by `valid_from`.
#[derive(Default)]
struct Units(BTreeMap<Unit, Vec<UnitVersion>>);

impl Units {
    fn of(changes: &[Change]) -> Units {
        let mut units = Units::default();
        for change in changes {
            if let Change::Unit(version) = change {
                units.0.entry(version.unit).or_default().push(version.clone());
            }
        }
        units
    }

    fn at(&self, unit: Unit, instant: Instant) -> &UnitVersion {
        self.0[&unit].iter().rev().find(|version| version.valid_from <= instant).unwrap()
    }

    fn plant_type(&self, unit: Unit) -> &str {
        self.0[&unit][0].plant_type.as_deref().unwrap()
    }
}
