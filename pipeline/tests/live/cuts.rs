//! Streams that are cut at any moment hold what one holds that never was, and what REST shows; also across
//! `kill -9` of the server, and across a stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use smartpulse_client::{Client, Follower, Rows, Subscription, Update, View};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::forwarder::Forwarder;
use super::rest::{Subject, assert_same, at_epoch, told};
use super::scene::{
    FROM, HANG, PROVIDER, Scene, TO, client, make_units, membership, share_machine,
};
use super::seed::seeded;
use super::writer::Writer;

/// Plants with their slot lengths.
const PLANTS: [(u64, u32); 4] = [(1, 60), (2, 15), (3, 60), (4, 30)];
const FOLLOWERS: usize = 8;
/// Cuts before the server is left alone, and in each of its lives where it is killed, or stopped now and then.
const CUTS: u64 = 1_000;
const CUTS_A_LIFE: u64 = 40;
const LIVES: u32 = 6;
/// How often it is looked whether there were enough.
const LOOK: Duration = Duration::from_millis(5);

/// What followers and those who disturb them share.
#[derive(Default)]
struct Disturbance {
    /// Cuts by the followers themselves.
    own: AtomicU64,
    /// Nobody cuts any more.
    is_over: AtomicBool,
}

/// A follower whose connection is cut all the time.
struct Cut {
    follower: Follower,
    rows: Rows,
    random: ChaCha8Rng,
    disturbance: Arc<Disturbance>,
}

impl Cut {
    /// Follows to the epoch that `ends` says in the end; the rows then.
    async fn follow(mut self, mut ends: watch::Receiver<Option<u64>>) -> Rows {
        loop {
            if ends.borrow_and_update().is_some_and(|last| self.rows.epoch() >= Some(last)) {
                return self.rows;
            }
            // Between two frames or in the middle of one, as it happens.
            let pause = Duration::from_micros(self.random.random_range(0..20_000));
            let update = tokio::select! {
                update = self.follower.next() => update.expect("a stream"),
                () = tokio::time::sleep(pause), if self.may_cut() => {
                    self.follower.cut();
                    self.disturbance.own.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                _ = ends.changed() => continue,
            };
            assert!(!matches!(update, Update::Resync { .. }), "{update:?}");
            let is_first = self.rows.epoch().is_none();
            assert!(is_first || !matches!(update, Update::Snapshot { .. }), "a second snapshot");
            self.rows.apply(&update).expect("nothing is lost and nothing comes twice");
        }
    }

    fn may_cut(&mut self) -> bool {
        !self.disturbance.is_over.load(Ordering::Relaxed) && self.random.random_ratio(1, 4)
    }
}

/// A forwarder that cuts: in the head of the answer, in a frame, or not for long.
async fn cutting(
    scene: &Scene,
    disturbance: &Arc<Disturbance>,
    random: &mut ChaCha8Rng,
) -> Forwarder {
    let (disturbance, mut random) = (Arc::clone(disturbance), ChaCha8Rng::from_rng(random));
    let limit = move || {
        if disturbance.is_over.load(Ordering::Relaxed) {
            return None;
        }
        Some(match random.random_range(0..10) {
            0 => random.random_range(0..400),
            1..=7 => random.random_range(400..8_000),
            // A snapshot or a delta that needs more comes through in the end.
            _ => random.random_range(8_000..2_000_000),
        })
    };
    Forwarder::start(scene.address(), limit).await
}

fn subscription() -> Subscription {
    let views =
        Subscription::to(View::Latest).and(View::Actuals).and(View::Totals).and(View::Units);
    views.provider(PROVIDER).kind("forecast").kind("actual").between(FROM, TO)
}

/// A server with the plants, all of one company.
async fn open() -> (Scene, Vec<(u64, u32)>) {
    let scene = Scene::open(&[]);
    let direct = scene.client();
    let plants = PLANTS.map(|(plant, _)| format!("PP/{plant}"));
    make_units(&direct, plants.into_iter().chain(["CMP/1".to_owned()])).await;
    let owned = PLANTS.map(|(plant, _)| membership(("CMP", 1), ("PP", plant), None, None));
    direct.put("/api/v2.0/memberships", &owned).await.expect("memberships");
    (scene, PLANTS.to_vec())
}

/// Starts the followers that are cut, behind a forwarder.
fn start(
    followers: &mut JoinSet<Rows>,
    forwarder: &Forwarder,
    random: &mut ChaCha8Rng,
    disturbance: &Arc<Disturbance>,
    ends: &watch::Receiver<Option<u64>>,
) {
    for _ in 0..FOLLOWERS {
        let follower = client(forwarder.address(), |_| {}).follow(subscription());
        let (random, disturbance) = (ChaCha8Rng::from_rng(random), Arc::clone(disturbance));
        let cut = Cut { follower, rows: Rows::new(), random, disturbance };
        followers.spawn(cut.follow(ends.clone()));
    }
}

/// All rows are equal, and what REST shows at their epoch.
async fn settle(direct: &Client, all: Vec<Rows>) {
    let plants = PLANTS.iter().flat_map(|(it, _)| [Subject::Plant(*it), Subject::Actual(*it)]);
    let total = |dimension, key: &str| {
        let key = key.to_owned();
        [Subject::Total(dimension, key.clone()), Subject::ActualTotal(dimension, key)]
    };
    let totals = [total("company", "1"), total("all", "all")].into_iter().flatten();
    let subjects: Vec<Subject> = plants.chain(totals).chain([Subject::Units]).collect();
    let first = told(&all[0]);
    assert!(first.len() > 100, "{} rows", first.len());
    for rows in &all {
        let epoch = rows.epoch().expect("it began with a snapshot");
        assert!(rows.iter().eq(all[0].iter()), "rows at {epoch} and {:?}", all[0].epoch());
        let read = at_epoch(direct, &subjects, epoch, "").await;
        assert_same(&format!("stream and REST at epoch {epoch}"), &told(rows), &read);
    }
}

/// Follows without ever being cut.
async fn follow_uncut(client: Client, mut ends: watch::Receiver<Option<u64>>) -> Rows {
    let (mut follower, mut rows) = (client.follow(subscription()), Rows::new());
    while ends.borrow_and_update().is_none_or(|last| rows.epoch() < Some(last)) {
        tokio::select! {
            update = follower.next() => rows.apply(&update.expect("a stream")).expect("it fits"),
            _ = ends.changed() => {}
        }
    }
    assert_eq!(follower.connections(), 1);
    rows
}

/// Nobody ends before the end: who does has failed, and that is told here.
fn hold_all_follow(followers: &mut JoinSet<Rows>) {
    if let Some(ended) = followers.try_join_next() {
        panic!("a follower has ended: {:?}", ended.map(|rows| rows.epoch()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_cuts_change_nothing() {
    let _share = share_machine().await;
    let mut random = seeded("a_thousand_cuts_change_nothing");
    let (scene, plants) = open().await;
    let mut writer = Writer::new(scene.client(), ChaCha8Rng::from_rng(&mut random), plants);
    let disturbance = Arc::<Disturbance>::default();
    let forwarder = cutting(&scene, &disturbance, &mut random).await;
    let (end, ends) = watch::channel(None);
    let mut followers = JoinSet::new();
    start(&mut followers, &forwarder, &mut random, &disturbance, &ends);
    followers.spawn(follow_uncut(scene.client(), ends));
    let cuts = || forwarder.cuts() + disturbance.own.load(Ordering::Relaxed);
    while cuts() < CUTS {
        hold_all_follow(&mut followers);
        writer.write().await;
    }
    writer.end().await;
    disturbance.is_over.store(true, Ordering::Relaxed);
    println!("{} saves, {} and {:?} cuts", writer.saves(), forwarder.cuts(), disturbance.own);
    end.send_replace(Some(writer.epoch()));
    let all = tokio::time::timeout(HANG, followers.join_all()).await.expect("the streams go on");
    assert_eq!(all.len(), FOLLOWERS + 1);
    settle(&scene.client(), all).await;
    scene.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_and_stops_of_the_server_change_nothing() {
    let _share = share_machine().await;
    let mut random = seeded("kills_and_stops_of_the_server_change_nothing");
    let (mut scene, plants) = open().await;
    let disturbance = Arc::<Disturbance>::default();
    let forwarder = cutting(&scene, &disturbance, &mut random).await;
    let calm = Forwarder::start(scene.address(), || None).await;
    let (end, ends) = watch::channel(None);
    let mut followers = JoinSet::new();
    start(&mut followers, &forwarder, &mut random, &disturbance, &ends);
    // It saves through the kills: a save whose answer was lost is said again under its key.
    let through = client(calm.address(), |_| {});
    let mut writer = Writer::new(through, ChaCha8Rng::from_rng(&mut random), plants);
    let mut writing = JoinSet::new();
    let watched = Arc::clone(&disturbance);
    writing.spawn(async move {
        while !watched.is_over.load(Ordering::Relaxed) {
            writer.write().await;
        }
        writer.end().await;
        writer
    });
    for life in 1..=LIVES {
        let cuts = forwarder.cuts();
        let enough = async {
            while forwarder.cuts() < cuts + CUTS_A_LIFE {
                hold_all_follow(&mut followers);
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(HANG, enough).await.expect("the streams go on");
        if life.is_multiple_of(3) {
            scene.stop_and_start()
        } else {
            scene.kill_and_start()
        }
        println!("life {life} ended after {} cuts", forwarder.cuts());
        calm.aim(scene.address());
        forwarder.aim(scene.address());
    }
    disturbance.is_over.store(true, Ordering::Relaxed);
    let writer = writing.join_all().await.remove(0);
    end.send_replace(Some(writer.epoch()));
    let all = tokio::time::timeout(HANG, followers.join_all()).await.expect("the streams go on");
    let direct = scene.client();
    settle(&direct, all).await;
    let status = direct.status().await.expect("a status");
    assert_eq!(status["counts"]["batches"], writer.saves(), "each save is there once");
    println!("{} saves", writer.saves());
    scene.close();
}
