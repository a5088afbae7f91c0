//! Medians, quartiles and percentiles: what is printed of many runs.

use serde::{Deserialize, Serialize};

/// Percentiles of a latency in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Percentiles {
    /// Of all samples together: a stall in one run shows, where medians of runs would hide it.
    pub(crate) fn of(samples: &[u32]) -> Percentiles {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable();
        let at = |share| percentile(&sorted, share);
        Percentiles { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
    }
}

/// The least sample that at least `share` of them do not exceed; 0 where there is none.
pub(crate) fn percentile(sorted: &[u32], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    let sample = sorted.get(rank.saturating_sub(1)).or(sorted.last());
    sample.copied().map_or(0.0, f64::from)
}

/// The median of some runs.
pub(crate) fn median(runs: &[f64]) -> f64 {
    quantile(runs, 0.5)
}

/// The quartiles of some runs, between which half of them lie.
pub(crate) fn quartiles(runs: &[f64]) -> (f64, f64) {
    (quantile(runs, 0.25), quantile(runs, 0.75))
}

/// The value at `share` of the way through the sorted runs, between two of them in proportion.
fn quantile(runs: &[f64], share: f64) -> f64 {
    let mut sorted = runs.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = share * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_in_the_middle() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn quartiles_hold_half_of_the_runs() {
        assert_eq!(quartiles(&[5.0, 1.0, 2.0, 4.0, 3.0]), (2.0, 4.0));
        assert_eq!(quartiles(&[1.0, 2.0]), (1.25, 1.75));
    }

    #[test]
    fn percentiles_are_samples_that_were_seen() {
        let samples: Vec<u32> = (1..=1_000).rev().collect();
        let expected = Percentiles { p50: 500.0, p99: 990.0, p999: 999.0 };
        assert_eq!(Percentiles::of(&samples), expected);
        assert_eq!(Percentiles::of(&[7]), Percentiles { p50: 7.0, p99: 7.0, p999: 7.0 });
        assert_eq!(Percentiles::of(&[]), Percentiles::default());
    }
}
