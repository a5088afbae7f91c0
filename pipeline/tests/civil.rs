//! Reads by hour, civil day and civil month around every change of the clocks of 2026, in five zones, against
//! a computation in Python that shares nothing with the platform but the files (`civil/civil.py`).
//!
//! A seeded folder is replayed and served at its own clock, everything in `civil/questions.py` is asked of
//! the doors, and the answers are handed over as they came.
#![allow(clippy::print_stdout, reason = "the figures a run prints")]
#![allow(clippy::unwrap_used, reason = "a run that cannot go on fails its test where it stands")]

#[path = "program/client.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod client;
#[path = "program/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use client::{Answer, Client};
use process::{Server, run};
use serde_json::{Value, json};

/// Seeds of the suite; `SMARTPULSE_CIVIL_SEEDS=FROM..TO` runs others.
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("SMARTPULSE_CIVIL_SEEDS").ok();
    let range = asked.as_deref().and_then(|text| text.split_once(".."));
    range.map_or(1..2, |(from, to)| from.parse().unwrap()..to.parse().unwrap())
}

/// A script of this suite, or of the oracle it is built on.
fn python(arguments: &[&str]) -> Command {
    let named = std::env::var_os("SMARTPULSE_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| {
        panic!("SMARTPULSE_PYTHON must name a Python with pyarrow and tzdata; `cargo xtask test` makes one")
    });
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut command = Command::new(python);
    command.current_dir(tests.join("civil")).env("PYTHONPATH", tests.join("oracle"));
    command.args(arguments);
    command
}

fn words(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stderr), text(&output.stdout))
}

/// The question with its answer, the body as it came.
fn ask(client: &Client, mut question: Value) -> Value {
    let path = question["path"].as_str().unwrap();
    let answer: Answer = match question.get("asked") {
        Some(body) => client.post(path, body),
        None => client.get(path),
    };
    question["status"] = json!(answer.status);
    question["known_at"] = json!(answer.header("x-smartpulse-known-at"));
    question["body"] = json!(String::from_utf8_lossy(&answer.body));
    question
}

#[test]
fn the_judge_is_right_about_cases_made_by_hand() {
    let output = python(&["-m", "unittest", "test_civil"]).output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
}

#[test]
fn hours_days_and_months_are_what_a_wall_clock_says_around_every_change() {
    for seed in seeds() {
        let room = tempfile::tempdir().unwrap();
        let made = python(&["questions.py", &seed.to_string()]).arg(room.path()).output().unwrap();
        assert!(made.status.success(), "{}", words(&made));
        let (folder, data) = (room.path().join("in"), room.path().join("data"));
        run(&data, ["replay".into(), folder.as_os_str().to_owned()]).succeeded();
        let server = Server::start_with(&data, |command| {
            command.args(["--clock", "data"]);
        });
        let questions = std::fs::read(room.path().join("questions.json")).unwrap();
        let questions: Vec<Value> = serde_json::from_slice(&questions).unwrap();
        assert!(questions.len() > 5_000, "{} questions", questions.len());
        let client = server.client();
        let answers: Vec<Value> =
            questions.into_iter().map(|question| ask(&client, question)).collect();
        server.stop().succeeded();
        let file = room.path().join("answers.json");
        std::fs::write(&file, Value::from(answers).to_string()).unwrap();
        let judged = python(&["civil.py"]).arg(&folder).arg(&file).output().unwrap();
        assert!(judged.status.success(), "seed {seed}:\n{}", words(&judged));
        println!("seed {seed}: {}", words(&judged).trim());
    }
}
