//! The order of rows of different batches does not matter, nor does how much of the sort is on disk.

use proptest::prelude::*;

use crate::{Folder, rows, rules, shown};

/// Batches with the `recorded` and the hours of their rows.
fn batches() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let hours = prop::collection::vec(0..6_u8, 1..6);
    prop::collection::vec((1..4_u8, hours), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn dealing_rows_of_batches_in_another_order_changes_nothing(
        batches in batches(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 72),
        sort_bytes in prop_oneof![Just(0_usize), Just(5_000), Just(1 << 20)],
    ) {
        let row = |batch: usize, place: usize| {
            let (day, hours) = &batches[batch];
            rows(&[&format!("b{batch:02},{},{day},{},{place}", 1 + place % 2, hours[place])])
        };
        // Each batch shows itself once first: the order of first rows is what orders equal `recorded`.
        let firsts: String = (0..batches.len()).map(|batch| row(batch, 0)).collect();
        let mut dealt = firsts.clone();
        let mut stacked = firsts;
        let mut next: Vec<usize> = vec![1; batches.len()];
        for (batch, (_, hours)) in batches.iter().enumerate() {
            stacked.extend((1..hours.len()).map(|place| row(batch, place)));
        }
        for pick in picks {
            let open: Vec<usize> =
                (0..batches.len()).filter(|batch| next[*batch] < batches[*batch].1.len()).collect();
            if open.is_empty() {
                break;
            }
            let batch = *pick.get(&open);
            dealt += &row(batch, next[batch]);
            next[batch] += 1;
        }
        let dealt = Folder::of(&dealt);
        let mut rules = rules(dealt.path());
        rules.sort_bytes = sort_bytes;
        let replayed = shown(dealt.source().open(&rules).unwrap(), dealt.path());
        prop_assert_eq!(replayed, Folder::of(&stacked).replay());
    }
}
