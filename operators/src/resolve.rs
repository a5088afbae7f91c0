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

use crate::block::{DayState, narrow, widen};
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

/// A day before and after a tick; none where no revision counts.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedChange {
    /// Whose day.
    pub subject: Arc<Subject>,
    /// The day.
    pub day: Day,
    /// Before.
    pub old: Option<Resolved>,
    /// After; never equal to before.
    pub new: Option<Resolved>,
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

/// The day that series of one subject make; none where no revision counts.
#[must_use]
pub fn resolve_day<'d>(parts: impl IntoIterator<Item = &'d DayState>) -> Option<Resolved> {
    // A batch is listed only while it owns a slot or a row shown: a list without batches is a day that no
    // revision touches.
    let mut present: Vec<&DayState> =
        parts.into_iter().filter(|part| !part.batches.is_empty()).collect();
    if let [alone] = present[..] {
        return Some(Resolved::pack(&alone.values));
    }
    // Finer ones first: of one batch they win.
    present.sort_by_key(|part| std::cmp::Reverse(part.values.len()));
    let periods = present.iter().filter_map(|part| Period::of_slots(part.values.len()));
    let grid = periods.reduce(Period::common)?;
    let winner = |slot: usize| {
        let mut best = None;
        for part in &present {
            let own = slot * part.values.len() / grid.slots();
            let Some(rank) = usize::from(part.winners[own]).checked_sub(1) else { continue };
            let order = part.batches[rank].order();
            if best.is_none_or(|(newest, _)| newest < order) {
                best = Some((order, part.values[own]));
            }
        }
        best.map_or(NULL, |(_, value)| value)
    };
    let values: Vec<i64> = (0..grid.slots()).map(winner).collect();
    Some(Resolved::pack(&values))
}

impl Resolved {
    /// Packs values as narrow as they fit; equal values pack equally.
    #[must_use]
    pub fn pack(values: &[i64]) -> Resolved {
        let narrowed: Option<Box<[i32]>> = values.iter().map(|value| narrow(*value)).collect();
        narrowed.map_or_else(|| Resolved::Wide(values.into()), Resolved::Narrow)
    }

    /// Becomes `new` in the memory it has, where that fits: days are replaced all the time, and memory that is
    /// given back piece by piece is of little use to others.
    pub(crate) fn become_equal(&mut self, new: Resolved) {
        match (self, new) {
            (Resolved::Narrow(own), Resolved::Narrow(new)) if own.len() == new.len() => {
                own.copy_from_slice(&new);
            }
            (own, new) => *own = new,
        }
    }

    /// Its grid.
    #[must_use]
    pub fn grid(&self) -> Period {
        let slots = match self {
            Resolved::Narrow(values) => values.len(),
            Resolved::Wide(values) => values.len(),
        };
        Period::of_slots(slots).unwrap_or(Period::MINUTE)
    }

    /// The value of a slot of the grid; [`NULL`] where nothing holds.
    #[must_use]
    pub fn value(&self, slot: usize) -> i64 {
        match self {
            Resolved::Narrow(values) => widen(values[slot]),
            Resolved::Wide(values) => values[slot],
        }
    }
}

/// States of the series of a day, before and after.
type BeforeAndAfter = Vec<(DayState, DayState)>;

fn changes(decided: &Decided) -> Vec<ResolvedChange> {
    let mut days: HashMap<(SubjectId, Day), usize, FixedState> = HashMap::default();
    let mut grouped: Vec<(Arc<Subject>, Day, BeforeAndAfter)> = Vec::new();
    let mut changed: Vec<ResolvedChange> =
        decided.deltas.alone().filter(|change| change.old != change.new).collect();
    for part in decided.deltas.parts() {
        let place = *days.entry((part.subject.id, part.day)).or_insert(grouped.len());
        if place == grouped.len() {
            grouped.push((part.subject, part.day, Vec::new()));
        }
        grouped[place].2.push((part.old, part.new));
    }
    for (subject, day, parts) in grouped {
        let old = resolve_day(parts.iter().map(|(old, _)| old));
        let new = resolve_day(parts.iter().map(|(_, new)| new));
        add_change(subject, day, old, new, &mut changed);
    }
    changed
}

fn add_change(
    subject: Arc<Subject>,
    day: Day,
    old: Option<Resolved>,
    new: Option<Resolved>,
    changed: &mut Vec<ResolvedChange>,
) {
    if old != new {
        changed.push(ResolvedChange { subject, day, old, new });
    }
}

fn of_restored(mut restored: Vec<RestoredDay>) -> Vec<ResolvedChange> {
    let of_day = |day: &RestoredDay| (day.subject.id, day.series_day.1);
    restored.sort_by_key(of_day);
    let mut news = Vec::new();
    for group in restored.chunk_by(|one, two| of_day(one) == of_day(two)) {
        let states: Vec<DayState> = group
            .iter()
            .map(|day| {
                let mut state = DayState::default();
                day.block.load(&mut state);
                state
            })
            .collect();
        let RestoredDay { subject, series_day: (_, day), .. } = &group[0];
        add_change(Arc::clone(subject), *day, None, resolve_day(&states), &mut news);
    }
    news
}
