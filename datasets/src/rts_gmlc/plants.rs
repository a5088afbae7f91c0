//! Plants, areas and zones of the test system as units and memberships, known before everything.
//!
//! Every generator of `gen.csv` is a plant, numbered by the rank of its `GEN UID`; its type is the column
//! `Unit Type` in lower case (the only one that tells wind, pv, rtpv, hydro, ror, csp, storage and the
//! thermal kinds apart), its region the area of its bus. Each area n is company CMP n, to which its plants
//! belong for all time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use smartpulse_operators::change::Change;
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::reference::megawatts;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Membership, Unit, UnitType, UnitVersion};

use super::{FIRST_ZONE, ZONES};
use crate::error::SourceError;
use crate::master;
use crate::published::plant;
use crate::table::Table;

/// The zone of all units: UTC−7 all year, as the data's model time knows no summer time.
pub(super) const ZONE: &str = "America/Phoenix";

const GENERATORS: &str = "gen.csv";
const BUSES: &str = "bus.csv";
const UID: &str = "gen uid";
const BUS: &str = "bus id";
const UNIT_TYPE: &str = "unit type";
const POWER: &str = "pmax mw";
const AREA: &str = "area";

/// The units of the system, by what columns of the data files are called.
pub(super) struct Plants {
    /// By `GEN UID` in lower case, as tables have their columns.
    by_uid: BTreeMap<String, Unit>,
    /// All areas there are.
    areas: BTreeSet<u64>,
    generators: PathBuf,
}

/// A row of `gen.csv`.
struct Generator {
    plant_type: String,
    power: Quantity,
    area: u64,
}

impl Plants {
    /// Reads the units, and the changes that state them.
    pub(super) fn read(root: &Path) -> Result<(Plants, Vec<Change>), SourceError> {
        let buses = areas_of_buses(root)?;
        let generators = generators(root, &buses)?;
        let areas: BTreeSet<u64> = buses.into_values().collect();
        let mut by_uid = BTreeMap::new();
        let mut units = Vec::new();
        let mut memberships = Vec::new();
        for (place, (uid, generator)) in generators.iter().enumerate() {
            let unit = plant(place + 1);
            by_uid.insert(uid.to_lowercase(), unit);
            units.push(Change::Unit(UnitVersion {
                plant_type: Some(generator.plant_type.clone()),
                installed_power: Some(generator.power),
                region: Some(generator.area.to_string()),
                ..named(unit, uid)
            }));
            memberships.push(Change::Membership(Membership {
                parent: company(generator.area),
                child: unit,
                valid_from: Instant::MIN,
                valid_to: None,
                recorded: Instant::MIN,
                deleted: false,
            }));
        }
        let companies = areas.iter().map(|area| named(company(*area), &format!("Area {area}")));
        units.extend(companies.map(Change::Unit));
        let zones = (FIRST_ZONE..).zip(ZONES).map(|(number, name)| named(company(number), name));
        units.extend(zones.map(Change::Unit));
        units.extend(memberships);
        Ok((Plants { by_uid, areas, generators: root.join(GENERATORS) }, units))
    }

    /// The plant whose `GEN UID` is `column`, in lower case.
    pub(super) fn plant(&self, column: &str) -> Result<Unit, String> {
        let unit = self.by_uid.get(column).copied();
        unit.ok_or_else(|| {
            format!("column {column} is no GEN UID of {}", self.generators.display())
        })
    }

    /// The company of the area that `column` numbers.
    pub(super) fn area(&self, column: &str) -> Result<Unit, String> {
        let area = Unit::parse_no(column).filter(|area| self.areas.contains(area));
        area.map(company).ok_or_else(|| format!("column {column} is no area of a bus"))
    }
}

/// The company of that number.
pub(super) fn company(number: u64) -> Unit {
    Unit { unit_type: UnitType::Company, unit_no: number }
}

fn named(unit: Unit, name: &str) -> UnitVersion {
    UnitVersion {
        name: name.to_owned(),
        zone: ZONE.to_owned(),
        ..master::unnamed_unit(unit, Instant::MIN)
    }
}

/// The area of each bus, by bus id.
fn areas_of_buses(root: &Path) -> Result<BTreeMap<String, u64>, SourceError> {
    let mut table = Table::open(&root.join(BUSES), &[BUS, AREA])?;
    let (bus, area) = (table.required_column(BUS)?, table.required_column(AREA)?);
    let mut buses = BTreeMap::new();
    while table.advance()? {
        let id = table.cell(bus).text().trim().to_owned();
        let number = Unit::parse_no(&table.cell(area).text()).filter(|area| *area < FIRST_ZONE);
        let number = number.ok_or_else(|| {
            let rule = format!("must be a number from 1 to {}", FIRST_ZONE - 1);
            table.cell_error(AREA, rule)
        })?;
        if buses.insert(id, number).is_some() {
            return Err(table.cell_error(BUS, "must not stand twice"));
        }
    }
    Ok(buses)
}

/// The generators by `GEN UID`: byte order is that of their numbers.
fn generators(
    root: &Path,
    buses: &BTreeMap<String, u64>,
) -> Result<BTreeMap<String, Generator>, SourceError> {
    let mut table = Table::open(&root.join(GENERATORS), &[UID, BUS, UNIT_TYPE, POWER])?;
    let (uid, bus) = (table.required_column(UID)?, table.required_column(BUS)?);
    let (unit_type, power) = (table.required_column(UNIT_TYPE)?, table.required_column(POWER)?);
    let mut generators = BTreeMap::new();
    while table.advance()? {
        let text = |column: usize| table.cell(column).text().trim().to_owned();
        let name = text(uid);
        if name.is_empty() {
            return Err(table.cell_error(UID, "must not be empty"));
        }
        let generator = Generator {
            plant_type: text(unit_type).to_lowercase(),
            power: megawatts(&text(power))
                .ok_or_else(|| table.cell_error(POWER, "must be a number of MW"))?,
            area: *buses
                .get(&text(bus))
                .ok_or_else(|| table.cell_error(BUS, format!("must be a bus of {BUSES}")))?,
        };
        if generators.insert(name, generator).is_some() {
            return Err(table.cell_error(UID, "must not stand twice"));
        }
    }
    Ok(generators)
}
