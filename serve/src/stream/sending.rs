//! What an epoch changed, subject by subject, as columns: for whoever sends it on to another system.
//! An epoch gives the same parcels whenever it is told, also after a recovery: they follow from it alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use smartpulse_operators::batch::Epoch;
use smartpulse_operators::cause::Cause;
use smartpulse_operators::quantity::Measure;
use smartpulse_operators::series::Kind;
use smartpulse_operators::time::Instant;
use smartpulse_operators::totals::TotalKey;
use uuid::Uuid;

use super::columns::{self, Columns};
use super::groups::{self, Group, Touched};
use super::rows::{differences, rows};
use super::selection::{Selection, View};
use crate::read_model::ReadModel;
use crate::snapshot::Snapshot;
use crate::window::Window;

/// Text after which a parcel ends and the next of its subject begins: far below what brokers take as one message.
const PARCEL_BYTES: usize = 256 << 10;

/// What one epoch changed of one subject in one view, or what of it there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The subject: `PP:17`, or `company:4` of a total.
    pub key: String,
    /// The view's word.
    pub view: &'static str,
    /// JSON: `incarnation`, `epoch`, `clock`, `view`, and `deltas` or `rows` as columns: of each series and day
    /// the `slots` with their values in MW before (`old`) and after (`new`), null where there is none, and the place
    /// of the row shown among `batches`; of a total members, reporting and coverage; of a unit its master data.
    pub body: String,
}

/// What comes after an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing yet.
    Nothing,
    /// The next epoch, its clock and what it changed; no parcel where that is nothing of the views.
    Epoch(Epoch, Instant, Vec<Parcel>),
    /// Epochs between are no longer retained.
    Lost,
}

/// Tells what changes in some views, of all units and all days.
#[derive(Clone, Debug)]
pub struct Sending {
    selection: Arc<Selection>,
}

impl Sending {
    /// Of the views of these words: `latest`, `actuals`, `totals`, `units`; none where a word is another.
    #[must_use]
    pub fn of<'w>(words: impl IntoIterator<Item = &'w str>) -> Option<Sending> {
        let view = |word: &str| View::ALL.into_iter().find(|view| view.word() == word);
        let views: BTreeSet<View> = words.into_iter().map(view).collect::<Option<_>>()?;
        let selection = Selection {
            views,
            providers: BTreeSet::new(),
            unit_types: BTreeSet::new(),
            unit_nos: BTreeSet::new(),
            dimensions: BTreeSet::new(),
            totals: None,
            kinds: BTreeSet::from([Kind::Forecast, Kind::Actual]),
            window: Window::EVER,
            period: None,
            measure: Measure::default(),
            completeness: None,
        };
        Some(Sending { selection: Arc::new(selection) })
    }

    /// What comes after the epoch `after`.
    #[must_use]
    pub fn after(&self, read_model: &ReadModel, after: Epoch) -> Next {
        if read_model.newest_epoch() == after {
            return Next::Nothing;
        }
        let Some(epoch) = read_model.next_after(after) else { return Next::Lost };
        let Some((before, turns)) = read_model.between(after, epoch) else { return Next::Lost };
        let touched = groups::touched(&self.selection, &before, &turns);
        let Some(snapshot) = turns.last().map(|turn| &turn.snapshot) else { return Next::Nothing };
        let clock = snapshot.clock;
        let writer = Writer::new(self, read_model.incarnation(), Some(before), snapshot);
        Next::Epoch(epoch, clock, Parcels { writer, groups: touched.into_iter() }.collect())
    }

    /// Everything there is at `snapshot`, parcel by parcel.
    #[must_use]
    pub fn whole(&self, incarnation: Uuid, snapshot: &Arc<Snapshot>) -> Parcels {
        let groups = everything(&self.selection, snapshot).into_iter();
        Parcels { writer: Writer::new(self, incarnation, None, snapshot), groups }
    }
}

/// Every group of which there is something, whatever its day.
fn everything(selection: &Selection, snapshot: &Snapshot) -> Touched {
    let mut groups = Touched::new();
    let by_id = snapshot.directory.by_id.pin();
    snapshot.for_each_block(|(id, day), _| {
        let Some(series) = by_id.get(&id) else { return };
        if let Some(view) = selection.view_of(series) {
            let (unit, kind, provider) = (series.unit, series.kind, series.provider.clone());
            groups.insert(Group::Day { view, unit, kind, provider, day }, Vec::new());
        }
    });
    if selection.has(View::Totals) {
        snapshot.for_each_sums(|key, _| {
            let TotalKey { total, kind, provider, day } = key.clone();
            groups.insert(Group::Total { total, kind, provider, day }, Vec::new());
        });
    }
    if selection.has(View::Units) {
        groups.extend(snapshot.reference.units().map(|unit| (Group::Unit(unit), Vec::new())));
    }
    groups
}

/// Parcels, made one after another.
pub struct Parcels {
    writer: Writer,
    groups: std::collections::btree_map::IntoIter<Group, Vec<Cause>>,
}

impl Iterator for Parcels {
    type Item = Parcel;

    fn next(&mut self) -> Option<Parcel> {
        for (group, causes) in self.groups.by_ref() {
            let ended = self.writer.tell(&group, &causes);
            if ended.is_some() {
                return ended;
            }
        }
        self.writer.end()
    }
}

/// Writes the parcels of an epoch or of a snapshot; groups come in order, so a subject's are neighbours.
struct Writer {
    selection: Arc<Selection>,
    before: Option<Arc<Snapshot>>,
    after: Arc<Snapshot>,
    incarnation: Uuid,
    columns: Columns,
    /// What is written of one group.
    text: String,
    open: Option<Parcel>,
}

impl Writer {
    fn new(
        sending: &Sending,
        incarnation: Uuid,
        before: Option<Arc<Snapshot>>,
        after: &Arc<Snapshot>,
    ) -> Writer {
        let (selection, after) = (Arc::clone(&sending.selection), Arc::clone(after));
        let (columns, text) = (Columns::default(), String::new());
        Writer { selection, before, after, incarnation, columns, text, open: None }
    }

    /// Writes what differs of a group; gives the parcel that it does not belong to.
    fn tell(&mut self, group: &Group, causes: &[Cause]) -> Option<Parcel> {
        self.text.clear();
        let told = self.before.is_some().then_some(causes);
        let differing = |writer: &Writer| {
            let old = writer.before.as_ref().map(|it| rows(&writer.selection, it, group));
            differences(old.unwrap_or_default(), rows(&writer.selection, &writer.after, group))
        };
        match group {
            Group::Day { .. } => {
                let (before, text) = (self.before.as_deref(), &mut self.text);
                self.columns.day((group, causes), before, &self.after, text);
            }
            Group::Total { .. } => columns::total(group, told, &differing(self), &mut self.text),
            Group::Unit(_) => {
                for (old, new) in differing(self) {
                    columns::unit(group, told, (old.as_ref(), new.as_ref()), &mut self.text);
                }
            }
        }
        if self.text.is_empty() {
            return None;
        }
        let (view, key) = (group.view().word(), key(group));
        let fits =
            |open: &Parcel| open.view == view && open.key == key && open.body.len() < PARCEL_BYTES;
        let ended = if self.open.as_ref().is_some_and(fits) { None } else { self.end() };
        if self.open.is_none() {
            self.open = Some(Parcel { key, view, body: self.head(view) });
        }
        self.open.as_mut()?.body.push_str(&self.text);
        ended
    }

    fn head(&self, view: &str) -> String {
        let Snapshot { epoch, clock, .. } = &*self.after;
        let list = if self.before.is_some() { "deltas" } else { "rows" };
        let (incarnation, epoch) = (self.incarnation, epoch.0);
        format!(
            "{{\"incarnation\":\"{incarnation}\",\"epoch\":{epoch},\"clock\":\"{clock}\",\"view\":\"{view}\",\"{list}\":["
        )
    }

    /// Ends the parcel that is open.
    fn end(&mut self) -> Option<Parcel> {
        let mut parcel = self.open.take()?;
        // Rows end with a comma each.
        parcel.body.pop();
        parcel.body.push_str("]}");
        Some(parcel)
    }
}

fn key(group: &Group) -> String {
    match group {
        Group::Day { unit, .. } | Group::Unit(unit) => {
            format!("{}:{}", unit.unit_type.word(), unit.unit_no)
        }
        Group::Total { total, .. } => format!("{}:{}", total.dimension(), total.key()),
    }
}
