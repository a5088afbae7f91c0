//! The project's tasks: `cargo xtask test`, `cargo xtask run`, `cargo xtask smoke`,
//! `cargo xtask services`, `cargo xtask bench`.
//!
//! Each does its own set-up, so that a fresh clone needs Rust and Python and no instructions. They say
//! what they do on standard error; standard output belongs to the program they start. `.ci/run` strings
//! them together.

mod bench;
mod console;
mod demonstration;
mod programs;
mod project;
mod python;
mod run;
mod services;
mod smoke;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use project::Profile;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tasks of the forecast platform")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Set up what the tests need, then run every test of the workspace and of the oracle
    Test {
        /// Passed on to `cargo test --workspace`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Build the platform and start the demonstration
    Run {
        /// Build with the dev profile: a shorter build, a slower program
        #[arg(long)]
        dev: bool,
        /// Passed on to `smartpulse`
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Start the demonstration in an empty folder, read from it, stop it
    Smoke,
    /// Redis, Postgres and Pulsar on this machine, for development: installed, started, left running
    Services {
        /// What to do
        what: services::What,
    },
    /// Measure the platform, each row beside its reference in the same run
    Bench {
        /// A few minutes instead of most of an hour
        #[arg(long)]
        quick: bool,
        /// Only rows of this name, or whose names begin with it and a dash; may repeat
        #[arg(long, value_name = "NAME")]
        only: Vec<String>,
        /// Other engines too, where they have to be built first
        #[arg(long)]
        peers: bool,
        /// Rows that need services beside the platform
        #[arg(long)]
        services: bool,
        /// Print one JSON object as the last line on standard output
        #[arg(long)]
        json: bool,
        /// Build with the dev profile: to see that the rows work, not what they say
        #[arg(long)]
        dev: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test { arguments } => test::test(&arguments),
        Task::Run { dev, arguments } => {
            run::run(if dev { Profile::Dev } else { Profile::Release }, &arguments)
        }
        Task::Smoke => smoke::smoke(),
        Task::Services { what } => services::services(what),
        Task::Bench { quick, only, peers, services, json, dev } => {
            let flags = [("--quick", quick), ("--peers", peers), ("--services", services)];
            let flags = flags.into_iter().chain([("--json", json)]).filter(|(_, is_set)| *is_set);
            let mut arguments: Vec<String> = flags.map(|(flag, _)| flag.to_owned()).collect();
            arguments.extend(only.into_iter().map(|name| format!("--only={name}")));
            let profile = if dev { Profile::Dev } else { Profile::Release };
            bench::bench(profile, peers, &arguments)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // In one line: a backtrace through the task would hide what the program it started has said.
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
