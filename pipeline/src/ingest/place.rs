//! The place of each change: sequence, `recorded`, and the tick it stands in.

use std::collections::BTreeSet;

use smartpulse_operators::batch::{Epoch, Sequence};
use smartpulse_operators::change::{Change, Position, RequestKey, Spooled, Tick};
use smartpulse_operators::time::Instant;
use smartpulse_serve::command::Idempotency;
use uuid::Uuid;

use super::IngestError;
use crate::history::REMEMBERED_MINUTES;
use crate::history::tail::Archive;

/// The counters from which places are given, with their state before the tick that is being made.
pub(super) struct Place {
    now: Counters,
    before: Counters,
    sources: BTreeSet<String>,
}

#[derive(Clone, Copy)]
struct Counters {
    sequence: Sequence,
    next_lock: u64,
    clock: Instant,
}

impl Place {
    pub(super) fn new(
        sequence: Sequence,
        next_lock: u64,
        clock: Instant,
        sources: &[String],
    ) -> Place {
        let counters = Counters { sequence, next_lock, clock };
        Place { now: counters, before: counters, sources: sources.iter().cloned().collect() }
    }

    /// The newest instant given.
    pub(super) fn clock(&self) -> Instant {
        self.now.clock
    }

    /// A tick without changes at `clock`, which never goes back.
    pub(super) fn begin(&mut self, clock: Instant) -> Tick {
        self.before = self.now;
        self.now.clock = self.now.clock.max(clock);
        Tick::empty(Epoch(0), self.now.clock)
    }

    /// Gives changes in a file their places behind those of `tick`.
    pub(super) fn spooled(&mut self, spooled: &mut Spooled, tick: &mut Tick) {
        spooled.first_recorded = Instant(self.now.clock.0 + 1);
        spooled.first_sequence = Sequence(self.now.sequence.0 + 1);
        self.now.sequence.0 += spooled.saves;
        self.now.clock.0 += spooled.changes as i64;
        tick.clock = self.now.clock;
    }

    /// Takes back what the tick begun last was given: it was not journaled.
    pub(super) fn undo(&mut self) {
        self.now = self.before;
    }

    /// Whether an answer given at `recorded` is still remembered.
    pub(super) fn remembers(&self, recorded: Instant) -> bool {
        recorded.plus_minutes(REMEMBERED_MINUTES) >= self.now.clock
    }

    /// Puts a live change into `tick`: `recorded` is the clock, strictly later than all before.
    pub(super) fn live(
        &mut self,
        mut change: Change,
        request: Option<Idempotency>,
        tick: &mut Tick,
    ) {
        let recorded = if tick.changes.is_empty() && self.before.clock < self.now.clock {
            self.now.clock
        } else {
            Instant(self.now.clock.0 + 1)
        };
        self.now.clock = recorded;
        tick.clock = recorded;
        match &mut change {
            Change::Unit(version) => version.recorded = recorded,
            Change::Membership(membership) => membership.recorded = recorded,
            Change::Property(property) => property.recorded = recorded,
            Change::Lock(lock) if lock.id == 0 => {
                lock.id = self.now.next_lock;
                self.now.next_lock += 1;
                lock.recorded = recorded;
            }
            // A known lock is taken back now; one that was taken back before stays as it was.
            Change::Lock(lock) if lock.released == Some(Instant::MIN) => {
                lock.released = Some(recorded)
            }
            // Its source has numbered it.
            Change::Lock(lock) if lock.released.is_none() && lock.recorded == Instant::MIN => {
                lock.recorded = recorded;
            }
            Change::Lock(_) => {}
            Change::Save(save) => {
                self.now.sequence.0 += 1;
                save.batch.sequence = self.now.sequence;
                save.batch.recorded = recorded;
                if save.batch.valid_after == Instant::MIN {
                    save.batch.valid_after = recorded;
                }
            }
            Change::Withdrawal(withdrawal) => withdrawal.recorded = recorded,
            Change::Rules(_) | Change::Refused(_) => {}
        }
        if let Some(Idempotency { scope, body }) = request {
            let change = tick.changes.len() as u32;
            tick.requests.push(RequestKey { change, scope, body });
        }
        tick.changes.push(change);
    }

    /// Puts a source's change into `tick`; its data drives the clock. The inner error is a change older
    /// than the clock, which was not put in.
    pub(super) fn backfill(
        &mut self,
        mut change: Change,
        position: &Position,
        archive: &Archive,
        tick: &mut Tick,
    ) -> Result<Result<(), IngestError>, IngestError> {
        let recorded = change.recorded();
        let clock = self.now.clock;
        if recorded != Instant::MIN && recorded < clock {
            let (source_name, upto) = (position.source.clone(), position.upto);
            return Ok(Err(IngestError::OlderThanClock { source_name, upto, recorded, clock }));
        }
        self.now.clock = clock.max(recorded);
        self.sources.insert(position.source.clone());
        match &mut change {
            Change::Save(save) => {
                self.now.sequence.0 += 1;
                save.batch.sequence = self.now.sequence;
                // Two sources may use the same batch keys; ids must still differ.
                if self.sources.len() > 1 && archive.batch_of_id(save.batch.id)?.is_some() {
                    let name = self.now.sequence.0.to_be_bytes();
                    save.batch.id = Uuid::new_v5(&save.batch.id, &name);
                }
            }
            Change::Lock(lock) => {
                lock.id = self.now.next_lock;
                self.now.next_lock += 1;
            }
            _ => {}
        }
        tick.clock = self.now.clock;
        tick.changes.push(change);
        tick.position = Some(position.clone());
        Ok(Ok(()))
    }
}
