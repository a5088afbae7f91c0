//! `check(script, expect![[…]])`: runs a script in several batchings on several numbers of workers, holds
//! each run against the oracle, and compares what happened, as text, with what the test expects.
//!
//! A save tells each slot's outcome, a withdrawal its answer, `show` (and the end) the rows: value, the
//! batch since which it stands, and the winner where that is another. `12:00×3` is three slots.

use std::fmt::Write;

use expect_test::Expect;

use super::feeder::Histories;
use super::graph::{Run, Setup, run};
use super::oracle::Oracle;
use super::script::Script;
use super::written::{megawatts, time};
use super::{Act, Answer, Decision, Decisions, Issue, Step, View, ticks};
use crate::batch::Sequence;
use crate::outcome::Outcome;
use crate::quantity::NULL;
use crate::series::Kind;
use crate::time::{Instant, Period};

/// Runs `script` and compares.
#[track_caller]
pub(crate) fn check(script: &str, expect: Expect) {
    let script = Script::read(script);
    let told = script.told_by_oracle();
    let [one, many] = [1, 100];
    let as_needed = Histories::AsNeeded;
    for (size, workers, histories, restart) in [
        (one, 1, as_needed, None),
        (one, 4, Histories::Sometimes(1), None),
        (one, 2, as_needed, Some((script.parts.concat().len() / 2, 1))),
        (many, 1, as_needed, None),
        (many, 2, Histories::Always, Some((1, 4))),
    ] {
        let setup = Setup { workers, histories, restart };
        assert_eq!(script.told_by_graph(size, &setup), told, "ticks of {size}, {setup:?}");
    }
    expect.assert_eq(&told);
}

/// Runs `script`, a line a tick, on one worker.
pub(crate) fn play(script: &str) -> Run {
    let steps: Vec<Step> = Script::read(script).parts.concat();
    let setup = Setup { workers: 1, histories: Histories::AsNeeded, restart: None };
    let run = run(&ticks(&steps, &[1]), &setup);
    let mut oracle = Oracle::default();
    steps.iter().for_each(|step| oracle.take(step));
    assert_eq!(run.views.last(), Some(&oracle.view()));
    run
}

impl Script {
    fn told_by_graph(&self, size: usize, setup: &Setup) -> String {
        let mut all = Vec::new();
        let mut shows = Vec::new();
        for part in &self.parts {
            all.extend(ticks(part, &[size]));
            shows.push(all.len() - 1);
        }
        let run = run(&all, setup);
        let views: Vec<View> = shows.iter().map(|tick| run.views[*tick].clone()).collect();
        self.told(&run.decisions, &run.answers, &views)
    }

    fn told_by_oracle(&self) -> String {
        let mut oracle = Oracle::default();
        let mut views = Vec::new();
        for part in &self.parts {
            part.iter().for_each(|step| oracle.take(step));
            views.push(oracle.view());
        }
        self.told(&oracle.decisions, &oracle.answers, &views)
    }

    fn told(&self, decisions: &Decisions, answers: &[Answer], views: &[View]) -> String {
        let mut answers = answers.iter();
        let mut text = String::new();
        for (part, view) in self.parts.iter().zip(views) {
            for step in part {
                match &step.act {
                    Act::Save(issue) => self.decisions(&mut text, decisions, issue),
                    Act::Withdraw(sequence, _) => {
                        let answer = answer(answers.next().unwrap());
                        writeln!(text, "withdraw {}: {answer}", self.name(*sequence)).unwrap();
                    }
                    Act::State(_) | Act::Clock => {}
                }
            }
            self.view(&mut text, view);
        }
        text
    }

    fn name(&self, sequence: Sequence) -> &str {
        self.names.get(sequence.0 as usize - 1).map_or("?", String::as_str)
    }

    fn decisions(&self, text: &mut String, decisions: &Decisions, issue: &Issue) {
        let Issue { batch, curves, .. } = issue;
        for (points, entry) in curves.iter().zip(0..) {
            for is_copy in [false, true] {
                let place = |start| (batch.sequence, entry, is_copy, start);
                let curve = decisions.range(place(Instant(i64::MIN))..place(Instant(i64::MAX)));
                let slots = curve.map(|((.., start), decision)| (*start, outcome(*decision)));
                let told = runs(points.period, slots).join(", ");
                if !told.is_empty() {
                    let entry =
                        if curves.len() > 1 { format!(" #{}", entry + 1) } else { String::new() };
                    let copy = if is_copy { " (final)" } else { "" };
                    writeln!(text, "{}{entry}{copy}: {told}", self.name(batch.sequence)).unwrap();
                }
            }
        }
    }

    fn view(&self, text: &mut String, view: &View) {
        let mut series: Vec<_> = view.rows.keys().map(|(series, _)| series).collect();
        series.extend(view.waiting.keys().map(|(series, _)| series));
        series.sort_unstable();
        series.dedup();
        for series in series {
            let (unit, period) = (series.unit, series.period.minutes());
            let (name, provider) = (unit.unit_type.word(), series.provider.key());
            let kind = if series.kind == Kind::Actual { " (actual)" } else { "" };
            writeln!(text, "{name}{}/{period} {provider}{kind}", unit.unit_no).unwrap();
            let of_series = view.rows.iter().filter(|((one, _), _)| one == series);
            let slots = of_series.map(|((_, start), row)| {
                let value =
                    if row.value == NULL { "null".to_owned() } else { megawatts(row.value) };
                let mut told = format!("{value} since {}", self.name(row.shown));
                if row.winner != row.shown {
                    write!(told, ", winner {}", self.name(row.winner)).unwrap();
                }
                (*start, told)
            });
            for run in runs(series.period, slots) {
                writeln!(text, "  {run}").unwrap();
            }
            for ((_, day), waiting) in view.waiting.iter().filter(|((one, _), _)| one == series) {
                let names: Vec<&str> = waiting.iter().map(|one| self.name(*one)).collect();
                writeln!(text, "  waiting on {day}: {}", names.join(" ")).unwrap();
            }
        }
    }
}

fn outcome(decision: Decision) -> String {
    let word = match decision.outcome {
        Outcome::Saved => "saved",
        Outcome::Restated => "restated",
        Outcome::Skipped => "skipped",
        refused => refused.code().unwrap(),
    };
    if decision.clipped {
        format!("{word} as {}", megawatts(decision.value))
    } else {
        word.to_owned()
    }
}

fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Done => "done".to_owned(),
        Answer::Unknown => "unknown".to_owned(),
        Answer::Already => "already".to_owned(),
        Answer::Refused(slots) => {
            let slots = slots.iter().map(|(unit, start, why)| {
                format!("{unit} {} {}", time(*start), why.code().unwrap())
            });
            format!("refused, {}", slots.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Neighbouring slots of which the same is told, put together.
pub(crate) fn runs(
    period: Period,
    slots: impl IntoIterator<Item = (Instant, String)>,
) -> Vec<String> {
    let mut runs: Vec<(Instant, i64, String)> = Vec::new();
    for (start, told) in slots {
        let end = |first: Instant, count| first.plus_minutes(count * i64::from(period.minutes()));
        match runs.last_mut() {
            Some((first, count, same)) if *same == told && end(*first, *count) == start => {
                *count += 1;
            }
            _ => runs.push((start, 1, told)),
        }
    }
    let print = |(start, count, told): &(Instant, i64, String)| match count {
        1 => format!("{} {told}", time(*start)),
        _ => format!("{}×{count} {told}", time(*start)),
    };
    runs.iter().map(print).collect()
}
