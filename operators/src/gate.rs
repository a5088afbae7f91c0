//! `gate`: which slots of a save may be written, decided in journal order.
//!
//! Per slot the first refusal counts: hierarchy known, locks, gate closure, limits (contract section 4).
//! What passes goes on to `latest` for the existing check. A withdrawal is judged like a null for every
//! slot its batch wins, and any refusal refuses it whole (contract section 2).

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;

use crate::block::DayState;
use crate::change::Checks;
use crate::chunk::{Chunk, Piece, WithdrawalWork};
use crate::outcome::Outcome;
use crate::quantity::NULL;
use crate::reference::Reference;
use crate::series::Kind;
use crate::time::Instant;
use crate::unit::Unit;

mod ground;

use ground::Ground;

/// The chunks with every refusal of the state-dependent rules written into their outcomes.
pub fn gate<'s>(chunks: Stream<'s, u64, Vec<Chunk>>) -> Stream<'s, u64, Vec<Chunk>> {
    let mut gate = Gate::default();
    chunks.unary::<CapacityContainerBuilder<Vec<Chunk>>, _, _, _>(Pipeline, "gate", |_, _| {
        move |input, output| {
            input.for_each_stamp(|capability, data| {
                let mut session = output.session(&capability);
                for mut chunk in data.flat_map(|chunks| chunks.drain(..)) {
                    gate.decide(&mut chunk);
                    session.give(chunk);
                }
            });
        }
    })
}

/// The state the gate judges by.
#[derive(Debug, Default)]
struct Gate {
    reference: Reference,
}

impl Gate {
    fn decide(&mut self, chunk: &mut Chunk) {
        let mut statements = std::mem::take(&mut chunk.statements).into_iter().peekable();
        for index in 0..chunk.pieces.len() {
            while let Some((_, change)) = statements.next_if(|(before, _)| *before <= index) {
                self.reference.apply(&change);
            }
            let piece = chunk.pieces[index];
            self.decide_piece(&piece, chunk);
        }
        for (_, change) in statements {
            self.reference.apply(&change);
        }
        if let Some(withdrawal) = &mut chunk.withdrawal {
            withdrawal.refused = self.refusals_of(withdrawal);
        }
    }

    fn decide_piece(&self, piece: &Piece, chunk: &mut Chunk) {
        // Actuals are checked for shape, bound and existing only (contract section 1).
        if piece.kind == Kind::Actual {
            return;
        }
        let context = &chunk.saves[piece.save as usize];
        let ground = Ground::of(&self.reference, piece, context);
        if ground.lets_all_pass(piece) {
            return;
        }
        for index in piece.range() {
            if chunk.outcomes[index] != Outcome::Open {
                continue;
            }
            let slot = usize::from(piece.first) + (index - piece.offset as usize);
            let start = piece.day.slot_start(piece.period, slot);
            let value = &mut chunk.values[index];
            if let Some(refusal) = ground.refusal(start) {
                chunk.outcomes[index] = refusal;
            } else if *value != NULL {
                match ground.beyond_limits(start, *value) {
                    Err(clipped) => {
                        *value = clipped;
                        chunk.clipped.push(index as u32);
                    }
                    Ok(Some(refusal)) => chunk.outcomes[index] = refusal,
                    Ok(None) => {}
                }
            }
        }
    }

    /// Lock or gate closure of a slot of `unit` that starts at `start`, for a change accepted at `recorded`.
    fn frozen(
        &self,
        unit: Unit,
        checks: Checks,
        recorded: Instant,
        start: Instant,
    ) -> Option<Outcome> {
        if checks.locks && self.reference.locks_of(unit).any(|lock| lock.refuses(start, recorded)) {
            return Some(Outcome::Locked);
        }
        let closes = || start.plus_minutes(-self.reference.gate_minutes(unit));
        (checks.gates && !checks.past_role && recorded >= closes()).then_some(Outcome::GateClosed)
    }

    /// Every slot that refuses the withdrawal: those its batch wins at the clock or at its own
    /// `valid_after`, whichever is later, and that a lock or gate freezes.
    fn refusals_of(&self, withdrawal: &WithdrawalWork) -> Vec<(Unit, Instant, Outcome)> {
        let WithdrawalWork { batch, recorded, checks, days, .. } = withdrawal;
        if checks.past_role {
            return Vec::new();
        }
        let reference = batch.valid_after.max(*recorded);
        let mut refused = Vec::new();
        for day in days.iter().filter(|day| day.described.kind == Kind::Forecast) {
            let period = day.described.period;
            let counts =
                day.revisions.iter().filter(|revision| revision.batch.valid_after <= reference);
            let state = DayState::fold(period.slots(), counts);
            for (slot, winner) in state.winners.iter().enumerate() {
                let wins = *winner != 0
                    && state.batches[usize::from(*winner) - 1].sequence == batch.sequence;
                let start = day.day.slot_start(period, slot);
                let refusal = if wins {
                    self.frozen(day.described.unit, *checks, *recorded, start)
                } else {
                    None
                };
                refused.extend(refusal.map(|outcome| (day.described.unit, start, outcome)));
            }
        }
        refused
    }
}

#[cfg(test)]
#[path = "gate/tests.rs"]
mod tests;
