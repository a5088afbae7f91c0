//! Keys and values of the history store, as bytes whose order is the order wanted.
//!
//! `revisions`: day, series, valid_after, sequence. `batch_days`: sequence, day, series. Signed numbers are
//! written big-endian with the sign bit turned, so that bytes sort like numbers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::chunk::{Revision, SeriesDay};
use smartpulse_operators::quantity::{ABSENT, NULL};
use smartpulse_operators::series::SeriesId;
use smartpulse_operators::time::Day;

/// A revision with a mark per value: it was counted as skipped.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRevision {
    /// What the batch said of the series day.
    pub revision: Revision,
    /// One mark a value.
    pub confirmed: Box<[bool]>,
}

/// A batch and how its values fared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchRecord {
    /// The batch.
    pub batch: Batch,
    /// Values stored as news.
    pub saved: u64,
    /// Values stored as confirmations.
    pub skipped: u64,
}

/// A value below this is written in 32 bits.
const NARROW: i64 = i32::MAX as i64;
const NARROW_NULL: i32 = i32::MIN;
const NARROW_ABSENT: i32 = i32::MIN + 1;

pub(super) fn day_key(day: Day) -> [u8; 4] {
    ((day.0 as u32) ^ (1 << 31)).to_be_bytes()
}

pub(super) fn series_day_key((series, day): SeriesDay) -> [u8; 8] {
    let mut key = [0; 8];
    key[..4].copy_from_slice(&day_key(day));
    key[4..].copy_from_slice(&series.0.to_be_bytes());
    key
}

pub(super) fn revision_key(series_day: SeriesDay, batch: &Batch) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&series_day_key(series_day));
    key[8..16].copy_from_slice(&((batch.valid_after.0 as u64) ^ (1 << 63)).to_be_bytes());
    key[16..].copy_from_slice(&batch.sequence.0.to_be_bytes());
    key
}

pub(super) fn batch_day_key(sequence: Sequence, series_day: SeriesDay) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&sequence.0.to_be_bytes());
    key[8..].copy_from_slice(&series_day_key(series_day));
    key
}

/// A source's key may be longer than a key of the store, so its digest stands for it.
pub(super) fn source_key(source: &str, sequence: Sequence) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(blake3::hash(source.as_bytes()).as_bytes());
    key[32..].copy_from_slice(&sequence.0.to_be_bytes());
    key
}

pub(super) fn series_day_of(key: &[u8]) -> Option<SeriesDay> {
    let day = u32::from_be_bytes(key.get(..4)?.try_into().ok()?) ^ (1 << 31);
    let series = u32::from_be_bytes(key.get(4..8)?.try_into().ok()?);
    Some((SeriesId(series), Day(day as i32)))
}

pub(super) fn series_day_of_batch(key: &[u8]) -> Option<SeriesDay> {
    series_day_of(key.get(8..)?)
}

pub(super) fn sequence_of(key: &[u8]) -> Option<Sequence> {
    Some(Sequence(u64::from_be_bytes(key.get(16..24)?.try_into().ok()?)))
}

/// `width u8 | first u16 | count u16 | values | marks, eight a byte`.
pub(super) fn encode_revision(stored: &StoredRevision) -> Vec<u8> {
    let values = &stored.revision.values;
    let fits = |value: &i64| *value == NULL || *value == ABSENT || value.abs() < NARROW;
    let width: u8 = if values.iter().all(fits) { 4 } else { 8 };
    let mut bytes =
        Vec::with_capacity(5 + values.len() * usize::from(width) + values.len() / 8 + 1);
    bytes.push(width);
    bytes.extend_from_slice(&stored.revision.first.to_le_bytes());
    bytes.extend_from_slice(&(values.len() as u16).to_le_bytes());
    for value in values.iter() {
        match (width, *value) {
            (4, NULL) => bytes.extend_from_slice(&NARROW_NULL.to_le_bytes()),
            (4, ABSENT) => bytes.extend_from_slice(&NARROW_ABSENT.to_le_bytes()),
            (4, narrow) => bytes.extend_from_slice(&(narrow as i32).to_le_bytes()),
            (_, wide) => bytes.extend_from_slice(&wide.to_le_bytes()),
        }
    }
    for marks in stored.confirmed.chunks(8) {
        let packed = marks.iter().enumerate().map(|(bit, mark)| u8::from(*mark) << bit);
        bytes.push(packed.fold(0, |byte, bit| byte | bit));
    }
    bytes
}

pub(super) fn decode_revision(bytes: &[u8], batch: Arc<Batch>) -> Option<StoredRevision> {
    let (head, rest) = bytes.split_at_checked(5)?;
    let first = u16::from_le_bytes([head[1], head[2]]);
    let count = usize::from(u16::from_le_bytes([head[3], head[4]]));
    let (values, marks) = rest.split_at_checked(count * usize::from(head[0]))?;
    let values: Arc<[i64]> = match head[0] {
        4 => {
            values.chunks_exact(4).map(|word| widen(word.try_into().ok())).collect::<Option<_>>()?
        }
        8 => {
            let wide = |word: &[u8]| Some(i64::from_le_bytes(word.try_into().ok()?));
            values.chunks_exact(8).map(wide).collect::<Option<_>>()?
        }
        _ => return None,
    };
    let marked = |index: usize| marks.get(index / 8).map(|byte| byte >> (index % 8) & 1 == 1);
    let confirmed = (0..count).map(marked).collect::<Option<_>>()?;
    Some(StoredRevision { revision: Revision { batch, first, values }, confirmed })
}

fn widen(word: Option<[u8; 4]>) -> Option<i64> {
    Some(match i32::from_le_bytes(word?) {
        NARROW_NULL => NULL,
        NARROW_ABSENT => ABSENT,
        narrow => i64::from(narrow),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use smartpulse_operators::series::Provider;
    use smartpulse_operators::time::Instant;

    fn batch(valid_after: i64) -> Arc<Batch> {
        Arc::new(Batch {
            id: uuid::Uuid::nil(),
            sequence: Sequence(7),
            recorded: Instant(valid_after),
            valid_after: Instant(valid_after),
            provider: Provider::parse("P").unwrap(),
            user: None,
            note: None,
            source_batch: None,
            skips_existing_check: false,
        })
    }

    #[test]
    fn revisions_come_back_as_they_were() {
        for values in [vec![0, NULL, ABSENT, -5], vec![1 << 40, NULL, ABSENT, i64::from(i32::MIN)]]
        {
            let stored = StoredRevision {
                revision: Revision { batch: batch(3), first: 90, values: values.into() },
                confirmed: [true, false, false, true].into(),
            };
            assert_eq!(
                decode_revision(&encode_revision(&stored), batch(3)).as_ref(),
                Some(&stored)
            );
            assert!(decode_revision(&encode_revision(&stored)[..6], batch(3)).is_none());
        }
    }

    #[test]
    fn keys_sort_by_day_series_and_version_before_1970_too() {
        let key = |day, series, valid_after| {
            revision_key((SeriesId(series), Day(day)), &batch(valid_after))
        };
        let sorted =
            [key(-2, 9, 0), key(-1, 1, 5), key(0, 1, -5), key(0, 1, 5), key(0, 2, 0), key(1, 0, 0)];
        assert!(sorted.is_sorted());
        assert_eq!(series_day_of(&key(-2, 9, 0)), Some((SeriesId(9), Day(-2))));
        assert_eq!(sequence_of(&key(-2, 9, 0)), Some(Sequence(7)));
    }
}
