//! In which order the rows of all files are taken, in memory and on disk.

use std::fs;

use expect_test::expect;
use smartpulse_operators::change::Change;

use crate::{Folder, HEADER, rows, rules, shown};

fn statements() -> Folder {
    Folder::of(&rows(&["late,1,3,0,1", "second,1,2,0,1", "first,2,1,0,1", "also-second,1,2,1,1"]))
        .with(
            "units.csv",
            "unit_type,unit_no,name,recorded\nPP,1,later,2026-01-02T00:00:00Z\nPP,1,one,\n",
        )
        .with(
            "memberships.csv",
            "parent_type,parent_no,child_type,child_no,valid_from,valid_to,recorded\n\
             CMP,1,PP,1,,,2026-01-02T00:00:00Z\n",
        )
        .with(
            "properties.csv",
            "unit_type,unit_no,key,value,recorded\nPP,1,market,EPIAS,2026-01-02T00:00:00Z\n",
        )
        .with(
            "locks.csv",
            "unit_type,unit_no,from,to,reason,expires,released,recorded\n\
             PP,1,2026-02-01T00:00:00Z,2026-02-02T00:00:00Z,b,,,2026-01-02T00:00:00Z\n\
             PP,1,2026-02-01T00:00:00Z,2026-02-02T00:00:00Z,a,,,\n",
        )
        .with(
            "withdrawals.csv",
            "batch,recorded\nfirst,2026-01-02T00:00:00Z\nnone,2026-01-01T00:00:00Z\n",
        )
}

/// One word for each change.
fn words(folder: &Folder) -> Vec<String> {
    let changes = folder.open().unwrap().map(|change| match change.unwrap() {
        Change::Unit(unit) => format!("unit {}", unit.name),
        Change::Membership(_) => "membership".to_owned(),
        Change::Property(_) => "property".to_owned(),
        Change::Lock(lock) => format!("lock {} {}", lock.id, lock.reason),
        Change::Save(save) => format!("save {}", save.batch.source_batch.unwrap()),
        Change::Withdrawal(withdrawal) => format!("withdrawal {:?}", withdrawal.batch),
        other => format!("{other:?}"),
    });
    changes.collect()
}

#[test]
fn changes_come_by_recorded_then_kind_then_row() {
    expect![[r#"
        [
            "unit one",
            "lock 1 a",
            "save first",
            "withdrawal Source(\"none\")",
            "unit later",
            "membership",
            "property",
            "lock 2 b",
            "save second",
            "save also-second",
            "withdrawal Source(\"first\")",
            "save late",
        ]
    "#]]
    .assert_debug_eq(&words(&statements()));
}

#[test]
fn sorting_on_disk_gives_what_memory_gives_and_leaves_nothing_behind() {
    let mut table = String::new();
    for row in 0..3_000_u32 {
        let batch = if row % 7 == 0 { String::new() } else { format!("b{}", row * 13 % 97) };
        // Now and then a batch disagrees with itself; the rest spread over 97 batches and 28 days.
        let day = 1 + (row * 13 % 97 + row / 2_990) % 28;
        table += &rows(&[&format!("{batch},{},{day},{},{}", 1 + row % 5, row % 24, row % 11)]);
    }
    let folder = Folder::of(&table);
    let in_memory = folder.replay();
    assert!(in_memory.lines().count() > 400);
    for sort_bytes in [0, 20_000] {
        let mut small = rules(folder.path());
        small.sort_bytes = sort_bytes;
        let spilled = shown(folder.source().open(&small).unwrap(), folder.path());
        assert!(spilled == in_memory, "a sort of {sort_bytes} bytes differs");
        assert_eq!(fs::read_dir(&small.spill_dir).unwrap().count(), 0);
    }
}

#[test]
fn several_files_of_forecasts_are_one_table_in_the_order_of_their_names() {
    let table = |rows: &str| format!("{HEADER}\n{rows}");
    let folder = Folder::empty()
        .with("forecasts.2.csv", &table(&rows(&["a,1,1,1,1", "b,1,1,0,2"])))
        .with("forecasts.1.csv", &table(&rows(&["a,1,1,0,1", ",1,1,0,3"])))
        .with("forecasts/part-0.csv", &table(&rows(&["c,1,1,0,4"])))
        .with("forecasts/_SUCCESS", "")
        .with("forecasts_old.csv", "nothing");
    expect![[r#"
        unit PP 1 "PP 1" None None Europe/Istanbul None from always at 2026-01-01T00:00Z
        save c P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 400000
        save a P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 100000 100000
        save - P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 300000
        save b P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 200000
    "#]]
    .assert_eq(&folder.replay());
}

#[test]
fn progress_grows_to_its_total() {
    let folder = Folder::of(&rows(&["a,1,1,0,1", "b,1,2,0,1"]));
    let mut changes = folder.open().unwrap();
    let mut before = changes.progress();
    assert!(before.done == 0 && before.total > 0);
    // The stream may be read on one thread and watched from another.
    fn is_send<T: Send>(_: &T) {}
    is_send(&changes);
    is_send(&changes.meter());
    while changes.next().is_some() {
        assert!(changes.progress().done >= before.done);
        before = changes.progress();
    }
    assert_eq!(before.done, before.total);
}
