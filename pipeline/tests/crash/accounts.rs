//! The comparison: what the doors show against what the ledger says they must.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow, ensure};
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use smartpulse_operators::time::Instant;

use crate::doors::{Answer, Doors};
use crate::ledger::{Ledger, Mark, PROVIDER, SLOTS, Save, Withdrawal, start};
use crate::writers::{SHARED_UNIT, save, withdraw};

/// Acknowledged saves of earlier runs that are looked up, and asked again, after each restart.
const LOOKED_UP: usize = 25;
const ASKED_AGAIN: usize = 6;

/// Looks at everything that a restarted service shows. Nothing is changed but what the ledger has seen.
pub(crate) fn look(
    doors: &mut Doors,
    ledger: &Mutex<Ledger>,
    run: u64,
    random: &mut ChaCha8Rng,
) -> Result<()> {
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    in_order(&ledger)?;
    counts(doors, &mut ledger)?;
    units(doors, &mut ledger)?;
    for unit in 1..=SHARED_UNIT {
        latest(doors, &mut ledger, unit)?;
    }
    let acknowledged: Vec<Mark> = ledger.receipts().iter().map(|(mark, _)| *mark).collect();
    let is_recent = |mark: &Mark| ledger.saves[mark].runs.1 + 1 >= run;
    let (recent, before): (Vec<Mark>, Vec<Mark>) = acknowledged.into_iter().partition(is_recent);
    for mark in recent.iter().chain(before.sample(random, LOOKED_UP)) {
        batch(doors, &mut ledger, *mark)?;
    }
    Ok(())
}

/// Asks everything again that has no answer yet, and some of what has one.
pub(crate) fn ask_again(
    doors: &mut Doors,
    ledger: &Mutex<Ledger>,
    run: u64,
    random: &mut ChaCha8Rng,
) -> Result<()> {
    describe_units(doors, &mut ledger.lock().unwrap_or_else(PoisonError::into_inner))?;
    let marks = |wanted: &dyn Fn(&Save) -> bool| -> Vec<Mark> {
        let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.saves.iter().filter(|(_, save)| wanted(save)).map(|(mark, _)| *mark).collect()
    };
    for mark in marks(&|save| save.key.is_some() && save.receipt().is_none()) {
        let mut known = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        known.saves.entry(mark).and_modify(|save| save.runs.1 = run);
        drop(known);
        save(doors, ledger, mark)?;
    }
    for mark in marks(&|save| save.withdrawal == Withdrawal::Asked) {
        withdraw(doors, ledger, mark)?;
    }
    let answered = marks(&|save| save.key.is_some() && save.receipt().is_some());
    for mark in answered.sample(random, ASKED_AGAIN) {
        save(doors, ledger, *mark)?;
    }
    counts(doors, &mut ledger.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Describes the units, until that is acknowledged.
fn describe_units(doors: &mut Doors, ledger: &mut Ledger) -> Result<()> {
    if !ledger.has_units {
        for unit in 1..=SHARED_UNIT {
            let body = format!(r#"{{"name":"Unit {unit}"}}"#);
            let path = format!("/api/v2.0/units/PP/{unit}");
            let answer = doors.ask("PUT", &path, None, &body)?;
            ensure!(answer.status == 200, "describing unit {unit}: {answer:?}");
            ledger.epoch = ledger.epoch.max(answer.epoch);
        }
        ledger.has_units = true;
    }
    Ok(())
}

/// Sequences, instants and epochs of everything acknowledged go one way, and no two saves share one.
fn in_order(ledger: &Ledger) -> Result<()> {
    let receipts = ledger.receipts();
    for two in receipts.windows(2) {
        let ((_, one), (_, other)) = (&two[0], &two[1]);
        let rises = one.sequence < other.sequence && one.recorded < other.recorded;
        ensure!(rises && one.epoch <= other.epoch, "out of order: {:?}, then {:?}", two[0], two[1]);
    }
    let batches: BTreeSet<&str> =
        receipts.iter().map(|(_, receipt)| receipt.batch.as_str()).collect();
    ensure!(batches.len() == receipts.len(), "two saves share a batch");
    Ok(())
}

/// The counts lie between what is known to have been taken in and what was sent.
fn counts(doors: &mut Doors, ledger: &mut Ledger) -> Result<()> {
    let data = read(doors, ledger, "/api/v2.0/status")?;
    let total = |saves: &mut dyn Iterator<Item = &Save>| {
        saves.fold((0, 0), |(batches, values), save| (batches + 1, values + save.values()))
    };
    let least = total(&mut ledger.saves.values().filter(|save| save.accepted.is_some()));
    let most = total(&mut ledger.saves.values());
    let count =
        |name: &str| data["counts"][name].as_u64().with_context(|| format!("counts.{name}"));
    for (name, least, most) in [("batches", least.0, most.0), ("saved", least.1, most.1)] {
        let found = count(name)?;
        ensure!(found >= least, "lost: {found} {name}, {least} were taken in");
        ensure!(found <= most, "twice: {found} {name}, {most} were sent");
    }
    let others = (count("skipped")?, count("refused")?);
    ensure!(others == (0, 0), "skipped and refused are {others:?}: every save was news");
    Ok(())
}

fn units(doors: &mut Doors, ledger: &mut Ledger) -> Result<()> {
    if ledger.has_units {
        let data = read(doors, ledger, "/api/v2.0/units")?;
        let found = data.as_array().map_or(0, Vec::len) as u64;
        ensure!(found == SHARED_UNIT, "lost: {found} of {SHARED_UNIT} units are there");
    }
    Ok(())
}

/// Every slot of a unit shows what it may.
fn latest(doors: &mut Doors, ledger: &mut Ledger, unit: u64) -> Result<()> {
    if !ledger.has_units {
        return Ok(());
    }
    let path = format!(
        "/api/v2.0/production-forecast/{PROVIDER}/PP/{unit}/forecasts/latest?from={}&to=2040-06-02T00:00:00Z",
        start(0)
    );
    let data = read(doors, ledger, &path)?;
    let predictions = data[0]["predictions"].as_array().cloned().unwrap_or_default();
    for slot in 0..SLOTS {
        let here = predictions
            .iter()
            .find(|one| one["ds"] == start(slot))
            .filter(|one| !one["v"].is_null());
        let mark = here.map(|one| mark(&one["v"])).transpose()?;
        ledger.may_show(unit, slot, mark).map_err(|words| anyhow!(words))?;
        if let Some((mark, one)) = mark.zip(here) {
            let recorded = one["c"].as_str().and_then(Instant::parse).context("a recorded")?;
            ledger.saw(mark, recorded);
        }
    }
    Ok(())
}

/// An acknowledged save is there once, as it was acknowledged, and stays withdrawn.
fn batch(doors: &mut Doors, ledger: &mut Ledger, mark: Mark) -> Result<()> {
    let receipt = ledger.saves[&mark].receipt().context("a receipt")?.clone();
    let path = format!("/api/v2.0/batches/{}", receipt.batch);
    let data = read(doors, ledger, &path).with_context(|| format!("lost: {mark:?} {receipt:?}"))?;
    let found = (
        data["sequence"].as_u64(),
        data["recorded"].as_str().and_then(Instant::parse),
        data["savedCount"].as_u64(),
    );
    let expected = (Some(receipt.sequence), Some(receipt.recorded), Some(receipt.saved));
    ensure!(found == expected, "{mark:?} was acknowledged as {receipt:?}, found {data}");
    let is_withdrawn = !data["withdrawnAt"].is_null();
    let save = ledger.saves.get_mut(&mark).context("a save")?;
    match save.withdrawal {
        Withdrawal::None => ensure!(!is_withdrawn, "{mark:?} was withdrawn by nobody: {data}"),
        Withdrawal::Done => ensure!(is_withdrawn, "lost: the withdrawal of {mark:?}: {data}"),
        // It was seen: from now on it must stay.
        Withdrawal::Asked if is_withdrawn => save.withdrawal = Withdrawal::Done,
        Withdrawal::Asked => {}
    }
    Ok(())
}

/// What a read shows; never an epoch before one that was shown.
fn read(doors: &mut Doors, ledger: &mut Ledger, path: &str) -> Result<Value> {
    let Answer { status, epoch, mut body } = doors.get(path)?;
    ensure!(status == 200, "{path} was answered {status}: {body}");
    ensure!(epoch >= ledger.epoch, "lost: {path} shows epoch {epoch}, {} was shown", ledger.epoch);
    ledger.epoch = epoch;
    Ok(body["data"].take())
}

fn mark(value: &Value) -> Result<Mark> {
    let megawatts = value.as_f64().with_context(|| format!("{value} is no value"))?;
    // Two decimals of a small number are exact enough in a double.
    Ok(Mark((megawatts * 100.0).round() as u64))
}
