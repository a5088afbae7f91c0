//! What a replay takes in from files, rule by rule: small tables in, the stream of changes out as text.
//!
//! One binary, so that the crate is linked once; each module tests one side of the interface.
// The lint knows test functions by themselves; what they call fails a test in the same way.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use smartpulse_datasets::{Changes, ReplayRules, Source, SourceError};
use smartpulse_operators::change::{Change, Checks, Curve, Save};
use smartpulse_operators::quantity::{ABSENT, NULL, Quantity};
use smartpulse_operators::time::{Instant, Period};
use tempfile::TempDir;

mod replay {
    mod broken_files;
    mod eia;
    mod order;
    mod parquet_files;
    mod shuffled;
    mod single_values;
    mod statements;
    mod whole_batches;
}

/// The columns of forecasts that the tables of these tests have, in the order of their rows.
const HEADER: &str = "unit_type,unit_no,provider,kind,valid_after,recorded,delivery_start,period_minutes,\
                      measure_unit,value,batch";

/// A long-format folder that is removed with the value.
struct Folder(TempDir);

impl Folder {
    /// A folder whose `forecasts.csv` has [`HEADER`] and these rows.
    fn of(rows: &str) -> Folder {
        Folder::empty().with("forecasts.csv", &format!("{HEADER}\n{rows}"))
    }

    fn empty() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn with(self, name: &str, text: &str) -> Folder {
        self.with_bytes(name, text.as_bytes())
    }

    fn with_bytes(self, name: &str, bytes: &[u8]) -> Folder {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn source(&self) -> Source {
        Source::LongFormat(self.path().to_owned())
    }

    fn open(&self) -> Result<Changes, SourceError> {
        self.source().open(&rules(self.path()))
    }

    /// The changes as text, one a line.
    fn replay(&self) -> String {
        shown(self.open().unwrap(), self.path())
    }

    /// The error that opening or replaying ends with.
    fn fault(&self) -> String {
        let fault = match self.open() {
            Ok(changes) => changes.filter_map(Result::err).next().unwrap(),
            Err(fault) => fault,
        };
        without_folder(&fault.to_string(), self.path())
    }
}

fn rules(folder: &Path) -> ReplayRules {
    ReplayRules {
        checks: Checks::default(),
        round_digits: None,
        skips_existing_check: false,
        allowed_periods: vec![5, 10, 15, 30, 60],
        value_bound: Quantity::DEFAULT_BOUND,
        spill_dir: folder.join("spill"),
        sort_bytes: 64 << 20,
    }
}

/// Changes as text, one a line, ending with the error where there is one.
fn shown(changes: Changes, folder: &Path) -> String {
    let lines = changes.map(|change| match change {
        Ok(change) => show(&change),
        Err(fault) => format!("ERROR {}", without_folder(&fault.to_string(), folder)),
    });
    lines.map(|line| line + "\n").collect()
}

fn without_folder(text: &str, folder: &Path) -> String {
    text.replace(&format!("{}/", folder.display()), "").replace(&folder.display().to_string(), ".")
}

fn show(change: &Change) -> String {
    match change {
        Change::Save(save) => show_save(save),
        Change::Refused(batch) => {
            let recorded = batch.recorded.map_or("unknown".to_owned(), time);
            format!("refused {} × {} at {recorded}", batch.code, batch.values)
        }
        Change::Unit(unit) => format!(
            "unit {} {:?} {:?} {:?} {} {:?} from {} at {}",
            unit.unit,
            unit.name,
            unit.plant_type,
            unit.installed_power.map(|power| power.0),
            unit.zone,
            unit.region,
            time(unit.valid_from),
            time(unit.recorded)
        ),
        other => format!("{other:?}"),
    }
}

fn show_save(save: &Save) -> String {
    let batch = &save.batch;
    let mut text = format!(
        "save {} {} at {}",
        batch.source_batch.as_deref().unwrap_or("-"),
        batch.provider.key(),
        time(batch.recorded)
    );
    if batch.valid_after != batch.recorded {
        text += &format!(" valid {}", time(batch.valid_after));
    }
    for said in [&batch.user, &batch.note].into_iter().flatten() {
        text += &format!(" {said:?}");
    }
    for entry in &save.entries {
        let values = values(&entry.curve, entry.period);
        let kind = entry.kind.word();
        text += &format!("; {kind} {} {} min: {values}", entry.unit, entry.period.minutes());
    }
    for (outcome, count) in &save.refused {
        text += &format!("; {} × {count}", outcome.code().unwrap());
    }
    text
}

fn values(curve: &Curve, period: Period) -> String {
    let mut runs: Vec<String> = Vec::new();
    curve.for_each_day(period, |day, first, values| {
        let values = values.iter().map(|value| match *value {
            NULL => "null".to_owned(),
            ABSENT => "-".to_owned(),
            value => value.to_string(),
        });
        let values: Vec<String> = values.collect();
        runs.push(format!("{} {}", time(day.slot_start(period, first)), values.join(" ")));
    });
    runs.join(", ")
}

/// An instant without the words that say nothing here.
fn time(instant: Instant) -> String {
    if instant == Instant::MIN {
        return "always".to_owned();
    }
    instant.to_string().replace(":00Z", "Z")
}

/// Rows of the tables of these tests from shorter ones: `batch, unit_no, recorded day of January, hour,
/// value`, of PP, provider P, period 60, in MW.
fn rows(short: &[&str]) -> String {
    let full = short.iter().map(|row| {
        let cells: Vec<&str> = row.split(',').map(str::trim).collect();
        let [batch, unit, day, hour, value] = cells[..] else { panic!("five cells: {row}") };
        format!(
            "PP,{unit},P,forecast,2026-01-{day:0>2}T00:00:00Z,,2026-02-01T{hour:0>2}:00:00Z,60,MW,{value},{batch}\n"
        )
    });
    full.collect()
}

/// The folder of the public data sets.
fn datasets() -> PathBuf {
    let folder = std::env::var_os("SMARTPULSE_DATASETS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/datasets"),
        PathBuf::from,
    );
    assert!(
        folder.is_dir(),
        "{} is no folder: set SMARTPULSE_DATASETS to the folder of the public data sets",
        folder.display()
    );
    folder
}
