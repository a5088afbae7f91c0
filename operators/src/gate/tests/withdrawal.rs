//! Rules of `gate`: which withdrawals are refused.

use expect_test::expect;

use crate::testing::print::check;

#[test]
fn a_lock_or_a_closed_gate_refuses_a_withdrawal_as_a_whole() {
    check(
        "08:00 save a PP1/60 12:00 = 3x5; PP2/60 12:00 = 5
         lock 1 PP1 13:00..14:00
         09:00 withdraw a
         09:10 save b PP1/60 12:00 = 3x5; PP2/60 12:00 = 5
         09:20 withdraw b | locks
         11:00 withdraw b | locks, gates
         show
         11:10 withdraw b | locks, gates, past role",
        expect![[r#"
            a #1: 12:00×3 saved
            a #2: 12:00 saved
            withdraw a: done
            b #1: 12:00×3 saved
            b #2: 12:00 saved
            withdraw b: refused, PP 1 13:00 LOCKED
            withdraw b: refused, PP 1 12:00 GATE_CLOSED, PP 1 13:00 LOCKED, PP 2 12:00 GATE_CLOSED
            PP1/60 p
              12:00×3 5 since b
            PP2/60 p
              12:00 5 since b
            withdraw b: done
        "#]],
    );
}

#[test]
fn a_withdrawal_is_judged_for_the_slots_its_batch_wins() {
    check(
        "08:00 save a PP1/60 12:00 = 2x5
         08:30 save b PP1/60 12:00 = 6
         lock 1 PP1 12:00..13:00
         09:00 withdraw a | locks",
        expect![[r#"
            a: 12:00×2 saved
            b: 12:00 restated
            withdraw a: done
            PP1/60 p
              12:00 6 since b
        "#]],
    );
}

#[test]
fn a_withdrawal_of_a_version_of_the_future_is_judged_when_that_begins_to_count() {
    check(
        "08:00 save a PP1/60 18:00 = 2x5 | after 10:00
         08:10 save b PP1/60 18:00 = 6 | after 10:00
         08:20 save c PP1/60 19:00 = 7 | after 11:00
         lock 1 PP1 19:00..20:00
         09:00 withdraw b | locks
         09:10 withdraw a | locks
         11:00 withdraw c
         11:10 withdraw a | locks",
        expect![[r#"
            a: 18:00×2 saved
            b: 18:00 restated
            c: 19:00 restated
            withdraw b: done
            withdraw a: refused, PP 1 19:00 LOCKED
            withdraw c: done
            withdraw a: refused, PP 1 19:00 LOCKED
            PP1/60 p
              18:00×2 5 since a
        "#]],
    );
}
