//! A file of the time series, read one delivery day at a time.
//!
//! Day and period index stand for a time: period p of a file of m minutes begins (p − 1) × m minutes after
//! the model's midnight. A long file has a row for each period and a column for each unit, a wide one a row
//! for each day and a column for each period. Days must ascend; a cell that cannot be read refuses its
//! value, a date or period that cannot be read the values of its row (within the day that stands before it,
//! or the first).

use std::path::{Path, PathBuf};

use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::quantity::Measure;
use smartpulse_operators::time::{CivilTime, Instant, Period, Zone};
use smartpulse_operators::unit::Unit;

use super::plants::{self, Plants, company};
use super::{DataFile, Subject};
use crate::error::SourceError;
use crate::slots::{Refusals, SlotValue, ValueRules};
use crate::table::Table;

const DATE: [&str; 3] = ["year", "month", "day"];
const PERIOD: &str = "period";

/// One file, read forwards.
pub(super) struct Days {
    table: Table,
    path: PathBuf,
    zone: Zone,
    period: Period,
    values: ValueRules,
    date: [usize; 3],
    layout: Layout,
    /// The table stands on the first row of the next day.
    is_ahead: bool,
}

/// Where values stand.
enum Layout {
    Long {
        index: usize,
        columns: Vec<(usize, Unit)>,
    },
    /// A column for each period.
    Wide {
        unit: Unit,
        columns: Vec<usize>,
    },
}

/// What a file says of a day.
pub(super) struct Day {
    /// As in names of batches: `2020-07-10`.
    pub(super) date: String,
    pub(super) midnight: Instant,
    pub(super) slots: Vec<SlotValue>,
    /// What was refused before it had a slot.
    pub(super) refusals: Refusals,
}

impl Days {
    pub(super) fn open(
        root: &Path,
        file: &DataFile,
        plants: &Plants,
        values: ValueRules,
    ) -> Result<Days, SourceError> {
        let path = root.join(format!("{}.csv", file.name));
        let table = Table::open(&path, &[])?;
        let wrong = |rule: String| SourceError::Table { file: path.clone(), rule };
        let zone = Zone::parse(plants::ZONE).ok_or_else(|| wrong("its zone is unknown".into()))?;
        let period =
            Period::new(file.minutes).ok_or_else(|| wrong("its slots divide a day".into()))?;
        let mut date = [0; 3];
        for (place, name) in date.iter_mut().zip(DATE) {
            *place = table.required_column(name)?;
        }
        let layout = match file.subject {
            Subject::Plants | Subject::Areas => {
                let index = table.required_column(PERIOD)?;
                let unit = |column: &str| match file.subject {
                    Subject::Areas => plants.area(column),
                    Subject::Plants | Subject::Zone(_) => plants.plant(column),
                };
                let columns = table.columns().iter().enumerate();
                let values = columns.filter(|(place, _)| !date.contains(place) && *place != index);
                let columns = values.map(|(place, name)| Ok((place, unit(name).map_err(wrong)?)));
                Layout::Long { index, columns: columns.collect::<Result<_, SourceError>>()? }
            }
            Subject::Zone(number) => {
                let columns =
                    (1..=period.slots()).map(|index| table.required_column(&index.to_string()));
                let columns = columns.collect::<Result<_, SourceError>>()?;
                Layout::Wide { unit: company(number), columns }
            }
        };
        let mut names: Vec<&String> = table.columns().iter().collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(wrong(format!("there are two columns {}", pair[0])));
        }
        Ok(Days { table, path, zone, period, values, date, layout, is_ahead: false })
    }

    /// The next day; none at the end.
    pub(super) fn next_day(&mut self) -> Result<Option<Day>, SourceError> {
        let mut open: Option<Day> = None;
        let mut refusals = Refusals::default();
        while self.is_ahead || self.table.advance()? {
            self.is_ahead = false;
            let Some((date, midnight)) = self.day_of_row() else {
                refusals.count(Outcome::InvalidValue, self.row_values());
                continue;
            };
            let day = open.get_or_insert_with(|| Day {
                date,
                midnight,
                slots: Vec::new(),
                refusals: Refusals::default(),
            });
            if midnight < day.midnight {
                return Err(self.table.cell_error(DATE[2], "days must ascend"));
            }
            if midnight > day.midnight {
                self.is_ahead = true;
                break;
            }
            self.take_row(&mut day.slots, &mut refusals, midnight);
        }
        if open.is_none() && !refusals.is_empty() {
            let rule = "no row has a date that can be read".to_owned();
            return Err(SourceError::Table { file: self.path.clone(), rule });
        }
        Ok(open.map(|day| Day { refusals, ..day }))
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.table.bytes_read()
    }

    fn row_values(&self) -> u64 {
        match &self.layout {
            Layout::Long { columns, .. } => columns.len() as u64,
            Layout::Wide { columns, .. } => columns.len() as u64,
        }
    }

    /// The date and midnight of the current row.
    fn day_of_row(&self) -> Option<(String, Instant)> {
        let [year, month, day] =
            self.date.map(|column| self.table.cell(column).text().trim().parse::<u16>());
        let date = format!("{:04}-{:02}-{:02}", year.ok()?, month.ok()?, day.ok()?);
        let midnight = self.zone.instant(CivilTime::parse(&date)?).ok()?;
        Some((date, midnight))
    }

    fn take_row(&self, slots: &mut Vec<SlotValue>, refusals: &mut Refusals, midnight: Instant) {
        let period = self.period;
        let minutes = i64::from(period.minutes());
        let slot = |unit: Unit, index: usize, column: usize| SlotValue {
            unit,
            period,
            start: midnight.plus_minutes(minutes * index as i64),
            reading: self.values.read(&self.table.cell(column).text(), Measure::MegaWatt, period),
        };
        match &self.layout {
            Layout::Long { index, columns } => {
                let number = self.table.cell(*index).text().trim().parse::<usize>();
                match number.ok().filter(|number| (1..=period.slots()).contains(number)) {
                    Some(number) => slots.extend(
                        columns.iter().map(|(column, unit)| slot(*unit, number - 1, *column)),
                    ),
                    None => refusals.count(Outcome::InvalidValue, columns.len() as u64),
                }
            }
            Layout::Wide { unit, columns } => {
                let columns = columns.iter().enumerate();
                slots.extend(columns.map(|(index, column)| slot(*unit, index, *column)));
            }
        }
    }
}
