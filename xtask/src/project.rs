//! Where the project lies, and how its cargo is called from inside a task.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::console;

/// What cargo tells a program about the package it runs. A nested cargo must not see it: build scripts
/// that watch these variables would run again each time a task and a plain `cargo` take turns.
const VARIABLES_OF_THIS_PACKAGE: [&str; 5] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_PRIMARY_PACKAGE",
];

/// How a program is compiled.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Profile {
    Dev,
    Release,
}

/// The root of the clone this task was started in.
pub(crate) fn root() -> PathBuf {
    let package =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().expect("the package of the tasks lies in the root").to_path_buf()
}

/// The folder of everything that is built.
pub(crate) fn target() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => std::path::absolute(folder).context("CARGO_TARGET_DIR is no path"),
        None => Ok(root().join("target")),
    }
}

/// The cargo that started this task, at the root.
pub(crate) fn cargo() -> Result<Command> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        if VARIABLES_OF_THIS_PACKAGE.iter().any(|start| name.to_string_lossy().starts_with(start)) {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(root());
    if env::var_os("CARGO_TARGET_DIR").is_some() {
        // A relative path counts from where the task was started.
        cargo.env("CARGO_TARGET_DIR", target()?);
    }
    Ok(cargo)
}

/// Builds `smartpulse`, with the console that lies in `console`, and returns the path of the program.
///
/// The dev build asks for a test as well, and both for the whole workspace: cargo then chooses the features
/// of every dependency as it does for `cargo test --workspace`, and what one has built serves the other.
pub(crate) fn build_smartpulse(profile: Profile, console: Option<&Path>) -> Result<PathBuf> {
    let mut build = cargo()?;
    match console {
        Some(folder) => build.env(console::VARIABLE, folder),
        None => build.env_remove(console::VARIABLE),
    };
    build.args(["build", "--workspace", "--bin", "smartpulse"]);
    match profile {
        Profile::Dev => build.args(["--test", "style"]),
        Profile::Release => build.arg("--release"),
    };
    build.arg("--message-format=json-render-diagnostics");
    let output =
        build.stderr(Stdio::inherit()).output().context("cargo build cannot be started")?;
    require("cargo build", output.status)?;
    let messages = String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")?;
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if message["target"]["name"] == "smartpulse"
            && let Some(program) = message["executable"].as_str()
        {
            return Ok(program.into());
        }
    }
    bail!("cargo build has named no program smartpulse")
}

/// An error that names the command, unless it succeeded.
pub(crate) fn require(command: &str, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("{command} failed ({status})");
    }
    Ok(())
}
