//! What the ten thousand follow, and the saves that reach them.

use serde_json::{Value, json};
use smartpulse_client::{
    Client, Entry, Prediction, Rows, Save, Subscription, Unit, UnitType, View,
};

use super::rest::{Subject, path};
use super::scene::{FROM, PROVIDER, TO, make_units, membership, save, start};

/// Streams of a few rows, read at once.
pub(crate) const FAST: usize = 9_646;
/// Streams of many rows, each like no more than a few others: read at once, now and then, and not at all.
pub(crate) const FAST_BULK: usize = 4;
pub(crate) const SLOW: usize = 300;
pub(crate) const STOPPED: usize = 50;
pub(crate) const ALL: usize = FAST + FAST_BULK + SLOW + STOPPED;
/// Selections of the streams of many rows: what each is told is encoded and kept for itself.
const BULK_COHORTS: usize = 30;
const PLANTS: u64 = 100;
/// One of so many fast streams follows the totals.
const TOTALS_OF: usize = 20;
/// Saves of one plant in a round, and of the plant with many slots.
const SINGLE: u32 = 8;
const BULK: u32 = 6;
/// The plant with many slots, and how many it has: all rounds and cohorts together are several times what the
/// server keeps encoded, one round is not.
const BULK_PLANT: u64 = 1_000;
const BULK_PROVIDER: &str = "Bulk";
const BULK_SLOTS: u32 = 300;
const BULK_PERIOD: u16 = 5;

/// What a stream follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cohort {
    Plant(u64),
    Totals,
    Bulk(usize),
}

/// Saves that have been made, by what they concern.
#[derive(Default)]
pub(crate) struct Made {
    epochs: Vec<(Vec<Cohort>, u64)>,
    /// Deltas that all fast streams together are to get.
    pub(crate) deltas: usize,
}

impl Cohort {
    /// Selection `number` of the streams of many rows.
    pub(crate) fn bulk(number: usize) -> Cohort {
        Cohort::Bulk(number % BULK_COHORTS)
    }

    /// All that fast streams of a few rows follow, with what REST shows of it.
    pub(crate) fn small() -> Vec<(Cohort, Vec<Subject>)> {
        let plants = (1..=PLANTS).map(|it| (Cohort::Plant(it), vec![Subject::Plant(it)]));
        let totals = [("all", "all"), ("company", "1")];
        let totals = totals.map(|(dimension, key)| Subject::Total(dimension, key.to_owned()));
        plants.chain([(Cohort::Totals, totals.to_vec())]).collect()
    }

    /// What stream `number` follows.
    pub(crate) fn of(number: usize) -> Cohort {
        if number >= FAST {
            Cohort::bulk(number)
        } else if number.is_multiple_of(TOTALS_OF) {
            Cohort::Totals
        } else {
            Cohort::Plant(1 + (number as u64 * 7) % PLANTS)
        }
    }

    pub(crate) fn subscription(self) -> Subscription {
        let days = |it: Subscription| it.provider(PROVIDER).between(FROM, TO);
        match self {
            Cohort::Plant(plant) => days(Subscription::to(View::Latest).unit(Unit::plant(plant))),
            Cohort::Totals => days(Subscription::to(View::Totals)),
            // What is read as saved is the same whatever the coverage asked for.
            Cohort::Bulk(variant) => Subscription::to(View::Latest)
                .provider(BULK_PROVIDER)
                .between(FROM, TO)
                .completeness(variant as f64 / 100.0),
        }
    }

    fn followers(self) -> usize {
        (0..FAST + FAST_BULK).filter(|number| Cohort::of(*number) == self).count()
    }
}

impl Made {
    fn add(&mut self, cohorts: Vec<Cohort>, epoch: u64) {
        self.deltas += cohorts.iter().map(|cohort| cohort.followers()).sum::<usize>();
        self.epochs.push((cohorts, epoch));
    }

    /// The epochs that concern a cohort.
    pub(crate) fn of(&self, cohort: Cohort) -> Vec<u64> {
        let concerned = self.epochs.iter().filter(|(cohorts, _)| cohorts.contains(&cohort));
        concerned.map(|(_, epoch)| *epoch).collect()
    }

    /// The last epoch.
    pub(crate) fn last(&self) -> Option<u64> {
        self.epochs.last().map(|(_, epoch)| *epoch)
    }

    /// A round of saves: of every plant together, of single plants, of the plant with many slots.
    pub(crate) async fn round(&mut self, direct: &Client, round: u32) {
        all_plants(direct, round, self).await;
        for number in 0..SINGLE {
            one_plant(direct, round, number, self).await;
        }
        for number in 1..=BULK {
            bulk(direct, round * 100 + number, self).await;
        }
    }
}

/// Plants, their company, and a first save of each.
pub(crate) async fn prepare(direct: &Client) {
    let plants = (1..=PLANTS).chain([BULK_PLANT]).map(|plant| format!("PP/{plant}"));
    make_units(direct, plants.chain(["CMP/1".to_owned()])).await;
    let owned: Vec<_> =
        (1..=PLANTS).map(|it| membership(("CMP", 1), ("PP", it), None, None)).collect();
    direct.put("/api/v2.0/memberships", &owned).await.expect("memberships");
    let mut made = Made::default();
    all_plants(direct, 0, &mut made).await;
    bulk(direct, 0, &mut made).await;
}

/// One save of a slot of every plant.
async fn all_plants(direct: &Client, round: u32, made: &mut Made) {
    let entry = |plant: u64| {
        let value = f64::from(round) + plant as f64 / 1_000.0;
        let prediction = Prediction::new(start(60, round), Some(value));
        Entry {
            unit_no: Some(plant),
            unit_type: Some(UnitType::PowerPlant),
            ..Entry::new(60, vec![prediction])
        }
    };
    let company = Unit { unit_type: UnitType::Company, unit_no: 1 };
    let save = Save::forecasts(company, PROVIDER, (1..=PLANTS).map(entry).collect());
    let saved = direct.save(&save).await.expect("a save");
    assert!(saved.entries.iter().all(|entry| entry.saved_count == 1), "{saved:?}");
    let concerned = (1..=PLANTS).map(Cohort::Plant).chain([Cohort::Totals]);
    made.add(concerned.collect(), saved.epoch);
}

async fn one_plant(direct: &Client, round: u32, number: u32, made: &mut Made) {
    let plant = 1 + u64::from(round * SINGLE + number) % PLANTS;
    let value = Some((round * 1_000 + number) as i32);
    let saved = save(direct, plant, 60, [(30 + number, value)]).await;
    made.add(vec![Cohort::Plant(plant), Cohort::Totals], saved.epoch);
}

/// A save of all the many slots.
async fn bulk(direct: &Client, number: u32, made: &mut Made) {
    let prediction = |slot| {
        let value = f64::from(number) + f64::from(slot) / 10_000.0;
        Prediction::new(start(BULK_PERIOD.into(), slot), Some(value))
    };
    let entry = Entry::new(BULK_PERIOD, (0..BULK_SLOTS).map(prediction).collect());
    let save = Save::forecasts(Unit::plant(BULK_PLANT), BULK_PROVIDER, vec![entry]);
    let saved = direct.save(&save).await.expect("a save");
    assert_eq!(saved.entries[0].saved_count, BULK_SLOTS as usize);
    made.add((0..BULK_COHORTS).map(Cohort::Bulk).collect(), saved.epoch);
}

/// Holds that rows of many slots are what REST shows.
pub(crate) async fn bulk_is_right<'r>(direct: &Client, all: impl Iterator<Item = &'r Rows>) {
    let read = path(&Subject::Plant(BULK_PLANT)).replace(PROVIDER, BULK_PROVIDER);
    let read = direct.get(&read).await.expect("a read").data().expect("an envelope");
    let slots = read[0]["predictions"].as_array().expect("slots");
    let of = |it: &Value, start: &Value, since: &str| json!([start, it["v"], it[since]]);
    let expected: Vec<Value> = slots.iter().map(|it| of(it, &it["ds"], "c")).collect();
    assert_eq!(expected.len(), BULK_SLOTS as usize);
    for rows in all {
        let value = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        let held = rows.iter().map(|(key, text)| of(&value(text), &key.field("ds"), "recorded"));
        assert_eq!(held.collect::<Vec<Value>>(), expected);
    }
}
