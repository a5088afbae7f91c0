//! `cargo xtask smoke`: the demonstration starts in an empty folder, shows what a newcomer looks for, is alive,
//! and stops when asked.
//!
//! The least that must hold of the program as a user starts it; the rules are proved by the tests.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::console;
use crate::demonstration::Demonstration;
use crate::project::{self, Profile};

/// Looks before giving up, five minutes at least: generous, since it only bounds a run that has failed anyway.
const LOOKS: u32 = 1500;
/// Where the forecasts of the plant are that a newcomer is sent to.
const PLANT_7: &str = "/api/v2.0/production-forecast/FinalForecast/PP/7/forecasts";

/// Fails with the program's output where anything is not as it should be.
pub(crate) fn smoke() -> Result<()> {
    let console = console::built_if_possible()?;
    let program = project::build_smartpulse(Profile::Dev, console.as_deref())?;
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
    let begun = wait_for(demonstration, clock)?;
    for look in [units, noon_of_tomorrow, company_total, actuals, sale] {
        let seen = wait_for(demonstration, look)?;
        eprintln!("smoke: {seen}");
    }
    // These are in the fleet's past too, which does not count.
    for happening in [reissue, withdrawal] {
        let seen = wait_for(demonstration, |demonstration| happening(demonstration, &begun))?;
        eprintln!("smoke: {seen}");
    }
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

/// The clock, to the second.
fn clock(demonstration: &Demonstration) -> Result<String> {
    let status = demonstration.get_data("/api/v2.0/status")?;
    let clock = status["clock"].as_str().context("the status has no clock")?;
    Ok(to_the_second(clock).to_owned())
}

fn units(demonstration: &Demonstration) -> Result<String> {
    let units = list(demonstration, "/api/v2.0/units")?;
    let count = |wanted: &str| units.iter().filter(|unit| unit["unitType"] == wanted).count();
    let (plants, companies, groups) = (count("PP"), count("CMP"), count("GRP"));
    if plants < 50 || companies < 3 || groups < 2 {
        bail!("{plants} plants, {companies} companies, {groups} groups");
    }
    Ok(format!("{plants} plants of {companies} companies in {groups} groups"))
}

/// What plant 7 is forecast to produce tomorrow at noon of its zone: of today and tomorrow the second noon.
fn noon_of_tomorrow(demonstration: &Demonstration) -> Result<String> {
    let plant = demonstration.get_data("/api/v2.0/units/PP/7")?;
    let (Some(name), Some(zone)) = (plant["name"].as_str(), plant["zone"].as_str()) else {
        bail!("plant 7 has no name or zone: {plant}");
    };
    let path = format!("{PLANT_7}/latest?zone={zone}");
    let latest = demonstration.get_data(&path)?;
    let is_noon = |slot: &&Value| slot["ds"].as_str().is_some_and(|ds| ds.contains("T12:00:00"));
    let noons: Vec<&Value> = predictions(&latest).filter(is_noon).collect();
    match noons[..] {
        [_, tomorrow] if tomorrow["v"].is_number() => {
            let (start, value, since) = (&tomorrow["ds"], &tomorrow["v"], &tomorrow["c"]);
            Ok(format!("plant 7, {name}, is to produce {value} MW at {start}, said at {since}"))
        }
        _ => bail!("GET {path}: no value for the noon of tomorrow: {noons:?}"),
    }
}

fn company_total(demonstration: &Demonstration) -> Result<String> {
    let path = "/api/v2.0/totals/company/1/FinalForecast?period=60";
    let total = demonstration.get_data(path)?;
    let sums = |slot: &&Value| slot["v"].is_number() && slot["reporting"].as_u64() >= Some(2);
    let slot = predictions(&total).find(sums).with_context(|| format!("GET {path}: no sum"))?;
    Ok(format!("company 1: {} MW from {} plants at {}", slot["v"], slot["reporting"], slot["ds"]))
}

fn actuals(demonstration: &Demonstration) -> Result<String> {
    let today = demonstration.get_data("/api/v2.0/actuals/PP/7")?;
    let newest = predictions(&today).last().context("plant 7 has no actual today")?;
    Ok(format!("plant 7 produced {} MW at {}", newest["v"], newest["ds"]))
}

/// A save of the run itself that plant 7 shows.
fn reissue(demonstration: &Demonstration, begun: &str) -> Result<String> {
    let history = list(demonstration, &format!("{PLANT_7}/history"))?;
    let mut saves = history.iter().filter(|save| is_since(&save["recorded"], begun));
    let save = saves.next_back().context("plant 7 was not forecast anew")?;
    Ok(format!("{} saved a forecast of plant 7: {}", save["user"], save["note"]))
}

/// A plant whose membership of one company ends where that of another begins: in the fleet's past none does.
fn sale(demonstration: &Demonstration) -> Result<String> {
    let memberships = list(demonstration, "/api/v2.0/memberships")?;
    let sold = memberships.iter().find_map(|ended| {
        let at = ended["validTo"].as_str()?;
        let begins = |other: &&Value| {
            other["childNo"] == ended["childNo"]
                && other["childType"] == ended["childType"]
                && other["parentNo"] != ended["parentNo"]
                && other["validFrom"].as_str() == Some(at)
        };
        let begun = memberships.iter().find(begins)?;
        let (plant, seller, buyer) = (&ended["childNo"], &ended["parentNo"], &begun["parentNo"]);
        Some(format!("plant {plant} is sold by company {seller} to company {buyer} from {at} on"))
    });
    sold.context("no plant is sold")
}

/// A withdrawn batch of plant 7.
fn withdrawal(demonstration: &Demonstration, begun: &str) -> Result<String> {
    let history = list(demonstration, &format!("{PLANT_7}/history"))?;
    let is_withdrawn = |save: &&Value| {
        save["withdrawn"] == Value::Bool(true) && is_since(&save["withdrawnAt"], begun)
    };
    let save = history.iter().find(is_withdrawn).context("no batch of plant 7 is withdrawn")?;
    Ok(format!("batch {} was withdrawn at {}", save["batchId"], save["withdrawnAt"]))
}

fn list(demonstration: &Demonstration, path: &str) -> Result<Vec<Value>> {
    match demonstration.get_data(path)? {
        Value::Array(elements) => Ok(elements),
        other => bail!("GET {path} is no list: {other}"),
    }
}

/// All slots of an answer with one element a stored period.
fn predictions(series: &Value) -> impl Iterator<Item = &Value> {
    let all = series.as_array().map_or(&[][..], Vec::as_slice).iter();
    all.filter_map(|series| series["predictions"].as_array()).flatten()
}

/// Whether an instant in UTC is at or after another, given to the second.
fn is_since(instant: &Value, begun: &str) -> bool {
    instant.as_str().is_some_and(|instant| to_the_second(instant) >= begun)
}

fn to_the_second(instant: &str) -> &str {
    instant.get(..19).unwrap_or(instant)
}
