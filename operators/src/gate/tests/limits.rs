//! Rules of `gate`: limits, and what is not held to them.

use expect_test::expect;

use crate::testing::print::check;

#[test]
fn limits_are_those_of_the_properties_else_the_installed_power() {
    check(
        "unit PP1 | installed 10
         unit PP1 | from 14:00, installed 20
         08:00 save a PP1/60 12:00 = 10 10.00001 15 21 | limits
         property PP1 upper_limit_mw 12
         property PP1 lower_limit_mw -1
         09:00 save b PP1/60 12:00 = 12 12.00001 -1 -1.00001 | limits
         10:00 save unchecked PP1/60 12:00 = 99",
        expect![[r#"
            a: 12:00 saved, 13:00 UPPER_LIMIT, 14:00 saved, 15:00 UPPER_LIMIT
            b: 12:00 restated, 13:00 UPPER_LIMIT, 14:00 restated, 15:00 LOWER_LIMIT
            unchecked: 12:00 restated
            PP1/60 p
              12:00 99 since unchecked
              14:00 -1 since b
        "#]],
    );
}

#[test]
fn installed_power_is_that_of_the_version_in_force_whenever_stated() {
    check(
        "unit PP1 | from 14:00, installed 20
         unit PP1 | from 12:00, installed 10
         08:00 save a PP1/60 12:00 = 11 11 21 11 | limits
         unit PP1 | from 14:00, installed 30
         09:00 save b PP1/60 14:00 = 21 | limits",
        expect![[r#"
            a: 12:00×3 UPPER_LIMIT, 15:00 saved
            b: 14:00 saved
            PP1/60 p
              14:00 21 since b
              15:00 11 since a
        "#]],
    );
}

#[test]
fn without_limits_anything_goes_and_a_null_has_none() {
    check(
        "08:00 save a PP1/60 12:00 = -5 0 5; CMP7/60 12:00 = -5 0 5 | limits
         property PP1 lower_limit_mw 1
         property CMP7 upper_limit_mw 1
         09:00 save b PP1/60 12:00 = null 0 1; CMP7/60 12:00 = null 1 2 | limits",
        expect![[r#"
            a #1: 12:00×3 saved
            a #2: 12:00×3 saved
            b #1: 12:00 saved, 13:00 LOWER_LIMIT, 14:00 restated
            b #2: 12:00 saved, 13:00 restated, 14:00 UPPER_LIMIT
            CMP7/60 p
              12:00 null since b
              13:00 1 since b
              14:00 5 since a
            PP1/60 p
              12:00 null since b
              13:00 0 since a
              14:00 1 since b
        "#]],
    );
}

#[test]
fn installed_power_limits_plants_alone() {
    check(
        "unit CMP7 | installed 10
         08:00 save a CMP7/60 12:00 = 11 | limits",
        expect![[r#"
            a: 12:00 saved
            CMP7/60 p
              12:00 11 since a
        "#]],
    );
}

#[test]
fn conform_upper_limit_clips_and_the_clipped_value_counts() {
    check(
        "unit PP1 | installed 10
         property PP1 lower_limit_mw 0
         08:00 save a PP1/60 12:00 = 11 10 -1 | limits, clip
         09:00 save b PP1/60 12:00 = 12 9 | limits, clip",
        expect![[r#"
            a: 12:00 saved as 10, 13:00 saved, 14:00 LOWER_LIMIT
            b: 12:00 skipped as 10, 13:00 restated
            PP1/60 p
              12:00 10 since a, winner b
              13:00 9 since b
        "#]],
    );
}

#[test]
fn actuals_are_held_to_no_unit_lock_gate_or_limit() {
    check(
        "unit PP1 | from 11:00, installed 10
         lock 1 PP1 00:00..24:00
         13:00 save a PP1/60 10:00 = 3x11 | actual, locks, gates, limits
         14:00 save b PP1/60 11:00 = 11 12 | actual, locks, gates, limits
         15:00 withdraw a | locks, gates",
        expect![[r#"
            a: 10:00×3 saved
            b: 11:00 skipped, 12:00 restated
            withdraw a: done
            PP1/60 p (actual)
              11:00 11 since b
              12:00 12 since b
        "#]],
    );
}

#[test]
fn what_passes_is_also_written_as_final_forecast() {
    check(
        "unit PP1 | installed 10
         08:00 save old PP1/60 12:00 = 4 5 | by FinalForecast
         09:00 save a PP1/60 12:00 = 5 5 11 | limits, final
         10:00 save b PP1/60 12:00 = 5 6 11 | limits, final, clip
         11:00 save own PP1/60 12:00 = 7 | final, by FinalForecast",
        expect![[r#"
            old: 12:00×2 saved
            a: 12:00×2 saved, 14:00 UPPER_LIMIT
            a (final): 12:00 restated, 13:00 skipped, 14:00 UPPER_LIMIT
            b: 12:00 skipped, 13:00 restated, 14:00 saved as 10
            b (final): 12:00 skipped, 13:00 restated, 14:00 saved as 10
            own: 12:00 restated
            PP1/60 FinalForecast
              12:00 7 since own
              13:00 6 since b
              14:00 10 since b
            PP1/60 p
              12:00 5 since a, winner b
              13:00 6 since b
              14:00 10 since b
        "#]],
    );
}
