//! Live traffic for a long time: what the server holds does not grow with the epochs that go by.
//!
//! The same slots are saved again and again, by several at a time, while a stream follows and reads go on.
//! What is bounded by its size (past epochs, encoded answers) is bounded tightly, so that it is full before
//! the readings that count; what the allocator keeps for later use is given back at once.

use std::pin::pin;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use smartpulse_client::{Client, Rows, Subscription, Unit, View};
use tokio::task::JoinSet;

use super::rest::{Subject, assert_same, at_epoch, path, told};
use super::scene::{FROM, HANG, PROVIDER, Scene, TO, make_units, membership, own_machine, save};
use super::seed::seeded;

/// An hour has so many, at 100 a second.
const EPOCHS_AN_HOUR: u64 = 360_000;
/// Saves of each writer before each reading.
const SAVES: u32 = 1_000;
/// Readings until everything that is bounded is full, encoded deltas and 4,096 past epochs too; and those that
/// count after it.
const WARM_UP: usize = 5;
const READINGS: usize = 6;
const WRITERS: u64 = 4;
/// Plants of each writer.
const PLANTS: u64 = 5;
/// Past epochs and encoded answers that are held.
const BOUND_BYTES: u32 = 1 << 20;
/// What an hour may add as far as readings of some thousand epochs can tell: the store's buffers may be full or
/// empty when memory is read, and its table of known batches fills for 65,536 of them. Two kilobytes kept of each
/// epoch, less than the delta of one save, would be as much.
const KB_AN_HOUR: u64 = 2 * EPOCHS_AN_HOUR;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_where_it_is_under_live_traffic() {
    let _own = own_machine().await;
    let mut random = seeded("memory_stays_where_it_is_under_live_traffic");
    let scene = Scene::open(&[
        ("SMARTPULSE_RING_BYTES", BOUND_BYTES.to_string()),
        ("SMARTPULSE_ENCODED_BYTES", BOUND_BYTES.to_string()),
        ("MIMALLOC_PURGE_DELAY", "0".to_owned()),
    ]);
    let direct = scene.client();
    let plants = 1..=WRITERS * PLANTS;
    make_units(&direct, plants.clone().map(|it| format!("PP/{it}")).chain(["CMP/1".to_owned()]))
        .await;
    let owned: Vec<_> = plants.map(|it| membership(("CMP", 1), ("PP", it), None, None)).collect();
    direct.put("/api/v2.0/memberships", &owned).await.expect("memberships");
    let subscription = Subscription::to(View::Latest).unit(Unit::plant(1)).provider(PROVIDER);
    let mut follower = direct.follow(subscription.and(View::Totals).between(FROM, TO));
    let mut rows = Rows::new();
    let mut resident = Vec::new();
    let mut epochs = Vec::new();
    for _ in 0..WARM_UP + READINGS {
        // The stream is read all the time: what waits for a slow one has a bound of its own.
        let mut traffic = pin!(traffic(&direct, &mut random));
        let mut last = None;
        while last.is_none() || rows.epoch() < last {
            tokio::select! {
                newest = &mut traffic, if last.is_none() => last = Some(newest),
                update = tokio::time::timeout(HANG, follower.next()) => {
                    let update = update.expect("it goes on").expect("a stream");
                    rows.apply(&update).expect("each epoch fits the one before");
                }
            }
        }
        resident.push(scene.server().memory_kb("VmRSS"));
        epochs.push(last.unwrap_or_default());
    }
    println!("resident kB {resident:?} at epochs {epochs:?}");
    let totals = [("all", "all"), ("company", "1")];
    let totals = totals.map(|(dimension, key)| Subject::Total(dimension, key.to_owned()));
    let subjects: Vec<_> = totals.into_iter().chain([Subject::Plant(1)]).collect();
    let epoch = rows.epoch().expect("it has had a snapshot");
    assert_same(
        "the stream in the end",
        &told(&rows),
        &at_epoch(&direct, &subjects, epoch, "").await,
    );
    assert!(epochs[WARM_UP - 1] > 2 * 4_096, "everything that is bounded is full: {epochs:?}");
    let (earlier, later) = resident[WARM_UP..].split_at(READINGS / 2);
    let grown = least(later).saturating_sub(least(earlier));
    // From the middle of the earlier readings to that of the later ones.
    let went_by = (epochs[epochs.len() - 1] - epochs[WARM_UP - 1]) / 2;
    println!("{grown} kB more after {went_by} epochs");
    assert!(
        grown * EPOCHS_AN_HOUR < KB_AN_HOUR * went_by,
        "{grown} kB in {went_by} epochs: {resident:?}"
    );
    scene.close();
}

/// The least of several readings: one that is taken while history is written shows more.
fn least(readings: &[u64]) -> u64 {
    readings.iter().copied().min().unwrap_or_default()
}

/// Every writer saves, and reads a plant and the company now and then; the newest epoch.
async fn traffic(direct: &Client, random: &mut ChaCha8Rng) -> u64 {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (client, mut random) = (direct.clone(), ChaCha8Rng::from_rng(random));
        writers.spawn(async move {
            let mut epoch = 0;
            for number in 0..SAVES {
                let plant = writer * PLANTS + random.random_range(1..=PLANTS);
                let first = random.random_range(0..40);
                let slots =
                    (first..first + 8).map(|slot| (slot, Some(random.random_range(0..9_999))));
                epoch = save(&client, plant, 60, slots.collect::<Vec<_>>()).await.epoch;
                if number.is_multiple_of(10) {
                    for subject in
                        [Subject::Plant(plant), Subject::Total("company", "1".to_owned())]
                    {
                        client.get(&path(&subject)).await.expect("a read");
                    }
                }
            }
            epoch
        });
    }
    writers.join_all().await.into_iter().max().unwrap_or_default()
}
