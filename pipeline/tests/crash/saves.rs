//! Live saves: several writers over HTTP while the service is killed and started again, each time compared
//! with what it had acknowledged.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use smartpulse::failpoint::Failpoint;

use crate::accounts::{ask_again, look};
use crate::disk::{Disk, Power};
use crate::doors::Doors;
use crate::ledger::Ledger;
use crate::program::{Death, End, Run, check};
use crate::survivors::Luck;
use crate::tally::Tally;
use crate::writers::{WRITERS, Writer, is_gone};

/// Requests of a writer in a run that is to die at a failpoint, and in one that dies at a random moment.
const REQUESTS: u32 = 60;
const MANY_REQUESTS: u32 = 100_000;
/// The passes of a failpoint that are tried, until one is reached: late ones first.
const PASSES: [u64; 10] = [30, 8, 1, 1, 1, 1, 1, 1, 1, 1];
/// Kills at a random moment, and how late they come at most.
const RANDOM_KILLS: u32 = 4;
const LATEST_MS: u64 = 400;

/// Saves with kills at every failpoint and at random.
pub(crate) fn trial(seed: u64, room: &Path, power: Power) -> Result<()> {
    let mut trial = Trial::new(seed, Disk::new(room, power)?);
    let mut places = Failpoint::ALL;
    places.shuffle(&mut trial.random);
    for place in places {
        for (latest, requests) in PASSES.into_iter().zip((REQUESTS..).step_by(REQUESTS as usize)) {
            let pass = trial.random.random_range(1..=latest);
            let died = trial.run(Death::At(place, pass), requests);
            died.with_context(|| format!("{}:{pass}", place.name()))?;
            if trial.tally.kills_at(place) > 0 {
                break;
            }
        }
    }
    for _ in 0..RANDOM_KILLS {
        let moment = Duration::from_millis(trial.random.random_range(1..=LATEST_MS));
        let killed = trial.run(Death::After(moment), MANY_REQUESTS);
        killed.with_context(|| format!("killed after {moment:?}"))?;
    }
    if power == Power::Fails {
        trial.cut_after_a_kill().context("a kill, a start, and a power cut")?;
    }
    trial.finish().context("in the last run")?;
    let saves = trial.ledger().saves.len();
    let story = trial.disk.story();
    trial.tally.print(&format!("saves of seed {seed}, {saves} saves, {story}"));
    trial.tally.is_complete()
}

/// Saves, then a power cut of which nothing survives that was not synced: what the comparison says of it.
pub(crate) fn one_cut(seed: u64, room: &Path, power: Power) -> Result<()> {
    let mut trial = Trial::new(seed, Disk::new(room, power)?);
    trial.during(Death::None, |trial, run, address| {
        trial.ask_again(address)?;
        trial.write(run, address, REQUESTS)
    })?;
    trial.disk.after_exit()?;
    trial.disk.cut(Luck::None)?;
    trial.during(Death::None, |_, _, _| Ok(()))
}

/// A history store that cannot be opened is moved aside and made anew from the journal; one is kept.
pub(crate) fn damaged_store(seed: u64, room: &Path) -> Result<()> {
    let mut trial = Trial::new(seed, Disk::new(room, Power::Stays)?);
    trial.finish()?;
    let data = trial.disk.data();
    for (number, name) in [(1, "version"), (2, "0.jnl")] {
        let file = data.join("history").join(name);
        fs::remove_file(&file)?;
        // The library refuses an empty version, and panics over a folder where its journal should be.
        match number {
            1 => fs::write(&file, "")?,
            _ => fs::create_dir(&file)?,
        }
        trial.finish().with_context(|| format!("without {}", file.display()))?;
        let mut aside = Vec::new();
        for entry in fs::read_dir(&data)? {
            aside.push(entry?.file_name().into_string().unwrap_or_default());
        }
        aside.retain(|name| name.starts_with("history.damaged"));
        ensure!(aside == [format!("history.damaged-{number}")], "moved aside are {aside:?}");
    }
    Ok(())
}

struct Trial {
    random: ChaCha8Rng,
    disk: Disk,
    ledger: Mutex<Ledger>,
    tally: Tally,
    /// Starts so far.
    runs: u64,
}

impl Trial {
    fn new(seed: u64, disk: Disk) -> Trial {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Trial { random, disk, ledger: Mutex::default(), tally: Tally::default(), runs: 0 }
    }

    /// Writers until a kill: at `death`, or when they have had enough.
    fn run(&mut self, death: Death, requests: u32) -> Result<()> {
        self.during(death, |trial, run, address| {
            trial.ask_again(address)?;
            trial.write(run, address, requests)
        })?;
        self.disk.after_death(&mut self.random)
    }

    /// What a start shows of a record that was appended and not synced is shown for good.
    fn cut_after_a_kill(&mut self) -> Result<()> {
        let pass = self.random.random_range(1..=PASSES[1]);
        self.during(Death::At(Failpoint::JournalAppended, pass), |trial, run, address| {
            trial.ask_again(address)?;
            trial.write(run, address, REQUESTS)
        })?;
        self.disk.after_exit()?;
        self.during(Death::None, |_, _, _| Ok(()))?;
        self.disk.after_exit()?;
        self.disk.cut(Luck::None)?;
        self.during(Death::None, |_, _, _| Ok(()))?;
        self.disk.after_exit()
    }

    /// A run that nobody kills, and a check of the folder it leaves.
    fn finish(&mut self) -> Result<()> {
        let (mut run, address) = self.start(Death::None)?;
        let address = address.context("it does not start")?;
        self.look(address)?;
        self.ask_again(address)?;
        self.write(&mut run, address, REQUESTS)?;
        // Since the first run: every save.
        look(&mut Doors::at(address)?, &self.ledger, 0, &mut self.random)?;
        run.terminate()?;
        match run.wait(&mut self.tally)? {
            End::Done(_) => {}
            End::Killed => bail!("it was killed by somebody else"),
            End::Failed(words) => bail!("it does not stop as it should: {words}"),
        }
        self.disk.after_exit()?;
        check(&mut self.disk, "1", &mut self.tally)
    }

    /// Starts, looks at everything, does `work`, and sees to it that the run is killed.
    fn during(
        &mut self,
        death: Death,
        work: impl FnOnce(&mut Trial, &mut Run, SocketAddr) -> Result<()>,
    ) -> Result<()> {
        let (mut run, address) = self.start(death)?;
        let outcome = match address {
            Some(address) => self.look(address).and_then(|()| work(self, &mut run, address)),
            // It has died while it started.
            None => Ok(()),
        };
        match outcome {
            Ok(()) => run.kill()?,
            // A connection breaks only when the process dies, which shows below.
            Err(fault) if is_gone(&fault) => {}
            Err(fault) => return Err(fault),
        }
        match run.wait(&mut self.tally)? {
            End::Killed => Ok(()),
            End::Done(_) => bail!("it has stopped by itself"),
            End::Failed(words) => bail!("it has failed: {words}"),
        }
    }

    fn start(&mut self, death: Death) -> Result<(Run, Option<SocketAddr>)> {
        self.runs += 1;
        let workers = if self.random.random() { "1" } else { "2" };
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--workers", workers];
        let mut run = Run::start(&self.disk, &arguments, death)?;
        let line = run.line("listening on http://")?;
        let address = line.as_deref().and_then(|line| line.rsplit_once("http://"));
        let address = address.map(|(_, address)| address.parse()).transpose()?;
        Ok((run, address))
    }

    fn look(&mut self, address: SocketAddr) -> Result<()> {
        look(&mut Doors::at(address)?, &self.ledger, self.runs, &mut self.random)
    }

    fn ask_again(&mut self, address: SocketAddr) -> Result<()> {
        ask_again(&mut Doors::at(address)?, &self.ledger, self.runs, &mut self.random)
    }

    /// Lets all writers write until the doors are gone or each has made its requests.
    fn write(&mut self, run: &mut Run, address: SocketAddr, requests: u32) -> Result<()> {
        let writers = (1..=WRITERS).map(|number| Writer {
            number,
            run: self.runs,
            requests,
            seed: self.random.random(),
        });
        let writers: Vec<Writer> = writers.collect();
        let ledger = &self.ledger;
        thread::scope(|scope| {
            let write = |writer: Writer| scope.spawn(move || writer.write(address, ledger));
            let writing: Vec<_> = writers.into_iter().map(write).collect();
            run.die()?;
            writing.into_iter().try_for_each(|writer| {
                writer.join().unwrap_or_else(|_| Err(anyhow!("a writer has panicked")))
            })
        })
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
