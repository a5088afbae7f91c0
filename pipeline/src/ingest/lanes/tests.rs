//! What goes into which tick, and what waits.

use super::super::messages::Teller;
use smartpulse_operators::change::{BatchName, Checks, RefusedBatch, Withdrawal};
use smartpulse_operators::time::Instant;

use super::*;

fn plain() -> Change {
    Change::Refused(RefusedBatch { code: "X".to_owned(), values: 1, recorded: None })
}

fn withdrawal() -> Change {
    let batch = BatchName::Source("b".to_owned());
    let recorded = Instant(0);
    Change::Withdrawal(Withdrawal { batch, recorded, checks: Checks::default(), user: None })
}

fn live(change: Change) -> Command {
    Command { before: Vec::new(), change, idempotency: None, reply: oneshot::channel().0 }
}

fn backfill(change: Change, source: &str, upto: u64) -> Backfill {
    Backfill::Change(Box::new(change), Position { source: source.to_owned(), upto })
}

/// The loads that come of what waits, in short: `L2` is a live load of two changes.
fn loads(live_changes: Vec<Change>, backfills: Vec<Backfill>) -> Vec<String> {
    let (send_live, live_queue) = mpsc::channel(1_000);
    let (send_backfill, backfill_queue) = mpsc::channel(1_000);
    let (stop, stopping) = watch::channel(false);
    for change in live_changes {
        send_live.try_send(live(change)).unwrap();
    }
    for item in backfills {
        send_backfill.try_send(item).unwrap();
    }
    stop.send_replace(true);
    let mut lanes = Lanes::new(live_queue, backfill_queue, stopping);
    let mut seen = Vec::new();
    loop {
        seen.push(match lanes.next(None) {
            Load::Live(commands) => format!("L{}", commands.len()),
            Load::Backfill(changes) => format!("B{}", changes.len()),
            Load::Messages(messages) => format!("M{}", messages.len()),
            Load::Flush(_) => "F".to_owned(),
            Load::Due => "D".to_owned(),
            Load::Stop => return seen,
        });
    }
}

#[test]
fn live_changes_go_first_and_what_waits_shares_a_tick() {
    let backfills = vec![backfill(plain(), "s", 1), backfill(plain(), "s", 2)];
    assert_eq!(loads(vec![plain(), plain(), plain()], backfills), ["L3", "B2"]);
}

#[test]
fn a_withdrawal_stands_alone_and_keeps_its_place() {
    let changes = vec![plain(), withdrawal(), withdrawal(), plain(), plain()];
    assert_eq!(loads(changes, Vec::new()), ["L1", "L1", "L1", "L2"]);
}

#[test]
fn a_tick_is_of_one_source_and_a_flush_waits_its_turn() {
    let (flush, _) = oneshot::channel();
    let backfills = vec![
        backfill(plain(), "s", 1),
        backfill(plain(), "t", 1),
        Backfill::Flush(flush),
        backfill(plain(), "t", 2),
    ];
    assert_eq!(loads(Vec::new(), backfills), ["B1", "B1", "F", "B1"]);
}

fn message(changes: Vec<Change>) -> Backfill {
    let (to, _) = mpsc::unbounded_channel();
    let (kept, offsets, teller) = (Vec::new(), Vec::new(), Teller { to, number: 0 });
    Backfill::Message(Box::new(Message { changes, spooled: None, kept, offsets, teller }))
}

#[test]
fn messages_of_all_sources_share_a_tick_but_not_with_a_replay() {
    let backfills = vec![
        message(vec![plain(), plain()]),
        message(Vec::new()),
        message(vec![plain()]),
        backfill(plain(), "s", 1),
        message(vec![withdrawal()]),
        message(vec![plain()]),
    ];
    assert_eq!(loads(vec![plain()], backfills), ["L1", "M3", "B1", "M2"]);
}

#[test]
fn messages_that_are_put_back_stay_in_order_while_live_changes_go_on() {
    let (live, live_queue) = mpsc::channel(9);
    let (backfill, backfill_queue) = mpsc::channel(9);
    let (_stop, stopping) = watch::channel(false);
    let mut lanes = Lanes::new(live_queue, backfill_queue, stopping);
    let code = |code: &str| {
        let code = code.to_owned();
        Change::Refused(RefusedBatch { code, values: 1, recorded: None })
    };
    backfill.try_send(message(vec![code("a")])).unwrap();
    backfill.try_send(message(vec![code("b")])).unwrap();
    let Load::Messages(two) = lanes.next(None) else { panic!("two messages wait") };
    backfill.try_send(message(vec![code("c")])).unwrap();
    live.try_send(super::tests::live(plain())).unwrap();
    lanes.put_back(two, Duration::from_millis(200));
    assert!(matches!(lanes.next(None), Load::Live(_)));
    assert!(matches!(lanes.next(None), Load::Due), "nothing may be taken yet");
    let Load::Messages(three) = lanes.next(None) else { panic!("three messages wait") };
    let codes: Vec<Change> = three.into_iter().flat_map(|it| it.changes).collect();
    assert_eq!(codes, [code("a"), code("b"), code("c")]);
}

#[test]
fn backfill_ages_and_gets_its_turn_among_live_loads() {
    let changes = (0..40).map(|_| withdrawal()).collect();
    let seen = loads(changes, vec![backfill(plain(), "s", 1)]);
    assert_eq!(seen.iter().position(|load| load == "B1"), Some(AGEING as usize));
    assert_eq!(seen.len(), 41);
}

#[test]
fn what_is_due_interrupts_the_wait() {
    let (_live, live_queue) = mpsc::channel(1);
    let (_backfill, backfill_queue) = mpsc::channel(1);
    let (_stop, stopping) = watch::channel(false);
    let mut lanes = Lanes::new(live_queue, backfill_queue, stopping);
    assert!(matches!(lanes.next(Some(Duration::ZERO)), Load::Due));
    assert!(matches!(lanes.next(Some(Duration::from_millis(1))), Load::Due));
}
