//! `resolve`: what holds for a unit, provider and kind on a UTC day, whatever periods its series have.
//!
//! At every instant the newest revision that covers it wins, a null like a value; of one batch the finer
//! (contract section 2). The grid of the day is the greatest common divisor of the periods present: those of
//! series with any revision that counts. One period, the common case, passes through untouched.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;

use crate::batch::Batch;
use crate::block::{DayBlock, DayState, narrow, widen};
use crate::latest::{Decided, RestoredDay};
use crate::quantity::NULL;
use crate::series::{Subject, SubjectId};
use crate::time::{Day, Period};

/// Rows handed on together when a worker begins with days restored from a snapshot.
const RESTORED_ROWS: usize = 1_024;

/// The values of a day on the grid of the periods present; [`NULL`] where nothing holds. At least one
/// revision counts on such a day, be it a null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Every magnitude below 2^30.
    Narrow(Box<[i32]>),
    /// Anything else.
    Wide(Box<[i64]>),
}

/// The values of a resolved day, wherever they lie: one a slot of its grid.
#[derive(Clone, Copy, Debug)]
pub enum Values<'v> {
    /// `i32::MIN` for [`NULL`].
    Narrow(&'v [i32]),
    /// As they are.
    Wide(&'v [i64]),
}

/// A resolved day as the dataflow holds it: that of a subject with one series is the series' own block.
#[derive(Clone, Debug)]
pub enum ResolvedDay {
    /// Of the only series.
    Own(Arc<DayBlock>),
    /// Of several.
    Merged(Arc<Resolved>),
}

/// A day before and after a tick; none where no revision counts. The values may be equal.
#[derive(Clone, Debug)]
pub struct ResolvedChange {
    /// Whose day.
    pub subject: Arc<Subject>,
    /// The day.
    pub day: Day,
    /// Before.
    pub old: Option<ResolvedDay>,
    /// After.
    pub new: Option<ResolvedDay>,
}

/// Changes of resolved days. `restored` is the state of the worker's share that a snapshot holds: it is
/// handed on as news, for what is derived from it is not saved.
pub fn resolve<'s>(
    latest: Stream<'s, u64, Vec<Arc<Decided>>>,
    restored: Vec<RestoredDay>,
) -> Stream<'s, u64, Vec<Vec<ResolvedChange>>> {
    let mut restored = Some(restored);
    latest.unary::<CapacityContainerBuilder<Vec<Vec<ResolvedChange>>>, _, _, _>(
        Pipeline,
        "resolve",
        |_, _| {
            move |input, output| {
                input.for_each_stamp(|capability, data| {
                    let mut session = output.session(&capability);
                    if let Some(restored) = restored.take() {
                        let news = of_restored(restored);
                        news.chunks(RESTORED_ROWS).for_each(|rows| session.give(rows.to_vec()));
                    }
                    for decided in data.flat_map(|decided| decided.drain(..)) {
                        session.give(changes(&decided));
                    }
                });
            }
        },
    )
}

/// The day of one series, as the series of its subject are compared.
pub trait SeriesState {
    /// Number of slots.
    fn slots(&self) -> usize;
    /// The values of all slots.
    fn values(&self) -> Values<'_>;
    /// Batches that own a slot or a row shown.
    fn batches(&self) -> &[Arc<Batch>];
    /// Rank of the winner of a slot; 0: nothing covers it.
    fn winner(&self, slot: usize) -> usize;
}

impl SeriesState for DayState {
    fn slots(&self) -> usize {
        self.values.len()
    }

    fn values(&self) -> Values<'_> {
        Values::Wide(&self.values)
    }

    fn batches(&self) -> &[Arc<Batch>] {
        &self.batches
    }

    fn winner(&self, slot: usize) -> usize {
        self.winners[slot].into()
    }
}

impl SeriesState for DayBlock {
    fn slots(&self) -> usize {
        DayBlock::slots(self)
    }

    fn values(&self) -> Values<'_> {
        DayBlock::values(self)
    }

    fn batches(&self) -> &[Arc<Batch>] {
        DayBlock::batches(self)
    }

    fn winner(&self, slot: usize) -> usize {
        self.ranks(slot).0
    }
}

/// The day that series of one subject make; none where no revision counts.
#[must_use]
pub fn resolve_day<'d, S: SeriesState + ?Sized + 'd>(
    parts: impl IntoIterator<Item = &'d S>,
) -> Option<Resolved> {
    // A batch is listed only while it owns a slot or a row shown: a list without batches is a day that no
    // revision touches.
    let mut present: Vec<&S> =
        parts.into_iter().filter(|part| !part.batches().is_empty()).collect();
    if let [alone] = present[..] {
        return Some(Resolved::of(alone.values()));
    }
    // Finer ones first: of one batch they win.
    present.sort_by_key(|part| std::cmp::Reverse(part.slots()));
    let periods = present.iter().filter_map(|part| Period::of_slots(part.slots()));
    let grid = periods.reduce(Period::common)?;
    let winner = |slot: usize| {
        let mut best = None;
        for part in &present {
            let own = slot * part.slots() / grid.slots();
            let Some(rank) = part.winner(own).checked_sub(1) else { continue };
            let order = part.batches()[rank].order();
            if best.is_none_or(|(newest, _)| newest < order) {
                best = Some((order, part.values().at(own)));
            }
        }
        best.map_or(NULL, |(_, value)| value)
    };
    let values: Vec<i64> = (0..grid.slots()).map(winner).collect();
    Some(Resolved::pack(&values))
}

impl<'v> Values<'v> {
    /// The grid they stand on.
    #[must_use]
    pub fn grid(self) -> Period {
        let slots = match self {
            Values::Narrow(values) => values.len(),
            Values::Wide(values) => values.len(),
        };
        Period::of_slots(slots).unwrap_or(Period::MINUTE)
    }

    /// The value of a slot; [`NULL`] where nothing holds.
    #[must_use]
    pub fn at(self, slot: usize) -> i64 {
        match self {
            Values::Narrow(values) => widen(values[slot]),
            Values::Wide(values) => values[slot],
        }
    }
}

impl ResolvedDay {
    /// Its values.
    #[must_use]
    pub fn values(&self) -> Values<'_> {
        match self {
            ResolvedDay::Own(block) => block.values(),
            ResolvedDay::Merged(resolved) => resolved.values(),
        }
    }

    fn own(block: &Arc<DayBlock>) -> Option<ResolvedDay> {
        (!block.batches().is_empty()).then(|| ResolvedDay::Own(Arc::clone(block)))
    }

    fn merged<'d>(parts: impl IntoIterator<Item = &'d DayBlock>) -> Option<ResolvedDay> {
        resolve_day(parts).map(|resolved| ResolvedDay::Merged(Arc::new(resolved)))
    }
}

impl Resolved {
    /// Packs values as narrow as they fit; equal values pack equally.
    #[must_use]
    pub fn pack(values: &[i64]) -> Resolved {
        let narrowed: Option<Box<[i32]>> = values.iter().map(|value| narrow(*value)).collect();
        narrowed.map_or_else(|| Resolved::Wide(values.into()), Resolved::Narrow)
    }

    /// The same of values that may be packed already.
    fn of(values: Values<'_>) -> Resolved {
        match values {
            Values::Narrow(values) => Resolved::Narrow(values.into()),
            Values::Wide(values) => Resolved::pack(values),
        }
    }

    /// Its values.
    #[must_use]
    pub fn values(&self) -> Values<'_> {
        match self {
            Resolved::Narrow(values) => Values::Narrow(values),
            Resolved::Wide(values) => Values::Wide(values),
        }
    }

    /// Its grid.
    #[must_use]
    pub fn grid(&self) -> Period {
        self.values().grid()
    }

    /// The value of a slot of the grid; [`NULL`] where nothing holds.
    #[must_use]
    pub fn value(&self, slot: usize) -> i64 {
        self.values().at(slot)
    }
}

/// Blocks of the series of a day, before and after.
type BeforeAndAfter<'d> = Vec<(&'d DayBlock, &'d DayBlock)>;

fn changes(decided: &Decided) -> Vec<ResolvedChange> {
    let rows = &decided.deltas.rows;
    let mut changed = Vec::with_capacity(rows.len());
    changed.extend(rows.iter().filter(|row| row.is_alone).map(|row| ResolvedChange {
        subject: Arc::clone(&row.subject),
        day: row.series_day.1,
        old: ResolvedDay::own(&row.old),
        new: ResolvedDay::own(&row.new),
    }));
    let mut days: HashMap<(SubjectId, Day), usize, FixedState> = HashMap::default();
    let mut grouped: Vec<(&Arc<Subject>, Day, BeforeAndAfter<'_>)> = Vec::new();
    for part in decided.deltas.parts() {
        let place = *days.entry((part.subject.id, part.day)).or_insert(grouped.len());
        if place == grouped.len() {
            grouped.push((part.subject, part.day, Vec::new()));
        }
        grouped[place].2.push((part.old, part.new));
    }
    changed.extend(grouped.into_iter().map(|(subject, day, parts)| ResolvedChange {
        subject: Arc::clone(subject),
        day,
        old: ResolvedDay::merged(parts.iter().map(|(old, _)| *old)),
        new: ResolvedDay::merged(parts.iter().map(|(_, new)| *new)),
    }));
    changed
}

fn of_restored(mut restored: Vec<RestoredDay>) -> Vec<ResolvedChange> {
    let of_day = |day: &RestoredDay| (day.subject.id, day.series_day.1);
    restored.sort_by_key(of_day);
    // Days of one series may become days of several later; until then they are its blocks.
    let groups = restored.chunk_by(|one, two| of_day(one) == of_day(two));
    let news = groups.map(|group| {
        let new = match group {
            [only] => ResolvedDay::own(&only.block),
            several => ResolvedDay::merged(several.iter().map(|day| &*day.block)),
        };
        let RestoredDay { subject, series_day: (_, day), .. } = &group[0];
        ResolvedChange { subject: Arc::clone(subject), day: *day, old: None, new }
    });
    news.filter(|change| change.new.is_some()).collect()
}
