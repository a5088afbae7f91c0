//! Who saves in the demonstration, and what is noted: words as they stand in the batches of a forecast desk.

use smartpulse_operators::time::Instant;

/// Who works at the desks.
const PEOPLE: [&str; 6] =
    ["ayse.demir", "mehmet.kaya", "elif.yildiz", "murat.celik", "zeynep.arslan", "jonas.weber"];

const WIND: [&str; 4] = [
    "wind picks up earlier than forecast",
    "front expected an hour later",
    "gusts near cut-out, share taken off",
    "blend of MeteoNord and WindCast",
];
const SOLAR: [&str; 4] = [
    "morning fog clears later",
    "thin cloud in the afternoon",
    "blend of MeteoNord and SunFlow",
    "panels dusty since Sunday",
];
const HYDRO: [&str; 3] =
    ["inflow revised by the dispatch centre", "evening peak held back", "tailwater limit in force"];
const THERMAL: [&str; 3] = [
    "block back from outage earlier",
    "cooling water warmer than planned",
    "minimum load overnight",
];

/// User and note of a batch.
pub(super) type Signed = (Option<String>, Option<String>);

/// The signature of an issue by `provider` for a plant of that type at `now`; `draw` picks among several.
pub(super) fn issued(provider: &str, plant_type: &str, now: Instant, draw: u64) -> Signed {
    let minute = now.to_string().chars().take(16).filter(|sign| *sign != ':').collect::<String>();
    let (user, note) = match provider {
        "MeteoNord" => {
            let hour = now.0.div_euclid(3_600_000_000).rem_euclid(24) / 6 * 6;
            ("meteonord", format!("run {hour:02}z"))
        }
        "WindCast" => ("windcast", "nowcast".to_owned()),
        "SunFlow" => ("sunflow", "satellite update".to_owned()),
        "ForecastImport" => ("import", format!("file plan_{minute}.csv")),
        "Meter" => ("meter.gateway", "read".to_owned()),
        _ => (person(draw), reason(plant_type, draw / 7).to_owned()),
    };
    (Some(user.to_owned()), Some(note))
}

/// The signature of the first issue after a start.
pub(super) fn opened(provider: &str, now: Instant, draw: u64) -> Signed {
    match provider {
        "ForecastImport" => issued(provider, "", now, draw),
        _ => (Some(person(draw).to_owned()), Some("start of shift".to_owned())),
    }
}

/// The signature of a correction by hand.
pub(super) fn corrected(plant_type: &str, draw: u64) -> Signed {
    let note = match plant_type {
        "wind" => "two turbines in service",
        "solar" => "inverter 3 off",
        "hydro" => "unit 1 on standby",
        _ => "block 2 ramps slower",
    };
    (Some(person(draw).to_owned()), Some(note.to_owned()))
}

/// The signature of a version that counts from `from`.
pub(super) fn announced(from: Instant, draw: u64) -> Signed {
    let clock = from.to_string().chars().skip(11).take(8).collect::<String>();
    (Some(person(draw).to_owned()), Some(format!("counts from {clock} UTC on")))
}

/// The signature of metered values stated anew.
pub(super) fn restated() -> Signed {
    (Some("meter.ops".to_owned()), Some("restated after a gap in telemetry".to_owned()))
}

/// The signature of a day's settled values.
pub(super) fn settled() -> Signed {
    (Some("meter.ops".to_owned()), Some("settled".to_owned()))
}

/// One of those who work at the desks.
pub(super) fn person(draw: u64) -> &'static str {
    PEOPLE[draw as usize % PEOPLE.len()]
}

fn reason(plant_type: &str, draw: u64) -> &'static str {
    let reasons = match plant_type {
        "wind" => &WIND[..],
        "solar" => &SOLAR[..],
        "hydro" => &HYDRO[..],
        _ => &THERMAL[..],
    };
    reasons[draw as usize % reasons.len()]
}
