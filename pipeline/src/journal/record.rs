//! One record: `length u32 | CRC32C u32 | epoch u64 | version u8 | payload`, little-endian. The checksum
//! covers everything after itself; the payload is the tick in postcard.

use smartpulse_operators::batch::Epoch;
use smartpulse_operators::change::Tick;
use thiserror::Error;

/// Bytes before the payload.
pub(super) const HEADER: usize = 4 + 4 + 8 + 1;
/// Version of the payload's form.
pub(super) const VERSION: u8 = 2;
/// The form without offsets, kept rows and files, as releases before wrote it.
const WITHOUT_OFFSETS: u8 = 1;
/// Longest payload: one save of a replay may be large, but a length beyond this is damage.
const MAX_PAYLOAD: usize = 1 << 30;

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The file ends inside it.
    #[error("it is cut off")]
    CutOff,
    /// Its checksum is another's.
    #[error("its checksum does not fit")]
    Checksum,
    /// Its length cannot be.
    #[error("its length is out of bounds")]
    Length,
    /// A newer release wrote it.
    #[error("it has version {0}; this release reads version {VERSION}")]
    NewerVersion(u8),
    /// Its payload is no tick.
    #[error("its payload cannot be read: {0}")]
    Payload(String),
}

/// Appends `tick` as a record to `out`.
pub(super) fn encode(tick: &Tick, out: &mut Vec<u8>) -> Result<(), RecordError> {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&tick.epoch.0.to_le_bytes());
    out.push(VERSION);
    let written = postcard::to_extend(tick, std::mem::take(out))
        .map_err(|problem| RecordError::Payload(problem.to_string()))?;
    *out = written;
    let payload = out.len() - start - HEADER;
    let length = u32::try_from(payload).ok().filter(|_| payload <= MAX_PAYLOAD);
    let length = length.ok_or(RecordError::Length)?;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    // The length is covered too: it stands first but is summed last.
    let checksum = checksum(&out[start..start + 4], &out[start + 8..]);
    out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Reads the record at the start of `bytes`: its epoch and how long it is, checksum verified.
pub(super) fn verify(bytes: &[u8]) -> Result<(Epoch, usize), RecordError> {
    let header = bytes.get(..HEADER).ok_or(RecordError::CutOff)?;
    let payload = u32_at(header, 0) as usize;
    if payload > MAX_PAYLOAD {
        return Err(RecordError::Length);
    }
    let record = bytes.get(..HEADER + payload).ok_or(RecordError::CutOff)?;
    if checksum(&record[..4], &record[8..]) != u32_at(record, 4) {
        return Err(RecordError::Checksum);
    }
    let mut epoch = [0; 8];
    epoch.copy_from_slice(&record[8..16]);
    Ok((Epoch(u64::from_le_bytes(epoch)), record.len()))
}

/// The version of a verified record that a newer release wrote.
pub(super) fn newer_version(record: &[u8]) -> Option<u8> {
    Some(record[HEADER - 1]).filter(|version| *version > VERSION)
}

/// The tick in a verified record.
pub(super) fn decode(record: &[u8]) -> Result<Tick, RecordError> {
    match record[HEADER - 1] {
        VERSION => postcard::from_bytes(&record[HEADER..]).map_err(unreadable),
        WITHOUT_OFFSETS => {
            let (epoch, clock, changes, position, requests, digests) =
                postcard::from_bytes(&record[HEADER..]).map_err(unreadable)?;
            let empty = Tick::empty(epoch, clock);
            Ok(Tick { changes, position, requests, digests, ..empty })
        }
        other => Err(RecordError::NewerVersion(other)),
    }
}

fn unreadable(problem: postcard::Error) -> RecordError {
    RecordError::Payload(problem.to_string())
}

fn checksum(length: &[u8], rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(length), rest)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use smartpulse_operators::change::{Change, RefusedBatch};
    use smartpulse_operators::offset::{KeptRow, Offset, Place, PulsarPlace};
    use smartpulse_operators::time::Instant;

    use super::*;

    fn tick() -> Tick {
        let refused = RefusedBatch { code: "X".to_owned(), values: 3, recorded: None };
        Tick {
            epoch: Epoch(7),
            clock: Instant(9),
            changes: vec![Change::Refused(refused)],
            position: None,
            requests: Vec::new(),
            digests: vec![(Epoch(6), [1; 16])],
            offsets: Vec::new(),
            kept: Vec::new(),
            spooled: None,
        }
    }

    #[test]
    fn offsets_come_back_and_records_without_them_are_read_too() {
        let place = Place::Pulsar(PulsarPlace { ledger: 1, entry: 2, index: 3, mark: u64::MAX });
        let offsets = vec![Offset { source: "s".into(), place }];
        let kept = vec![KeptRow { table: "t".into(), key: "[1]".into(), row: Some("{}".into()) }];
        let (mut record, with) = (Vec::new(), Tick { offsets, kept, ..tick() });
        encode(&with, &mut record).unwrap();
        assert_eq!(decode(&record), Ok(with));

        // As the release before wrote it: the last three fields were not there.
        let (without, mut record) = (tick(), Vec::new());
        encode(&without, &mut record).unwrap();
        let popped = [(); 3].map(|()| record.pop());
        assert_eq!(popped, [Some(0); 3], "no offsets, no rows, nothing in a file");
        record[HEADER - 1] = WITHOUT_OFFSETS;
        let length = (record.len() - HEADER) as u32;
        record[..4].copy_from_slice(&length.to_le_bytes());
        let sum = checksum(&record[..4], &record[8..]);
        record[4..8].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(verify(&record), Ok((Epoch(7), record.len())));
        assert_eq!(decode(&record), Ok(without));
    }
}
