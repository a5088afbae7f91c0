//! The changes of a fleet in the order in which they are recorded, issue by issue.
//!
//! What is due next at each desk and what was issued but is not saved yet wait in one queue; values are made
//! when a save comes out of it. So memory grows with the plants, not with the days.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::change::{BatchName, Change, RefusedBatch, Save, Withdrawal};
use smartpulse_operators::quantity::{Measure, Quantity};
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{Instant, Period, Zone};
use smartpulse_operators::unit::{Unit, UnitType};

use super::chance::{Chance, Topic};
use super::desks::{Cover, DESKS};
use super::faults::{MeterReading, meter_reading};
use super::issue::{Issue, Slots, Surroundings};
use super::owners::statements;
use super::places::AREAS;
use super::plants::{Plant, Span, plants};
use super::power::Drives;
use super::weather::Weather;
use super::{Fleet, megawatts};
use crate::ReplayRules;
use crate::batch_id;
use crate::changes::Meter;
use crate::error::SourceError;
use crate::slots::{self, Reading, Refusals, SlotValue, ValueRules};

/// Hundredths of a kW in a kW.
const PER_KILOWATT: i64 = 100;
const MINUTE: i64 = 60_000_000;

/// Who saves by hand.
const PEOPLE: [&str; 6] =
    ["ayse.demir", "mehmet.kaya", "elif.yildiz", "murat.celik", "zeynep.arslan", "jonas.weber"];

/// A fleet being replayed.
pub(crate) struct FleetStream {
    rules: ReplayRules,
    roster: Roster,
    zones: Vec<Zone>,
    weather: Vec<Weather>,
    /// By plant.
    drives: Vec<Drives>,
    providers: Vec<Provider>,
    statements: VecDeque<Change>,
    queue: BinaryHeap<Reverse<Waiting>>,
    meter: Meter,
}

/// Whose values there are, and over which span.
struct Roster {
    seed: Chance,
    span: Span,
    plants: Vec<Plant>,
}

/// Something that will happen; the order of the fields is the order of happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    at: Instant,
    step: Step,
    desk: usize,
    plant: usize,
    number: i64,
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
        let zones = AREAS.iter().map(|area| {
            Zone::parse(area.zone).ok_or_else(|| wrong(format!("no time zone {}", area.zone)))
        });
        let providers = DESKS.iter().map(|desk| {
            let provider = Provider::parse(desk.provider);
            provider.ok_or_else(|| wrong(format!("{} is no provider", desk.provider)))
        });
        let weather_of = |area| Weather::new(seed.about(Topic::Area).at(area as i64));
        let mut stream = FleetStream {
            rules: rules.clone(),
            zones: zones.collect::<Result<_, _>>()?,
            weather: (0..AREAS.len()).map(weather_of).collect(),
            drives: plants.iter().map(|_| Drives::default()).collect(),
            providers: providers.collect::<Result<_, _>>()?,
            statements: statements(seed, &plants, span).into(),
            roster: Roster { seed, span, plants },
            queue: BinaryHeap::new(),
            meter: Meter::new(span.days as u64 * 1_440),
        };
        for (number, desk) in DESKS.iter().enumerate() {
            for plant in 0..stream.roster.plants.len() {
                if desk.serves(&stream.roster.plants[plant]) {
                    stream.wait_for(number, plant, 0);
                }
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
            let minutes = waiting.at.0 / MINUTE - self.roster.span.start;
            self.meter.set_done(minutes.max(0) as u64);
            match waiting.step {
                Step::Due => self.issue(waiting),
                Step::Save => return Ok(Some(self.save(waiting))),
                Step::Withdrawal => return Ok(Some(self.withdrawal(waiting))),
            }
        }
    }

    /// Waits for the issue of that number, if it is due within the span.
    fn wait_for(&mut self, desk: usize, plant: usize, number: i64) {
        let mut waiting = Waiting { at: Instant::MIN, step: Step::Due, desk, plant, number };
        let due = self.roster.issue(waiting).due();
        let Span { start, days } = self.roster.span;
        if due < start + days * 1_440 {
            waiting.at = Instant(due * MINUTE);
            self.queue.push(Reverse(waiting));
        }
    }

    /// An issue is due: it will be saved, and perhaps withdrawn; the next one is waited for.
    fn issue(&mut self, waiting: Waiting) {
        let Waiting { desk, plant, number, .. } = waiting;
        self.wait_for(desk, plant, number + 1);
        let issue = self.roster.issue(waiting);
        if !issue.is_issued() {
            return;
        }
        let saved = Waiting { at: issue.recorded(), step: Step::Save, ..waiting };
        let withdrawn = issue.withdrawn();
        self.queue.push(Reverse(saved));
        if let Some(at) = withdrawn {
            self.queue.push(Reverse(Waiting { at, step: Step::Withdrawal, ..waiting }));
        }
    }

    fn withdrawal(&self, waiting: Waiting) -> Change {
        let issue = self.roster.issue(waiting);
        Change::Withdrawal(Withdrawal {
            batch: BatchName::Source(key(&issue)),
            recorded: waiting.at,
            checks: self.rules.checks,
            user: None,
        })
    }

    fn save(&mut self, waiting: Waiting) -> Change {
        let issue = self.roster.issue(waiting);
        let (kind, key, valid_after) = (issue.desk.kind, key(&issue), issue.valid_after());
        let (user, note) = said(&issue);
        let spans = issue.origin().slots(&self.zones[issue.plant.area]);
        let values: i64 = spans.iter().map(Slots::count).sum();
        let is_allowed = |slots: &Slots| self.rules.allowed_periods.contains(&slots.period);
        if !spans.iter().all(is_allowed) {
            let code = "PERIOD_NOT_ALLOWED".to_owned();
            let recorded = Some(waiting.at);
            return Change::Refused(RefusedBatch { code, values: values as u64, recorded });
        }
        let mut slots = self.values(waiting, &spans);
        let mut refusals = Refusals::default();
        let entries = slots::entries(kind, &mut slots, &mut refusals);
        Change::Save(Save {
            batch: Batch {
                id: batch_id::named(&key),
                sequence: Sequence(0),
                recorded: waiting.at,
                valid_after,
                provider: self.providers[waiting.desk].clone(),
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

    /// The values of an issue for `spans`.
    fn values(&mut self, waiting: Waiting, spans: &[Slots]) -> Vec<SlotValue> {
        let issue = self.roster.issue(waiting).origin();
        let plant = issue.plant;
        let mut around = Surroundings {
            weather: &self.weather[plant.area],
            drives: &mut self.drives[waiting.plant],
        };
        let rules = ValueRules::of(&self.rules);
        let unit = Unit { unit_type: UnitType::PowerPlant, unit_no: plant.no };
        let mut values = Vec::new();
        for slots in spans {
            let Some(period) = Period::new(slots.period) else { continue };
            let nulls = issue.nulls(slots.count());
            let starts = (slots.from..slots.to).step_by(usize::from(slots.period));
            values.extend((0..).zip(starts).map(|(at, start)| {
                let kilowatts = if nulls.contains(&at) {
                    None
                } else {
                    said_of(&issue, start, slots, &mut around)
                };
                let reading = kilowatts.map_or(Reading::WITHDRAWN, |kilowatts| {
                    read(&rules, Quantity(kilowatts * PER_KILOWATT), period)
                });
                SlotValue { unit, period, start: Instant(start * MINUTE), reading }
            }));
        }
        values
    }
}

impl Roster {
    /// The issue that something waiting is about.
    fn issue(&self, Waiting { desk, plant, number, .. }: Waiting) -> Issue<'_> {
        let chance = self.seed.about(Topic::Desk).at(desk as i64).at(plant as i64);
        let (desk, plant) = (&DESKS[desk], &self.plants[plant]);
        Issue { desk, plant, chance, first_due: desk.first_due(plant, self.span.start), number }
    }
}

/// The power an issue says for the slot at `start`, in kW; none: no value.
fn said_of(
    issue: &Issue<'_>,
    start: i64,
    slots: &Slots,
    around: &mut Surroundings<'_>,
) -> Option<i64> {
    if issue.desk.kind == Kind::Forecast {
        return Some(issue.forecast(start, slots.period, around));
    }
    let metered = issue.metered(start, slots.period, around);
    let is_settled = issue.desk.cover == Cover::Yesterday;
    match meter_reading(issue.plant, start) {
        _ if is_settled => Some(metered),
        MeterReading::Right => Some(metered),
        MeterReading::Missing => None,
        MeterReading::Scaled(share) => Some(share.of(metered)),
    }
}

/// A value as a replay of its text in MW would read it.
fn read(rules: &ValueRules, quantity: Quantity, period: Period) -> Reading {
    if rules.round_digits.is_none() && quantity.0.abs() <= rules.bound.0 {
        return Reading::Value(quantity.0);
    }
    rules.read(&megawatts(quantity), Measure::MegaWatt, period)
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
