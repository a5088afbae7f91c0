//! Transactions that are put together again: each has ended when as many changes of every table have come as its end
//! counts, and they are taken in in the order in which they ended.
//!
//! After a restart Debezium sends changes again, and ends of transactions too. A transaction that has been taken in is
//! known by where its end lies in the log; a change that comes twice within one, by its place in it: in a partition
//! places only grow, unless something comes again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smartpulse_connectors::{Ended, TableName, TransactionMark};
use smartpulse_operators::offset::PulsarPlace;

use super::super::tables::learned::Learned;
use super::super::tables::whole::Open;
use super::rows::Values;

/// Transactions taken in that are remembered by their numbers: more than Debezium sends again after a restart at which
/// it had kept its place within the last minute.
const REMEMBERED: usize = 200_000;

/// A change of master data, to be taken in once its transaction is whole.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) order: u64,
    pub(super) learned: Arc<Learned>,
    pub(super) said: KeptChange,
}

/// What it changes.
#[derive(Debug)]
pub(super) enum KeptChange {
    Row(Option<Values>, Option<Values>),
    Empty,
}

/// A transaction of which not everything has come.
#[derive(Default)]
pub(super) struct Unfinished {
    pub(super) open: Open,
    pub(super) kept: Vec<Kept>,
    counts: BTreeMap<TableName, u64>,
    /// The newest change that came through each partition.
    orders: BTreeMap<usize, u64>,
    /// Where the newest of its messages lies in each partition.
    pub(super) places: BTreeMap<usize, PulsarPlace>,
    pub(super) ended: Option<Ended>,
    /// Where the first of its changes lies in the log.
    pub(super) began: u64,
    /// It is the first that an engine has sent since it read the tables.
    pub(super) is_first: bool,
}

impl Unfinished {
    /// Rows of it that are held in memory.
    pub(super) fn held(&self) -> usize {
        self.open.held() + self.kept.len() + self.open.transaction.batches.len()
    }

    /// Whether it was committed before a place of the log, as far as is known.
    fn lies_before(&self, lsn: u64) -> bool {
        self.ended.as_ref().map_or(self.began < lsn, |ended| ended.lsn <= lsn)
    }
}

/// What a change is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    New,
    /// It has come before, and its transaction waits for others.
    Repeated,
    /// Its transaction has been taken in.
    Known,
}

/// What the end of a transaction is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EndVerdict {
    New,
    Known,
    /// It lies before one that came before it.
    Disordered,
}

/// What is lacking of a transaction that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lacking {
    pub(super) number: u64,
    pub(super) table: TableName,
    pub(super) come: u64,
    pub(super) counted: u64,
}

/// Transactions on their way.
#[derive(Default)]
pub(super) struct Assembly {
    unfinished: HashMap<u64, Unfinished, FixedState>,
    /// Those that have ended, by where.
    queue: VecDeque<(u64, u64)>,
    /// Where those ended that have been taken in.
    done: HashMap<u64, u64, FixedState>,
    done_in_order: VecDeque<(u64, u64)>,
    system: u64,
    /// Where the log stands behind all that has been taken in.
    pub(super) taken_in: u64,
}

impl Assembly {
    /// One that goes on behind a place of a server's log.
    pub(super) fn after(system: u64, taken_in: u64) -> Assembly {
        Assembly { system, taken_in, ..Assembly::default() }
    }

    /// Takes note of a change at `lsn` that came through a partition.
    pub(super) fn change(
        &mut self,
        mark: TransactionMark,
        lsn: u64,
        table: &TableName,
        (partition, place): (usize, PulsarPlace),
    ) -> Verdict {
        // A number comes again after four billion transactions, and lies behind its last end then.
        if self.done.get(&mark.number).is_some_and(|end| lsn < *end) {
            return Verdict::Known;
        }
        let transaction = self.unfinished.entry(mark.number).or_default();
        if transaction.orders.is_empty() {
            // The number is the same whenever it is read; where its end lies is not known yet.
            (transaction.open, transaction.began) = (Open::at((self.system, mark.number)), lsn);
        }
        transaction.places.insert(partition, place);
        let newest = transaction.orders.entry(partition).or_default();
        if mark.order <= *newest {
            return Verdict::Repeated;
        }
        *newest = mark.order;
        *transaction.counts.entry(table.clone()).or_default() += 1;
        Verdict::New
    }

    /// A transaction that is not finished.
    pub(super) fn get(&mut self, number: u64) -> Option<&mut Unfinished> {
        self.unfinished.get_mut(&number)
    }

    /// Takes the end of a transaction.
    pub(super) fn end(
        &mut self,
        ended: Ended,
        (partition, place): (usize, PulsarPlace),
    ) -> EndVerdict {
        let Ended { number, lsn, .. } = ended;
        if lsn <= self.taken_in {
            self.forget(number);
            self.remember(number, lsn);
            return EndVerdict::Known;
        }
        match self.queue.back() {
            Some((newest, _)) if lsn > *newest => {}
            None => {}
            // It has come before.
            Some(_) if self.queue.iter().any(|known| *known == (lsn, number)) => {
                return EndVerdict::Known;
            }
            Some(_) => return EndVerdict::Disordered,
        }
        self.queue.push_back((lsn, number));
        let transaction = self.unfinished.entry(number).or_default();
        transaction.places.insert(partition, place);
        transaction.ended = Some(ended);
        EndVerdict::New
    }

    /// The transaction that is to be taken in next, if all of it has come; else what is lacking of it.
    pub(super) fn next(
        &self,
        is_mapped: impl Fn(&TableName) -> bool,
    ) -> Option<Result<u64, Lacking>> {
        let (_, number) = self.queue.front()?;
        let transaction = self.unfinished.get(number)?;
        let counted = transaction.ended.as_ref()?.changes.iter();
        let lacking = counted.filter(|(table, _)| is_mapped(table)).find_map(|(table, counted)| {
            let come = transaction.counts.get(table).copied().unwrap_or(0);
            let (number, table, counted) = (*number, table.clone(), *counted);
            (come < counted).then_some(Lacking { number, table, come, counted })
        });
        Some(lacking.map_or(Ok(*number), Err))
    }

    /// The transaction that is next, if one has ended.
    pub(super) fn first(&self) -> Option<&Unfinished> {
        let (_, number) = self.queue.front()?;
        self.unfinished.get(number)
    }

    /// Where the next began, if it is the first of its engine.
    pub(super) fn first_began(&self) -> Option<u64> {
        self.first().filter(|first| first.is_first).map(|first| first.began)
    }

    /// When the transaction ended that is next, if one has.
    pub(super) fn oldest(&self) -> Option<&Ended> {
        self.first()?.ended.as_ref()
    }

    /// Takes the next transaction out: it is taken in from now on.
    pub(super) fn take(&mut self) -> Option<(Ended, Unfinished)> {
        let (lsn, number) = self.queue.pop_front()?;
        let mut transaction = self.unfinished.remove(&number)?;
        self.taken_in = self.taken_in.max(lsn);
        self.remember(number, lsn);
        Some((transaction.ended.take()?, transaction))
    }

    fn remember(&mut self, number: u64, lsn: u64) {
        let known = self.done.insert(number, lsn);
        if known != Some(lsn) {
            self.done_in_order.push_back((number, lsn));
        }
        if self.done_in_order.len() > REMEMBERED
            && let Some((number, lsn)) = self.done_in_order.pop_front()
            && self.done.get(&number) == Some(&lsn)
        {
            self.done.remove(&number);
        }
    }

    /// What is known of a transaction that has been taken in: where it ended.
    pub(super) fn end_of(&self, number: u64) -> Option<u64> {
        self.done.get(&number).copied()
    }

    pub(super) fn is_waiting(&self, number: u64) -> bool {
        self.unfinished.contains_key(&number)
    }

    /// Drops a transaction that has not ended.
    pub(super) fn forget(&mut self, number: u64) -> Option<Unfinished> {
        let is_ended = self.unfinished.get(&number)?.ended.is_some();
        if is_ended { None } else { self.unfinished.remove(&number) }
    }

    /// Whether something waits that lies before a place of the log.
    pub(super) fn holds_before(&self, lsn: u64) -> bool {
        self.unfinished.values().any(|transaction| transaction.lies_before(lsn))
    }

    /// Drops all that waits and lies before a place of the log; how many.
    pub(super) fn supersede(&mut self, lsn: u64) -> usize {
        let before = self.unfinished.len();
        self.unfinished.retain(|_, transaction| !transaction.lies_before(lsn));
        let left = &self.unfinished;
        self.queue.retain(|(_, number)| left.contains_key(number));
        before - self.unfinished.len()
    }

    /// Rows held in memory.
    pub(super) fn held(&self) -> usize {
        self.unfinished.values().map(Unfinished::held).sum()
    }

    /// A partition is another topic's now: places in it say nothing.
    pub(super) fn lose(&mut self, partition: usize) {
        for transaction in self.unfinished.values_mut() {
            transaction.places.remove(&partition);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unfinished.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.unfinished.len()
    }
}

#[cfg(test)]
#[path = "assembly/tests.rs"]
mod tests;
