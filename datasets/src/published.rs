//! What the public data sets have in common: a batch is named by its place in the files, is issued at one
//! instant, and its rows were judged by the source that read them.
//!
//! Their units are known before everything, and their plants are numbered by rank: the place of a name
//! among all names of the data set in byte order, from 1.

use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::change::{Change, Entry, RefusedBatch, Save};
use smartpulse_operators::series::Provider;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Unit, UnitType};

use crate::ReplayRules;
use crate::batch_id;
use crate::slots::Refusals;

/// A batch of a public data set.
pub(crate) struct Publication {
    /// Its name in the data set, kept as `source_batch`.
    pub(crate) key: String,
    pub(crate) provider: Provider,
    /// When it was recorded and from when it counts.
    pub(crate) issued: Instant,
    pub(crate) entries: Vec<Entry>,
    pub(crate) refusals: Refusals,
}

impl Publication {
    /// The save of this batch, or its refusal where a period is not allowed.
    pub(crate) fn into_change(self, rules: &ReplayRules) -> Change {
        let is_allowed = |entry: &Entry| rules.allowed_periods.contains(&entry.period.minutes());
        let refused = self.refusals.into_counts();
        if !self.entries.iter().all(is_allowed) {
            let values: u64 = self.entries.iter().map(|entry| entry.curve.len() as u64).sum();
            return Change::Refused(RefusedBatch {
                code: "PERIOD_NOT_ALLOWED".to_owned(),
                values: values + refused.iter().map(|(_, count)| count).sum::<u64>(),
                recorded: Some(self.issued),
            });
        }
        Change::Save(Save {
            batch: Batch {
                id: batch_id::named(&self.key),
                sequence: Sequence(0),
                recorded: self.issued,
                valid_after: self.issued,
                provider: self.provider,
                user: None,
                note: None,
                source_batch: Some(self.key),
                skips_existing_check: rules.skips_existing_check,
            },
            checks: rules.checks,
            path: None,
            entries: self.entries,
            refused,
        })
    }
}

/// The plant of a rank, from 1.
pub(crate) fn plant(rank: usize) -> Unit {
    Unit { unit_type: UnitType::PowerPlant, unit_no: rank as u64 }
}

#[cfg(test)]
mod tests {
    use smartpulse_operators::change::{Checks, Curve};
    use smartpulse_operators::outcome::Outcome;
    use smartpulse_operators::quantity::Quantity;
    use smartpulse_operators::series::Kind;
    use smartpulse_operators::time::Period;

    use super::*;

    fn change(allowed_periods: Vec<u16>) -> Change {
        let period = Period::new(30).unwrap();
        let mut refusals = Refusals::default();
        refusals.count(Outcome::InvalidValue, 2);
        let publication = Publication {
            key: "key".to_owned(),
            provider: Provider::parse("P").unwrap(),
            issued: Instant(7),
            entries: vec![Entry {
                kind: Kind::Forecast,
                unit: plant(1),
                period,
                conform_upper_limit: false,
                apply_final_forecast: false,
                curve: Curve::new(period, [(Instant(0), 5)]),
            }],
            refusals,
        };
        publication.into_change(&ReplayRules {
            checks: Checks::default(),
            round_digits: None,
            skips_existing_check: false,
            allowed_periods,
            value_bound: Quantity::DEFAULT_BOUND,
            spill_dir: std::env::temp_dir(),
            sort_bytes: 1,
        })
    }

    #[test]
    fn a_period_that_is_not_allowed_refuses_every_value_of_its_batch() {
        assert!(matches!(change(vec![15, 30]), Change::Save(_)));
        let Change::Refused(refused) = change(vec![15, 60]) else { panic!("a save") };
        assert_eq!((refused.code.as_str(), refused.values), ("PERIOD_NOT_ALLOWED", 3));
        assert_eq!(refused.recorded, Some(Instant(7)));
    }
}
