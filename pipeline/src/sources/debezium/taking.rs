//! What is taken in: transactions that are whole, with the places of the partitions they came through.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartpulse_connectors::Ended;
use smartpulse_operators::offset::{Offset, Place, PostgresPlace, PulsarPlace};

use super::super::tables::Intake;
use super::super::tables::kept::{Followed, Keeper};
use super::super::tables::whole::Open;
use super::assembly::{Kept, KeptChange, Unfinished};
use super::follower::{Follower, Passed};
use super::rows::Saying;

impl Follower {
    pub(super) async fn take_in(&mut self, ended: &Ended, transaction: Unfinished) -> Passed {
        let Unfinished { open, mut kept, places, .. } = transaction;
        // Tables may have been read as of later: the place of the database stays there.
        let known = self.intake.place.filter(|place| !place.is_reading);
        let place = self.place(ended.lsn.max(known.map_or(0, |place| place.lsn)), false);
        self.unremembered.extend(&places);
        let mut beside = self.beside(&self.unremembered);
        beside.push(self.stream_offset(ended.lsn));
        kept.sort_by_key(|kept| kept.order);
        let take_kept = |keeper: &mut Keeper, into: &mut Followed| take_kept(&kept, keeper, into);
        let sent = self.intake.counted.transactions;
        if ended.lsn <= self.compared_up_to || ended.committed <= self.compared_until {
            self.intake.commit_compared(open, (place, beside), ended.committed, take_kept).await?;
        } else {
            self.intake.commit(open, (place, beside), ended.committed, take_kept).await?;
        }
        self.stream = ended.lsn;
        self.taken_in(&places);
        if self.intake.counted.transactions > sent {
            self.unremembered.clear();
        }
        Ok(())
    }

    /// Under which it is remembered how far transactions that came have been taken in.
    pub(super) fn stream_name(&self) -> String {
        format!("debezium {} stream", self.settings.name)
    }

    /// Under which it is remembered until when transactions are compared, in microseconds since 1970.
    pub(super) fn until_name(&self) -> String {
        format!("debezium {} compared until", self.settings.name)
    }

    /// Until when transactions are compared, to be remembered.
    pub(super) fn until_offset(&self) -> Offset {
        let micros = u64::try_from(self.compared_until.0).unwrap_or(0);
        let place = Place::Postgres(self.place(micros, false));
        Offset { source: self.until_name().into(), place }
    }

    /// How far transactions that came have been taken in, to be remembered.
    pub(super) fn stream_offset(&self, lsn: u64) -> Offset {
        let place = Place::Postgres(self.place(lsn, false));
        Offset { source: self.stream_name().into(), place }
    }

    /// A place of the log.
    pub(super) fn place(&self, lsn: u64, is_reading: bool) -> PostgresPlace {
        PostgresPlace { system: self.settings.system.unwrap_or(0), lsn, is_reading }
    }

    /// Places of partitions up to which everything is taken in, to be remembered.
    pub(super) fn beside(&self, places: &BTreeMap<usize, PulsarPlace>) -> Vec<Offset> {
        let offset = |(partition, place): (&usize, &PulsarPlace)| {
            let source = Arc::clone(&self.partitions.get(partition)?.offset);
            Some(Offset { source, place: Place::Pulsar(*place) })
        };
        places.iter().filter_map(offset).collect()
    }

    /// Everything up to those places has been handed on.
    pub(super) fn taken_in(&mut self, places: &BTreeMap<usize, PulsarPlace>) {
        for (partition, place) in places {
            if let Some(joined) = self.partitions.get_mut(partition) {
                joined.taken_in = Some(*place);
            }
        }
    }
}

/// Takes what a change says into its transaction.
pub(super) fn take(
    intake: &mut Intake,
    said: Saying,
    order: u64,
    open: &mut Open,
    kept: &mut Vec<Kept>,
) -> Passed {
    let (learned, said) = match said {
        Saying::Row(learned, old, new) => {
            let tuples = (old.as_ref().map(|row| row.tuple()), new.as_ref().map(|row| row.tuple()));
            intake.change(&learned, (tuples.0.as_ref(), tuples.1.as_ref()), order, open)?;
            (learned, KeptChange::Row(old, new))
        }
        Saying::Empty(learned) => {
            intake.empty(&learned, order, open)?;
            (learned, KeptChange::Empty)
        }
        Saying::Half(..) | Saying::Nothing => return Ok(()),
    };
    if learned.is_kept {
        kept.push(Kept { order, learned, said });
    }
    Ok(())
}

/// Takes rows of master data in.
pub(super) fn take_kept(kept: &[Kept], keeper: &mut Keeper, into: &mut Followed) -> Passed {
    for Kept { learned, said, .. } in kept {
        let table = &learned.table;
        match said {
            KeptChange::Row(old, new) => {
                keeper.identify(table, &learned.key, into);
                let old = old.as_ref().map(|row| row.tuple());
                let new = new.as_ref().map(|row| row.tuple());
                keeper.take(table, &learned.columns, old.as_deref(), new.as_deref(), into);
            }
            KeptChange::Empty => keeper.empty(table, into),
        }
    }
    Ok(())
}
