//! What follows from a decided tick: what history keeps, what callers are told, what is counted, and the
//! digest by which a recovery knows that it decided the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartpulse_operators::batch::Sequence;
use smartpulse_operators::cause::Cause;
use smartpulse_operators::change::{Change, Save, Tick};
use smartpulse_operators::chunk::{Chunk, Piece, SeriesDay};
use smartpulse_operators::late::stored_revision;
use smartpulse_operators::latest::Decided;
use smartpulse_operators::outcome::Outcome;
use smartpulse_serve::command::{Done, Idempotency, Reply, Saved, SlotDecision};

use super::Replies;
use super::withdrawing::Withdrawing;
use crate::history::EpochHistory;
use crate::history::codec::{BatchRecord, StoredRevision};
use crate::tally::Tally;

/// The consequences of a tick.
pub(super) struct Closing {
    pub(super) history: EpochHistory,
    pub(super) replies: Vec<Reply>,
    pub(super) digest: [u8; 16],
    pub(super) changed_reference: bool,
    tally: Tally,
}

impl Closing {
    /// Adds the tick's counts to those of its source.
    pub(super) fn count_into(&self, tally: &mut Tally) {
        tally.read += self.tally.read;
        tally.saved += self.tally.saved;
        tally.skipped += self.tally.skipped;
        tally.nulls += self.tally.nulls;
        tally.restated += self.tally.restated;
        tally.withdrawn_batches += self.tally.withdrawn_batches;
        tally.unknown_batches += self.tally.unknown_batches;
        for (code, values) in &self.tally.refused {
            *tally.refused.entry(code.clone()).or_default() += values;
        }
    }
}

/// Draws the consequences of `tick` as the workers decided it.
pub(super) fn close(
    tick: &Tick,
    decided: &[Arc<Decided>],
    withdrawing: Withdrawing,
    wanted: Replies,
) -> Closing {
    let pieces = by_batch(decided);
    let mut history = EpochHistory { epoch: tick.epoch, ..EpochHistory::default() };
    let mut tally = Tally::default();
    let mut digest = blake3::Hasher::new();
    let mut replies = Vec::new();
    let mut changed_reference = false;
    for (change, index) in tick.changes.iter().zip(0..) {
        let request = tick.requests.iter().find(|request| request.change == index);
        let mut done = Done::Stated { lock: None };
        match change {
            Change::Save(save) => {
                let own = pieces.get(&save.batch.sequence).map_or(&[][..], Vec::as_slice);
                close_save(save, own, &mut history, &mut tally, &mut digest);
                if wanted != Replies::None || request.is_some() {
                    done = Done::Saved(reply_to(save, own, wanted));
                }
            }
            Change::Withdrawal(withdrawal) => {
                done = close_withdrawal(decided, withdrawing);
                digest.update(format!("{done:?}").as_bytes());
                match &done {
                    Done::Withdrawn { already: false } => {
                        let work = decided.iter().find_map(|one| one.chunk.withdrawal.as_ref());
                        history.withdrawn =
                            work.map(|work| (work.batch.sequence, withdrawal.recorded));
                        tally.withdrawn_batches += 1;
                    }
                    Done::UnknownBatch => tally.unknown_batches += 1,
                    _ => {}
                }
            }
            Change::Refused(refused) => tally.refuse(&refused.code, refused.values),
            Change::Lock(lock) => {
                changed_reference = true;
                done = Done::Stated { lock: Some(lock.id) };
            }
            Change::Unit(_) | Change::Membership(_) | Change::Property(_) | Change::Rules(_) => {
                changed_reference = true;
            }
        }
        if wanted != Replies::None || request.is_some() {
            // A lock keeps its first instant; taking it back is accepted now.
            let is_lock = matches!(change, Change::Lock(_));
            let recorded = if is_lock { tick.clock } else { change.recorded() };
            let reply = Reply { epoch: tick.epoch, recorded, done };
            if let Some(request) = request {
                let idempotency = Idempotency { scope: request.scope, body: request.body };
                history.answers.push((idempotency, reply.clone()));
            }
            replies.push(reply);
        }
    }
    let mut short = [0; 16];
    short.copy_from_slice(&digest.finalize().as_bytes()[..16]);
    Closing { history, replies, digest: short, changed_reference, tally }
}

/// Saves and withdrawals by the series days they touched.
pub(super) fn causes(decided: &[Arc<Decided>]) -> Vec<(SeriesDay, Cause)> {
    let mut causes = Vec::new();
    for chunk in decided.iter().map(|one| &one.chunk) {
        let id = |piece: &Piece| chunk.saves[piece.save as usize].batch.id;
        let of_piece = |piece: &Piece| (piece.series_day(), Cause::Batch(id(piece)));
        causes.extend(chunk.pieces.iter().map(of_piece));
        for work in chunk.withdrawal.iter().filter(|work| work.refused.is_empty()) {
            let withdrawn = Cause::Withdrawal(work.batch.id);
            causes.extend(work.days.iter().map(|day| ((day.series, day.day), withdrawn.clone())));
        }
    }
    causes
}

/// A piece and the chunk its values lie in.
type Placed<'d> = (&'d Chunk, &'d Piece);

/// Pieces by batch, in the order of entries, final copies after their originals, then days: the same on any
/// number of workers.
fn by_batch(decided: &[Arc<Decided>]) -> BTreeMap<Sequence, Vec<Placed<'_>>> {
    let mut batches: BTreeMap<Sequence, Vec<Placed<'_>>> = BTreeMap::new();
    for one in decided {
        for piece in &one.chunk.pieces {
            let sequence = one.chunk.saves[piece.save as usize].batch.sequence;
            batches.entry(sequence).or_default().push((&one.chunk, piece));
        }
    }
    for pieces in batches.values_mut() {
        pieces.sort_by_key(|(_, piece)| (piece.entry, piece.is_final_copy, piece.day));
    }
    batches
}

fn close_save(
    save: &Save,
    pieces: &[Placed<'_>],
    history: &mut EpochHistory,
    tally: &mut Tally,
    digest: &mut blake3::Hasher,
) {
    digest.update(&save.batch.sequence.0.to_le_bytes());
    let mut own = Tally::default();
    for (chunk, piece) in pieces {
        let (values, outcomes) = (&chunk.values[piece.range()], &chunk.outcomes[piece.range()]);
        digest.update(&outcomes.iter().map(|outcome| *outcome as u8).collect::<Vec<u8>>());
        if !piece.is_final_copy {
            own.count(values, outcomes);
        }
        let batch = &chunk.saves[piece.save as usize].batch;
        if let Some(revision) = stored_revision(piece, batch, values, outcomes) {
            let confirmed = outcomes.iter().map(|outcome| *outcome == Outcome::Skipped).collect();
            history.revisions.push((piece.series_day(), StoredRevision { revision, confirmed }));
        }
    }
    let (saved, skipped) = (own.saved, own.skipped);
    if saved + skipped > 0 {
        history.batches.push(BatchRecord { batch: save.batch.clone(), saved, skipped });
    }
    for (outcome, values) in &save.refused {
        own.refuse(outcome.code().unwrap_or_default(), *values);
    }
    let only = Closing {
        history: EpochHistory::default(),
        replies: Vec::new(),
        digest: [0; 16],
        changed_reference: false,
        tally: own,
    };
    only.count_into(tally);
}

fn close_withdrawal(decided: &[Arc<Decided>], withdrawing: Withdrawing) -> Done {
    match withdrawing {
        Withdrawing::None | Withdrawing::Unknown => Done::UnknownBatch,
        Withdrawing::Already => Done::Withdrawn { already: true },
        Withdrawing::Open => {
            let work = decided.iter().find_map(|one| one.chunk.withdrawal.as_ref());
            match work.map(|work| &work.refused).filter(|refused| !refused.is_empty()) {
                Some(refused) => Done::WithdrawalRefused(refused.clone()),
                None => Done::Withdrawn { already: false },
            }
        }
    }
}

fn reply_to(save: &Save, pieces: &[Placed<'_>], wanted: Replies) -> Saved {
    let mut saved = Saved {
        batch: save.batch.id,
        sequence: save.batch.sequence,
        slots: Vec::new(),
        final_slots: Vec::new(),
    };
    for (chunk, piece) in pieces {
        let slots = if piece.is_final_copy { &mut saved.final_slots } else { &mut saved.slots };
        for (index, slot) in piece.range().zip(usize::from(piece.first)..) {
            let outcome = chunk.outcomes[index];
            let is_told = wanted != Replies::Refusals || !outcome.is_stored();
            if outcome != Outcome::Absent && is_told {
                let clipped = chunk
                    .clipped
                    .binary_search(&(index as u32))
                    .is_ok()
                    .then(|| chunk.values[index]);
                let start = piece.day.slot_start(piece.period, slot);
                slots.push(SlotDecision { entry: piece.entry, start, outcome, clipped });
            }
        }
    }
    saved
}
