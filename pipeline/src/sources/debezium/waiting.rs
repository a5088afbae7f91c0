//! What waits: for its other changes, for what lies before it, or to be durable.

use std::collections::BTreeSet;

use smartpulse_connectors::TableName;
use smartpulse_serve::attached::Standing;
use tracing::warn;

use super::assembly::{Assembly, Lacking};
use super::follower::{Follower, Joined, Passed};
use super::ledger::Of;
use super::partition::{Mail, What};

/// Looks after which it is said that changes of a transaction do not come, and after which rows that are read as they
/// are take their place: they come behind them.
const PATIENCE: u32 = 50;

impl Follower {
    /// Lets partitions read, or not: where much waits already, only what the next transaction lacks is read.
    pub(super) fn allow(&mut self) {
        let is_much = self.held >= self.intake.rows_at_most;
        let lacking = self.lacking.as_ref().map(|(lacking, _)| &lacking.table);
        for joined in self.partitions.values() {
            let is_needed = joined.table.as_ref().is_none_or(|table| Some(table) == lacking);
            let may_read = joined.stalled.is_empty() && (!is_much || is_needed);
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

    /// Whether every topic has been found, and all of it read after that look.
    pub(super) fn is_all_read(&self, look: u64) -> bool {
        let found: BTreeSet<Option<&TableName>> =
            self.partitions.values().map(|joined| joined.table.as_ref()).collect();
        let mut mapped = self.intake.mapping.tables.iter().map(|mapped| Some(&mapped.table));
        mapped.all(|table| found.contains(&table))
            && found.contains(&None)
            && self.partitions.values().all(|it| it.at_end >= look && it.stalled.is_empty())
    }

    /// Lets go what is settled, and looks after what waits.
    pub(super) async fn settle(&mut self) -> Passed {
        self.pass_pieces_on_if_idle().await?;
        self.advance().await?;
        if let Some((_, times)) = &mut self.lacking {
            *times += 1;
        }
        if self.assembly.is_empty() && self.intake.window.is_empty() {
            self.intake.window.reached(self.assembly.taken_in);
        }
        let Follower { partitions, assembly, intake, pieces, .. } = self;
        let settled = intake.window.settled();
        let is_settled = |assembly: &Assembly, of| match of {
            Of::Nothing => true,
            Of::Piece(number) => number <= pieces.settled,
            Of::Transaction(number) if assembly.is_waiting(number) => false,
            Of::Transaction(number) => assembly.end_of(number).is_none_or(|end| end <= settled),
        };
        for joined in partitions.values_mut() {
            while let Some(number) = joined.ledger.passed_over(|of| is_settled(assembly, of)) {
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
        self.resume().await
    }

    /// Goes on with rows that waited for what lies before them.
    async fn resume(&mut self) -> Passed {
        let stalled = |joined: &Joined| joined.stalled.front().map(first_lsn);
        let Some(lsn) = self.partitions.values().filter_map(stalled).max() else {
            self.stalled_for = 0;
            return Ok(());
        };
        self.stalled_for += 1;
        if self.assembly.holds_before(lsn) && self.stalled_for > PATIENCE {
            // What they say is as of later: of what does not come, nothing is missing then.
            let dropped = self.assembly.supersede(lsn);
            (self.held, self.lacking) = (self.assembly.held(), None);
            if dropped > 0 {
                warn!(source = %self.intake.source, transactions = dropped,
                    "transactions that have not come whole are taken over by the tables as they are read anew");
            }
        }
        if self.assembly.holds_before(lsn) {
            return Ok(());
        }
        self.stalled_for = 0;
        let waiting: Vec<usize> = self.partitions.keys().copied().collect();
        for partition in waiting {
            let Some(joined) = self.partitions.get_mut(&partition) else { continue };
            let mut stalled = std::mem::take(&mut joined.stalled);
            while let Some(mail) = stalled.pop_front() {
                self.message(partition, mail).await?;
                if let Some(joined) = self.partitions.get_mut(&partition)
                    && !joined.stalled.is_empty()
                {
                    joined.stalled.append(&mut stalled);
                }
            }
        }
        self.allow();
        Ok(())
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
            None if self.pieces.is_open && self.pieces.lsn > 0 => Standing::Filling,
            None => Standing::Following,
        };
        self.intake.counted.waiting = self.assembly.oldest().map(|ended| ended.committed);
        self.intake.stands(standing);
    }
}

/// Where in the log a row is that waits.
fn first_lsn(mail: &Mail) -> u64 {
    match &mail.what {
        What::Change(change, _) => change.lsn,
        _ => 0,
    }
}
