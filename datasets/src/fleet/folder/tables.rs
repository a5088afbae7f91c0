//! Changes as rows: the tables of the long format as CSV files.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Writer};
use smartpulse_operators::change::{BatchName, Change, Save};
use smartpulse_operators::quantity::{ABSENT, NULL, Quantity};
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Membership, Property, Unit, UnitVersion};

use super::{Written, failed};
use crate::error::SourceError;
use crate::fleet::megawatts;
use crate::forecast_row::WANTED;

/// Buffer of each file; large writes keep the disk from being the slow part.
const BUFFER: usize = 256 * 1024;

/// The files of a folder being written.
pub(super) struct Files {
    forecasts: Table,
    units: Table,
    memberships: Table,
    properties: Table,
    withdrawals: Table,
    batches: u64,
}

/// One file of rows.
struct Table {
    file: PathBuf,
    writer: Writer<BufWriter<File>>,
    rows: u64,
}

impl Files {
    /// Creates them in `folder`, with their headers.
    pub(super) fn create(folder: &Path) -> Result<Files, SourceError> {
        let table = |name: &str, columns: &[&str]| Table::create(folder.join(name), columns);
        Ok(Files {
            forecasts: table("forecasts.csv", &WANTED)?,
            units: table(
                "units.csv",
                &[
                    "unit_type",
                    "unit_no",
                    "name",
                    "plant_type",
                    "installed_power_mw",
                    "zone",
                    "region",
                    "valid_from",
                    "recorded",
                ],
            )?,
            memberships: table(
                "memberships.csv",
                &[
                    "parent_type",
                    "parent_no",
                    "child_type",
                    "child_no",
                    "valid_from",
                    "valid_to",
                    "recorded",
                ],
            )?,
            properties: table(
                "properties.csv",
                &["unit_type", "unit_no", "key", "value", "recorded"],
            )?,
            withdrawals: table("withdrawals.csv", &["batch", "recorded"])?,
            batches: 0,
        })
    }

    /// Writes the rows of a change.
    pub(super) fn write(&mut self, change: &Change) -> Result<(), SourceError> {
        match change {
            Change::Unit(version) => self.unit(version),
            Change::Membership(membership) => self.membership(membership),
            Change::Property(property) => self.property(property),
            Change::Save(save) => {
                self.batches += 1;
                self.save(save)
            }
            Change::Withdrawal(withdrawal) => match &withdrawal.batch {
                BatchName::Source(batch) => {
                    self.withdrawals.row(&[batch, &time(withdrawal.recorded)])
                }
                BatchName::Id(_) => Ok(()),
            },
            // A fleet says none of these.
            Change::Lock(_) | Change::Rules(_) | Change::Refused(_) => Ok(()),
        }
    }

    fn unit(&mut self, version: &UnitVersion) -> Result<(), SourceError> {
        let [unit_type, unit_no] = unit(version.unit);
        let power = version.installed_power.map_or_else(String::new, megawatts);
        self.units.row(&[
            &unit_type,
            &unit_no,
            &version.name,
            version.plant_type.as_deref().unwrap_or_default(),
            &power,
            &version.zone,
            version.region.as_deref().unwrap_or_default(),
            &time(version.valid_from),
            &time(version.recorded),
        ])
    }

    fn membership(&mut self, membership: &Membership) -> Result<(), SourceError> {
        let ([parent_type, parent_no], [child_type, child_no]) =
            (unit(membership.parent), unit(membership.child));
        self.memberships.row(&[
            &parent_type,
            &parent_no,
            &child_type,
            &child_no,
            &time(membership.valid_from),
            &membership.valid_to.map_or_else(String::new, time),
            &time(membership.recorded),
        ])
    }

    fn property(&mut self, property: &Property) -> Result<(), SourceError> {
        let [unit_type, unit_no] = unit(property.unit);
        let value = property.value.as_deref().unwrap_or_default();
        let recorded = time(property.recorded);
        self.properties.row(&[&unit_type, &unit_no, &property.key, value, &recorded])
    }

    fn save(&mut self, save: &Save) -> Result<(), SourceError> {
        let batch = &save.batch;
        let (valid_after, recorded) = (time(batch.valid_after), time(batch.recorded));
        let key = batch.source_batch.as_deref().unwrap_or_default();
        let (user, note) = (batch.user.as_deref(), batch.note.as_deref());
        for entry in &save.entries {
            let [unit_type, unit_no] = unit(entry.unit);
            let minutes = entry.period.minutes().to_string();
            let mut fault = Ok(());
            entry.curve.for_each_day(entry.period, |day, first, values| {
                for (value, slot) in values.iter().zip(first..) {
                    if *value == ABSENT || fault.is_err() {
                        continue;
                    }
                    let text =
                        if *value == NULL { String::new() } else { megawatts(Quantity(*value)) };
                    fault = self.forecasts.row(&[
                        &unit_type,
                        &unit_no,
                        batch.provider.key(),
                        entry.kind.word(),
                        &valid_after,
                        &recorded,
                        &time(day.slot_start(entry.period, slot)),
                        &minutes,
                        "MW",
                        &text,
                        key,
                        user.unwrap_or_default(),
                        note.unwrap_or_default(),
                    ]);
                }
            });
            fault?;
        }
        Ok(())
    }

    /// Brings all of them to disk; the number of rows of each.
    pub(super) fn finish(self) -> Result<Written, SourceError> {
        Ok(Written {
            values: self.forecasts.finish()?,
            batches: self.batches,
            units: self.units.finish()?,
            memberships: self.memberships.finish()?,
            properties: self.properties.finish()?,
            withdrawals: self.withdrawals.finish()?,
        })
    }
}

impl Table {
    fn create(file: PathBuf, columns: &[&str]) -> Result<Table, SourceError> {
        let opened = File::create(&file).map_err(failed(&file))?;
        let mut writer = Writer::from_writer(BufWriter::with_capacity(BUFFER, opened));
        let header = writer.write_byte_record(&ByteRecord::from(columns));
        header.map_err(|error| failed(&file)(error.into()))?;
        Ok(Table { file, writer, rows: 0 })
    }

    fn row(&mut self, cells: &[&str]) -> Result<(), SourceError> {
        self.rows += 1;
        let written = self.writer.write_record(cells);
        written.map_err(|error| failed(&self.file)(error.into()))
    }

    /// Brings the file to disk; the number of its rows.
    fn finish(self) -> Result<u64, SourceError> {
        let buffered = self.writer.into_inner().map_err(|error| error.into_error());
        let written = buffered
            .and_then(|buffered| buffered.into_inner().map_err(io::IntoInnerError::into_error))
            .and_then(|file| file.sync_all());
        written.map_err(failed(&self.file))?;
        Ok(self.rows)
    }
}

fn unit(unit: Unit) -> [String; 2] {
    [unit.unit_type.word().to_owned(), unit.unit_no.to_string()]
}

/// Empty for what was always so.
fn time(instant: Instant) -> String {
    if instant == Instant::MIN { String::new() } else { instant.to_string() }
}
