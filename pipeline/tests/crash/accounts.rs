//! The comparison: what the doors show against what the ledger says they must.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow, ensure};
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use smartpulse_operators::time::Instant;

use crate::doors::{Answer, Doors};
use crate::ledger::{Ledger, Mark, PROVIDER, Receipt, SLOTS, Save, Withdrawal, start};
use crate::writers::{SHARED_UNIT, save, withdraw};

/// Acknowledged saves of earlier runs that are looked up, and asked again, after each restart.
const LOOKED_UP: usize = 25;
const ASKED_AGAIN: usize = 6;

/// Looks at everything a restarted service shows. Nothing is changed but what the ledger has seen.
pub(crate) fn look(
    address: SocketAddr,
    ledger: &Mutex<Ledger>,
    run: u64,
    random: &mut ChaCha8Rng,
) -> Result<()> {
    let mut doors = Doors::at(address)?;
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    let ledger = &mut *ledger;
    in_order(ledger)?;
    counts(&mut doors, ledger)?;
    units(&mut doors, ledger)?;
    for unit in 0..=SHARED_UNIT {
        latest(&mut doors, ledger, unit)?;
    }
    let (recent, before): (Vec<Mark>, Vec<Mark>) = ledger
        .receipts()
        .iter()
        .map(|(mark, _)| *mark)
        .partition(|mark| ledger.saves[mark].runs.1 + 1 >= run);
    for mark in recent.iter().chain(before.sample(random, LOOKED_UP)) {
        batch(&mut doors, ledger, *mark)?;
    }
    Ok(())
}

/// Asks everything again that has no answer yet, and some of what has one.
pub(crate) fn ask_again(
    address: SocketAddr,
    ledger: &Mutex<Ledger>,
    run: u64,
    random: &mut ChaCha8Rng,
) -> Result<()> {
    let mut doors = Doors::at(address)?;
    let (mut again, mut withdrawn) = (Vec::new(), Vec::new());
    {
        let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let keyed = |save: &&mut Save| save.key.is_some();
        let mut answered = Vec::new();
        for (mark, save) in &mut ledger.saves {
            if save.withdrawal == Withdrawal::Asked {
                withdrawn.push(*mark);
            }
            if Some(save).filter(keyed).is_some() {}
        }
        for (mark, save) in ledger.saves.iter_mut().filter(|(_, save)| save.key.is_some()) {
            if save.receipt().is_some() {
                answered.push(*mark);
            } else {
                save.runs.1 = run;
                again.push(*mark);
            }
        }
        again.extend(answered.sample(random, ASKED_AGAIN));
    }
    again.iter().try_for_each(|mark| save(&mut doors, ledger, *mark))?;
    withdrawn.iter().try_for_each(|mark| withdraw(&mut doors, ledger, *mark))
}

/// Describes the units, until that is acknowledged.
pub(crate) fn describe_units(address: SocketAddr, ledger: &Mutex<Ledger>) -> Result<()> {
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    if !ledger.has_units {
        let mut doors = Doors::at(address)?;
        for unit in 0..=SHARED_UNIT {
            let body = format!(r#"{{"name":"Unit {unit}"}}"#);
            let answer = doors.ask("PUT", &format!("/api/v2.0/units/PP/{}", unit + 1), None, &body)?;
            ensure!(answer.status == 200, "describing unit {unit}: {answer:?}");
            ledger.epoch = ledger.epoch.max(answer.epoch);
        }
        ledger.has_units = true;
    }
    Ok(())
}
