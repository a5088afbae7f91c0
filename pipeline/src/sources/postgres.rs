//! The tables of a Postgres: read as they are at one place of its log, and from there on by the log.

mod begin;
mod counts;
mod fields;
mod following;
mod gathered;
mod kept;
mod reading;
mod relations;
mod spooling;
mod statements;
mod stored;
mod transaction;
mod values;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smartpulse_connectors::retry::{Remedy, Row, remedy};
use smartpulse_connectors::{Field, Input, Mapping, PostgresFault, PostgresSettings, TableName};
use smartpulse_datasets::slots::ValueRules;
use smartpulse_operators::batch::Sequence;
use smartpulse_operators::change::{Change, Checks, Spooled};
use smartpulse_operators::offset::{KeptRow, Offset, Place, PostgresPlace};
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::UnitType;
use smartpulse_serve::attached::{Attached, Standing};
use smartpulse_serve::doors::DoorRules;
use smartpulse_serve::read_model::ReadModel;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tracing::warn;

use crate::engine::Rows;
use crate::history::tail::Archive;
use crate::ingest::Backfill;
use crate::ingest::messages::{Judged, Message, Teller};
use crate::journal::Spools;
use counts::Counted;
use fields::RowFault;
use kept::{Keeper, drawn_lock};
use stored::Pieces;
use transaction::{Made, Maker};
use values::ValueReader;
use window::{Under, Window};

/// What a database is read with.
pub(super) struct Beginning {
    pub(super) settings: PostgresSettings,
    pub(super) mapping: Mapping,
    /// How far it was taken in when the service started.
    pub(super) place: Option<PostgresPlace>,
    pub(super) kept: BTreeMap<Arc<str>, Rows>,
    pub(super) backfill: mpsc::Sender<Backfill>,
    pub(super) archive: Archive,
    pub(super) spools: Spools,
    pub(super) read_model: Arc<ReadModel>,
    pub(super) rules: DoorRules,
    pub(super) link: Arc<Attached>,
    pub(super) now: fn() -> Instant,
    pub(super) stopping: watch::Receiver<bool>,
}

/// A database that is read.
pub(super) struct Database {
    settings: PostgresSettings,
    mapping: Arc<Mapping>,
    source: Arc<str>,
    place: Option<PostgresPlace>,
    backfill: mpsc::Sender<Backfill>,
    archive: Archive,
    spools: Spools,
    /// The transaction that is not put into a file, by its place in the log: what it deletes is in it.
    unspooled: Option<u64>,
    /// Rows of a transaction that are held in memory.
    rows_at_most: usize,
    read_model: Arc<ReadModel>,
    link: Arc<Attached>,
    now: fn() -> Instant,
    stopping: watch::Receiver<bool>,
    keeper: Keeper,
    reader: ValueReader,
    maker: Maker,
    window: Window,
    /// Batches that were read anew.
    seen: BTreeSet<Sequence>,
    /// The newest batch when a table of values was begun to be read.
    before: Sequence,
    pieces: Pieces,
    /// Tables whose rows have been read, and which tables of that name they were.
    read: BTreeMap<TableName, u32>,
    tell: UnboundedSender<Judged>,
    told: UnboundedReceiver<Judged>,
    counted: Counted,
    standing: Standing,
}

/// The name under which it is remembered how far a database was taken in.
pub(super) fn source_name(settings: &PostgresSettings) -> String {
    format!("postgres {}", settings.name)
}

/// Under which the tables are kept that have been read.
fn read_name(source: &str) -> String {
    format!("{source} tables that have been read")
}

impl Database {
    pub(super) fn new(beginning: Beginning) -> Database {
        let Beginning { settings, mapping, place, kept, backfill, archive, read_model, .. } =
            beginning;
        let (tell, told) = mpsc::unbounded_channel();
        let mapping = Arc::new(mapping);
        let source = source_name(&settings);
        let known = Arc::clone(&read_model);
        let free_lock = move || {
            let reference = &known.snapshot().reference;
            loop {
                let id = drawn_lock(rand::random());
                if reference.lock(id).is_none() {
                    return id;
                }
            }
        };
        let tables = kept.get(read_name(&source).as_str()).into_iter().flatten();
        let read = tables
            .filter_map(|(table, oid)| Some((TableName::parse(table)?, oid.parse().ok()?)))
            .collect();
        let keeper = Keeper::new(&source, &mapping, &kept, free_lock);
        let is_asked = |rule: &str| settings.enforce.iter().any(|asked| asked == rule);
        let checks = Checks {
            gates: is_asked("gates"),
            limits: is_asked("limits"),
            locks: is_asked("locks"),
            past_role: false,
        };
        let name = settings.name.clone();
        let rules = ValueRules { round_digits: None, bound: beginning.rules.value_bound };
        Database {
            reader: ValueReader::new(rules, &beginning.rules.allowed_periods),
            maker: Maker {
                user: format!("postgres:{name}"),
                checks,
                described: described(&mapping),
                made: BTreeSet::new(),
            },
            settings,
            mapping,
            source: source.into(),
            place,
            backfill,
            archive,
            spools: beginning.spools,
            unspooled: None,
            rows_at_most: spooling::rows_at_most(),
            read_model,
            link: beginning.link,
            now: beginning.now,
            stopping: beginning.stopping,
            keeper,
            window: Window::after(place.map_or(0, |place| place.lsn)),
            seen: BTreeSet::new(),
            before: Sequence(0),
            pieces: Pieces::default(),
            read,
            tell,
            told,
            counted: Counted::default(),
            standing: Standing::Starting,
        }
    }

    /// Hands a message on with the place behind it; nobody is told where nothing changes.
    async fn send(&mut self, made: Made, place: PostgresPlace, committed: Instant) -> Handed {
        let Made { changes, spooled, kept, ids, values, refused, .. } = made;
        self.counted.transactions += 1;
        self.counted.values += values as u64;
        self.counted.refused += refused;
        for change in &changes {
            let Change::Save(save) = change else { continue };
            for (outcome, values) in &save.refused {
                let batch = save.batch.source_batch.as_deref().unwrap_or_default();
                let code = outcome.code().unwrap_or_default();
                self.remark(format!("batch {batch}: {values} values: {code}"));
            }
        }
        let units = changes.iter().zip(0..).filter_map(|(change, index)| match change {
            Change::Save(save) => {
                Some((index, save.entries.iter().map(|entry| entry.unit).collect()))
            }
            _ => None,
        });
        let units = units.collect();
        let is_told = !changes.is_empty() && spooled.is_none();
        let under = Under { lsn: place.lsn, committed, values, ids, units };
        let number = if is_told { self.window.push(under) } else { 0 };
        self.hand_on((changes, spooled), kept, place, number).await?;
        if is_told {
            return Ok(());
        }
        self.settle_all().await?;
        self.window.reached(place.lsn);
        Ok(())
    }

    async fn hand_on(
        &mut self,
        (changes, spooled): (Vec<Change>, Option<Spooled>),
        kept: Vec<KeptRow>,
        place: PostgresPlace,
        number: u64,
    ) -> Handed {
        let offset = Offset { source: Arc::clone(&self.source), place: Place::Postgres(place) };
        let teller = Teller { to: self.tell.clone(), number };
        let message = Message { changes, spooled, kept, offsets: vec![offset], teller };
        self.place = Some(place);
        self.backfill.send(Backfill::Message(Box::new(message))).await.map_err(engine_stopped)
    }

    /// Remembers a place without a change, durably.
    async fn remember(&mut self, place: PostgresPlace) -> Handed {
        self.hand_on((Vec::new(), None), Vec::new(), place, 0).await?;
        self.settle_all().await?;
        if !place.is_reading {
            self.window.reached(place.lsn);
        }
        Ok(())
    }

    /// The tables whose rows have been read, to be kept.
    fn read_tables_kept(&self) -> Vec<KeptRow> {
        let name: Arc<str> = read_name(&self.source).into();
        let row = |(table, oid): (&TableName, &u32)| KeptRow {
            table: Arc::clone(&name),
            key: table.to_string().into(),
            row: Some(oid.to_string().into()),
        };
        self.read.iter().map(row).collect()
    }

    /// Waits until everything that was handed on is durable and visible.
    async fn settle_all(&mut self) -> Handed {
        let (done, answer) = oneshot::channel();
        self.backfill.send(Backfill::Flush(done)).await.map_err(engine_stopped)?;
        answer.await.map_err(engine_stopped)?;
        while let Ok(judged) = self.told.try_recv() {
            self.judged(&judged);
        }
        Ok(())
    }

    fn judged(&mut self, judged: &Judged) {
        for slot in &judged.refused {
            self.counted.refused += 1;
            let unit = self.window.unit(judged.number, judged.change, slot.entry);
            let said = format!(
                "{} {}: {}",
                unit.map_or_else(String::new, |unit| unit.to_string()),
                slot.start,
                slot.outcome.code().unwrap_or_default()
            );
            self.remark(said);
        }
        if judged.is_last {
            self.window.settle(judged.number);
        }
    }

    /// Tells of something that was refused; not of everything, for there may be much.
    fn remark(&mut self, said: String) {
        if self.counted.remark() {
            warn!(source = %self.source, refused = said, "a row is refused");
        }
    }

    fn remark_row(&mut self, table: &dyn std::fmt::Display, key: &str, fault: &RowFault) {
        self.counted.refused += 1;
        self.remark(format!("{table} {key}: {fault}"));
    }

    fn stands(&mut self, standing: Standing) {
        self.standing = standing;
        self.show();
    }

    fn show(&self) {
        let snapshot = self.read_model.snapshot();
        let lag = self.counted.lag(self.window.oldest(), (self.now)());
        let told = (snapshot.epoch, snapshot.clock);
        self.link.reads(self.standing.clone(), told, lag, self.counted.sums());
    }
}

/// Whether something could be handed on.
type Handed = Result<(), PostgresFault>;

fn engine_stopped<E>(_: E) -> PostgresFault {
    PostgresFault::Unreachable {
        doing: "handing a transaction on",
        problem: "the engine has stopped".to_owned(),
    }
}

/// Types of units that mapped tables describe.
fn described(mapping: &Mapping) -> BTreeSet<UnitType> {
    let units = mapping.tables.iter().filter(|table| table.input == Input::Units);
    let types = units.flat_map(|table| match table.fields.get("unit_type") {
        Some(Field::Value(word)) => UnitType::parse(word).into_iter().collect::<Vec<_>>(),
        _ => vec![UnitType::Company, UnitType::Group, UnitType::PowerPlant],
    });
    types.collect()
}

/// Reads a database until told to stop.
pub(super) async fn run(mut database: Database) {
    let mut row = Row::default();
    let mut stopping = database.stopping.clone();
    loop {
        let before = database.counted.transactions;
        let followed = tokio::select! {
            followed = Box::pin(database.follow()) => followed,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let Err(fault) = followed;
        let is_new = database.counted.transactions > before;
        let (times, is_news) = row.add(fault.trouble(), fault.to_string(), is_new);
        if is_news {
            warn!(source = %database.source, problem = %fault, "postgres is not read");
        }
        database.stands(Standing::Degraded(fault.to_string()));
        let (Remedy::Again(pause) | Remedy::Anew(pause)) =
            remedy(fault.trouble(), times, rand::random());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}
