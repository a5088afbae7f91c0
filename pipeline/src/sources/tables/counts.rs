//! What is counted of a database.

use smartpulse_connectors::Slot;
use smartpulse_operators::time::Instant;

/// Remarks on refused rows that are logged of each hundred thousand refusals: all are counted, some are named.
const REMARKS: u64 = 100;
const REMARKS_OF: u64 = 100_000;

/// What is counted since the start.
#[derive(Clone, Debug, Default)]
pub(in crate::sources) struct Counted {
    pub(in crate::sources) transactions: u64,
    pub(in crate::sources) rows: u64,
    pub(in crate::sources) values: u64,
    pub(in crate::sources) refused: u64,
    /// Transactions that came again.
    pub(in crate::sources) repeated: u64,
    /// Mapped tables that are there, and that are not.
    pub(in crate::sources) tables: u64,
    pub(in crate::sources) missing_tables: u64,
    /// The slot as it was seen last.
    pub(in crate::sources) slot: Option<Slot>,
    /// What else is counted, by name.
    pub(in crate::sources) more: Vec<(&'static str, u64)>,
    /// When the oldest transaction was committed that has been read and not handed on.
    pub(in crate::sources) waiting: Option<Instant>,
    remarks: u64,
}

impl Counted {
    /// Whether a remark is worth a line.
    pub(in crate::sources) fn remark(&mut self) -> bool {
        self.remarks += 1;
        (self.remarks - 1) % REMARKS_OF < REMARKS
    }

    /// By name.
    pub(in crate::sources) fn sums(&self) -> Vec<(&'static str, u64)> {
        let mut sums = vec![
            ("transactions", self.transactions),
            ("rows", self.rows),
            ("values", self.values),
            ("refused", self.refused),
            ("repeated", self.repeated),
            ("tables", self.tables),
            ("missingTables", self.missing_tables),
        ];
        if let Some(slot) = &self.slot {
            sums.extend([("slotLagBytes", slot.lag_bytes), ("slotHeldBytes", slot.held_bytes)]);
        }
        sums.extend_from_slice(&self.more);
        sums
    }

    /// Seconds since the oldest transaction under way was committed.
    pub(in crate::sources) fn lag(&self, oldest: Option<Instant>, now: Instant) -> f64 {
        let oldest = oldest.into_iter().chain(self.waiting).min();
        oldest.map_or(0.0, |committed| now.0.saturating_sub(committed.0).max(0) as f64 / 1e6)
    }
}
