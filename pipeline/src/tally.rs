//! Counts of values and batches, cumulative over restarts: they are part of the state, not of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::quantity::NULL;

/// What became of the values of one source. Always `read = saved + skipped + Σ refused`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Values read.
    pub read: u64,
    /// Stored as news, nulls included.
    pub saved: u64,
    /// Stored as confirmations.
    pub skipped: u64,
    /// Saved nulls.
    pub nulls: u64,
    /// Saved values whose winner before was another value, neither null.
    pub restated: u64,
    /// Batches withdrawn for the first time.
    pub withdrawn_batches: u64,
    /// Withdrawals of a batch that is not there.
    pub unknown_batches: u64,
    /// Values refused, by code.
    pub refused: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts decided values; absent ones do not count.
    pub fn count(&mut self, values: &[i64], outcomes: &[Outcome]) {
        for (value, outcome) in values.iter().zip(outcomes) {
            match outcome {
                Outcome::Absent | Outcome::Open => continue,
                Outcome::Saved => {
                    self.saved += 1;
                    self.nulls += u64::from(*value == NULL);
                }
                Outcome::Restated => {
                    self.saved += 1;
                    self.restated += 1;
                }
                Outcome::Skipped => self.skipped += 1,
                refusal => {
                    self.refuse(refusal.code().unwrap_or_default(), 1);
                    continue;
                }
            }
            self.read += 1;
        }
    }

    /// Counts `values` values refused with `code`.
    pub fn refuse(&mut self, code: &str, values: u64) {
        if values > 0 {
            self.read += values;
            *self.refused.entry(code.to_owned()).or_default() += values;
        }
    }

    /// Values refused, whatever the code.
    #[must_use]
    pub fn all_refused(&self) -> u64 {
        self.refused.values().sum()
    }
}
