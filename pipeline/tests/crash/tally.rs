//! How often each failpoint was passed and killed at.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Result, ensure};
use smartpulse::failpoint::Failpoint;

/// Counts by failpoint.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Runs that passed it, and kills there.
    counts: BTreeMap<&'static str, (u64, u64)>,
    /// Kills at no failpoint, but at some moment.
    at_random: u64,
}

impl Tally {
    /// Adds the failpoints that a run has written to `log`.
    pub(crate) fn passed(&mut self, log: &Path) {
        let passed = std::fs::read_to_string(log).unwrap_or_default();
        for place in Failpoint::ALL {
            if passed.lines().any(|line| line == place.name()) {
                self.counts.entry(place.name()).or_default().0 += 1;
            }
        }
    }

    pub(crate) fn killed_at(&mut self, place: Failpoint) {
        self.counts.entry(place.name()).or_default().1 += 1;
    }

    pub(crate) fn killed_at_random(&mut self) {
        self.at_random += 1;
    }

    pub(crate) fn kills_at(&self, place: Failpoint) -> u64 {
        self.counts.get(place.name()).map_or(0, |(_, kills)| *kills)
    }

    /// Prints the counts.
    pub(crate) fn print(&self, title: &str) {
        let mut text =
            format!("{title}\n  {:<20} {:>12} {:>12}\n", "failpoint", "runs through", "killed at");
        for place in Failpoint::ALL {
            let (runs, kills) = self.counts.get(place.name()).copied().unwrap_or_default();
            let _ = writeln!(text, "  {:<20} {runs:>12} {kills:>12}", place.name());
        }
        let _ = writeln!(text, "  {:<20} {:>12} {:>12}", "at a random moment", "", self.at_random);
        say(&text);
    }

    /// Fails where a failpoint was never killed at.
    pub(crate) fn is_complete(&self) -> Result<()> {
        let missed: Vec<&str> = Failpoint::ALL
            .into_iter()
            .filter(|place| self.kills_at(*place) == 0)
            .map(Failpoint::name)
            .collect();
        ensure!(missed.is_empty(), "never killed at: {}", missed.join(", "));
        Ok(())
    }
}

/// Prints also where the output of tests that pass is hidden.
pub(crate) fn say(text: &str) {
    // A line that cannot be written is none that a test depends on.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
