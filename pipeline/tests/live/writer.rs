//! Somebody who saves, withdraws and saves again, at random but acknowledged.

use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use smartpulse_client::{Client, Save, Unit};
use uuid::Uuid;

use super::scene::{DAYS, PROVIDER, forecasts};

/// Milliseconds after which the last version to come counts.
const SOON: i64 = 500;

/// A writer of a few plants.
pub(crate) struct Writer {
    client: Client,
    random: ChaCha8Rng,
    /// Plants with their slot lengths.
    plants: Vec<(u64, u32)>,
    batches: Vec<Uuid>,
    saves: u64,
    /// When the last save was accepted, in milliseconds.
    recorded: i64,
    epoch: u64,
}

impl Writer {
    pub(crate) fn new(client: Client, random: ChaCha8Rng, plants: Vec<(u64, u32)>) -> Writer {
        Writer { client, random, plants, batches: Vec::new(), saves: 0, recorded: 0, epoch: 0 }
    }

    /// One change, acknowledged: slots of a plant with a null now and then, some of which count only after a
    /// while; metered production; a new name; or a batch withdrawn.
    pub(crate) async fn write(&mut self) {
        match self.random.random_range(0..20) {
            0..3 if !self.batches.is_empty() => self.withdraw().await,
            3 => self.rename().await,
            4..6 => self.save(|plant, it| Save::actuals(plant, Some(PROVIDER), it.entries)).await,
            6..9 => {
                let soon = self.recorded + self.random.random_range(1..=SOON);
                let soon = Timestamp::from_millisecond(soon).expect("a time").to_string();
                self.save(|_, it| Save { valid_after: Some(soon), ..it }).await;
            }
            _ => self.save(|_, it| it).await,
        }
    }

    /// Waits until every version counts, and saves once more.
    pub(crate) async fn end(&mut self) {
        tokio::time::sleep(Duration::from_millis(SOON.unsigned_abs() + 100)).await;
        self.save(|_, it| it).await;
    }

    async fn withdraw(&mut self) {
        let place = self.random.random_range(0..self.batches.len());
        let batch = self.batches.swap_remove(place);
        let withdrawn = self.client.withdraw(batch).await.expect("a withdrawal");
        assert!(!withdrawn.already, "{batch} was withdrawn once");
        self.epoch = withdrawn.epoch;
    }

    async fn rename(&mut self) {
        let (plant, _) = self.plants[self.random.random_range(0..self.plants.len())];
        let name = json!({ "name": format!("plant {plant} since {}", self.epoch) });
        let answer = self.client.put(&format!("/api/v2.0/units/PP/{plant}"), &name).await;
        self.epoch = answer.expect("a name").epoch.expect("a change names its epoch");
    }

    async fn save(&mut self, told: impl FnOnce(Unit, Save) -> Save) {
        let (plant, period) = self.plants[self.random.random_range(0..self.plants.len())];
        let slots = DAYS * 1_440 / period;
        let count = self.random.random_range(1..=8);
        let first = self.random.random_range(0..slots - count);
        let random = &mut self.random;
        let value = |slot| {
            let value = random.random_range(-500..=10_000);
            (slot, (!random.random_bool(0.1)).then_some(value))
        };
        let save = forecasts(plant, period, (first..first + count).map(value));
        let save = told(Unit::plant(plant), save);
        let saved = self.client.save(&save).await.expect("a save");
        self.batches.push(saved.batch_id().expect("it was stored"));
        let recorded: Timestamp = saved.recorded.expect("it was accepted").parse().expect("a time");
        self.recorded = recorded.as_millisecond();
        self.saves += 1;
        self.epoch = saved.epoch;
    }

    /// Saves so far.
    pub(crate) fn saves(&self) -> u64 {
        self.saves
    }

    /// The epoch of the last change.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }
}
