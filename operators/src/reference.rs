//! Everything said of units, kept by unit: what the gate judges by and the doors show.
//!
//! Statements are never dropped; which one counts follows from their order of acceptance.

mod by_unit;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::change::{Change, Rules};
use crate::quantity::{Decimal, Measure, Quantity};
use crate::time::{Instant, Period};
use crate::unit::{Lock, Membership, Property, Unit, UnitType, UnitVersion};

pub use by_unit::SaidOfUnit;

/// Master data, memberships, properties, locks and rules as of the last applied change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    units: BTreeMap<Unit, Vec<UnitVersion>>,
    /// By child: membership is asked for upwards.
    memberships: BTreeMap<Unit, Vec<Membership>>,
    properties: BTreeMap<Unit, BTreeMap<String, Property>>,
    locks: BTreeMap<u64, Lock>,
    locks_by_unit: BTreeMap<Unit, Vec<u64>>,
    rules: Rules,
    /// Versions and memberships that a later statement replaced, in order of acceptance: what was known
    /// before is still asked for.
    replaced: Vec<Change>,
}

impl Reference {
    /// Takes a statement in; saves and withdrawals say nothing here.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Unit(version) => {
                let versions = self.units.entry(version.unit).or_default();
                match versions.iter_mut().find(|known| known.valid_from == version.valid_from) {
                    Some(known) => {
                        let before = std::mem::replace(known, version.clone());
                        self.replaced.push(Change::Unit(before));
                    }
                    None => versions.push(version.clone()),
                }
                versions.sort_by_key(|known| known.valid_from);
            }
            Change::Membership(membership) => {
                let known = self.memberships.entry(membership.child).or_default();
                let key = |entry: &Membership| (entry.parent, entry.valid_from);
                match known.iter_mut().find(|entry| key(entry) == key(membership)) {
                    Some(entry) => {
                        let before = std::mem::replace(entry, membership.clone());
                        self.replaced.push(Change::Membership(before));
                    }
                    None => known.push(membership.clone()),
                }
            }
            Change::Property(property) => {
                self.properties
                    .entry(property.unit)
                    .or_default()
                    .insert(property.key.clone(), property.clone());
            }
            Change::Lock(lock) => {
                let before = self.locks.insert(lock.id, lock.clone()).map(|before| before.unit);
                if before != Some(lock.unit) {
                    if let Some(ids) = before.and_then(|unit| self.locks_by_unit.get_mut(&unit)) {
                        ids.retain(|id| *id != lock.id);
                    }
                    self.locks_by_unit.entry(lock.unit).or_default().push(lock.id);
                }
            }
            Change::Rules(rules) => self.rules = rules.clone(),
            Change::Save(_) | Change::Withdrawal(_) | Change::Refused(_) => {}
        }
    }

    /// Changes that, applied in this order, make this state.
    #[must_use]
    pub fn statements(&self) -> Vec<Change> {
        let units = self.units.values().flatten().cloned().map(Change::Unit);
        let memberships = self.memberships.values().flatten().cloned().map(Change::Membership);
        let properties =
            self.properties.values().flat_map(BTreeMap::values).cloned().map(Change::Property);
        let locks = self.locks.values().cloned().map(Change::Lock);
        let rules = std::iter::once(Change::Rules(self.rules.clone()));
        units.chain(memberships).chain(properties).chain(locks).chain(rules).collect()
    }

    /// Versions of units and memberships as known at `known_at` (none: now), in an order of acceptance: of
    /// one key the last counts.
    pub fn known_at(&self, known_at: Option<Instant>) -> impl Iterator<Item = Change> + '_ {
        let units = self.units.values().flatten().cloned().map(Change::Unit);
        let memberships = self.memberships.values().flatten().cloned().map(Change::Membership);
        let all = self.replaced.iter().cloned().chain(units).chain(memberships);
        all.filter(move |change| known_at.is_none_or(|known_at| change.recorded() <= known_at))
    }

    /// Master data as known at `known_at` (none: now), by unit and `valid_from`.
    #[must_use]
    pub fn versions_known_at(&self, known_at: Option<Instant>) -> Vec<UnitVersion> {
        let mut known: BTreeMap<(Unit, Instant), UnitVersion> = BTreeMap::new();
        for change in self.known_at(known_at) {
            if let Change::Unit(version) = change {
                known.insert((version.unit, version.valid_from), version);
            }
        }
        known.into_values().collect()
    }

    /// Memberships as known at `known_at` (none: now), those taken back left out.
    #[must_use]
    pub fn memberships_known_at(&self, known_at: Option<Instant>) -> Vec<Membership> {
        let mut known: BTreeMap<(Unit, Unit, Instant), Membership> = BTreeMap::new();
        for change in self.known_at(known_at) {
            if let Change::Membership(said) = change {
                known.insert((said.child, said.parent, said.valid_from), said);
            }
        }
        known.into_values().filter(|membership| !membership.deleted).collect()
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// All versions of all units, by unit and `valid_from`.
    pub fn unit_versions(&self) -> impl Iterator<Item = &UnitVersion> {
        self.units.values().flatten()
    }

    /// The master data of `unit` that holds at `instant`.
    #[must_use]
    pub fn unit_at(&self, unit: Unit, instant: Instant) -> Option<&UnitVersion> {
        self.units.get(&unit)?.iter().rev().find(|version| version.valid_from <= instant)
    }

    /// All units, in order.
    pub fn units(&self) -> impl Iterator<Item = Unit> {
        self.units.keys().copied()
    }

    /// The newest master data of `unit`, whether it holds yet or not.
    #[must_use]
    pub fn newest_unit(&self, unit: Unit) -> Option<&UnitVersion> {
        self.units.get(&unit)?.last()
    }

    /// Properties of `unit` by key, those taken away left out.
    pub fn properties(&self, unit: Unit) -> impl Iterator<Item = &Property> {
        let all = self.properties.get(&unit).into_iter().flat_map(BTreeMap::values);
        all.filter(|property| property.value.is_some())
    }

    /// All memberships, by child.
    pub fn memberships(&self) -> impl Iterator<Item = &Membership> {
        self.memberships.values().flatten().filter(|membership| !membership.deleted)
    }

    /// Memberships of `child`, those taken back left out.
    pub fn memberships_of(&self, child: Unit) -> impl Iterator<Item = &Membership> {
        self.memberships.get(&child).into_iter().flatten().filter(|it| !it.deleted)
    }

    /// All versions of `unit`, by `valid_from`.
    #[must_use]
    pub fn versions_of(&self, unit: Unit) -> &[UnitVersion] {
        self.units.get(&unit).map_or(&[], Vec::as_slice)
    }

    /// All locks by id.
    pub fn locks(&self) -> impl Iterator<Item = &Lock> {
        self.locks.values()
    }

    /// The lock of that id.
    #[must_use]
    pub fn lock(&self, id: u64) -> Option<&Lock> {
        self.locks.get(&id)
    }

    /// The id the next lock gets; those that come with an id of their own are numbered from
    /// [`Lock::FIRST_FOREIGN`] on.
    #[must_use]
    pub fn next_lock(&self) -> u64 {
        self.locks.range(..Lock::FIRST_FOREIGN).next_back().map_or(1, |(id, _)| id + 1)
    }

    /// Locks of `unit`.
    pub fn locks_of(&self, unit: Unit) -> impl Iterator<Item = &Lock> {
        let ids = self.locks_by_unit.get(&unit).into_iter().flatten();
        ids.filter_map(|id| self.locks.get(id))
    }

    /// Whether `child` belongs to `parent` at `instant`, directly or through a company.
    #[must_use]
    pub fn belongs(&self, child: Unit, parent: Unit, instant: Instant) -> bool {
        let parents = self.memberships.get(&child).into_iter().flatten();
        parents.filter(|membership| membership.covers(instant)).any(|membership| {
            // Paths are PP → CMP → GRP: a company's parents are groups, a group has none.
            membership.parent == parent
                || (child.unit_type == UnitType::PowerPlant
                    && membership.parent.unit_type == UnitType::Company
                    && self.belongs(membership.parent, parent, instant))
        })
    }

    /// `(lower, upper)` limits of `unit` at `instant`: plants and companies have them; a plant's upper limit is
    /// its installed power unless a property says otherwise.
    #[must_use]
    pub fn limits(&self, unit: Unit, instant: Instant) -> (Option<Quantity>, Option<Quantity>) {
        let (lower, upper) = self.stated_limits(unit);
        let installed = || {
            let is_plant = unit.unit_type == UnitType::PowerPlant;
            self.unit_at(unit, instant).filter(|_| is_plant)?.installed_power
        };
        (lower, upper.or_else(installed))
    }

    /// The limits that properties of `unit` state.
    #[must_use]
    pub fn stated_limits(&self, unit: Unit) -> (Option<Quantity>, Option<Quantity>) {
        if unit.unit_type == UnitType::Group {
            return (None, None);
        }
        let limit = |key: &str| self.property(unit, key).and_then(megawatts);
        (limit("lower_limit_mw"), limit("upper_limit_mw"))
    }

    /// How long before delivery the gate of `unit` closes, in minutes.
    #[must_use]
    pub fn gate_minutes(&self, unit: Unit) -> i64 {
        let epias = self
            .property(unit, "market")
            .is_some_and(|market| market.eq_ignore_ascii_case("EPIAS"));
        if epias { self.rules.epias_gate_minutes } else { self.rules.gate_minutes }
    }

    fn property(&self, unit: Unit, key: &str) -> Option<&str> {
        self.properties.get(&unit)?.get(key)?.value.as_deref()
    }
}

/// A limit's text as power; what is no number is no limit (the doors refuse it before).
#[must_use]
pub fn megawatts(text: &str) -> Option<Quantity> {
    let hour = Period::new(60)?;
    Decimal::parse(text).ok()?.to_quantity(Measure::MegaWatt, hour).ok()
}
