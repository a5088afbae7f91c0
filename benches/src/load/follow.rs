//! The subscriber beside a load: a stream of some plants through our own client, in the generator's process,
//! so that both go by one clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};
use smartpulse_client::{Client, Rows, Subscription, UnitType, Update, View};
use tokio::sync::watch;

use crate::clock::{micros, now};
use crate::scene::{PROVIDER, Scene};

/// How long the last epoch may be on its way before it counts as lost.
const LAST_WAIT: Duration = Duration::from_secs(60);

/// Which plants are followed: every so many-th, so that its saves come evenly.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Follow {
    pub(crate) scene: Scene,
    pub(crate) stride: u64,
    /// Where; none: where the load goes.
    pub(crate) at: Option<SocketAddr>,
}

/// A subscriber at work.
pub(crate) struct Following {
    follow: Follow,
    upto: watch::Sender<Option<u64>>,
    thread: JoinHandle<Result<Told>>,
}

/// Microseconds until the subscriber had a save.
pub(crate) struct Seen {
    pub(crate) since_due: Vec<u32>,
    pub(crate) since_answer: Vec<u32>,
}

/// What the stream has told, and when.
struct Told {
    rows: Rows,
    arrivals: Vec<(u64, Instant)>,
}

impl Follow {
    pub(crate) fn includes(&self, plant: u64) -> bool {
        plant.is_multiple_of(self.stride)
    }

    fn subscription(&self) -> Subscription {
        let (from, to) = self.scene.range();
        let all = Subscription::to(View::Latest).provider(PROVIDER).unit_type(UnitType::PowerPlant);
        let plants = (1..=self.scene.plants).filter(|plant| self.includes(*plant));
        plants.fold(all, Subscription::unit_no).between(&from, &to)
    }
}

impl Following {
    /// Connects and waits for the snapshot.
    pub(crate) fn start(follow: &Follow, address: SocketAddr) -> Result<Following> {
        let client = Client::new(&format!("http://{}", follow.at.unwrap_or(address)))?;
        let subscription = follow.subscription();
        let (upto, until) = watch::channel(None);
        let (begun, beginning) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(listen(client, subscription, until, begun))
        });
        // Where it fails, its thread says why.
        if beginning.recv().is_err() {
            thread.join().map_err(|_| anyhow!("the subscriber has panicked"))??;
            anyhow::bail!("the subscriber has ended");
        }
        Ok(Following { follow: follow.clone(), upto, thread })
    }

    /// Waits for the last of some saves (due, answered, epoch), compares what was told with what was saved,
    /// and says when each save that was due from `counted` on was there.
    pub(crate) fn end(
        self,
        saves: &[(Instant, Instant, u64)],
        last: &BTreeMap<u64, (u64, u64)>,
        counted: Instant,
    ) -> Result<Seen> {
        let newest = saves.iter().map(|(.., epoch)| *epoch).max().unwrap_or(0);
        self.upto.send_replace(Some(newest));
        let told = self.thread.join().map_err(|_| anyhow!("the subscriber has panicked"))??;
        compare(&self.follow, &told.rows, last)?;
        let mut seen = Seen { since_due: Vec::new(), since_answer: Vec::new() };
        for (due, done, epoch) in saves.iter().filter(|(due, ..)| *due >= counted) {
            let at = told.arrivals.partition_point(|(told, _)| told < epoch);
            let (_, arrived) = told.arrivals.get(at).context("a save that was never told")?;
            seen.since_due.push(micros(arrived.saturating_duration_since(*due)));
            seen.since_answer.push(micros(arrived.saturating_duration_since(*done)));
        }
        Ok(seen)
    }
}

/// Follows until the epoch that `until` names; applying what came is left for the end.
async fn listen(
    client: Client,
    subscription: Subscription,
    mut until: watch::Receiver<Option<u64>>,
    begun: mpsc::Sender<()>,
) -> Result<Told> {
    let mut follower = client.follow(subscription);
    let (mut updates, mut arrivals) = (Vec::new(), Vec::new());
    let mut reached = 0;
    let mut deadline = None;
    loop {
        let wanted = *until.borrow_and_update();
        if wanted.is_some_and(|epoch| reached >= epoch) {
            break;
        }
        if wanted.is_some() && deadline.is_none() {
            deadline = Some(tokio::time::Instant::from_std(now() + LAST_WAIT));
        }
        let lost = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let update = tokio::select! {
            update = follower.next() => update?,
            _ = until.changed() => continue,
            () = lost => anyhow::bail!("the stream has not told epoch {wanted:?}, only {reached}"),
        };
        let arrived = now();
        reached = reached.max(update.epoch().unwrap_or(0));
        match &update {
            // Who waited for the beginning may have given up.
            Update::Snapshot { .. } => drop(begun.send(())),
            Update::Delta { epoch, .. } => arrivals.push((*epoch, arrived)),
            Update::Progress { .. } => continue,
            Update::Resync { reason } => anyhow::bail!("the stream began anew: {reason}"),
        }
        updates.push(update);
    }
    ensure!(follower.connections() == 1, "the stream was cut");
    let mut rows = Rows::new();
    for update in &updates {
        rows.apply(update)?;
    }
    Ok(Told { rows, arrivals })
}

/// Compares the rows of each followed plant that was saved with its last save.
fn compare(follow: &Follow, rows: &Rows, last: &BTreeMap<u64, (u64, u64)>) -> Result<()> {
    let mut shown: BTreeMap<(u64, String), f64> = BTreeMap::new();
    for (key, value) in rows.iter() {
        let (plant, start) = (key.field("unitNo"), key.field("ds"));
        let plant = plant.as_u64().or_else(|| plant.as_str()?.parse().ok()).context("a plant")?;
        let start = start.as_str().context("a delivery start")?.to_owned();
        let value: serde_json::Value = serde_json::from_str(value)?;
        shown.insert((plant, start), value["v"].as_f64().context("a value")?);
    }
    for (plant, (_, variant)) in last.iter().filter(|(plant, _)| follow.includes(**plant)) {
        for (start, hundredths) in follow.scene.expected(*plant, *variant) {
            let told = shown.get(&(*plant, start.clone())).map(|told| (told * 100.0).round());
            ensure!(
                told == Some(hundredths as f64),
                "the stream shows {told:?} for plant {plant} at {start}, not {hundredths}"
            );
        }
    }
    Ok(())
}
