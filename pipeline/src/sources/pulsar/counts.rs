//! What is counted of the partitions of a topic, and shown of all together.

use std::collections::BTreeMap;

use smartpulse_operators::time::Instant;

/// What is counted of one partition since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Messages taken in.
    pub(super) messages: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Values they held.
    pub(super) values: u64,
    /// Messages that could not be used.
    pub(super) refused: u64,
    /// Dead letters written.
    pub(super) letters: u64,
    /// Messages delivered again.
    pub(super) repeated: u64,
    /// Messages that the broker holds; none where it has not said.
    pub(super) backlog: Option<u64>,
    /// When the newest message was sent, in milliseconds since 1970.
    pub(super) newest: Option<u64>,
    /// When the oldest message under way was sent, likewise.
    pub(super) under_way: Option<u64>,
}

/// Sums over all partitions, by name.
pub(super) fn sums(all: &BTreeMap<String, Counted>) -> Vec<(&'static str, u64)> {
    let sum = |count: fn(&Counted) -> u64| all.values().map(count).sum();
    vec![
        ("messages", sum(|one| one.messages)),
        ("bytes", sum(|one| one.bytes)),
        ("values", sum(|one| one.values)),
        ("refused", sum(|one| one.refused)),
        ("deadLetters", sum(|one| one.letters)),
        ("redelivered", sum(|one| one.repeated)),
        ("backlog", sum(|one| one.backlog.unwrap_or(0))),
        ("partitions", all.len() as u64),
    ]
}

/// Seconds between the sending of the oldest message that is not settled and now; without one under way, of the
/// newest that was taken in where the broker holds more.
pub(super) fn lag(all: &BTreeMap<String, Counted>, now: Instant) -> f64 {
    let waiting = |one: &Counted| {
        one.under_way.or(one.newest.filter(|_| one.backlog.is_some_and(|held| held > 0)))
    };
    let oldest = all.values().filter_map(waiting).min();
    oldest.map_or(0.0, |sent| ((now.0 / 1_000) as f64 - sent as f64).max(0.0) / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_that_of_the_partition_that_is_furthest_behind() {
        let of = |under_way, newest, backlog| Counted {
            under_way,
            newest,
            backlog,
            ..Counted::default()
        };
        let now = Instant(100_000_000);
        let all = |list: &[Counted]| {
            list.iter().cloned().enumerate().map(|(n, one)| (n.to_string(), one)).collect()
        };
        assert_eq!(lag(&all(&[of(None, Some(1_000), Some(0))]), now), 0.0, "nothing waits");
        assert_eq!(lag(&all(&[of(None, Some(97_000), Some(3))]), now), 3.0);
        let two = [of(Some(99_000), Some(99_500), Some(9)), of(Some(95_000), None, None)];
        assert_eq!(lag(&all(&two), now), 5.0);
        assert_eq!(
            lag(&all(&[of(Some(200_000), None, None)]), now),
            0.0,
            "a sender's clock is ahead"
        );
        assert_eq!(sums(&all(&two))[7], ("partitions", 2));
    }
}
