//! `smartpulse replay`: takes a source in and prints what became of it.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use smartpulse_datasets::{ReplayRules, Source};
use smartpulse_operators::change::Checks;
use smartpulse_operators::quantity::Quantity;
use uuid::Uuid;

use super::open_doors::{Opening, open_doors};
use super::progress::Progress;
use super::settled::{Settled, options, rest};
use super::{ReplayArgs, Shared, Speed};
use crate::config::Config;
use crate::folder::DataFolder;
use crate::hashes;
use crate::ingest::clock::MachineClocks;
use crate::picture::Picture;
use crate::replay::{Course, ReplayError, feed};
use crate::service::Service;
use crate::tally::Tally;

/// Memory for sorting a source: rows beyond it are spilled to disk.
const SORT_BYTES: usize = 256 << 20;

/// Runs the command.
///
/// # Errors
/// The first fault, after everything taken in before it is at rest.
pub fn run(shared: &Shared, arguments: &ReplayArgs, clocks: MachineClocks) -> anyhow::Result<()> {
    let config = shared.load(None)?.config;
    let source = Source::parse(&arguments.source, &config.datasets)?;
    let folder = DataFolder::open(&config.data, true, Uuid::now_v7())?;
    let rules = rules(&config, arguments, &folder.spill());
    // A source that cannot be opened leaves the folder as it was.
    let mut changes = source.open(&rules)?;
    let counted = match &source {
        Source::Fleet(..) => "minutes of data/s",
        _ => "bytes/s",
    };
    let progress = Progress::new(shared.quiet, counted);
    let service =
        Service::start(folder, options(&config), |done, all| progress.recovering(done, all))?;
    let begun = (clocks.monotonic)();
    let name = name(&source, arguments);
    let done = service.base.positions.get(&name).copied().unwrap_or(0);
    let already = service.base.tallies.get(&name).map_or(0, |tally| tally.read);
    let course = Course {
        from: arguments.from,
        to: arguments.to,
        limit: arguments.limit,
        speed: match arguments.speed {
            Speed::Max => None,
            Speed::Factor(factor) => Some(factor),
        },
    };
    let doors = arguments
        .serve
        .then(|| open_doors(Opening::of(&service, Vec::new()), &config, clocks))
        .transpose()?;
    progress.say("replaying");
    let meter = changes.meter();
    let fed = feed(&name, &mut changes, done, course, &service.backfill, |_| {
        let at = meter.progress();
        progress.at(at.done, at.total);
    });
    for remark in changes.remarks() {
        shared.say(&remark.text);
    }
    let seconds = ((clocks.monotonic)() - begun).as_secs_f64();
    drop(doors);
    progress.say("writing history");
    let settled = match (rest(service), fed) {
        // The service's own fault is the reason why nothing more was taken.
        (Err(fault), _) => return Err(fault),
        (Ok(_), Err(fault @ ReplayError::Stopped)) => return Err(fault.into()),
        (Ok(settled), Err(fault)) => {
            progress.finish();
            shared.print(&report(&settled, &name, already, seconds)?);
            return Err(anyhow::Error::new(fault).context("what came before is taken in"));
        }
        (Ok(settled), Ok(())) => settled,
    };
    progress.say("hashing");
    let report = report(&settled, &name, already, seconds)?;
    progress.finish();
    if !shared.json {
        shared.say(&serde_json::to_string_pretty(&report).context("printing the result")?);
    }
    shared.print(&report);
    Ok(())
}

fn rules(config: &Config, arguments: &ReplayArgs, spill: &Path) -> ReplayRules {
    let enforces = |rule: &str| arguments.enforce.iter().any(|asked| asked == rule);
    ReplayRules {
        checks: Checks {
            gates: enforces("gates"),
            limits: enforces("limits"),
            locks: enforces("locks"),
            past_role: false,
        },
        round_digits: arguments.round,
        skips_existing_check: arguments.skip_existing_check,
        allowed_periods: config.allowed_periods.clone(),
        value_bound: Quantity(config.value_bound_mw * 100_000),
        spill_dir: spill.to_owned(),
        sort_bytes: SORT_BYTES,
    }
}

/// The name under which the replay resumes: a part of a source is another source.
fn name(source: &Source, arguments: &ReplayArgs) -> String {
    let mut name = source.name();
    if let Some(from) = arguments.from {
        name.push_str(&format!("?from={from}"));
    }
    name
}

fn report(settled: &Settled, source: &str, already: u64, seconds: f64) -> anyhow::Result<Value> {
    let Settled { base, history, .. } = settled;
    let none = Tally::default();
    let tally = base.tallies.get(source).unwrap_or(&none);
    let views = hashes::of_all_views(&Picture { base, history })?;
    let mut report = serde_json::to_value(tally)?;
    let points = (tally.read - already) as f64;
    report["seconds"] = json!(seconds);
    report["pointsPerSecond"] = json!(if seconds > 0.0 { points / seconds } else { 0.0 });
    report["epoch"] = json!(base.epoch.0);
    for (view, hashes) in views {
        report["hashes"][view] = json!(hashes.all);
        report["content"][view] = json!(hashes.content);
    }
    Ok(report)
}
