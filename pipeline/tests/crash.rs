//! The crash suite: the program is killed at every failpoint and at random moments, started again, and
//! compared with what it had acknowledged: nothing lost, nothing twice, the same hashes, a clean `check`.
//!
//! Killing a process keeps what it wrote in the page cache, so the same is done on a file layer that at the
//! kill drops or tears what was not synced, directory entries too ([`disk`]). That the suite can fail is
//! shown by a journal whose sync does nothing. A seed that failed is printed with the command to rerun it:
//! `SMARTPULSE_CRASH_SEED=N` runs that one, `SMARTPULSE_CRASH_ROUNDS=N` runs N times as many.

#[path = "crash/accounts.rs"]
mod accounts;
#[path = "crash/content.rs"]
mod content;
#[path = "crash/disk.rs"]
mod disk;
#[path = "crash/doors.rs"]
mod doors;
#[path = "crash/ledger.rs"]
mod ledger;
#[path = "crash/operations.rs"]
mod operations;
#[path = "crash/program.rs"]
mod program;
#[path = "crash/replays.rs"]
mod replays;
#[path = "crash/saves.rs"]
mod saves;
#[path = "crash/seeds.rs"]
mod seeds;
#[path = "crash/shadow.rs"]
mod shadow;
#[path = "crash/survivors.rs"]
mod survivors;
#[path = "crash/tally.rs"]
mod tally;
#[path = "crash/writers.rs"]
mod writers;

use anyhow::{Context as _, bail, ensure};
use disk::Power;
use seeds::each_seed;

#[test]
fn replays_go_on_after_a_kill() {
    each_seed("replays_go_on_after_a_kill", 1..4, |seed, room| {
        replays::trial(seed, room, Power::Stays)
    });
}

#[test]
fn replays_go_on_after_a_power_cut() {
    each_seed("replays_go_on_after_a_power_cut", 11..14, |seed, room| {
        replays::trial(seed, room, Power::Fails)
    });
}

#[test]
fn saves_outlive_a_kill() {
    each_seed("saves_outlive_a_kill", 21..24, |seed, room| saves::trial(seed, room, Power::Stays));
}

#[test]
fn saves_outlive_a_power_cut() {
    each_seed("saves_outlive_a_power_cut", 31..35, |seed, room| {
        saves::trial(seed, room, Power::Fails)
    });
}

#[test]
fn a_journal_that_does_not_sync_is_caught() {
    each_seed("a_journal_that_does_not_sync_is_caught", 41..43, |seed, room| {
        saves::one_cut(seed, &room.join("synced"), Power::Fails).context("with the sync call")?;
        let Err(fault) = saves::one_cut(seed, &room.join("unsynced"), Power::FailsUnsynced) else {
            bail!("acknowledged saves were lost, and the comparison did not notice");
        };
        let words = format!("{fault:#}");
        // Either the comparison finds the loss, or the program itself does, by the store's newer epoch.
        let noticed = words.contains("lost") || words.contains("acknowledged changes are missing");
        ensure!(noticed, "without the sync call something else is wrong: {words}");
        tally::say(&format!("without the sync call, seed {seed}: {words}\n"));
        Ok(())
    });
}

#[test]
fn a_history_store_beyond_recovery_is_made_anew() {
    let test = "a_history_store_beyond_recovery_is_made_anew";
    each_seed(test, 51..52, saves::damaged_store);
}
