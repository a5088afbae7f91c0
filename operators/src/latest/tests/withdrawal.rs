//! Rules of `latest`: what returns when a batch is withdrawn.

use expect_test::expect;

use crate::testing::print::check;

#[test]
fn withdrawing_a_batch_brings_the_earlier_winner_back() {
    check(
        "08:00 save a PP1/60 12:00 = 2x5; PP2/60 12:00 = 1
         09:00 save b PP1/60 13:00 = 2x6; PP2/60 12:00 = 2
         10:00 withdraw b
         11:00 save again PP1/60 13:00 = 5",
        expect![[r#"
            a #1: 12:00×2 saved
            a #2: 12:00 saved
            b #1: 13:00 restated, 14:00 saved
            b #2: 12:00 restated
            withdraw b: done
            again: 13:00 skipped
            PP1/60 p
              12:00 5 since a
              13:00 5 since a, winner again
            PP2/60 p
              12:00 1 since a
        "#]],
    );
}

#[test]
fn when_the_first_of_two_equal_issues_is_withdrawn_the_confirmation_stands_in() {
    check(
        "08:00 save a PP1/60 12:00 = 5
         09:00 save b PP1/60 12:00 = 5
         10:00 withdraw a",
        expect![[r#"
            a: 12:00 saved
            b: 12:00 skipped
            withdraw a: done
            PP1/60 p
              12:00 5 since b
        "#]],
    );
}

#[test]
fn a_withdrawal_is_idempotent_and_a_batch_of_refusals_is_unknown() {
    check(
        "unit PP1 | from 13:00
         08:00 save a PP1/60 13:00 = 5
         08:30 save refused PP1/60 12:00 = 5
         09:00 withdraw a
         09:30 withdraw a
         10:00 withdraw refused
         10:30 withdraw nobody",
        expect![[r#"
            a: 13:00 saved
            refused: 12:00 UNKNOWN_UNIT
            withdraw a: done
            withdraw a: already
            withdraw refused: unknown
            withdraw ?: unknown
        "#]],
    );
}

#[test]
fn a_withdrawn_version_of_the_future_never_counts() {
    check(
        "08:00 save a PP1/60 18:00 = 5
         09:00 save soon PP1/60 18:00 = 6 | after 12:00
         10:00 withdraw soon
         13:00 clock",
        expect![[r#"
            a: 18:00 saved
            soon: 18:00 restated
            withdraw soon: done
            PP1/60 p
              18:00 5 since a
        "#]],
    );
}

#[test]
fn a_withdrawn_batch_is_no_predecessor_of_later_saves() {
    check(
        "08:00 save a PP1/60 18:00 = 5
         09:00 save b PP1/60 18:00 = 6
         10:00 withdraw b
         11:00 save late PP1/60 18:00 = 5 | after 09:30
         12:00 save late6 PP1/60 18:00 = 6 | after 09:40",
        expect![[r#"
            a: 18:00 saved
            b: 18:00 restated
            withdraw b: done
            late: 18:00 skipped
            late6: 18:00 restated
            PP1/60 p
              18:00 6 since late6
        "#]],
    );
}
