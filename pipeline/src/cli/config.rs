//! `smartpulse config`: the effective configuration and where each value came from.

use serde_json::json;

use super::Shared;

/// Runs the command.
///
/// # Errors
/// A configuration that is refused.
pub fn run(shared: &Shared) -> anyhow::Result<()> {
    let table = shared.load(None)?.table();
    if !shared.json {
        for row in &table {
            let text =
                |key: &str| row[key].as_str().map_or_else(|| row[key].to_string(), str::to_owned);
            shared.say(&format!(
                "{:<20} {:<28} ({}) {}",
                text("name"),
                text("value"),
                text("source"),
                text("meaning")
            ));
        }
    }
    shared.print(&json!({ "settings": table }));
    Ok(())
}
