//! Days that do not fit the narrow form, many days, and what a worker remembers of waiting ones.

use expect_test::expect;

use crate::latest::Latest;
use crate::testing::feeder::{Feeder, Histories};
use crate::testing::print::{check, play};
use crate::testing::script::Script;

#[test]
fn a_value_beyond_32_bits_makes_the_day_wide_until_all_fit_again() {
    let wide = "08:00 save a PP1/60 12:00 = 2x5
                09:00 save b PP1/60 12:00 = 12000";
    let block = |script: &str| play(script).blocks.into_values().next().unwrap();
    assert!(!block(wide).is_narrow());
    let narrow = format!("{wide}\n10:00 save c PP1/60 12:00 = 5");
    assert!(block(&narrow).is_narrow());
    let withdrawn = format!("{wide}\n10:00 withdraw b");
    assert!(block(&withdrawn).is_narrow());
    check(
        &narrow,
        expect![[r#"
        a: 12:00×2 saved
        b: 12:00 restated
        c: 12:00 restated
        PP1/60 p
          12:00 5 since c
          13:00 5 since a
    "#]],
    );
}

#[test]
fn a_day_may_show_more_batches_than_eight_bits_count() {
    let save = |slot: usize, value: &str| {
        let start = format!("{:02}:{:02}", 24 + slot / 60, slot % 60);
        format!("{:02}:{:02} save b{slot} PP1/1 {start} = {value}\n", slot / 60, slot % 60)
    };
    let last_block = |script: &str| play(script).blocks.into_values().next().unwrap();
    for (batches, is_narrow) in [(254, true), (255, false), (700, false)] {
        let script: String = (0..batches).map(|slot| save(slot, "5")).collect();
        let block = last_block(&script);
        assert_eq!(block.batches().len(), batches);
        assert_eq!(block.is_narrow(), is_narrow, "{batches}");
        let whole = last_block(&(script + "20:00 save whole PP1/1 24:00 = 1440x6"));
        assert_eq!((whole.batches().len(), whole.value(1439)), (1, 600_000));
        assert!(whole.is_narrow());
    }
}

#[test]
fn more_days_than_a_segment_holds_keep_apart() {
    let run = play(
        "08:00 save a PP1/1440 00:00 = 1500x1
         09:00 save b PP1/1440 24:00 = 1500x2",
    );
    let values: Vec<i64> = run.blocks.values().map(|block| block.value(0)).collect();
    assert_eq!((values[0], &values[1..]), (100_000, &[200_000; 1500][..]));
}

#[test]
fn a_day_folded_again_and_again_waits_once() {
    let waits = "08:00 save a PP1/60 18:00 = 5; PP2/60 18:00 = 5 | after 12:00\n".to_owned();
    let late = "08:00 save b PP1/60 18:00 = 6; PP2/60 18:00 = 6\n".repeat(20);
    let mut feeder = Feeder::new(Histories::AsNeeded);
    let mut latest = Latest::default();
    for step in Script::read(&(waits + &late)).parts.concat() {
        let (chunks, _) = feeder.prepare(&[step], 1);
        for chunk in chunks {
            feeder.learn(&latest.decide(chunk).chunk);
        }
    }
    assert_eq!(latest.timers.into_values().map(|days| days.len()).sum::<usize>(), 2);
}
