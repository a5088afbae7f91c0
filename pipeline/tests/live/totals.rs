//! Totals are conserved: at every epoch the group, its companies, all plants together and the plants one by
//! one say the same, while plants are sold, saved and withdrawn.

use std::collections::BTreeMap;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use smartpulse_client::{
    CauseKind, Client, Delta, Follower, Rows, Subscription, UnitType, Update, View,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::rest::{Subject, assert_same, at_epoch, told};
use super::scene::{
    DAYS, FROM, HANG, PROVIDER, Scene, TO, hundredths, make_units, membership, share_machine,
};
use super::seed::seeded;
use super::writer::Writer;

const PLANTS: u64 = 10;
const COMPANIES: u64 = 4;
/// Changes of each of the two writers, and sales beside them.
const WRITES: u32 = 300;
const SALES: u32 = 150;
/// One of so many epochs is read by REST too.
const SAMPLED: u32 = 12;
/// Causes that a delta may name.
const MAX_CAUSES: usize = 8;
/// Quarters of an hour in the days of delivery.
const QUARTERS: usize = (DAYS * 96) as usize;

/// What a follower has seen in the end.
#[derive(Debug, Default)]
struct Seen {
    epochs: u32,
    sampled: u32,
    /// Epochs in which totals moved because of a sale alone.
    sales: u32,
}

/// Half of the plants forecast by the hour, half by the quarter.
fn period(plant: u64) -> u32 {
    if plant.is_multiple_of(2) { 15 } else { 60 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_are_conserved_at_every_epoch() {
    let _share = share_machine().await;
    let mut random = seeded("totals_are_conserved_at_every_epoch");
    let scene = Scene::open(&[]);
    let client = scene.client();
    let plants = (1..=PLANTS).map(|plant| format!("PP/{plant}"));
    let companies = (1..=COMPANIES).map(|company| format!("CMP/{company}"));
    make_units(&client, plants.chain(companies).chain(["GRP/1".to_owned()])).await;
    let group = (1..=COMPANIES).map(|it| membership(("GRP", 1), ("CMP", it), None, None));
    let owned = (1..=PLANTS).map(|it| membership(("CMP", first_owner(it)), ("PP", it), None, None));
    let all: Vec<Value> = group.chain(owned).collect();
    client.put("/api/v2.0/memberships", &all).await.expect("memberships");

    let (end, ends) = watch::channel(None);
    let mut following = JoinSet::new();
    for (words, is_hourly) in [("", false), ("&period=60&completeness=0", true)] {
        let mut subscription = Subscription::to(View::Latest)
            .and(View::Totals)
            .provider(PROVIDER)
            .unit_type(UnitType::PowerPlant)
            .between(FROM, TO);
        if is_hourly {
            subscription = subscription.period(60).completeness(0.0);
        }
        let follower = client.follow(subscription);
        let random = random.clone();
        following.spawn(follow(follower, client.clone(), random, words, ends.clone()));
    }

    let mut writing = JoinSet::new();
    for half in 0..2 {
        let plants = (1..=PLANTS).filter(|plant| plant / 2 % 2 == half);
        let plants = plants.map(|plant| (plant, period(plant))).collect();
        let random: ChaCha8Rng = rand::SeedableRng::from_rng(&mut random);
        let mut writer = Writer::new(client.clone(), random, plants);
        writing.spawn(async move {
            for _ in 0..WRITES {
                writer.write().await;
            }
            writer.end().await;
            writer.epoch()
        });
    }
    let selling = sell(client.clone(), random.clone());
    writing.spawn(selling);
    let last = writing.join_all().await.into_iter().max();
    end.send_replace(last);
    let seen = tokio::time::timeout(HANG, following.join_all()).await.expect("the streams go on");
    println!("{seen:?}");
    for seen in seen {
        assert!(seen.sales > SALES / 10 && seen.sampled > 10, "{seen:?}");
    }
    scene.close();
}

fn first_owner(plant: u64) -> u64 {
    1 + plant % COMPANIES
}

/// Sells plants on: a few at once, each from some hour on, the seller's part ending there.
async fn sell(client: Client, mut random: ChaCha8Rng) -> u64 {
    let mut owners: BTreeMap<u64, (u64, Option<u32>)> =
        (1..=PLANTS).map(|plant| (plant, (first_owner(plant), None))).collect();
    let mut epoch = 0;
    for _ in 0..SALES {
        let mut statements = Vec::new();
        for _ in 0..random.random_range(1..=3) {
            let plant = random.random_range(1..=PLANTS);
            let (seller, from) = owners[&plant];
            let buyer = 1 + (seller - 1 + random.random_range(1..COMPANIES)) % COMPANIES;
            // Of a plant that has been sold for the last hour there is nothing left to sell.
            let earliest = from.map_or(0, |from| from + 1);
            if earliest >= DAYS * 24 || statements.iter().any(|it: &Value| it["childNo"] == plant) {
                continue;
            }
            let hour = earliest + random.random_range(0..(DAYS * 24 - earliest).min(4));
            statements.push(membership(("CMP", seller), ("PP", plant), from, Some(hour)));
            statements.push(membership(("CMP", buyer), ("PP", plant), Some(hour), None));
            owners.insert(plant, (buyer, Some(hour)));
        }
        if !statements.is_empty() {
            let answer = client.put("/api/v2.0/memberships", &statements).await.expect("a sale");
            epoch = answer.epoch.expect("a sale names its epoch");
        }
    }
    epoch
}

/// Follows until the last change has been told, and checks every epoch.
async fn follow(
    mut follower: Follower,
    client: Client,
    mut random: ChaCha8Rng,
    words: &'static str,
    ends: watch::Receiver<Option<u64>>,
) -> Seen {
    let subjects = subjects();
    let (mut rows, mut seen) = (Rows::new(), Seen::default());
    loop {
        let update = follower.next().await.expect("a stream");
        rows.apply(&update).expect("each epoch fits the one before");
        let epoch = rows.epoch().expect("it begins with a snapshot");
        if let Update::Progress { .. } = update {
            if ends.borrow().is_some_and(|last| epoch >= last) {
                return seen;
            }
            continue;
        }
        if let Update::Delta { deltas, .. } = &update {
            let named = |delta: &Delta| (1..=MAX_CAUSES).contains(&delta.causes.len());
            let unnamed = deltas.iter().find(|delta| !named(delta));
            assert!(unnamed.is_none(), "epoch {epoch}: nothing caused {unnamed:?}");
        }
        seen.epochs += 1;
        seen.sales += u32::from(is_sale_alone(&update));
        conserved(&rows, epoch);
        if random.random_ratio(1, SAMPLED) {
            let read = at_epoch(&client, &subjects, epoch, words).await;
            assert_same(&format!("stream and REST at epoch {epoch}"), &told(&rows), &read);
            seen.sampled += 1;
        }
    }
}

fn subjects() -> Vec<Subject> {
    let companies = (1..=COMPANIES).map(|it| Subject::Total("company", it.to_string()));
    let above = [Subject::Total("group", "1".to_owned()), Subject::Total("all", "all".to_owned())];
    (1..=PLANTS).map(Subject::Plant).chain(companies).chain(above).collect()
}

fn is_sale_alone(update: &Update) -> bool {
    let Update::Delta { deltas, .. } = update else { return false };
    deltas.iter().all(|delta| {
        let is_total = delta.view == View::Totals;
        is_total && delta.causes.iter().all(|cause| cause.kind == CauseKind::Membership)
    })
}

/// Holds that all ways to add up the plants give the same power in each quarter of an hour.
fn conserved(rows: &Rows, epoch: u64) {
    let mut sums: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (key, value) in rows.iter() {
        let key: Value = serde_json::from_str(key.text()).expect("a key is JSON");
        let value: Value = serde_json::from_str(value).expect("a value is JSON");
        let dimension = key["dimension"].as_str().unwrap_or("plants").to_owned();
        let period = key["period"].as_u64().expect("minutes") as usize;
        let first = quarter(key["ds"].as_str().expect("a start"));
        let sum = sums.entry(dimension).or_insert_with(|| vec![0; QUARTERS]);
        sum[first..first + period / 15].iter_mut().for_each(|it| *it += hundredths(&value["v"]));
    }
    let none = vec![0; QUARTERS];
    let of = |dimension: &str| sums.get(dimension).unwrap_or(&none);
    for dimension in ["all", "group", "company"] {
        for (quarter, (sum, plants)) in of(dimension).iter().zip(of("plants")).enumerate() {
            assert_eq!(sum, plants, "epoch {epoch}, {dimension}, quarter {quarter}");
        }
    }
}

/// The quarter of an hour at which a slot starts, from the first day on.
fn quarter(ds: &str) -> usize {
    let number = |range: std::ops::Range<usize>| ds[range].parse::<usize>().expect("digits");
    (number(8..10) - 1) * 96 + number(11..13) * 4 + number(14..16) / 15
}
