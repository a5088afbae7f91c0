//! The public data sets as they lie: what a replay takes from them against readings of the same files by
//! other means, and what it says of damaged copies.
//!
//! One binary, so that the crate is linked once; each module tests one data set.
// The lint knows test functions by themselves; what they call fails a test in the same way.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use smartpulse_datasets::{Changes, ReplayRules, Source, SourceError};
use smartpulse_operators::change::{Change, Checks, Curve, Save};
use smartpulse_operators::quantity::{ABSENT, NULL, Quantity};
use smartpulse_operators::time::{Instant, Period};
use smartpulse_operators::unit::UnitVersion;

mod published {
    mod eia930;
    mod elexon_pn;
    mod rts_gmlc;
}

/// The folder of the public data sets.
fn datasets() -> PathBuf {
    let folder = std::env::var_os("SMARTPULSE_DATASETS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/datasets"),
        PathBuf::from,
    );
    assert!(
        folder.is_dir(),
        "{} is no folder: set SMARTPULSE_DATASETS to the folder of the public data sets",
        folder.display()
    );
    folder
}

fn rules() -> ReplayRules {
    ReplayRules {
        checks: Checks::default(),
        round_digits: None,
        skips_existing_check: false,
        allowed_periods: vec![5, 10, 15, 30, 60],
        value_bound: Quantity::DEFAULT_BOUND,
        spill_dir: std::env::temp_dir(),
        sort_bytes: 64 << 20,
    }
}

/// All changes of the real data set of that word.
fn replayed(word: &str) -> Vec<Change> {
    Source::parse(word, &datasets()).unwrap().open(&rules()).unwrap().map(Result::unwrap).collect()
}

fn saves(changes: &[Change]) -> impl Iterator<Item = &Save> {
    changes.iter().filter_map(|change| match change {
        Change::Save(save) => Some(save),
        _ => None,
    })
}

fn units(changes: &[Change]) -> Vec<&UnitVersion> {
    let units = changes.iter().filter_map(|change| match change {
        Change::Unit(unit) => Some(unit),
        _ => None,
    });
    units.collect()
}

/// Fails unless `recorded` never goes back and master data comes first.
fn assert_order(changes: &[Change]) {
    let class = |change: &Change| match change {
        Change::Unit(_) => 0,
        Change::Membership(_) => 1,
        _ => 2,
    };
    let places: Vec<(Instant, i32)> =
        changes.iter().map(|change| (change.recorded(), class(change))).collect();
    assert!(places.is_sorted());
    assert!(changes.iter().all(|change| class(change) == 2 || change.recorded() == Instant::MIN));
}

/// The slots of a curve with their values; none for a withdrawal.
fn slots(curve: &Curve, period: Period) -> BTreeMap<Instant, Option<i64>> {
    let mut slots = BTreeMap::new();
    curve.for_each_day(period, |day, first, values| {
        for (slot, value) in (first..).zip(values).filter(|(_, value)| **value != ABSENT) {
            slots.insert(day.slot_start(period, slot), Some(*value).filter(|value| *value != NULL));
        }
    });
    slots
}

fn refused(save: &Save) -> BTreeMap<&'static str, u64> {
    save.refused.iter().map(|(outcome, count)| (outcome.code().unwrap(), *count)).collect()
}

/// The error that opening or replaying ends with, without the folder.
fn fault(opened: Result<Changes, SourceError>, folder: &Path) -> String {
    let fault = match opened {
        Ok(changes) => changes.filter_map(Result::err).next().unwrap(),
        Err(fault) => fault,
    };
    fault.to_string().replace(&format!("{}/", folder.display()), "")
}
