//! `smartpulse` without a command: the demonstration. A generated fleet around now, alive.
//!
//! A new folder is given a week of the fleet's past (`founding`); then about once a second something happens
//! (`schedule` says what, `script` and its neighbours make it), sent like any save: re-issues, quarter hours as
//! they are metered, corrections, versions for the future, withdrawn batches, sales of plants. Live, `recorded`
//! is always now. What is saved by hand is overwritten after some minutes, as desks overwrite each other.
//!
//! A week of the past is 5 MB of journal, a day of live operation 21 MB, each with two to three times that of
//! history.

use std::thread;
use std::time::Duration;

use smartpulse_datasets::LivingFleet;
use smartpulse_operators::time::Instant;

use super::Shared;
use super::serve::run_until_stopped;
use crate::ingest::clock::MachineClocks;
use crate::service::ClockChoice;
use founding::Founded;
use script::{Moment, SECOND, SPOTLIGHT, Script};
use stage::Stage;

mod curves;
mod founding;
mod meters;
mod sales;
mod schedule;
mod script;
mod stage;
#[cfg(test)]
mod tests;
mod wording;

/// The fleet.
const SEED: u64 = 7;
const PLANTS: u32 = 60;
/// From one step to the next.
const PACE: Duration = Duration::from_secs(1);
/// Before a start, as long as meters may have been late in what was taken in of the past, in microseconds.
const METERS_LATE: i64 = 8 * 3_600 * SECOND;

/// Runs the demonstration.
///
/// # Errors
/// The first fault.
pub fn run(shared: &Shared, clocks: MachineClocks) -> anyhow::Result<()> {
    let mut config = shared.load(Some("data/demo"))?.config;
    if config.auth.local_roles.is_empty() {
        config.auth.local_roles.push("PastPredictionUpdateRole".to_owned());
    }
    let fleet = LivingFleet::new(SEED, PLANTS)?;
    let Founded { tended, without_past } =
        founding::found(shared, &config, &fleet, (clocks.now)())?;
    let clock = ClockChoice::Machine { clocks, accept: true };
    let address = config.listen;
    run_until_stopped(shared, &config, clock, clocks, |service| {
        let now = (clocks.now)();
        let words = words(&fleet, tended.len(), &address.to_string(), now);
        let mut script = Script::new(fleet, tended, now);
        let stage = Stage::of(service);
        for act in script.opening(now, without_past) {
            stage.perform(act);
        }
        thread::spawn(move || play_until_stopped(&mut script, &stage, clocks, now));
        shared.say(&words);
        Ok(())
    })
}

/// What to look at.
fn words(fleet: &LivingFleet, tended: usize, address: &str, now: Instant) -> String {
    let plant = &fleet.plants()[SPOTLIGHT];
    let (name, number) = (&plant.master.name, plant.master.unit.unit_no);
    let tomorrow = plant.zone.date(plant.zone.civil_days(now, 1).1);
    let api = format!("http://{address}/api/v2.0");
    let forecasts = format!("{api}/production-forecast/FinalForecast/PP/{number}/forecasts");
    format!(
        "{tended} plants, something new every second; the local caller has PastPredictionUpdateRole\n\
         look at\n  \
         where to begin: http://{address}/\n  \
         plant {number} ({name}), today and tomorrow: {forecasts}/latest\n  \
         its noon tomorrow, who said what and when: {forecasts}/evolution?delivery={tomorrow}T12:00\n  \
         the sum of company 1: {api}/totals/company/1/FinalForecast?period=60\n  \
         its plants, bought and sold: {api}/memberships?parentType=CMP&parentNo=1"
    )
}

/// Plays step by step until the service takes no more.
fn play_until_stopped(script: &mut Script, stage: &Stage, clocks: MachineClocks, begun: Instant) {
    let mut since = Instant(begun.0 - METERS_LATE);
    for step in 0.. {
        let now = (clocks.now)().max(since);
        let acts = script.acts(Moment { step, since, now }, &stage.reference());
        if !acts.into_iter().all(|act| stage.perform(act)) {
            return;
        }
        since = now;
        thread::sleep(PACE);
    }
}
