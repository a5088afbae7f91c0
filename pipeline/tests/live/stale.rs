//! An answer that is older than what was acknowledged is impossible, whichever cache gave it.
//!
//! One writer changes everything that can change, and after each acknowledgement every read is compared with
//! what the ledger of acknowledged changes says; meanwhile others read the same all the time, so that the
//! caches are filled at every moment. A version may begin to count between two looks at the clock: then the
//! answer is that before or that after, never a mixture.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use smartpulse_client::{Client, Read, Save, Unit};
use tokio::task::JoinSet;

use super::ledger::{Ledger, Revision};
use super::rest::{Subject, path};
use super::scene::{
    DAYS, PROVIDER, Scene, client, forecasts, make_units, membership, share_machine, start,
};
use super::seed::seeded;

const CHANGES: u32 = 300;
/// Plants with the slot lengths they are saved at.
const PLANTS: [(u64, &[u32]); 3] = [(1, &[60]), (2, &[15]), (3, &[15, 60])];
const COMPANIES: u64 = 2;
/// Hours that are saved: few, so that versions lie on top of each other.
const HOURS: u32 = 10;
const RANGE: u32 = DAYS * 24;
const MILLISECOND: i64 = 1_000;
const YEAR: i64 = 365 * 86_400 * 1_000 * MILLISECOND;

/// What is read, and what it must show.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Latest(u64),
    Hourly(u64),
    Company(u64),
    All,
}

/// Who changes and who compares.
struct Desk {
    /// Without a cache of its own, with one, and with one that takes no compressed answers.
    bare: Client,
    packed: Client,
    plain: Client,
    ledger: Ledger,
    random: ChaCha8Rng,
    /// The epoch of the last acknowledgement.
    acknowledged: u64,
    /// Bodies by path and tag.
    bodies: BTreeMap<(String, String), Bytes>,
    figures: Figures,
}

#[derive(Debug, Default)]
struct Figures {
    reads: u32,
    confirmed: u32,
    /// Reads that the server had encoded already, by what was asked.
    encoded: BTreeMap<&'static str, u32>,
    /// Reads during which a version began to count.
    flips: u32,
}

impl Asked {
    fn all() -> Vec<Asked> {
        let plants = PLANTS.iter().flat_map(|(it, _)| [Asked::Latest(*it), Asked::Hourly(*it)]);
        plants.chain((1..=COMPANIES).map(Asked::Company)).chain([Asked::All]).collect()
    }

    fn path(&self) -> String {
        match self {
            Asked::Latest(plant) => path(&Subject::Plant(*plant)),
            Asked::Hourly(plant) => format!("{}&period=60", path(&Subject::Plant(*plant))),
            Asked::Company(company) => {
                format!("{}&period=60", path(&Subject::Total("company", company.to_string())))
            }
            Asked::All => format!("{}&period=60", path(&Subject::Total("all", "all".to_owned()))),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Asked::Latest(_) => "latest",
            Asked::Hourly(_) => "hourly",
            Asked::Company(_) | Asked::All => "totals",
        }
    }

    fn expected(&self, ledger: &Ledger, reference: i64) -> Value {
        match self {
            Asked::Latest(plant) => ledger.latest(*plant, RANGE, reference),
            Asked::Hourly(plant) => ledger.hourly(*plant, RANGE, reference),
            Asked::Company(company) => ledger.total(Some(*company), RANGE, reference),
            Asked::All => ledger.total(None, RANGE, reference),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_older_than_what_was_acknowledged() {
    let _share = share_machine().await;
    let random = seeded("no_answer_is_older_than_what_was_acknowledged");
    let scene = Scene::open(&[]);
    let mut desk = Desk::open(&scene, random).await;
    let is_over = Arc::<AtomicBool>::default();
    let mut crowd = JoinSet::new();
    for number in 0..3 {
        let reader = client(scene.address(), |it| {
            it.cache_entries = if number == 0 { 0 } else { 100 };
            it.takes_gzip = number == 1;
        });
        let random = ChaCha8Rng::from_rng(&mut desk.random);
        crowd.spawn(read_on(reader, random, Arc::clone(&is_over)));
    }
    for _ in 0..CHANGES {
        desk.change().await;
        desk.look_at_everything().await;
    }
    is_over.store(true, Ordering::Relaxed);
    let reads: u64 = crowd.join_all().await.into_iter().sum();
    println!("{:?}; {reads} reads beside them", desk.figures);
    for word in ["latest", "hourly", "totals"] {
        assert!(desk.figures.encoded.get(word).is_some_and(|count| *count > CHANGES), "{word}");
    }
    assert!(desk.figures.confirmed > CHANGES, "answers were confirmed");
    scene.close();
}

/// Reads at random, until it is over: epochs never go back.
async fn read_on(reader: Client, mut random: ChaCha8Rng, is_over: Arc<AtomicBool>) -> u64 {
    let (all, reads, mut newest) = (Asked::all(), AtomicU64::new(0), 0);
    while !is_over.load(Ordering::Relaxed) {
        let asked = all.choose(&mut random).expect("there are some");
        let read = reader.get(&asked.path()).await.expect("a read");
        assert!(read.epoch >= Some(newest), "{:?} after {newest}", read.epoch);
        newest = read.epoch.unwrap_or(newest);
        reads.fetch_add(1, Ordering::Relaxed);
    }
    reads.into_inner()
}

impl Desk {
    async fn open(scene: &Scene, random: ChaCha8Rng) -> Desk {
        let bare = client(scene.address(), |it| it.cache_entries = 0);
        let plants: Vec<u64> = PLANTS.iter().map(|(plant, _)| *plant).collect();
        let units = plants.iter().map(|plant| format!("PP/{plant}"));
        make_units(&bare, units.chain((1..=COMPANIES).map(|it| format!("CMP/{it}")))).await;
        let mut ledger = Ledger::new(&plants);
        let mut owned = Vec::new();
        for plant in plants {
            let company = 1 + plant % COMPANIES;
            ledger.stated(company, plant, None, None);
            owned.push(membership(("CMP", company), ("PP", plant), None, None));
        }
        let answer = bare.put("/api/v2.0/memberships", &owned).await.expect("memberships");
        Desk {
            bare,
            packed: client(scene.address(), |_| {}),
            plain: client(scene.address(), |it| it.takes_gzip = false),
            ledger,
            random,
            acknowledged: answer.epoch.expect("a change names its epoch"),
            bodies: BTreeMap::new(),
            figures: Figures::default(),
        }
    }

    /// One change, acknowledged; or only some time, in which versions begin to count.
    async fn change(&mut self) {
        match self.random.random_range(0..20) {
            0..13 => self.save().await,
            13..16 => self.withdraw().await,
            16..18 => self.sell().await,
            _ => tokio::time::sleep(Duration::from_millis(self.random.random_range(0..400))).await,
        }
    }

    /// Saves slots of a plant, now and then at both of its slot lengths in one batch.
    async fn save(&mut self) {
        let (plant, periods) = *PLANTS.choose(&mut self.random).expect("there are some");
        let count = if self.random.random_bool(0.4) { periods.len() } else { 1 };
        let mut chosen = periods.to_vec();
        chosen.shuffle(&mut self.random);
        let curves: Vec<(u32, BTreeMap<u32, Option<i32>>)> =
            chosen.into_iter().take(count).map(|period| (period, self.slots(period))).collect();
        let clock = self.clock().await;
        let valid_after = match self.random.random_range(0..20) {
            0..11 => None,
            11..14 => Some(clock - self.random.random_range(0..5_000) * MILLISECOND),
            14..18 => Some(clock + self.random.random_range(100..1_500) * MILLISECOND),
            _ => Some(clock + YEAR),
        };
        let mut entries = Vec::new();
        for (period, slots) in &curves {
            entries.extend(forecasts(plant, *period, slots.clone()).entries);
        }
        let mut save = Save::forecasts(Unit::plant(plant), PROVIDER, entries);
        save.valid_after = valid_after.map(text);
        save.skips_existing_check = self.random.random_bool(0.2);
        let saved = self.packed.save(&save).await.expect("a save");
        let recorded = saved.recorded.clone().expect("it was accepted");
        for (period, slots) in curves {
            self.ledger.saved(Revision {
                batch: saved.batch_id().expect("it was stored"),
                plant,
                period,
                valid_after: valid_after.unwrap_or_else(|| micros(&recorded)),
                sequence: saved.sequence.expect("it was accepted"),
                recorded: recorded.clone(),
                skips_check: save.skips_existing_check,
                slots,
                is_withdrawn: false,
            });
        }
        self.acknowledged = saved.epoch;
    }

    /// A few slots in a row: of few values, so that a save often confirms what is there.
    fn slots(&mut self, period: u32) -> BTreeMap<u32, Option<i32>> {
        let count = self.random.random_range(1..=6);
        let first = self.random.random_range(0..=HOURS * 60 / period - count);
        let slot = |slot| {
            let value = self.random.random_range(-2..=6) * 125;
            (slot, (!self.random.random_bool(0.15)).then_some(value))
        };
        (first..first + count).map(slot).collect()
    }

    async fn withdraw(&mut self) {
        let standing = self.ledger.standing();
        let Some(batch) = standing.choose(&mut self.random) else { return };
        let withdrawn = self.packed.withdraw(*batch).await.expect("a withdrawal");
        self.ledger.withdrawn(*batch);
        self.acknowledged = withdrawn.epoch;
    }

    /// A plant changes hands at some hour after its last sale, while there are such hours.
    async fn sell(&mut self) {
        let (plant, _) = *PLANTS.choose(&mut self.random).expect("there are some");
        let (seller, from) = self.ledger.owner(plant);
        let buyer = 1 + seller % COMPANIES;
        let hour = from.map_or(0, |from| from + 1);
        if hour >= HOURS {
            return;
        }
        let sale = [
            membership(("CMP", seller), ("PP", plant), from, Some(hour)),
            membership(("CMP", buyer), ("PP", plant), Some(hour), None),
        ];
        let answer = self.packed.put("/api/v2.0/memberships", &sale).await.expect("a sale");
        self.ledger.stated(seller, plant, from, Some(hour));
        self.ledger.stated(buyer, plant, Some(hour), None);
        self.acknowledged = answer.epoch.expect("a change names its epoch");
    }

    /// Every read, each through every kind of cache.
    async fn look_at_everything(&mut self) {
        for asked in Asked::all() {
            for reader in [self.bare.clone(), self.packed.clone(), self.plain.clone()] {
                let before = self.clock().await;
                let read = reader.get(&asked.path()).await.expect("a read");
                let after = self.clock().await;
                self.compare(&asked, &read, before, after);
                if read.is_revalidated {
                    self.figures.confirmed += 1;
                    self.hold_confirmed(&asked, &read).await;
                }
            }
        }
        self.look_at_many().await;
    }

    /// The answer is that of some instant between the two looks at the clock, and of no older epoch.
    fn compare(&mut self, asked: &Asked, read: &Read, before: i64, after: i64) {
        self.figures.reads += 1;
        if read.cache_level.as_deref() == Some("encoded") {
            *self.figures.encoded.entry(asked.word()).or_default() += 1;
        }
        assert!(read.epoch >= Some(self.acknowledged), "{asked:?}: {:?}", read.epoch);
        self.hold_tag(&asked.path(), read);
        let shown = shown(&read.data().expect("an envelope"));
        self.hold(asked, &shown, before, after);
    }

    fn hold(&mut self, asked: &Asked, shown: &Value, before: i64, after: i64) {
        let due = self.ledger.due(before, after);
        self.figures.flips += u32::from(!due.is_empty());
        let instants: BTreeSet<i64> = due.into_iter().chain([before]).collect();
        let possible: Vec<Value> =
            instants.iter().map(|it| asked.expected(&self.ledger, *it)).collect();
        assert!(
            possible.contains(shown),
            "{asked:?} at epoch {} or later\nshown    {shown}\nexpected {}",
            self.acknowledged,
            possible[0]
        );
    }

    /// Equal tags are equal bytes, whenever and however they came.
    fn hold_tag(&mut self, path: &str, read: &Read) {
        let tag = read.etag.clone().expect("a read of what is live has a tag");
        let known = self.bodies.entry((path.to_owned(), tag)).or_insert_with(|| read.body.clone());
        assert_eq!(*known, read.body, "{path}");
    }

    /// What the server confirmed is what it gives to who asks without a copy, unless that came later.
    async fn hold_confirmed(&self, asked: &Asked, confirmed: &Read) {
        let is_packed = confirmed.etag.as_deref().is_some_and(|tag| tag.contains("gzip"));
        let mut anew = self.bare.get(&asked.path()).await.expect("a read");
        if !is_packed {
            // The tag of the other coding says nothing here; the bytes do.
            anew.etag = None;
        }
        let is_later = anew.epoch > confirmed.epoch;
        assert!(is_later || anew.body == confirmed.body, "{asked:?}: {confirmed:?} and {anew:?}");
        assert!(is_later || anew.etag.is_none() || anew.etag == confirmed.etag, "{asked:?}");
    }

    /// All plants in one answer: of one epoch and one instant.
    async fn look_at_many(&mut self) {
        let numbers: Vec<u64> = PLANTS.iter().map(|(plant, _)| *plant).collect();
        let range = json!({ "from": start(60, 0), "to": start(60, RANGE) });
        let body = json!({
            "providerKey": PROVIDER, "unitType": "PP", "unitIds": numbers, "query": range,
        });
        let before = self.clock().await;
        let path = "/api/v2.0/production-forecast/multi";
        let answer = self.bare.post(path, &body).await.expect("a read");
        let after = self.clock().await;
        assert!(answer.epoch >= Some(self.acknowledged), "{:?}", answer.epoch);
        let elements = answer.data.as_array().expect("a list");
        for plant in numbers {
            let own = elements.iter().filter(|it| it["unitNo"] == plant).cloned().collect();
            self.hold(&Asked::Latest(plant), &shown(&own), before, after);
        }
    }

    /// The clock that the newest epoch shows, in microseconds.
    async fn clock(&self) -> i64 {
        let status = self.bare.status().await.expect("a status");
        micros(status["clock"].as_str().expect("a clock"))
    }
}

/// What is compared of an answer's elements.
fn shown(data: &Value) -> Value {
    let slot = |it: &Value| {
        let mut shown = json!({ "ds": it["ds"], "v": it["v"].as_f64() });
        for name in ["c", "members", "reporting"] {
            if let Some(field) = it.get(name) {
                shown[name] = field.clone();
            }
        }
        if it.get("c").is_none() {
            shown["coverage"] = json!(it.get("coverage").map_or(Some(1.0), Value::as_f64));
        }
        shown
    };
    let element = |it: &Value| {
        let slots = it["predictions"].as_array().expect("a list of slots");
        json!({ "period": it["period"], "predictions": slots.iter().map(slot).collect::<Vec<_>>() })
    };
    data.as_array().expect("a list of elements").iter().map(element).collect()
}

fn micros(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("a time").as_microsecond()
}

fn text(micros: i64) -> String {
    Timestamp::from_microsecond(micros).expect("a time").to_string()
}
