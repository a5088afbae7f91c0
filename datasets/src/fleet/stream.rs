//! The changes of a fleet in the order in which they are recorded, issue by issue.
//!
//! What is due next at each desk and what was issued but is not saved yet wait in one queue; values are made
//! when a save comes out of it. So memory grows with the plants, not with the days.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::change::{BatchName, Change, RefusedBatch, Save, Withdrawal};
use smartpulse_operators::series::Provider;
use smartpulse_operators::time::Instant;

use super::Fleet;
use super::chance::{Chance, Topic};
use super::desks::{Cover, DESKS, FILED_DESKS};
use super::issue::{Issue, Slots};
use super::owners::statements;
use super::plants::{Span, plants};
use super::scene::{Issued, Scene};
use crate::ReplayRules;
use crate::batch_id;
use crate::changes::Meter;
use crate::error::SourceError;
use crate::slots::{self, Refusals, ValueRules};

const MINUTE: i64 = 60_000_000;

/// Who saves by hand.
const PEOPLE: [&str; 6] =
    ["ayse.demir", "mehmet.kaya", "elif.yildiz", "murat.celik", "zeynep.arslan", "jonas.weber"];

/// A fleet being replayed.
pub(crate) struct FleetStream {
    rules: ReplayRules,
    scene: Scene,
    window: Window,
    providers: Vec<Provider>,
    statements: VecDeque<Change>,
    queue: BinaryHeap<Reverse<Waiting>>,
    meter: Meter,
}

/// Which issues there are. Times are in minutes since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Issues are counted from here.
    pub(super) counted_from: i64,
    /// They are due in `[first, end)`.
    pub(super) first: i64,
    pub(super) end: i64,
    /// They are recorded after the first instant, and until the second.
    pub(super) recorded: (Instant, Instant),
    /// The first so many desks work.
    pub(super) desks: usize,
}

/// Something that will happen; the order of the fields is the order of happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    at: Instant,
    step: Step,
    issued: Issued,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Due,
    Save,
    Withdrawal,
}

impl FleetStream {
    pub(crate) fn open(fleet: &Fleet, rules: &ReplayRules) -> Result<FleetStream, SourceError> {
        let wrong = |rule: String| SourceError::Unknown { text: fleet.name(), rule };
        let seed = Chance::of_seed(fleet.seed);
        let span = Span { start: fleet.start.0 / MINUTE, days: i64::from(fleet.days) };
        let plants = plants(seed, fleet.plants as usize, span);
        let statements = statements(seed, &plants, span);
        let window = Window {
            counted_from: span.start,
            first: span.start,
            end: span.start + span.days * 1_440,
            recorded: (Instant::MIN, Instant(i64::MAX)),
            desks: FILED_DESKS,
        };
        let scene = Scene::new(seed, plants).map_err(wrong)?;
        FleetStream::new(scene, window, statements, rules).map_err(wrong)
    }

    /// `statements`, then what the desks record in `window`.
    pub(super) fn new(
        scene: Scene,
        window: Window,
        statements: Vec<Change>,
        rules: &ReplayRules,
    ) -> Result<FleetStream, String> {
        let providers = DESKS.iter().map(|desk| {
            Provider::parse(desk.provider)
                .ok_or_else(|| format!("{} is no provider", desk.provider))
        });
        let mut stream = FleetStream {
            rules: rules.clone(),
            scene,
            window,
            providers: providers.collect::<Result<_, _>>()?,
            statements: statements.into(),
            queue: BinaryHeap::new(),
            meter: Meter::new((window.end - window.first).max(0) as u64),
        };
        let Window { counted_from, first, desks, .. } = window;
        for (number, desk) in DESKS.iter().take(desks).enumerate() {
            for (rank, plant) in stream.scene.plants.iter().enumerate() {
                if !desk.serves(plant) {
                    continue;
                }
                let ahead = desk.first_due(plant, first) - desk.first_due(plant, counted_from);
                let number_due = ahead / desk.every;
                let issued = Issued { desk: number, plant: rank, counted_from, number: number_due };
                stream.queue.extend(window.awaits(&stream.scene, issued));
            }
        }
        Ok(stream)
    }

    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// The next change.
    pub(crate) fn next_change(&mut self) -> Result<Option<Change>, SourceError> {
        loop {
            let next = self.queue.peek().map(|Reverse(waiting)| waiting.at);
            let said = self.statements.front().map(Change::recorded);
            if said.is_some_and(|said| next.is_none_or(|next| said <= next)) {
                return Ok(self.statements.pop_front());
            }
            let Some(Reverse(waiting)) = self.queue.pop() else { return Ok(None) };
            if waiting.at > self.window.recorded.1 {
                return Ok(None);
            }
            let minutes = waiting.at.0 / MINUTE - self.window.first;
            self.meter.set_done(minutes.max(0) as u64);
            match waiting.step {
                Step::Due => self.issue(waiting.issued),
                Step::Save => return Ok(Some(self.save(waiting))),
                Step::Withdrawal => return Ok(Some(self.withdrawal(waiting))),
            }
        }
    }

    /// An issue is due: it will be saved, and perhaps withdrawn; the next one is waited for.
    fn issue(&mut self, issued: Issued) {
        let next = Issued { number: issued.number + 1, ..issued };
        self.queue.extend(self.window.awaits(&self.scene, next));
        let issue = self.scene.issue(issued);
        if !issue.is_issued() || issue.recorded() <= self.window.recorded.0 {
            return;
        }
        self.queue.push(Reverse(Waiting { at: issue.recorded(), step: Step::Save, issued }));
        if let Some(at) = issue.withdrawn() {
            self.queue.push(Reverse(Waiting { at, step: Step::Withdrawal, issued }));
        }
    }

    fn withdrawal(&self, waiting: Waiting) -> Change {
        let issue = self.scene.issue(waiting.issued);
        Change::Withdrawal(Withdrawal {
            batch: BatchName::Source(key(&issue)),
            recorded: waiting.at,
            checks: self.rules.checks,
            user: None,
        })
    }

    fn save(&mut self, waiting: Waiting) -> Change {
        let issue = self.scene.issue(waiting.issued);
        let (kind, key, valid_after) = (issue.desk.kind, key(&issue), issue.valid_after());
        let (user, note) = said(&issue);
        let spans = issue.origin().slots(self.scene.zone(issue.plant));
        let values: i64 = spans.iter().map(Slots::count).sum();
        let is_allowed = |slots: &Slots| self.rules.allowed_periods.contains(&slots.period);
        if !spans.iter().all(is_allowed) {
            let code = "PERIOD_NOT_ALLOWED".to_owned();
            let recorded = Some(waiting.at);
            return Change::Refused(RefusedBatch { code, values: values as u64, recorded });
        }
        let rules = ValueRules::of(&self.rules);
        let mut slots = self.scene.values(waiting.issued, &spans, &rules);
        let mut refusals = Refusals::default();
        let entries = slots::entries(kind, &mut slots, &mut refusals);
        Change::Save(Save {
            batch: Batch {
                id: batch_id::named(&key),
                sequence: Sequence(0),
                recorded: waiting.at,
                valid_after,
                provider: self.providers[waiting.issued.desk].clone(),
                user,
                note,
                source_batch: Some(key),
                skips_existing_check: self.rules.skips_existing_check,
            },
            checks: self.rules.checks,
            path: None,
            entries,
            refused: refusals.into_counts(),
        })
    }
}

impl Window {
    /// What waits for an issue to become due, if that is in the window.
    fn awaits(&self, scene: &Scene, issued: Issued) -> Option<Reverse<Waiting>> {
        let due = scene.issue(issued).due();
        let waiting = Waiting { at: Instant(due * MINUTE), step: Step::Due, issued };
        (due < self.end).then_some(Reverse(waiting))
    }
}

/// The batch's key in the source: desk, plant and the time of issue.
fn key(issue: &Issue<'_>) -> String {
    format!("{}/{}/{}", issue.desk.name, issue.plant.no, Instant(issue.due() * MINUTE))
}

/// Who saved an issue, and what was noted.
fn said(issue: &Issue<'_>) -> (Option<String>, Option<String>) {
    let person = issue.plant.chance.about(Topic::Owner).at(100).one_of(&PEOPLE);
    let note = match issue.desk.cover {
        Cover::Correction => "corrected by hand",
        Cover::Yesterday => "settled",
        _ => "",
    };
    let by_hand = issue.desk.provider == "UserForecast";
    (by_hand.then(|| person.to_owned()), Some(note.to_owned()).filter(|note| !note.is_empty()))
}
