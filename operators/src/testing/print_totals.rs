//! `check_totals(script, expect![[…]])`: runs a script as `check` does, and compares the totals at each
//! `show` and at the end, with the brute force and, as text, with what the test expects.
//!
//! `company 7 p /30: 12:00×2 5 (1 of 2)` is two half hours of 5 MW from the one that reports of two members.

use std::fmt::Write;

use expect_test::Expect;

use super::feeder::Histories;
use super::graph::{Setup, run};
use super::oracle::Oracle;
use super::print::runs;
use super::script::Script;
use super::totals::{Totals, totals};
use super::written::megawatts;
use super::{Act, ticks};
use crate::time::Period;

/// Runs `script` and compares its totals.
#[track_caller]
pub(crate) fn check_totals(script: &str, expect: Expect) {
    let script = Script::read(script);
    let mut oracle = Oracle::default();
    let mut told = String::new();
    let mut by_hand = Vec::new();
    for part in &script.parts {
        part.iter().for_each(|step| oracle.take(step));
        let steps = script.parts.concat();
        let order = |batch| {
            let saves = steps.iter().filter_map(|step| match &step.act {
                Act::Save(issue) => Some((issue.batch.sequence, issue.batch.valid_after)),
                _ => None,
            });
            let valid_after = saves.into_iter().find(|(sequence, _)| *sequence == batch).unwrap().1;
            (valid_after, batch)
        };
        by_hand.push(totals(&oracle.view(), &oracle.statements, order));
        print(by_hand.last().unwrap(), &mut told);
    }
    let restart = Some((script.parts.concat().len() / 2, 1));
    for (size, workers, restart) in [(1, 1, None), (1, 4, restart), (100, 2, None)] {
        let setup = Setup { workers, histories: Histories::AsNeeded, restart };
        let mut all = Vec::new();
        let mut shows = Vec::new();
        for part in &script.parts {
            all.extend(ticks(part, &[size]));
            shows.push(all.len() - 1);
        }
        let run = run(&all, &setup);
        for (tick, by_hand) in shows.into_iter().zip(&by_hand) {
            assert_eq!(&run.totals[tick].totals(), by_hand, "ticks of {size}, {setup:?}");
        }
    }
    expect.assert_eq(&told);
}

fn print(totals: &Totals, text: &mut String) {
    for (key, slots) in totals {
        let grid = Period::of_slots(slots.len()).unwrap();
        let reported = slots.iter().enumerate().filter(|(_, (.., reporting))| *reporting > 0);
        let slots = reported.map(|(slot, (sum, members, reporting))| {
            let told = format!("{} ({reporting} of {members})", megawatts(*sum));
            (key.day.slot_start(grid, slot), told)
        });
        let (total, provider) = (&key.total, key.provider.key());
        let told = runs(grid, slots).join(", ");
        writeln!(text, "{total} {provider} /{}: {told}", grid.minutes()).unwrap();
    }
    text.push('\n');
}
