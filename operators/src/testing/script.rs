//! A small language for steps, so that a test reads like the rule it is about.
//!
//! ```text
//! unit PP1 | from 24:00, installed 100, region north, type wind
//! member PP1 CMP7 | from 10:00, to 12:00, deleted
//! property PP1 market EPIAS                lock 1 PP1 12:00..14:00 | expires 10:00, released 09:00
//! rules 60 120                             08:00 withdraw a | locks, gates, past role
//! 08:00 save a PP1/60 12:00 = 5 . null 3x7; PP2/60 12:00 = 1 | after 09:00, skip, by p, path CMP7
//! 10:00 clock                              show
//! ```
//! Times are hours and minutes from 2026-01-01T00:00Z, past 24 too; a line without one happens when the
//! line before did. Values are MW; `.` is a gap, `3x7` three times 7. Further options of a save are
//! `actual`, `clip`, `final` and the checks. A unit that no line describes is known since always.

use std::collections::BTreeMap;

use super::{Act, Issue, Points, Step, batch};
use crate::batch::Sequence;
use crate::change::{Change, Checks, Rules};
use crate::quantity::{NULL, Quantity};
use crate::reference::megawatts;
use crate::series::Kind;
use crate::time::{Instant, Period};
use crate::unit::{Lock, Membership, Property, Unit, UnitType, UnitVersion};

/// A script, read.
pub(crate) struct Script {
    /// Steps up to each `show`, which closes the tick and shows what readers see, and to the end.
    pub(crate) parts: Vec<Vec<Step>>,
    /// Names of batches; their sequences are 1, 2, ….
    pub(crate) names: Vec<String>,
    now: Instant,
}

type Options<'t> = BTreeMap<&'t str, &'t str>;

impl Script {
    pub(crate) fn read(text: &str) -> Script {
        let mut script = Script { parts: vec![Vec::new()], names: Vec::new(), now: midnight() };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            script.line(line);
        }
        script.parts.retain(|part| !part.is_empty());
        script.describe_units();
        script
    }

    fn line(&mut self, line: &str) {
        let (line, options) = line.split_once(" | ").unwrap_or((line, ""));
        let options = options
            .split(',')
            .map(str::trim)
            .map(|option| option.split_once(' ').unwrap_or((option, "")))
            .collect::<Options<'_>>();
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (at, verb, rest) = if first.contains(':') {
            let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            (time(first), verb, rest)
        } else {
            (self.now, first, rest)
        };
        self.now = at;
        let words: Vec<&str> = rest.split_whitespace().collect();
        let act = match (verb, words.as_slice()) {
            ("show", []) => return self.parts.push(Vec::new()),
            ("clock", []) => Act::Clock,
            ("save", [name, ..]) => {
                self.names.push((*name).to_owned());
                Act::Save(self.issue(at, rest[name.len()..].trim(), &options))
            }
            ("withdraw", [name]) => Act::Withdraw(self.sequence(name), checks(&options)),
            _ => Act::State(statement(verb, &words, &options, at)),
        };
        self.parts.last_mut().unwrap().push(Step { at, act });
    }

    /// The batch of that name; one that is none for a name no line saves.
    fn sequence(&self, name: &str) -> Sequence {
        let known = self.names.iter().position(|known| known == name);
        Sequence(known.map_or(u64::MAX, |index| index as u64 + 1))
    }

    fn issue(&self, at: Instant, curves: &str, options: &Options<'_>) -> Issue {
        let valid_after = options.get("after").map_or(at, |text| time(text));
        let provider = options.get("by").copied().unwrap_or("p");
        let skips = options.contains_key("skip");
        Issue {
            batch: batch(self.names.len() as u64, at, valid_after, provider, skips),
            checks: checks(options),
            path: options.get("path").map(|text| unit(text)),
            curves: curves.split(';').map(|curve| points(curve, options)).collect(),
        }
    }

    fn describe_units(&mut self) {
        let mut is_described: BTreeMap<Unit, bool> = BTreeMap::new();
        for step in self.parts.iter().flatten() {
            match &step.act {
                Act::Save(issue) => {
                    for points in &issue.curves {
                        is_described.entry(points.unit).or_insert(false);
                    }
                }
                Act::State(Change::Unit(version)) => {
                    is_described.insert(version.unit, true);
                }
                _ => {}
            }
        }
        is_described.retain(|_, is_described| !*is_described);
        let known = is_described.into_keys().map(|unit| Step {
            at: Instant::MIN,
            act: Act::State(Change::Unit(unit_version(unit, Instant::MIN, None))),
        });
        self.parts[0].splice(0..0, known);
    }
}

/// Master data that says nothing but from when on, and installed power.
pub(crate) fn unit_version(
    unit: Unit,
    valid_from: Instant,
    installed_power: Option<Quantity>,
) -> UnitVersion {
    UnitVersion {
        unit,
        name: unit.to_string(),
        plant_type: None,
        installed_power,
        zone: "UTC".to_owned(),
        region: None,
        valid_from,
        recorded: Instant::MIN,
    }
}

fn statement(verb: &str, words: &[&str], options: &Options<'_>, at: Instant) -> Change {
    let when = |key: &str| options.get(key).map(|text| time(text));
    match (verb, words) {
        ("unit", [name]) => {
            let installed = options.get("installed").and_then(|text| megawatts(text));
            let from = when("from").unwrap_or(Instant::MIN);
            let version = unit_version(unit(name), from, installed);
            let text = |key: &str| options.get(key).map(|text| (*text).to_owned());
            let (region, plant_type) = (text("region"), text("type"));
            Change::Unit(UnitVersion { region, plant_type, ..version })
        }
        ("member", [child, parent]) => Change::Membership(Membership {
            parent: unit(parent),
            child: unit(child),
            valid_from: when("from").unwrap_or(Instant::MIN),
            valid_to: when("to"),
            recorded: at,
            deleted: options.contains_key("deleted"),
        }),
        ("property", [name, key, value @ ..]) => Change::Property(Property {
            unit: unit(name),
            key: (*key).to_owned(),
            value: value.first().map(|value| (*value).to_owned()),
            recorded: at,
        }),
        ("lock", [id, name, range]) => {
            let (from, to) = range.split_once("..").unwrap();
            Change::Lock(Lock {
                id: id.parse().unwrap(),
                unit: unit(name),
                from: time(from),
                to: time(to),
                user: "desk".to_owned(),
                reason: "test".to_owned(),
                expires: when("expires"),
                released: when("released"),
                recorded: at,
            })
        }
        ("rules", [gate, epias]) => Change::Rules(Rules {
            gate_minutes: gate.parse().unwrap(),
            epias_gate_minutes: epias.parse().unwrap(),
        }),
        _ => panic!("no such line: {verb} {words:?}"),
    }
}

fn checks(options: &Options<'_>) -> Checks {
    Checks {
        gates: options.contains_key("gates"),
        limits: options.contains_key("limits"),
        locks: options.contains_key("locks"),
        past_role: options.contains_key("past"),
    }
}

/// `PP1/60 12:00 = 5 . null 3x7`
fn points(text: &str, options: &Options<'_>) -> Points {
    let (place, values) = text.split_once('=').unwrap();
    let words: Vec<&str> = place.split_whitespace().collect();
    let (name, minutes) = words[0].split_once('/').unwrap();
    let period = Period::new(minutes.parse().unwrap()).unwrap();
    let mut start = time(words[1]);
    let mut points = Vec::new();
    for word in values.split_whitespace() {
        let (count, value) = word.split_once('x').unwrap_or(("1", word));
        for _ in 0..count.parse().unwrap() {
            match value {
                "." => {}
                "null" => points.push((start, NULL)),
                number => points.push((start, megawatts(number).unwrap().0)),
            }
            start = start.plus_minutes(period.minutes().into());
        }
    }
    Points {
        kind: if options.contains_key("actual") { Kind::Actual } else { Kind::Forecast },
        unit: unit(name),
        period,
        conform_upper_limit: options.contains_key("clip"),
        apply_final_forecast: options.contains_key("final"),
        points,
    }
}

fn unit(name: &str) -> Unit {
    let digits = name.find(|letter: char| letter.is_ascii_digit()).unwrap();
    let unit_type = UnitType::parse(&name[..digits]).unwrap();
    Unit { unit_type, unit_no: name[digits..].parse().unwrap() }
}

/// Midnight from which the hours of a script count.
pub(crate) fn midnight() -> Instant {
    Instant::parse("2026-01-01T00:00Z").unwrap()
}

fn time(text: &str) -> Instant {
    let (hours, minutes) = text.split_once(':').unwrap();
    let [hours, minutes] = [hours, minutes].map(|number| number.parse::<i64>().unwrap());
    midnight().plus_minutes(hours * 60 + minutes)
}
