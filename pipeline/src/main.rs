//! The binary `smartpulse`: reads the command line and the clocks; everything else is in the library.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use clap::Parser as _;
use smartpulse::cli::{self, Cli, Command};
use smartpulse::ingest::clock::MachineClocks;
use smartpulse_datasets::SourceError;
use smartpulse_operators::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn now() -> Instant {
    Instant::from(jiff::Timestamp::now())
}

#[allow(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
fn monotonic() -> Duration {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

fn main() -> ExitCode {
    let arguments = Cli::parse();
    let filter =
        arguments.shared.load(None).map_or_else(|_| "info".to_owned(), |loaded| loaded.config.log);
    let filter = if arguments.shared.quiet { "error".to_owned() } else { filter };
    let logging = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    let logging = logging.with_ansi(std::io::stderr().is_terminal());
    // A log that was set up before stays.
    let _ = logging.try_init();
    monotonic();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            report(&fault);
            if is_bad_argument(&fault) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn run(arguments: &Cli) -> anyhow::Result<()> {
    let shared = &arguments.shared;
    let clocks = MachineClocks { now, monotonic };
    match &arguments.command {
        None => cli::demo::run(shared, clocks),
        Some(Command::Serve(serve)) => cli::serve::run(shared, serve, clocks),
        Some(Command::Replay(replay)) => cli::replay::run(shared, replay, clocks),
        Some(Command::Export(export)) => cli::export::run(shared, export),
        Some(Command::Generate(generate)) => cli::generate::run(shared, generate),
        Some(Command::Check) => cli::check::run(shared),
        Some(Command::DeadLetters(letters)) => cli::dead_letters::run(shared, letters),
        Some(Command::Health(health)) => cli::health::run(shared, health),
        Some(Command::Config) => cli::config::run(shared),
    }
}

/// A source that is none, or a configuration that is refused, is the caller's mistake: exit code 2.
fn is_bad_argument(fault: &anyhow::Error) -> bool {
    let unknown_source = matches!(fault.downcast_ref(), Some(SourceError::Unknown { .. }));
    unknown_source || fault.is::<clap::Error>() || fault.is::<smartpulse::config::ConfigError>()
}

#[allow(clippy::print_stderr, reason = "the last word to the person at the terminal")]
fn report(fault: &anyhow::Error) {
    eprintln!("smartpulse: {fault}");
    for cause in fault.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}
