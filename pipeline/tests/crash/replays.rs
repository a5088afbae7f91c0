//! Replays: a random folder that is killed again and again while it is taken in must end with the counts
//! and hashes of a run that nobody disturbed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use smartpulse::failpoint::Failpoint;

use crate::disk::{Disk, Power};
use crate::program::{Death, End, Run, check, python};
use crate::tally::Tally;

/// Saves of a folder, and the ticks it must make: one that is taken in at once is no trial.
const SAVES: &str = "300";
const LEAST_EPOCHS: u64 = 30;
/// Kills at a random moment, and how late they come at most.
const RANDOM_KILLS: u32 = 4;
const LATEST_MS: u64 = 160;
/// A failpoint is killed at up to this pass.
const LATEST_PASS: u64 = 40;

/// A source with the options it is replayed with.
struct Source {
    folder: PathBuf,
    options: Vec<String>,
}

/// Replays one random folder on one and two workers, with kills at every failpoint and at random.
pub(crate) fn trial(seed: u64, room: &Path, power: Power) -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (source, expected) = undisturbed(seed, room)?;
    let mut tally = Tally::default();
    let mut stories = Vec::new();
    for workers in ["1", "2"] {
        let mut trial = Trial {
            source: &source,
            expected: &expected,
            workers,
            disk: Disk::new(&room.join(workers), power)?,
            tally: &mut tally,
        };
        trial.disturb(&mut random).with_context(|| format!("on {workers} workers"))?;
        stories.push(format!("on {workers} workers: {}", trial.disk.story()));
    }
    tally.print(&format!("replays of seed {seed}, {}", stories.join(", ")));
    tally.is_complete()
}

/// The random folder of `seed`, and what a run makes of it that nobody disturbs.
fn undisturbed(seed: u64, room: &Path) -> Result<(Source, Value)> {
    for attempt in 0..20 {
        let room = room.join(format!("undisturbed-{attempt}"));
        let source = Source::write(seed + 1_000 * attempt, &room)?;
        let disk = Disk::new(&room, Power::Stays)?;
        let End::Done(output) = source.run(&disk, "1", Death::None, &mut Tally::default())? else {
            bail!("the undisturbed replay failed");
        };
        let printed: Value = serde_json::from_str(output.trim_end())?;
        if printed["epoch"].as_u64() >= Some(LEAST_EPOCHS) {
            return Ok((source, outcome(&output)?));
        }
    }
    bail!("no folder of this seed makes {LEAST_EPOCHS} ticks")
}

struct Trial<'t> {
    source: &'t Source,
    expected: &'t Value,
    workers: &'t str,
    disk: Disk,
    tally: &'t mut Tally,
}

impl Trial<'_> {
    fn disturb(&mut self, random: &mut ChaCha8Rng) -> Result<()> {
        let mut places = Failpoint::ALL;
        places.shuffle(random);
        for place in places {
            let pass = random.random_range(1..=LATEST_PASS);
            if !self.disturbed(Death::At(place, pass), random)? {
                // It came to the end before: a new folder passes every place in its first run.
                self.disk.clear()?;
                let first = self.disturbed(Death::At(place, 1), random)?;
                ensure!(first, "a new folder was filled without passing {}", place.name());
            }
        }
        for _ in 0..RANDOM_KILLS {
            let moment = Duration::from_millis(random.random_range(1..=LATEST_MS));
            if !self.disturbed(Death::After(moment), random)? {
                self.disk.clear()?;
            }
        }
        let finished = !self.disturbed(Death::None, random)?;
        ensure!(finished, "the last run was killed by somebody else");
        Ok(())
    }

    /// Goes on with the replay; false when it came to the end, which must be the expected one.
    fn disturbed(&mut self, death: Death, random: &mut ChaCha8Rng) -> Result<bool> {
        match self.source.run(&self.disk, self.workers, death, self.tally)? {
            End::Killed => {
                self.disk.after_death(random).with_context(|| format!("{death:?}"))?;
                Ok(true)
            }
            End::Failed(words) => bail!("the replay does not go on: {words}"),
            End::Done(output) => {
                let found = outcome(&output)?;
                ensure!(found == *self.expected, "expected {}\nfound    {found}", self.expected);
                self.disk.after_exit()?;
                let other = if self.workers == "1" { "2" } else { "1" };
                check(&mut self.disk, other, self.tally)?;
                Ok(false)
            }
        }
    }
}

impl Source {
    fn write(seed: u64, room: &Path) -> Result<Source> {
        let folder = room.join("source");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/random_folder.py");
        let mut command = Command::new(python()?);
        command.arg(script).arg(seed.to_string()).arg(&folder).args(["--size", SAVES]);
        let output = command.output().with_context(|| format!("{command:?}"))?;
        ensure!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let asked: Value = serde_json::from_slice(&output.stdout)?;
        let mut options = Vec::new();
        if let Some(rules) = asked["enforce"].as_str().filter(|rules| !rules.is_empty()) {
            options.extend(["--enforce".to_owned(), rules.to_owned()]);
        }
        if asked["skip_existing_check"] == true {
            options.push("--skip-existing-check".to_owned());
        }
        Ok(Source { folder, options })
    }

    fn run(&self, disk: &Disk, workers: &str, death: Death, tally: &mut Tally) -> Result<End> {
        let folder = self.folder.to_str().context("a path in UTF-8")?;
        let mut arguments = vec!["replay", folder, "--json", "--quiet", "--workers", workers];
        arguments.extend(self.options.iter().map(String::as_str));
        let mut run = Run::start(disk, &arguments, death)?;
        run.die()?;
        run.wait(tally)
    }
}

/// What a replay printed, without what depends on ticks and time.
fn outcome(output: &str) -> Result<Value> {
    let line = output.trim_end().lines().next_back().context("it printed nothing")?;
    let mut outcome: Value = serde_json::from_str(line)?;
    let fields = outcome.as_object_mut().context("an object")?;
    for varying in ["seconds", "pointsPerSecond", "epoch"] {
        fields.remove(varying);
    }
    Ok(outcome)
}
