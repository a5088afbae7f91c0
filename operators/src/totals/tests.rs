//! Rules of `members`, `resolve` and `totals`: who counts where and when, and what they add up to.

use expect_test::expect;

use crate::testing::print_totals::check_totals;

#[test]
fn a_total_is_the_sum_of_its_members_winners() {
    check_totals(
        "unit PP1 | region north, type wind
         unit PP2 | region south, type wind
         member PP1 CMP7
         member PP2 CMP7
         member CMP7 GRP9
         08:00 save a PP1/60 12:00 = 5 null 7; PP2/60 12:00 = 1 2; CMP7/60 12:00 = 100",
        expect![[r#"
            all all p /60: 12:00 6 (2 of 2), 13:00 2 (1 of 2), 14:00 7 (1 of 2)
            company 7 p /60: 12:00 6 (2 of 2), 13:00 2 (1 of 2), 14:00 7 (1 of 2)
            group 9 p /60: 12:00 6 (2 of 2), 13:00 2 (1 of 2), 14:00 7 (1 of 2)
            plant_type wind p /60: 12:00 6 (2 of 2), 13:00 2 (1 of 2), 14:00 7 (1 of 2)
            region north p /60: 12:00 5 (1 of 1), 14:00 7 (1 of 1)
            region south p /60: 12:00 1 (1 of 1), 13:00 2 (1 of 1)

        "#]],
    );
}

#[test]
fn a_plant_sold_within_its_slot_counts_half_an_hour_for_each_side() {
    check_totals(
        "member PP1 CMP7 | to 18:30
         member PP1 CMP8 | from 18:30
         member PP2 CMP8
         08:00 save a PP1/60 18:00 = 4 6; PP2/60 18:00 = 1 1",
        expect![[r#"
            all all p /60: 18:00 5 (2 of 2), 19:00 7 (2 of 2)
            company 7 p /30: 18:00 4 (1 of 1)
            company 8 p /30: 18:00 1 (1 of 1), 18:30 5 (2 of 2), 19:00×2 7 (2 of 2)

        "#]],
    );
}

#[test]
fn who_enters_while_another_leaves_cuts_the_grid_too() {
    check_totals(
        "member PP1 CMP7 | to 18:30
         member PP2 CMP7 | from 18:30
         08:00 save a PP1/60 18:00 = 4; PP2/60 18:00 = 1",
        expect![[r#"
            all all p /60: 18:00 5 (2 of 2)
            company 7 p /30: 18:00 4 (1 of 1), 18:30 1 (1 of 1)

        "#]],
    );
}

#[test]
fn neighbouring_memberships_of_one_plant_are_no_edge() {
    check_totals(
        "member PP1 CMP7 | from 00:00, to 18:30
         member PP1 CMP7 | from 18:30
         08:00 save a PP1/60 18:00 = 4",
        expect![[r#"
            all all p /60: 18:00 4 (1 of 1)
            company 7 p /60: 18:00 4 (1 of 1)

        "#]],
    );
}

#[test]
fn a_plant_counts_in_each_company_and_once_in_a_group_and_in_all() {
    check_totals(
        "member PP1 CMP7
         member PP1 CMP8
         member CMP7 GRP9
         member CMP8 GRP9
         member PP1 GRP9
         08:00 save a PP1/60 12:00 = 5",
        expect![[r#"
            all all p /60: 12:00 5 (1 of 1)
            company 7 p /60: 12:00 5 (1 of 1)
            company 8 p /60: 12:00 5 (1 of 1)
            group 9 p /60: 12:00 5 (1 of 1)

        "#]],
    );
}

#[test]
fn a_path_through_a_company_holds_while_both_its_parts_do() {
    check_totals(
        "member PP1 CMP7 | to 14:00
         member CMP7 GRP9 | from 13:00
         08:00 save a PP1/60 12:00 = 5 6 7",
        expect![[r#"
            all all p /60: 12:00 5 (1 of 1), 13:00 6 (1 of 1), 14:00 7 (1 of 1)
            company 7 p /60: 12:00 5 (1 of 1), 13:00 6 (1 of 1)
            group 9 p /60: 13:00 6 (1 of 1)

        "#]],
    );
}

#[test]
fn a_statement_of_the_same_key_replaces_the_earlier_one() {
    check_totals(
        "member PP1 CMP7 | from 00:00
         08:00 save a PP1/60 12:00 = 5 6
         show
         09:00 member PP1 CMP7 | from 00:00, to 13:00
         show
         10:00 member PP1 CMP7 | from 00:00, deleted",
        expect![[r#"
            all all p /60: 12:00 5 (1 of 1), 13:00 6 (1 of 1)
            company 7 p /60: 12:00 5 (1 of 1), 13:00 6 (1 of 1)

            all all p /60: 12:00 5 (1 of 1), 13:00 6 (1 of 1)
            company 7 p /60: 12:00 5 (1 of 1)

            all all p /60: 12:00 5 (1 of 1), 13:00 6 (1 of 1)

        "#]],
    );
}

#[test]
fn region_and_type_are_those_of_the_version_that_holds() {
    check_totals(
        "unit PP1 | region north, type wind
         unit PP1 | region south, from 13:00
         08:00 save a PP1/60 12:00 = 5 6",
        expect![[r#"
            all all p /60: 12:00 5 (1 of 1), 13:00 6 (1 of 1)
            plant_type wind p /60: 12:00 5 (1 of 1)
            region north p /60: 12:00 5 (1 of 1)
            region south p /60: 13:00 6 (1 of 1)

        "#]],
    );
}

#[test]
fn each_member_keeps_its_grid_and_the_total_has_the_common_one() {
    check_totals(
        "08:00 save a PP1/60 12:00 = 6
         08:00 save b PP2/10 12:00 = 1 2
         08:00 save c PP3/15 12:00 = 4
         show
         09:00 withdraw b
         09:00 withdraw c",
        expect![[r#"
            all all p /5: 12:00×2 11 (3 of 3), 12:10 12 (3 of 3), 12:15 8 (2 of 3), 12:20×8 6 (1 of 3)

            all all p /60: 12:00 6 (1 of 3)

        "#]],
    );
}

#[test]
fn across_periods_the_newest_wins_and_of_one_batch_the_finer() {
    check_totals(
        "08:00 save a PP1/60 12:00 = 6 6
         09:00 save b PP1/30 12:00 = 1 null
         show
         10:00 save c PP1/60 12:00 = 6
         show
         11:00 save d PP1/60 12:00 = 8; PP1/30 12:30 = 9
         show
         12:00 withdraw d",
        expect![[r#"
            all all p /30: 12:00 1 (1 of 1), 13:00×2 6 (1 of 1)

            all all p /30: 12:00×4 6 (1 of 1)

            all all p /30: 12:00 8 (1 of 1), 12:30 9 (1 of 1), 13:00×2 6 (1 of 1)

            all all p /30: 12:00×4 6 (1 of 1)

        "#]],
    );
}

#[test]
fn a_null_that_is_skipped_still_counts_across_periods() {
    check_totals(
        "08:00 save a PP1/30 12:00 = null null
         09:00 save b PP1/60 12:00 = 6
         show
         10:00 save c PP1/30 12:00 = null",
        expect![[r#"
            all all p /30: 12:00×2 6 (1 of 1)

            all all p /30: 12:30 6 (1 of 1)

        "#]],
    );
}

#[test]
fn withdrawals_late_versions_and_versions_to_come_move_totals() {
    check_totals(
        "08:00 save a PP1/60 12:00 = 5
         08:10 save b PP1/60 12:00 = 6 | after 10:00
         show
         10:00 clock
         show
         10:30 save c PP1/60 12:00 = 7 | after 09:00
         show
         11:00 withdraw b",
        expect![[r#"
            all all p /60: 12:00 5 (1 of 1)

            all all p /60: 12:00 6 (1 of 1)

            all all p /60: 12:00 6 (1 of 1)

            all all p /60: 12:00 7 (1 of 1)

        "#]],
    );
}

#[test]
fn providers_and_kinds_are_summed_apart() {
    check_totals(
        "08:00 save a PP1/60 12:00 = 5 | by q
         08:00 save b PP2/60 12:00 = 6
         13:00 save c PP1/60 12:00 = 4 | actual",
        expect![[r#"
            all all p /60: 12:00 4 (1 of 2)
            all all p /60: 12:00 6 (1 of 2)
            all all q /60: 12:00 5 (1 of 2)

        "#]],
    );
}
