//! Progress for people: a bar on a terminal, a line every few seconds elsewhere, nothing when quiet.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use smartpulse_operators::batch::Epoch;

/// A bar that any thread may move.
#[derive(Clone)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar with `unit` behind its numbers.
    #[must_use]
    pub fn new(quiet: bool, unit: &str) -> Progress {
        if quiet {
            return Progress { bar: ProgressBar::hidden() };
        }
        let is_terminal = std::io::stderr().is_terminal();
        // Where there is no terminal, a line every five seconds: indicatif draws nothing there.
        let target = if is_terminal {
            ProgressDrawTarget::stderr_with_hz(5)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let template =
            format!("{{msg}} [{{bar:30}}] {{percent:>3}} % {{per_sec}} {unit}, {{eta}} left");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        if !is_terminal {
            let watched = bar.downgrade();
            std::thread::spawn(move || {
                loop {
                    std::thread::sleep(Duration::from_secs(5));
                    let Some(bar) = watched.upgrade().filter(|bar| !bar.is_finished()) else {
                        return;
                    };
                    say(&bar);
                }
            });
        }
        Progress { bar }
    }

    /// Moves the bar.
    pub fn at(&self, done: u64, all: u64) {
        self.bar.set_length(all);
        self.bar.set_position(done);
    }

    /// Says what is going on.
    pub fn say(&self, message: &'static str) {
        self.bar.set_message(message);
    }

    /// Moves the bar of a recovery.
    pub fn recovering(&self, done: Epoch, all: Epoch) {
        self.bar.set_message("recovering");
        self.at(done.0, all.0);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[allow(clippy::print_stderr, reason = "words for people go to standard error")]
fn say(bar: &ProgressBar) {
    let (done, all) = (bar.position(), bar.length().unwrap_or(0));
    if let Some(percent) = (100 * done).checked_div(all) {
        let left = bar.eta().as_secs();
        eprintln!(
            "{} {percent} % ({done} of {all}, {:.0}/s, {left} s left)",
            bar.message(),
            bar.per_sec()
        );
    }
}
