//! The services are real ones, and are hurt as they are meant to be: what a kill, a pause, a restart on what
//! was kept and an empty restart leave is what their makers promise.
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]

use std::path::Path;
use std::thread;
use std::time::Duration;

use smartpulse_services::debezium::Route;
use smartpulse_services::processes::Process;
use smartpulse_services::pulsar::{get, put};
use smartpulse_services::redis::Persistence;
use smartpulse_services::{Debezium, Postgres, Pulsar, Redis, RedisCluster};

/// Looks at what is awaited, and the pause between two: a minute.
const LOOKS: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);

fn awaited<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(seen) = look() {
            return seen;
        }
        thread::sleep(PAUSE);
    }
    panic!("{what}: not seen in time");
}

#[test]
fn redis_keeps_its_log_over_a_kill_and_nothing_over_an_empty_start() {
    let mut redis = Redis::start(Persistence::Log).unwrap();
    let get = |redis: &Redis| redis.command(&["GET", "k"]).unwrap();
    // As it is set, the log is synced once a second.
    redis.command(&["CONFIG", "SET", "appendfsync", "always"]).unwrap();
    assert_eq!(redis.command(&["SET", "k", "v"]).unwrap(), "OK");
    redis.server().kill();
    redis.command(&["GET", "k"]).unwrap_err();
    redis.server().start_again().unwrap();
    assert_eq!(get(&redis), "v");
    redis.server().start_empty().unwrap();
    assert_eq!(get(&redis), "");

    let mut forgetful = Redis::start(Persistence::None).unwrap();
    forgetful.command(&["SET", "k", "v"]).unwrap();
    forgetful.server().kill();
    forgetful.server().start_again().unwrap();
    assert_eq!(get(&forgetful), "");
}

#[test]
fn a_paused_service_answers_nobody_until_it_goes_on() {
    let mut redis = Redis::start(Persistence::None).unwrap();
    let state = |process: Process| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    };
    let process = redis.server().process().unwrap();
    redis.server().pause();
    awaited("the pause", || (state(process) == 'T').then_some(()));
    redis.server().resume();
    assert_eq!(redis.command(&["PING"]).unwrap(), "PONG");
    redis.server().stop();
    assert!(!process.lives());
}

#[test]
fn three_nodes_share_the_slots() {
    let mut cluster = RedisCluster::start().unwrap();
    assert_eq!(cluster.urls().len(), 3);
    let info = cluster.node(0).command(&["CLUSTER", "INFO"]).unwrap();
    assert!(info.contains("cluster_slots_ok:16384") && info.contains("cluster_size:3"), "{info}");
    // A key of another node is answered with where it is.
    let answers: Vec<String> =
        (0..3).map(|node| cluster.node(node).command(&["GET", "k"]).unwrap()).collect();
    assert_eq!(answers.iter().filter(|answer| answer.contains("MOVED")).count(), 2, "{answers:?}");
}

#[test]
fn postgres_keeps_what_was_committed_over_a_kill() {
    let mut postgres = Postgres::start().unwrap();
    assert_eq!(postgres.sql("SHOW wal_level").unwrap(), "logical");
    postgres.sql("CREATE TABLE t (a int PRIMARY KEY, b numeric(36, 4))").unwrap();
    postgres.sql("INSERT INTO t VALUES (1, 12.3456)").unwrap();
    let family = postgres.server().process().unwrap().family();
    assert!(family.len() > 3, "a server and what it forks: {family:?}");
    postgres.server().kill();
    awaited("the end of all its processes", || {
        family.iter().all(|process| !process.lives()).then_some(())
    });
    postgres.server().start_again().unwrap();
    assert_eq!(postgres.sql("SELECT a, b FROM t").unwrap(), "1|12.3456");
    let refused = postgres.sql("SELECT nothing FROM t").unwrap_err().to_string();
    assert!(refused.contains("\"nothing\" does not exist"), "{refused}");
    postgres.server().start_empty().unwrap();
    postgres.sql("SELECT a FROM t").unwrap_err();
}

#[test]
fn a_change_in_postgres_reaches_pulsar_through_debezium_and_stays_there() {
    let postgres = Postgres::start().unwrap();
    postgres.sql("CREATE TABLE t (a int PRIMARY KEY, b numeric(36, 4))").unwrap();
    let mut pulsar = Pulsar::start().unwrap();
    let topic = format!("{}/admin/v2/persistent/public/default/s.public.t", pulsar.admin_url());
    put(&topic, "").unwrap();
    put(&format!("{topic}/subscription/reader"), r#"{"ledgerId":-1,"entryId":-1}"#).unwrap();
    let debezium = Debezium::start(&Route {
        postgres_port: postgres.port(),
        pulsar_url: pulsar.url(),
        database: "postgres".to_owned(),
        tables: vec!["public.t".to_owned()],
        namespace: "public/default".to_owned(),
        prefix: "s".to_owned(),
        more: String::new(),
    });
    let debezium = debezium.unwrap();
    postgres.sql("INSERT INTO t VALUES (1, 12.3456)").unwrap();
    let first = format!("{topic}/subscription/reader/position/1");
    let holds_envelope = |bytes: Vec<u8>| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // 123456 in big-endian bytes, in base64.
        (text.contains(r#""op":"c""#) && text.contains(r#""b":"AeJA""#)).then_some(text)
    };
    awaited("the envelope", || get(&first).ok().and_then(holds_envelope));
    drop(debezium);
    pulsar.server().kill();
    pulsar.server().start_again().unwrap();
    awaited("the envelope after a kill", || get(&first).ok().and_then(holds_envelope));
}

#[test]
fn what_was_started_is_gone_with_its_handle() {
    let mut redis = Redis::start(Persistence::None).unwrap();
    let process = redis.server().process().unwrap();
    let folder = redis.server().folder().to_owned();
    assert!(process.lives() && Path::new(&folder).is_dir());
    drop(redis);
    assert!(!process.lives() && !folder.exists());
}
