//! The Python environment of the oracle: `target/oracle-venv`, with pinned packages.
//!
//! It is made once and renewed when the pins change. A copy of the pins is written into it last, so that
//! an installation that was cut short is never taken for a whole one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::project;

/// In the order of preference. The second serves a machine whose first is a shim with no version behind it.
const INTERPRETERS: [&str; 2] = ["python3", "/usr/bin/python3"];
/// Exits with 0 where an environment with pip can be made and the pinned packages have wheels.
const CAN_MAKE_ENVIRONMENTS: &str =
    "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
const PINS: &str = "xtask/oracle-requirements.txt";

/// The interpreter of an environment that has the pinned packages.
pub(crate) fn environment() -> Result<PathBuf> {
    let folder = project::target()?.join("oracle-venv");
    let interpreter = folder.join("bin/python");
    let installed = folder.join("installed.txt");
    let pins_file = project::root().join(PINS);
    let pins = fs::read_to_string(&pins_file)
        .with_context(|| format!("{} cannot be read", pins_file.display()))?;
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == pins)
        && works(&interpreter, "")
    {
        return Ok(interpreter);
    }
    eprintln!("xtask: making the Python environment {}", folder.display());
    let make =
        Command::new(base_interpreter()?).args(["-m", "venv", "--clear"]).arg(&folder).status();
    project::require("python3 -m venv", make.context("python3 cannot be started")?)?;
    install(&interpreter, &pins_file)?;
    fs::write(&installed, pins)
        .with_context(|| format!("{} cannot be written", installed.display()))?;
    Ok(interpreter)
}

fn install(interpreter: &Path, pins_file: &Path) -> Result<()> {
    // Wheels only: building Arrow from source here would take hours and then fail.
    let status = Command::new(interpreter)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary",
            ":all:",
        ])
        .arg("--requirement")
        .arg(pins_file)
        .status()
        .context("pip cannot be started")?;
    project::require("pip install", status).with_context(|| {
        format!(
            "the packages of {PINS} cannot be installed (pip's words are above): the tests need them, \
             from pip's configured index or from a folder named by PIP_FIND_LINKS"
        )
    })
}

fn base_interpreter() -> Result<&'static str> {
    for interpreter in INTERPRETERS {
        if works(Path::new(interpreter), CAN_MAKE_ENVIRONMENTS) {
            return Ok(interpreter);
        }
    }
    bail!(
        "no Python from 3.11 on that can make virtual environments (tried {}): on Debian, `apt-get install python3-venv`",
        INTERPRETERS.join(", ")
    )
}

fn works(interpreter: &Path, program: &str) -> bool {
    let run = Command::new(interpreter)
        .args(["-c", program])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    run.is_ok_and(|status| status.success())
}
