//! `cargo xtask smoke`: the demonstration starts in an empty folder, shows a forecast and stops when asked.
//!
//! The least that must hold of the program as a user starts it; the rules are proved by the tests.

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::demonstration::Demonstration;
use crate::project::{self, Profile};

/// Looks before giving up, five minutes at least: generous, since it only bounds a run that has failed anyway.
const LOOKS: u32 = 1500;
/// The keys every installation knows; the demonstration has forecasts under at least one.
const PROVIDERS: [&str; 3] = ["FinalForecast", "UserForecast", "ForecastImport"];
/// Units asked in one look: enough to meet one with forecasts.
const UNITS_ASKED: usize = 20;

/// Fails with the program's output where anything is not as it should be.
pub(crate) fn smoke() -> Result<()> {
    let program = project::build_smartpulse(Profile::Dev)?;
    let folder = tempfile::tempdir().context("there is no room for temporary files")?;
    let mut demonstration = Demonstration::start(&program, folder.path())?;
    let outcome = visit(&mut demonstration);
    if outcome.is_err() {
        eprintln!("smoke: the demonstration's last words:\n{}", demonstration.log_tail());
    }
    outcome
}

fn visit(demonstration: &mut Demonstration) -> Result<()> {
    eprintln!("smoke: started on {}", demonstration.address());
    let ready = wait_for(demonstration, readiness)?;
    eprintln!("smoke: {ready}");
    let units = wait_for(demonstration, units)?;
    eprintln!("smoke: {} units, the first is {}", units.len(), units[0]);
    let forecast = wait_for(demonstration, |demonstration| forecast(demonstration, &units))?;
    eprintln!("smoke: {forecast}");
    let status = demonstration.stop()?;
    if status.code() != Some(0) {
        bail!("the demonstration stopped with {status}, not with exit code 0");
    }
    eprintln!("smoke: stopped with exit code 0 after SIGTERM");
    Ok(())
}

/// Looks until it is there: the fleet is live, so what is shown may need a moment to come in.
fn wait_for<T>(
    demonstration: &mut Demonstration,
    look: impl Fn(&Demonstration) -> Result<T>,
) -> Result<T> {
    for _ in 1..LOOKS {
        if let Ok(seen) = look(demonstration) {
            return Ok(seen);
        }
        demonstration.pause()?;
    }
    look(demonstration).context("waited in vain")
}

fn readiness(demonstration: &Demonstration) -> Result<String> {
    let answer = demonstration.get("/health/ready")?;
    if answer.status != 200 {
        bail!("GET /health/ready: {} {}", answer.status, answer.body);
    }
    Ok("/health/ready is 200".to_owned())
}

fn units(demonstration: &Demonstration) -> Result<Vec<Value>> {
    match demonstration.get_data("/api/v2.0/units")? {
        Value::Array(units) if !units.is_empty() => Ok(units),
        other => bail!("GET /api/v2.0/units lists no unit: {other}"),
    }
}

/// The first value of the first unit and provider that has one, described.
fn forecast(demonstration: &Demonstration, units: &[Value]) -> Result<String> {
    let mut refusal = None;
    for unit in units.iter().take(UNITS_ASKED) {
        for provider in PROVIDERS {
            let path = latest_path(unit, provider)?;
            match demonstration.get_data(&path) {
                Ok(latest) => {
                    if let Some(value) = first_value(&latest) {
                        return Ok(format!("GET {path} shows {value}"));
                    }
                }
                Err(error) => refusal = Some(error),
            }
        }
    }
    let nothing = format!("no forecast of the first units by {}", PROVIDERS.join(", "));
    Err(refusal.unwrap_or_else(|| anyhow!("each answer is 200 without a value")).context(nothing))
}

fn latest_path(unit: &Value, provider: &str) -> Result<String> {
    let (Some(unit_type), Some(unit_no)) = (unit["unitType"].as_str(), unit["unitNo"].as_u64())
    else {
        bail!("a unit without unitType and unitNo: {unit}");
    };
    Ok(format!("/api/v2.0/production-forecast/{provider}/{unit_type}/{unit_no}/forecasts/latest"))
}

/// The first prediction with a number, of an answer with one element a stored period.
fn first_value(latest: &Value) -> Option<&Value> {
    let predictions =
        latest.as_array()?.iter().filter_map(|series| series["predictions"].as_array()).flatten();
    predictions.into_iter().find(|prediction| prediction["v"].is_number())
}
