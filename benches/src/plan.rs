//! What a run is to measure, how long, and with what.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use tempfile::TempDir;

/// Measures the platform, each row beside its reference in the same run.
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub(crate) struct Asked {
    /// A few minutes instead of most of an hour: fewer and shorter runs, smaller folders
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only rows of this name, or whose names begin with it and a dash; may repeat
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Other engines too, where they have to be built first
    #[arg(long)]
    pub(crate) peers: bool,
    /// Rows that need services beside the platform
    #[arg(long)]
    pub(crate) services: bool,
    /// Print one JSON object as the last line on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// The program `smartpulse`; default: the one beside this program
    #[arg(long, env = "SMARTPULSE_BENCH_PROGRAM", value_name = "FILE")]
    program: Option<PathBuf>,
    /// Where data folders are made, on the disk that is to be measured; default: beside this program
    #[arg(long, env = "SMARTPULSE_BENCH_FOLDER", value_name = "DIR")]
    folder: Option<PathBuf>,
    /// A Python with pyarrow and polars, as `cargo xtask test` makes it
    #[arg(long, env = "SMARTPULSE_PYTHON", value_name = "FILE")]
    python: Option<PathBuf>,
    /// The peer of `benches/peers/dbsp`, as `cargo xtask bench --peers` builds it
    #[arg(long, env = "SMARTPULSE_BENCH_DBSP", value_name = "FILE")]
    dbsp: Option<PathBuf>,
    /// The folder of the public data sets
    #[arg(
        long,
        env = "SMARTPULSE_DATASETS",
        value_name = "DIR",
        default_value = "../shared/datasets"
    )]
    datasets: PathBuf,
}

/// What is to be measured and with what.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Fewer and shorter runs.
    pub(crate) quick: bool,
    /// Rows that need services beside the platform, too.
    pub(crate) services: bool,
    /// The program `smartpulse`.
    pub(crate) program: PathBuf,
    /// The folder of the public data sets.
    pub(crate) datasets: PathBuf,
    only: Vec<String>,
    folder: PathBuf,
    python: Option<PathBuf>,
    dbsp: Option<PathBuf>,
}

impl Plan {
    /// What was asked for, with what it needs found.
    pub(crate) fn new(asked: &Asked) -> Result<Plan> {
        let own = env::current_exe().context("this program has no path")?;
        let beside = own.parent().unwrap_or(Path::new(".")).to_owned();
        let program = asked.program.clone().unwrap_or_else(|| beside.join("smartpulse"));
        ensure!(
            program.is_file(),
            "there is no program {}: `cargo xtask bench` builds it",
            program.display()
        );
        let folder = asked.folder.clone().unwrap_or_else(|| beside.join("bench-folders"));
        fs::create_dir_all(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        ensure!(
            !asked.peers || asked.dbsp.is_some(),
            "--peers needs SMARTPULSE_BENCH_DBSP; `cargo xtask bench --peers` builds what it names"
        );
        Ok(Plan {
            quick: asked.quick,
            services: asked.services,
            program,
            datasets: std::path::absolute(&asked.datasets)?,
            only: asked.only.clone(),
            folder,
            python: asked.python.clone(),
            dbsp: asked.dbsp.clone().filter(|_| asked.peers),
        })
    }

    /// Whether a row is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let is_named = |only: &String| {
            name.strip_prefix(only.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.only.is_empty() || self.only.iter().any(is_named)
    }

    /// Whether any of some rows is wanted.
    pub(crate) fn wants_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.wants(name))
    }

    /// One of two sizes.
    pub(crate) fn sized<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// An empty folder on the disk that is measured; removed when it is dropped.
    pub(crate) fn room(&self) -> Result<TempDir> {
        tempfile::tempdir_in(&self.folder)
            .with_context(|| format!("{} takes no folder", self.folder.display()))
    }

    /// The peer that is measured too; none: it was not asked for.
    pub(crate) fn dbsp(&self) -> Option<&Path> {
        self.dbsp.as_deref()
    }

    /// A Python with pyarrow and polars.
    pub(crate) fn python(&self) -> Result<&Path> {
        self.python.as_deref().context(
            "SMARTPULSE_PYTHON must name a Python with pyarrow and polars; `cargo xtask bench` makes one",
        )
    }
}

/// Says something to the person at the terminal.
#[allow(clippy::print_stderr, reason = "words for people go to standard error")]
pub(crate) fn say(words: &str) {
    eprintln!("{words}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(only: &[&str]) -> Plan {
        Plan {
            quick: true,
            services: false,
            program: PathBuf::new(),
            datasets: PathBuf::new(),
            only: only.iter().map(|name| (*name).to_owned()).collect(),
            folder: PathBuf::new(),
            python: None,
            dbsp: None,
        }
    }

    #[test]
    fn rows_are_asked_for_by_name_or_family() {
        assert!(plan(&[]).wants("replay-eia"));
        assert!(plan(&["replay-eia", "get-latest"]).wants("get-latest-hit"));
        assert!(plan(&["save-latency-25"]).wants("save-latency-25"));
        assert!(!plan(&["save-latency-2"]).wants("save-latency-25"));
        assert!(!plan(&["replay-eia"]).wants("replay"));
        assert!(plan(&["save-latency"]).wants_any(&["x", "save-latency-75"]));
    }
}
