//! The property that all rules amount to: the dataflow says what the oracle says.

use proptest::collection::vec;
use proptest::prelude::*;

use super::graph::run;
use super::oracle::Oracle;
use super::random::{setup, steps};
use super::totals::totals;
use super::{Act, Step, ticks};
use crate::batch::Sequence;
use crate::time::Instant;

/// Under ten seconds; `PROPTEST_CASES` asks for more.
const CASES: u32 = 1_500;
/// A case whose workers panic leaves threads behind, so looking for a smaller one must end.
const SHRINK_MS: u32 = 20_000;

pub(super) fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(CASES),
        failure_persistence: None,
        max_shrink_time: SHRINK_MS,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    /// Whatever the ticks, the workers, the histories handed along and the restarts: every decision,
    /// answer and view is the oracle's, and the blocks are equal to the last byte.
    #[test]
    fn any_batching_on_any_workers_says_what_the_oracle_says(
        steps in steps(),
        setups in vec(setup(), 3),
    ) {
        let (mut blocks, mut all_totals) = (None, None);
        for (sizes, setup) in setups {
            let ticks = ticks(&steps, &sizes);
            let run = run(&ticks, &setup);
            let mut oracle = Oracle::default();
            for (tick, view) in ticks.iter().zip(&run.views) {
                tick.iter().for_each(|step| oracle.take(step));
                prop_assert_eq!(view, &oracle.view());
            }
            let view = oracle.view();
            let by_hand = all_totals.get_or_insert_with(|| {
                totals(&view, &oracle.statements, |batch| order_of(&steps, batch))
            });
            prop_assert_eq!(&run.totals.last().unwrap().totals(), by_hand);
            prop_assert_eq!(&run.answers, &oracle.answers);
            prop_assert_eq!(&run.decisions, &oracle.decisions);
            prop_assert_eq!(blocks.get_or_insert_with(|| run.blocks.clone()), &run.blocks);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES / 10, ..config() })]

    #[test]
    fn totals_are_the_oracles_at_every_epoch(steps in steps(), (sizes, setup) in setup()) {
        let ticks = ticks(&steps, &sizes);
        let run = run(&ticks, &setup);
        let mut oracle = Oracle::default();
        for (tick, told) in ticks.iter().zip(&run.totals) {
            tick.iter().for_each(|step| oracle.take(step));
            let order = |batch| order_of(&steps, batch);
            let by_hand = totals(&oracle.view(), &oracle.statements, order);
            prop_assert_eq!(&told.totals(), &by_hand);
        }
    }
}

/// Since when a batch of `steps` counts.
pub(super) fn order_of(steps: &[Step], batch: Sequence) -> (Instant, Sequence) {
    let valid_after = steps.iter().find_map(|step| match &step.act {
        Act::Save(issue) if issue.batch.sequence == batch => Some(issue.batch.valid_after),
        _ => None,
    });
    (valid_after.unwrap(), batch)
}
