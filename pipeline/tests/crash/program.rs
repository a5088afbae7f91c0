//! Runs of the program that may be killed: by a failpoint of its own, or from outside after a while.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use smartpulse::failpoint::Failpoint;

use crate::disk::Disk;
use crate::tally::Tally;

const PROGRAM: &str = env!("CARGO_BIN_EXE_smartpulse");
/// How often a run is looked at, and how many looks it gets: generous, only to end a run that hangs.
const LOOK: Duration = Duration::from_millis(2);
const LOOKS: u32 = 60_000;
/// Small sizes, so that segments, snapshots and tables of the history store are begun all the time.
const SIZES: [(&str, &str); 4] = [
    ("SMARTPULSE_TEST_SEGMENT_BYTES", "2500"),
    ("SMARTPULSE_TEST_SNAPSHOT_BYTES", "3000"),
    // Starts go on from the newest snapshot.
    ("SMARTPULSE_TEST_REFILL_BYTES", "0"),
    ("SMARTPULSE_TEST_MEMTABLE_BYTES", "20000"),
];

/// How a run is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// As it likes.
    None,
    /// Killed at that pass of a failpoint.
    At(Failpoint, u64),
    /// Killed from outside after that time, if it still runs then.
    After(Duration),
}

/// How a run has ended.
#[derive(Debug)]
pub(crate) enum End {
    Killed,
    /// Exit code 0, with what it wrote on standard output.
    Done(String),
    /// Another exit code or signal, with what it wrote on standard error.
    Failed(String),
}

/// A run under way.
#[derive(Debug)]
pub(crate) struct Run {
    child: Child,
    files: Files,
    death: Death,
    killed_from_outside: bool,
}

/// Where a run writes.
#[derive(Clone, Debug)]
struct Files {
    output: PathBuf,
    errors: PathBuf,
    failpoints: PathBuf,
}

impl Run {
    /// Starts the program on the data folder of `disk`.
    pub(crate) fn start(disk: &Disk, arguments: &[&str], death: Death) -> Result<Run> {
        let file = |name: &str| disk.room().join(name);
        let files = Files {
            output: file("output"),
            errors: file("errors"),
            failpoints: file("failpoints"),
        };
        // Not there before the first run.
        let _ = fs::remove_file(&files.failpoints);
        let mut command = Command::new(PROGRAM);
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
            command.env_remove(name);
        }
        command.args(arguments).arg("--data").arg(disk.data()).envs(SIZES).envs(disk.settings());
        command.env("SMARTPULSE_FAILPOINT_LOG", &files.failpoints);
        if let Death::At(place, pass) = death {
            command.env("SMARTPULSE_FAILPOINT", format!("{}:{pass}", place.name()));
        }
        command
            .stdin(Stdio::null())
            .stdout(File::create(&files.output)?)
            .stderr(File::create(&files.errors)?);
        let child = command.spawn().with_context(|| format!("{PROGRAM} cannot be started"))?;
        Ok(Run { child, files, death, killed_from_outside: false })
    }

    /// The line on standard error that begins with `start`, or none when the run ended before.
    pub(crate) fn line(&mut self, start: &str) -> Result<Option<String>> {
        for _ in 0..LOOKS {
            let ended = self.child.try_wait()?.is_some();
            let text = fs::read_to_string(&self.files.errors)?;
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            if let Some(line) = whole.lines().find(|line| line.starts_with(start)) {
                return Ok(Some(line.to_owned()));
            }
            if ended {
                return Ok(None);
            }
            thread::sleep(LOOK);
        }
        self.kill()?;
        bail!("it never said `{start}`:\n{}", self.errors())
    }

    /// Kills it as a failpoint would, unless it has ended; nothing is flushed.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.killed_from_outside |= self.child.try_wait()?.is_none();
        Ok(self.child.kill()?)
    }

    /// Lets a run that is to be killed after a while live so long.
    pub(crate) fn die(&mut self) -> Result<()> {
        match self.death {
            Death::After(moment) => {
                thread::sleep(moment);
                self.kill()
            }
            _ => Ok(()),
        }
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) -> Result<()> {
        let process = rustix::process::Pid::from_child(&self.child);
        Ok(rustix::process::kill_process(process, rustix::process::Signal::TERM)?)
    }

    /// Waits for the end and counts it.
    pub(crate) fn wait(mut self, tally: &mut Tally) -> Result<End> {
        let mut status = None;
        for _ in 0..LOOKS {
            status = self.child.try_wait()?;
            if status.is_some() {
                break;
            }
            thread::sleep(LOOK);
        }
        let Some(status) = status else {
            self.kill()?;
            bail!("it did not end:\n{}", self.errors());
        };
        tally.passed(&self.files.failpoints);
        let end = self.end(status)?;
        match (&end, self.death) {
            (End::Killed, Death::At(place, _)) if !self.killed_from_outside => {
                tally.killed_at(place)
            }
            (End::Killed, _) => tally.killed_at_random(),
            _ => {}
        }
        Ok(end)
    }

    fn end(&self, status: ExitStatus) -> Result<End> {
        if status.success() {
            return Ok(End::Done(fs::read_to_string(&self.files.output)?));
        }
        let is_killed = status.signal() == Some(rustix::process::Signal::KILL.as_raw());
        Ok(if is_killed {
            End::Killed
        } else {
            End::Failed(format!("{status}\n{}", self.errors()))
        })
    }

    fn errors(&self) -> String {
        fs::read_to_string(&self.files.errors).unwrap_or_default()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A trial that fails must leave no process behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `check` must find nothing.
pub(crate) fn check(disk: &mut Disk, workers: &str, tally: &mut Tally) -> Result<()> {
    let arguments = ["check", "--workers", workers, "--quiet"];
    match Run::start(disk, &arguments, Death::None)?.wait(tally)? {
        End::Done(_) => disk.after_exit(),
        End::Killed => bail!("`check` was killed by somebody else"),
        End::Failed(words) => bail!("`check` does not pass: {words}"),
    }
}

/// The interpreter that writes random folders.
pub(crate) fn python() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("SMARTPULSE_PYTHON") {
        return Ok(PathBuf::from(named));
    }
    let usual = Path::new("/tmp/oracle-venv/bin/python");
    if usual.exists() {
        return Ok(usual.to_owned());
    }
    bail!("SMARTPULSE_PYTHON must name a Python with pyarrow; `cargo xtask test` makes one")
}

fn is_ours(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("SMARTPULSE_"))
}
