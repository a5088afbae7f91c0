//! Rules of the journal: what comes back, what is a torn tail, and what is damage. Every byte of a small
//! journal is cut and altered in turn.

use std::path::PathBuf;

use smartpulse_operators::change::{Change, RefusedBatch};
use smartpulse_operators::time::Instant;

use std::fs;

use super::*;

const INCARNATION: Uuid = Uuid::from_u128(7);

fn tick(epoch: u64) -> Tick {
    let refused = RefusedBatch {
        code: format!("CODE_{epoch}"),
        values: epoch,
        recorded: Some(Instant(epoch as i64)),
    };
    Tick {
        changes: vec![Change::Refused(refused)],
        digests: vec![(Epoch(epoch - 1), [epoch as u8; 16])],
        ..Tick::empty(Epoch(epoch), Instant(epoch as i64))
    }
}

/// A journal of `epochs` ticks in segments of `segment_bytes`; its only or last segment.
fn written(folder: &Path, epochs: u64, segment_bytes: u64) -> PathBuf {
    let (mut journal, torn) = Journal::open_with(folder, INCARNATION, segment_bytes).unwrap();
    assert_eq!(torn, None);
    for epoch in journal.newest().0 + 1..=epochs {
        journal.append(&tick(epoch)).unwrap();
        journal.sync().unwrap();
    }
    segment::list(folder).unwrap().pop().unwrap().1
}

fn read(folder: &Path, after: u64) -> Vec<u64> {
    let ticks = read_after(folder, INCARNATION, Epoch(after)).unwrap();
    ticks
        .map(|read| {
            let read = read.unwrap();
            assert_eq!(read, tick(read.epoch.0));
            read.epoch.0
        })
        .collect()
}

#[test]
fn ticks_come_back_in_order_across_segments_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 5, 200);
    written(folder.path(), 12, 200);
    assert!(segment::list(folder.path()).unwrap().len() > 2, "small segments rotate");
    assert_eq!(read(folder.path(), 0), (1..=12).collect::<Vec<_>>());
    assert_eq!(read(folder.path(), 7), (8..=12).collect::<Vec<_>>());
    let (journal, _) = Journal::open_with(folder.path(), INCARNATION, 200).unwrap();
    let on_disk: u64 = segment::list(folder.path())
        .unwrap()
        .iter()
        .map(|(_, path)| fs::metadata(path).unwrap().len())
        .sum();
    assert_eq!((journal.newest(), journal.bytes()), (Epoch(12), on_disk));
}

#[test]
fn a_tail_cut_at_any_byte_is_dropped_and_writing_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), 3, 1 << 20);
    let whole = fs::read(&path).unwrap();
    let two = fs::metadata(&path).unwrap().len() as usize - record_length(&whole);
    for cut in two..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (mut journal, torn) = Journal::open(folder.path(), INCARNATION).unwrap();
        assert_eq!((journal.newest(), torn.is_some()), (Epoch(2), cut > two), "cut at {cut}");
        journal.append(&tick(3)).unwrap();
        journal.sync().unwrap();
        assert_eq!(read(folder.path(), 0), [1, 2, 3]);
    }
}

/// Length of the last of three equal records.
fn record_length(whole: &[u8]) -> usize {
    (whole.len() - SEGMENT_HEADER) / 3
}

#[test]
fn a_tail_of_zeros_or_of_another_write_is_torn() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), 3, 1 << 20);
    let whole = fs::read(&path).unwrap();
    let two = whole.len() - record_length(&whole);
    for garbage in [0_u8, 0xFF, 0x5A] {
        let torn: Vec<u8> =
            whole[..two].iter().copied().chain(std::iter::repeat_n(garbage, 4_096)).collect();
        fs::write(&path, torn).unwrap();
        let survey = Survey::read(folder.path(), INCARNATION).unwrap();
        assert_eq!(survey.newest(), Epoch(2), "{garbage:#x}");
        assert!(survey.torn().is_some());
    }
}

#[test]
fn an_altered_byte_before_a_good_record_is_damage_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), 3, 1 << 20);
    let whole = fs::read(&path).unwrap();
    for at in SEGMENT_HEADER..whole.len() - record_length(&whole) {
        for mask in [0x01, 0x80, 0xFF] {
            let mut altered = whole.clone();
            altered[at] ^= mask;
            fs::write(&path, &altered).unwrap();
            let found = Journal::open(folder.path(), INCARNATION);
            let message =
                found.err().unwrap_or_else(|| panic!("byte {at} ^ {mask:#x}")).to_string();
            assert!(message.contains(path.to_str().unwrap()), "{message}");
            assert_eq!(fs::read(&path).unwrap(), altered);
        }
    }
}

#[test]
fn any_altered_byte_of_an_earlier_segment_or_a_header_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 4, 1);
    let (_, first) = segment::list(folder.path()).unwrap().remove(0);
    let whole = fs::read(&first).unwrap();
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 0x10;
        fs::write(&first, &altered).unwrap();
        assert!(Journal::open(folder.path(), INCARNATION).is_err(), "byte {at}");
    }
    fs::remove_file(&first).unwrap();
    assert!(read_after(folder.path(), INCARNATION, Epoch(0)).is_err(), "a missing first segment");
}

#[test]
fn another_folders_segment_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 2, 1 << 20);
    let other = Journal::open(folder.path(), Uuid::from_u128(8)).err().unwrap().to_string();
    assert!(other.contains("belongs to another data folder"), "{other}");
}

#[test]
fn a_segment_that_was_just_beginning_holds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 2, 1 << 20);
    for content in [&b""[..], b"SPJRNL01", &[0; SEGMENT_HEADER]] {
        let unborn = folder.path().join(format!("{:020}.segment", 3));
        fs::write(&unborn, content).unwrap();
        let (journal, torn) = Journal::open(folder.path(), INCARNATION).unwrap();
        assert_eq!((journal.newest(), torn), (Epoch(2), None));
        assert!(!unborn.exists());
    }
}
