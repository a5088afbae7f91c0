//! Batches to changes: the rules that refuse a batch whole, then those of its slots.

use serde::{Deserialize, Serialize};
use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::change::{Change, Checks, RefusedBatch, Save};
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::Unit;

use crate::ReplayRules;
use crate::batch_id;
use crate::forecast_row::Header;
use crate::gather::{BatchKey, Fragment, Fragments};
use crate::slots::{self, Refusals, SlotValue};

/// Bytes an assembled batch takes beside its values.
const ARRIVAL_BYTES: usize = 512;
/// Bytes a value of a curve takes: 8 of its own, as much again for the runs of a curve with gaps.
const VALUE_BYTES: usize = 16;

/// The order of changes of equal `recorded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Class {
    Unit,
    Membership,
    Property,
    Lock,
    Save,
    Withdrawal,
}

/// The place of a change in a replay: `recorded`, class, (first) row.
pub(crate) type Place = (Instant, Class, u64);

/// A change with the units its readable rows name (kept where no units file names them).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Arrival {
    pub(crate) change: Change,
    pub(crate) units: Vec<Unit>,
}

/// A batch as it is handed on.
pub(crate) struct Assembled {
    pub(crate) place: Place,
    pub(crate) arrival: Arrival,
    /// The row that disagrees with its batch, and how.
    pub(crate) disagreement: Option<Disagreement>,
}

/// Why a batch is mixed.
pub(crate) struct Disagreement {
    pub(crate) row: u64,
    pub(crate) column: &'static str,
    /// The batch's first readable row.
    pub(crate) head_row: u64,
}

/// What every save of a replay carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SaveRules {
    checks: Checks,
    skips_existing_check: bool,
    names_units: bool,
}

impl SaveRules {
    /// `names_units`: arrivals list their units.
    pub(crate) fn new(rules: &ReplayRules, names_units: bool) -> SaveRules {
        SaveRules {
            checks: rules.checks,
            skips_existing_check: rules.skips_existing_check,
            names_units,
        }
    }

    /// The change of a batch.
    pub(crate) fn assemble(&self, key: BatchKey, fragments: Fragments) -> Assembled {
        let first_row = fragments.first().map_or(0, |(row, _)| *row);
        let values = fragments.iter().map(|(_, fragment)| fragment.rows()).sum();
        let units = if self.names_units { units_of(&fragments) } else { Vec::new() };
        let headers = || {
            let headers = fragments.iter().map(|(row, fragment)| (*row, fragment.header()));
            headers.filter_map(|(row, header)| Some((row, header?)))
        };
        let refused = |code: &str, recorded: Option<Instant>| {
            Change::Refused(RefusedBatch { code: code.to_owned(), values, recorded })
        };
        let placed = |recorded: Option<Instant>, change: Change, units, disagreement| Assembled {
            place: (recorded.unwrap_or(Instant::MIN), Class::Save, first_row),
            arrival: Arrival { change, units },
            disagreement,
        };
        let Some((head_row, head)) = headers().next() else {
            let recorded = fragments.iter().find_map(|(_, fragment)| match fragment {
                Fragment::Unreadable { recorded, .. } => *recorded,
                _ => None,
            });
            return placed(recorded, refused("INVALID_VALUE", recorded), units, None);
        };
        let recorded = Some(head.issue.recorded);
        if let Some((row, column)) =
            headers().find_map(|(row, header)| Some((row, differing_column(head, header)?)))
        {
            let disagreement = Disagreement { row, column, head_row };
            let change = refused("MIXED_BATCH", recorded);
            return placed(recorded, change, units, Some(disagreement));
        }
        let has_bad_period =
            fragments.iter().any(|(_, fragment)| matches!(fragment, Fragment::BadPeriods { .. }));
        if has_bad_period {
            return placed(recorded, refused("PERIOD_NOT_ALLOWED", recorded), units, None);
        }
        if head.measure.is_err() {
            return placed(recorded, refused("MEASURE_UNIT", recorded), units, None);
        }
        let header = head.clone();
        placed(recorded, Change::Save(self.save(key, &header, fragments)), units, None)
    }

    /// The save of a batch whose shape is right.
    fn save(&self, key: BatchKey, header: &Header, fragments: Fragments) -> Save {
        let mut refusals = Refusals::default();
        let mut slots: Vec<SlotValue> = Vec::new();
        let mut said: Option<(String, String)> = None;
        for (_, fragment) in fragments {
            match fragment {
                Fragment::Values { user, note, slots: more, .. } => {
                    said.get_or_insert((user, note));
                    if slots.is_empty() { slots = more } else { slots.extend(more) }
                }
                other => refusals.count(Outcome::InvalidValue, other.rows()),
            }
        }
        let (user, note) = said.unwrap_or_default();
        let issue = &header.issue;
        let (id, source_batch) = match key {
            BatchKey::Named(name) => (batch_id::named(&name), Some(name)),
            BatchKey::Unnamed(ordinal) => (batch_id::unnamed(issue, ordinal), None),
        };
        let entries = slots::entries(issue.kind, &mut slots, &mut refusals);
        Save {
            batch: Batch {
                id,
                sequence: Sequence(0),
                recorded: issue.recorded,
                valid_after: issue.valid_after,
                provider: issue.provider.clone(),
                user: Some(user).filter(|text| !text.is_empty()),
                note: Some(note).filter(|text| !text.is_empty()),
                source_batch,
                skips_existing_check: self.skips_existing_check,
            },
            checks: self.checks,
            path: None,
            entries,
            refused: refusals.into_counts(),
        }
    }
}

impl Arrival {
    /// A change that names no units.
    pub(crate) fn of(change: Change) -> Arrival {
        Arrival { change, units: Vec::new() }
    }

    /// Bytes this takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let values = match &self.change {
            Change::Save(save) => save.entries.iter().map(|entry| entry.curve.len()).sum(),
            _ => 0,
        };
        ARRIVAL_BYTES + values * VALUE_BYTES + self.units.len() * size_of::<Unit>()
    }
}

/// The first column in which two rows of a batch disagree.
fn differing_column(head: &Header, other: &Header) -> Option<&'static str> {
    if head == other {
        return None;
    }
    let (one, two) = (&head.issue, &other.issue);
    Some(if one.provider != two.provider {
        "provider"
    } else if one.kind != two.kind {
        "kind"
    } else if one.valid_after != two.valid_after {
        "valid_after"
    } else if one.recorded != two.recorded {
        "recorded"
    } else {
        "measure_unit"
    })
}

/// The units of the readable rows, ascending.
fn units_of(fragments: &Fragments) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for (_, fragment) in fragments {
        match fragment {
            Fragment::Values { slots, .. } => {
                let runs = slots.chunk_by(|one, next| one.unit == next.unit);
                units.extend(runs.map(|run| run[0].unit));
            }
            Fragment::BadPeriods { units: more, .. } => units.extend(more),
            Fragment::Unreadable { .. } => {}
        }
    }
    units.sort_unstable();
    units.dedup();
    units
}
