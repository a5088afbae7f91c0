//! What a withdrawal needs: its batch, and the whole history of every series day the batch touches.

use std::sync::Arc;

use smartpulse_operators::change::{BatchName, Change, Tick};
use smartpulse_operators::chunk::{Chunk, DayHistory, WithdrawalWork};

use super::{Engine, EngineError};

/// What is known of a tick's withdrawal before it is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Withdrawing {
    /// The tick has none.
    None,
    /// There is no such batch, or none of its values was stored.
    Unknown,
    /// The batch was withdrawn before.
    Already,
    /// The workers decide.
    Open,
}

impl Engine {
    /// Finds the batch and gives every worker the histories: each judges all of it and changes its share.
    pub(super) fn prepare_withdrawal(
        &self,
        tick: &Tick,
        chunks: &mut [Chunk],
    ) -> Result<Withdrawing, EngineError> {
        let Some(Change::Withdrawal(withdrawal)) = tick.changes.first() else {
            return Ok(Withdrawing::None);
        };
        let newest = self.base.sequence;
        let record = match &withdrawal.batch {
            BatchName::Id(id) => self.archive.batch_of_id(*id)?,
            BatchName::Source(key) => self.archive.batch_of_source(key, newest)?,
        };
        let Some(record) = record.filter(|record| record.batch.sequence <= newest) else {
            return Ok(Withdrawing::Unknown);
        };
        let sequence = record.batch.sequence;
        if self.base.withdrawn.contains_key(&sequence) {
            return Ok(Withdrawing::Already);
        }
        let mut days = Vec::new();
        for (series, day) in self.archive.days_of(sequence)? {
            let described = Arc::clone(self.catalog.series(series));
            let revisions = self.standing_history((series, day))?;
            days.push(DayHistory { series, described, day, revisions });
        }
        let work = WithdrawalWork {
            batch: Arc::new(record.batch),
            recorded: withdrawal.recorded,
            checks: withdrawal.checks,
            days,
            refused: Vec::new(),
        };
        for chunk in chunks {
            chunk.withdrawal = Some(work.clone());
        }
        Ok(Withdrawing::Open)
    }
}
