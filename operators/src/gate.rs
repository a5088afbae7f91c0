//! `gate`: which slots of a save may be written, decided in journal order.
//!
//! Per slot the first refusal counts: hierarchy known, locks, gate closure, limits (contract section 4).
//! What passes goes on to `latest` for the existing check. A withdrawal is judged like a null for every
//! slot its batch wins, and any refusal refuses it whole (contract section 2).

use std::ops::Range;

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
        let mut next = 0;
        while next < chunk.pieces.len() {
            while let Some((_, change)) = statements.next_if(|(before, _)| *before <= next) {
                self.reference.apply(&change);
            }
            // Of one curve every piece stands on the same ground, as long as nothing is stated in between.
            let until = statements.peek().map_or(chunk.pieces.len(), |(before, _)| *before);
            let first = &chunk.pieces[next];
            let of_curve = |piece: &&Piece| piece.save == first.save && piece.entry == first.entry;
            let count = chunk.pieces[next..until].iter().take_while(of_curve).count();
            self.decide_curve(next..next + count, chunk);
            next += count;
        }
        for (_, change) in statements {
            self.reference.apply(&change);
        }
        if let Some(withdrawal) = &mut chunk.withdrawal {
            withdrawal.refused = self.refusals_of(withdrawal);
        }
    }

    /// Decides pieces of one curve.
    fn decide_curve(&self, pieces: Range<usize>, chunk: &mut Chunk) {
        let Chunk { saves, pieces: all, values, outcomes, clipped, .. } = chunk;
        let first = &all[pieces.start];
        // Actuals are checked for shape, bound and existing only (contract section 1).
        if first.kind == Kind::Actual {
            return;
        }
        let ground = Ground::of(&self.reference, first, &saves[first.save as usize]);
        for piece in &all[pieces] {
            let range = piece.range();
            if ground.lets_all_pass(piece, &values[range.clone()]) {
                continue;
            }
            for index in range {
                if outcomes[index] != Outcome::Open {
                    continue;
                }
                let slot = usize::from(piece.first) + (index - piece.offset as usize);
                let start = piece.day.slot_start(piece.period, slot);
                if let Some(refusal) = ground.refusal(start) {
                    outcomes[index] = refusal;
                } else if values[index] != NULL {
                    match ground.beyond_limits(start, values[index]) {
                        Err(limit) => {
                            values[index] = limit;
                            clipped.push(index as u32);
                        }
                        Ok(Some(refusal)) => outcomes[index] = refusal,
                        Ok(None) => {}
                    }
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
