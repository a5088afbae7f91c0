//! The disk a trial runs on: one whose page cache outlives every kill, or one whose power fails with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::operations::Operations;
use crate::shadow::Shadow;
use crate::survivors::Luck;

/// What becomes of the page cache when the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    /// It stays: a kill.
    Stays,
    /// It is lost, mostly: a power cut, with kills in between that leave it.
    Fails,
    /// It is lost, nothing of it survives, and nobody syncs the journal.
    FailsUnsynced,
}

impl Power {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Power::Stays => "stays",
            Power::Fails => "fails",
            Power::FailsUnsynced => "fails, without the sync call",
        }
    }
}

/// A disk with a data folder.
#[derive(Debug)]
pub(crate) struct Disk {
    room: PathBuf,
    power: Power,
    /// What is synced on it, where the power fails.
    shadow: Option<Shadow>,
    cuts: u64,
    /// How often a run found the history store damaged beyond its own recovery.
    made_anew: u64,
}

impl Disk {
    /// An empty disk in `room`, which is made.
    pub(crate) fn new(room: &Path, power: Power) -> Result<Disk> {
        fs::create_dir_all(room.join("disk"))?;
        let room = room.canonicalize()?;
        let mut disk = Disk { room, power, shadow: None, cuts: 0, made_anew: 0 };
        disk.begin()?;
        Ok(disk)
    }

    /// Where runs write what is not on the disk.
    pub(crate) fn room(&self) -> &Path {
        &self.room
    }

    /// The data folder. The disk is the folder around it: its name there may be lost too.
    pub(crate) fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    fn root(&self) -> PathBuf {
        self.room.join("disk")
    }

    fn notes(&self) -> PathBuf {
        self.room.join("notes")
    }

    /// What happened to it, in words.
    pub(crate) fn story(&self) -> String {
        let Disk { power, cuts, made_anew, .. } = self;
        let power = power.word();
        format!(
            "power {power}: {cuts} power cuts, {made_anew} times the history store was made anew"
        )
    }

    /// The environment of a run on this disk.
    pub(crate) fn settings(&self) -> Vec<(&'static str, PathBuf)> {
        if self.power == Power::Stays {
            return Vec::new();
        }
        let mut settings = vec![
            ("LD_PRELOAD", layer().to_owned()),
            ("POWERCUT_ROOT", self.root()),
            ("POWERCUT_NOTES", self.notes()),
        ];
        if self.power == Power::FailsUnsynced {
            // Without the segments and snapshots that would show a loss by themselves: the comparison must.
            for size in ["SMARTPULSE_TEST_SEGMENT_BYTES", "SMARTPULSE_TEST_SNAPSHOT_BYTES"] {
                settings.push((size, PathBuf::from("100000000")));
            }
            settings.push(("SMARTPULSE_TEST_WITHOUT_SYNC", PathBuf::from("1")));
        }
        settings
    }

    /// The process has been killed: follows what it did, and mostly cuts the power.
    pub(crate) fn after_death(&mut self, random: &mut ChaCha8Rng) -> Result<()> {
        self.after_exit()?;
        let luck = match self.power {
            Power::Stays => return Ok(()),
            Power::Fails if random.random_range(0..4) == 0 => return Ok(()),
            Power::Fails => Luck::Drawn(random),
            Power::FailsUnsynced => Luck::None,
        };
        self.cut(luck)
    }

    /// The process has ended: follows what it did.
    pub(crate) fn after_exit(&mut self) -> Result<()> {
        let (root, notes) = (self.root(), self.notes());
        let Some(shadow) = &mut self.shadow else { return Ok(()) };
        let operations = Operations::read(&notes)?;
        self.made_anew += operations.moves_of("data/history");
        shadow.follow(operations, &root)?;
        if notes.exists() {
            fs::remove_file(&notes)?;
        }
        shadow.compare(&root)
    }

    /// Cuts the power: what is left of the disk takes its place.
    pub(crate) fn cut(&mut self, luck: Luck<'_>) -> Result<()> {
        let root = self.root();
        let Some(shadow) = &self.shadow else { return Ok(()) };
        fs::remove_dir_all(&root)?;
        fs::create_dir(&root)?;
        shadow.cut(&root, luck)?;
        self.cuts += 1;
        self.begin()
    }

    /// Empties the disk.
    pub(crate) fn clear(&mut self) -> Result<()> {
        fs::remove_dir_all(self.root())?;
        fs::create_dir(self.root())?;
        self.begin()
    }

    fn begin(&mut self) -> Result<()> {
        if self.power != Power::Stays {
            self.shadow = Some(Shadow::of(&self.root())?);
        }
        Ok(())
    }
}

/// The file layer, compiled once.
fn layer() -> &'static Path {
    static LAYER: OnceLock<PathBuf> = OnceLock::new();
    LAYER.get_or_init(|| compile().expect("a C compiler as `cc`, or as CC names it"))
}

fn compile() -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/powercut.c");
    let library =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("powercut-{}.so", std::process::id()));
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut command = Command::new(compiler);
    command
        .args(["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source);
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(library)
}
