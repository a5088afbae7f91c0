//! Rules of `latest`: which value wins, since when it stands, and what a save of it is told.

#[path = "tests/forms.rs"]
mod forms;
#[path = "tests/withdrawal.rs"]
mod withdrawal;

use expect_test::expect;

use crate::testing::print::check;

#[test]
fn an_equal_reissue_changes_no_answer_and_is_kept() {
    check(
        "08:00 save a PP1/60 12:00 = 3x5
         09:00 save b PP1/60 12:00 = 5 6",
        expect![[r#"
            a: 12:00×3 saved
            b: 12:00 skipped, 13:00 restated
            PP1/60 p
              12:00 5 since a, winner b
              13:00 6 since b
              14:00 5 since a
        "#]],
    );
}

#[test]
fn a_late_revision_can_change_the_row_shown_but_not_the_winner() {
    check(
        "08:00 save a PP1/60 12:00 = 5
         10:00 save b PP1/60 12:00 = 5
         show
         11:00 save late PP1/60 12:00 = 6 | after 09:00",
        expect![[r#"
            a: 12:00 saved
            b: 12:00 skipped
            PP1/60 p
              12:00 5 since a, winner b
            late: 12:00 restated
            PP1/60 p
              12:00 5 since b
        "#]],
    );
}

#[test]
fn a_late_revision_is_compared_with_what_won_at_its_own_time() {
    check(
        "08:00 save a PP1/60 12:00 = 5
         10:00 save b PP1/60 12:00 = 6
         11:00 save equal PP1/60 12:00 = 5 | after 09:00
         11:30 save first PP1/60 12:00 = 5 | after 07:00
         show
         12:00 withdraw b",
        expect![[r#"
            a: 12:00 saved
            b: 12:00 restated
            equal: 12:00 skipped
            first: 12:00 saved
            PP1/60 p
              12:00 6 since b
            withdraw b: done
            PP1/60 p
              12:00 5 since first, winner equal
        "#]],
    );
}

#[test]
fn a_null_withdraws_and_a_late_value_does_not_revive() {
    check(
        "08:00 save a PP1/60 12:00 = 2x5
         10:00 save null PP1/60 12:00 = null
         11:00 save late PP1/60 12:00 = 7 | after 09:00
         show
         12:00 save new PP1/60 12:00 = 7",
        expect![[r#"
            a: 12:00×2 saved
            null: 12:00 saved
            late: 12:00 restated
            PP1/60 p
              12:00 null since null
              13:00 5 since a
            new: 12:00 saved
            PP1/60 p
              12:00 7 since new
              13:00 5 since a
        "#]],
    );
}

#[test]
fn a_null_where_there_is_nothing_is_a_confirmation() {
    check(
        "08:00 save a PP1/60 12:00 = null
         09:00 save b PP1/60 12:00 = 2xnull",
        expect![[r#"
            a: 12:00 skipped
            b: 12:00×2 skipped
            PP1/60 p
              12:00 null since a, winner b
              13:00 null since b
        "#]],
    );
}

#[test]
fn of_equal_valid_after_the_greater_sequence_wins() {
    check(
        "08:00 save a PP1/60 12:00 = 5
         09:00 save b PP1/60 12:00 = 6 | after 08:00
         09:00 save c PP1/60 12:00 = 6 | after 08:00
         10:00 save older PP1/60 12:00 = 7 | after 07:59",
        expect![[r#"
            a: 12:00 saved
            b: 12:00 restated
            c: 12:00 skipped
            older: 12:00 saved
            PP1/60 p
              12:00 6 since b, winner c
        "#]],
    );
}

#[test]
fn with_should_skip_existing_check_an_equal_value_is_a_new_statement() {
    check(
        "08:00 save a PP1/60 12:00 = 5
         09:00 save b PP1/60 12:00 = 5 | skip
         show
         10:00 save c PP1/60 12:00 = 5
         show
         11:00 withdraw b",
        expect![[r#"
            a: 12:00 saved
            b: 12:00 saved
            PP1/60 p
              12:00 5 since b
            c: 12:00 skipped
            PP1/60 p
              12:00 5 since b, winner c
            withdraw b: done
            PP1/60 p
              12:00 5 since a, winner c
        "#]],
    );
}

#[test]
fn a_version_of_the_future_is_activated_by_the_clock_alone() {
    check(
        "08:00 save a PP1/60 18:00 = 2x5
         09:00 save soon PP1/60 18:00 = 6 | after 12:00
         09:30 save later PP1/60 18:00 = . 7 | after 13:00
         11:59 clock
         show
         12:00 clock
         show
         15:00 clock",
        expect![[r#"
            a: 18:00×2 saved
            soon: 18:00 restated
            later: 19:00 restated
            PP1/60 p
              18:00×2 5 since a
              waiting on 2026-01-01: soon later
            PP1/60 p
              18:00 6 since soon
              19:00 5 since a
              waiting on 2026-01-01: later
            PP1/60 p
              18:00 6 since soon
              19:00 7 since later
        "#]],
    );
}

#[test]
fn the_existing_check_looks_at_what_wins_at_the_own_valid_after() {
    check(
        "08:00 save now PP1/60 18:00 = 5
         09:00 save soon PP1/60 18:00 = 7 | after 12:00
         09:10 save before PP1/60 18:00 = 5 | after 11:00
         09:20 save behind PP1/60 18:00 = 7 | after 13:00
         09:30 save news PP1/60 18:00 = 5 | after 14:00
         09:40 save today PP1/60 18:00 = 7
         show
         14:00 clock",
        expect![[r#"
            now: 18:00 saved
            soon: 18:00 restated
            before: 18:00 skipped
            behind: 18:00 skipped
            news: 18:00 restated
            today: 18:00 restated
            PP1/60 p
              18:00 7 since today
              waiting on 2026-01-01: before soon behind news
            PP1/60 p
              18:00 5 since news
        "#]],
    );
}

#[test]
fn a_curve_may_have_gaps_and_cross_midnight() {
    check(
        "08:00 save a PP1/360 06:00 = 1 2 3 4 5
         09:00 save b PP1/360 12:00 = 6 . . 6",
        expect![[r#"
            a: 06:00×5 saved
            b: 12:00 restated, 30:00 restated
            PP1/360 p
              06:00 1 since a
              12:00 6 since b
              18:00 3 since a
              24:00 4 since a
              30:00 6 since b
        "#]],
    );
}

#[test]
fn series_of_another_kind_provider_or_period_do_not_mix() {
    check(
        "08:00 save a PP1/60 12:00 = 5
         08:10 save b PP1/60 12:00 = 6 | by q
         08:20 save c PP1/30 12:00 = 7
         08:30 save d PP1/60 12:00 = 8 | actual",
        expect![[r#"
            a: 12:00 saved
            b: 12:00 saved
            c: 12:00 saved
            d: 12:00 saved
            PP1/60 p (actual)
              12:00 8 since d
            PP1/30 p
              12:00 7 since c
            PP1/60 p
              12:00 5 since a
            PP1/60 q
              12:00 6 since b
        "#]],
    );
}
