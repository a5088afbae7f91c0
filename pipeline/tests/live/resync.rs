//! Streams that cannot go on from where they were: they are told so, begin anew in the same stream, and are
//! right again. And those that may not begin at all.

use std::time::Duration;

use smartpulse_client::{Client, Error, Follower, Rows, Subscription, Token, Unit, Update, View};

use super::rest::{Subject, assert_same, at_epoch, told};
use super::scene::{FROM, HANG, PROVIDER, Scene, TO, client, make_units, save, share_machine};

/// Past epochs a server keeps here: some tens of saves.
const RING_BYTES: u32 = 200_000;
/// More saves than that.
const SAVES: u32 = 300;
/// Saves of two days of five minutes, more than the server keeps encoded (64 MiB).
const OVERFLOW: i32 = 350;

fn subscription() -> Subscription {
    let plant = Subscription::to(View::Latest).unit(Unit::plant(1)).provider(PROVIDER);
    plant.and(View::Totals).between(FROM, TO)
}

async fn next(follower: &mut Follower) -> Update {
    let update = tokio::time::timeout(HANG, follower.next()).await.expect("the stream goes on");
    update.expect("a stream")
}

/// Saves of plant 1; the epoch of the last.
async fn saves(direct: &Client, count: u32) -> u64 {
    let mut epoch = 0;
    for number in 0..count {
        epoch = save(direct, 1, 60, [(number % 24, Some(number as i32))]).await.epoch;
    }
    epoch
}

/// Follows up to `last`; why it had to begin anew, each time it had to.
async fn follow(follower: &mut Follower, rows: &mut Rows, last: u64) -> Vec<String> {
    let mut reasons = Vec::new();
    while rows.epoch() < Some(last) {
        let update = next(follower).await;
        rows.apply(&update).expect("each epoch fits the one before");
        if let Update::Resync { reason } = update {
            reasons.push(reason);
            let update = next(follower).await;
            assert!(matches!(update, Update::Snapshot { .. }), "after a resync: {update:?}");
            rows.apply(&update).expect("a snapshot replaces");
        }
    }
    reasons
}

async fn are_right(direct: &Client, rows: &Rows) {
    let subjects = [Subject::Plant(1), Subject::Total("all", "all".to_owned())];
    let epoch = rows.epoch().expect("it has had a snapshot");
    let read = at_epoch(direct, &subjects, epoch, "").await;
    assert!(!read.is_empty());
    assert_same(&format!("stream and REST at epoch {epoch}"), &told(rows), &read);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_for_too_long_begins_anew() {
    let _share = share_machine().await;
    let scene = Scene::open(&[("SMARTPULSE_RING_BYTES", RING_BYTES.to_string())]);
    let direct = scene.client();
    make_units(&direct, ["PP/1".to_owned()]).await;
    let (mut away, mut rows) = (direct.follow(subscription()), Rows::new());
    let first = saves(&direct, 3).await;
    assert!(follow(&mut away, &mut rows, first).await.is_empty());
    // For a while: it goes on.
    away.cut();
    let soon = saves(&direct, 5).await;
    assert!(follow(&mut away, &mut rows, soon).await.is_empty());
    // For too long.
    away.cut();
    let last = saves(&direct, SAVES).await;
    let reasons = follow(&mut away, &mut rows, last).await;
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].contains("not retained"), "{reasons:?}");
    are_right(&direct, &rows).await;
    scene.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_elsewhere_begin_anew() {
    let _share = share_machine().await;
    let scene = Scene::open(&[]);
    let direct = scene.client();
    make_units(&direct, ["PP/1".to_owned()]).await;
    let last = saves(&direct, 3).await;
    let mut follower = direct.follow(subscription());
    next(&mut follower).await;
    let own = follower.token().expect("a snapshot has come").text().to_owned();
    let (incarnation, _) = own.rsplit_once('.').expect("a token");
    for (token, word) in [
        ("0198a5a0-0000-7000-8000-000000000001.2".to_owned(), "incarnation"),
        (format!("{incarnation}.{}", last + 1_000), "ahead"),
    ] {
        let token = Token::parse(&token).expect("a token");
        let mut stranger = direct.follow_after(subscription(), token);
        let Update::Resync { reason } = next(&mut stranger).await else { panic!("{word}") };
        assert!(reason.contains(word), "{reason}");
        let mut rows = Rows::new();
        rows.apply(&next(&mut stranger).await).expect("a snapshot");
        are_right(&direct, &rows).await;
    }
    let garbage = Token::parse("garbage.2").expect("the form of a token");
    let refused = direct.follow_after(subscription(), garbage).next().await;
    assert!(matches!(&refused, Err(Error::Refused(it)) if it.status == 400), "{refused:?}");
    scene.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_too_slow_for_the_ring_comes_back_and_is_right() {
    let _share = share_machine().await;
    let scene = Scene::open(&[("SMARTPULSE_RING_BYTES", RING_BYTES.to_string())]);
    let direct = scene.client();
    make_units(&direct, ["PP/1".to_owned()]).await;
    // It reads nothing of what fills all buffers between, until the server has forgotten where it was.
    let slow = client(scene.address(), |it| it.receive_buffer = Some(4 << 10));
    let wide = Subscription::to(View::Latest).provider(PROVIDER).between(FROM, TO);
    let (mut slow, mut rows) = (slow.follow(wide), Rows::new());
    rows.apply(&next(&mut slow).await).expect("a snapshot");
    let mut last = 0;
    for round in 0..OVERFLOW {
        let slots = (0..576).map(|slot| (slot, Some(round + slot as i32)));
        last = save(&direct, 1, 5, slots).await.epoch;
    }
    let reasons = follow(&mut slow, &mut rows, last).await;
    assert_eq!((reasons.len(), slow.connections()), (1, 2), "{reasons:?}");
    let read = at_epoch(&direct, &[Subject::Plant(1)], rows.epoch().expect("a snapshot"), "").await;
    assert_same("stream and REST", &told(&rows), &read);
    scene.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_bounded_and_a_place_that_is_left_is_given() {
    let _share = share_machine().await;
    let settings =
        [("SMARTPULSE_STREAMS", "2".to_owned()), ("SMARTPULSE_STREAM_ROWS", "300".to_owned())];
    let scene = Scene::open(&settings);
    let direct = scene.client();
    make_units(&direct, ["PP/1".to_owned()]).await;
    let epoch = saves(&direct, 2).await;
    let mut open: Vec<Follower> = (0..2).map(|_| direct.follow(subscription())).collect();
    for follower in &mut open {
        next(follower).await;
    }
    let impatient = client(scene.address(), |it| it.back_off.longest = Duration::from_millis(1));
    let mut third = impatient.follow(subscription());
    let waited = tokio::time::timeout(Duration::from_millis(300), third.next()).await;
    assert!(waited.is_err(), "there is no place: {waited:?}");
    assert_eq!(third.connections(), 0);
    drop(open.pop());
    assert_eq!(next(&mut third).await.epoch(), Some(epoch), "a place that was left is given");
    drop((open, third));
    // A day of five minutes is more than is left.
    save(&direct, 1, 5, (0..288).map(|slot| (slot, Some(1)))).await;
    let many = Subscription::to(View::Latest).between(FROM, TO);
    let refused = direct.follow(many).next().await;
    assert!(matches!(&refused, Err(Error::Refused(it)) if it.status == 422), "{refused:?}");
    for wrong in [
        subscription().kind("dream"),
        subscription().dimension("galaxy"),
        subscription().period(7),
        subscription().completeness(2.0),
    ] {
        let refused = direct.follow(wrong.clone()).next().await;
        assert!(
            matches!(&refused, Err(Error::Refused(it)) if it.status == 400),
            "{wrong:?}: {refused:?}"
        );
    }
    scene.close();
}
