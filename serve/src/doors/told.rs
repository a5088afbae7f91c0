//! The days of a subject as a read sees them: live blocks, or what history tells of them, folded at the
//! reference of each slot.

use std::collections::BTreeMap;
use std::sync::Arc;

use smartpulse_operators::block::{DayBlock, DayState};
use smartpulse_operators::chunk::Revision;
use smartpulse_operators::resolve::{Resolved, resolve_day};
use smartpulse_operators::series::{Series, SeriesId};
use smartpulse_operators::time::{Day, Instant};

use super::axes::Axes;
use super::desk::Desk;
use super::refusal::Refusal;
use crate::command::Told;
use crate::snapshot::Snapshot;

/// The days of series of one subject.
pub(crate) struct ToldDays {
    /// By day, one element a series.
    days: BTreeMap<Day, Vec<ToldDay>>,
}

/// A day of a series.
pub(crate) struct ToldDay {
    pub(crate) series: Arc<Series>,
    content: Content,
    /// How many revisions `state` is folded from; none: not folded yet.
    folded: Option<usize>,
    state: DayState,
}

enum Content {
    Live(Arc<DayBlock>),
    /// Revisions that stand, in their order.
    History(Vec<Revision>),
}

impl ToldDays {
    /// What is known of `series` on `days` at `snapshot`; from history where `axes` are not the newest.
    pub(crate) async fn load(
        desk: &Desk,
        snapshot: &Snapshot,
        series: &[(SeriesId, Arc<Series>)],
        days: impl Iterator<Item = Day>,
        axes: &Axes,
    ) -> Result<ToldDays, Refusal> {
        let mut told: BTreeMap<Day, Vec<ToldDay>> = BTreeMap::new();
        let mut asked = Vec::new();
        for day in days {
            for (id, named) in series {
                if axes.is_live() {
                    if let Some(block) = snapshot.block(*id, day) {
                        desk.meters.visited_block();
                        let content = Content::Live(Arc::clone(block));
                        told.entry(day).or_default().push(ToldDay::new(named, content));
                    }
                } else {
                    asked.push(((*id, day), Arc::clone(named)));
                }
            }
        }
        let answers = match axes.is_live() {
            true => Vec::new(),
            false => desk.revisions(asked.iter().map(|(day, _)| *day).collect()).await?,
        };
        for (((_, day), named), revisions) in asked.into_iter().zip(answers) {
            desk.meters.visited_block();
            let standing = standing(snapshot, axes, revisions);
            let standing: Vec<Revision> = standing.map(|told| told.revision).collect();
            if !standing.is_empty() {
                let content = Content::History(standing);
                told.entry(day).or_default().push(ToldDay::new(&named, content));
            }
        }
        Ok(ToldDays { days: told })
    }

    /// All days, ascending.
    pub(crate) fn days(&mut self) -> impl Iterator<Item = (Day, &mut Vec<ToldDay>)> {
        self.days.iter_mut().map(|(day, parts)| (*day, parts))
    }

    /// What holds on `day` at `reference`, whatever the periods.
    pub(crate) fn resolved(&mut self, day: Day, reference: Instant) -> Option<Resolved> {
        let parts = self.days.get_mut(&day)?;
        resolve_day(parts.iter_mut().map(|part| part.at(reference)))
    }
}

impl ToldDay {
    fn new(series: &Arc<Series>, content: Content) -> ToldDay {
        let series = Arc::clone(series);
        ToldDay { series, content, folded: None, state: DayState::default() }
    }

    /// The state of the day at `reference`; a live one is that at the clock.
    pub(crate) fn at(&mut self, reference: Instant) -> &DayState {
        let counting = match &self.content {
            Content::Live(_) => 0,
            Content::History(all) => all.partition_point(|it| it.batch.valid_after <= reference),
        };
        if self.folded != Some(counting) {
            self.folded = Some(counting);
            match &self.content {
                Content::Live(block) => block.load(&mut self.state),
                Content::History(all) => {
                    self.state = DayState::fold(self.series.period.slots(), &all[..counting]);
                }
            }
        }
        &self.state
    }
}

/// The revisions that stand at `snapshot`, as known on `axes`.
pub(crate) fn standing<'s>(
    snapshot: &'s Snapshot,
    axes: &'s Axes,
    told: Vec<Told>,
) -> impl Iterator<Item = Told> + 's {
    told.into_iter().filter(move |told| {
        let batch = &told.revision.batch;
        let withdrawn = snapshot.withdrawn_at(batch.sequence);
        // The store may be ahead of the epoch that is shown.
        batch.sequence.0 <= snapshot.figures.batches
            && axes.knows(batch.recorded)
            && !withdrawn.is_some_and(|instant| axes.knows(instant))
    })
}
