//! Physical notifications of Great Britain's balancing mechanism: what each BM unit says it will produce or
//! take, final at gate closure.
//!
//! `fpn.csv` (one settlement period of all units) and `fpn.parquet` (two days of wind units) are one data
//! set. Every BM unit named by a notification in either file is a plant, numbered by rank, in London's
//! zone; its type is its fuel where the files say it. A notification is straight lines; the value of a slot
//! is their mean over the settlement period (`segment`), kind forecast, provider `PN`. Gate closure is an
//! hour before a period begins and decides what counts, so one batch a settlement period, of all its units,
//! is recorded and valid then: the order of periods is the order of `recorded`. (A replay that enforces
//! gates of an hour or more refuses all of them: at that instant the gate is closed.)
//!
//! One (unit, period) is one value. It is refused as INVALID_VALUE or VALUE_OUT_OF_RANGE if any of its rows
//! has a cell that cannot be read, times outside its settlement period, or a level beyond every bound; as
//! OVERLAP if its lines state a time twice; as INCOMPLETE_SLOT if they leave part of it out. A row without a
//! readable unit or period is an INVALID_VALUE by itself. In the files as they lie none of this happens.
//! Acceptances, bids and the generation by fuel in the same folder are no notifications and are not read.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use smartpulse_operators::change::{Change, RefusedBatch};
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{Instant, Period};

use self::notification::{LAYOUTS, Notifications, Piece};
use self::segment::Segment;
use self::settlement::Settlement;
use crate::ReplayRules;
use crate::changes::{Meter, REMARK_LIMIT, Remark};
use crate::error::SourceError;
use crate::master;
use crate::published::{Publication, plant};
use crate::slots::{self, Refusals, SlotValue, ValueRules};
use crate::sorter::{Sorted, Sorter};

mod notification;
mod segment;
mod settlement;

const PROVIDER: &str = "PN";
/// Gate closure before a settlement period, in minutes.
const GATE_MINUTES: i64 = 60;
/// Rows between two updates of the progress.
const METER_ROWS: u64 = 4_096;

/// The place of a piece: slot, unit, file, row.
type Place = (Instant, u64, u64, u64);

/// The pieces of the settlement period that begins then, by unit and row.
type Pieces = (Instant, Vec<(Place, Piece)>);

/// The data set being replayed. Pieces are sorted on disk where memory does not suffice; one settlement
/// period is held whole.
pub(crate) struct ElexonPn {
    rules: ReplayRules,
    root: PathBuf,
    settlement: Settlement,
    half_hour: Period,
    provider: Provider,
    /// The ids of all BM units and their fuels, in byte order: as large as the master data.
    units: BTreeMap<String, Option<String>>,
    ready: VecDeque<Change>,
    stage: Stage,
    remarks: Vec<Remark>,
    input_bytes: u64,
    meter: Meter,
}

enum Stage {
    /// Units are read, notifications are not.
    Opened,
    Delivering(Box<Delivery>),
    /// All is told, or sorting failed.
    Ended,
}

struct Delivery {
    pieces: Sorted<Place, Piece>,
    /// The first piece of the next slot.
    head: Option<(Place, Piece)>,
    delivered: u64,
    count: u64,
}

impl ElexonPn {
    pub(crate) fn open(root: &Path, rules: &ReplayRules) -> Result<ElexonPn, SourceError> {
        let wrong =
            |rule: &str| SourceError::Table { file: root.to_owned(), rule: rule.to_owned() };
        let mut input_bytes = 0;
        let mut units: BTreeMap<String, Option<String>> = BTreeMap::new();
        for layout in &LAYOUTS {
            let file = root.join(layout.file);
            let mut rows = Notifications::open(root, layout)?;
            while rows.advance()? {
                let Some(id) = rows.unit() else { continue };
                let fuel = units.entry(id).or_default();
                *fuel = fuel.take().or_else(|| rows.fuel());
            }
            input_bytes +=
                fs::metadata(&file).map_err(|source| SourceError::File { file, source })?.len();
        }
        let ready = units.iter().enumerate().map(|(place, (id, fuel))| {
            let mut version = master::unnamed_unit(plant(place + 1), Instant::MIN);
            id.clone_into(&mut version.name);
            version.plant_type.clone_from(fuel);
            settlement::ZONE.clone_into(&mut version.zone);
            Change::Unit(version)
        });
        Ok(ElexonPn {
            rules: rules.clone(),
            root: root.to_owned(),
            settlement: Settlement::new().ok_or_else(|| wrong("its days are London's"))?,
            half_hour: Period::new(settlement::MINUTES)
                .ok_or_else(|| wrong("its slots are half-hours"))?,
            provider: Provider::parse(PROVIDER).ok_or_else(|| wrong("its provider is PN"))?,
            ready: ready.collect(),
            units,
            stage: Stage::Opened,
            remarks: Vec::new(),
            input_bytes,
            // Read and handed on; the reading of the units is not counted.
            meter: Meter::new(2 * input_bytes),
        })
    }

    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    pub(crate) fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// The next change: all units, values that have no place, then the settlement periods.
    pub(crate) fn next_change(&mut self) -> Result<Option<Change>, SourceError> {
        while self.ready.is_empty() {
            match std::mem::replace(&mut self.stage, Stage::Ended) {
                Stage::Opened => self.stage = Stage::Delivering(Box::new(self.sorted()?)),
                Stage::Delivering(mut delivery) => {
                    let Some(slot) = delivery.next_slot()? else { return Ok(None) };
                    let share = u128::from(self.input_bytes) * u128::from(delivery.delivered)
                        / u128::from(delivery.count);
                    self.meter.set_done(self.input_bytes + share as u64);
                    self.stage = Stage::Delivering(delivery);
                    self.settle(slot);
                }
                Stage::Ended => return Ok(None),
            }
        }
        Ok(self.ready.pop_front())
    }

    /// Reads and sorts all notifications.
    fn sorted(&mut self) -> Result<Delivery, SourceError> {
        let mut sorter = Sorter::new(self.rules.sort_bytes, &self.rules.spill_dir);
        let ranks: BTreeMap<&str, u64> = self.units.keys().map(String::as_str).zip(1..).collect();
        let (mut placeless, mut bytes_before) = (0, 0);
        for (file, layout) in (0..).zip(&LAYOUTS) {
            let mut rows = Notifications::open(&self.root, layout)?;
            while rows.advance()? {
                let unit_no = rows.unit().and_then(|id| ranks.get(id.as_str()).copied());
                match (rows.slot(&self.settlement), unit_no) {
                    (Some(start), Some(unit_no)) => {
                        sorter.push((start, unit_no, file, rows.row()), rows.piece(start), 0)?;
                    }
                    _ => placeless += 1,
                }
                if rows.row().is_multiple_of(METER_ROWS) {
                    self.meter.set_done(bytes_before + rows.bytes_read());
                }
            }
            if let Some(left_out) = rows.left_out() {
                self.remarks.push(Remark { row: left_out.row, text: left_out.text });
            }
            bytes_before += rows.bytes_read();
        }
        if placeless > 0 {
            self.ready.push_back(Change::Refused(RefusedBatch {
                code: "INVALID_VALUE".to_owned(),
                values: placeless,
                recorded: None,
            }));
        }
        self.meter.set_done(self.input_bytes);
        let count = sorter.taken();
        let mut pieces = sorter.finish()?;
        let head = pieces.next_item()?;
        Ok(Delivery { pieces, head, delivered: 0, count })
    }

    /// Makes ready what is said of a settlement period: the save, then what was
    /// refused under codes that a save does not have.
    fn settle(&mut self, (start, pieces): Pieces) {
        let (date, number) = self.settlement.name(start);
        let key = format!("{PROVIDER}/{date}/{number}");
        let issued = start.plus_minutes(-GATE_MINUTES);
        let values = ValueRules::of(&self.rules);
        let mut refusals = Refusals::default();
        let mut faults: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut slots = Vec::new();
        for pieces in pieces.chunk_by(|(one, _), (next, _)| one.1 == next.1) {
            let (_, unit_no, file, row) = pieces[0].0;
            let unit = plant(unit_no as usize);
            let refused = pieces.iter().filter_map(|(_, piece)| match piece {
                Piece::Refused(outcome) => Some(*outcome),
                Piece::Line(_) => None,
            });
            if let Some(outcome) = refused.min() {
                refusals.count(outcome, 1);
                continue;
            }
            let lines = pieces.iter().filter_map(|(_, piece)| match piece {
                Piece::Line(segment) => Some(*segment),
                Piece::Refused(_) => None,
            });
            let mut lines: Vec<Segment> = lines.collect();
            match segment::mean(&mut lines, start, values) {
                Ok(reading) => {
                    slots.push(SlotValue { unit, period: self.half_hour, start, reading });
                }
                Err(fault) => {
                    *faults.entry(fault.code()).or_default() += 1;
                    self.remark(file, row, &key, unit_no, fault.code());
                }
            }
        }
        let entries = slots::entries(Kind::Forecast, &mut slots, &mut refusals);
        let provider = self.provider.clone();
        if !entries.is_empty() || !refusals.is_empty() {
            let publication = Publication { key, provider, issued, entries, refusals };
            self.ready.push_back(publication.into_change(&self.rules));
        }
        self.ready.extend(faults.into_iter().map(|(code, values)| {
            let code = code.to_owned();
            Change::Refused(RefusedBatch { code, values, recorded: Some(issued) })
        }));
    }

    fn remark(&mut self, file: u64, row: u64, key: &str, unit_no: u64, code: &str) {
        if self.remarks.len() >= REMARK_LIMIT {
            return;
        }
        let place = self.root.join(LAYOUTS[file as usize].file);
        let id = self.units.keys().nth(unit_no as usize - 1).map_or("", String::as_str);
        let text = format!("{}, row {row}: {id} in {key} is refused ({code})", place.display());
        self.remarks.push(Remark { row, text });
    }
}

impl Delivery {
    /// The pieces of the next settlement period.
    fn next_slot(&mut self) -> Result<Option<Pieces>, SourceError> {
        let Some(first) = self.head.take() else { return Ok(None) };
        let start = first.0.0;
        let mut slot = vec![first];
        while let Some(next) = self.pieces.next_item()? {
            if next.0.0 != start {
                self.head = Some(next);
                break;
            }
            slot.push(next);
        }
        self.delivered += slot.len() as u64;
        Ok(Some((start, slot)))
    }
}
