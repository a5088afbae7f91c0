//! `cargo xtask bench`: builds the platform and its benchmark, makes the Python environment whose writers
//! exports are measured beside, and measures.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::project::{self, Profile};
use crate::{console, python, test};

/// What the program is called.
const BENCH: &str = "bench";
/// The peer, from the root.
const DBSP: &str = "benches/peers/dbsp/Cargo.toml";

/// Runs the benchmark with these arguments; what it prints is its own. `peers`: other engines too.
pub(crate) fn bench(profile: Profile, peers: bool, arguments: &[String]) -> Result<()> {
    let python = python::environment()?;
    let console = console::built_if_possible()?;
    let program = project::build_smartpulse(profile, console.as_deref())?;
    let bench = build(profile, console.as_deref(), &program)?;
    let mut command = Command::new(bench);
    if peers {
        command.env("SMARTPULSE_BENCH_DBSP", build_dbsp()?);
    }
    command.current_dir(project::root()).args(arguments);
    command.env("SMARTPULSE_BENCH_PROGRAM", &program).env("SMARTPULSE_PYTHON", &python);
    if env::var_os("SMARTPULSE_BENCH_FOLDER").is_none() {
        // Of the target folder and not of the system's temporary one, which may be memory: what a sync
        // costs there says nothing.
        command.env("SMARTPULSE_BENCH_FOLDER", project::target()?.join("bench-folders"));
    }
    match test::datasets() {
        Ok(datasets) => command.env("SMARTPULSE_DATASETS", datasets),
        // Only the rows that need them fail, and say so.
        Err(_) => &mut command,
    };
    let status = command.status().context("the benchmark cannot be started")?;
    project::require("the benchmark", status)
}

/// Builds the benchmark as the program was built, so that both share what they depend on.
fn build(profile: Profile, console: Option<&Path>, program: &Path) -> Result<PathBuf> {
    let mut build = project::cargo()?;
    if let Some(folder) = console {
        build.env(console::VARIABLE, folder);
    } else {
        build.env_remove(console::VARIABLE);
    }
    build.args(["build", "--workspace", "--bin", BENCH]);
    if matches!(profile, Profile::Release) {
        build.arg("--release");
    }
    // Standard output is the result's alone.
    let status = build.stdout(Stdio::null()).status().context("cargo build cannot be started")?;
    project::require("cargo build", status)?;
    Ok(program.with_file_name(format!("{BENCH}{}", env::consts::EXE_SUFFIX)))
}

/// Builds the peer of `dbsp`, always in release: a workspace of its own, which nothing else waits for.
fn build_dbsp() -> Result<PathBuf> {
    let folder = project::target()?.join("peers");
    let mut build = project::cargo()?;
    build.args(["build", "--release", "--locked", "--manifest-path", DBSP]);
    build.arg("--target-dir").arg(&folder);
    let status = build.stdout(Stdio::null()).status().context("cargo build cannot be started")?;
    project::require("cargo build of the dbsp peer", status)?;
    let program = format!("smartpulse-peer-dbsp{}", env::consts::EXE_SUFFIX);
    Ok(folder.join("release").join(program))
}
