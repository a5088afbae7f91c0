//! Which partition a subject's messages lie in, and how an epoch says which it touches.

use super::sink::DeltaMessage;

/// The partition of a subject.
pub(super) fn shard_of(key: &str, shards: usize) -> usize {
    crc32c::crc32c(key.as_bytes()) as usize % shards.max(1)
}

/// The messages of an epoch by partition, in order.
pub(super) fn place(messages: Vec<DeltaMessage>, shards: usize) -> Vec<Vec<DeltaMessage>> {
    let mut placed: Vec<Vec<DeltaMessage>> = Vec::new();
    placed.resize_with(shards, Vec::new);
    for message in messages {
        placed[shard_of(&message.key, shards)].push(message);
    }
    placed
}

/// A bit for each partition that has messages, the first one last, in hexadecimal digits.
pub(super) fn touched(placed: &[Vec<DeltaMessage>]) -> String {
    let digit = |shards: &[Vec<DeltaMessage>]| {
        let bits = shards.iter().zip(0..).filter(|(messages, _)| !messages.is_empty());
        let digit = bits.fold(0, |digit, (_, bit)| digit | 1 << bit);
        char::from_digit(digit, 16).unwrap_or('0')
    };
    let digits: String = placed.chunks(4).rev().map(digit).collect();
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_one_partition_and_the_bits_say_which_are_touched() {
        let message =
            |key: &str| DeltaMessage { key: key.to_owned(), view: "latest", body: String::new() };
        let keys = ["PP:1", "PP:2", "CMP:1", "all:all", "PP:1"];
        let placed = place(keys.map(message).into(), 20);
        let mut bits = 0_u64;
        for (shard, messages) in placed.iter().enumerate() {
            for message in messages {
                assert_eq!(shard_of(&message.key, 20), shard);
                bits |= 1 << shard;
            }
        }
        assert_eq!(touched(&placed), format!("{bits:x}"));
        assert_eq!(touched(&place(Vec::new(), 20)), "0");
        // The check value of CRC-32C.
        assert_eq!(shard_of("123456789", 1 << 32), 0xe306_9283);
    }
}
