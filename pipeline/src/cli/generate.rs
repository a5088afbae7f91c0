//! `smartpulse generate`: writes a generated fleet as a folder in the long format, or into a database.

use anyhow::Context as _;
use serde_json::json;
use smartpulse_connectors::{Filled, LegacyFill, PostgresSettings};
use smartpulse_datasets::{Fleet, ReplayRules, Source, SourceError};
use smartpulse_operators::change::Checks;
use smartpulse_operators::quantity::Quantity;

use super::progress::Progress;
use super::{GenerateArgs, Shared};
use crate::sinks::alone;

/// Runs the command.
///
/// # Errors
/// A source that is no fleet, a folder that is not empty, or the first fault of the disk; the folder is as
/// it was then.
pub fn run(shared: &Shared, arguments: &GenerateArgs) -> anyhow::Result<()> {
    let fleet = fleet(&arguments.source)?;
    let Some(out) = &arguments.out else { return fill(shared, arguments, &fleet) };
    let progress = Progress::new(shared.quiet, "minutes/s");
    progress.say("generating");
    let written = fleet.write(out, |done, all| progress.at(done, all))?;
    progress.finish();
    shared.say(&format!(
        "{} in {}: {} values of {} batches, {} units",
        fleet.name(),
        out.display(),
        written.values,
        written.batches,
        written.units,
    ));
    shared.print(&json!({
        "source": fleet.name(),
        "out": out.display().to_string(),
        "values": written.values,
        "batches": written.batches,
        "rows": {
            "forecasts": written.values,
            "units": written.units,
            "memberships": written.memberships,
            "properties": written.properties,
            "withdrawals": written.withdrawals,
        },
    }));
    Ok(())
}

/// Fills the legacy tables of a database.
fn fill(shared: &Shared, arguments: &GenerateArgs, fleet: &Fleet) -> anyhow::Result<()> {
    let settings = PostgresSettings {
        url: arguments.postgres.clone().unwrap_or_default(),
        password_file: arguments.password_file.clone(),
        ..PostgresSettings::default()
    };
    settings.check()?;
    let progress = Progress::new(shared.quiet, "changes/s");
    progress.say("filling");
    let filled = alone(fill_tables(&settings, fleet)).context("no runtime")??;
    progress.finish();
    shared.say(&format!(
        "{} in the database: {} values of {} batches, {} plants",
        fleet.name(),
        filled.values,
        filled.batches,
        filled.plants,
    ));
    shared.print(&json!({
        "source": fleet.name(),
        "values": filled.values,
        "batches": filled.batches,
        "rows": {
            "forecasts": filled.values,
            "plants": filled.plants,
            "memberships": filled.memberships,
            "properties": filled.properties,
            "withdrawals": filled.withdrawals,
        },
        "actuals": filled.actuals,
    }));
    Ok(())
}

async fn fill_tables(settings: &PostgresSettings, fleet: &Fleet) -> anyhow::Result<Filled> {
    let rules = ReplayRules {
        checks: Checks::default(),
        round_digits: None,
        skips_existing_check: false,
        allowed_periods: vec![5, 10, 15, 30, 60],
        value_bound: Quantity::DEFAULT_BOUND,
        spill_dir: std::env::temp_dir(),
        sort_bytes: 1 << 20,
    };
    let mut fill = Box::pin(LegacyFill::open(settings)).await?;
    for change in Source::Fleet(fleet.clone()).open(&rules)? {
        fill.state(change?);
    }
    Box::pin(fill.write_units()).await?;
    for change in Source::Fleet(fleet.clone()).open(&rules)? {
        Box::pin(fill.add(&change?)).await?;
    }
    Ok(Box::pin(fill.finish()).await?)
}

/// The fleet that `text` names; other sources are not generated.
fn fleet(text: &str) -> Result<Fleet, SourceError> {
    let fleet = text.strip_prefix("fleet:").ok_or_else(|| SourceError::Unknown {
        text: text.to_owned(),
        rule: "only a fleet is generated, such as fleet:7 or fleet:7:plants=200,days=30".to_owned(),
    })?;
    Fleet::parse(fleet)
}
