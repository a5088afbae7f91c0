//! Exports of a running service: the same bytes as of the stopped folder, whatever epoch and however busy,
//! and nothing half where something fails.
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]
#![allow(clippy::print_stdout, reason = "the figures a run prints")]

#[path = "export_server/busy.rs"]
mod busy;
#[path = "program/client.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod client;
#[path = "export_server/cut.rs"]
mod cut;
#[path = "program/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;
#[path = "oracle/runs.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod runs;

use std::net::SocketAddr;
use std::path::Path;

use client::Client;
use process::{Ended, Server, finish, program, run};
use runs::{Replayed, bytes_of, oracle};
use serde_json::Value;

const VIEWS: [&str; 6] = ["latest", "resolved", "totals", "history", "units", "batches"];

/// Exports a view of the service at `address` into `out`.
fn export(address: SocketAddr, view: &str, out: &Path, flags: &[String]) -> Ended {
    let mut command = program();
    command.args(["export", view, "--json", "--server", &format!("http://{address}"), "--out"]);
    finish(command.arg(out).args(flags))
}

/// Exports a view of a stopped folder into `out`.
fn export_stopped(data: &Path, view: &str, out: &Path, flags: &[String]) -> Value {
    let mut command = program();
    command.args(["export", view, "--json", "--data"]).arg(data).arg("--out").arg(out).args(flags);
    finish(&mut command).succeeded().json()
}

/// A service on a replayed folder, at its own clock.
fn serve_as_it_is(data: &Path) -> Server {
    Server::start_with(data, |command| {
        command.args(["--clock", "data"]);
    })
}

fn words<const N: usize>(flags: [&str; N]) -> Vec<String> {
    flags.map(str::to_owned).to_vec()
}

fn newest_epoch(client: &Client) -> u64 {
    client.get("/api/v2.0/status").header("x-smartpulse-epoch").parse().unwrap()
}

#[test]
fn a_service_exports_what_its_stopped_folder_does() {
    let oracle = oracle();
    for seed in 1..4 {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().join("in");
        let asked = oracle.random_folder(seed, &folder, &["--size", "40", "--hierarchy"]);
        let replayed = Replayed::run(&folder, &room.path().join("data"), 1, &asked.rules());
        let mut all = asked.instants();
        for (turn, flags) in all.iter_mut().enumerate() {
            flags.extend(asked.reading(turn));
        }
        all.push(words(["--provider", "FinalForecast", "--completeness", "0.25"]));
        all.push(words(["--provider", "no such & one+%", "--period", "30"]));
        if let Some((from, to)) = days_of(&replayed, room.path()) {
            all.push(words(["--from", &from, "--period", "5"]));
            all.push(words(["--to", &from]));
            all.push(words(["--from", &from, "--to", &to]));
        }
        let mut expected = Vec::new();
        for (turn, flags) in all.iter().enumerate() {
            for view in VIEWS {
                let out = room.path().join(format!("stopped-{turn}"));
                let said = export_stopped(&replayed.data, view, &out, flags);
                expected.push((view, flags, out.join(view), said));
            }
        }
        let server = serve_as_it_is(&replayed.data);
        let epoch = newest_epoch(&server.client()).to_string();
        let mut rows = 0;
        for (turn, (view, flags, stopped, said)) in expected.into_iter().enumerate() {
            let out = room.path().join("served");
            let mut flags = flags.clone();
            if turn % 2 == 0 {
                flags.extend(["--epoch".to_owned(), epoch.clone()]);
            }
            let served = export(server.address(), view, &out, &flags).succeeded().json();
            assert_eq!(served, said, "seed {seed} {view} {flags:?}");
            let (served, stopped) = (bytes_of(&out.join(view)), bytes_of(&stopped));
            assert_eq!(
                served.keys().collect::<Vec<_>>(),
                stopped.keys().collect::<Vec<_>>(),
                "seed {seed} {view} {flags:?}"
            );
            assert!(served == stopped, "seed {seed} {view} {flags:?}: other bytes");
            rows += said["rows"].as_u64().unwrap();
        }
        println!("seed {seed}: {rows} rows in {} exports", all.len() * VIEWS.len());
        assert!(rows > 0, "seed {seed}: nothing was exported");
        server.stop().succeeded();
        assert_eq!(cut::exports_under_way(&replayed.data), 0);
    }
}

/// A UTC day of the folder's data, and the next: to cut exports at.
fn days_of(replayed: &Replayed, room: &Path) -> Option<(String, String)> {
    let out = room.join("days");
    replayed.export("latest", &out, &[]);
    let files = bytes_of(&out.join("latest"));
    let names = files.keys().map(|path| path.display().to_string());
    let mut days: Vec<String> = names
        .filter_map(|name| Some(name.split_once("delivery_date=")?.1.split('/').next()?.to_owned()))
        .collect();
    days.sort_unstable();
    days.dedup();
    let middle = days.len() / 2;
    let instant = |day: &String| format!("{day}T06:00:00Z");
    Some((instant(days.get(middle)?), instant(days.get(middle + 1)?)))
}

#[test]
fn what_cannot_be_exported_is_said_and_the_former_export_stays() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    run(&data, ["replay", "fleet:5:plants=20,days=2"]).succeeded();
    let out = room.path().join("out");
    let server = serve_as_it_is(&data);
    let address = server.address();
    export(address, "latest", &out, &[]).succeeded();
    let before = bytes_of(&out);
    let long = "x".repeat(51);
    for (flags, said) in [
        (words(["--epoch", "1"]), ["EPOCH_NOT_RETAINED", "epoch 1"]),
        (words(["--epoch", "999999999"]), ["EPOCH_NOT_REACHED", "not closed yet"]),
        (words(["--provider", &long]), ["VALIDATION_ERROR", "provider must be 1 to 50"]),
        (
            words(["--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"]),
            ["VALIDATION_ERROR", "from must not be after"],
        ),
    ] {
        export(address, "latest", &out, &flags).failed_saying(&said);
        assert!(bytes_of(&out) == before, "{flags:?}");
    }
    let client = server.client();
    for (path, status, code) in [
        ("books", 400, "VALIDATION_ERROR"),
        ("latest?form=2026-01-01", 400, "VALIDATION_ERROR"),
        ("latest?at_epoch=1", 410, "EPOCH_NOT_RETAINED"),
    ] {
        let answer = client.get(&format!("/api/v2.0/export/{path}")).expect_status(status);
        assert_eq!(answer.code(), code, "{path}");
    }
    server.stop().succeeded();
    let full = Server::start_with(&data, |command| {
        command.args(["--clock", "data"]).env("SMARTPULSE_DISK_RESERVE_BYTES", "1000000000000000");
    });
    export(full.address(), "latest", &out, &[]).failed_saying(&["DISK_FULL", "left to saves"]);
    assert!(bytes_of(&out) == before, "no room");
    full.stop().succeeded();
    assert_eq!(cut::exports_under_way(&data), 0);
    export(address, "latest", &out, &[]).failed_saying(&["cannot reach http://"]);
    assert!(bytes_of(&out) == before, "no server");
    let bad = export(address, "books", &out, &[]);
    assert_eq!(bad.code, Some(2), "an unknown view: {bad:?}");
    let both = words(["--data", data.to_str().unwrap()]);
    let bad = export(address, "latest", &out, &both);
    assert_eq!(bad.code, Some(2), "--server and --data: {bad:?}");
    let mut command = program();
    command.args(["export", "latest", "--server", "https://127.0.0.1", "--out"]).arg(&out);
    assert_eq!(finish(&mut command).code, Some(2), "no TLS");
}
