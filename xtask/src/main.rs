//! The project's tasks: `cargo xtask test`, `cargo xtask run`, `cargo xtask smoke`.
//!
//! Each does its own set-up, so that a fresh clone needs Rust and Python and no instructions. They say
//! what they do on standard error; standard output belongs to the program they start. `.ci/run` strings
//! them together.

mod console;
mod demonstration;
mod project;
mod python;
mod run;
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
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test { arguments } => test::test(&arguments),
        Task::Run { dev, arguments } => {
            run::run(if dev { Profile::Dev } else { Profile::Release }, &arguments)
        }
        Task::Smoke => smoke::smoke(),
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
