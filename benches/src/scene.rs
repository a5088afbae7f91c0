//! Plants, companies and groups, and what is saved of them over the doors: values that follow from plant,
//! slot and variant, so that every answer can be compared with what must be there.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smartpulse::folder::DataFolder;
use smartpulse::ingest::Backfill;
use smartpulse::service::{ClockChoice, Options, Service};
use smartpulse_operators::change::{Change, Position};
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Membership, Unit, UnitType, UnitVersion};
use smartpulse_serve::ring::RingBounds;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::wire::Line;

/// Whose forecasts they are.
pub(crate) const PROVIDER: &str = "UserForecast";
/// First delivery: far ahead, so that no gate closes while something is measured.
const FROM: &str = "2099-06-01T00:00:00Z";
const PLANTS_A_COMPANY: u64 = 20;
const COMPANIES_A_GROUP: u64 = 10;
/// Plants of one class say the same, so that few bodies serve many plants.
const CLASSES: u64 = 16;
/// What a plant says in turn, so that no save repeats the one before.
pub(crate) const VARIANTS: u64 = 4;
/// Slot length in minutes.
const PERIOD: i64 = 15;

/// What there is and how much is said of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Scene {
    /// Plants 1 to this.
    pub(crate) plants: u64,
    /// Quarter hours that a save covers.
    pub(crate) slots: u64,
}

impl Scene {
    /// Where saves of `plant` go.
    pub(crate) fn path(plant: u64) -> String {
        format!("/api/v2.0/production-forecast/{PROVIDER}/PP/{plant}/forecasts")
    }

    /// Where what was saved of `plant` is read.
    pub(crate) fn latest(self, plant: u64) -> String {
        let (from, to) = self.range();
        format!("{}/latest?from={from}&to={to}", Scene::path(plant))
    }

    /// The same up to the seconds of an end within the last slot: a range of the same slots.
    pub(crate) fn latest_to(self, plant: u64) -> String {
        let last = start_of(self.slots - 1);
        let minute = last.strip_suffix("00Z").unwrap_or(&last);
        format!("{}/latest?from={FROM}&to={minute}", Scene::path(plant))
    }

    /// Delivery starts and hundredths of a MW that turn `variant` of a plant says.
    pub(crate) fn expected(self, plant: u64, variant: u64) -> impl Iterator<Item = (String, u64)> {
        let class = Scene::class(plant);
        (0..self.slots).map(move |slot| (start_of(slot), hundredths(class, slot, variant)))
    }

    /// First slot, and the end of the last one.
    pub(crate) fn range(self) -> (String, String) {
        (FROM.to_owned(), start_of(self.slots))
    }

    /// What is saved at turn `variant` of a plant: one body a class and variant.
    pub(crate) fn bodies(self) -> Vec<Vec<Vec<u8>>> {
        let of_class = |class| (0..VARIANTS).map(|turn| self.body(class, turn)).collect();
        (0..CLASSES).map(of_class).collect()
    }

    fn body(self, class: u64, variant: u64) -> Vec<u8> {
        let predictions: Vec<String> = (0..self.slots)
            .map(|slot| {
                let value = hundredths(class, slot, variant);
                format!(r#"{{"ds":"{}","v":{}}}"#, start_of(slot), text(value))
            })
            .collect();
        format!(
            r#"{{"unitForecastList":[{{"period":{PERIOD},"predictions":[{}]}}],"measureUnit":"MW"}}"#,
            predictions.join(",")
        )
        .into_bytes()
    }

    /// The class of a plant.
    pub(crate) fn class(plant: u64) -> u64 {
        plant % CLASSES
    }

    /// Compares what is read of `plant` with what was saved at turn `variant`.
    pub(crate) fn check(self, line: &mut Line, plant: u64, variant: u64) -> Result<()> {
        let path = self.latest(plant);
        let answer = line.get(&path)?.success().with_context(|| path.clone())?;
        self.compare(answer.body, plant, variant).with_context(|| path.clone())
    }

    /// Compares an answer's body with what was saved.
    pub(crate) fn compare(self, body: &[u8], plant: u64, variant: u64) -> Result<()> {
        let answer: Value = serde_json::from_slice(body)?;
        let elements = answer["data"].as_array().context("no data")?;
        let saved = elements.iter().find(|element| element["period"] == json!(PERIOD));
        let saved = saved.context("no quarter hours")?;
        let read = saved["predictions"].as_array().context("no predictions")?;
        ensure!(read.len() as u64 == self.slots, "{} slots of {}", read.len(), self.slots);
        for ((start, value), read) in self.expected(plant, variant).zip(read) {
            let shown = read["v"].as_f64().map(|shown| (shown * 100.0).round());
            ensure!(
                read["ds"] == json!(start) && shown == Some(value as f64),
                "turn {variant} said {} at {start}, but read is {read}",
                text(value)
            );
        }
        Ok(())
    }

    /// Makes a folder that knows the plants and whom they belong to.
    pub(crate) fn prepare(self, data: &Path) -> Result<()> {
        let service = start_service(data)?;
        for (upto, change) in (1..).zip(self.statements()) {
            let position = Position { source: "bench".to_owned(), upto };
            service.backfill.blocking_send(Backfill::Change(Box::new(change), position))?;
        }
        flush(&service)?;
        service.stop()?;
        Ok(())
    }

    fn statements(self) -> Vec<Change> {
        let always = Instant::MIN;
        let unit = |unit_type, unit_no| Unit { unit_type, unit_no };
        let known = |unit: Unit| {
            Change::Unit(UnitVersion {
                unit,
                name: unit.to_string(),
                plant_type: Some("WPP".to_owned()),
                // 1 GW: no value is over the limit.
                installed_power: Some(Quantity(100_000_000)),
                zone: "Europe/Istanbul".to_owned(),
                region: Some("North".to_owned()),
                valid_from: always,
                recorded: always,
            })
        };
        let belongs = |parent, child| {
            let (valid_from, valid_to, deleted) = (always, None, false);
            let recorded = always;
            Change::Membership(Membership {
                parent,
                child,
                valid_from,
                valid_to,
                recorded,
                deleted,
            })
        };
        let companies = self.plants.div_ceil(PLANTS_A_COMPANY);
        let mut all = Vec::new();
        for number in 1..=companies.div_ceil(COMPANIES_A_GROUP) {
            all.push(known(unit(UnitType::Group, number)));
        }
        for number in 1..=companies {
            let company = unit(UnitType::Company, number);
            let group = unit(UnitType::Group, (number - 1) / COMPANIES_A_GROUP + 1);
            all.extend([known(company), belongs(group, company)]);
        }
        for number in 1..=self.plants {
            let plant = unit(UnitType::PowerPlant, number);
            let company = unit(UnitType::Company, (number - 1) / PLANTS_A_COMPANY + 1);
            all.extend([known(plant), belongs(company, plant)]);
        }
        all
    }
}

/// A service in this process, its clock that of its data, with the bounds a program has by default.
pub(crate) fn start_service(data: &Path) -> Result<Service> {
    let config = smartpulse::config::Config::default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let options = Options {
        workers: cores.saturating_sub(1).max(1),
        clock: ClockChoice::Data,
        disk_reserve: config.disk_reserve_bytes,
        ring: RingBounds { bytes: config.ring_bytes, age: config.ring_minutes * 60_000_000 },
    };
    let folder = DataFolder::open(data, true, Uuid::now_v7())?;
    Ok(Service::start(folder, options, |_, _| {})?)
}

/// Waits until everything sent so far is visible.
pub(crate) fn flush(service: &Service) -> Result<()> {
    let (done, flushed) = oneshot::channel();
    service.backfill.blocking_send(Backfill::Flush(done))?;
    flushed.blocking_recv().context("the service has stopped; its words are above")
}

/// Hundredths of a MW.
fn hundredths(class: u64, slot: u64, variant: u64) -> u64 {
    (class * 701 + slot * 1_301) % 90_000 + variant * 25 + 1
}

fn text(hundredths: u64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn start_of(slot: u64) -> String {
    let from = Instant::parse(FROM).unwrap_or(Instant::MIN);
    from.plus_minutes(slot as i64 * PERIOD).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_what_is_compared() {
        let scene = Scene { plants: 3, slots: 2 };
        let body = String::from_utf8(scene.body(Scene::class(17), 2)).unwrap();
        assert!(body.contains(r#"{"ds":"2099-06-01T00:15:00Z","v":20.53}"#), "{body}");
        let answer = |v: f64| {
            json!({ "data": [{ "period": 60 }, { "period": 15, "predictions": [
                { "ds": "2099-06-01T00:00:00Z", "v": 7.52 },
                { "ds": "2099-06-01T00:15:00Z", "v": v },
            ] }] })
        };
        let compare = |v| scene.compare(answer(v).to_string().as_bytes(), 17, 2);
        assert!(compare(20.53).is_ok());
        assert!(compare(20.54).is_err());
    }

    #[test]
    fn no_variant_repeats_another() {
        for slot in 0..96 {
            let mut said: Vec<u64> = (0..VARIANTS).map(|turn| hundredths(3, slot, turn)).collect();
            said.dedup();
            assert_eq!(said.len() as u64, VARIANTS);
        }
    }
}
