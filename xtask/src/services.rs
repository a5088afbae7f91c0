//! `cargo xtask services`: Redis (single, cluster), Postgres and Pulsar for a developer, left running.

use anyhow::Result;
use smartpulse_services::standing::{self, Standing};

/// What is to be done with them.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum What {
    /// Start what does not run yet, on the data it kept
    Up,
    /// Stop what was started; the data stays
    Down,
    /// Show what was started
    Status,
}

pub(crate) fn services(what: What) -> Result<()> {
    let shown = match what {
        What::Up => standing::up()?,
        What::Down => {
            let stopped = standing::down()?;
            eprintln!("xtask: stopped {} services; their data stays", stopped.len());
            stopped
        }
        What::Status => standing::all()?,
    };
    if shown.is_empty() {
        eprintln!("xtask: no service was started by `cargo xtask services up`");
    }
    shown.iter().for_each(show);
    Ok(())
}

/// A line a service: what a configuration needs to find it.
fn show(service: &Standing) {
    let state = if service.runs() { "runs" } else { "is down" };
    let (name, urls) = (&service.name, service.urls.join(" "));
    eprintln!("{name:14} {state:8} {urls}  ({})", service.folder.display());
}
