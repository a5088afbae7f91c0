//! What is known, what is new, and when a topic is another one. Every delivery that a broker may make of a topic is
//! made, and every topic that may have taken its place.

use super::*;

fn place(ledger: u64, entry: u64, index: u32) -> PulsarPlace {
    PulsarPlace { ledger, entry, index, mark: 7 * ledger + entry + 1 }
}

/// The messages of a topic: entries of three in two ledgers.
fn topic() -> Vec<PulsarPlace> {
    let mut all = Vec::new();
    for ledger in [3, 8] {
        for entry in 0..4 {
            all.extend((0..3).map(|index| place(ledger, entry, index)));
        }
    }
    all
}

fn id(place: &PulsarPlace) -> MessageIdData {
    MessageIdData { ledger_id: place.ledger, entry_id: place.entry, ..MessageIdData::default() }
}

/// The same topic made anew: the same numbers, other messages.
fn anew(places: &[PulsarPlace]) -> Vec<PulsarPlace> {
    places.iter().map(|place| PulsarPlace { mark: place.mark + 1_000, ..*place }).collect()
}

/// What a judge says of a delivery until it finds out that the topic is another: then none.
fn judged(
    reached: Option<PulsarPlace>,
    topic: &[PulsarPlace],
    from: usize,
) -> Option<Vec<Judgement>> {
    let mut judge = Judge::new(Reached(reached), topic.last().map(id).as_ref());
    if judge.ends_before_reached() {
        return None;
    }
    let mut said = Vec::new();
    for place in &topic[from..] {
        match judge.judge(place) {
            Judgement::Another => {
                assert!(!judge.is_proven, "nothing of another topic may be acknowledged");
                return None;
            }
            other => said.push(other),
        }
    }
    assert!(judge.is_proven || said.is_empty());
    Some(said)
}

#[test]
fn what_was_reached_is_known_and_the_rest_is_new_from_wherever_it_is_delivered() {
    let all = topic();
    for reached in 0..all.len() {
        // Whole entries are acknowledged, so one is delivered from its first message on.
        for from in (0..=(reached + 1).min(all.len() - 1)).filter(|from| all[*from].index == 0) {
            let said = judged(Some(all[reached]), &all, from).unwrap();
            let expected: Vec<Judgement> = (from..all.len())
                .map(|place| if place <= reached { Judgement::Known } else { Judgement::New })
                .collect();
            assert_eq!(said, expected, "reached {}, delivered from {}", all[reached], all[from]);
        }
    }
    assert_eq!(judged(None, &all, 0), Some(vec![Judgement::New; all.len()]));
}

#[test]
fn a_topic_made_anew_is_found_out_before_anything_is_acknowledged() {
    let all = topic();
    for reached in 0..all.len() {
        // It has grown by then to any length, in the same ledgers.
        for length in 1..=all.len() {
            let other = anew(&all[..length]);
            assert_eq!(judged(Some(all[reached]), &other, 0), None, "{reached} of {length}");
        }
        // In other ledgers: beyond what was reached all is new; from before to beyond it, it is another one.
        let beyond: Vec<PulsarPlace> = (0..3).map(|entry| place(20, entry, 0)).collect();
        assert_eq!(judged(Some(all[reached]), &beyond, 0), Some(vec![Judgement::New; 3]));
        let across = [place(1, 0, 0), place(1, 1, 0), place(30, 0, 0)];
        assert_eq!(judged(Some(all[reached]), &across, 0), None);
    }
}

#[test]
fn of_a_topic_that_was_empty_nothing_comes_again() {
    let nothing =
        MessageIdData { ledger_id: u64::MAX, entry_id: u64::MAX, ..MessageIdData::default() };
    let mut judge = Judge::new(Reached(Some(place(8, 3, 2))), Some(&nothing));
    assert!(!judge.ends_before_reached());
    assert_eq!(judge.judge(&place(3, 0, 0)), Judgement::Another);
    // After a restart the newest ledger is empty while older ones are not.
    let restarted = MessageIdData { ledger_id: 9, entry_id: u64::MAX, ..MessageIdData::default() };
    let mut judge = Judge::new(Reached(Some(place(8, 3, 2))), Some(&restarted));
    assert!(!judge.ends_before_reached());
    assert_eq!(judge.judge(&place(8, 2, 0)), Judgement::Known);
    let empty = MessageIdData { ledger_id: 8, entry_id: u64::MAX, ..MessageIdData::default() };
    assert!(Judge::new(Reached(Some(place(8, 0, 0))), Some(&empty)).ends_before_reached());
}

#[test]
fn a_second_delivery_is_noticed_and_so_is_what_did_not_come() {
    let mut judge = Judge::new(Reached(None), None);
    assert_eq!(judge.judge(&place(3, 0, 0)), Judgement::New);
    assert_eq!(judge.gap_before(None, &place(3, 1, 0)), None);
    let gap = judge.gap_before(None, &place(3, 4, 0)).unwrap();
    assert_eq!((gap.0.order(), gap.1.order()), ((3, 1, 0), (3, 4, 0)));
    let gap = judge.gap_before(None, &place(8, 0, 0)).unwrap();
    assert_eq!((gap.0.order(), gap.1.order()), ((3, 1, 0), (8, 0, 0)));
    assert_eq!(judge.judge(&place(3, 1, 0)), Judgement::New);
    assert_eq!(judge.judge(&place(3, 1, 0)), Judgement::Backwards);
    // After a start, what is missing is what lies behind what is settled.
    let judge = Judge::new(Reached(Some(place(3, 6, 0))), None);
    let gap = judge.gap_before(Some(place(3, 4, 0)), &place(3, 6, 0)).unwrap();
    assert_eq!((gap.0.order(), gap.1.order()), ((3, 5, 0), (3, 6, 0)));
    assert!(judge.gap_before(None, &place(8, 0, 0)).is_some());
}
