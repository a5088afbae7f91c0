//! `smartpulse check`: exit 0 when everything agrees, 1 with what differs.

use serde_json::json;
use uuid::Uuid;

use super::Shared;
use super::progress::Progress;
use super::settled::workers;
use crate::check::check;
use crate::folder::DataFolder;

/// Runs the command.
///
/// # Errors
/// What differs, or what cannot be read at all.
pub fn run(shared: &Shared) -> anyhow::Result<()> {
    let config = shared.load(None)?.config;
    let folder = DataFolder::open(&config.data, false, Uuid::nil())?;
    let progress = Progress::new(shared.quiet, "epochs/s");
    progress.say("checking");
    let findings = check(&folder, workers(&config), |done, all| progress.at(done.0, all.0))?;
    progress.finish();
    shared.say(&format!(
        "{} epochs decided again, {} differences",
        findings.epochs_checked, findings.count
    ));
    for difference in &findings.differences {
        shared.say(difference);
    }
    shared.print(&json!({
        "epoch": findings.epoch.0,
        "epochsChecked": findings.epochs_checked,
        "differences": findings.differences,
        "differenceCount": findings.count,
    }));
    anyhow::ensure!(findings.count == 0, "{} differences", findings.count);
    Ok(())
}
