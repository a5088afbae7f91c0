//! Metered production in the demonstration: each quarter hour when it has ended, now and then a restatement,
//! and the settled values of yesterday every morning.

use smartpulse_operators::change::Entry;
use smartpulse_operators::series::Provider;
use smartpulse_operators::time::Instant;

use super::curves::{COMPANIES, scaled};
use super::script::{Act, Moment, SECOND, Script};
use super::wording;

/// A quarter hour.
const QUARTER: i64 = 900 * SECOND;
/// Meters of the first company are read so long after a quarter hour, those of the next a little later.
const READ_AFTER: i64 = 20 * SECOND;
const NEXT_READ_AFTER: i64 = 15 * SECOND;
/// After midnight of a plant's zone, when its day before is settled.
const SETTLED_AFTER: i64 = 33 * QUARTER;
/// Quarter hours that are read at once at most: a machine may have slept for days.
const QUARTERS: i64 = 2 * 96;
/// The last quarter hours, of which one is stated anew.
const RESTATED: u64 = 12;

/// The readings that have become due since the moment before.
pub(super) fn read(script: &mut Script, moment: Moment) -> Vec<Act> {
    let mut acts = Vec::new();
    for company in 0..COMPANIES {
        let delay = READ_AFTER + NEXT_READ_AFTER * company as i64;
        let ended = |at: Instant| (at.0 - delay).div_euclid(QUARTER);
        let upto = ended(moment.now);
        let from = ended(moment.since).max(upto - QUARTERS);
        let entries = metered(script, company, (from * QUARTER, upto * QUARTER));
        let signed = wording::issued(Provider::METER, "", moment.now, 0);
        acts.extend(save(script, (moment.step, 20 + company as u64), signed, entries));
    }
    let settled = settled(script, moment);
    acts.extend(save(script, (moment.step, 25), wording::settled(), settled));
    acts
}

/// A quarter hour of a plant again, a little lower than it was read.
pub(super) fn restated(script: &mut Script, moment: Moment) -> Option<Act> {
    let Moment { step, now, .. } = moment;
    let plant = script.any_plant(step);
    let ended = (now.0 - READ_AFTER - COMPANIES as i64 * NEXT_READ_AFTER).div_euclid(QUARTER);
    let quarter = ended - 1 - script.draw(step, 2, RESTATED) as i64;
    let (from, to) = (Instant(quarter * QUARTER), Instant((quarter + 1) * QUARTER));
    let share = 960 + script.draw(step, 4, 38) as i64;
    let entries = script.fleet.metered(plant, from, to);
    let entries = entries.iter().map(|entry| scaled(entry, share)).collect();
    save(script, (step, 0), wording::restated(), entries)
}

fn metered(script: &mut Script, company: usize, (from, to): (i64, i64)) -> Vec<Entry> {
    if from >= to {
        return Vec::new();
    }
    let plants = script.plants_of(company).into_iter();
    plants.filter_map(|plant| script.fleet.metered(plant, Instant(from), Instant(to))).collect()
}

/// Yesterday of every plant for which it is settled now.
fn settled(script: &mut Script, Moment { since, now, .. }: Moment) -> Vec<Entry> {
    let mut entries = Vec::new();
    for plant in script.tended.clone() {
        let zone = script.plant(plant).zone.clone();
        let today = zone.civil_days(now, 1).0;
        let due = Instant(today.0 + SETTLED_AFTER);
        if since < due && due <= now {
            let yesterday = zone.civil_days(Instant(today.0 - 1), 1).0;
            entries.extend(script.fleet.metered(plant, yesterday, today));
        }
    }
    entries
}

fn save(
    script: &Script,
    part: (u64, u64),
    signed: wording::Signed,
    entries: Vec<Entry>,
) -> Option<Act> {
    script.save(part, Provider::parse(Provider::METER)?, Instant::MIN, signed, entries)
}
