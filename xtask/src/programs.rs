//! The workspace's test programs, two at once: those that wait for servers of their own beside those that compute, and
//! when there are none of them left, two that compute. Each one's output is shown whole, when it has ended, as `cargo test` shows it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::project;

/// Programs of the tests that mostly wait for Java, for time-outs and for servers to come back.
const WAITING: [&str; 5] = ["debezium", "pulsar", "redis", "postgres", "real"];

/// A test program as cargo has built it.
struct Program {
    /// As `cargo test` names it.
    name: String,
    path: PathBuf,
    /// The folder of its package, where it runs.
    package: PathBuf,
    waits: bool,
}

/// Programs that are still to run.
struct Row<'p>(Mutex<VecDeque<&'p Program>>);

impl<'p> Row<'p> {
    fn next(&self) -> Option<&'p Program> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Builds and runs them all, and then the examples in the documentation; gives what failed.
pub(crate) fn run(configure: &(dyn Fn(&mut Command) + Sync)) -> Result<Vec<String>> {
    let programs = build(configure)?;
    let failed = Mutex::new(Vec::new());
    let shown = Mutex::new(());
    let run_next = |rows: &[&Row<'_>]| {
        while let Some(program) = rows.iter().find_map(|row| row.next()) {
            let problem = match run_one(program, configure, &shown) {
                Ok(true) => continue,
                Ok(false) => program.name.clone(),
                Err(fault) => format!("{}: {fault:#}", program.name),
            };
            failed.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
        }
    };
    let (waiting, computing): (VecDeque<&Program>, VecDeque<&Program>) =
        programs.iter().partition(|program| program.waits);
    let (waiting, computing) = (Row(Mutex::new(waiting)), Row(Mutex::new(computing)));
    thread::scope(|scope| {
        scope.spawn(|| run_next(&[&waiting, &computing]));
        run_next(&[&computing]);
    });
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut examples = project::cargo()?;
    configure(&mut examples);
    let status = examples.args(["test", "--workspace", "--doc", "--no-fail-fast"]).status();
    if !status.context("cargo test cannot be started")?.success() {
        failed.push("the examples in the documentation".to_owned());
    }
    Ok(failed)
}

fn build(configure: &dyn Fn(&mut Command)) -> Result<Vec<Program>> {
    let mut building = project::cargo()?;
    configure(&mut building);
    building.args(["test", "--workspace", "--no-run"]);
    building.arg("--message-format=json-render-diagnostics");
    let output = building.stderr(Stdio::inherit()).output();
    let output = output.context("cargo test cannot be started")?;
    project::require("cargo test --no-run", output.status)?;
    let messages = String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")?;
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let programs: Vec<Program> = messages.filter_map(|message| program(&message)).collect();
    if programs.is_empty() {
        bail!("cargo has named no test program");
    }
    Ok(programs)
}

/// The test program that a message of cargo tells of.
fn program(message: &Value) -> Option<Program> {
    let path = PathBuf::from(message["executable"].as_str()?);
    if message["profile"]["test"] != true {
        return None;
    }
    let package = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    let target = &message["target"];
    let source = Path::new(target["src_path"].as_str()?);
    let source = source.strip_prefix(&package).unwrap_or(source).display().to_string();
    let is_test = target["kind"][0] == "test";
    let name = if is_test { source } else { format!("unittests {source}") };
    let waits = is_test && WAITING.contains(&target["name"].as_str()?);
    Some(Program { name, path, package, waits })
}

/// Runs one and shows what it said; whether it succeeded.
fn run_one(program: &Program, configure: &dyn Fn(&mut Command), shown: &Mutex<()>) -> Result<bool> {
    let mut running = Command::new(&program.path);
    configure(&mut running);
    running.current_dir(&program.package).env("CARGO_MANIFEST_DIR", &program.package);
    running.stdin(Stdio::null());
    let output = running.output().context("it cannot be started")?;
    let _alone = shown.lock().unwrap_or_else(PoisonError::into_inner);
    let file = program.path.strip_prefix(project::root()).unwrap_or(&program.path);
    eprintln!("     Running {} ({})", program.name, file.display());
    eprint!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.status.success())
}
