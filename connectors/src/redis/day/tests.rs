//! A day comes out as it went in, whatever its form.

use super::*;
use smartpulse_operators::quantity::ABSENT;

fn revision(sequence: u64, first: u16, values: &[i64]) -> Revision {
    let batch = Batch {
        id: Uuid::from_u128(u128::from(sequence)),
        sequence: Sequence(sequence),
        recorded: Instant(sequence as i64),
        valid_after: Instant(sequence as i64 * 10),
        provider: Provider::parse("P").unwrap(),
        user: sequence.is_multiple_of(2).then(|| "ayşe".to_owned()),
        note: sequence.is_multiple_of(3).then(String::new),
        source_batch: None,
        skips_existing_check: sequence.is_multiple_of(5),
    };
    Revision { batch: Arc::new(batch), first, values: values.into() }
}

fn comes_out(block: &DayBlock) {
    let bytes = encode(block);
    let mut known = KnownBatches::default();
    let again = decode(&bytes, &mut known).unwrap();
    assert_eq!(*again, *block);
    assert_eq!(again.is_narrow(), block.is_narrow());
    // Damage is found or changes what is read; it never ends the process.
    for cut in 0..bytes.len() {
        assert!(decode(&bytes[..cut], &mut known).is_none(), "cut at {cut}");
    }
    for place in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[place] ^= 0x41;
        let _ = decode(&bent, &mut known);
    }
}

#[test]
fn a_day_comes_out_as_it_went_in() {
    let whole: Vec<i64> = (0..96).map(|slot| slot * 1_000 - 7).collect();
    let first = revision(1, 0, &whole);
    for (slots, revisions, pending) in [
        (96, vec![first.clone()], vec![]),
        (96, vec![first, revision(2, 90, &[NULL, 5, ABSENT, 6])], vec![]),
        (1, vec![revision(3, 0, &[17])], vec![]),
        (24, vec![], vec![revision(6, 3, &[1, NULL, ABSENT, i64::MAX])]),
        (24, vec![revision(5, 0, &[1 << 40; 24])], vec![revision(10, 23, &[4])]),
        (
            288,
            (1..=280).map(|sequence| revision(sequence, sequence as u16, &[1])).collect(),
            vec![],
        ),
    ] {
        let state = DayState::fold(slots, &revisions);
        comes_out(&DayBlock::of(&state, pending));
    }
}

#[test]
fn a_day_of_one_batch_says_its_ranks_once() {
    let day = |values: &[i64]| {
        encode(&DayBlock::of(&DayState::fold(96, &[revision(1, 0, values)]), vec![])).len()
    };
    assert_eq!(day(&[5; 95]) - day(&[5; 96]), 192 - 2);
}

#[test]
fn batches_of_many_days_are_one() {
    let mut known = KnownBatches::default();
    let bytes = encode(&DayBlock::of(&DayState::fold(24, &[revision(1, 0, &[5])]), vec![]));
    let (one, other) = (decode(&bytes, &mut known).unwrap(), decode(&bytes, &mut known).unwrap());
    assert!(Arc::ptr_eq(&one.batches()[0], &other.batches()[0]));
    for sequence in 2..20_000 {
        let day = DayBlock::of(&DayState::fold(24, &[revision(sequence, 0, &[5])]), vec![]);
        decode(&encode(&day), &mut known).unwrap();
    }
    assert!(known.known.len() <= KnownBatches::LEAST);
    assert!(Arc::ptr_eq(&one.batches()[0], &decode(&bytes, &mut known).unwrap().batches()[0]));
}
