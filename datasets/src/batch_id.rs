//! The ids of replayed batches: named by their source, so that a replay again gives the same ids.

use uuid::Uuid;

use crate::forecast_row::Issue;

/// The namespace of our batch ids, drawn once; changing it would rename every replayed batch.
const NAMESPACE: Uuid = Uuid::from_u128(0x5b0c_9a1e_2f47_4d86_9c35_e1d0_7a64_b8f2);

/// The id of the batch that the source calls `key`.
pub(crate) fn named(key: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, key.as_bytes())
}

/// The id of the `ordinal`-th group of neighbouring rows without a batch cell.
pub(crate) fn unnamed(issue: &Issue, ordinal: u64) -> Uuid {
    let Issue { provider, kind, valid_after, recorded } = issue;
    // NULs keep the parts apart, and all of it apart from batch cells.
    let key = format!(
        "\0{}\0{}\0{}\0{}\0{ordinal}",
        provider.key(),
        kind.word(),
        valid_after.0,
        recorded.0
    );
    Uuid::new_v5(&NAMESPACE, key.as_bytes())
}
