//! The words of the command line. Each command has a file; this one says what there is.

pub mod check;
pub mod config;
pub mod dead_letters;
pub mod demo;
mod descriptors;
pub mod export;
mod fetch;
pub mod generate;
pub mod health;
mod open_doors;
pub mod progress;
pub mod replay;
mod replica;
pub mod serve;
mod settled;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};

use crate::config::{ConfigError, Loaded};
use crate::export::View;

/// Forecasts in, exact views out.
#[derive(Debug, Parser)]
#[command(name = "smartpulse", version, about)]
pub struct Cli {
    /// What to do; without a command the demonstration runs.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What every command takes.
    #[command(flatten)]
    pub shared: Shared,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Shared {
    /// Configuration file (TOML).
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data folder.
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address of the doors.
    #[arg(long, global = true, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Worker threads.
    #[arg(long, global = true, value_name = "N")]
    pub workers: Option<usize>,
    /// Print one JSON object as the last line on standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress and no words.
    #[arg(long, global = true)]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service.
    Serve(ServeArgs),
    /// Take a data set in through the normal ingest path.
    Replay(ReplayArgs),
    /// Write a view as Parquet.
    Export(ExportArgs),
    /// Write a generated fleet as a long-format folder.
    Generate(GenerateArgs),
    /// Read the journal, compute everything again, and compare with what is stored.
    Check,
    /// Send messages that could not be used again to the topics they came from.
    DeadLetters(DeadLettersArgs),
    /// Ask a running service whether it is ready; exit code 0 if so.
    Health(HealthArgs),
    /// Show the effective configuration and where each value came from.
    Config,
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Believe a jump of the clock across the restart.
    #[arg(long)]
    pub accept_clock: bool,
    /// `wall`, or `data` to keep a replayed folder at its own clock, read-only.
    #[arg(long, default_value = "wall", value_parser = ["wall", "data"])]
    pub clock: String,
    /// Be a replica: show what an engine writes to that Redis (several: nodes of one cluster). Needs no data.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub from_redis: Vec<String>,
    /// Where a replica passes changes and as-of reads on to.
    #[arg(long, value_name = "URL", value_parser = parse_server)]
    pub engine: Option<String>,
}

/// Options of `dead-letters`.
#[derive(Debug, Args)]
pub struct DeadLettersArgs {
    /// Only those of this topic, as the configuration names it; may repeat.
    #[arg(long, value_name = "TOPIC")]
    pub topic: Vec<String>,
    /// Stop after so many messages.
    #[arg(long)]
    pub limit: Option<u64>,
    /// Also those of which a part was taken in.
    #[arg(long)]
    pub partly: bool,
}

/// Options of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The service; without it the one that listens where the configuration says.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
}

/// Options of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// `eia930-vintages[:2019,2020]`, `fleet:SEED` or the path of a long-format file or folder.
    pub source: String,
    /// `max`, or a factor of real time.
    #[arg(long, default_value = "max", value_parser = parse_speed)]
    pub speed: Speed,
    /// Leave out what was recorded before.
    #[arg(long, value_parser = parse_instant)]
    pub from: Option<Instant>,
    /// Stop before what was recorded from here on.
    #[arg(long, value_parser = parse_instant)]
    pub to: Option<Instant>,
    /// Stop after so many changes.
    #[arg(long)]
    pub limit: Option<u64>,
    /// Rules to hold the data to: gates, limits, locks.
    #[arg(long, value_delimiter = ',', value_parser = ["gates", "limits", "locks"])]
    pub enforce: Vec<String>,
    /// Round values to so many decimals in the unit given.
    #[arg(long, value_name = "DIGITS", value_parser = clap::value_parser!(u32).range(0..=6))]
    pub round: Option<u32>,
    /// Store equal values as news.
    #[arg(long)]
    pub skip_existing_check: bool,
    /// Keep the doors open while it runs.
    #[arg(long)]
    pub serve: bool,
}

/// Options of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// What to write.
    pub view: View,
    /// Where to; the view becomes a folder in it.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Reference instant; default: `--known-at`, else the folder's clock.
    #[arg(long, value_parser = parse_instant)]
    pub valid_at: Option<Instant>,
    /// Only what had been recorded by then.
    #[arg(long, value_parser = parse_instant)]
    pub known_at: Option<Instant>,
    /// Of the running service at that address, instead of a stopped folder.
    #[arg(long, value_name = "URL", value_parser = parse_server)]
    pub server: Option<String>,
    /// The epoch to show: of a stopped folder only its newest, of a service one it retains.
    #[arg(long)]
    pub epoch: Option<u64>,
    /// Only slots that start from here on.
    #[arg(long, value_parser = parse_instant)]
    pub from: Option<Instant>,
    /// Only slots that start before.
    #[arg(long, value_parser = parse_instant)]
    pub to: Option<Instant>,
    /// Only this provider.
    #[arg(long)]
    pub provider: Option<String>,
    /// Slot length of `resolved` and `totals`; default: the grid of each day.
    #[arg(long, value_name = "MINUTES", value_parser = parse_period)]
    pub period: Option<Period>,
    /// Least coverage of a slot of `resolved` and `totals`, below which it has no value.
    #[arg(long, value_name = "0..1", default_value = "0", value_parser = parse_completeness)]
    pub completeness: f64,
}

/// Options of `generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// `fleet:SEED[:plants=60,days=10,start=2026-03-25]`.
    pub source: String,
    /// The folder to write; new or empty.
    #[arg(long, value_name = "DIR", required_unless_present = "postgres")]
    pub out: Option<PathBuf>,
    /// Fill the legacy tables of a database instead; they are made where they are missing.
    #[arg(long, value_name = "URL", conflicts_with = "out")]
    pub postgres: Option<String>,
    /// File of the database's password.
    #[arg(long, value_name = "FILE", requires = "postgres")]
    pub password_file: Option<PathBuf>,
}

use smartpulse_operators::time::{Instant, Period};

/// How fast a replay goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as it goes.
    Max,
    /// Seconds of data in a second.
    Factor(f64),
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    let factor = text.parse::<f64>().ok().filter(|factor| *factor > 0.0 && factor.is_finite());
    factor.map(Speed::Factor).ok_or_else(|| "expected `max` or a positive number".to_owned())
}

fn parse_period(text: &str) -> Result<Period, String> {
    let period = text.parse().ok().and_then(Period::new);
    period.ok_or_else(|| "expected minutes that divide a day of 1440".to_owned())
}

fn parse_completeness(text: &str) -> Result<f64, String> {
    let completeness = text.parse::<f64>().ok().filter(|least| (0.0..=1.0).contains(least));
    completeness.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

fn parse_server(text: &str) -> Result<String, String> {
    let address = text.strip_prefix("http://").filter(|rest| !rest.trim_matches('/').is_empty());
    let server = address.map(|_| text.trim_end_matches('/').to_owned());
    server.ok_or_else(|| "expected http://HOST:PORT, as `serve` says it".to_owned())
}

fn parse_instant(text: &str) -> Result<Instant, String> {
    Instant::parse(text).ok_or_else(|| "expected an RFC 3339 instant with an offset".to_owned())
}

impl Shared {
    /// The configuration with these flags on top; `data` stands in for a folder that nothing names.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(&self, data: Option<&str>) -> Result<Loaded, ConfigError> {
        let mut flags: BTreeMap<&'static str, Value> = BTreeMap::new();
        let named = |path: &PathBuf| json!(path.display().to_string());
        if let Some(data) = self.data.as_ref().map(named).or(data.map(|data| json!(data))) {
            flags.insert("data", data);
        }
        if let Some(listen) = &self.listen {
            flags.insert("listen", json!(listen));
        }
        if let Some(workers) = self.workers {
            flags.insert("workers", json!(workers));
        }
        crate::config::load(self.config.as_deref(), &flags)
    }

    /// Prints `result` as the last line on standard output, where asked for.
    #[allow(clippy::print_stdout, reason = "the one place that writes a command's result")]
    pub fn print(&self, result: &Value) {
        if self.json {
            println!("{result}");
        }
    }

    /// Says something to the person at the terminal.
    #[allow(clippy::print_stderr, reason = "words for people go to standard error")]
    pub fn say(&self, words: &str) {
        if !self.quiet {
            eprintln!("{words}");
        }
    }
}
