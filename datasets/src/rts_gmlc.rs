//! The RTS-GMLC test system: day-ahead forecasts and real-time output of its plants, and load, one leap
//! year. Simulated plants, driven by measured weather.
//!
//! Times are model local time without summer time: UTC−7, the zone of Phoenix. The files know no issue
//! times, so these are decided: a day-ahead file states a delivery day at noon of the day before
//! (`DayAhead`, hours); a real-time file states it twice, as a forecast when the day begins (`RealTime`, five
//! minutes) and as metered when it has ended (actual of `Meter`). One batch is one file, day and statement:
//! `DAY_AHEAD_wind/2020-07-10`, `REAL_TIME_wind/2020-07-10` and `REAL_TIME_wind/2020-07-10/Meter`.
//!
//! Natural inflow is stated of its CSP plant like output (it is heat and may exceed the plant's power). Load
//! is not production and has providers of its own, `DayAheadLoad`, `RealTimeLoad`, `MeterLoad`. That of an
//! area is an own forecast of its company. The zones APS, LDWP and NEVP, whose load in MW the areas scale
//! down to a peak of 2,850 MW (1 from APS, 2 from NEVP, 3 from LDWP), are the companies 101, 102 and 103,
//! without plants. A year is merged from all files by day: of each, one day is held.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use smartpulse_operators::change::Change;
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::Instant;

use self::days::{Day, Days};
use self::plants::Plants;
use crate::ReplayRules;
use crate::changes::Meter;
use crate::error::SourceError;
use crate::published::Publication;
use crate::slots::{self, ValueRules};

mod days;
mod plants;

/// The number of the first zone's company; areas have lower ones.
const FIRST_ZONE: u64 = 101;
/// The zones of load, in byte order.
const ZONES: [&str; 3] = ["APS", "LDWP", "NEVP"];
/// From noon of the day before, when day-ahead forecasts are issued, to a day's midnight.
const DAY_AHEAD_MINUTES: i64 = 720;
/// The model's days have 24 hours.
const DAY_MINUTES: i64 = 1_440;

/// A file of time series.
struct DataFile {
    name: &'static str,
    /// Length of its periods.
    minutes: u16,
    subject: Subject,
    issue: Issue,
}

/// Whose values a file holds.
#[derive(Clone, Copy)]
enum Subject {
    /// A column for each plant.
    Plants,
    /// A column for each area.
    Areas,
    /// The load of the company of that number.
    Zone(u64),
}

/// When a day of a file is stated, and by whom.
#[derive(Clone, Copy)]
enum Issue {
    DayAhead { forecast: &'static str },
    RealTime { forecast: &'static str, actual: &'static str },
}

const OUTPUT_AHEAD: Issue = Issue::DayAhead { forecast: "DayAhead" };
const LOAD_AHEAD: Issue = Issue::DayAhead { forecast: "DayAheadLoad" };
const OUTPUT: Issue = Issue::RealTime { forecast: "RealTime", actual: Provider::METER };
const LOAD: Issue = Issue::RealTime { forecast: "RealTimeLoad", actual: "MeterLoad" };

const fn data_file(name: &'static str, minutes: u16, subject: Subject, issue: Issue) -> DataFile {
    DataFile { name, minutes, subject, issue }
}

/// The files in byte order of their names, which is the order of batches recorded at one instant. None may
/// be missing.
const FILES: [DataFile; 14] = [
    data_file("APS_Promod_2020", 60, Subject::Zone(FIRST_ZONE), LOAD_AHEAD),
    data_file("DAY_AHEAD_Natural_Inflow", 60, Subject::Plants, OUTPUT_AHEAD),
    data_file("DAY_AHEAD_hydro", 60, Subject::Plants, OUTPUT_AHEAD),
    data_file("DAY_AHEAD_pv", 60, Subject::Plants, OUTPUT_AHEAD),
    data_file("DAY_AHEAD_regional_Load", 60, Subject::Areas, LOAD_AHEAD),
    data_file("DAY_AHEAD_rtpv", 60, Subject::Plants, OUTPUT_AHEAD),
    data_file("DAY_AHEAD_wind", 60, Subject::Plants, OUTPUT_AHEAD),
    data_file("LDWP_Promod_2020", 60, Subject::Zone(FIRST_ZONE + 1), LOAD_AHEAD),
    data_file("NEVP_Promod_2020", 60, Subject::Zone(FIRST_ZONE + 2), LOAD_AHEAD),
    data_file("REAL_TIME_Natural_Inflow", 5, Subject::Plants, OUTPUT),
    data_file("REAL_TIME_wind", 5, Subject::Plants, OUTPUT),
    data_file("RT_APS_Promod_2020", 5, Subject::Zone(FIRST_ZONE), LOAD),
    data_file("RT_LDWP_Promod_2020", 5, Subject::Zone(FIRST_ZONE + 1), LOAD),
    data_file("RT_NEVP_Promod_2020", 5, Subject::Zone(FIRST_ZONE + 2), LOAD),
];

/// The data set being replayed.
pub(crate) struct RtsGmlc {
    rules: ReplayRules,
    /// Units and memberships, said before everything.
    statements: VecDeque<Change>,
    streams: Vec<Stream>,
    meter: Meter,
}

/// The batches of one file in the order of `recorded`.
struct Stream {
    file: &'static DataFile,
    days: Days,
    /// The batches of the day that was read last and are not told yet.
    batches: VecDeque<Change>,
    /// When the last batch told was recorded.
    told: Instant,
    /// What ended the file; told after all that was recorded up to then.
    fault: Option<SourceError>,
}

impl RtsGmlc {
    pub(crate) fn open(root: &Path, rules: &ReplayRules) -> Result<RtsGmlc, SourceError> {
        let (plants, statements) = Plants::read(root)?;
        let values = ValueRules::of(rules);
        let mut streams = Vec::new();
        let mut bytes = 0;
        for file in &FILES {
            let days = Days::open(root, file, &plants, values)?;
            let path = root.join(format!("{}.csv", file.name));
            bytes += fs::metadata(&path)
                .map_err(|source| SourceError::File { file: path, source })?
                .len();
            let (batches, told) = (VecDeque::new(), Instant::MIN);
            streams.push(Stream { file, days, batches, told, fault: None });
        }
        Ok(RtsGmlc {
            rules: rules.clone(),
            statements: statements.into(),
            streams,
            meter: Meter::new(bytes),
        })
    }

    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// The next change: units, memberships, then the batches of all files by `recorded` and file.
    pub(crate) fn next_change(&mut self) -> Result<Option<Change>, SourceError> {
        if let Some(statement) = self.statements.pop_front() {
            return Ok(Some(statement));
        }
        for stream in self.streams.iter_mut().filter(|stream| stream.batches.is_empty()) {
            stream.read_day(&self.rules);
        }
        self.meter.set_done(self.streams.iter().map(|stream| stream.days.bytes_read()).sum());
        let places = self.streams.iter().enumerate();
        let next = places.filter_map(|(place, stream)| Some((stream.due()?, place))).min();
        let Some((_, place)) = next else { return Ok(None) };
        self.streams[place].tell()
    }
}

impl Stream {
    /// Reads the next day, if there is one.
    fn read_day(&mut self, rules: &ReplayRules) {
        if self.fault.is_some() {
            return;
        }
        let read = self.days.next_day().and_then(|day| match day {
            Some(day) => batches(self.file, day, rules),
            None => Ok(VecDeque::new()),
        });
        match read {
            Ok(batches) => self.batches = batches,
            Err(fault) => self.fault = Some(fault),
        }
    }

    /// When it is this stream's turn: by instant, faults last; none when all is told.
    fn due(&self) -> Option<(Instant, bool)> {
        match self.batches.front() {
            Some(change) => Some((change.recorded(), false)),
            None => self.fault.is_some().then_some((self.told, true)),
        }
    }

    fn tell(&mut self) -> Result<Option<Change>, SourceError> {
        let Some(change) = self.batches.pop_front() else {
            return self.fault.take().map_or(Ok(None), Err);
        };
        self.told = change.recorded();
        Ok(Some(change))
    }
}

/// The statements of one day of a file, in the order in which they are issued.
fn batches(
    file: &DataFile,
    day: Day,
    rules: &ReplayRules,
) -> Result<VecDeque<Change>, SourceError> {
    let name = format!("{}/{}", file.name, day.date);
    let statements = match file.issue {
        Issue::DayAhead { forecast } => {
            vec![(name, forecast, Kind::Forecast, day.midnight.plus_minutes(-DAY_AHEAD_MINUTES))]
        }
        Issue::RealTime { forecast, actual } => {
            let metered = format!("{name}/{actual}");
            vec![
                (name, forecast, Kind::Forecast, day.midnight),
                (metered, actual, Kind::Actual, day.midnight.plus_minutes(DAY_MINUTES)),
            ]
        }
    };
    let mut slots = day.slots;
    let changes = statements.into_iter().map(|(key, provider, kind, issued)| {
        let provider = Provider::parse(provider).ok_or_else(|| SourceError::Unknown {
            text: provider.to_owned(),
            rule: "this is no provider".to_owned(),
        })?;
        let mut refusals = day.refusals.clone();
        let entries = slots::entries(kind, &mut slots, &mut refusals);
        Ok(Publication { key, provider, issued, entries, refusals }.into_change(rules))
    });
    changes.collect()
}
