//! Transactions that are sent through partitions, cut, sent again and mixed at random, against the order of their
//! commits.

use std::collections::BTreeSet;

use rand::seq::SliceRandom as _;
use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use smartpulse_operators::time::Instant;

use super::*;

fn table(name: &str) -> TableName {
    TableName::parse(name).unwrap()
}

fn place(entry: u64) -> PulsarPlace {
    PulsarPlace { ledger: 1, entry, index: 0, mark: 0 }
}

fn ended(number: u64, lsn: u64, changes: &[(&str, u64)]) -> Ended {
    let changes = changes.iter().map(|(name, count)| (table(name), *count)).collect();
    Ended { number, lsn, changes, committed: Instant(0) }
}

fn change(assembly: &mut Assembly, number: u64, order: u64, lsn: u64) -> Verdict {
    assembly.change(TransactionMark { number, order }, lsn, &table("t"), (1, place(order)))
}

#[test]
fn a_transaction_is_next_when_all_its_changes_have_come() {
    let mut assembly = Assembly::after(0, 5);
    let is_mapped = |known: &TableName| known.table == "t";
    assert!(assembly.next(is_mapped).is_none());
    assert_eq!(change(&mut assembly, 7, 1, 10), Verdict::New);
    let end = ended(7, 20, &[("t", 2), ("unmapped", 9)]);
    assert_eq!(assembly.end(end.clone(), (0, place(1))), EndVerdict::New);
    let Some(Err(lacking)) = assembly.next(is_mapped) else { panic!("it lacks one") };
    assert_eq!((lacking.number, lacking.come, lacking.counted), (7, 1, 2));
    assert_eq!(change(&mut assembly, 7, 1, 10), Verdict::Repeated);
    assert_eq!(assembly.end(end.clone(), (0, place(2))), EndVerdict::Known);
    assert_eq!(change(&mut assembly, 7, 2, 11), Verdict::New);
    assert_eq!(assembly.next(is_mapped), Some(Ok(7)));
    let (taken, transaction) = assembly.take().unwrap();
    assert_eq!((taken.lsn, assembly.taken_in, transaction.places[&1].entry), (20, 20, 2));
    // What comes of it now has been taken in; what lies behind its end is of another one with its number.
    assert_eq!(change(&mut assembly, 7, 2, 11), Verdict::Known);
    assert_eq!(assembly.end(end, (0, place(3))), EndVerdict::Known);
    assert_eq!(change(&mut assembly, 7, 1, 30), Verdict::New);
    assert_eq!(assembly.end(ended(9, 50, &[]), (0, place(4))), EndVerdict::New);
    assert_eq!(assembly.end(ended(8, 40, &[]), (0, place(5))), EndVerdict::Disordered);
}

#[test]
fn what_has_not_come_whole_gives_way_to_tables_that_are_read_later() {
    let mut assembly = Assembly::after(0, 0);
    change(&mut assembly, 1, 1, 10);
    change(&mut assembly, 2, 1, 12);
    assembly.end(ended(2, 30, &[("t", 2)]), (0, place(1)));
    assert!(assembly.holds_before(20) && !assembly.holds_before(10));
    assert_eq!(assembly.supersede(20), 1, "the second was committed later");
    assert!(!assembly.is_waiting(1) && assembly.is_waiting(2));
    assert_eq!(assembly.supersede(30), 1);
    assert!(assembly.is_empty() && assembly.next(|_| true).is_none());
}

/// What an engine sends, in its order: changes by partition, and ends.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Change { number: u64, order: u64, lsn: u64, partition: usize },
    End { number: u64, lsn: u64 },
}

/// Sends everything; now and then the engine dies, and goes on at a place that it kept before.
fn sent(random: &mut impl Rng, all: &[Sent]) -> Vec<Sent> {
    let (mut sent, mut at) = (Vec::new(), 0);
    while at < all.len() {
        sent.push(all[at]);
        at += 1;
        if random.random_range(0..60) == 0 {
            at -= random.random_range(0..=at.min(40));
        }
    }
    sent
}

#[test]
fn whatever_is_sent_again_each_is_taken_in_once_and_in_order() {
    for seed in 0..40 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut all, mut lsn, mut counts) = (Vec::new(), 100, BTreeMap::new());
        for number in 1..=60_u64 {
            let changes = random.random_range(0..8_u64);
            for order in 1..=changes {
                lsn += 1;
                let partition = random.random_range(1..4);
                all.push(Sent::Change { number, order, lsn, partition });
            }
            lsn += 1;
            counts.insert(number, changes);
            all.push(Sent::End { number, lsn });
        }
        // Each partition in its order; the partitions mixed.
        let mut partitions: Vec<VecDeque<Sent>> = vec![VecDeque::new(); 4];
        for one in sent(&mut random, &all) {
            match one {
                Sent::Change { partition, .. } => partitions[partition].push_back(one),
                Sent::End { .. } => partitions[0].push_back(one),
            }
        }
        let (mut assembly, mut entry, mut taken) = (Assembly::after(0, 100), 0, Vec::new());
        let mut come: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        let mut open: Vec<usize> = (0..4).collect();
        while !open.is_empty() {
            open.shuffle(&mut random);
            let partition = open[0];
            let Some(one) = partitions[partition].pop_front() else {
                open.remove(0);
                continue;
            };
            entry += 1;
            match one {
                Sent::Change { number, order, lsn, .. } => {
                    let mark = TransactionMark { number, order };
                    let from = (partition, place(entry));
                    if assembly.change(mark, lsn, &table("t"), from) == Verdict::New {
                        assert!(!taken.contains(&number), "seed {seed}: {number} is in");
                        assert!(
                            come.entry(number).or_default().insert(order),
                            "seed {seed}: twice"
                        );
                    }
                }
                Sent::End { number, lsn } => {
                    let end = ended(number, lsn, &[("t", counts[&number])]);
                    assert_ne!(assembly.end(end, (0, place(entry))), EndVerdict::Disordered);
                }
            }
            while let Some(Ok(number)) = assembly.next(|_| true) {
                assembly.take().unwrap();
                assert_eq!(come.remove(&number).unwrap_or_default().len() as u64, counts[&number]);
                taken.push(number);
            }
        }
        assert_eq!(taken, (1..=60).collect::<Vec<_>>(), "seed {seed}");
    }
}
