//! Sales of plants between the companies of the fleet, and their undoing, so that the list of memberships
//! a newcomer sees does not grow.

use smartpulse_operators::change::Change;
use smartpulse_operators::reference::Reference;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Membership, Unit, UnitType};

/// Plants with numbers `TRADED_FIRST`, `+ TRADED_STEP`, … are traded; none of them is shared by companies.
const TRADED_FIRST: u64 = 3;
const TRADED_STEP: u64 = 10;
const TRADED: u64 = 6;
/// Companies of the fleet.
const COMPANIES: u64 = 3;
/// Microseconds in an hour.
const HOUR: i64 = 3_600_000_000;

/// The memberships that the sale of that number states, valid from the next full hour on: the seller's ends,
/// the buyer's begins. None where the plant is not its usual owner's now.
pub(super) fn sale(number: u64, now: Instant, reference: &Reference) -> Option<[Change; 2]> {
    let Parties { plant, seller, buyer } = parties(number);
    if bought(plant, buyer, reference).next().is_some() {
        return None;
    }
    let owned = of_seller(plant, seller, reference).find(|owned| owned.valid_to.is_none())?;
    let at = Instant((now.0.div_euclid(HOUR) + 1) * HOUR);
    let ended = Membership { valid_to: Some(at), ..owned.clone() };
    let begun = Membership {
        parent: buyer,
        child: plant,
        valid_from: at,
        valid_to: None,
        recorded: Instant::MIN,
        deleted: false,
    };
    Some([ended, begun].map(Change::Membership))
}

/// What undoes that sale: the buyer's memberships are taken back, the seller's goes on. Nothing where there
/// was none.
pub(super) fn returned(number: u64, reference: &Reference) -> Vec<Change> {
    let Parties { plant, seller, buyer } = parties(number);
    let taken_back = bought(plant, buyer, reference);
    let taken_back = taken_back.map(|bought| Membership { deleted: true, ..bought.clone() });
    let mut changes: Vec<Change> = taken_back.map(Change::Membership).collect();
    if !changes.is_empty() {
        let ended = of_seller(plant, seller, reference).filter(|owned| owned.valid_to.is_some());
        let goes_on = ended.map(|owned| Membership { valid_to: None, ..owned.clone() });
        changes.extend(goes_on.map(Change::Membership));
    }
    changes
}

struct Parties {
    plant: Unit,
    seller: Unit,
    buyer: Unit,
}

/// Who sells what to whom: neighbours in the fleet are in different companies, so each company both buys
/// and sells.
fn parties(number: u64) -> Parties {
    let unit = |unit_type, unit_no| Unit { unit_type, unit_no };
    let plant_no = TRADED_FIRST + number % TRADED * TRADED_STEP;
    let rank = (plant_no - 1) % COMPANIES;
    Parties {
        plant: unit(UnitType::PowerPlant, plant_no),
        seller: unit(UnitType::Company, rank + 1),
        buyer: unit(UnitType::Company, (rank + 1) % COMPANIES + 1),
    }
}

/// The memberships by which `buyer` has bought `plant` here: from a full hour on.
fn bought(plant: Unit, buyer: Unit, reference: &Reference) -> impl Iterator<Item = &Membership> {
    reference.memberships().filter(move |membership| {
        let from = membership.valid_from;
        (membership.child, membership.parent) == (plant, buyer)
            && from != Instant::MIN
            && from.0.rem_euclid(HOUR) == 0
            && membership.valid_to.is_none()
    })
}

/// The membership of `plant` in `seller` that was always there.
fn of_seller(
    plant: Unit,
    seller: Unit,
    reference: &Reference,
) -> impl Iterator<Item = &Membership> {
    reference.memberships().filter(move |membership| {
        (membership.child, membership.parent) == (plant, seller)
            && membership.valid_from == Instant::MIN
    })
}
