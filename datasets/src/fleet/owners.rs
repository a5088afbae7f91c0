//! Who owns the plants, and all that is said of units: master data, memberships, properties, in the order in
//! which it becomes known.

use smartpulse_operators::change::Change;
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Membership, Property, Unit, UnitType, UnitVersion};

use super::chance::{Chance, Topic};
use super::plants::{Plant, Span};
use crate::master;

/// Plants of a company, where there are enough of them.
const PLANTS_PER_COMPANY: usize = 20;
/// Companies of a group.
const COMPANIES_PER_GROUP: usize = 10;
/// There are at least so many companies, and so many groups, that both levels mean something.
const FEWEST: (usize, usize) = (3, 2);
/// One plant of so many belongs to a second company as well.
const SHARED_EVERY: usize = 15;
/// One plant of so many is sold, at different places in the fleet from those.
const SOLD_EVERY: usize = 12;
/// Minutes by which an extension is known before: more than any desk looks ahead, with its delay, so that
/// no limit refuses what a desk expects of it.
const EXTENSION_KNOWN: i64 = 4_320;
/// Hundredths of a kW in a kW.
const PER_KILOWATT: i64 = 100;
const MINUTE: i64 = 60_000_000;

const FIRST_NAMES: [&str; 12] = [
    "Anadolu",
    "Ege",
    "Toros",
    "Marmara",
    "Karadeniz",
    "Fırat",
    "Kapadokya",
    "Likya",
    "Trakya",
    "Ilgaz",
    "Munzur",
    "Süphan",
];
const LAST_NAMES: [&str; 6] =
    ["Enerji", "Elektrik Üretim", "Yenilenebilir", "Güç", "Enerji Yatırım", "Santralleri"];
const GROUP_NAMES: [&str; 5] = ["Zeytin", "Çınar", "Ardıç", "Kızılırmak", "Poyraz"];

/// A statement and its place among all: when it is known, and which kind comes first then.
type Statement = (Instant, u8, Change);

/// All statements about `plants` in the order in which they become known.
pub(super) fn statements(seed: Chance, plants: &[Plant], span: Span) -> Vec<Change> {
    let companies = plants.len().div_ceil(PLANTS_PER_COMPANY).max(FEWEST.0);
    let groups = companies.div_ceil(COMPANIES_PER_GROUP).max(FEWEST.1);
    let mut all: Vec<Statement> = Vec::new();
    for group in 0..groups {
        let name =
            numbered(GROUP_NAMES[group % GROUP_NAMES.len()], "Holding", group, GROUP_NAMES.len());
        all.push(unit(named(unit_of(UnitType::Group, group), name)));
    }
    for company in 0..companies {
        let (first, last) = (company % FIRST_NAMES.len(), company / FIRST_NAMES.len() + company);
        let name = numbered(
            FIRST_NAMES[first],
            LAST_NAMES[last % LAST_NAMES.len()],
            company,
            FIRST_NAMES.len() * LAST_NAMES.len(),
        );
        all.push(unit(named(unit_of(UnitType::Company, company), name)));
        let owned = unit_of(UnitType::Company, company);
        all.push(always_member(unit_of(UnitType::Group, company % groups), owned));
    }
    // One company is in two groups: its plants count once where the paths meet.
    all.push(always_member(unit_of(UnitType::Group, 1), unit_of(UnitType::Company, 0)));
    for plant in plants {
        all.extend(master_data(plant));
        all.extend(ownership(seed, plant, companies, span));
        all.extend(properties(plant, span));
    }
    // Stable: what is known at the same time stays in the order of plants.
    all.sort_by_key(|(recorded, class, _)| (*recorded, *class));
    all.into_iter().map(|(_, _, change)| change).collect()
}

fn numbered(first: &str, last: &str, number: usize, names: usize) -> String {
    match number / names {
        0 => format!("{first} {last}"),
        round => format!("{first} {last} {}", round + 1),
    }
}

fn unit_of(unit_type: UnitType, rank: usize) -> Unit {
    Unit { unit_type, unit_no: rank as u64 + 1 }
}

fn plant_unit(plant: &Plant) -> Unit {
    Unit { unit_type: UnitType::PowerPlant, unit_no: plant.no }
}

fn named(unit: Unit, name: String) -> UnitVersion {
    UnitVersion { name, ..master::unnamed_unit(unit, Instant::MIN) }
}

fn unit(version: UnitVersion) -> Statement {
    (version.recorded, 0, Change::Unit(version))
}

fn member(parent: Unit, child: Unit, valid_from: Instant, valid_to: Option<Instant>) -> Membership {
    Membership { parent, child, valid_from, valid_to, recorded: Instant::MIN, deleted: false }
}

fn membership(membership: Membership) -> Statement {
    (membership.recorded, 1, Change::Membership(membership))
}

fn always_member(parent: Unit, child: Unit) -> Statement {
    membership(member(parent, child, Instant::MIN, None))
}

/// The plant's master data, and its extension, known before any forecast reaches it.
fn master_data(plant: &Plant) -> Vec<Statement> {
    let area = plant.area();
    let first = UnitVersion {
        name: plant.name.clone(),
        plant_type: Some(plant.kind.word().to_owned()),
        installed_power: Some(Quantity(plant.installed * PER_KILOWATT)),
        zone: area.zone.to_owned(),
        region: Some(area.regions[plant.region].name.to_owned()),
        ..master::unnamed_unit(plant_unit(plant), Instant::MIN)
    };
    let extended = plant.extension.map(|(from, installed)| UnitVersion {
        installed_power: Some(Quantity(installed * PER_KILOWATT)),
        valid_from: Instant(from * MINUTE),
        recorded: Instant((from - EXTENSION_KNOWN) * MINUTE),
        ..first.clone()
    });
    std::iter::once(first).chain(extended).map(unit).collect()
}

/// The companies of a plant: its own, a second one of shared plants, and of sold ones the buyer.
fn ownership(seed: Chance, plant: &Plant, companies: usize, span: Span) -> Vec<Statement> {
    let child = plant_unit(plant);
    // Neighbours in the fleet are not neighbours in a company.
    let rank = plant.rank() % companies;
    let company = |shift: usize| unit_of(UnitType::Company, (rank + shift) % companies);
    let mut statements = vec![always_member(company(0), child)];
    if plant.rank() % SHARED_EVERY == 3 {
        statements.push(always_member(company(1), child));
    }
    if plant.rank() % SOLD_EVERY == 1 && span.days > 1 {
        let draw = seed.about(Topic::Owner).at(plant.rank() as i64);
        let day = draw.at(0).between(1, span.days - 1);
        let zone_midnight = span.start + day * 1_440 - plant.area().office_offset;
        // Every other sale takes effect in the evening, at half an hour.
        let of_day = if plant.rank() % (2 * SOLD_EVERY) == 1 { 18 * 60 + 30 } else { 0 };
        let at = Instant((zone_midnight + of_day) * MINUTE);
        // Contracts are signed some days or hours before, a few only after the fact.
        let known = Instant(at.0 - draw.at(1).between(-600, 1_400) * MINUTE);
        let sold = member(company(0), child, Instant::MIN, Some(at));
        let bought = member(company(2), child, at, None);
        for statement in [sold, bought] {
            statements.push(membership(Membership { recorded: known, ..statement }));
        }
    }
    statements
}

/// Limits and the market.
fn properties(plant: &Plant, span: Span) -> Vec<Statement> {
    let mut properties = Vec::new();
    let mut say = |key: &str, value: String, recorded: Instant| {
        let (unit, key) = (plant_unit(plant), key.to_owned());
        let property = Property { unit, key, value: Some(value), recorded };
        properties.push((recorded, 2, Change::Property(property)));
    };
    say("lower_limit_mw", megawatts(plant.lower_limit), Instant::MIN);
    if let Some(limit) = plant.upper_limit {
        say("upper_limit_mw", megawatts(limit), Instant::MIN);
        if plant.rank() % 18 == 4 && span.days > 1 {
            // The grid operator allows more; the plant makes no use of it yet.
            let raised = Instant((span.start + 1_440 + 9 * 60) * MINUTE);
            say("upper_limit_mw", megawatts(plant.installed * 95 / 100), raised);
        }
    }
    if let Some(market) = plant.area().market.filter(|_| plant.rank() % 8 != 7) {
        say("market", market.to_owned(), Instant::MIN);
    }
    properties
}

/// kW as decimal text in MW.
fn megawatts(kilowatts: i64) -> String {
    super::megawatts(Quantity(kilowatts * PER_KILOWATT))
}

#[cfg(test)]
mod tests {
    use super::super::plants::plants;
    use super::*;

    #[test]
    fn every_plant_has_an_owner_at_any_time_and_a_sold_one_two_in_turn() {
        let span = Span { start: 29_573_280, days: 10 };
        let seed = Chance::of_seed(7);
        let plants = plants(seed, 400, span);
        let statements = statements(seed, &plants, span);
        assert!(statements.is_sorted_by_key(Change::recorded));
        let count = |of: UnitType| {
            let is = |change: &&Change| matches!(change, Change::Unit(version) if version.unit.unit_type == of);
            statements.iter().filter(is).count()
        };
        assert_eq!((count(UnitType::Company), count(UnitType::Group)), (20, 2));
        let mut state = smartpulse_operators::reference::Reference::default();
        statements.iter().for_each(|change| state.apply(change));
        let mut sold = 0;
        for plant in &plants {
            let unit = plant_unit(plant);
            let all: Vec<&Membership> =
                state.memberships().filter(|membership| membership.child == unit).collect();
            let owners = |at: Instant| all.iter().filter(|member| member.covers(at)).count();
            let shared = plant.rank() % SHARED_EVERY == 3;
            for minute in [0, span.start, span.start + 7_777, span.start + 20_000] {
                assert_eq!(owners(Instant(minute * MINUTE)), 1 + usize::from(shared));
            }
            sold += usize::from(all.iter().any(|membership| membership.valid_to.is_some()));
        }
        assert_eq!(sold, 34);
    }
}
