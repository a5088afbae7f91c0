//! `smartpulse export`: a view of a stopped folder as Parquet.

use serde_json::json;
use smartpulse_operators::time::Instant;

use super::progress::Progress;
use super::settled::settle;
use super::{ExportArgs, Shared};
use crate::export::{Wanted, export};
use crate::picture::{AsOf, Picture, Selection};
use crate::rollup::Reading;

/// Runs the command.
///
/// # Errors
/// The first fault; a former export of the view is still there then.
pub fn run(shared: &Shared, arguments: &ExportArgs) -> anyhow::Result<()> {
    let config = shared.load(None)?.config;
    let progress = Progress::new(shared.quiet, "epochs/s");
    let settled = settle(&config.data, &config, &progress)?;
    let newest = settled.base.epoch.0;
    anyhow::ensure!(
        arguments.epoch.is_none_or(|epoch| epoch == newest),
        "EPOCH_NOT_RETAINED: a stopped folder shows its newest epoch, {newest}; use --known-at for earlier knowledge"
    );
    progress.say("exporting");
    let clock = settled.base.clock.unwrap_or(Instant::MIN);
    let as_of = AsOf::new(arguments.valid_at, arguments.known_at, clock);
    let selection =
        Selection { from: arguments.from, to: arguments.to, provider: arguments.provider.clone() };
    let picture = Picture { base: &settled.base, history: &settled.history };
    let reading = Reading { period: arguments.period, completeness: arguments.completeness };
    let wanted = Wanted { view: arguments.view, as_of, selection: &selection, reading };
    let rows = export(&wanted, &picture, &arguments.out)?;
    progress.finish();
    shared.say(&format!("{rows} rows in {}", arguments.out.display()));
    shared.print(&json!({
        "rows": rows,
        "epoch": settled.base.epoch.0,
        "validAt": as_of.valid_at.to_string(),
        "knownAt": as_of.known_at.map(|instant| instant.to_string()),
    }));
    Ok(())
}
