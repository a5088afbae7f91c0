//! Totals are conserved: at every epoch, what all have is what the companies have together and what the
//! plants have one by one, while plants change owner, batches are withdrawn and versions to come begin.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::feeder::Histories;
use super::graph::{Setup, run};
use super::oracle::Oracle;
use super::property::{config, order_of};
use super::random::steps;
use super::script::midnight;
use super::totals::{Totals, on_grid};
use super::{Act, Step, View};
use crate::batch::Sequence;
use crate::change::Change;
use crate::quantity::NULL;
use crate::series::{Kind, Provider};
use crate::time::{Day, Instant};
use crate::total::Total;
use crate::unit::{Membership, Unit, UnitType};

/// Fewer than of the other properties: each compares every minute at every epoch.
const CASES: u32 = 300;

const PLANTS: [u64; 2] = [1, 2];
const COMPANIES: [u64; 2] = [7, 8];

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..config() })]

    #[test]
    fn totals_are_conserved_at_every_epoch(
        steps in steps(),
        sales in vec((0_usize..40, 0_usize..2, 1_i64..12), 0..8),
        workers in prop_oneof![Just(1_usize), Just(2), Just(4)],
    ) {
        let ticks = with_sales(&steps, &sales);
        let setup = Setup { workers, histories: Histories::AsNeeded, restart: None };
        let run = run(&ticks, &setup);
        let mut oracle = Oracle::default();
        for (tick, told) in ticks.iter().zip(&run.totals) {
            tick.iter().for_each(|step| oracle.take(step));
            let totals = told.totals();
            let all = minutes(&totals, |total| *total == Total::All);
            let companies = minutes(&totals, |total| matches!(total, Total::Company(_)));
            prop_assert_eq!(&all, &companies);
            let order = |batch| order_of(&steps, batch);
            prop_assert_eq!(&all, &of_plants(&oracle.view(), order));
        }
    }
}

type Subject = (Kind, Provider, Day);

/// (sum, plants that report) of every minute of every day with anything present.
type Minutes = BTreeMap<Subject, Vec<(i64, u32)>>;

fn minutes(totals: &Totals, wanted: impl Fn(&Total) -> bool) -> Minutes {
    let mut sums = Minutes::new();
    for (key, slots) in totals.iter().filter(|(key, _)| wanted(&key.total)) {
        let subject = (key.kind, key.provider.clone(), key.day);
        let of_day = sums.entry(subject).or_insert_with(|| vec![(0, 0); 1_440]);
        for (minute, (sum, reporting)) in of_day.iter_mut().enumerate() {
            let (more, _, also) = slots[minute * slots.len() / 1_440];
            *sum += more;
            *reporting += also;
        }
    }
    sums.retain(|_, of_day| of_day.iter().any(|(_, reporting)| *reporting > 0));
    sums
}

fn of_plants(view: &View, order: impl Fn(Sequence) -> (Instant, Sequence)) -> Minutes {
    let mut sums = Minutes::new();
    for (series, start) in view.rows.keys() {
        let subject = (series.kind, series.provider.clone(), start.day());
        sums.entry(subject).or_insert_with(|| vec![(0, 0); 1_440]);
    }
    for ((kind, provider, day), of_day) in &mut sums {
        for unit in PLANTS.map(plant) {
            let Some(values) = on_grid(view, unit, *kind, provider, *day, &order) else { continue };
            for (minute, (sum, reporting)) in of_day.iter_mut().enumerate() {
                let value = values[minute * values.len() / 1_440];
                if value != NULL {
                    *sum += value;
                    *reporting += 1;
                }
            }
        }
    }
    sums.retain(|_, of_day| of_day.iter().any(|(_, reporting)| *reporting > 0));
    sums
}

/// A step a tick, without its memberships and master data; instead each plant belongs to one company at
/// any time, and is sold to the other at `sales`: before which step, which, and hours after its last sale.
fn with_sales(steps: &[Step], sales: &[(usize, usize, i64)]) -> Vec<Vec<Step>> {
    let at = midnight().plus_minutes(6 * 60);
    let mut owners = [(COMPANIES[0], Instant::MIN), (COMPANIES[1], Instant::MIN)];
    let known = steps.iter().take_while(|step| matches!(step.act, Act::State(Change::Unit(_))));
    let mut first: Vec<Step> = known.cloned().collect();
    for (index, (company, from)) in owners.iter().enumerate() {
        first.push(Step { at, act: belongs(PLANTS[index], *company, *from, None) });
    }
    let number = first.len() - owners.len();
    let mut ticks = vec![first];
    let others = steps[number..]
        .iter()
        .filter(|step| !matches!(step.act, Act::State(Change::Membership(_) | Change::Unit(_))));
    for (place, step) in others.enumerate() {
        for (_, index, hours) in sales.iter().filter(|(before, ..)| *before == place) {
            let (company, from) = owners[*index];
            let since = if from == Instant::MIN { midnight() } else { from };
            let sold = since.plus_minutes(hours * 30);
            let buyer = COMPANIES[usize::from(company == COMPANIES[0])];
            owners[*index] = (buyer, sold);
            let sale = [
                belongs(PLANTS[*index], company, from, Some(sold)),
                belongs(PLANTS[*index], buyer, sold, None),
            ];
            ticks.push(sale.map(|act| Step { at: step.at, act }).to_vec());
        }
        ticks.push(vec![step.clone()]);
    }
    ticks
}

fn plant(unit_no: u64) -> Unit {
    Unit { unit_type: UnitType::PowerPlant, unit_no }
}

fn belongs(unit_no: u64, company: u64, from: Instant, to: Option<Instant>) -> Act {
    Act::State(Change::Membership(Membership {
        parent: Unit { unit_type: UnitType::Company, unit_no: company },
        child: plant(unit_no),
        valid_from: from,
        valid_to: to,
        recorded: Instant::MIN,
        deleted: false,
    }))
}
