//! What is said of one unit, as a whole: what other systems keep of master data, unit by unit.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Reference;
use crate::change::Rules;
use crate::unit::{Lock, Membership, Property, Unit, UnitVersion};

/// Everything said of a unit, statements taken back included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidOfUnit {
    /// Master data by `valid_from`.
    pub versions: Vec<UnitVersion>,
    /// Memberships of which it is the child.
    pub memberships: Vec<Membership>,
    /// Properties by key.
    pub properties: Vec<Property>,
    /// Locks by id.
    pub locks: Vec<Lock>,
}

impl Reference {
    /// Everything said of `unit`.
    #[must_use]
    pub fn said_of(&self, unit: Unit) -> SaidOfUnit {
        let properties = self.properties.get(&unit).into_iter().flat_map(BTreeMap::values);
        SaidOfUnit {
            versions: self.units.get(&unit).cloned().unwrap_or_default(),
            memberships: self.memberships.get(&unit).cloned().unwrap_or_default(),
            properties: properties.cloned().collect(),
            locks: self.locks_of(unit).cloned().collect(),
        }
    }

    /// Every unit of which something is said, in order.
    #[must_use]
    pub fn units_said_of(&self) -> BTreeSet<Unit> {
        let others = self.memberships.keys().chain(self.properties.keys());
        self.units.keys().chain(others).chain(self.locks_by_unit.keys()).copied().collect()
    }

    /// Units of which something else is said than in `other`.
    #[must_use]
    pub fn units_unlike(&self, other: &Reference) -> Vec<Unit> {
        let mut units = self.units_said_of();
        units.extend(other.units_said_of());
        units.retain(|unit| !self.says_the_same(other, *unit));
        units.into_iter().collect()
    }

    fn says_the_same(&self, other: &Reference, unit: Unit) -> bool {
        self.units.get(&unit) == other.units.get(&unit)
            && self.memberships.get(&unit) == other.memberships.get(&unit)
            && self.properties.get(&unit) == other.properties.get(&unit)
            && self.locks_of(unit).eq(other.locks_of(unit))
    }

    /// Puts what is said of `unit` in the place of what was; what was known before is not kept.
    pub fn say_of(&mut self, unit: Unit, said: SaidOfUnit) {
        let SaidOfUnit { versions, memberships, properties, locks } = said;
        put(&mut self.units, unit, versions);
        put(&mut self.memberships, unit, memberships);
        let properties = properties.into_iter().map(|property| (property.key.clone(), property));
        let properties: BTreeMap<String, Property> = properties.collect();
        if properties.is_empty() {
            self.properties.remove(&unit);
        } else {
            self.properties.insert(unit, properties);
        }
        for id in self.locks_by_unit.remove(&unit).unwrap_or_default() {
            self.locks.remove(&id);
        }
        put(&mut self.locks_by_unit, unit, locks.iter().map(|lock| lock.id).collect());
        self.locks.extend(locks.into_iter().map(|lock| (lock.id, lock)));
    }

    /// Puts `rules` in force.
    pub fn go_by(&mut self, rules: Rules) {
        self.rules = rules;
    }
}

fn put<T>(all: &mut BTreeMap<Unit, Vec<T>>, unit: Unit, said: Vec<T>) {
    if said.is_empty() {
        all.remove(&unit);
    } else {
        all.insert(unit, said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Change;
    use crate::time::Instant;
    use crate::unit::UnitType;

    fn plant(unit_no: u64) -> Unit {
        Unit { unit_type: UnitType::PowerPlant, unit_no }
    }

    fn lock(id: u64, unit: Unit) -> Change {
        let text = || "why".to_owned();
        Change::Lock(Lock {
            id,
            unit,
            from: Instant(0),
            to: Instant(1),
            user: text(),
            reason: text(),
            expires: None,
            released: None,
            recorded: Instant(0),
        })
    }

    #[test]
    fn a_reference_is_what_is_said_of_its_units() {
        let mut reference = Reference::default();
        let parent = Unit { unit_type: UnitType::Company, unit_no: 9 };
        reference.apply(&Change::Membership(Membership {
            parent,
            child: plant(1),
            valid_from: Instant(0),
            valid_to: None,
            recorded: Instant(0),
            deleted: true,
        }));
        reference.apply(&Change::Property(Property {
            unit: plant(2),
            key: "market".to_owned(),
            value: None,
            recorded: Instant(3),
        }));
        [lock(1, plant(1)), lock(2, plant(3)), lock(3, plant(1))]
            .iter()
            .for_each(|change| reference.apply(change));
        let mut copy = Reference::default();
        assert_eq!(reference.units_unlike(&copy), [plant(1), plant(2), plant(3)]);
        for unit in reference.units_said_of() {
            copy.say_of(unit, reference.said_of(unit));
        }
        assert_eq!(copy, reference);

        let mut released = reference.clone();
        let Some(known) = released.locks.get_mut(&3) else { panic!("there is a third lock") };
        known.released = Some(Instant(5));
        assert_eq!(released.units_unlike(&reference), [plant(1)]);
        copy.say_of(plant(1), released.said_of(plant(1)));
        assert_eq!(copy, released);
        copy.say_of(plant(2), SaidOfUnit::default());
        assert_eq!(copy.units_said_of().into_iter().collect::<Vec<_>>(), [plant(1), plant(3)]);
    }
}
