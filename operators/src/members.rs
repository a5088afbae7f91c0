//! `members`: which plants count in which total, and when.
//!
//! Plants belong to companies by membership, to groups through their companies or directly, to a region and
//! a plant type by master data, and to `all` from their first version on. Overlaps are as given: a plant
//! counts once in a total, however many paths lead there (contract section 5). The last statement of a key
//! counts; a statement taken back counts as none. The natural tool here is differential: joins of the
//! statements, and reductions by their keys.

use differential_dataflow::{AsCollection, VecCollection};
use timely::dataflow::Stream;
use timely::dataflow::operators::Input;
use timely::dataflow::operators::capture::{Capture, Event};
use timely::dataflow::operators::vec::Map;

use crate::change::Change;
use crate::stretches::Stretches;
use crate::time::Instant;
use crate::total::Total;
use crate::unit::{Unit, UnitType};

/// Rows of a dataflow with their changes, at epochs.
pub type Rows<'s, D> = VecCollection<'s, u64, D, isize>;

/// The order of a statement: epoch, then place in its tick.
pub type Place = (u64, u32);

/// When a plant counts in a total.
pub type Assignment = (Unit, (Total, Stretches));

/// The assignments that `statements` make. They are stated by one worker and in order of their places.
#[must_use]
pub fn members<'s>(
    statements: Stream<'s, u64, Vec<(Place, std::sync::Arc<Change>)>>,
) -> Rows<'s, Assignment> {
    let told = statements.flat_map(|(place, change)| {
        Said::of(&change).map(|said| ((said, place), place.0, 1_isize))
    });
    let told = told.as_collection();
    let of_version = |(said, place)| match said {
        Said::Version(plant, valid_from, kind) => Some((plant, (valid_from, place, kind))),
        Said::Membership(..) => None,
    };
    let of_membership = |(said, place)| match said {
        Said::Membership(key, held) => Some((key, (place, held))),
        Said::Version(..) => None,
    };
    let versions = told.clone().flat_map(of_version);
    let memberships = told.flat_map(of_membership).reduce_named(
        "last membership",
        |_, statements: &[(&(Place, Stretches), isize)], output| {
            // Sorted by place: the last one counts.
            if let Some((last, _)) = statements.last()
                && !last.1.is_empty()
            {
                output.push((last.1.clone(), 1));
            }
        },
    );
    let direct = memberships.map(|((child, parent, _), held)| (child, (parent, held)));
    let is_plant = |unit: Unit| unit.unit_type == UnitType::PowerPlant;
    let of_plants = direct.clone().filter(move |(child, _)| is_plant(*child));
    let of_companies = direct.filter(|(child, (parent, _))| {
        child.unit_type == UnitType::Company && parent.unit_type == UnitType::Group
    });
    let by_company = of_plants.clone().map(|(plant, (parent, held))| (parent, (plant, held)));
    let through_companies = by_company.join_map(of_companies, |_, (plant, held), (group, path)| {
        (*plant, (*group, held.intersect(path)))
    });
    let by_paths = of_plants.concat(through_companies);
    let by_paths = by_paths.flat_map(|(plant, (parent, held))| {
        let total = match parent.unit_type {
            UnitType::Company => Some(Total::Company(parent.unit_no)),
            UnitType::Group => Some(Total::Group(parent.unit_no)),
            UnitType::PowerPlant => None,
        };
        total.map(|total| ((plant, total), held))
    });
    let by_paths = by_paths.reduce_named("paths to a total", |_, paths, output| {
        let held = Stretches::union(paths.iter().flat_map(|(held, _)| held.iter()));
        if !held.is_empty() {
            output.push((held, 1));
        }
    });
    let by_paths = by_paths.map(|((plant, total), held)| (plant, (total, held)));
    let by_master_data = versions.reduce_named("totals by master data", |_, versions, output| {
        let in_order = versions.iter().map(|((from, _, described), _)| (*from, described));
        for assignment in by_versions(in_order) {
            output.push((assignment, 1));
        }
    });
    by_paths.concat(by_master_data)
}

/// The assignments that `statements` make, all at once.
#[must_use]
pub fn members_of(statements: Vec<Change>) -> Vec<Assignment> {
    let (sender, made) = std::sync::mpsc::channel();
    timely::execute_directly(move |worker| {
        let mut input = worker.dataflow::<u64, _, _>(|scope| {
            let (input, said) = scope.new_input::<Vec<_>>();
            members(said).inner.capture_into(sender);
            input
        });
        for (change, place) in statements.into_iter().zip(0..) {
            input.send(((0, place), std::sync::Arc::new(change)));
        }
    });
    let mut net: std::collections::BTreeMap<Assignment, isize> = Default::default();
    for event in made {
        if let Event::Messages(_, rows) = event {
            rows.into_iter().for_each(|(row, _, change)| *net.entry(row).or_default() += change);
        }
    }
    net.into_iter().filter(|(_, count)| *count > 0).map(|(row, _)| row).collect()
}

/// Region and plant type of a version.
type Described = (Option<std::sync::Arc<str>>, Option<std::sync::Arc<str>>);

/// What a statement says of membership.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Said {
    /// Plant, `valid_from`, region and type.
    Version(Unit, Instant, Described),
    /// (child, parent, `valid_from`) and when it holds: never, when it was taken back.
    Membership((Unit, Unit, Instant), Stretches),
}

impl Said {
    fn of(change: &Change) -> Option<Said> {
        match change {
            Change::Unit(version) if version.unit.unit_type == UnitType::PowerPlant => {
                let text = |text: &Option<String>| {
                    text.as_deref().filter(|text| !text.is_empty()).map(std::sync::Arc::from)
                };
                let described = (text(&version.region), text(&version.plant_type));
                Some(Said::Version(version.unit, version.valid_from, described))
            }
            Change::Membership(membership) => {
                let key = (membership.child, membership.parent, membership.valid_from);
                let held = if membership.deleted {
                    Stretches::default()
                } else {
                    Stretches::between(membership.valid_from, membership.valid_to)
                };
                Some(Said::Membership(key, held))
            }
            _ => None,
        }
    }
}

/// The totals of a plant whose versions are given in order of `valid_from` and then of statement: of equal
/// `valid_from` the last one counts.
fn by_versions<'v>(
    versions: impl Iterator<Item = (Instant, &'v Described)>,
) -> Vec<(Total, Stretches)> {
    let mut standing: Vec<(Instant, &Described)> = Vec::new();
    for (from, described) in versions {
        match standing.last_mut() {
            Some(last) if last.0 == from => last.1 = described,
            _ => standing.push((from, described)),
        }
    }
    let mut held: std::collections::BTreeMap<Total, Vec<(i64, i64)>> = Default::default();
    let ends = standing.iter().skip(1).map(|(from, _)| Some(*from)).chain([None]);
    for ((from, (region, plant_type)), to) in standing.iter().zip(ends) {
        let region = region.clone().map(Total::Region);
        let plant_type = plant_type.clone().map(Total::PlantType);
        for total in [Some(Total::All), region, plant_type].into_iter().flatten() {
            held.entry(total).or_default().extend(Stretches::between(*from, to).iter());
        }
    }
    let joined = held.into_iter().map(|(total, held)| (total, Stretches::union(held)));
    joined.filter(|(_, held)| !held.is_empty()).collect()
}
