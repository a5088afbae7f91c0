//! Rules of `gate`: which slots of a save may be written.

#[path = "tests/limits.rs"]
mod limits;
#[path = "tests/withdrawal.rs"]
mod withdrawal;

use expect_test::expect;

use crate::testing::print::check;

#[test]
fn a_unit_is_unknown_before_its_valid_from() {
    check(
        "unit PP1 | from 13:00
         08:00 save a PP1/60 12:00 = 2x5
         unit PP1
         09:00 save b PP1/60 12:00 = 2x5",
        expect![[r#"
            a: 12:00 UNKNOWN_UNIT, 13:00 saved
            b: 12:00 saved, 13:00 skipped
            PP1/60 p
              12:00 5 since b
              13:00 5 since a, winner b
        "#]],
    );
}

#[test]
fn an_entry_must_belong_to_the_unit_of_the_path_at_the_slots_start() {
    check(
        "member PP1 CMP7 | from 13:00, to 14:00
         08:00 save a PP1/60 12:00 = 3x5 | path CMP7
         09:00 save own PP1/60 12:00 = 5 | path PP1
         09:00 save other PP1/60 12:00 = 5 | path CMP8
         member PP1 CMP7 | from 13:00, deleted
         10:00 save gone PP1/60 13:00 = 5 | path CMP7",
        expect![[r#"
            a: 12:00 UNKNOWN_UNIT, 13:00 saved, 14:00 UNKNOWN_UNIT
            own: 12:00 saved
            other: 12:00 UNKNOWN_UNIT
            gone: 13:00 UNKNOWN_UNIT
            PP1/60 p
              12:00 5 since own
              13:00 5 since a
        "#]],
    );
}

#[test]
fn a_membership_may_end_and_begin_again() {
    check(
        "member PP1 CMP7 | from 12:00, to 13:00
         member PP1 CMP7 | from 14:00
         08:00 save a PP1/60 12:00 = 3x5 | path CMP7
         member PP1 CMP7 | from 14:00, to 15:00
         09:00 save b PP1/60 12:00 = 4x6 | path CMP7",
        expect![[r#"
            a: 12:00 saved, 13:00 UNKNOWN_UNIT, 14:00 saved
            b: 12:00 restated, 13:00 UNKNOWN_UNIT, 14:00 restated, 15:00 UNKNOWN_UNIT
            PP1/60 p
              12:00 6 since b
              14:00 6 since b
        "#]],
    );
}

#[test]
fn a_plant_belongs_to_a_group_through_its_company() {
    check(
        "member PP1 CMP7
         member CMP7 GRP9 | from 13:00
         08:00 save a PP1/60 12:00 = 2x5; CMP7/60 12:00 = 2x5 | path GRP9
         09:00 save down CMP7/60 12:00 = 5 | path PP1",
        expect![[r#"
            a #1: 12:00 UNKNOWN_UNIT, 13:00 saved
            a #2: 12:00 UNKNOWN_UNIT, 13:00 saved
            down: 12:00 UNKNOWN_UNIT
            CMP7/60 p
              13:00 5 since a
            PP1/60 p
              13:00 5 since a
        "#]],
    );
}

#[test]
fn a_lock_freezes_the_slots_that_start_in_its_range() {
    check(
        "lock 1 PP1 13:00..15:00
         08:00 save a PP1/60 12:00 = 4x5; PP2/60 12:00 = 4x5 | locks
         09:00 save unchecked PP1/60 13:00 = 5",
        expect![[r#"
            a #1: 12:00 saved, 13:00×2 LOCKED, 15:00 saved
            a #2: 12:00×4 saved
            unchecked: 13:00 saved
            PP1/60 p
              12:00 5 since a
              13:00 5 since unchecked
              15:00 5 since a
            PP2/60 p
              12:00×4 5 since a
        "#]],
    );
}

#[test]
fn a_lock_ends_when_it_expires_or_is_released() {
    check(
        "lock 1 PP1 12:00..13:00 | expires 09:00
         lock 2 PP1 13:00..14:00
         08:59 save before PP1/60 12:00 = 2x5 | locks
         09:00 save expired PP1/60 12:00 = 2x5 | locks
         lock 2 PP1 13:00..14:00 | released 10:00
         09:59 save still PP1/60 13:00 = 5 | locks
         10:00 save released PP1/60 13:00 = 5 | locks",
        expect![[r#"
            before: 12:00×2 LOCKED
            expired: 12:00 saved, 13:00 LOCKED
            still: 13:00 LOCKED
            released: 13:00 saved
            PP1/60 p
              12:00 5 since expired
              13:00 5 since released
        "#]],
    );
}

#[test]
fn a_past_role_does_not_lift_a_lock() {
    check(
        "lock 1 PP1 12:00..13:00
         08:00 save a PP1/60 12:00 = 5 | locks, gates, past role",
        expect![[r#"
            a: 12:00 LOCKED
        "#]],
    );
}

#[test]
fn the_gate_closes_an_hour_before_delivery() {
    check(
        "10:59 save before PP1/60 11:00 = 3x5 | gates
         11:00 save at PP1/60 12:00 = 2x6 | gates
         11:00 save unchecked PP1/60 10:00 = 6
         11:00 save role PP1/60 11:00 = 2x7 | gates, past role",
        expect![[r#"
            before: 11:00 GATE_CLOSED, 12:00×2 saved
            at: 12:00 GATE_CLOSED, 13:00 restated
            unchecked: 10:00 saved
            role: 11:00 saved, 12:00 restated
            PP1/60 p
              10:00 6 since unchecked
              11:00×2 7 since role
              13:00 6 since at
        "#]],
    );
}

#[test]
fn at_epias_the_gate_closes_two_hours_before_delivery() {
    check(
        "property PP1 market epias
         10:00 save a PP1/60 11:00 = 3x5; PP2/60 11:00 = 3x5 | gates
         property PP1 market
         10:00 save b PP1/60 11:00 = 3x6 | gates
         rules 180 240
         10:00 save c PP1/60 12:00 = 3x7 | gates",
        expect![[r#"
            a #1: 11:00×2 GATE_CLOSED, 13:00 saved
            a #2: 11:00 GATE_CLOSED, 12:00×2 saved
            b: 11:00 GATE_CLOSED, 12:00 saved, 13:00 restated
            c: 12:00×2 GATE_CLOSED, 14:00 saved
            PP1/60 p
              12:00×2 6 since b
              14:00 7 since c
            PP2/60 p
              12:00×2 5 since a
        "#]],
    );
}

#[test]
fn the_first_check_that_applies_is_the_only_one_reported() {
    check(
        "unit PP1 | from 12:00, installed 10
         lock 1 PP1 00:00..12:30
         11:50 save a PP1/30 11:30 = 99 99 99 99 99 9 | locks, gates, limits
         11:50 save b PP1/30 13:00 = 99 | locks, limits",
        expect![[r#"
            a: 11:30 UNKNOWN_UNIT, 12:00 LOCKED, 12:30 GATE_CLOSED, 13:00×2 UPPER_LIMIT, 14:00 saved
            b: 13:00 UPPER_LIMIT
            PP1/30 p
              14:00 9 since a
        "#]],
    );
}

#[test]
fn a_statement_counts_for_what_comes_after_it() {
    check(
        "08:00 save before PP1/60 12:00 = 5 | locks
         08:00 lock 1 PP1 12:00..13:00
         08:00 save after PP1/60 12:00 = 6 | locks
         08:00 lock 1 PP1 12:00..13:00 | released 08:00
         08:00 save released PP1/60 12:00 = 7 | locks",
        expect![[r#"
            before: 12:00 saved
            after: 12:00 LOCKED
            released: 12:00 restated
            PP1/60 p
              12:00 7 since released
        "#]],
    );
}
