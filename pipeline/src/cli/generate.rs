//! `smartpulse generate`: writes a generated fleet as a folder in the long format.

use serde_json::json;
use smartpulse_datasets::{Fleet, SourceError};

use super::progress::Progress;
use super::{GenerateArgs, Shared};

/// Runs the command.
///
/// # Errors
/// A source that is no fleet, a folder that is not empty, or the first fault of the disk; the folder is as
/// it was then.
pub fn run(shared: &Shared, arguments: &GenerateArgs) -> anyhow::Result<()> {
    let fleet = fleet(&arguments.source)?;
    let progress = Progress::new(shared.quiet, "minutes/s");
    progress.say("generating");
    let written = fleet.write(&arguments.out, |done, all| progress.at(done, all))?;
    progress.finish();
    shared.say(&format!(
        "{} in {}: {} values of {} batches, {} units",
        fleet.name(),
        arguments.out.display(),
        written.values,
        written.batches,
        written.units,
    ));
    shared.print(&json!({
        "source": fleet.name(),
        "out": arguments.out.display().to_string(),
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

/// The fleet that `text` names; other sources are not generated.
fn fleet(text: &str) -> Result<Fleet, SourceError> {
    let fleet = text.strip_prefix("fleet:").ok_or_else(|| SourceError::Unknown {
        text: text.to_owned(),
        rule: "only a fleet is generated, such as fleet:7 or fleet:7:plants=200,days=30".to_owned(),
    })?;
    Fleet::parse(fleet)
}
