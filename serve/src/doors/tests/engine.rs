//! A small engine in memory: decides hierarchy, locks, limits and existing as the real one does, publishes
//! one epoch a command, and answers.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use smartpulse_operators::batch::{Epoch, Sequence};
use smartpulse_operators::block::DayState;
use smartpulse_operators::catalog::{Catalog, SeriesRef};
use smartpulse_operators::cause::Cause;
use smartpulse_operators::change::{BatchName, Change, Save};
use smartpulse_operators::chunk::{Revision, SeriesDay};
use smartpulse_operators::closed::{ClosedEpoch, Figures};
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::{Provider, SeriesId};
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::Lock;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::super::{Behind, DoorRules, Doors, EngineQueues, Front, router};
use super::rulings::{judge, packed, summary};
use crate::clock_hold::ClockHold;
use crate::command::{
    BatchSummary, Command, Done, Idempotency, Lookup, Refusal, Reply, Saved, SlotDecision, Told,
};
use crate::read_model::ReadModel;
use crate::ring::RingBounds;
use crate::stream::Streams;

/// A Sunday morning in 2026.
pub(super) const MORNING: &str = "2026-03-01T09:00:00Z";

thread_local! {
    /// The clock of a test; each test has a thread and a runtime of its own.
    static NOW: Cell<i64> = const { Cell::new(0) };
}

/// The clock of the test.
pub(super) fn now() -> Instant {
    Instant(NOW.get())
}

/// Sets the clock of the test.
pub(super) fn set_clock(text: &str) {
    NOW.set(Instant::parse(text).unwrap().0);
}

/// A change with the identity of its request.
pub(super) type Asked = (Change, Option<Idempotency>);

/// The doors with an engine behind them.
pub(super) struct Stage {
    pub(super) hold: ClockHold,
    pub(super) router: Front,
    pub(super) read_model: Arc<ReadModel>,
    /// What the engine was asked.
    pub(super) asked: Arc<Mutex<Vec<Asked>>>,
    tasks: JoinSet<()>,
    /// Closes the doors.
    pub(super) closing: watch::Sender<bool>,
}

impl Stage {
    /// An engine that knows plant 1 (100 MW), plant 2 in Berlin, company 1 and group 1.
    pub(super) async fn new() -> Stage {
        Stage::with(DoorRules::default()).await
    }

    pub(super) async fn with(rules: DoorRules) -> Stage {
        set_clock(MORNING);
        let is_on_network = rules.is_on_network;
        let token = format!("Bearer {}", rules.token.as_deref().unwrap_or_default());
        let read_model =
            Arc::new(ReadModel::new(Some(Uuid::nil()), "starting", RingBounds::default()));
        read_model.set_ready(Ok(()));
        let (commands, mut queue) = mpsc::channel::<Command>(64);
        let (lookups, mut questions) = mpsc::channel::<Lookup>(64);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut engine = Engine::new(Arc::clone(&read_model));
        let heard = Arc::clone(&asked);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    Some(command) = queue.recv() => {
                        heard.lock().unwrap().push((command.change.clone(), command.idempotency));
                        let before = command.before.into_iter();
                        before.for_each(|statement| drop(engine.answer(statement, None)));
                        let answer = engine.answer(command.change, command.idempotency);
                        let _ = command.reply.send(answer);
                    }
                    Some(lookup) = questions.recv() => engine.look_up(lookup),
                    else => return,
                }
            }
        });
        let hold = ClockHold::default();
        let streams = Streams::new(Arc::clone(&read_model));
        let closing = watch::Sender::new(false);
        let doors = Doors {
            read_model: Arc::clone(&read_model),
            behind: Behind::Engine(EngineQueues { commands, lookups, hold: hold.clone() }),
            attached: Vec::new(),
            rules,
            streams: Arc::clone(&streams),
            closing: closing.subscribe(),
            now,
        };
        tasks.spawn(async move { streams.dispatch().await });
        let stage = Stage { router: router(doors), read_model, hold, asked, tasks, closing };
        stage.populate(is_on_network, &token).await;
        stage
    }

    async fn populate(&self, is_on_network: bool, token: &str) {
        for (unit, body) in [
            ("PP/1", r#"{"name":"Bora","plantType":"wind","installedPowerMw":100,"region":"Ege"}"#),
            ("PP/2", r#"{"name":"Sonne","zone":"Europe/Berlin"}"#),
            ("CMP/1", r#"{"name":"Company"}"#),
            ("GRP/1", r#"{"name":"Group"}"#),
        ] {
            let path = format!("/api/v2.0/units/{unit}");
            let known = [("authorization", token)];
            let headers = if is_on_network { &known[..] } else { &[] };
            let heard = self.write_with("PUT", &path, headers, body).await;
            assert_eq!(heard.status, 200, "{unit}");
        }
        self.asked.lock().unwrap().clear();
    }

    /// The newest epoch.
    pub(super) fn epoch(&self) -> u64 {
        self.read_model.snapshot().epoch.0
    }

    /// Stops the engine: its queues have no reader any more.
    pub(super) async fn stop(&mut self) {
        self.tasks.shutdown().await;
    }
}

struct Engine {
    read_model: Arc<ReadModel>,
    reference: Reference,
    catalog: Catalog,
    days: BTreeMap<SeriesDay, DayState>,
    told: BTreeMap<SeriesDay, Vec<Told>>,
    batches: BTreeMap<Uuid, BatchSummary>,
    answers: BTreeMap<[u8; 32], ([u8; 32], Reply)>,
    sequence: u64,
    epoch: u64,
    clock: Instant,
}

impl Engine {
    fn new(read_model: Arc<ReadModel>) -> Engine {
        Engine {
            read_model,
            reference: Reference::default(),
            catalog: Catalog::default(),
            days: BTreeMap::new(),
            told: BTreeMap::new(),
            batches: BTreeMap::new(),
            answers: BTreeMap::new(),
            sequence: 0,
            epoch: 0,
            clock: Instant::MIN,
        }
    }

    fn answer(&mut self, change: Change, key: Option<Idempotency>) -> Result<Reply, Refusal> {
        if let Some(key) = key
            && let Some((body, reply)) = self.answers.get(&key.scope)
        {
            return if *body == key.body { Ok(reply.clone()) } else { Err(Refusal::KeyReused) };
        }
        self.epoch += 1;
        self.clock = now().max(Instant(self.clock.0.saturating_add(1)));
        let known = self.catalog.all().len();
        let mut touched = Vec::new();
        let stated = Cause::of_statement(&change).into_iter().collect();
        let batch = match &change {
            Change::Save(save) => Some(Cause::Batch(save.batch.id)),
            _ => None,
        };
        let done = self.decide(change, &mut touched);
        let causes = touched.iter().filter_map(|day| Some((*day, batch.clone()?))).collect();
        let blocks = touched.into_iter().map(|day| (day, packed(&self.days[&day])));
        let new_series = self.catalog.all().iter().cloned().zip(0..).skip(known);
        self.read_model.publish(ClosedEpoch {
            epoch: Epoch(self.epoch),
            clock: self.clock,
            blocks: blocks.collect(),
            new_series: new_series.map(|(series, id)| (SeriesId(id), series)).collect(),
            causes,
            stated,
            totals: Vec::new(),
            withdrawn: Vec::new(),
            reference: Some(Arc::new(self.reference.clone())),
            figures: Figures { batches: self.sequence, ..Figures::default() },
        });
        let reply = Reply { epoch: Epoch(self.epoch), recorded: self.clock, done };
        if let Some(key) = key {
            self.answers.insert(key.scope, (key.body, reply.clone()));
        }
        Ok(reply)
    }

    fn look_up(&self, lookup: Lookup) {
        match lookup {
            Lookup::Batch { id, reply } => drop(reply.send(self.batches.get(&id).cloned())),
            Lookup::Export { request, snapshot, reply } => {
                drop(reply.send(super::exports::answer(&request, &snapshot)));
            }
            Lookup::Revisions { days, reply } => {
                let of_day = |day| self.told.get(day).cloned().unwrap_or_default();
                drop(reply.send(days.iter().map(of_day).collect()));
            }
        }
    }

    fn decide(&mut self, mut change: Change, touched: &mut Vec<SeriesDay>) -> Done {
        let clock = self.clock;
        let mut lock_id = None;
        match &mut change {
            Change::Save(save) => return Done::Saved(self.save(save, touched)),
            Change::Withdrawal(withdrawal) => {
                let BatchName::Id(id) = &withdrawal.batch else { return Done::UnknownBatch };
                let Some(summary) = self.batches.get_mut(id) else { return Done::UnknownBatch };
                let holds = |lock: &&Lock| lock.released.is_none();
                if let Some(lock) = self.reference.locks().find(holds) {
                    let slot = (lock.unit, lock.from, Outcome::Locked);
                    return Done::WithdrawalRefused(vec![slot]);
                }
                let already = summary.withdrawn_at.replace(clock).is_some();
                return Done::Withdrawn { already };
            }
            Change::Unit(version) => version.recorded = clock,
            Change::Membership(membership) => membership.recorded = clock,
            Change::Property(property) => property.recorded = clock,
            Change::Lock(lock) => {
                if lock.id == 0 {
                    (lock.id, lock.recorded) = (self.reference.next_lock(), clock);
                } else if lock.released == Some(Instant::MIN) {
                    lock.released = Some(clock);
                }
                lock_id = Some(lock.id);
            }
            Change::Rules(_) | Change::Refused(_) => {}
        }
        self.reference.apply(&change);
        Done::Stated { lock: lock_id }
    }

    fn save(&mut self, save: &mut Save, touched: &mut Vec<SeriesDay>) -> Saved {
        self.sequence += 1;
        save.batch.sequence = Sequence(self.sequence);
        save.batch.recorded = self.clock;
        if save.batch.valid_after == Instant::MIN {
            save.batch.valid_after = self.clock;
        }
        let id = save.batch.id;
        let (mut slots, mut final_slots) = (Vec::new(), Vec::new());
        for (index, entry) in save.entries.iter().enumerate() {
            let finals = Provider::parse(Provider::FINAL_FORECAST).unwrap();
            let mut providers = vec![(save.batch.provider.clone(), &mut slots)];
            if entry.apply_final_forecast {
                providers.push((finals, &mut final_slots));
            }
            for (provider, decisions) in providers {
                let (kind, unit, period) = (entry.kind, entry.unit, entry.period);
                let series = self.catalog.id(SeriesRef { kind, unit, provider: &provider, period });
                entry.curve.for_each_day(period, |day, first, values| {
                    let state = self.days.entry((series, day)).or_default();
                    if state.values.is_empty() {
                        state.clear(period.slots());
                    }
                    let mut values = values.to_vec();
                    let mut outcomes = Vec::new();
                    let mut clips = Vec::new();
                    for (offset, value) in values.iter_mut().enumerate() {
                        let start = day.slot_start(period, first + offset);
                        let given = *value;
                        outcomes.push(judge(
                            &self.reference,
                            save,
                            unit,
                            start,
                            value,
                            entry.conform_upper_limit,
                        ));
                        clips.push((given != *value).then_some(*value));
                    }
                    let batch = Arc::new(save.batch.clone());
                    state.cover(&batch, first, &values, &mut outcomes);
                    let confirmed =
                        outcomes.iter().map(|outcome| *outcome == Outcome::Skipped).collect();
                    let revision = Revision { batch, first: first as u16, values: values.into() };
                    let told = self.told.entry((series, day)).or_default();
                    told.push(Told { revision, confirmed });
                    told.sort_by_key(|told| told.revision.batch.order());
                    touched.push((series, day));
                    for (offset, outcome) in outcomes.into_iter().enumerate() {
                        if outcome != Outcome::Absent {
                            let start = day.slot_start(period, first + offset);
                            let clipped = clips[offset];
                            decisions.push(SlotDecision {
                                entry: index as u32,
                                start,
                                outcome,
                                clipped,
                            });
                        }
                    }
                });
            }
        }
        let summary = summary(save, &slots);
        self.batches.insert(id, summary);
        Saved { batch: id, sequence: save.batch.sequence, slots, final_slots }
    }
}
