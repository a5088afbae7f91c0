//! `smartpulse export`: a view as Parquet, of a stopped folder or of a running service.

use serde_json::json;
use smartpulse_operators::time::Instant;

use super::fetch::fetch;
use super::progress::Progress;
use super::settled::settle;
use super::{ExportArgs, Shared};
use crate::export::{Wanted, export};
use crate::picture::{AsOf, Picture, Selection};
use crate::rollup::Reading;

/// What was exported.
pub(super) struct Shown {
    pub(super) rows: u64,
    pub(super) epoch: u64,
    pub(super) valid_at: String,
    pub(super) known_at: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// The first fault; a former export of the view is still there then.
pub fn run(shared: &Shared, arguments: &ExportArgs) -> anyhow::Result<()> {
    let progress = Progress::new(shared.quiet, "epochs/s");
    let shown = match &arguments.server {
        // Said here and not to the parser, which misses a `--data` that stands before the command.
        Some(_) if shared.data.is_some() => {
            let words = "--server cannot be used with --data: the service knows its folder\n";
            return Err(clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, words).into());
        }
        Some(server) => fetch(server, shared.load(None)?.config.auth.token, arguments, &progress)?,
        None => of_stopped_folder(shared, arguments, &progress)?,
    };
    progress.finish();
    let Shown { rows, epoch, valid_at, known_at } = shown;
    shared.say(&format!("{rows} rows in {}", arguments.out.display()));
    shared.print(&json!({
        "rows": rows,
        "epoch": epoch,
        "validAt": valid_at,
        "knownAt": known_at,
    }));
    Ok(())
}

fn of_stopped_folder(
    shared: &Shared,
    arguments: &ExportArgs,
    progress: &Progress,
) -> anyhow::Result<Shown> {
    let config = shared.load(None)?.config;
    let settled = settle(&config.data, &config, progress)?;
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
    // Nothing stops it but a signal.
    let go_on = || Ok(());
    let (view, selection) = (arguments.view, &selection);
    let wanted = Wanted { view, as_of, selection, reading, go_on: &go_on };
    let rows = export(&wanted, &picture, &arguments.out)?;
    Ok(Shown {
        rows,
        epoch: newest,
        valid_at: as_of.valid_at.to_string(),
        known_at: as_of.known_at.map(|instant| instant.to_string()),
    })
}
