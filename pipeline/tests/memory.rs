//! History lies on disk: issuing the same days again and again does not make the process grow.
//!
//! The service runs in this process, with the program's allocator, fed as a replay feeds it. There is one
//! test here, so that nothing else is measured.
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]
#![allow(clippy::print_stdout, reason = "the figures a run prints")]

use std::time::Duration;

use smartpulse::folder::DataFolder;
use smartpulse::ingest::Backfill;
use smartpulse::service::{ClockChoice, Options, Service};
use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::change::{Change, Checks, Curve, Entry, Position, Save};
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{Instant, Period};
use smartpulse_operators::unit::{Unit, UnitType, UnitVersion};
use tokio::sync::oneshot;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const UNITS: u64 = 250;
const DAYS: i64 = 400;
/// Days of one save.
const SAVE_DAYS: i64 = 20;
const HOUR: i64 = 3_600_000_000;
/// The first delivery: 2026-01-01.
const FIRST: Instant = Instant(1_767_225_600_000_000);
/// Issue of the first round: half a year before.
const ISSUED: Instant = Instant(FIRST.0 - 180 * 24 * HOUR);

/// Values of one day that are issued: a morning and an evening.
const HOURS_OF_DAY: [i64; 8] = [6, 7, 8, 9, 17, 18, 19, 20];

fn unit(unit_no: u64) -> Unit {
    Unit { unit_type: UnitType::PowerPlant, unit_no }
}

/// A value in hundredths of a kW: that of every other hour never changes, the others do every time.
fn value(unit_no: u64, hour: i64, round: i64) -> i64 {
    let changing = if hour % 2 == 0 { 0 } else { round };
    1_000_000 + ((unit_no as i64 * 31 + hour * 7 + changing * 1_013) % 100_000) * 10
}

fn save(unit_no: u64, first_day: i64, round: i64, issued: Instant) -> Change {
    let period = Period::new(60).expect("an hour divides a day");
    let days = first_day..first_day + SAVE_DAYS;
    let hours = days.flat_map(|day| HOURS_OF_DAY.map(|hour| day * 24 + hour));
    let slots = hours.map(|hour| (Instant(FIRST.0 + hour * HOUR), value(unit_no, hour, round)));
    let entry = Entry {
        kind: Kind::Forecast,
        unit: unit(unit_no),
        period,
        conform_upper_limit: false,
        apply_final_forecast: false,
        curve: Curve::new(period, slots),
    };
    let batch = Batch {
        id: Uuid::from_u128(u128::from(issued.0 as u64)),
        sequence: Sequence(0),
        recorded: issued,
        valid_after: issued,
        provider: Provider::parse("UserForecast").expect("a provider"),
        user: None,
        note: None,
        source_batch: Some(format!("{unit_no}/{first_day}/{round}")),
        skips_existing_check: false,
    };
    let (entries, refused) = (vec![entry], Vec::new());
    Change::Save(Save { batch, checks: Checks::default(), path: None, entries, refused })
}

fn known(unit_no: u64) -> Change {
    Change::Unit(UnitVersion {
        unit: unit(unit_no),
        name: format!("plant {unit_no}"),
        plant_type: None,
        installed_power: None,
        zone: "Europe/Istanbul".to_owned(),
        region: None,
        valid_from: Instant::MIN,
        recorded: Instant::MIN,
    })
}

/// Sends a round of every unit and day, and waits until it has closed and is in the store.
fn issue(service: &Service, round: i64, sent: &mut u64) {
    let mut send = |change| {
        *sent += 1;
        let position = Position { source: "rounds".to_owned(), upto: *sent };
        let change = Backfill::Change(Box::new(change), position);
        service.backfill.blocking_send(change).expect("the service runs");
    };
    if round == 0 {
        (1..=UNITS).for_each(|unit_no| send(known(unit_no)));
    }
    let mut issued = Instant(ISSUED.0 + round * HOUR);
    for first_day in (0..DAYS).step_by(SAVE_DAYS as usize) {
        for unit_no in 1..=UNITS {
            issued.0 += 1;
            send(save(unit_no, first_day, round, issued));
        }
    }
    let (flush, flushed) = oneshot::channel();
    service.backfill.blocking_send(Backfill::Flush(flush)).expect("the service runs");
    flushed.blocking_recv().expect("the service runs");
    assert!(service.archive.persist());
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

/// Resident memory when the store's own threads have come to rest.
fn settled_kb() -> u64 {
    let mut readings = Vec::new();
    while readings.len() < 120 {
        readings.push(resident_kb());
        let last = &readings[readings.len().saturating_sub(6)..];
        if last.len() == 6 && last.iter().max() == last.iter().min() {
            break;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    readings[readings.len() - 1]
}

#[test]
fn twenty_issues_take_hardly_more_memory_than_two() {
    let room = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(&room.path().join("data"), true, Uuid::now_v7()).unwrap();
    let options = Options { workers: 1, clock: ClockChoice::Data, disk_reserve: 0 };
    let service = Service::start(folder, options, |_, _| {}).unwrap();
    println!("empty: {} kB", settled_kb());
    let mut sent = 0;
    let mut resident = Vec::new();
    for round in 0..20 {
        issue(&service, round, &mut sent);
        resident.push(settled_kb());
    }
    // Flushes and snapshots of the store let a single reading swing by a sixth: the larger of two early
    // ones stands for two issues, the median of the last ten for twenty.
    let twice = resident[1].max(resident[2]);
    let mut last = resident[10..].to_vec();
    last.sort_unstable();
    let twenty_times = last[last.len() / 2];
    assert_eq!(service.read_model.snapshot().series_days(), UNITS as usize * DAYS as usize);
    println!("resident after each issue, kB: {resident:?}");
    println!("100,000 series days issued twice: {twice} kB; twenty times: {twenty_times} kB");
    let (base, _folder) = service.stop().unwrap();
    assert_eq!(base.tallies["rounds"].read, 20 * UNITS * (DAYS * 8) as u64);
    assert!(twenty_times * 10 < twice * 11, "{twice} kB became {twenty_times} kB");
}
