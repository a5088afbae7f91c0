//! What waits: for its other changes, for what lies before it, or to be durable.

use std::collections::BTreeSet;

use smartpulse_connectors::TableName;
use smartpulse_serve::attached::Standing;
use tracing::warn;

use super::assembly::{Assembly, Lacking};
use super::follower::{Follower, Joined, PATIENCE, Passed};
use super::ledger::Of;

/// Looks between two places that are remembered of transactions that say nothing here.
const REMEMBERING: u32 = 10;

impl Follower {
    /// Lets partitions read, or not: where much waits already, only what the next transaction lacks is read, or what may
    /// hold rows that were read before it.
    pub(super) fn allow(&self) {
        let is_much = self.held >= self.intake.rows_at_most;
        let lacking = self.lacking.as_ref().map(|(lacking, _)| &lacking.table);
        let look = self.pieces.look.filter(|_| self.pieces.is_open);
        for joined in self.partitions.values() {
            let is_needed = joined.table.as_ref().is_none_or(|table| Some(table) == lacking)
                || look.is_some_and(|look| !self.is_through(joined, look));
            let may_read = !is_much || is_needed;
            joined.orders.send_if_modified(|orders| {
                let is_other = orders.may_read != may_read;
                orders.may_read = may_read;
                is_other
            });
        }
    }

    /// Asks all partitions whether they have been read to their ends; the number of the look.
    pub(super) fn look(&mut self) -> u64 {
        self.looks += 1;
        for joined in self.partitions.values() {
            joined.orders.send_modify(|orders| orders.look = self.looks);
        }
        self.looks
    }

    /// Whether every topic has been found, and all rows that were read as they were have been read in it.
    pub(super) fn is_all_read(&self, look: u64) -> bool {
        let found: BTreeSet<Option<&TableName>> =
            self.partitions.values().map(|joined| joined.table.as_ref()).collect();
        let mut mapped = self.intake.mapping.tables.iter().map(|mapped| Some(&mapped.table));
        mapped.all(|table| found.contains(&table))
            && self.partitions.values().all(|joined| self.is_through(joined, look))
    }

    /// Whether no row comes any more that was read as it was: a change of a later transaction has come through the same
    /// partition, or it has been read to where it ended when that was looked for.
    fn is_through(&self, joined: &Joined, look: u64) -> bool {
        let began = self.assembly.first().map(|first| (first.is_first, first.began));
        let later = match began {
            Some((is_first, began)) if began > 0 && (is_first || self.pieces.lsn == 0) => {
                self.pieces.lsn.max(began - 1)
            }
            _ if self.pieces.lsn > 0 => self.pieces.lsn,
            _ => u64::MAX,
        };
        let is_through = joined.at_end >= look || joined.passed > later;
        joined.table.is_none() || is_through
    }

    /// Lets go what is settled, and looks after what waits.
    pub(super) async fn settle(&mut self, ticks: u32) -> Passed {
        self.pass_pieces_on_if_idle().await?;
        self.held = self.assembly.held();
        self.advance().await?;
        self.quiet += 1;
        if let Some((_, times)) = &mut self.lacking {
            *times += 1;
        }
        if let Some(looks) = self.away.as_mut().filter(|looks| **looks > 0) {
            *looks += 1;
            if *looks == PATIENCE {
                // Another engine may read it now: the rest is left to whoever does.
                let tables = self.partitions.values().filter(|joined| joined.table.is_some());
                tables.for_each(|joined| joined.orders.send_modify(|orders| orders.round = 0));
            }
        }
        if self.assembly.is_empty() && self.intake.window.is_empty() {
            self.remember_nothing(ticks).await?;
        }
        self.give_up();
        self.acknowledge();
        Ok(())
    }

    /// Remembers now and then how far transactions have come that say nothing here: they are acknowledged then.
    async fn remember_nothing(&mut self, ticks: u32) -> Passed {
        let taken_in = self.assembly.taken_in;
        let is_behind = self.intake.place.is_some_and(|place| place.lsn < taken_in);
        if is_behind && !self.pieces.is_open && ticks.is_multiple_of(REMEMBERING) {
            let mut beside = self.beside(&self.unremembered);
            beside.push(self.stream_offset(taken_in));
            self.intake.remember_with((self.place(taken_in, false), beside)).await?;
            self.unremembered.clear();
        }
        Ok(())
    }

    /// Lets partitions acknowledge what is settled.
    fn acknowledge(&mut self) {
        let Follower { partitions, assembly, intake, pieces, .. } = self;
        let settled = intake.window.settled();
        let end_of = |assembly: &Assembly, number| {
            let end = assembly.end_of(number).filter(|_| !assembly.is_waiting(number));
            end.filter(|end| *end <= settled)
        };
        let is_settled = |assembly: &Assembly, of| match of {
            Of::Nothing => true,
            Of::Piece(number) => number <= pieces.settled,
            Of::Transaction(number) if assembly.is_waiting(number) => false,
            Of::Transaction(number) => assembly.end_of(number).is_none_or(|end| end <= settled),
        };
        for joined in partitions.values_mut() {
            while let Some(number) = joined.ledger.passed_over(|number| end_of(assembly, number)) {
                // It ended before what is behind it, and has been taken in: it came again.
                if assembly.forget(number).is_none() {
                    break;
                }
                intake.counted.repeated += 1;
            }
            if let Some(place) = joined.ledger.settle(|of| is_settled(assembly, of)) {
                joined.orders.send_modify(|orders| orders.settled = Some(place));
            }
        }
    }

    /// Gives transactions up of which changes do not come, where the tables have been read as of later since: nothing is
    /// missing then of what they said.
    fn give_up(&mut self) {
        let lsn = self.compared_up_to;
        let is_quiet = self.quiet > PATIENCE && self.troubles.is_empty() && !self.pieces.is_open;
        if !is_quiet || !self.assembly.holds_before(lsn) {
            return;
        }
        let dropped = self.assembly.supersede(lsn);
        (self.held, self.lacking) = (self.assembly.held(), None);
        warn!(source = %self.intake.source, transactions = dropped,
            "transactions that have not come whole are taken over by the tables as they were read since");
    }

    pub(super) fn show(&mut self) {
        let backlog = self.partitions.values().map(|joined| joined.backlog).sum();
        let tables = self.partitions.values().filter_map(|joined| joined.table.as_ref());
        self.intake.counted.tables = tables.collect::<BTreeSet<_>>().len() as u64;
        self.intake.counted.more = vec![
            ("backlog", backlog),
            ("partitions", self.partitions.len() as u64),
            ("waiting", self.assembly.len() as u64),
            ("deadLetters", self.letters),
        ];
        let late = self.lacking.as_ref().filter(|(_, times)| *times >= PATIENCE);
        let late = late.map(|(lacking, _)| {
            let Lacking { number, table, come, counted } = lacking;
            format!(
                "transaction {number}: {come} of {counted} changes of {table} have come; where the others are lost, let \
                 Debezium take a snapshot"
            )
        });
        let standing = match self.troubles.values().next().cloned().or(late) {
            Some(trouble) => Standing::Degraded(trouble),
            None if self.pieces.is_filling => Standing::Filling,
            None => Standing::Following,
        };
        self.intake.counted.waiting = self.assembly.oldest().map(|ended| ended.committed);
        self.intake.stands(standing);
    }
}
