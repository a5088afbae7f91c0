//! Which rows are one batch, and the rules that refuse a batch whole.

use expect_test::expect;
use smartpulse_operators::change::Change;

use crate::{Folder, rows};

#[test]
fn shape_refuses_a_batch_whole_in_the_order_of_the_rules() {
    let folder = Folder::of(
        "\
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T00:00:00Z,60,MW,1,mixed
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T01:00:00Z,7,GW,1,mixed
PP,1,P,,2026-01-01T00:00:00Z,,never,60,MW,1,mixed
PP,2,P,,2026-01-02T00:00:00Z,,2026-02-01T00:00:00Z,60,GW,1,period
PP,2,P,,2026-01-02T00:00:00Z,,2026-02-01T00:00:00Z,1440,GW,abc,period
PP,2,P,,2026-01-02T00:00:00Z,,2026-02-01T01:00:00Z,99999999999999999999,GW,1,period
PP,3,P,,2026-01-03T00:00:00Z,,2026-02-01T00:00:00Z,60,GW,1,measure
PP,x,P,,2026-01-03T00:00:00Z,,2026-02-01T00:00:00Z,60,GW,1,measure
PP,4,P,,2026-01-04T00:00:00Z,,2026-02-01T00:00:00Z,60,GW,1,texts
PP,4,P,,2026-01-04T00:00:00Z,,2026-02-01T01:00:00Z,60,GVA,1,texts
PP,5,P,,2026-01-05T00:00:00Z,,2026-02-01T00:00:00Z,60,mw,1,words
PP,5,P,,2026-01-05T00:00:00Z,2026-01-05T00:00:00.0Z,2026-02-01T01:00:00Z,60,1,1,words
PP,5,P,forecast,2026-01-05T03:00:00+03:00,,2026-02-01T02:00:00Z,60,,1,words
",
    );
    expect![[r#"
        unit PP 1 "PP 1" None None Europe/Istanbul None from always at 2026-01-01T00:00Z
        refused MIXED_BATCH × 3 at 2026-01-01T00:00Z
        unit PP 2 "PP 2" None None Europe/Istanbul None from always at 2026-01-02T00:00Z
        refused PERIOD_NOT_ALLOWED × 3 at 2026-01-02T00:00Z
        unit PP 3 "PP 3" None None Europe/Istanbul None from always at 2026-01-03T00:00Z
        refused MEASURE_UNIT × 2 at 2026-01-03T00:00Z
        unit PP 4 "PP 4" None None Europe/Istanbul None from always at 2026-01-04T00:00Z
        refused MIXED_BATCH × 2 at 2026-01-04T00:00Z
        unit PP 5 "PP 5" None None Europe/Istanbul None from always at 2026-01-05T00:00Z
        save words P at 2026-01-05T00:00Z; forecast PP 5 60 min: 2026-02-01T00:00Z 100000 100000 100000
    "#]]
    .assert_eq(&folder.replay());
}

#[test]
fn a_mixed_batch_is_remarked_with_file_row_and_rule() {
    let folder = Folder::empty()
        .with(
            "forecasts/part-1.csv",
            &format!("{}\n{}", crate::HEADER, rows(&["a,1,1,0,1", "b,1,1,0,1", "b,1,1,1,1"])),
        )
        .with("forecasts/part-2.csv", &format!("{}\n{}", crate::HEADER, rows(&["b,1,2,0,1"])));
    let mut changes = folder.open().unwrap();
    assert_eq!(changes.by_ref().filter(Result::is_ok).count(), 3);
    let remarks: Vec<(u64, String)> = changes
        .remarks()
        .iter()
        .map(|remark| (remark.row, crate::without_folder(&remark.text, folder.path())))
        .collect();
    expect![[r#"
        [
            (
                1,
                "forecasts/part-2.csv, row 1: batch b is refused whole (MIXED_BATCH): rows of a batch share valid_after, which differs from forecasts/part-1.csv, row 2",
            ),
        ]
    "#]]
    .assert_debug_eq(&remarks);
}

#[test]
fn rows_of_a_batch_cell_are_one_save_wherever_they_stand() {
    let folder =
        Folder::of(&rows(&["a,1,1,0,1", "b,1,1,0,2", "a,1,1,1,3", "b,2,1,0,4", "a,1,1,0,9"]));
    expect![[r#"
        unit PP 1 "PP 1" None None Europe/Istanbul None from always at 2026-01-01T00:00Z
        save a P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T01:00Z 300000; DUPLICATE_DELIVERIES × 2
        unit PP 2 "PP 2" None None Europe/Istanbul None from always at 2026-01-01T00:00Z
        save b P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 200000; forecast PP 2 60 min: 2026-02-01T00:00Z 400000
    "#]]
    .assert_eq(&folder.replay());
}

#[test]
fn rows_without_a_batch_cell_are_one_save_with_their_neighbours() {
    let unreadable = "PP,x,P,forecast,2026-01-01T00:00:00Z,,2026-02-01T02:00:00Z,60,MW,1,\n";
    let table = rows(&[",1,1,0,1", ",1,1,1,2"])
        + unreadable
        + &rows(&[",1,1,3,3", "n,1,1,0,4", ",1,1,4,5", ",1,2,4,5"])
        + &rows(&[",1,1,5,6"]).replace(",MW,", ",kW,")
        + &rows(&[",1,1,6,6"]);
    expect![[r#"
        unit PP 1 "PP 1" None None Europe/Istanbul None from always at 2026-01-01T00:00Z
        save - P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 100000 200000 - 300000; INVALID_VALUE × 1
        save n P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 400000
        save - P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T04:00Z 500000
        refused MIXED_BATCH × 2 at 2026-01-01T00:00Z
        save - P at 2026-01-02T00:00Z; forecast PP 1 60 min: 2026-02-01T04:00Z 500000
    "#]]
    .assert_eq(&folder_text(&table));
}

#[test]
fn ids_come_from_the_batch_cell_or_the_place_among_those_without_one() {
    let ids = |table: &str| -> Vec<String> {
        let folder = Folder::of(table);
        let saves = folder.open().unwrap().filter_map(|change| match change.unwrap() {
            Change::Save(save) => Some(save.batch.id.to_string()),
            _ => None,
        });
        saves.collect()
    };
    let all = ids(&rows(&["a,1,1,0,1", ",1,1,0,1", "b,1,1,0,1", ",1,1,0,1"]));
    assert_eq!(ids(&rows(&["b,7,3,0,9", ",1,1,0,5"])), [all[1].clone(), all[2].clone()]);
    assert_ne!(all[1], all[3]);
    // Fixed for good: a folder written by an earlier release must resume under a later one.
    expect!["b9d64d80-a2de-50de-9db8-1b703933baea"].assert_eq(&all[0]);
}

fn folder_text(table: &str) -> String {
    Folder::of(table).replay()
}
