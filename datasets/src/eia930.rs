//! EIA-930 demand, day-ahead demand forecast and net generation of eight balancing authorities: one frozen
//! pull of October 2026, three saves a file.
//!
//! A stamp names the end of its hour in UTC. Every row is a statement: a blank takes its hour back, an hour
//! without a row is not stated. The day of the pull is not known, so all of it is recorded, and counts, from
//! the first instant of that month, which is the end of the last hour stated. Demand is the actual of `EIA`
//! and its forecast the forecast of `EIA`; net generation is the actual of `EIA-NG`, for a series has one
//! value a slot. Units are in UTC like the stamps; the files name no other zone.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use smartpulse_operators::change::Change;
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::quantity::Measure;
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{CivilTime, Instant, Period, Zone};
use smartpulse_operators::unit::Unit;

use crate::ReplayRules;
use crate::changes::Meter;
use crate::error::SourceError;
use crate::master;
use crate::published::{Publication, plant};
use crate::slots::{self, Reading, Refusals, SlotValue, ValueRules};
use crate::table::{Cell, Table};

/// 2026-10-01T00:00Z.
const PULLED: Instant = Instant(1_790_812_800_000_000);
/// The first part of every batch's name.
const YEAR: &str = "2026";
/// The authorities in byte order: one file each, of which none may be missing, for ranks are identities.
const CODES: [&str; 8] = ["CISO", "CPLE", "DUK", "ERCO", "LGEE", "MISO", "SWPP", "TVA"];
const ENDING: &str = ".csv.gz";
const STAMP: &str = "period_utc";
const MINUTES: u16 = 60;
const ZONE: &str = "UTC";

/// A column of numbers and the series it states.
struct Column {
    /// As in `source_batch`; the table knows it in lower case.
    name: &'static str,
    header: &'static str,
    kind: Kind,
    provider: &'static str,
}

/// The columns in the order of their batches.
const COLUMNS: [Column; 3] = [
    Column { name: "D", header: "d", kind: Kind::Actual, provider: "EIA" },
    Column { name: "DF", header: "df", kind: Kind::Forecast, provider: "EIA" },
    Column { name: "NG", header: "ng", kind: Kind::Actual, provider: "EIA-NG" },
];

/// The data set being replayed. One file is held at a time.
pub(crate) struct Eia930 {
    rules: ReplayRules,
    zone: Zone,
    period: Period,
    files: VecDeque<AuthorityFile>,
    /// What is next: the units, then the batches of a file.
    ready: VecDeque<Change>,
    meter: Meter,
    done: u64,
}

struct AuthorityFile {
    code: &'static str,
    unit: Unit,
    path: PathBuf,
    bytes: u64,
}

/// What a column of a file says.
#[derive(Default)]
struct Stated {
    slots: Vec<SlotValue>,
    refusals: Refusals,
}

impl Eia930 {
    pub(crate) fn open(root: &Path, rules: &ReplayRules) -> Result<Eia930, SourceError> {
        let wrong =
            |rule: &str| SourceError::Table { file: root.to_owned(), rule: rule.to_owned() };
        let mut files = VecDeque::new();
        let mut ready = VecDeque::new();
        for (place, code) in CODES.into_iter().enumerate() {
            let path = root.join(format!("{code}{ENDING}"));
            let bytes = fs::metadata(&path)
                .map_err(|source| SourceError::File { file: path.clone(), source })?
                .len();
            let unit = plant(place + 1);
            let mut version = master::unnamed_unit(unit, Instant::MIN);
            code.clone_into(&mut version.name);
            ZONE.clone_into(&mut version.zone);
            ready.push_back(Change::Unit(version));
            files.push_back(AuthorityFile { code, unit, path, bytes });
        }
        Ok(Eia930 {
            rules: rules.clone(),
            zone: Zone::parse(ZONE).ok_or_else(|| wrong("its stamps are in UTC"))?,
            period: Period::new(MINUTES).ok_or_else(|| wrong("its slots are hours"))?,
            ready,
            meter: Meter::new(files.iter().map(|file| file.bytes).sum()),
            files,
            done: 0,
        })
    }

    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// The next change: first all units, then three batches a file.
    pub(crate) fn next_change(&mut self) -> Result<Option<Change>, SourceError> {
        if self.ready.is_empty()
            && let Some(file) = self.files.pop_front()
        {
            self.ready = self.batches(&file)?;
            self.done += file.bytes;
            self.meter.set_done(self.done);
        }
        Ok(self.ready.pop_front())
    }

    fn batches(&self, file: &AuthorityFile) -> Result<VecDeque<Change>, SourceError> {
        let columns = COLUMNS.iter().zip(self.read(file)?);
        let changes = columns.map(|(column, mut stated)| {
            let entries = slots::entries(column.kind, &mut stated.slots, &mut stated.refusals);
            let provider = Provider::parse(column.provider).ok_or_else(|| SourceError::Table {
                file: file.path.clone(),
                rule: format!("{} is no provider", column.provider),
            })?;
            let publication = Publication {
                key: format!("{YEAR}/{}/{}", file.code, column.name),
                provider,
                issued: PULLED,
                entries,
                refusals: stated.refusals,
            };
            Ok(publication.into_change(&self.rules))
        });
        changes.collect()
    }

    /// What a file says, by column; values of an unreadable stamp are only counted.
    fn read(&self, file: &AuthorityFile) -> Result<[Stated; 3], SourceError> {
        let [demand, forecast, generation] = COLUMNS.map(|column| column.header);
        let mut table = Table::open(&file.path, &[STAMP, demand, forecast, generation])?;
        let stamp = table.required_column(STAMP)?;
        let places = [
            table.required_column(demand)?,
            table.required_column(forecast)?,
            table.required_column(generation)?,
        ];
        let values = ValueRules::of(&self.rules);
        let mut stated: [Stated; 3] = Default::default();
        while table.advance()? {
            let start = self.delivery_start(&table.cell(stamp));
            for (stated, place) in stated.iter_mut().zip(places) {
                let Some(start) = start else {
                    stated.refusals.count(Outcome::InvalidValue, 1);
                    continue;
                };
                let cell = table.cell(place);
                let reading = if cell.is_blank() {
                    Reading::WITHDRAWN
                } else {
                    values.read(&cell.text(), Measure::MegaWatt, self.period)
                };
                let (unit, period) = (file.unit, self.period);
                stated.slots.push(SlotValue { unit, period, start, reading });
            }
        }
        Ok(stated)
    }

    /// The start of the hour that ends at the stamp.
    fn delivery_start(&self, stamp: &Cell<'_>) -> Option<Instant> {
        let civil = CivilTime::parse(&stamp.text())?;
        let end = self.zone.instant(civil).ok()?;
        Some(end.plus_minutes(-i64::from(MINUTES)))
    }
}
