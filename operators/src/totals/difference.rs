//! What a plant's changed day adds to every total that holds the plant all day: made once, added to each.

use serde::{Deserialize, Serialize};

use crate::block::NARROW_NULL;
use crate::resolve::Values;
use crate::time::Period;

/// The difference that a day of a plant makes, on the plant's own grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlantDifference {
    /// The grid.
    pub(super) grid: Period,
    /// 1 where the plant is new on that grid, −1 where nothing of it is left.
    pub(super) plants: i8,
    /// First slot that differs.
    pub(super) first: u16,
    /// From there, in hundredths of a kW.
    pub(super) sums: Box<[i32]>,
    /// Likewise 1, 0 or −1 value; empty where as many report as before.
    pub(super) reporting: Box<[i8]>,
}

/// What becomes of totals when a plant's day changes.
#[derive(Debug)]
pub(super) enum Effect {
    /// Nothing: a row shown, a batch or a grid without plants changed, or nothing at all.
    Nothing,
    /// The same on every total.
    Even(PlantDifference),
    /// Values beyond 32 bits, or another grid than before: the old one leaves and the new one enters.
    Uneven,
}

impl Effect {
    /// Of a day that was `old` and is `new`; none where no revision counts.
    pub(super) fn of(old: Option<Values<'_>>, new: Option<Values<'_>>) -> Effect {
        let (plants, old, new) = match (old, new) {
            (None, None) => return Effect::Nothing,
            (Some(Values::Narrow(old)), Some(Values::Narrow(new))) if old.len() == new.len() => {
                (0, Some(old), Some(new))
            }
            (None, Some(Values::Narrow(new))) => (1, None, Some(new)),
            (Some(Values::Narrow(old)), None) => (-1, Some(old), None),
            _ => return Effect::Uneven,
        };
        let slots = old.or(new).map_or(0, <[i32]>::len);
        let Some(grid) = Period::of_slots(slots) else { return Effect::Uneven };
        let nothing: Vec<i32>;
        let (old, new) = match (old, new) {
            (Some(old), Some(new)) => (old, new),
            (old, new) => {
                nothing = vec![NARROW_NULL; slots];
                (old.unwrap_or(&nothing), new.unwrap_or(&nothing))
            }
        };
        // Most re-issues say something new of a part of the day.
        let differs = |(old, new): (&i32, &i32)| old != new;
        let Some(first) = old.iter().zip(new).position(differs) else {
            return match plants {
                0 => Effect::Nothing,
                _ => Effect::Even(PlantDifference::empty(grid, plants)),
            };
        };
        let end = slots - old.iter().rev().zip(new.iter().rev()).position(differs).unwrap_or(0);
        let (old, new) = (&old[first..end], &new[first..end]);
        let pairs = || old.iter().zip(new);
        let sums = pairs().map(|(old, new)| present(*new) - present(*old)).collect();
        let is_there = |value: &i32| i8::from(*value != NARROW_NULL);
        let reports_otherwise =
            pairs().fold(false, |any, (old, new)| any | (is_there(old) != is_there(new)));
        let reporting = if reports_otherwise {
            pairs().map(|(old, new)| is_there(new) - is_there(old)).collect()
        } else {
            Box::default()
        };
        Effect::Even(PlantDifference { grid, plants, first: first as u16, sums, reporting })
    }
}

impl PlantDifference {
    fn empty(grid: Period, plants: i8) -> PlantDifference {
        let (sums, reporting) = (Box::default(), Box::default());
        PlantDifference { grid, plants, first: 0, sums, reporting }
    }
}

/// What a value adds: narrow ones are below 2^30, so that differences fit.
fn present(value: i32) -> i32 {
    if value == NARROW_NULL { 0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::NULL;
    use crate::resolve::Resolved;
    use crate::stretches::Stretches;
    use crate::time::Day;
    use crate::totals::sums::DaySums;
    use proptest::prelude::*;

    /// Days on a grid of hours or half hours; a few values each, so that many are equal.
    fn day() -> impl Strategy<Value = Option<Resolved>> {
        let value = prop_oneof![4 => -2_i64..3, 2 => Just(NULL), 1 => Just(1_i64 << 29)];
        let wide = prop_oneof![9 => Just(0_i64), 1 => Just(1_i64 << 40)];
        let slots = prop_oneof![4 => Just(24_usize), 1 => Just(48_usize)];
        let day = (slots, prop::collection::vec(value, 48), wide);
        prop::option::weighted(
            0.8,
            day.prop_map(|(slots, mut values, wide)| {
                values.truncate(slots);
                if wide != 0 {
                    values[0] = wide;
                }
                Resolved::pack(&values)
            }),
        )
    }

    proptest! {
        #[test]
        fn an_even_effect_is_the_old_day_leaving_and_the_new_one_entering(
            others in day(), old in day(), new in day(),
        ) {
            let mut sums = DaySums::default();
            let always = Stretches::always();
            for known in [&others, &old].into_iter().flatten() {
                sums.add(known.values(), &always, Day(5), 1);
            }
            let mut expected = sums.clone();
            for (known, sign) in [(&old, -1), (&new, 1)] {
                if let Some(known) = known {
                    expected.add(known.values(), &always, Day(5), sign);
                }
            }
            let [was, is] = [&old, &new].map(|day| day.as_ref().map(Resolved::values));
            match Effect::of(was, is) {
                Effect::Nothing => {}
                Effect::Even(difference) => sums.add_difference(&difference),
                Effect::Uneven => {
                    let is_narrow = |day: Option<Values<'_>>| {
                        day.is_none_or(|values| matches!(values, Values::Narrow(_)))
                    };
                    let grids = was.zip(is).is_none_or(|(was, is)| was.grid() == is.grid());
                    prop_assert!(!(is_narrow(was) && is_narrow(is) && grids));
                    return Ok(());
                }
            }
            sums.prune();
            expected.prune();
            prop_assert_eq!(sums, expected);
        }
    }
}
