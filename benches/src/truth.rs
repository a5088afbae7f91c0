//! What the views must show of the point workload, found the slow way: of each slot the newest revision
//! whose batch was not withdrawn, with every save looked at again.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use smartpulse_operators::change::{BatchName, Change, Save};
use smartpulse_operators::quantity::{ABSENT, NULL};
use smartpulse_operators::series::Series;
use smartpulse_operators::time::{Day, Instant};
use smartpulse_serve::snapshot::Snapshot;

use crate::said::Said;

/// The winner of a slot; of the default nothing was said.
#[derive(Clone, Copy, Debug, Default)]
struct Winner {
    order: Option<(Instant, u64)>,
    value: i64,
}

/// What was said of one day.
type SlotsOfDay = Vec<Winner>;

/// What the views must show.
pub(crate) struct Truth {
    days: BTreeMap<Series, BTreeMap<Day, SlotsOfDay>>,
}

/// Rows of an export, whatever their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest {
    pub(crate) rows: u64,
    pub(crate) digest: u64,
}

impl Truth {
    /// Of all that was said.
    pub(crate) fn of(said: Said) -> Truth {
        let mut withdrawn = BTreeSet::new();
        said.for_each(|change| {
            if let Change::Withdrawal(it) = change
                && let BatchName::Id(id) = it.batch
            {
                withdrawn.insert(id);
            }
        });
        let mut truth = Truth { days: BTreeMap::new() };
        said.for_each(|change| {
            if let Change::Save(save) = change
                && !withdrawn.contains(&save.batch.id)
            {
                truth.take(&save);
            }
        });
        truth
    }

    fn take(&mut self, save: &Save) {
        let order = Some((save.batch.valid_after, save.batch.sequence.0));
        for entry in &save.entries {
            let (kind, unit, period) = (entry.kind, entry.unit, entry.period);
            let series = Series { kind, unit, provider: save.batch.provider.clone(), period };
            let days = self.days.entry(series).or_default();
            entry.curve.for_each_day(period, |day, first, values| {
                let slots =
                    days.entry(day).or_insert_with(|| vec![Winner::default(); period.slots()]);
                for (winner, value) in slots[first..].iter_mut().zip(values) {
                    if *value != ABSENT && winner.order < order {
                        *winner = Winner { order, value: *value };
                    }
                }
            });
        }
    }

    /// Slots that have a value: series, day, number of the slot, hundredths of a kW.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&Series, Day, usize, i64)> {
        let stands = |winner: &Winner| winner.order.is_some() && winner.value != NULL;
        self.days.iter().flat_map(move |(series, days)| {
            days.iter().flat_map(move |(day, slots)| {
                let standing = slots.iter().enumerate().filter(move |(_, winner)| stands(winner));
                standing.map(move |(slot, winner)| (series, *day, slot, winner.value))
            })
        })
    }

    /// Compares every live value with these; how many there are.
    pub(crate) fn compare(&self, snapshot: &Snapshot) -> Result<u64> {
        let mut by_series = BTreeMap::new();
        for (id, series) in (0..).zip(snapshot.all_series()) {
            by_series.insert((*series).clone(), smartpulse_operators::series::SeriesId(id));
        }
        let mut compared = 0;
        for (series, day, slot, value) in self.values() {
            let id = by_series.get(series).with_context(|| format!("there is no {series:?}"))?;
            let shown = snapshot.block(*id, day).map(|block| block.value(slot));
            ensure!(
                shown == Some(value),
                "slot {slot} of day {} of {series:?} shows {shown:?}, not {value}",
                day.0
            );
            compared += 1;
        }
        let mut live = 0;
        snapshot.for_each_block(|_, block| {
            let slots = 0..block.slots();
            live += slots.filter(|slot| block.value(*slot) != NULL).count() as u64;
        });
        ensure!(live == compared, "{live} live values, not {compared}");
        Ok(compared)
    }

    /// The rows an export of `latest` must have.
    pub(crate) fn digest(&self) -> Digest {
        let mut all = Digest { rows: 0, digest: 0 };
        for (series, day, slot, value) in self.values() {
            let minute = day.slot_start(series.period, slot).0 / 60_000_000;
            let row = [
                series.unit.unit_no,
                series.provider.key().len() as u64,
                u64::from(series.period.minutes()),
                minute.cast_unsigned(),
                value.cast_unsigned(),
            ];
            all.rows += 1;
            all.digest = all.digest.wrapping_add(mixed(row));
        }
        all
    }
}

/// One number of a row's unit, length of provider, period, minute and value. `reference/writers.py` does
/// the same: a sum of these is the same in any order, and another one as soon as anything is exchanged.
fn mixed(row: [u64; 5]) -> u64 {
    const FACTORS: [u64; 5] = [
        0x9e37_79b9_7f4a_7c15,
        0xbf58_476d_1ce4_e5b9,
        0x94d0_49bb_1331_11eb,
        0xd6e8_feb8_6659_fd93,
        0xa076_1d64_78bd_642f,
    ];
    let terms = row.iter().zip(FACTORS).map(|(field, factor)| field.wrapping_mul(factor));
    let sum = terms.fold(0, u64::wrapping_add);
    let sum = (sum ^ (sum >> 31)).wrapping_mul(0xe703_7ed1_a0b4_28db);
    sum ^ (sum >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_is_the_same_each_time_and_holds_a_fleet() {
        let said = Said { plants: 3, ticks: 4, tick_points: 200 };
        let (one, two) = (Truth::of(said).digest(), Truth::of(said).digest());
        assert_eq!(one, two);
        // Three plants, three providers, fourteen days of quarter hours, but for nulls.
        let all = 3 * 3 * 14 * 96;
        assert!(one.rows > all / 2 && one.rows <= all, "{one:?}");
        let less = Truth::of(Said { ticks: 3, ..said }).digest();
        assert_ne!(one.digest, less.digest);
    }
}
