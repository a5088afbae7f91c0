//! `smartpulse` without a command: the demonstration. A few plants whose forecasts are re-issued every few
//! seconds through the same ingest path as any save.

use std::thread;
use std::time::Duration;

use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::change::{Change, Checks, Curve, Entry, Save};
use smartpulse_operators::quantity::Quantity;
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{Instant, Period, Zone};
use smartpulse_operators::unit::{Membership, Unit, UnitType, UnitVersion};
use smartpulse_serve::command::Command;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::Shared;
use super::serve::{ALWAYS, run_until_stopped, state};
use crate::ingest::clock::MachineClocks;
use crate::service::{ClockChoice, Service};

/// Seconds between two issues.
const PACE: Duration = Duration::from_secs(2);
/// Name, type and installed megawatts of each plant.
const PLANTS: [(&str, &str, i64); 6] = [
    ("Soma", "wind", 120),
    ("Karapinar", "solar", 350),
    ("Deriner", "hydro", 670),
    ("Gokcedag", "wind", 135),
    ("Yeniköy", "thermal", 420),
    ("Kalyon", "solar", 100),
];

/// Runs the demonstration.
///
/// # Errors
/// The first fault.
pub fn run(shared: &Shared, clocks: MachineClocks) -> anyhow::Result<()> {
    let mut config = shared.load(Some("data/demo"))?.config;
    if config.auth.local_roles.is_empty() {
        config.auth.local_roles.push("PastPredictionUpdateRole".to_owned());
    }
    let clock = ClockChoice::Machine { clocks, accept: true };
    let address = config.listen;
    run_until_stopped(shared, &config, clock, clocks, |service| {
        found_fleet(service)?;
        let commands = service.commands.clone();
        thread::spawn(move || issue_until_stopped(&commands, clocks));
        shared.say(&format!(
            "six plants of company 1, re-issued every {} s; the local caller has PastPredictionUpdateRole\n\
             look at\n  http://{address}/\n  http://{address}/api/v2.0/units\n  \
             http://{address}/api/v2.0/production-forecast/FinalForecast/PP/1/forecasts/latest\n  \
             http://{address}/api/v2.0/totals/company/1/FinalForecast?period=60\n  \
             http://{address}/api/v2.0/status",
            PACE.as_secs()
        ));
        Ok(())
    })
}

fn found_fleet(service: &Service) -> anyhow::Result<()> {
    let company = Unit { unit_type: UnitType::Company, unit_no: 1 };
    let known = &service.base.reference;
    let unit = |unit, name: &str, plant_type: Option<&str>, installed: Option<i64>| UnitVersion {
        unit,
        name: name.to_owned(),
        plant_type: plant_type.map(str::to_owned),
        installed_power: installed.map(|megawatts| Quantity(megawatts * 100_000)),
        zone: Zone::DEFAULT_NAME.to_owned(),
        region: None,
        valid_from: ALWAYS,
        recorded: ALWAYS,
    };
    if known.newest_unit(company).is_none() {
        state(service, Change::Unit(unit(company, "Anadolu Enerji", None, None)))?;
    }
    for (number, (name, plant_type, installed)) in (1..).zip(PLANTS) {
        let plant = Unit { unit_type: UnitType::PowerPlant, unit_no: number };
        if known.newest_unit(plant).is_none() {
            state(service, Change::Unit(unit(plant, name, Some(plant_type), Some(installed))))?;
            let membership = Membership {
                parent: company,
                child: plant,
                valid_from: ALWAYS,
                valid_to: None,
                recorded: ALWAYS,
                deleted: false,
            };
            state(service, Change::Membership(membership))?;
        }
    }
    Ok(())
}

/// Issues one plant's curve after the other until the service takes no more.
fn issue_until_stopped(commands: &mpsc::Sender<Command>, clocks: MachineClocks) {
    for issue in 0_u64.. {
        let plant = issue as usize % PLANTS.len();
        let providers = [Provider::FINAL_FORECAST, "UserForecast"];
        let change =
            curve(plant, providers[issue as usize / PLANTS.len() % 2], issue, (clocks.now)());
        let (reply, _) = oneshot::channel();
        let Some(change) = change else { return };
        if commands
            .blocking_send(Command { before: Vec::new(), change, idempotency: None, reply })
            .is_err()
        {
            return;
        }
        // The first round fills the page at once.
        if issue >= 2 * PLANTS.len() as u64 {
            thread::sleep(PACE);
        }
    }
}

/// Today and tomorrow of a plant in quarter hours, with an error that differs from issue to issue.
fn curve(plant: usize, provider: &str, issue: u64, now: Instant) -> Option<Change> {
    let quarter = Period::new(15)?;
    let (_, plant_type, installed) = PLANTS[plant];
    let (from, to) = Zone::parse(Zone::DEFAULT_NAME)?.civil_days(now, 2);
    let slots = (from.0..to.0).step_by(15 * 60_000_000).map(|start| {
        let hours = (start / 60_000_000) as f64 / 60.0;
        let share = match plant_type {
            // Istanbul is three hours ahead: the sun stands highest at 10 UTC.
            "solar" => (1.0 - ((hours.rem_euclid(24.0) - 10.0) / 6.0).powi(2)).max(0.0),
            "wind" => 0.45 + 0.3 * (hours / 17.0 + plant as f64).sin(),
            "hydro" => 0.5 + 0.2 * (hours / 12.0 * std::f64::consts::PI).sin(),
            _ => 0.85,
        };
        let wobble = ((issue as f64).sin() * 43.0 + hours / 5.0).sin() * 0.05 * share;
        let hundredths = ((share + wobble) * installed as f64 * 100.0).round() as i64 * 1_000;
        (Instant(start), hundredths.clamp(0, installed * 100_000))
    });
    let batch = Batch {
        id: Uuid::now_v7(),
        sequence: Sequence(0),
        recorded: Instant::MIN,
        valid_after: Instant::MIN,
        provider: Provider::parse(provider)?,
        user: Some("demonstration".to_owned()),
        note: Some(format!("issue {issue}")),
        source_batch: None,
        skips_existing_check: false,
    };
    let entry = Entry {
        kind: Kind::Forecast,
        unit: Unit { unit_type: UnitType::PowerPlant, unit_no: plant as u64 + 1 },
        period: quarter,
        conform_upper_limit: false,
        apply_final_forecast: false,
        curve: Curve::new(quarter, slots),
    };
    let checks = Checks { limits: true, locks: true, gates: true, past_role: true };
    Some(Change::Save(Save {
        batch,
        checks,
        path: None,
        entries: vec![entry],
        refused: Vec::new(),
    }))
}
