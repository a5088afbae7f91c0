//! A series day as it lies in Redis: the value of one field of the hash of its series.
//!
//! MessagePack `[slots, values, ranks, batches, pending]`. `values` is little-endian integers in hundredths of
//! a kW, one a slot: 4 bytes each, the least integer for no value; or 8 bytes each where one does not fit. `ranks`
//! is a byte a slot for the batch that wins it, then a byte a slot for that of the row shown (2 bytes each beside
//! values of 8): 0 for none, else a place in `batches` from 1; just one of each where all slots have the same. A
//! rank without a value: withdrawn by that batch.
//!
//! A batch is `[sequence, id (16 bytes), recorded, valid_after, provider, user, note, source_batch,
//! skips_existing_check]`, instants in microseconds since 1970, texts or nil. `pending` are revisions that count
//! from a later instant than the clock, each `[batch, first, values]`: 8 bytes a slot from slot `first` on, the
//! least integer withdraws the slot, the next says nothing of it.

use std::sync::{Arc, Weak};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::block::{DayBlock, DayState, widen};
use smartpulse_operators::chunk::Revision;
use smartpulse_operators::quantity::NULL;
use smartpulse_operators::resolve::Values;
use smartpulse_operators::series::Provider;
use smartpulse_operators::time::Instant;
use uuid::Uuid;

#[derive(Serialize, Deserialize)]
struct DayForm<'d> {
    slots: u16,
    values: ByteBuf,
    ranks: ByteBuf,
    #[serde(borrow)]
    batches: Vec<BatchForm<'d>>,
    #[serde(borrow)]
    pending: Vec<PendingForm<'d>>,
}

/// A batch; instants in microseconds since 1970.
#[derive(Serialize, Deserialize)]
struct BatchForm<'d> {
    sequence: u64,
    id: Uuid,
    recorded: i64,
    valid_after: i64,
    provider: &'d str,
    user: Option<&'d str>,
    note: Option<&'d str>,
    source_batch: Option<&'d str>,
    skips_existing_check: bool,
}

/// A revision that counts from a later instant than the clock: values of 8 bytes from slot `first` on; the least
/// integer withdraws the slot, the next says nothing of it.
#[derive(Serialize, Deserialize)]
struct PendingForm<'d> {
    #[serde(borrow)]
    batch: BatchForm<'d>,
    first: u16,
    values: ByteBuf,
}

/// Batches that were read, so that those of many days are one.
#[derive(Debug, Default)]
pub(crate) struct KnownBatches {
    known: HashMap<Sequence, Weak<Batch>, FixedState>,
    /// Entries at which those that nobody holds are let go.
    bound: usize,
}

impl KnownBatches {
    /// Entries before the first look at who is still held.
    const LEAST: usize = 4_096;

    fn of(&mut self, form: &BatchForm<'_>) -> Option<Arc<Batch>> {
        let sequence = Sequence(form.sequence);
        if let Some(batch) = self.known.get(&sequence).and_then(Weak::upgrade) {
            return Some(batch);
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let batch = Arc::new(Batch {
            id: form.id,
            sequence,
            recorded: Instant(form.recorded),
            valid_after: Instant(form.valid_after),
            provider: Provider::parse(form.provider)?,
            user: owned(form.user),
            note: owned(form.note),
            source_batch: owned(form.source_batch),
            skips_existing_check: form.skips_existing_check,
        });
        if self.known.len() >= self.bound.max(KnownBatches::LEAST) {
            self.known.retain(|_, batch| batch.strong_count() > 0);
            self.bound = 2 * self.known.len();
        }
        self.known.insert(sequence, Arc::downgrade(&batch));
        Some(batch)
    }
}

/// The bytes of a day, before they are packed.
pub(crate) fn encode(block: &DayBlock) -> Vec<u8> {
    let form = DayForm {
        slots: block.slots() as u16,
        values: ByteBuf::from(values(block)),
        ranks: ByteBuf::from(ranks(block)),
        batches: block.batches().iter().map(|batch| batch_form(batch)).collect(),
        pending: block.pending().iter().map(pending_form).collect(),
    };
    // Numbers, texts and bytes serialise into memory.
    rmp_serde::to_vec(&form).unwrap_or_default()
}

/// The day of those bytes; none where they are damaged.
pub(crate) fn decode(bytes: &[u8], known: &mut KnownBatches) -> Option<Arc<DayBlock>> {
    let form: DayForm<'_> = rmp_serde::from_slice(bytes).ok()?;
    let slots = usize::from(form.slots);
    let is_narrow = form.values.len() == 4 * slots;
    let values: Vec<i64> = if is_narrow {
        numbers(&form.values, i32::from_le_bytes).map(widen).collect()
    } else {
        numbers(&form.values, i64::from_le_bytes).collect()
    };
    let ranks: Vec<u16> = if is_narrow {
        form.ranks.iter().copied().map(u16::from).collect()
    } else {
        numbers(&form.ranks, u16::from_le_bytes).collect()
    };
    let batches: Vec<Arc<Batch>> =
        form.batches.iter().map(|batch| known.of(batch)).collect::<Option<_>>()?;
    let fits = ranks.iter().all(|rank| usize::from(*rank) <= batches.len());
    // A period makes the slots.
    let is_day = slots > 0 && 1_440 % slots == 0;
    if values.len() != slots || !is_day || !fits {
        return None;
    }
    let (winners, shown) = match ranks.len() {
        2 if slots > 1 => (vec![ranks[0]; slots], vec![ranks[1]; slots]),
        all if all == 2 * slots => (ranks[..slots].to_vec(), ranks[slots..].to_vec()),
        _ => return None,
    };
    // A value that stands has a row that is shown.
    let is_shown = |(value, shown): (&i64, &u16)| *value == NULL || *shown > 0;
    if !values.iter().zip(&shown).all(is_shown) {
        return None;
    }
    let pending = form.pending.iter().map(|pending| {
        let batch = known.of(&pending.batch)?;
        let values: Vec<i64> = numbers(&pending.values, i64::from_le_bytes).collect();
        let fits = usize::from(pending.first) + values.len() <= slots;
        fits.then(|| Revision { batch, first: pending.first, values: values.into() })
    });
    let pending = pending.collect::<Option<Vec<_>>>()?;
    Some(DayBlock::of(&DayState { values, winners, shown, batches }, pending))
}

fn values(block: &DayBlock) -> Vec<u8> {
    match block.values() {
        Values::Narrow(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Values::Wide(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

fn ranks(block: &DayBlock) -> Vec<u8> {
    let slots = block.slots();
    let first = block.ranks(0);
    let ranks: Vec<usize> = if slots > 1 && (1..slots).all(|slot| block.ranks(slot) == first) {
        vec![first.0, first.1]
    } else {
        let winners = (0..slots).map(|slot| block.ranks(slot).0);
        winners.chain((0..slots).map(|slot| block.ranks(slot).1)).collect()
    };
    if block.is_narrow() {
        ranks.into_iter().map(|rank| rank as u8).collect()
    } else {
        ranks.into_iter().flat_map(|rank| (rank as u16).to_le_bytes()).collect()
    }
}

fn batch_form(batch: &Batch) -> BatchForm<'_> {
    BatchForm {
        sequence: batch.sequence.0,
        id: batch.id,
        recorded: batch.recorded.0,
        valid_after: batch.valid_after.0,
        provider: batch.provider.key(),
        user: batch.user.as_deref(),
        note: batch.note.as_deref(),
        source_batch: batch.source_batch.as_deref(),
        skips_existing_check: batch.skips_existing_check,
    }
}

fn pending_form(revision: &Revision) -> PendingForm<'_> {
    let values: Vec<u8> = revision.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    PendingForm {
        batch: batch_form(&revision.batch),
        first: revision.first,
        values: ByteBuf::from(values),
    }
}

/// The numbers of `bytes`; what is left over at the end stands for none.
pub(crate) fn numbers<const N: usize, T>(
    bytes: &[u8],
    number: impl Fn([u8; N]) -> T,
) -> impl Iterator<Item = T> {
    let (whole, _) = bytes.as_chunks();
    whole.iter().map(move |bytes| number(*bytes))
}

#[cfg(test)]
#[path = "day/tests.rs"]
mod tests;
