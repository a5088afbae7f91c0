//! What a stream tells of a snapshot or of the way from one to another: groups in, events out, piece by
//! piece, so that a large one is never in memory as text.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::cause::Cause;
use smartpulse_operators::time::Period;
use uuid::Uuid;

use super::groups::{self, Group};
use super::rows::{differences, rows};
use super::selection::{Selection, View};
use super::text::{RowText, Tails};
use crate::ring::Turn;
use crate::snapshot::Snapshot;

/// Text after which an event ends and another begins.
const EVENT_BYTES: usize = 32 << 10;

/// Events of a snapshot, or of a delta that leads to it.
pub(crate) struct Picture {
    selection: Arc<Selection>,
    incarnation: Uuid,
    before: Option<Arc<Snapshot>>,
    after: Arc<Snapshot>,
    /// More than one epoch is told as one.
    is_folded: bool,
    groups: std::collections::btree_map::IntoIter<Group, Vec<Cause>>,
    /// The first group of the next event.
    next: Option<(Group, Vec<Cause>)>,
    /// An event that may turn out to be the last.
    finished: Option<String>,
    is_done: bool,
    tails: Tails,
}

impl Picture {
    /// All that `selection` shows at `snapshot`.
    pub(crate) fn of_snapshot(
        selection: &Arc<Selection>,
        incarnation: Uuid,
        snapshot: &Arc<Snapshot>,
    ) -> Picture {
        let groups = groups::all(selection, snapshot);
        Picture::new(selection, incarnation, None, snapshot, groups)
    }

    /// What `turns`, which lead on from `before`, changed of it. There is at least one turn.
    pub(crate) fn of_turns(
        selection: &Arc<Selection>,
        incarnation: Uuid,
        before: &Arc<Snapshot>,
        turns: &[Arc<Turn>],
    ) -> Picture {
        let touched = groups::touched(selection, before, turns);
        let after = turns.last().map_or(before, |turn| &turn.snapshot);
        let mut picture =
            Picture::new(selection, incarnation, Some(Arc::clone(before)), after, touched);
        picture.is_folded = turns.len() > 1;
        picture
    }

    fn new(
        selection: &Arc<Selection>,
        incarnation: Uuid,
        before: Option<Arc<Snapshot>>,
        after: &Arc<Snapshot>,
        groups: groups::Touched,
    ) -> Picture {
        Picture {
            selection: Arc::clone(selection),
            incarnation,
            before,
            after: Arc::clone(after),
            is_folded: false,
            groups: groups.into_iter(),
            next: None,
            finished: None,
            is_done: false,
            tails: Tails::default(),
        }
    }

    /// The epoch to which it leads.
    pub(crate) fn epoch(&self) -> Epoch {
        self.after.epoch
    }

    /// The next events; none when all is told. A delta in which nothing changed tells nothing.
    pub(crate) fn next_piece(&mut self) -> Option<Bytes> {
        loop {
            if self.is_done {
                return None;
            }
            if self.before.is_none() && self.finished.is_none() {
                self.finished = Some(self.beginning());
            }
            let event = self.event();
            let ready = match event {
                Some(event) => self.finished.replace(event),
                None => {
                    self.is_done = true;
                    self.ending()
                }
            };
            if let Some(text) = ready {
                return Some(Bytes::from(text));
            }
        }
    }

    /// Everything at once: for what is kept and sent to many.
    pub(crate) fn into_bytes(mut self) -> Bytes {
        let mut all = Vec::new();
        while let Some(piece) = self.next_piece() {
            all.extend_from_slice(&piece);
        }
        // What waits is counted by its length.
        Bytes::from(all.into_boxed_slice())
    }

    fn beginning(&self) -> String {
        let Snapshot { epoch, clock, .. } = &*self.after;
        let (epoch, incarnation) = (epoch.0, self.incarnation);
        format!(
            "event: snapshot-begin\ndata: {{\"epoch\":{epoch},\"incarnation\":\"{incarnation}\",\"clock\":\"{clock}\"}}\n\n"
        )
    }

    /// The event that waits, as the last one: it carries the id.
    fn ending(&mut self) -> Option<String> {
        let last = self.finished.take()?;
        let id = token(self.incarnation, self.after.epoch);
        if self.before.is_some() {
            return Some(format!("id: {id}\n{last}"));
        }
        let Snapshot { epoch, clock, .. } = &*self.after;
        let end = format!(
            "event: snapshot-end\nid: {id}\ndata: {{\"epoch\":{},\"clock\":\"{clock}\"}}\n\n",
            epoch.0
        );
        Some(last + &end)
    }

    /// The next event that tells a row of one view; none when no group is left.
    fn event(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut of_view: Option<View> = None;
        loop {
            let next = self.next.take().or_else(|| self.groups.next());
            let Some((group, causes)) = next else { break };
            let view = group.view();
            if text.len() >= EVENT_BYTES || of_view.is_some_and(|before| before != view) {
                self.next = Some((group, causes));
                break;
            }
            let begun = text.len();
            if text.is_empty() {
                self.head(view, &mut text);
            }
            let before = text.len();
            self.group(&group, &causes, &mut text);
            if text.len() == before {
                text.truncate(begun);
            } else {
                of_view = Some(view);
            }
        }
        if text.is_empty() {
            return None;
        }
        // Rows end with a comma each.
        text.pop();
        text.push_str("]}\n\n");
        Some(text)
    }

    fn head(&self, view: View, text: &mut String) {
        let (event, list) =
            if self.before.is_some() { ("delta", "deltas") } else { ("rows", "rows") };
        let _ = write!(text, "event: {event}\ndata: {{\"epoch\":{}", self.after.epoch.0);
        if let Some(before) = self.before.as_ref().filter(|_| self.is_folded) {
            let _ = write!(text, ",\"fromEpoch\":{}", before.epoch.0);
        }
        let _ = write!(text, ",\"view\":\"{}\",\"{list}\":[", view.word());
    }

    /// The rows of a group that there are, or that differ.
    fn group(&mut self, group: &Group, causes: &[Cause], text: &mut String) {
        let new = rows(&self.selection, &self.after, group);
        let old = self.before.as_ref().map(|before| rows(&self.selection, before, group));
        let causes = old.is_some().then_some(causes);
        let mut rows = RowText::of(group, causes, self.selection.measure, &mut self.tails);
        for (old, new) in differences(old.unwrap_or_default(), new) {
            rows.write(old.as_ref(), new.as_ref(), text);
        }
    }
}

/// The token of an epoch.
pub(crate) fn token(incarnation: Uuid, epoch: Epoch) -> String {
    format!("{incarnation}.{}", epoch.0)
}

/// The most rows that `selection` shows at `snapshot`.
pub(crate) fn most_rows(selection: &Selection, snapshot: &Snapshot) -> u64 {
    let slots = |period: Period| selection.period.unwrap_or(period).slots() as u64;
    let of_group = |group: &Group| match group {
        Group::Day { unit, kind, provider, .. } => {
            let series = snapshot.series_of(*unit, *kind, provider);
            series.iter().map(|(_, stored)| slots(stored.period)).sum()
        }
        // The grid of a total is known only when it is read: quarter hours stand for it.
        Group::Total { .. } => selection.period.map_or(96, |period| period.slots() as u64),
        Group::Unit(_) => 1,
    };
    groups::all(selection, snapshot).keys().map(of_group).sum()
}
