//! Hashes of a view: one over every exported column, one over keys and values only, so that folders filled
//! in other ways, and other sources of the same data, can be compared.

use smartpulse_operators::time::Instant;

use crate::history::HistoryError;
use crate::picture::{AsOf, Picture, Selection};

/// The two hashes of a view, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewHashes {
    /// Over every exported column.
    pub all: String,
    /// Over key and value.
    pub content: String,
}

/// Hashes of `latest` at the folder's clock.
///
/// # Errors
/// [`HistoryError`].
pub fn latest(picture: &Picture<'_>) -> Result<ViewHashes, HistoryError> {
    let clock = picture.base.clock.unwrap_or(Instant::MIN);
    let (mut all, mut content) = (blake3::Hasher::new(), blake3::Hasher::new());
    let mut key = Vec::new();
    let mut rest = Vec::new();
    picture.for_each_latest::<HistoryError>(
        AsOf::new(None, None, clock),
        &Selection::default(),
        |kind, _, row| {
            key.clear();
            let unit = row.series.unit;
            for text in [kind.word(), unit.unit_type.word(), row.series.provider.key()] {
                put(&mut key, text);
            }
            key.extend_from_slice(&unit.unit_no.to_le_bytes());
            key.extend_from_slice(&row.series.period.minutes().to_le_bytes());
            key.extend_from_slice(&row.delivery_start.0.to_le_bytes());
            key.extend_from_slice(&row.value.0.to_le_bytes());
            content.update(&key);
            rest.clear();
            let batch = row.batch;
            for number in [batch.valid_after.0, batch.recorded.0, batch.sequence.0 as i64] {
                rest.extend_from_slice(&number.to_le_bytes());
            }
            rest.extend_from_slice(batch.id.as_bytes());
            for text in [&batch.source_batch, &batch.user, &batch.note] {
                rest.push(u8::from(text.is_some()));
                put(&mut rest, text.as_deref().unwrap_or_default());
            }
            all.update(&key);
            all.update(&rest);
            Ok(())
        },
    )?;
    let hex = |hasher: blake3::Hasher| hasher.finalize().to_hex().to_string();
    Ok(ViewHashes { all: hex(all), content: hex(content) })
}

/// Length first, so that neighbouring texts cannot run into each other.
fn put(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}
