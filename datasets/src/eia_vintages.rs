//! EIA-930 hourly demand as it was queried on three dates: one save a file, each a full statement.
//!
//! A stamp names the end of its hour. A word in place of a number says that nothing was reported, which
//! takes back what an earlier release said.

use std::collections::{BTreeSet, VecDeque};
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
use crate::table::{Cell, Table, listed};

/// A query of the whole history.
#[derive(Debug)]
struct Release {
    /// Its name for users and in `source_batch`.
    year: &'static str,
    folder: &'static str,
    /// Midnight UTC of the query date, in microseconds.
    queried: Instant,
}

/// All releases, oldest first: queried on 2019-09-10, 2020-09-28 and 2025-01-23.
const RELEASES: [Release; 3] = [
    Release { year: "2019", folder: "release_2019_Oct", queried: Instant(1_568_073_600_000_000) },
    Release { year: "2020", folder: "release_2020_Oct", queried: Instant(1_601_251_200_000_000) },
    Release {
        year: "2025",
        folder: "release_2025_Jan_include_subregions",
        queried: Instant(1_737_590_400_000_000),
    },
];

const PROVIDER: &str = "EIA";
const ENDING: &str = ".csv.gz";
/// What stands in a cell without a value: never reported, or reported blank.
const NOTHING_REPORTED: [&str; 2] = ["MISSING", "EMPTY"];
/// The columns of a file. The newest release has no forecast.
const STAMP: &str = "date_time";
const COLUMNS: [(&str, Kind); 2] =
    [("demand (mw)", Kind::Actual), ("forecast demand (mw)", Kind::Forecast)];
const MINUTES: u16 = 60;

/// The releases being replayed.
pub(crate) struct EiaVintages {
    rules: ReplayRules,
    zone: Zone,
    period: Period,
    provider: Provider,
    /// The units, said before everything.
    units: VecDeque<Unit>,
    codes: Vec<String>,
    files: VecDeque<VintageFile>,
    meter: Meter,
    done: u64,
}

struct VintageFile {
    release: &'static Release,
    unit: Unit,
    path: PathBuf,
    bytes: u64,
}

/// The releases of a list of years, oldest first; all for an empty list.
pub(crate) fn parse_releases(list: &str) -> Result<Vec<String>, SourceError> {
    let years: Vec<&str> = list.split(',').map(str::trim).filter(|year| !year.is_empty()).collect();
    chosen(&years).map(|releases| releases.map(|release| release.year.to_owned()).collect())
}

/// The years of the releases that `releases` choose.
pub(crate) fn names(releases: &[String]) -> Vec<&str> {
    let all = || RELEASES.iter().map(|release| release.year);
    if releases.is_empty() {
        return all().collect();
    }
    all().filter(|year| releases.iter().any(|name| name == year)).collect()
}

fn chosen<'y>(
    years: &'y [&'y str],
) -> Result<impl Iterator<Item = &'static Release> + 'y, SourceError> {
    for year in years {
        if !RELEASES.iter().any(|release| release.year == *year) {
            return Err(SourceError::Unknown {
                text: (*year).to_owned(),
                rule: "the releases are 2019, 2020 and 2025".to_owned(),
            });
        }
    }
    Ok(RELEASES.iter().filter(|release| years.is_empty() || years.contains(&release.year)))
}

impl EiaVintages {
    pub(crate) fn open(
        root: &Path,
        releases: &[String],
        rules: &ReplayRules,
    ) -> Result<EiaVintages, SourceError> {
        let mut codes = BTreeSet::new();
        for release in &RELEASES {
            codes.extend(codes_of(&root.join(release.folder))?);
        }
        let codes: Vec<String> = codes.into_iter().collect();
        let years: Vec<&str> = releases.iter().map(String::as_str).collect();
        let mut files = VecDeque::new();
        for release in chosen(&years)? {
            let folder = root.join(release.folder);
            for code in codes_of(&folder)? {
                let path = folder.join(format!("{code}{ENDING}"));
                let bytes = fs::metadata(&path)
                    .map_err(|source| SourceError::File { file: path.clone(), source })?
                    .len();
                let rank = codes.partition_point(|other| *other < code) + 1;
                files.push_back(VintageFile { release, unit: plant(rank), path, bytes });
            }
        }
        let wrong =
            |rule: &str| SourceError::Table { file: root.to_owned(), rule: rule.to_owned() };
        Ok(EiaVintages {
            rules: rules.clone(),
            zone: Zone::parse("UTC").ok_or_else(|| wrong("its stamps are in UTC"))?,
            period: Period::new(MINUTES).ok_or_else(|| wrong("its slots are hours"))?,
            provider: Provider::parse(PROVIDER).ok_or_else(|| wrong("its provider is EIA"))?,
            units: (1..=codes.len()).map(plant).collect(),
            codes,
            meter: Meter::new(files.iter().map(|file| file.bytes).sum()),
            files,
            done: 0,
        })
    }

    pub(crate) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// The next change: first all units, then the files.
    pub(crate) fn next_change(&mut self) -> Result<Option<Change>, SourceError> {
        if let Some(unit) = self.units.pop_front() {
            let mut version = master::unnamed_unit(unit, Instant::MIN);
            self.code(unit).clone_into(&mut version.name);
            return Ok(Some(Change::Unit(version)));
        }
        let Some(file) = self.files.pop_front() else { return Ok(None) };
        let save = self.save(&file)?;
        self.done += file.bytes;
        self.meter.set_done(self.done);
        Ok(Some(save))
    }

    fn code(&self, unit: Unit) -> &str {
        &self.codes[unit.unit_no as usize - 1]
    }

    fn save(&self, file: &VintageFile) -> Result<Change, SourceError> {
        let mut refusals = Refusals::default();
        let mut entries = Vec::new();
        for (kind, mut slots) in self.read(file, &mut refusals)? {
            entries.extend(slots::entries(kind, &mut slots, &mut refusals));
        }
        let publication = Publication {
            key: format!("{}/{}", file.release.year, self.code(file.unit)),
            provider: self.provider.clone(),
            issued: file.release.queried,
            entries,
            refusals,
        };
        Ok(publication.into_change(&self.rules))
    }

    /// The values of a file by kind; those of an unreadable stamp are only counted.
    fn read(
        &self,
        file: &VintageFile,
        refusals: &mut Refusals,
    ) -> Result<Vec<(Kind, Vec<SlotValue>)>, SourceError> {
        let wanted = [STAMP, COLUMNS[0].0, COLUMNS[1].0];
        let mut table = Table::open(&file.path, &wanted)?;
        let stamp = table.required_column(STAMP)?;
        table.required_column(COLUMNS[0].0)?;
        let mut series: Vec<(usize, Kind, Vec<SlotValue>)> = COLUMNS
            .iter()
            .filter_map(|(name, kind)| Some((table.column(name)?, *kind, Vec::new())))
            .collect();
        let (unit, period) = (file.unit, self.period);
        while table.advance()? {
            let Some(start) = self.delivery_start(&table.cell(stamp)) else {
                refusals.count(Outcome::InvalidValue, series.len() as u64);
                continue;
            };
            for (column, _, slots) in &mut series {
                let reading = self.value(&table.cell(*column));
                slots.push(SlotValue { unit, period, start, reading });
            }
        }
        Ok(series.into_iter().map(|(_, kind, slots)| (kind, slots)).collect())
    }

    /// The start of the hour that ends at the stamp.
    fn delivery_start(&self, stamp: &Cell<'_>) -> Option<Instant> {
        let civil = CivilTime::parse(&stamp.text())?;
        let end = self.zone.instant(civil).ok()?;
        Some(end.plus_minutes(-i64::from(MINUTES)))
    }

    fn value(&self, cell: &Cell<'_>) -> Reading {
        let text = cell.text();
        if NOTHING_REPORTED.contains(&text.trim()) {
            return Reading::WITHDRAWN;
        }
        ValueRules::of(&self.rules).read(&text, Measure::MegaWatt, self.period)
    }
}

/// The codes of a release in byte order.
fn codes_of(folder: &Path) -> Result<BTreeSet<String>, SourceError> {
    let files = listed(folder)?;
    let names = files.iter().filter_map(|file| file.file_name()?.to_str()?.strip_suffix(ENDING));
    Ok(names.map(str::to_owned).collect())
}
