//! The files read cell by cell without the crate under test, and their sums.

use std::collections::BTreeMap;
use std::fs;

use smartpulse_operators::series::Kind;
use smartpulse_operators::time::Instant;

use super::FOLDER;
use crate::datasets;

/// Files by the provider of their forecasts: minutes of a period, and who meters them.
pub(super) const LONG: [(&str, i64, &str, Option<&str>); 8] = [
    ("DAY_AHEAD_Natural_Inflow", 60, "DayAhead", None),
    ("DAY_AHEAD_hydro", 60, "DayAhead", None),
    ("DAY_AHEAD_pv", 60, "DayAhead", None),
    ("DAY_AHEAD_regional_Load", 60, "DayAheadLoad", None),
    ("DAY_AHEAD_rtpv", 60, "DayAhead", None),
    ("DAY_AHEAD_wind", 60, "DayAhead", None),
    ("REAL_TIME_Natural_Inflow", 5, "RealTime", Some("Meter")),
    ("REAL_TIME_wind", 5, "RealTime", Some("Meter")),
];
pub(super) const WIDE: [(&str, u64, i64, &str, Option<&str>); 6] = [
    ("APS_Promod_2020", 101, 60, "DayAheadLoad", None),
    ("LDWP_Promod_2020", 102, 60, "DayAheadLoad", None),
    ("NEVP_Promod_2020", 103, 60, "DayAheadLoad", None),
    ("RT_APS_Promod_2020", 101, 5, "RealTimeLoad", Some("MeterLoad")),
    ("RT_LDWP_Promod_2020", 102, 5, "RealTimeLoad", Some("MeterLoad")),
    ("RT_NEVP_Promod_2020", 103, 5, "RealTimeLoad", Some("MeterLoad")),
];

/// Sums by provider, kind and company (0: all), then by slot.
pub(super) type Sums = BTreeMap<(String, Kind, u64), BTreeMap<Instant, i64>>;

pub(super) fn text_of(name: &str) -> String {
    fs::read_to_string(datasets().join(FOLDER).join(format!("{name}.csv"))).unwrap()
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_end().split(',').map(|cell| cell.trim_matches('"')).collect()
}

/// Decimal MW as hundredths of a kW, rounded by the sixth decimal.
fn hundredths(text: &str) -> i64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: Vec<i64> = format!("{fraction:0<6}").bytes().map(|d| i64::from(d - b'0')).collect();
    let kept = digits[..5].iter().fold(0, |number, digit| number * 10 + digit);
    whole.parse::<i64>().unwrap() * 100_000 + kept + i64::from(digits[5] >= 5)
}

/// The start of period `period` (from 1) of a day of 2020, at UTC-7.
fn start(date: &[&str], period: i64, minutes: i64) -> Instant {
    let [year, month, day] = [0, 1, 2].map(|place| date[place].parse::<usize>().unwrap());
    assert_eq!(year, 2020);
    let before =
        [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][..month - 1].iter().sum::<usize>();
    let first = Instant::parse("2020-01-01T07:00:00Z").unwrap();
    first.plus_minutes((before + day - 1) as i64 * 1_440 + (period - 1) * minutes)
}

/// The area of each generator, from `gen.csv` and `bus.csv`.
pub(super) fn areas() -> BTreeMap<String, u64> {
    let buses = text_of("bus");
    let areas: BTreeMap<&str, u64> = buses
        .lines()
        .skip(1)
        .map(|line| (cells(line)[0], cells(line)[10].parse().unwrap()))
        .collect();
    let generators = text_of("gen");
    let generators = generators.lines().skip(1).map(cells);
    generators.map(|cells| (cells[0].to_owned(), areas[cells[1]])).collect()
}

/// The sums of the files' cells.
pub(super) fn summed_directly() -> Sums {
    let areas = areas();
    let mut sums = Sums::new();
    let mut add =
        |provider: &str, actual: Option<&str>, company: u64, slot: Instant, value: i64| {
            let said = [(Some(provider), Kind::Forecast), (actual, Kind::Actual)];
            for (provider, kind) in said {
                let Some(provider) = provider else { continue };
                for company in [company, 0] {
                    let sums = sums.entry((provider.to_owned(), kind, company)).or_default();
                    *sums.entry(slot).or_default() += value;
                }
            }
        };
    for (name, minutes, provider, actual) in LONG {
        let text = text_of(name);
        let header = cells(text.lines().next().unwrap());
        for line in text.lines().skip(1) {
            let row = cells(line);
            let slot = start(&row, row[3].parse().unwrap(), minutes);
            for (column, cell) in header.iter().zip(&row).skip(4) {
                let area = areas.get(*column).copied().unwrap_or_else(|| column.parse().unwrap());
                add(provider, actual, area, slot, hundredths(cell));
            }
        }
    }
    for (name, company, minutes, provider, actual) in WIDE {
        for line in text_of(name).lines().skip(1) {
            let row = cells(line);
            for (period, cell) in (1..).zip(&row[3..]) {
                add(provider, actual, company, start(&row, period, minutes), hundredths(cell));
            }
        }
    }
    sums
}
