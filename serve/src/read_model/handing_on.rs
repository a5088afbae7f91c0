//! What changed, for whoever hands it on to another system: several epochs together where it is behind, or
//! all there is where it begins.

use std::collections::BTreeSet;
use std::sync::Arc;

use smartpulse_operators::batch::Epoch;
use smartpulse_operators::cause::Cause;
use smartpulse_operators::closed::ClosedEpoch;
use smartpulse_operators::totals::{TotalChanges, TotalKey};

use super::ReadModel;
use crate::causes;
use crate::ring::Turn;
use crate::snapshot::Snapshot;

impl ReadModel {
    /// All that changed after `after` up to `upto`, as one; none where the epochs between are no longer
    /// retained.
    #[must_use]
    pub fn since(&self, after: Epoch, upto: Epoch) -> Option<ClosedEpoch> {
        let (before, turns) = self.ring.between(after, upto)?;
        Some(together(&before, &turns))
    }
}

impl Snapshot {
    /// Everything there is at this epoch, as if all of it had changed.
    #[must_use]
    pub fn whole(&self) -> ClosedEpoch {
        let mut closed = ClosedEpoch { reference: Some(Arc::clone(&self.reference)), ..of(self) };
        closed.new_series = self.all_series_with_ids();
        self.for_each_block(|series_day, block| {
            closed.blocks.push((series_day, Arc::clone(block)));
        });
        closed.blocks.sort_unstable_by_key(|(series_day, _)| *series_day);
        let mut totals = TotalChanges::default();
        self.for_each_sums(|key, sums| totals.days.push((key.clone(), Some(Arc::clone(sums)))));
        totals.days.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let timelines = self.timelines.iter();
        totals.timelines =
            timelines.map(|(total, (line, _))| (total.clone(), Arc::clone(line))).collect();
        closed.totals.push(totals);
        closed.withdrawn = self.all_withdrawn().into_iter().collect();
        closed
    }
}

impl Snapshot {
    /// What of `whole` is not as it is here: what a replica that has read everything anew has to show.
    #[must_use]
    pub fn unlike(&self, whole: ClosedEpoch) -> ClosedEpoch {
        let mut closed = whole;
        closed.new_series.retain(|(id, _)| self.named(*id).is_none());
        closed.blocks.retain(|((id, day), block)| self.block(*id, *day) != Some(block));
        let mut totals = TotalChanges::default();
        for changes in closed.totals {
            totals.days.extend(changes.days);
            totals.timelines.extend(changes.timelines);
        }
        // What is there no more is not among what there is.
        let there: BTreeSet<&TotalKey> = totals.days.iter().map(|(key, _)| key).collect();
        let mut gone = Vec::new();
        self.for_each_sums(|key, _| {
            if !there.contains(key) {
                gone.push((key.clone(), None));
            }
        });
        gone.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        totals.days.retain(|(key, sums)| self.sums(key) != sums.as_ref());
        totals.days.extend(gone);
        totals.timelines.retain(|(total, timeline)| {
            self.timelines.get(total).is_none_or(|(known, _)| known != timeline)
        });
        closed.totals = vec![totals];
        closed.reference = closed.reference.filter(|said| **said != *self.reference);
        if let Some(said) = &closed.reference {
            // Whoever follows units hears of those that are another way now.
            let unlike = said.units_unlike(&self.reference).into_iter();
            closed.stated.extend(unlike.map(Cause::Unit));
        }
        let known = self.all_withdrawn();
        closed.withdrawn.retain(|(sequence, _)| !known.contains_key(sequence));
        closed
    }
}

/// An epoch of which nothing is told yet.
fn of(snapshot: &Snapshot) -> ClosedEpoch {
    ClosedEpoch::nothing(snapshot.epoch, snapshot.clock, (*snapshot.figures).clone())
}

/// What `turns`, which lead on from `before`, changed: of each thing touched, what it is after the last.
fn together(before: &Snapshot, turns: &[Arc<Turn>]) -> ClosedEpoch {
    let Some(last) = turns.last().map(|turn| &turn.snapshot) else { return of(before) };
    let mut closed = of(last);
    if !Arc::ptr_eq(&before.reference, &last.reference) {
        closed.reference = Some(Arc::clone(&last.reference));
    }
    let mut days = Vec::new();
    let (mut totals, mut members) = (Vec::new(), Vec::new());
    for touched in turns.iter().map(|turn| &turn.touched) {
        closed.new_series.extend(touched.named.iter().cloned());
        days.extend(touched.days.iter().map(|touched| ((touched.id, touched.day), touched)));
        totals.extend(&touched.totals);
        members.extend(&touched.members);
        closed.withdrawn.extend(&touched.withdrawn);
        closed.stated.extend(touched.stated.iter().cloned());
    }
    // Stable: the causes of a day stay in the order of the epochs.
    days.sort_by_key(|(series_day, _)| *series_day);
    for of_day in days.chunk_by(|(one, _), (other, _)| one == other) {
        let series_day = of_day[0].0;
        let mut own = Vec::new();
        for cause in of_day.iter().flat_map(|(_, touched)| &touched.causes) {
            causes::add(&mut own, cause);
        }
        closed.causes.extend(own.into_iter().map(|cause| (series_day, cause)));
        let block = last.block(series_day.0, series_day.1);
        closed.blocks.extend(block.map(|block| (series_day, Arc::clone(block))));
    }
    let mut changes = TotalChanges::default();
    totals.sort_unstable();
    totals.dedup();
    for key in totals {
        changes.days.push((key.clone(), last.sums(key).cloned()));
    }
    members.sort_unstable();
    members.dedup();
    for total in members {
        let timeline = last.timelines.get(total);
        changes.timelines.extend(timeline.map(|(line, _)| (total.clone(), Arc::clone(line))));
    }
    closed.totals.push(changes);
    closed
}
