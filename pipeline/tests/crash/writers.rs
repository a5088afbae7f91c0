//! Writers: each saves and withdraws over a connection of its own until the doors are gone, and writes down
//! what was asked before it asks and what was answered when it is.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use smartpulse_operators::time::Instant;

use crate::doors::{Answer, Doors};
use crate::ledger::{Accepted, Ledger, Mark, Receipt, SLOTS, Save, Withdrawal};

/// Writers at work together; the last sends no keys.
pub(crate) const WRITERS: u64 = 3;
/// The unit that all writers save for; each has one of its own too, numbered like itself from 1.
pub(crate) const SHARED_UNIT: u64 = WRITERS + 1;
/// 2020-01-01T00:00:00Z in microseconds: before every `recorded`.
const LONG_AGO: i64 = 1_577_836_800_000_000;

/// One writer in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub(crate) number: u64,
    pub(crate) run: u64,
    /// Requests after which it stops by itself.
    pub(crate) requests: u32,
    pub(crate) seed: u64,
}

impl Writer {
    /// Writes until the doors are gone.
    pub(crate) fn write(self, address: SocketAddr, ledger: &Mutex<Ledger>) -> Result<()> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let Ok(mut doors) = Doors::at(address) else { return Ok(()) };
        for _ in 0..self.requests {
            let withdrawn =
                if random.random_range(0..6) == 0 { self.pick(ledger, &mut random) } else { None };
            let answered = match withdrawn {
                Some(mark) => withdraw(&mut doors, ledger, mark),
                None => {
                    let mark = self.begin(ledger, &mut random);
                    save(&mut doors, ledger, mark)
                }
            };
            match answered {
                Err(fault) if is_gone(&fault) => return Ok(()),
                other => other?,
            }
        }
        Ok(())
    }

    /// Writes a new save down.
    fn begin(self, ledger: &Mutex<Ledger>, random: &mut ChaCha8Rng) -> Mark {
        let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = Mark(ledger.saves.last_key_value().map_or(1, |(newest, _)| newest.0 + 1));
        let first = random.random_range(0..SLOTS);
        let is_late = random.random_range(0..5) == 0;
        let save = Save {
            unit: if random.random_range(0..3) == 0 { SHARED_UNIT } else { self.number },
            slots: (first, random.random_range(first + 1..=SLOTS)),
            valid_after: is_late.then(|| Instant(LONG_AGO + random.random_range(0..1_000_000))),
            key: (self.number < WRITERS).then(|| format!("key-{}", mark.0)),
            runs: (self.run, self.run),
            accepted: None,
            withdrawal: Withdrawal::None,
        };
        ledger.saves.insert(mark, save);
        mark
    }

    /// An acknowledged save of this writer's own unit.
    fn pick(self, ledger: &Mutex<Ledger>, random: &mut ChaCha8Rng) -> Option<Mark> {
        let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let stands = |save: &Save| save.receipt().is_some() && save.withdrawal == Withdrawal::None;
        let own = ledger.saves.iter().filter(|(_, save)| save.unit == self.number && stands(save));
        own.map(|(mark, _)| *mark).collect::<Vec<_>>().choose(random).copied()
    }
}

/// Sends a save, also again, and writes the answer down.
pub(crate) fn save(doors: &mut Doors, ledger: &Mutex<Ledger>, mark: Mark) -> Result<()> {
    let known = ledger.lock().unwrap_or_else(PoisonError::into_inner).saves[&mark].clone();
    let (path, body) = known.request(mark);
    let answer = doors.ask("POST", &path, known.key.as_deref(), &body)?;
    let receipt =
        receipt(&answer).with_context(|| format!("the answer to {mark:?}: {answer:?}"))?;
    ensure!(receipt.saved == known.values(), "{mark:?} {known:?} was not saved whole: {answer:?}");
    match &known.accepted {
        Some(Accepted::Acknowledged(first)) => {
            ensure!(
                *first == receipt,
                "asked again, {mark:?} was answered {receipt:?}, first {first:?}"
            );
        }
        Some(Accepted::Seen(recorded)) => {
            let same = *recorded == receipt.recorded;
            ensure!(
                same,
                "asked again, {mark:?} was saved a second time: {receipt:?}, seen {recorded}"
            );
        }
        None => {}
    }
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    ledger.epoch = ledger.epoch.max(answer.epoch);
    if let Some(save) = ledger.saves.get_mut(&mark) {
        save.accepted = Some(Accepted::Acknowledged(receipt));
    }
    Ok(())
}

/// Withdraws an acknowledged save, also again, and writes the answer down.
pub(crate) fn withdraw(doors: &mut Doors, ledger: &Mutex<Ledger>, mark: Mark) -> Result<()> {
    let batch = {
        let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let save = ledger.saves.get_mut(&mark).context("a save of the ledger")?;
        save.withdrawal = Withdrawal::Asked;
        save.receipt().context("an acknowledged save")?.batch.clone()
    };
    let answer = doors.ask("DELETE", &format!("/api/v2.0/batches/{batch}"), None, "")?;
    ensure!(answer.status == 200, "the withdrawal of {mark:?} was answered {answer:?}");
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    ledger.epoch = ledger.epoch.max(answer.epoch);
    if let Some(save) = ledger.saves.get_mut(&mark) {
        save.withdrawal = Withdrawal::Done;
    }
    Ok(())
}

/// Whether nobody answered: then the process has died.
pub(crate) fn is_gone(fault: &anyhow::Error) -> bool {
    fault.downcast_ref::<io::Error>().is_some()
}

fn receipt(answer: &Answer) -> Result<Receipt> {
    ensure!(answer.status == 200, "status {}", answer.status);
    let entry = &answer.body["data"][0];
    let more = &answer.body["additionalData"];
    Ok(Receipt {
        batch: entry["batchId"].as_str().context("a batch")?.to_owned(),
        sequence: more["sequence"].as_u64().context("a sequence")?,
        recorded: more["recorded"].as_str().and_then(Instant::parse).context("a recorded")?,
        epoch: more["epoch"].as_u64().context("an epoch")?,
        saved: entry["savedCount"].as_u64().context("a count")?,
    })
}
