//! Bytes as they lie in Redis: a byte that says how, then MessagePack as it is or compressed.

use std::cell::RefCell;
use std::io::Read;

use zstd::bulk::Compressor;

/// What follows is MessagePack.
const PLAIN: u8 = 0;
/// What follows is a zstd frame of it.
const ZSTD: u8 = 1;
/// Shorter ones stay as they are: a day of quarter hours is half a kilobyte, of which a frame saves little.
const LEAST_BYTES: usize = 1_024;
/// A fast level that still finds repeated ranks and the empty upper bytes of numbers.
const LEVEL: i32 = -3;
/// Most bytes that are unpacked: a day of minutes with a thousand batches is far below it.
const MOST_BYTES: u64 = 64 << 20;

thread_local! {
    /// What a compressor works with costs more to make than a day to compress.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// `bytes` as they lie there: compressed where that saves an eighth.
pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    let compressed = (bytes.len() >= LEAST_BYTES).then(|| compress(bytes)).flatten();
    let (how, content) = match &compressed {
        Some(frame) if frame.len() + bytes.len() / 8 < bytes.len() => (ZSTD, frame.as_slice()),
        _ => (PLAIN, bytes),
    };
    let mut packed = Vec::with_capacity(content.len() + 1);
    packed.push(how);
    packed.extend_from_slice(content);
    packed
}

/// The bytes again; none where they are damaged.
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let (how, content) = packed.split_first()?;
    match *how {
        PLAIN => Some(content.to_vec()),
        ZSTD => {
            let mut bytes = Vec::new();
            let decoder = zstd::Decoder::new(content).ok()?;
            let length = decoder.take(MOST_BYTES + 1).read_to_end(&mut bytes).ok()?;
            (length as u64 <= MOST_BYTES).then_some(bytes)
        }
        _ => None,
    }
}

fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        if compressor.is_none() {
            *compressor = Compressor::new(LEVEL).ok();
        }
        compressor.as_mut()?.compress(bytes).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again_and_damage_does_not() {
        for bytes in [vec![], vec![7; 100], vec![7; 5_000], (0..=255).cycle().take(1_024).collect()]
        {
            assert_eq!(unpack(&pack(&bytes)), Some(bytes));
        }
        let packed = pack(&[7; 5_000]);
        assert!(packed.len() < 100 && packed[0] == ZSTD);
        assert_eq!(unpack(&packed[..packed.len() - 1]), None);
        assert_eq!(unpack(&[]), None);
        assert_eq!(unpack(&[9, 1, 2]), None);
    }
}
