//! Tables of other people's databases, however their rows come: what a transaction says becomes one message, and all
//! of it is seen at one epoch.

pub(in crate::sources) mod counts;
pub(in crate::sources) mod fields;
pub(in crate::sources) mod gathered;
pub(in crate::sources) mod kept;
pub(in crate::sources) mod learned;
pub(in crate::sources) mod spooling;
pub(in crate::sources) mod statements;
pub(in crate::sources) mod stored;
pub(in crate::sources) mod transaction;
pub(in crate::sources) mod values;
pub(in crate::sources) mod whole;
pub(in crate::sources) mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smartpulse_connectors::{Field, Input, Mapping, PostgresFault, TableName};
use smartpulse_datasets::slots::ValueRules;
use smartpulse_operators::change::{Change, Checks, Spooled};
use smartpulse_operators::offset::{KeptRow, Offset, Place, PostgresPlace};
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::UnitType;
use smartpulse_serve::attached::{Attached, Standing};
use smartpulse_serve::doors::DoorRules;
use smartpulse_serve::read_model::ReadModel;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
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

/// What a database is taken in with.
pub(super) struct Beginning {
    /// Its name: what was read of it is remembered by it, whichever way it came.
    pub(super) name: String,
    pub(super) mapping: Mapping,
    /// Rules of the doors that forecasts are held to.
    pub(super) enforce: Vec<String>,
    pub(super) offsets: BTreeMap<Arc<str>, Place>,
    pub(super) kept: BTreeMap<Arc<str>, Rows>,
    pub(super) backfill: mpsc::Sender<Backfill>,
    pub(super) archive: Archive,
    pub(super) spools: Spools,
    pub(super) read_model: Arc<ReadModel>,
    pub(super) rules: DoorRules,
    pub(super) link: Arc<Attached>,
    pub(super) now: fn() -> Instant,
}

/// Takes the transactions of a database in.
pub(super) struct Intake {
    pub(super) name: String,
    pub(super) mapping: Arc<Mapping>,
    pub(super) source: Arc<str>,
    pub(super) place: Option<PostgresPlace>,
    backfill: mpsc::Sender<Backfill>,
    pub(super) archive: Archive,
    spools: Spools,
    /// The transaction that is not put into a file, by its place in the log: what it deletes is in it.
    unspooled: Option<u64>,
    /// Rows of a transaction that are held in memory.
    pub(super) rows_at_most: usize,
    pub(super) read_model: Arc<ReadModel>,
    link: Arc<Attached>,
    pub(super) now: fn() -> Instant,
    pub(super) keeper: Keeper,
    pub(super) reader: ValueReader,
    pub(super) maker: Maker,
    pub(super) window: Window,
    pub(super) pieces: Pieces,
    /// What is in already as a transaction says stays as it is.
    is_compared: bool,
    tell: UnboundedSender<Judged>,
    pub(super) told: UnboundedReceiver<Judged>,
    pub(super) counted: Counted,
    standing: Standing,
}

/// The name under which it is remembered how far a database was taken in, and its rows.
pub(super) fn source_name(name: &str) -> String {
    format!("postgres {name}")
}

/// Under which the tables of a source are kept that have been read.
pub(super) fn read_name(source: &str) -> String {
    format!("{source} tables that have been read")
}

/// The tables whose rows have been read, to be kept: which of their names they were, 0 where that is not known.
pub(super) fn read_tables(source: &str, read: &BTreeMap<TableName, u32>) -> Vec<KeptRow> {
    let name: Arc<str> = read_name(source).into();
    let row = |(table, oid): (&TableName, &u32)| KeptRow {
        table: Arc::clone(&name),
        key: table.to_string().into(),
        row: Some(oid.to_string().into()),
    };
    read.iter().map(row).collect()
}

impl Intake {
    pub(super) fn new(beginning: Beginning) -> Intake {
        let Beginning { name, mapping, kept, backfill, archive, read_model, .. } = beginning;
        let (tell, told) = mpsc::unbounded_channel();
        let mapping = Arc::new(mapping);
        let source = source_name(&name);
        let place = match beginning.offsets.get(source.as_str()) {
            Some(Place::Postgres(place)) => Some(*place),
            _ => None,
        };
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
        let keeper = Keeper::new(&source, &mapping, &kept, free_lock);
        let is_asked = |rule: &str| beginning.enforce.iter().any(|asked| asked == rule);
        let checks = Checks {
            gates: is_asked("gates"),
            limits: is_asked("limits"),
            locks: is_asked("locks"),
            past_role: false,
        };
        let rules = ValueRules { round_digits: None, bound: beginning.rules.value_bound };
        Intake {
            reader: ValueReader::new(rules, &beginning.rules.allowed_periods),
            maker: Maker {
                user: format!("postgres:{name}"),
                checks,
                described: described(&mapping),
                made: BTreeSet::new(),
            },
            name,
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
            keeper,
            window: Window::after(place.map_or(0, |place| place.lsn)),
            pieces: Pieces::default(),
            is_compared: false,
            tell,
            told,
            counted: Counted::default(),
            standing: Standing::Starting,
        }
    }

    /// Hands a message on with the place behind it; nobody is told where nothing changes.
    /// `beside` are places of where it came through.
    pub(super) async fn send(
        &mut self,
        made: Made,
        (place, beside): (PostgresPlace, Vec<Offset>),
        committed: Instant,
    ) -> Handed {
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
        self.hand_on((changes, spooled), kept, (place, beside), number).await?;
        if is_told {
            return Ok(());
        }
        self.settle_all().await?;
        self.window.reached(place.lsn);
        Ok(())
    }

    pub(super) async fn hand_on(
        &mut self,
        (changes, spooled): (Vec<Change>, Option<Spooled>),
        kept: Vec<KeptRow>,
        (place, beside): (PostgresPlace, Vec<Offset>),
        number: u64,
    ) -> Handed {
        let offset = Offset { source: Arc::clone(&self.source), place: Place::Postgres(place) };
        let teller = Teller { to: self.tell.clone(), number };
        let offsets = [offset].into_iter().chain(beside).collect();
        let message = Message { changes, spooled, kept, offsets, teller };
        self.place = Some(place);
        self.backfill.send(Backfill::Message(Box::new(message))).await.map_err(engine_stopped)
    }

    /// Remembers a place without a change, durably.
    pub(super) async fn remember(&mut self, place: PostgresPlace) -> Handed {
        self.remember_with((place, Vec::new())).await
    }

    /// The same with places of where it came through.
    pub(super) async fn remember_with(
        &mut self,
        (place, beside): (PostgresPlace, Vec<Offset>),
    ) -> Handed {
        self.hand_on((Vec::new(), None), Vec::new(), (place, beside), 0).await?;
        self.settle_all().await?;
        if !place.is_reading {
            self.window.reached(place.lsn);
        }
        Ok(())
    }

    /// Remembers that all mapped tables have been read as they were at a place; which tables of their names they were is
    /// not known.
    pub(super) async fn remember_read(
        &mut self,
        (place, beside): (PostgresPlace, Vec<Offset>),
    ) -> Handed {
        let tables = self.mapping.tables.iter().map(|mapped| (mapped.table.clone(), 0)).collect();
        let kept = read_tables(&self.source, &tables);
        self.hand_on((Vec::new(), None), kept, (place, beside), 0).await?;
        self.settle_all().await?;
        self.window.reached(place.lsn);
        Ok(())
    }

    /// Waits until everything that was handed on is durable and visible.
    pub(super) async fn settle_all(&mut self) -> Handed {
        let (done, answer) = oneshot::channel();
        self.backfill.send(Backfill::Flush(done)).await.map_err(engine_stopped)?;
        answer.await.map_err(engine_stopped)?;
        while let Ok(judged) = self.told.try_recv() {
            self.judged(&judged);
        }
        Ok(())
    }

    pub(super) fn judged(&mut self, judged: &Judged) {
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

    pub(super) fn remark_row(
        &mut self,
        table: &dyn std::fmt::Display,
        key: &str,
        fault: &RowFault,
    ) {
        self.counted.refused += 1;
        self.remark(format!("{table} {key}: {fault}"));
    }

    pub(super) fn stands(&mut self, standing: Standing) {
        self.standing = standing;
        self.show();
    }

    pub(super) fn show(&self) {
        let snapshot = self.read_model.snapshot();
        let lag = self.counted.lag(self.window.oldest(), (self.now)());
        let told = (snapshot.epoch, snapshot.clock);
        self.link.reads(self.standing.clone(), told, lag, self.counted.sums());
    }
}

/// Whether something could be handed on.
pub(super) type Handed = Result<(), PostgresFault>;

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
