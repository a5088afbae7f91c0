//! Steps written in the language of scripts, so that what the property test finds can be pasted into a
//! `check`. Options that only one curve of a save has are written for all of it.

use std::fmt::{Debug, Formatter, Result};

use super::script::midnight;
use super::{Act, Issue, Points, Step};
use crate::change::{Change, Checks};
use crate::quantity::{Measure, NULL, Quantity};
use crate::series::{Kind, Provider};
use crate::time::{Instant, Period};
use crate::unit::Unit;

impl Debug for Step {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let (line, options) = match &self.act {
            Act::State(change) => statement(change),
            Act::Save(issue) => save(issue, self.at),
            Act::Withdraw(batch, by) => (format!("withdraw b{}", batch.0), checks(*by)),
            Act::Clock => ("clock".to_owned(), Vec::new()),
        };
        write!(formatter, "{} {line}", time(self.at))?;
        if options.is_empty() { Ok(()) } else { write!(formatter, " | {}", options.join(", ")) }
    }
}

/// Hours and minutes from midnight, hours past 23 and below 0 too.
pub(crate) fn time(instant: Instant) -> String {
    let minutes = instant.0.saturating_sub(midnight().0) / 60_000_000;
    format!("{:02}:{:02}", minutes.div_euclid(60), minutes.rem_euclid(60))
}

pub(crate) fn megawatts(value: i64) -> String {
    Quantity(value).text_in(Measure::MegaWatt, Period::new(60).unwrap())
}

fn save(issue: &Issue, at: Instant) -> (String, Vec<String>) {
    let Issue { batch, checks: by, path, curves } = issue;
    let lines: Vec<String> = curves.iter().map(points).collect();
    let mut options = checks(*by);
    let mut add = |is_on: bool, option: &str| options.extend(is_on.then(|| option.to_owned()));
    add(batch.valid_after != at, &format!("after {}", time(batch.valid_after)));
    add(batch.skips_existing_check, "skip");
    add(batch.provider.key() == Provider::FINAL_FORECAST, "by FinalForecast");
    add(curves.iter().any(|points| points.kind == Kind::Actual), "actual");
    add(curves.iter().any(|points| points.conform_upper_limit), "clip");
    add(curves.iter().any(|points| points.apply_final_forecast), "final");
    options.extend(path.map(|path| format!("path {}", unit(path))));
    (format!("save b{} {}", batch.sequence.0, lines.join("; ")), options)
}

fn points(points: &Points) -> String {
    let minutes = i64::from(points.period.minutes());
    let mut next = points.points.first().map_or(midnight(), |(start, _)| *start);
    let mut text = format!("{}/{minutes} {} =", unit(points.unit), time(next));
    for &(start, value) in &points.points {
        while next < start {
            text.push_str(" .");
            next = next.plus_minutes(minutes);
        }
        text.push(' ');
        text.push_str(&if value == NULL { "null".to_owned() } else { megawatts(value) });
        next = next.plus_minutes(minutes);
    }
    text
}

fn checks(by: Checks) -> Vec<String> {
    let named = [
        (by.gates, "gates"),
        (by.limits, "limits"),
        (by.locks, "locks"),
        (by.past_role, "past role"),
    ];
    named.iter().filter(|(is_on, _)| *is_on).map(|(_, name)| (*name).to_owned()).collect()
}

fn statement(change: &Change) -> (String, Vec<String>) {
    let always = |from: Instant| (from != Instant::MIN).then_some(from);
    let when =
        |name: &str, at: Option<Instant>| at.map(|instant| format!("{name} {}", time(instant)));
    match change {
        Change::Unit(one) => {
            let installed = one.installed_power.map(|it| format!("installed {}", megawatts(it.0)));
            let options = when("from", always(one.valid_from)).into_iter().chain(installed);
            (format!("unit {}", unit(one.unit)), options.collect())
        }
        Change::Membership(one) => {
            let from = when("from", always(one.valid_from));
            let ends = when("to", one.valid_to).into_iter();
            let deleted = one.deleted.then(|| "deleted".to_owned());
            let line = format!("member {} {}", unit(one.child), unit(one.parent));
            (line, from.into_iter().chain(ends).chain(deleted).collect())
        }
        Change::Property(one) => {
            let value = one.value.as_deref().unwrap_or_default();
            (format!("property {} {} {value}", unit(one.unit), one.key), Vec::new())
        }
        Change::Lock(one) => {
            let range = format!("{}..{}", time(one.from), time(one.to));
            let ends = [when("expires", one.expires), when("released", one.released)];
            let line = format!("lock {} {} {range}", one.id, unit(one.unit));
            (line, ends.into_iter().flatten().collect())
        }
        Change::Rules(one) => {
            (format!("rules {} {}", one.gate_minutes, one.epias_gate_minutes), Vec::new())
        }
        Change::Save(_) | Change::Withdrawal(_) | Change::Refused(_) => unreachable!(),
    }
}

fn unit(unit: Unit) -> String {
    format!("{}{}", unit.unit_type.word(), unit.unit_no)
}

#[test]
fn what_is_written_reads_the_same() {
    let lines = [
        "00:00 unit PP1 | from 13:00, installed 10.5",
        "00:00 member PP1 CMP7 | from 24:00, to 48:00, deleted",
        "00:00 property PP1 market EPIAS",
        "00:00 lock 1 PP1 12:00..14:00 | expires 10:00, released 09:00",
        "00:00 rules 60 120",
        "08:00 save b1 PP1/60 12:00 = 5 . null 7; PP1/15 -1:45 = -1 | after 09:00, skip, path CMP7",
        "09:00 save b2 PP1/60 12:00 = 5 | gates, limits, locks, past role, by FinalForecast, actual",
        "09:00 withdraw b1 | locks",
        "10:00 clock",
    ];
    let steps = super::script::Script::read(&lines.join("\n")).parts.concat();
    let written: Vec<String> = steps.iter().map(|step| format!("{step:?}")).collect();
    assert_eq!(written, lines);
}
