//! `cargo xtask run`: the demonstration from a fresh clone.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::console;
use crate::project::{self, Profile};

/// Becomes `smartpulse`: the terminal, ctrl-c, signals and the exit code are then its own.
pub(crate) fn run(profile: Profile, arguments: &[String]) -> Result<()> {
    let console = console::built_if_possible()?;
    let program = project::build_smartpulse(profile, console.as_deref())?;
    let error = Command::new(&program).args(arguments).exec();
    Err(error).with_context(|| format!("{} cannot be started", program.display()))
}
