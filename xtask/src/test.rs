//! `cargo xtask test`: the tests of the console, of the oracle, then those of the workspace, with what they
//! need.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::project::Profile;
use crate::{console, programs, project, python};

const ORACLE: &str = "pipeline/tests/oracle";

/// Runs everything even where something fails, cargo last, so that its result lines end the output.
pub(crate) fn test(arguments: &[String]) -> Result<()> {
    let datasets = datasets()?;
    let python = python::environment()?;
    let console = console::built()?;
    eprintln!("xtask: the services that the tests start");
    smartpulse_services::install::everything()?;

    let mut oracle = Command::new(&python);
    oracle.current_dir(project::root()).args(["-m", "unittest", "discover", "-s", ORACLE]);
    let mut failed = Vec::new();
    // First the console, so that cargo's result lines end the output.
    let program = project::build_smartpulse(Profile::Dev, Some(&console))?;
    eprintln!("xtask: the console's tests");
    if let Err(fault) = console::test(&program) {
        eprintln!("xtask: {fault:#}");
        failed.push("the console's tests".to_owned());
    }
    let configure = |command: &mut Command| {
        command
            .env("SMARTPULSE_PYTHON", &python)
            .env("SMARTPULSE_DATASETS", &datasets)
            .env(console::VARIABLE, &console);
    };
    let mut run = |name: &str, mut command: Command| -> Result<()> {
        eprintln!("xtask: {name}");
        configure(&mut command);
        let status = command.status().with_context(|| format!("{name} cannot be started"))?;
        if !status.success() {
            failed.push(format!("{name} ({status})"));
        }
        Ok(())
    };
    run("the oracle's own tests", oracle)?;
    // All of them: without arguments, or with the one that means just that.
    if arguments.iter().all(|argument| argument == "--no-fail-fast") {
        eprintln!("xtask: the tests of the workspace");
        failed.extend(programs::run(&configure)?);
    } else {
        let mut workspace = project::cargo()?;
        workspace.args(["test", "--workspace"]).args(arguments);
        run("cargo test", workspace)?;
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// The folder of the public data sets: SMARTPULSE_DATASETS, else the one beside the clone.
pub(crate) fn datasets() -> Result<PathBuf> {
    let given = env::var_os("SMARTPULSE_DATASETS").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| project::root().join("../shared/datasets"));
    folder.canonicalize().with_context(|| {
        format!(
            "the data sets are not in {}: name their folder in SMARTPULSE_DATASETS",
            folder.display()
        )
    })
}
