//! Python reads what the engine writes, from the documented layout alone, and finds what REST shows at that epoch:
//! while changes go on, and of the vintages of EIA-930.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use smartpulse_services::redis::Persistence;
use smartpulse_services::{Redis, RedisCluster};

use super::load::Load;
use super::process;
use super::stage::{Engine, awaited, to};

fn read(url: &str, engine: &Engine, more: &[&str]) -> Value {
    let python = std::env::var_os("SMARTPULSE_PYTHON")
        .expect("SMARTPULSE_PYTHON must name a Python with redis; `cargo xtask test` makes one");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/redis/read_redis.py");
    let mut command = Command::new(python);
    command.arg(script).args([url, "sp", &format!("http://{}", engine.address)]).args(more);
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{errors}");
    println!("{told}");
    serde_json::from_str(told.lines().last().unwrap()).unwrap()
}

fn count(told: &Value, name: &str) -> u64 {
    told[name].as_u64().unwrap()
}

#[test]
fn python_reads_one_epoch_while_changes_go_on() {
    let room = tempfile::tempdir().unwrap();
    let redis = Redis::start(Persistence::None).unwrap();
    let engine = Engine::start(&room.path().join("data"), &to(&[redis.url()]));
    let load = Load::start(format!("http://{}", engine.address), 17);
    load.await_more(300);
    let told = read(&redis.url(), &engine, &[]);
    load.await_more(50);
    let again = read(&redis.url(), &engine, &[]);
    load.stop();
    assert!(count(&again, "epoch") > count(&told, "epoch"));
    assert!(count(&again, "slots") > 1_000 && count(&again, "total_slots") > 1_000, "{again}");
    assert_eq!(count(&again, "units"), 9);
}

#[test]
fn python_reads_a_cluster() {
    let room = tempfile::tempdir().unwrap();
    let cluster = RedisCluster::start().unwrap();
    let engine = Engine::start(&room.path().join("data"), &to(&cluster.urls()));
    let load = Load::start(format!("http://{}", engine.address), 19);
    load.await_more(200);
    let told = read(&cluster.urls()[0], &engine, &["--cluster"]);
    load.stop();
    assert!(count(&told, "slots") > 500, "{told}");
}

#[test]
fn python_reads_a_replayed_folder() {
    let named = std::env::var_os("SMARTPULSE_DATASETS").map(PathBuf::from);
    let datasets = named
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/datasets"));
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let mut replay = process::program();
    replay.args(["replay", "rts-gmlc", "--limit", "400", "--data"]).arg(&data);
    process::finish(replay.env("SMARTPULSE_DATASETS", datasets)).succeeded();
    let redis = Redis::start(Persistence::None).unwrap();
    let engine = Engine::start(&data, &to(&[redis.url()]));
    awaited("a Redis that is full", || {
        (engine.sink("redis")["state"] == "following").then_some(())
    });
    let told = read(&redis.url(), &engine, &[]);
    assert!(count(&told, "series") > 50 && count(&told, "slots") > 5_000, "{told}");
}
