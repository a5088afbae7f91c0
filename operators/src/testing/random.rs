//! Random steps for the property test, dense on purpose: few units, slots, values and instants, so that
//! equal values, equal `valid_after` and late, future and partial revisions meet all the time.

use std::ops::Range;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use super::feeder::Histories;
use super::graph::Setup;
use super::script::{midnight, unit_version};
use super::{Act, Issue, Points, Step, batch};
use crate::batch::Sequence;
use crate::change::{Change, Checks, Rules};
use crate::quantity::{NULL, Quantity};
use crate::series::Kind;
use crate::time::{Instant, Period};
use crate::unit::{Lock, Membership, Property, Unit, UnitType, UnitVersion};

const UNITS: [Unit; 4] = [
    Unit { unit_type: UnitType::PowerPlant, unit_no: 1 },
    Unit { unit_type: UnitType::PowerPlant, unit_no: 2 },
    Unit { unit_type: UnitType::Company, unit_no: 7 },
    Unit { unit_type: UnitType::Group, unit_no: 9 },
];
const PERIODS: [u16; 3] = [360, 60, 1_440];
/// Small ones, to be equal often, and both sides of what fits the narrow form.
const VALUES: [i64; 10] = [1, 1, 2, 2, 3, 0, -1, NULL, (1 << 30) - 1, 1 << 30];
const LIMITS: [&str; 3] = ["0", "0.00002", "20000"];

/// A step before it has its instant and its number: minutes since the step before, and what.
type Raw = (i64, RawAct);

#[derive(Clone, Debug)]
enum RawAct {
    State(Change),
    Save(Valid, Flags, Checks, Vec<Points>),
    /// Of the save of that number, counted back from the last.
    Withdraw(u64, Checks),
    Clock,
}

/// From when a save counts.
#[derive(Clone, Debug)]
enum Valid {
    Recorded,
    /// Minutes from `recorded`.
    Shifted(i64),
    /// Hours from midnight: often the same as another's.
    Hour(i64),
}

#[derive(Clone, Debug)]
struct Flags {
    is_final_forecast: bool,
    skips_existing_check: bool,
    path: Option<Unit>,
}

/// A history of up to 40 steps.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Mostly quarters of an hour, to meet the instants at which gates close and locks end.
    let quarters = (1_i64..6).prop_map(|quarters| quarters * 15);
    let minutes = prop_oneof![2 => Just(0_i64), 3 => quarters, 1 => 1_i64..90];
    vec((minutes, act()), 1..40).prop_map(build)
}

/// Sizes of ticks, and how to run them.
pub(crate) fn setup() -> impl Strategy<Value = (Vec<usize>, Setup)> {
    let histories = prop_oneof![
        Just(Histories::AsNeeded),
        Just(Histories::Always),
        any::<u64>().prop_map(Histories::Sometimes),
    ];
    let workers = || prop_oneof![Just(1_usize), Just(2), Just(4)];
    let restart = weighted(0.5, (0_usize..20, workers()));
    (vec(1_usize..8, 1..6), workers(), histories, restart).prop_map(
        |(sizes, workers, histories, restart)| (sizes, Setup { workers, histories, restart }),
    )
}

fn build(raw: Vec<Raw>) -> Vec<Step> {
    let since = |from| move |unit: &Unit| Act::State(Change::Unit(unit_version(*unit, from, None)));
    let mut now = midnight().plus_minutes(6 * 60);
    let tomorrow = midnight().plus_minutes(24 * 60);
    let known = UNITS[..3].iter().map(since(Instant::MIN));
    let unknown_today = UNITS[3..].iter().map(since(tomorrow));
    let mut steps: Vec<Step> =
        known.chain(unknown_today).map(|act| Step { at: now, act }).collect();
    let mut sequence = 0;
    for (minutes, act) in raw {
        now = now.plus_minutes(minutes);
        let act = match act {
            RawAct::State(change) => Act::State(change),
            RawAct::Withdraw(back, checks) => {
                Act::Withdraw(Sequence(u64::saturating_sub(sequence, back)), checks)
            }
            RawAct::Clock => Act::Clock,
            RawAct::Save(valid, flags, checks, mut curves) => {
                sequence += 1;
                let valid_after = match valid {
                    Valid::Recorded => now,
                    Valid::Shifted(minutes) => now.plus_minutes(minutes),
                    Valid::Hour(hour) => midnight().plus_minutes(hour * 60),
                };
                let provider = if flags.is_final_forecast { "FinalForecast" } else { "p" };
                // At most one curve for each (kind, unit, period).
                curves.sort_by_key(|curve| (curve.kind, curve.unit, curve.period));
                curves.dedup_by_key(|curve| (curve.kind, curve.unit, curve.period));
                let skips = flags.skips_existing_check;
                let batch = batch(sequence, now, valid_after, provider, skips);
                Act::Save(Issue { batch, checks, path: flags.path, curves })
            }
        };
        steps.push(Step { at: now, act });
    }
    steps
}

fn act() -> impl Strategy<Value = RawAct> {
    let valid = prop_oneof![
        3 => Just(Valid::Recorded),
        3 => (-600_i64..600).prop_map(Valid::Shifted),
        3 => (4_i64..16).prop_map(Valid::Hour),
    ];
    let path = weighted(0.2, prop::sample::select(&UNITS[..]));
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.25), path).prop_map(
        |(is_final_forecast, skips_existing_check, path)| Flags {
            is_final_forecast,
            skips_existing_check,
            path,
        },
    );
    let save = (valid, flags, checks(), vec(points(), 1..3))
        .prop_map(|(valid, flags, checks, curves)| RawAct::Save(valid, flags, checks, curves));
    prop_oneof![
        12 => save,
        2 => (0_u64..8, checks()).prop_map(|(back, checks)| RawAct::Withdraw(back, checks)),
        3 => statement().prop_map(RawAct::State),
        1 => Just(RawAct::Clock),
    ]
}

fn checks() -> impl Strategy<Value = Checks> {
    let on = || prop::bool::weighted(0.3);
    (on(), on(), on(), on()).prop_map(|(gates, limits, locks, past_role)| Checks {
        gates,
        limits,
        locks,
        past_role,
    })
}

fn points() -> impl Strategy<Value = Points> {
    let value = || weighted(0.85, prop::sample::select(&VALUES[..]));
    let unit = prop_oneof![3 => Just(0_usize), 2 => Just(1), 1 => Just(2), 1 => Just(3)];
    let kind = prop_oneof![6 => Just(Kind::Forecast), 1 => Just(Kind::Actual)];
    let period = prop_oneof![4 => Just(0_usize), 2 => Just(1), 1 => Just(2)];
    let marks = (prop::bool::weighted(0.3), prop::bool::weighted(0.2));
    (kind, unit, period, 0_i64..8, vec(value(), 1..7), marks).prop_map(
        |(kind, unit, period, first, values, (conform_upper_limit, apply_final_forecast))| {
            let period = Period::new(PERIODS[period]).unwrap();
            let start = |slot| midnight().plus_minutes(slot * i64::from(period.minutes()));
            // Hours begin at six, so that gates close over them.
            let first = if period.minutes() == 60 { first + 4 } else { first };
            let slots = (first..).zip(values);
            let points = slots.filter_map(|(slot, value)| Some((start(slot), value?))).collect();
            let unit = UNITS[unit];
            Points { kind, unit, period, conform_upper_limit, apply_final_forecast, points }
        },
    )
}

fn statement() -> impl Strategy<Value = Change> {
    let unit = || prop::sample::select(&UNITS[..]);
    let hour = |hours: Range<i64>| hours.prop_map(|hour| midnight().plus_minutes(hour * 60));
    // Some edges cut slots, some lie within a minute.
    let edge = |hours: Range<i64>| {
        let within =
            prop_oneof![4 => Just(0_i64), 2 => Just(1_800), 1 => Just(570), 1 => Just(3_599)];
        (hours, within).prop_map(|(hour, seconds)| {
            Instant(midnight().plus_minutes(hour * 60).0 + seconds * 1_000_000)
        })
    };
    let member =
        (unit(), unit(), edge(0..24), weighted(0.5, edge(0..48)), prop::bool::weighted(0.2))
            .prop_map(|(child, parent, valid_from, valid_to, deleted)| {
                let recorded = Instant::MIN;
                Membership { parent, child, valid_from, valid_to, recorded, deleted }
            });
    let member = member.prop_filter("upwards", |it| {
        it.child.unit_type < it.parent.unit_type
            || it.child.unit_type == UnitType::PowerPlant
                && it.parent.unit_type != UnitType::PowerPlant
    });
    let keys = ["lower_limit_mw", "upper_limit_mw", "market"];
    let property =
        (unit(), 0_usize..3, weighted(0.8, 0_usize..3)).prop_map(move |(unit, key, value)| {
            let value =
                value.map(|value| if key == 2 { "epias" } else { LIMITS[value] }.to_owned());
            Property { unit, key: keys[key].to_owned(), value, recorded: Instant::MIN }
        });
    let ends = || weighted(0.5, hour(4..16));
    let lock = (1_u64..8, hour(0..24), hour(12..48), ends(), ends()).prop_map(
        |(id, from, to, expires, released)| {
            let unit = UNITS[id as usize % UNITS.len()];
            let (user, reason, recorded) = (String::new(), String::new(), Instant::MIN);
            Lock { id, unit, from, to, user, reason, expires, released, recorded }
        },
    );
    let name = || weighted(0.7, prop::sample::select(&["north", "south"][..]));
    let version = (unit(), edge(0..24), weighted(0.5, 1_i64..3), name(), name()).prop_map(
        |(unit, valid_from, installed, region, plant_type)| {
            let [region, plant_type] = [region, plant_type].map(|name| name.map(str::to_owned));
            let version = unit_version(unit, valid_from, installed.map(Quantity));
            UnitVersion { region, plant_type, ..version }
        },
    );
    let rules = (0_i64..300, 0_i64..300)
        .prop_map(|(gate_minutes, epias_gate_minutes)| Rules { gate_minutes, epias_gate_minutes });
    prop_oneof![
        4 => member.prop_map(Change::Membership),
        2 => property.prop_map(Change::Property),
        2 => lock.prop_map(Change::Lock),
        2 => version.prop_map(Change::Unit),
        1 => rules.prop_map(Change::Rules),
    ]
}
