//! The parts of a tick. What a withdrawal needs to see of history must have been decided before, so it is a part of its
//! own; all parts become visible at once.

use std::borrow::Cow;

use smartpulse_operators::change::{Change, RequestKey, Tick};

use crate::journal::{JournalError, Spools};

/// The parts of `tick` in order; most have one, which is all of it. What a tick says beside its changes is said with
/// the last.
pub(super) fn of(tick: &Tick) -> Vec<Cow<'_, Tick>> {
    let is_alone = |change: &Change| matches!(change, Change::Withdrawal(_));
    if tick.changes.len() < 2 || !tick.changes.iter().any(is_alone) {
        return vec![Cow::Borrowed(tick)];
    }
    let mut ends = Vec::new();
    for (change, place) in tick.changes.iter().zip(0..) {
        if is_alone(change) {
            ends.extend([place, place + 1]);
        }
    }
    ends.push(tick.changes.len());
    ends.dedup();
    let begins = std::iter::once(0).chain(ends.iter().copied());
    let ranges: Vec<_> = begins.zip(&ends).filter(|(begin, end)| begin < end).collect();
    let last = ranges.len() - 1;
    let part = |(index, (begin, end)): (usize, (usize, &usize))| {
        let requests = tick
            .requests
            .iter()
            .filter(|request| (begin..*end).contains(&(request.change as usize)));
        let of_part =
            |request: &RequestKey| RequestKey { change: request.change - begin as u32, ..*request };
        let is_last = index == last;
        Cow::Owned(Tick {
            epoch: tick.epoch,
            clock: tick.clock,
            changes: tick.changes[begin..*end].to_vec(),
            position: tick.position.clone(),
            requests: requests.map(of_part).collect(),
            digests: Vec::new(),
            offsets: if is_last { tick.offsets.clone() } else { Vec::new() },
            kept: if is_last { tick.kept.clone() } else { Vec::new() },
            spooled: None,
        })
    };
    ranges.into_iter().enumerate().map(part).collect()
}

/// A part, and whether further ones follow.
type Placed<'t> = Result<(Cow<'t, Tick>, bool), JournalError>;

/// The parts of `tick` with those that lie in a file, which come last and are read one by one. A part of a file says
/// so.
pub(super) fn all<'t>(
    tick: &'t Tick,
    spools: &Spools,
) -> Result<Box<dyn Iterator<Item = Placed<'t>> + 't>, JournalError> {
    let own = of(tick);
    let count = own.len();
    let Some(spooled) = &tick.spooled else {
        let numbered = own.into_iter().enumerate();
        return Ok(Box::new(numbered.map(move |(place, part)| Ok((part, place + 1 < count)))));
    };
    let filed = spools.parts(spooled)?.enumerate().map(|(place, changes)| {
        let of_file = Tick { changes: changes?, ..Tick::empty(tick.epoch, tick.clock) };
        let of_file = Tick { spooled: Some(spooled.clone()), ..of_file };
        Ok((Cow::Owned(of_file), place + 1 < spooled.parts as usize))
    });
    Ok(Box::new(own.into_iter().map(|part| Ok((part, true))).chain(filed)))
}

/// The digest of a part behind those before it.
pub(super) fn joined(place: u32, before: [u8; 16], own: [u8; 16]) -> [u8; 16] {
    if place == 0 {
        return own;
    }
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(&[before, own].concat()).as_bytes()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use smartpulse_operators::batch::Epoch;
    use smartpulse_operators::change::{BatchName, Checks, RefusedBatch, Withdrawal};
    use smartpulse_operators::time::Instant;

    use super::*;

    fn tick(kinds: &str) -> Tick {
        let change = |kind| match kind {
            'w' => Change::Withdrawal(Withdrawal {
                batch: BatchName::Source("b".to_owned()),
                recorded: Instant(0),
                checks: Checks::default(),
                user: None,
            }),
            _ => Change::Refused(RefusedBatch { code: "X".to_owned(), values: 0, recorded: None }),
        };
        let request = |change| RequestKey { change, scope: [change as u8; 32], body: [0; 32] };
        Tick {
            epoch: Epoch(1),
            clock: Instant(9),
            changes: kinds.chars().map(change).collect(),
            position: None,
            requests: (0..kinds.len() as u32).map(request).collect(),
            digests: Vec::new(),
            offsets: Vec::new(),
            kept: Vec::new(),
            spooled: None,
        }
    }

    #[test]
    fn a_withdrawal_is_a_part_of_its_own_and_everything_keeps_its_place() {
        for (kinds, expected) in [
            ("", vec![0]),
            ("s", vec![1]),
            ("w", vec![1]),
            ("sss", vec![3]),
            ("sws", vec![1, 1, 1]),
            ("wss", vec![1, 2]),
            ("ssww", vec![2, 1, 1]),
        ] {
            let whole = tick(kinds);
            let parts = of(&whole);
            let lengths: Vec<usize> = parts.iter().map(|part| part.changes.len()).collect();
            assert_eq!(lengths, expected, "{kinds}");
            let scopes = parts.iter().flat_map(|part| {
                part.requests.iter().zip(0..).map(|(request, own)| {
                    assert_eq!(request.change, own);
                    request.scope[0]
                })
            });
            assert_eq!(scopes.collect::<Vec<u8>>(), (0..kinds.len() as u8).collect::<Vec<_>>());
        }
    }
}
