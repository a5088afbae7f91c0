//! Files in, a stream of changes out: what a replay takes in, in the order in which it takes it.
//!
//! [`Source::parse`] reads what a user calls a data set, [`Source::open`] gives its [`Changes`]. Every
//! rule that needs no state (readable cells, shape of a batch, rounding, the value bound) is applied here;
//! what depends on earlier changes is left to the engine. The words of the files are fixed in the
//! interface: `long_format` reads folders of CSV or Parquet; `eia_vintages`, `eia930`, `elexon_pn` and
//! `rts_gmlc` each a public data set as it lies, with what they share in `published`.
//!
//! Reading order: `table` (files to cells), `forecast_row` (cells to values), `gather` (rows to batches, by
//! `sorter`, in bounded memory), `assemble` and `slots` (batches to changes), `long_format` (all of it).
#![warn(missing_docs)]

use std::path::{Path, PathBuf};

use smartpulse_operators::change::Checks;
use smartpulse_operators::quantity::Quantity;

mod assemble;
mod batch_id;
mod changes;
mod eia930;
mod eia_vintages;
mod elexon_pn;
mod error;
mod fleet;
mod forecast_row;
mod gather;
mod long_format;
mod master;
mod published;
mod rts_gmlc;
pub mod slots;
mod sorter;
mod table;

pub use changes::{Changes, Meter, Progress, Remark};
pub use error::SourceError;
pub use fleet::{Asked, Fleet, LivingFleet, LivingPlant, Written};
pub use master::unnamed_unit;

/// How a replay judges values and what the changes it yields are held to.
#[derive(Clone, Debug)]
pub struct ReplayRules {
    /// The state-dependent rules that saves and withdrawals carry.
    pub checks: Checks,
    /// Rounds values to so many decimals in the unit given; none keeps them to the hundredth of a kW.
    pub round_digits: Option<u32>,
    /// Saves are marked `shouldSkipExistingCheck`.
    pub skips_existing_check: bool,
    /// Slot lengths a batch may have, in minutes.
    pub allowed_periods: Vec<u16>,
    /// Greatest magnitude of a slot's value.
    pub value_bound: Quantity,
    /// Where the external sort keeps what exceeds `sort_bytes`; created when needed.
    pub spill_dir: PathBuf,
    /// Memory for sorting, in bytes (approximate; a batch is held whole on top of it).
    pub sort_bytes: usize,
}

/// A data set that can be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder in the long format, or a file (or folder of parts) that is its `forecasts` alone.
    LongFormat(PathBuf),
    /// EIA-930 demand as queried on three dates.
    EiaVintages {
        /// The folder of the data set.
        root: PathBuf,
        /// Release years, oldest first; empty for all.
        releases: Vec<String>,
    },
    /// EIA-930 demand, forecast and net generation as pulled in October 2026, in this folder.
    Eia930(PathBuf),
    /// Physical notifications of Great Britain, in this folder.
    ElexonPn(PathBuf),
    /// The RTS-GMLC test system, in this folder.
    RtsGmlc(PathBuf),
    /// A fleet made from a seed.
    Fleet(Fleet),
}

/// The word for [`Source::EiaVintages`].
const EIA_VINTAGES: &str = "eia930-vintages";
/// Where that data set lies in the folder of data sets.
const EIA_VINTAGES_FOLDER: &str = "eia930_vintages";
/// The word for [`Source::Eia930`], and where it lies.
const EIA930: &str = "eia930";
const EIA930_FOLDER: &str = "eia930_2019_2026";
/// The word for [`Source::ElexonPn`], and where it lies.
const ELEXON_PN: &str = "elexon-pn";
const ELEXON_PN_FOLDER: &str = "elexon_bmu_pn";
/// The word for [`Source::RtsGmlc`], and where it lies.
const RTS_GMLC: &str = "rts-gmlc";
const RTS_GMLC_FOLDER: &str = "rts_gmlc";

impl Source {
    /// Reads `eia930-vintages`, `eia930-vintages:2019,2020`, `eia930`, `elexon-pn`, `rts-gmlc`, `fleet:SEED`
    /// (see [`Fleet::parse`]) or the path of a long-format file or folder; `datasets` is the folder of the
    /// public data sets.
    ///
    /// # Errors
    /// [`SourceError::Unknown`] where the text is neither.
    pub fn parse(text: &str, datasets: &Path) -> Result<Source, SourceError> {
        let (word, releases) = text.split_once(':').unwrap_or((text, ""));
        if word == EIA_VINTAGES {
            let releases = eia_vintages::parse_releases(releases)?;
            return Ok(Source::EiaVintages { root: datasets.join(EIA_VINTAGES_FOLDER), releases });
        }
        if text == EIA930 {
            return Ok(Source::Eia930(datasets.join(EIA930_FOLDER)));
        }
        if let Some(fleet) = text.strip_prefix(fleet::WORD).and_then(|rest| rest.strip_prefix(':'))
        {
            return Ok(Source::Fleet(Fleet::parse(fleet)?));
        }
        if text == ELEXON_PN {
            return Ok(Source::ElexonPn(datasets.join(ELEXON_PN_FOLDER)));
        }
        if text == RTS_GMLC {
            return Ok(Source::RtsGmlc(datasets.join(RTS_GMLC_FOLDER)));
        }
        match std::fs::canonicalize(text) {
            Ok(path) => Ok(Source::LongFormat(path)),
            Err(error) => Err(SourceError::Unknown {
                text: text.to_owned(),
                rule: format!(
                    "expected {EIA_VINTAGES}, {EIA_VINTAGES}:YEAR,YEAR, {EIA930}, {ELEXON_PN}, {RTS_GMLC}, {}:SEED or the path of a file or folder ({error})",
                    fleet::WORD
                ),
            }),
        }
    }

    /// The identity under which a replay resumes: equal for equal data, whatever it was called.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Source::LongFormat(path) => {
                let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                format!("long-format:{}", path.display())
            }
            Source::EiaVintages { releases, .. } => {
                format!("{EIA_VINTAGES}:{}", eia_vintages::names(releases).join(","))
            }
            Source::Eia930(_) => EIA930.to_owned(),
            Source::ElexonPn(_) => ELEXON_PN.to_owned(),
            Source::RtsGmlc(_) => RTS_GMLC.to_owned(),
            Source::Fleet(fleet) => fleet.name(),
        }
    }

    /// The changes of this source. Master data and withdrawals are read at once, so that a fault in them
    /// stops a replay before anything was taken in; forecasts are read by the first `next`.
    ///
    /// # Errors
    /// [`SourceError`] naming the file, where known the row and column, and the rule that was broken.
    pub fn open(&self, rules: &ReplayRules) -> Result<Changes, SourceError> {
        match self {
            Source::LongFormat(path) => {
                long_format::LongFormat::open(path, rules).map(Changes::from_long_format)
            }
            Source::EiaVintages { root, releases } => {
                eia_vintages::EiaVintages::open(root, releases, rules).map(Changes::from_eia)
            }
            Source::Eia930(root) => eia930::Eia930::open(root, rules).map(Changes::from_eia930),
            Source::ElexonPn(root) => {
                elexon_pn::ElexonPn::open(root, rules).map(Changes::from_elexon_pn)
            }
            Source::RtsGmlc(root) => {
                rts_gmlc::RtsGmlc::open(root, rules).map(Changes::from_rts_gmlc)
            }
            Source::Fleet(fleet) => fleet::FleetStream::open(fleet, rules).map(Changes::from_fleet),
        }
    }
}
