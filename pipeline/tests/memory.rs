//! History lies on disk: issuing the same days again and again does not make the process grow.
//!
//! The service runs in this process, with the program's allocator, fed as a replay feeds it. There is one
//! test here, so that nothing else is measured.
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]
#![allow(clippy::print_stdout, reason = "the figures a run prints")]

use std::process::Command;
use std::time::Duration;

use smartpulse::folder::DataFolder;
use smartpulse::ingest::Backfill;
use smartpulse::service::{ClockChoice, Options, Service};
use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::change::{Change, Checks, Curve, Entry, Position, Save};
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{Instant, Period};
use smartpulse_operators::unit::{Unit, UnitType, UnitVersion};
use smartpulse_serve::ring::RingBounds;
use tokio::sync::oneshot;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Set in the process that is measured.
const MEASURED: &str = "SMARTPULSE_TEST_MEASURED";
/// How often everything is issued.
const ROUNDS: i64 = 20;
/// Readings from the second round on, and up to the last.
const READINGS: i64 = 3;
const UNITS: u64 = 250;
const DAYS: i64 = 400;
/// Days of one save.
const SAVE_DAYS: i64 = 20;
const HOUR: i64 = 3_600_000_000;
/// The first delivery: 2026-01-01.
const FIRST: Instant = Instant(1_767_225_600_000_000);
/// Issue of the first round: half a year before.
const ISSUED: Instant = Instant(FIRST.0 - 180 * 24 * HOUR);

/// Hours of a day whose first quarter is issued: a morning and an evening.
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
    let period = Period::new(15).expect("a quarter divides a day");
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

/// Issues everything twenty times and prints resident memory after two and a few more and after all.
fn measure() {
    let room = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(&room.path().join("data"), true, Uuid::now_v7()).unwrap();
    let options = Options {
        workers: 1,
        clock: ClockChoice::Data,
        disk_reserve: 0,
        // Full before the first reading: it has a bound of its own.
        ring: RingBounds { bytes: 4 << 20, ..RingBounds::default() },
    };
    let service = Service::start(folder, options, |_, _| {}).unwrap();
    // One reading swings with how full the store's buffers are, by more than a tenth of all there is.
    let (mut sent, mut early, mut late) = (0, Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        issue(&service, round, &mut sent);
        println!("{round} {}", resident_kb());
        if (1..1 + READINGS).contains(&round) {
            early.push(settled_kb());
        } else if round >= ROUNDS - READINGS {
            late.push(settled_kb());
        }
    }
    println!("settled: {early:?} and {late:?}");
    // What grows with every round shows in every late reading.
    let twice = early.into_iter().max().unwrap_or_default();
    let often = late.into_iter().min().unwrap_or_default();
    assert_eq!(service.read_model.snapshot().series_days(), UNITS as usize * DAYS as usize);
    let (base, _folder) = service.stop().unwrap();
    let values = UNITS * DAYS as u64 * HOURS_OF_DAY.len() as u64;
    assert_eq!(base.tallies["rounds"].read, ROUNDS as u64 * values);
    println!("100,000 series days issued twice: {twice} kB; {ROUNDS} times: {often} kB");
    assert!(often * 10 < twice * 11, "{twice} kB became {often} kB");
}

#[test]
fn twenty_issues_take_hardly_more_memory_than_two() {
    if std::env::var_os(MEASURED).is_some() {
        return measure();
    }
    // What the allocator keeps for later use is given back at once, so that what is measured is in use.
    let name = "twenty_issues_take_hardly_more_memory_than_two";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", name, "--nocapture"])
        .env(MEASURED, "1")
        .env("MIMALLOC_PURGE_DELAY", "0");
    let measured = command.output().unwrap();
    let words = String::from_utf8_lossy(&measured.stdout);
    println!("{words}");
    assert!(measured.status.success(), "{words}{}", String::from_utf8_lossy(&measured.stderr));
}
