//! What a folder of the demonstration has before it is opened: the fleet's units, and what its desks and
//! meters have recorded lately, taken in like a replay, each change at the time at which it was recorded.
//!
//! A new folder begins some days ago; one that is opened again goes on at its clock. Units that the folder
//! knows as something else, such as those of an earlier demonstration, are left alone.

use smartpulse_datasets::LivingFleet;
use smartpulse_operators::change::{Change, Position};
use smartpulse_operators::reference::Reference;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Unit, UnitType, UnitVersion};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::wording;
use crate::cli::Shared;
use crate::cli::progress::Progress;
use crate::cli::settled::options;
use crate::config::Config;
use crate::folder::DataFolder;
use crate::ingest::Backfill;
use crate::service::Service;

/// The name under which the folder counts what it has taken in of the past.
const SOURCE: &str = "demonstration";
/// Microseconds in a day.
const DAY: i64 = 86_400_000_000;
/// Days that a new folder has behind it: a week of them, so that a look back finds something.
const DAYS_BEHIND: i64 = 7;
/// Days that are made up for in a folder that was closed: what is older stays a gap, so that a start takes
/// seconds however long that was.
const DAYS_MADE_UP: i64 = 10;

/// What was found in a folder, or put there.
pub(super) struct Founded {
    /// Places in the fleet of the plants that are the folder's too.
    pub(super) tended: Vec<usize>,
    /// Whether the plants came into a folder that had a past without them.
    pub(super) without_past: bool,
}

/// Brings the folder up to `now`.
pub(super) fn found(
    shared: &Shared,
    config: &Config,
    fleet: &LivingFleet,
    now: Instant,
) -> anyhow::Result<Founded> {
    let folder = DataFolder::open(&config.data, true, Uuid::now_v7())?;
    let progress = Progress::new(shared.quiet, "minutes of the fleet's past/s");
    let service =
        Service::start(folder, options(config), |done, all| progress.recovering(done, all))?;
    progress.say("making the fleet's past");
    let known = &service.base.reference;
    let tended = tended(fleet, known);
    let clock = service.base.clock.filter(|clock| *clock != Instant::MIN);
    let is_new = |plant: &usize| known.newest_unit(unit_of(*plant)).is_none();
    let without_past = clock.is_some() && tended.iter().any(is_new);
    let fed = feed(&service, fleet, &tended, (clock, now), &progress);
    progress.finish();
    // The service's own fault is the reason why nothing more was taken.
    service.stop()?;
    fed?;
    Ok(Founded { tended, without_past })
}

/// The plants that the folder does not know as something else: by name, or where somebody gave them
/// another one, by what they are.
fn tended(fleet: &LivingFleet, known: &Reference) -> Vec<usize> {
    let is_other = |known: &UnitVersion, ours: &UnitVersion| {
        let kind = |version: &UnitVersion| (version.plant_type.clone(), version.installed_power);
        known.name != ours.name && kind(known) != kind(ours)
    };
    let plants = fleet.plants().iter().enumerate();
    let tended = plants.filter(|(_, plant)| {
        let ours = &plant.master;
        known.newest_unit(ours.unit).is_none_or(|known| !is_other(known, ours))
    });
    tended.map(|(place, _)| place).collect()
}

/// Sends what the folder lacks, and waits until it is taken in.
fn feed(
    service: &Service,
    fleet: &LivingFleet,
    tended: &[usize],
    (clock, now): (Option<Instant>, Instant),
    progress: &Progress,
) -> anyhow::Result<()> {
    let mut upto = service.base.positions.get(SOURCE).copied().unwrap_or(0);
    let mut send = |change: Change| {
        upto += 1;
        let position = Position { source: SOURCE.to_owned(), upto };
        service.backfill.blocking_send(Backfill::Change(Box::new(change), position))
    };
    for statement in unsaid(fleet, tended, &service.base.reference) {
        send(statement)?;
    }
    let made_up = |clock: Instant| clock.max(Instant(now.0 - DAYS_MADE_UP * DAY));
    let after = clock.map_or(Instant(now.0 - DAYS_BEHIND * DAY), made_up);
    let mut past = fleet.recorded(after, now)?;
    let meter = past.meter();
    for change in past.by_ref() {
        if let Some(change) = signed(change?, fleet, tended) {
            send(change)?;
        }
        let at = meter.progress();
        progress.at(at.done, at.total);
    }
    let (flush, flushed) = oneshot::channel();
    service.backfill.blocking_send(Backfill::Flush(flush))?;
    Ok(flushed.blocking_recv()?)
}

/// What the folder has not been told of the plants that are tended, their companies and groups.
fn unsaid(fleet: &LivingFleet, tended: &[usize], known: &Reference) -> Vec<Change> {
    let is_ours = |unit: Unit| {
        unit.unit_type != UnitType::PowerPlant || tended.iter().any(|plant| unit_of(*plant) == unit)
    };
    let is_unknown = |unit: Unit| known.newest_unit(unit).is_none() && is_ours(unit);
    let mut statements = fleet.statements();
    statements.retain(|statement| match statement {
        Change::Unit(version) => is_unknown(version.unit),
        Change::Membership(membership) => {
            is_ours(membership.child)
                && (is_unknown(membership.child) || is_unknown(membership.parent))
        }
        Change::Property(property) => is_unknown(property.unit),
        _ => false,
    });
    statements
}

/// A change of the past with the words of those who made it; none of a plant that is not tended.
fn signed(change: Change, fleet: &LivingFleet, tended: &[usize]) -> Option<Change> {
    let Change::Save(mut save) = change else { return Some(change) };
    let unit = save.entries.first()?.unit;
    let plant = tended.iter().copied().find(|plant| unit_of(*plant) == unit)?;
    let plant_type = fleet.plants()[plant].master.plant_type.clone().unwrap_or_default();
    let batch = &mut save.batch;
    let draw = fleet.draw(batch.recorded.0 as u64, u64::MAX);
    let (user, note) = wording::issued(batch.provider.key(), &plant_type, batch.recorded, draw);
    batch.user = batch.user.take().or(user);
    batch.note = batch.note.take().or(note);
    Some(Change::Save(save))
}

/// The plant of that place in the fleet.
fn unit_of(plant: usize) -> Unit {
    Unit { unit_type: UnitType::PowerPlant, unit_no: plant as u64 + 1 }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cli::settled::settle;
    use crate::engine::Base;

    /// Founds `folder` at `now`: what was found, and what is in it then.
    fn found_at(folder: &Path, fleet: &LivingFleet, now: Instant) -> (Founded, Base) {
        let shared = Shared {
            config: None,
            data: Some(folder.to_owned()),
            listen: None,
            workers: Some(1),
            json: false,
            quiet: true,
        };
        let config = shared.load(None).unwrap().config;
        let founded = found(&shared, &config, fleet, now).unwrap();
        let settled = settle(folder, &config, &Progress::new(true, "")).unwrap();
        (founded, settled.base)
    }

    #[test]
    fn a_folder_has_a_week_behind_it_and_goes_on_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let fleet = LivingFleet::new(7, 12).unwrap();
        let now = Instant::parse("2026-11-24T02:03:17.5Z").unwrap();
        let hours = |since: Instant, until: Instant| (until.0 - since.0) / (DAY / 24);
        let (founded, week) = found_at(folder.path(), &fleet, now);
        assert!(founded.tended.len() == 12 && !founded.without_past);
        assert_eq!(hours(week.clock.unwrap(), now), 0);
        assert!(week.sequence.0 > 3_000 && week.reference.units().count() == 12 + 3 + 2);
        let tally = &week.tallies[SOURCE];
        let refused: u64 = tally.refused.values().sum();
        assert!(refused == 0 && tally.withdrawn_batches > 5, "{tally:?}");

        let tomorrow = Instant(now.0 + DAY);
        let (founded, more) = found_at(folder.path(), &fleet, tomorrow);
        assert!(founded.tended.len() == 12 && !founded.without_past);
        assert_eq!(hours(more.clock.unwrap(), tomorrow), 0);
        let (before, after) = (week.sequence.0, more.sequence.0);
        assert!((before + before / 9..before + before / 5).contains(&after), "{before} {after}");
        assert!(more.reference == week.reference, "nothing is said of units twice");
        let positions: Vec<&String> = more.positions.keys().collect();
        assert_eq!(positions, [SOURCE]);

        let (_, later) = found_at(folder.path(), &fleet, Instant(tomorrow.0 + 40 * DAY));
        let made_up = later.sequence.0 - after;
        assert!(made_up < 2 * before, "ten days of forty: {made_up}");
        let (_, same) = found_at(folder.path(), &fleet, now);
        assert_eq!(same.sequence, later.sequence, "a clock that was set back changes nothing");
    }

    #[test]
    fn a_folder_is_told_of_all_units_once_and_of_none_that_is_something_else() {
        let fleet = LivingFleet::new(7, 60).unwrap();
        let all: Vec<usize> = (0..60).collect();
        let mut known = Reference::default();
        assert_eq!(tended(&fleet, &known), all);
        let unsaid_first = unsaid(&fleet, &all, &known);
        assert_eq!(unsaid_first.len(), fleet.statements().len());
        unsaid_first.iter().for_each(|statement| known.apply(statement));
        assert!(tended(&fleet, &known) == all && unsaid(&fleet, &all, &known).is_empty());

        let mut older = Reference::default();
        let soma = UnitVersion {
            name: "Soma".to_owned(),
            installed_power: None,
            ..fleet.plants()[1].master.clone()
        };
        older.apply(&Change::Unit(soma));
        let tended = tended(&fleet, &older);
        assert!(tended.len() == 59 && !tended.contains(&1));
        for statement in unsaid(&fleet, &tended, &older) {
            let unit = match &statement {
                Change::Unit(version) => version.unit,
                Change::Membership(membership) => membership.child,
                Change::Property(property) => property.unit,
                other => panic!("{other:?}"),
            };
            assert_ne!(unit, unit_of(1));
        }
    }

    #[test]
    fn a_plant_that_was_given_another_name_is_still_ours() {
        let fleet = LivingFleet::new(7, 12).unwrap();
        let mut known = Reference::default();
        let renamed =
            UnitVersion { name: "My plant".to_owned(), ..fleet.plants()[6].master.clone() };
        known.apply(&Change::Unit(renamed));
        assert_eq!(tended(&fleet, &known).len(), 12);
    }
}
