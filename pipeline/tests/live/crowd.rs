//! Ten thousand streams at once, of which some are slow and some stop reading: the server's memory stays in
//! its bound, nobody fast is kept waiting by anybody slow, and everybody is right in the end.
//!
//! The slow read only when the test lets them, and it lets them only after all fast ones have had every
//! epoch: so what the fast get cannot have waited for the slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use smartpulse_client::{Client, Follower, Options, Rows, Update};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::cohort::{ALL, Cohort, FAST, FAST_BULK, Made, SLOW, STOPPED, bulk_is_right, prepare};
use super::process::memory_kb;
use super::rest::{assert_same, at_epoch, told};
use super::scene::{HANG, Scene, client, own_machine};

const ROUNDS: u32 = 12;
/// What the server promises: memory a subscriber, the ring, and encoded deltas that wait.
const SUBSCRIBER_KB: u64 = 64;
const SHARED_KB: u64 = (32 + 64) << 10;
/// A server cuts off who takes nothing for so long.
const STALL_SECONDS: u64 = 20;
/// Streams that are opened at the same time.
const OPENING: usize = 64;
/// Receive buffer of those who do not read at once.
const SMALL_BUFFER: u32 = 32 << 10;
/// Files each of the two processes may have to hold open.
const FILES: u64 = 11_000;

/// The server, everybody who follows it, and what they were told.
struct Crowd {
    scene: Scene,
    direct: Client,
    stage: Arc<Stage>,
    fast: JoinSet<Fast>,
    slow: Vec<Slow>,
    stopped: Vec<Slow>,
    made: Made,
    /// Memory of the server without streams, and the most since.
    without_kb: u64,
    most_kb: u64,
}

/// What fast streams and the test share.
struct Stage {
    /// Deltas that have come, over all fast streams.
    deltas: AtomicUsize,
    /// Snapshots that have come.
    snapshots: AtomicUsize,
    opening: Semaphore,
    end: watch::Sender<Option<u64>>,
}

/// What a fast stream has had.
struct Fast {
    cohort: Cohort,
    epochs: Vec<u64>,
    rows: Rows,
}

/// A stream that reads when the test lets it.
struct Slow {
    follower: Follower,
    rows: Rows,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_streams_some_slow() {
    let _own = own_machine().await;
    allow_files();
    let mut crowd = Crowd::gather().await;
    for round in 1..=ROUNDS {
        crowd.round(round).await;
    }
    crowd.slow_ones_catch_up().await;
    crowd.stopped_ones_come_back().await;
    crowd.fast_ones_had_everything().await;
    let (without, grown) = (crowd.without_kb, crowd.most_kb - crowd.without_kb);
    let bound = SUBSCRIBER_KB * ALL as u64 + SHARED_KB;
    println!(
        "server: {without} kB without streams, {grown} kB more at most, the bound is {bound} kB"
    );
    assert!(grown < bound, "{grown} kB");
    drop((crowd.slow, crowd.stopped));
    crowd.scene.close();
}

impl Crowd {
    /// Everybody has had a snapshot.
    async fn gather() -> Crowd {
        let settings = [("SMARTPULSE_STALL_SECONDS", STALL_SECONDS.to_string())];
        let scene = Scene::open(&settings);
        let direct = scene.client();
        prepare(&direct).await;
        let own_kb = || memory_kb(std::process::id(), "VmRSS");
        let (without_kb, before_kb) = (scene.server().memory_kb("VmRSS"), own_kb());
        let stage = Arc::new(Stage {
            deltas: AtomicUsize::new(0),
            snapshots: AtomicUsize::new(0),
            opening: Semaphore::new(OPENING),
            end: watch::Sender::new(None),
        });
        let mut fast = JoinSet::new();
        let quick = client(scene.address(), |_| {});
        for number in 0..FAST + FAST_BULK {
            let cohort = Cohort::of(number);
            let follower = quick.follow(cohort.subscription());
            fast.spawn(follow(follower, cohort, Arc::clone(&stage)));
        }
        reached(&stage.snapshots, FAST + FAST_BULK).await;
        let fast_kb = own_kb() - before_kb;
        let small =
            client(scene.address(), |it: &mut Options| it.receive_buffer = Some(SMALL_BUFFER));
        let (slow, stopped) = (Slow::begin(&small, SLOW).await, Slow::begin(&small, STOPPED).await);
        let most_kb = scene.server().memory_kb("VmRSS");
        let each = (most_kb - without_kb) / ALL as u64;
        println!(
            "{ALL} streams: {each} kB each in the server, {} kB in the client",
            fast_kb / FAST as u64
        );
        let made = Made::default();
        Crowd { scene, direct, stage, fast, slow, stopped, made, without_kb, most_kb }
    }

    /// Saves; all fast ones have them before any slow one reads on.
    async fn round(&mut self, round: u32) {
        self.made.round(&self.direct, round).await;
        reached(&self.stage.deltas, self.made.deltas).await;
        self.measure();
        for slow in &mut self.slow {
            assert!(
                slow.rows.epoch() < self.made.last(),
                "the fast have had what the slow have not"
            );
            slow.read_one().await;
        }
    }

    async fn slow_ones_catch_up(&mut self) {
        let last = self.made.last();
        let mut reading = JoinSet::new();
        for mut slow in self.slow.drain(..) {
            reading.spawn(async move { (slow.catch_up(last).await, slow) });
        }
        let (were_folded, slow): (Vec<bool>, Vec<Slow>) =
            reading.join_all().await.into_iter().unzip();
        let folded = were_folded.into_iter().filter(|was_folded| *was_folded).count();
        self.slow = slow;
        self.measure();
        println!("of {SLOW} slow streams {folded} were told folded deltas or came back");
        assert!(folded > 0, "the slow were not slow enough to be folded");
        bulk_is_right(&self.direct, self.slow.iter().map(|slow| &slow.rows)).await;
    }

    async fn stopped_ones_come_back(&mut self) {
        let last = self.made.last();
        cut_off(&self.direct, ALL - STOPPED).await;
        for stopped in &mut self.stopped {
            assert_eq!(stopped.follower.connections(), 1);
            stopped.catch_up(last).await;
            assert_eq!(stopped.follower.connections(), 2, "it was cut off and came back");
        }
        bulk_is_right(&self.direct, self.stopped.iter().map(|stopped| &stopped.rows)).await;
    }

    /// Every fast stream has had each epoch for itself, and its rows are what REST shows.
    async fn fast_ones_had_everything(&mut self) {
        self.stage.end.send_replace(self.made.last());
        let fast = std::mem::take(&mut self.fast).join_all();
        let fast = tokio::time::timeout(HANG, fast).await.expect("the streams go on");
        self.measure();
        let status = self.direct.status().await.expect("a status");
        let newest = status["epoch"].as_u64().expect("an epoch");
        for (cohort, subjects) in Cohort::small() {
            let shown = at_epoch(&self.direct, &subjects, newest, "").await;
            for one in fast.iter().filter(|one| one.cohort == cohort) {
                assert_same(&format!("{cohort:?}"), &told(&one.rows), &shown);
            }
        }
        for Fast { cohort, epochs, .. } in &fast {
            assert_eq!(*epochs, self.made.of(*cohort), "{cohort:?}");
        }
        let bulk = fast.iter().filter(|one| matches!(one.cohort, Cohort::Bulk(_)));
        bulk_is_right(&self.direct, bulk.map(|one| &one.rows)).await;
        println!("{} fast streams had {} deltas, each for itself", fast.len(), self.made.deltas);
    }

    fn measure(&mut self) {
        self.most_kb = self.most_kb.max(self.scene.server().memory_kb("VmRSS"));
    }
}

impl Slow {
    /// Streams of many rows that have had their snapshot.
    async fn begin(small: &Client, count: usize) -> Vec<Slow> {
        let mut begun = Vec::new();
        for number in 0..count {
            let follower = small.follow(Cohort::bulk(number).subscription());
            let mut slow = Slow { follower, rows: Rows::new() };
            slow.read_one().await;
            begun.push(slow);
        }
        begun
    }

    /// Reads one update; whether it was folded.
    async fn read_one(&mut self) -> bool {
        let update = tokio::time::timeout(HANG, self.follower.next()).await;
        let update = update.expect("the stream goes on").expect("a stream");
        assert!(!matches!(update, Update::Resync { .. }), "{update:?}");
        self.rows.apply(&update).expect("each epoch fits the one before");
        matches!(update, Update::Delta { from_epoch: Some(_), .. })
    }

    /// Reads up to `last`; whether anything on the way was folded or it had to come back.
    async fn catch_up(&mut self, last: Option<u64>) -> bool {
        let mut folded = false;
        while self.rows.epoch() < last {
            folded |= self.read_one().await;
        }
        folded || self.follower.connections() > 1
    }
}

/// Reads at once whatever comes, to the end.
async fn follow(mut follower: Follower, cohort: Cohort, stage: Arc<Stage>) -> Fast {
    let mut fast = Fast { cohort, epochs: Vec::new(), rows: Rows::new() };
    let opening = stage.opening.acquire().await.expect("it stays open");
    let first = follower.next().await.expect("a stream");
    fast.rows.apply(&first).expect("a snapshot");
    drop(opening);
    stage.snapshots.fetch_add(1, Ordering::Relaxed);
    let mut end = stage.end.subscribe();
    while end.borrow_and_update().is_none_or(|last| fast.rows.epoch() < Some(last)) {
        let update = follower.next().await.expect("a stream");
        fast.rows.apply(&update).expect("each epoch fits the one before");
        if let Update::Delta { from_epoch, epoch, .. } = update {
            assert_eq!(from_epoch, None, "{cohort:?}: a fast stream was told folded deltas");
            fast.epochs.push(epoch);
            stage.deltas.fetch_add(1, Ordering::Relaxed);
        }
    }
    assert_eq!(follower.connections(), 1, "{cohort:?}: a fast stream was cut off");
    fast
}

/// Raises the limit of open files for this process and those it starts, where it is too low.
fn allow_files() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < FILES) {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).expect("the limit may be raised to its maximum");
    }
    let current = getrlimit(Resource::Nofile).current;
    assert!(current.is_none_or(|current| current >= FILES), "{current:?} open files are too few");
}

/// Waits until `counter` is `expected`.
async fn reached(counter: &AtomicUsize, expected: usize) {
    let waiting = async {
        while counter.load(Ordering::Relaxed) < expected {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let in_time = tokio::time::timeout(HANG, waiting).await.is_ok();
    let count = counter.load(Ordering::Relaxed);
    assert!(in_time && count == expected, "{count} of {expected}");
}

/// Waits until the server has no more than `streams`.
async fn cut_off(direct: &Client, streams: usize) {
    let line = r#"smartpulse_streams{what="open"} "#;
    let waiting = async {
        loop {
            let metrics = direct.get("/metrics").await.expect("metrics").body;
            let text = String::from_utf8_lossy(&metrics).into_owned();
            let open = text.lines().find_map(|text| text.strip_prefix(line)).expect("a gauge");
            if open.parse::<usize>().expect("a number") <= streams {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(HANG, waiting).await.expect("who stops reading is cut off");
}
