//! The rules that refuse one value of a batch, and how a value is read.

use expect_test::expect;

use crate::{Folder, HEADER, rows, rules, shown};

#[test]
fn the_first_rule_that_applies_refuses_a_value() {
    let folder = Folder::of(
        "\
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T00:00:00Z,60,MW,1.5,b
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T01:30:00Z,60,MW,abc,b
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T02:00:00Z,60,MW,abc,b
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T05:00:00+03:00,60,MW,2,b
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T03:00:00Z,60,MW,abc,b
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T04:00:00Z,60,MW,NaN,b
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T05:00:00Z,60,MW,1e99,b
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T06:00:00Z,60,MW,-1000000.00001,b
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T07:00:00Z,60,MW,,b
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T02:00:00Z,30,MW,3,b
",
    );
    expect![[r#"
        unit PP 1 "PP 1" None None Europe/Istanbul None from always at 2026-01-01T00:00Z
        save b P at 2026-01-01T00:00Z; forecast PP 1 30 min: 2026-02-01T02:00Z 300000; forecast PP 1 60 min: 2026-02-01T00:00Z 150000 - - - - - - null; INVALID_VALUE × 2; UNALIGNED_DELIVERY × 1; DUPLICATE_DELIVERIES × 2; VALUE_OUT_OF_RANGE × 2
    "#]]
    .assert_eq(&folder.replay());
}

#[test]
fn a_row_with_an_unreadable_key_cell_is_an_invalid_value_of_its_batch() {
    let cells = [
        "XX,1,P,,2026-01-01T00:00:00Z,,2026-02-01T01:00:00Z,60,MW,1,b",
        "PP,0,P,,2026-01-01T00:00:00Z,,2026-02-01T02:00:00Z,60,MW,1,b",
        "PP,1.5,P,,2026-01-01T00:00:00Z,,2026-02-01T02:00:00Z,60,MW,1,b",
        "PP,1,,,2026-01-01T00:00:00Z,,2026-02-01T03:00:00Z,60,MW,1,b",
        "PP,1,P,plan,2026-01-01T00:00:00Z,,2026-02-01T04:00:00Z,60,MW,1,b",
        "PP,1,P,,yesterday,,2026-02-01T05:00:00Z,60,MW,1,b",
        "PP,1,P,,2026-01-01T00:00:00Z,soon,2026-02-01T06:00:00Z,60,MW,1,b",
        "PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T07:00:00,60,MW,1,b",
        "PP,1,P,,2026-01-01T00:00:00Z,,1899-12-31T23:00:00Z,60,MW,1,b",
        "PP,1,P,,2026-01-01T00:00:00Z,,2200-01-01T00:00:00Z,60,MW,1,b",
        "PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T08:00:00Z,7.5,MW,1,b",
        "PP,1,P,,,,2026-02-01T09:00:00Z,60,MW,1,b",
    ];
    let long_provider =
        format!("PP,1,{},,2026-01-01T00:00:00Z,,2026-02-01T03:00:00Z,60,MW,1,b\n", "x".repeat(51));
    let table = cells.join("\n") + "\n" + &long_provider + &rows(&["b,1,1,0,1"]);
    expect![[r#"
        unit PP 1 "PP 1" None None Europe/Istanbul None from always at 2026-01-01T00:00Z
        save b P at 2026-01-01T00:00Z; forecast PP 1 60 min: 2026-02-01T00:00Z 100000; INVALID_VALUE × 13
    "#]]
    .assert_eq(&Folder::of(&table).replay());
}

#[test]
fn unreadable_rows_of_no_batch_are_counted_by_themselves() {
    let folder = Folder::of(
        "\
PP,1,P,plan,2026-01-05T00:00:00Z,,2026-02-01T00:00:00Z,60,MW,1,b
PP,x,P,,2026-01-06T00:00:00Z,,2026-02-01T00:00:00Z,60,MW,1,b
PP,1,P,plan,never,,2026-02-01T00:00:00Z,60,MW,1,
PP,1,P,plan,never,,2026-02-01T01:00:00Z,60,MW,1,
PP,1,P,plan,2026-01-04T00:00:00Z,,2026-02-01T01:00:00Z,60,MW,1,
",
    );
    expect![[r#"
        refused INVALID_VALUE × 2 at unknown
        refused INVALID_VALUE × 1 at 2026-01-04T00:00Z
        refused INVALID_VALUE × 2 at 2026-01-05T00:00Z
    "#]]
    .assert_eq(&folder.replay());
}

#[test]
fn energy_and_rounding_are_exact() {
    let folder = Folder::of(
        "\
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T00:00:00Z,15,kWh,0.005,b
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T00:15:00Z,15,2,-0.005,b
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T00:30:00Z,15,KWH, +1e-2 ,b
PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T00:45:00Z,15,kwh,0.0012499999999999999999,b
",
    );
    let mut rounding = rules(folder.path());
    assert!(folder.replay().contains("00:00Z 2 -2 4 0"), "{}", folder.replay());
    rounding.round_digits = Some(2);
    let rounded = shown(folder.source().open(&rounding).unwrap(), folder.path());
    assert!(rounded.contains("00:00Z 4 -4 4 0"), "{rounded}");
}

#[test]
fn user_and_note_are_those_of_the_first_readable_row() {
    let long = "ş".repeat(256);
    let table = format!(
        "{HEADER},user,note\n\
         PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T00:00:00Z,60,MW,1,b,a,{long}\n\
         PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T01:00:00Z,60,MW,1,b,ayşe,\"two\nlines\"\n\
         PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T02:00:00Z,60,MW,1,b,Bob,\n\
         PP,1,P,,2026-01-01T00:00:00Z,,2026-02-01T02:00:00Z,60,MW,1,c,,{}\n",
        &long[2..]
    );
    let replay = Folder::empty().with("forecasts.csv", &table).replay();
    let lines: Vec<&str> = replay.lines().collect();
    assert_eq!(
        lines[1],
        "save b P at 2026-01-01T00:00Z \"ayşe\" \"two\\nlines\"; \
         forecast PP 1 60 min: 2026-02-01T01:00Z 100000 100000; INVALID_VALUE × 1"
    );
    assert!(lines[2].contains(&"ş".repeat(255)), "{}", lines[2]);
}
