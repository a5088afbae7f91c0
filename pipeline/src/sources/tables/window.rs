//! Transactions under way: handed to ingest and not yet durable and visible. What lies before them all may be
//! confirmed.

use std::collections::{BTreeMap, VecDeque};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::Unit;
use uuid::Uuid;

use super::values::Said;

/// Transactions under way at most: two ticks of the largest kind, so that one gathers while another is decided.
const TRANSACTIONS: usize = 20_000;
/// Their values at most, unless one alone has more.
const VALUES: usize = 1_000_000;

/// A transaction under way.
#[derive(Debug)]
pub(in crate::sources) struct Under {
    /// Where the log stands behind it.
    pub(in crate::sources) lsn: u64,
    /// When it was committed.
    pub(in crate::sources) committed: Instant,
    pub(in crate::sources) values: usize,
    /// Its batches, and what was said of them.
    pub(in crate::sources) ids: Vec<(Uuid, Said)>,
    /// Units of its saves, by change and entry.
    pub(in crate::sources) units: BTreeMap<u32, Vec<Unit>>,
}

/// Transactions under way, in order.
#[derive(Debug, Default)]
pub(in crate::sources) struct Window {
    items: VecDeque<(Under, bool)>,
    /// Number of the first of them; further ones follow it.
    first: u64,
    values: usize,
    ids: HashMap<Uuid, Said, FixedState>,
    /// Where the log stands behind all that is durable and visible.
    settled: u64,
}

impl Window {
    /// A window behind what is durable.
    pub(in crate::sources) fn after(settled: u64) -> Window {
        Window { settled, ..Window::default() }
    }

    /// Another log is begun, at that place.
    pub(in crate::sources) fn begin(&mut self, lsn: u64) {
        self.settled = lsn;
    }

    pub(in crate::sources) fn is_full(&self) -> bool {
        self.items.len() >= TRANSACTIONS || self.values >= VALUES
    }

    pub(in crate::sources) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds one; the number by which it is told of.
    pub(in crate::sources) fn push(&mut self, under: Under) -> u64 {
        self.values += under.values;
        self.ids.extend(under.ids.iter().cloned());
        self.items.push_back((under, false));
        self.first + self.items.len() as u64 - 1
    }

    /// User and note of a batch that is under way.
    pub(in crate::sources) fn said(&self, id: &Uuid) -> Option<&Said> {
        self.ids.get(id)
    }

    /// The unit of an entry of a change of a transaction.
    pub(in crate::sources) fn unit(&self, number: u64, change: u32, entry: u32) -> Option<Unit> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let (under, _) = self.items.get(place)?;
        under.units.get(&change)?.get(entry as usize).copied()
    }

    /// One is durable and visible.
    pub(in crate::sources) fn settle(&mut self, number: u64) {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        if let Some((_, is_settled)) = place.and_then(|place| self.items.get_mut(place)) {
            *is_settled = true;
        }
        while let Some((under, _)) = self.items.pop_front_if(|(_, is_settled)| *is_settled) {
            self.first += 1;
            self.values -= under.values;
            for (id, _) in &under.ids {
                self.ids.remove(id);
            }
            self.settled = under.lsn;
        }
    }

    /// All before that place is durable and visible.
    pub(in crate::sources) fn reached(&mut self, lsn: u64) {
        self.settled = self.settled.max(lsn);
    }

    /// Where the log may be confirmed up to.
    pub(in crate::sources) fn settled(&self) -> u64 {
        self.settled
    }

    /// When the oldest was committed.
    pub(in crate::sources) fn oldest(&self) -> Option<Instant> {
        self.items.front().map(|(under, _)| under.committed)
    }
}

#[cfg(test)]
mod tests {
    use smartpulse_operators::unit::UnitType;

    use super::*;

    #[test]
    fn only_what_lies_before_all_that_is_under_way_may_be_confirmed() {
        let mut window = Window::after(5);
        let unit = Unit { unit_type: UnitType::PowerPlant, unit_no: 3 };
        let under = |lsn: u64| Under {
            lsn,
            committed: Instant(lsn as i64),
            values: 1,
            ids: vec![(Uuid::from_u128(u128::from(lsn)), Said::default())],
            units: [(1, vec![unit])].into_iter().collect(),
        };
        let numbers = [10, 20, 30].map(|lsn| window.push(under(lsn)));
        assert_eq!((numbers, window.oldest()), ([0, 1, 2], Some(Instant(10))));
        window.settle(1);
        assert_eq!(window.settled(), 5);
        assert!(
            window.said(&Uuid::from_u128(20)).is_some(),
            "it is not let go before those in front"
        );
        window.settle(0);
        assert_eq!(window.settled(), 20);
        assert!(
            window.said(&Uuid::from_u128(20)).is_none()
                && window.said(&Uuid::from_u128(30)).is_some()
        );
        assert_eq!(window.unit(2, 1, 0), Some(unit));
        assert_eq!(
            (window.unit(1, 1, 0), window.unit(2, 0, 0), window.unit(9, 1, 0)),
            (None, None, None)
        );
        assert_eq!(window.push(under(40)), 3, "numbers go on");
        window.settle(3);
        window.settle(2);
        assert_eq!((window.settled(), window.is_empty(), window.values), (40, true, 0));
    }
}
