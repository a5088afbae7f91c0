//! What was acknowledged, and what must be shown for it: the rules of the contract once more, without any
//! dataflow, block or cache.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use uuid::Uuid;

use super::scene::start;

/// Quarters of an hour in an hour.
const QUARTERS: u32 = 4;

/// Everything acknowledged so far.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    revisions: Vec<Revision>,
    /// First hour (none: always) and end of each membership, by company, plant and first hour.
    memberships: BTreeMap<(u64, u64, Option<u32>), Option<u32>>,
    plants: BTreeSet<u64>,
}

/// A save of slots of one plant and period.
#[derive(Clone, Debug)]
pub(crate) struct Revision {
    pub(crate) batch: Uuid,
    pub(crate) plant: u64,
    pub(crate) period: u32,
    /// Microseconds; with the sequence the order of versions.
    pub(crate) valid_after: i64,
    pub(crate) sequence: u64,
    pub(crate) recorded: String,
    /// Whether it was saved without the check for equal values.
    pub(crate) skips_check: bool,
    /// Hundredths of a MW, or null, by slot.
    pub(crate) slots: BTreeMap<u32, Option<i32>>,
    pub(crate) is_withdrawn: bool,
}

impl Ledger {
    pub(crate) fn new(plants: &[u64]) -> Ledger {
        Ledger { plants: plants.iter().copied().collect(), ..Ledger::default() }
    }

    pub(crate) fn saved(&mut self, revision: Revision) {
        self.revisions.push(revision);
    }

    /// Takes a batch that stands back; none when there is none.
    pub(crate) fn standing(&self) -> Vec<Uuid> {
        self.revisions.iter().filter(|it| !it.is_withdrawn).map(|it| it.batch).collect()
    }

    pub(crate) fn withdrawn(&mut self, batch: Uuid) {
        let of_batch = self.revisions.iter_mut().filter(|it| it.batch == batch);
        of_batch.for_each(|revision| revision.is_withdrawn = true);
    }

    pub(crate) fn stated(&mut self, company: u64, plant: u64, from: Option<u32>, to: Option<u32>) {
        self.memberships.insert((company, plant, from), to);
    }

    /// The open end of a plant's ownership: company and first hour.
    pub(crate) fn owner(&self, plant: u64) -> (u64, Option<u32>) {
        let open = self.memberships.iter().find(|((_, of, _), to)| *of == plant && to.is_none());
        open.map(|((company, _, from), _)| (*company, *from)).expect("every plant has an owner")
    }

    /// Instants in `(after, upto]` at which a version begins to count.
    pub(crate) fn due(&self, after: i64, upto: i64) -> BTreeSet<i64> {
        let instants = self.revisions.iter().map(|revision| revision.valid_after);
        instants.filter(|instant| (after + 1..=upto).contains(instant)).collect()
    }

    /// The value of a slot at `reference`, as hundredths of a MW, and since when it is shown.
    fn shown(&self, plant: u64, period: u32, slot: u32, reference: i64) -> Option<(i32, &str)> {
        let versions = self.versions(plant, period, slot, reference);
        let (winner, before) = versions.split_last()?;
        let value = winner.slots[&slot]?;
        let mut shown = *winner;
        for earlier in before.iter().rev() {
            if shown.skips_check || earlier.slots[&slot] != Some(value) {
                break;
            }
            shown = earlier;
        }
        Some((value, &shown.recorded))
    }

    /// What is said of a slot, oldest first.
    fn versions(&self, plant: u64, period: u32, slot: u32, reference: i64) -> Vec<&Revision> {
        let counts = |it: &&Revision| {
            (it.plant, it.period) == (plant, period)
                && it.valid_after <= reference
                && !it.is_withdrawn
                && it.slots.contains_key(&slot)
        };
        let mut versions: Vec<&Revision> = self.revisions.iter().filter(counts).collect();
        versions.sort_by_key(|it| (it.valid_after, it.sequence));
        versions
    }

    /// Slot lengths of which anything was ever said, withdrawn or to come.
    fn periods(&self, plant: u64) -> BTreeSet<u32> {
        self.revisions.iter().filter(|it| it.plant == plant).map(|it| it.period).collect()
    }

    /// The power in a quarter of an hour: of all versions that cover it the newest, of one save the finer.
    fn power(&self, plant: u64, quarter: u32, reference: i64) -> Option<i32> {
        let newest = self.periods(plant).into_iter().filter_map(|period| {
            let slot = quarter * 15 / period;
            let winner = self.versions(plant, period, slot, reference).pop()?;
            Some(((winner.valid_after, winner.sequence, 60 - period), winner.slots[&slot]))
        });
        newest.max_by_key(|(order, _)| *order).and_then(|(_, value)| value)
    }

    /// What a read of a plant as saved shows of the hours up to `hours`: an element a period.
    pub(crate) fn latest(&self, plant: u64, hours: u32, reference: i64) -> Value {
        let element = |period: u32| {
            let slots = (0..hours * 60 / period).filter_map(|slot| {
                let (value, recorded) = self.shown(plant, period, slot, reference)?;
                Some(json!({ "ds": start(period, slot), "v": megawatts(value.into(), 1), "c": recorded }))
            });
            json!({ "period": period, "predictions": slots.collect::<Vec<_>>() })
        };
        self.periods(plant).into_iter().map(element).collect()
    }

    /// What a read of a plant by the hour shows.
    pub(crate) fn hourly(&self, plant: u64, hours: u32, reference: i64) -> Value {
        let periods = self.periods(plant);
        if periods.iter().all(|period| *period == 60) {
            return self.latest(plant, hours, reference);
        }
        let slot = |hour: u32| {
            let quarters = hour * QUARTERS..(hour + 1) * QUARTERS;
            let powers: Vec<i32> =
                quarters.filter_map(|it| self.power(plant, it, reference)).collect();
            let coverage = powers.len() as f64 / f64::from(QUARTERS);
            let sum = powers.iter().map(|it| i64::from(*it)).sum();
            let v = if coverage == 1.0 { megawatts(sum, QUARTERS) } else { Value::Null };
            (!powers.is_empty())
                .then(|| json!({ "ds": start(60, hour), "v": v, "coverage": coverage }))
        };
        json!([{ "period": 60, "predictions": (0..hours).filter_map(slot).collect::<Vec<_>>() }])
    }

    /// What a read of a company, or of all plants, by the hour shows.
    pub(crate) fn total(&self, company: Option<u64>, hours: u32, reference: i64) -> Value {
        let slot = |hour: u32| {
            let members = self.plants.iter().filter(|it| self.belongs(company, **it, hour));
            let members: Vec<u64> = members.copied().collect();
            let quarters = hour * QUARTERS..(hour + 1) * QUARTERS;
            let powers: Vec<Vec<i32>> = quarters
                .map(|it| members.iter().filter_map(|of| self.power(*of, it, reference)).collect())
                .collect();
            let all: Vec<i32> = powers.iter().flatten().copied().collect();
            let coverage = all.len() as f64 / (members.len() as f64 * f64::from(QUARTERS));
            let v = megawatts(all.iter().map(|it| i64::from(*it)).sum(), QUARTERS);
            let reporting = powers.iter().map(Vec::len).max().unwrap_or(0);
            (reporting > 0).then(|| {
                json!({
                    "ds": start(60, hour), "v": v, "members": members.len(),
                    "reporting": reporting, "coverage": coverage,
                })
            })
        };
        let slots: Vec<Value> = (0..hours).filter_map(slot).collect();
        if slots.is_empty() { json!([]) } else { json!([{ "period": 60, "predictions": slots }]) }
    }

    fn belongs(&self, company: Option<u64>, plant: u64, hour: u32) -> bool {
        let Some(company) = company else { return true };
        self.memberships.iter().any(|((of, child, from), to)| {
            (*of, *child) == (company, plant)
                && from.is_none_or(|from| from <= hour)
                && to.is_none_or(|to| hour < to)
        })
    }
}

/// A sum of hundredths of a MW over `parts`, as MW.
fn megawatts(sum: i64, parts: u32) -> Value {
    json!(sum as f64 / 100.0 / f64::from(parts))
}
