//! A save whose shape is sound, and the change that is asked for by it.

use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::change::{Checks, Curve, Entry, Save};
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::quantity::Measure;
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{Instant, Period};
use smartpulse_operators::unit::Unit;
use uuid::Uuid;

/// Whose save it is: what the path says.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
    pub(crate) provider: Provider,
}

/// A save whose shape is sound.
#[derive(Clone, Debug)]
pub(crate) struct ShapedSave {
    pub(crate) target: Target,
    pub(crate) measure: Measure,
    pub(crate) note: Option<String>,
    /// Given, or [`Instant::MIN`] where it follows `recorded`.
    pub(crate) valid_after: Instant,
    /// The entries, in the order of the body.
    pub(crate) entries: Vec<ShapedEntry>,
}

impl ShapedSave {
    /// The change to decide: the entries with a value that was fit.
    pub(crate) fn save(&self, origin: Origin) -> Save {
        let sent = self.entries.iter().filter(|entry| !entry.slots.is_empty());
        let entries = sent.map(|entry| Entry {
            kind: self.target.kind,
            unit: entry.unit,
            period: entry.period,
            conform_upper_limit: entry.conform_upper_limit,
            apply_final_forecast: entry.apply_final_forecast,
            curve: Curve::new(entry.period, entry.slots.iter().copied()),
        });
        Save {
            batch: Batch {
                id: origin.id,
                sequence: Sequence(0),
                recorded: Instant::MIN,
                valid_after: self.valid_after,
                provider: self.target.provider.clone(),
                user: Some(origin.user),
                note: self.note.clone(),
                source_batch: origin.source_batch,
                skips_existing_check: origin.skips_existing_check,
            },
            checks: origin.checks,
            path: Some(self.target.unit),
            entries: entries.collect(),
            refused: Vec::new(),
        }
    }
}

/// What a save is beside its curves.
pub(crate) struct Origin {
    pub(crate) id: Uuid,
    pub(crate) user: String,
    pub(crate) checks: Checks,
    pub(crate) source_batch: Option<String>,
    pub(crate) skips_existing_check: bool,
}

/// One of its curves.
#[derive(Clone, Debug)]
pub(crate) struct ShapedEntry {
    pub(crate) unit: Unit,
    pub(crate) period: Period,
    pub(crate) apply_final_forecast: bool,
    pub(crate) conform_upper_limit: bool,
    /// Values given.
    pub(crate) requested: usize,
    /// Slots with their values in hundredths of a kW, ascending; [`smartpulse_operators::quantity::NULL`] for a
    /// withdrawal.
    pub(crate) slots: Vec<(Instant, i64)>,
    /// Slots refused by their shape, ascending, once for each value given.
    pub(crate) refused: Vec<(Instant, Outcome)>,
}
