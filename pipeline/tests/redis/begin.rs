//! How replicas and engines begin: with nothing there, with another folder's views there, with another engine at
//! work.

use serde_json::json;
use smartpulse_services::Redis;
use smartpulse_services::redis::Persistence;

use super::same::assert_same;
use super::stage::{Engine, Replica, awaited, to};

#[test]
fn a_replica_says_why_it_shows_nothing_until_it_has_read_an_epoch() {
    let room = tempfile::tempdir().unwrap();
    let mut redis = Redis::start(Persistence::None).unwrap();
    let replica = Replica::start(&[redis.url()], None);
    let client = replica.client();
    client.get("/health/live").expect_status(200);
    awaited("the reason", || {
        let said = client.get("/health/ready").expect_status(503).json();
        (said["reason"] == "the replica has not read an epoch yet").then_some(())
    });
    let refused = client.get("/api/v2.0/units").expect_status(503);
    assert_eq!(refused.code(), "NOT_READY");
    assert!(!refused.header("retry-after").is_empty());
    awaited("the reason", || {
        let status = client.get("/api/v2.0/status").expect_status(200).json();
        let feed = status["data"]["feeds"][0].clone();
        (feed["state"] == "degraded" && feed["reason"].as_str()?.contains("nothing at"))
            .then_some(())
    });

    let engine = Engine::start(&room.path().join("data"), &to(&[redis.url()]));
    engine.client().make_plant(1);
    let epoch = engine.client().save(1, 3, 7).expect_status(200).epoch();
    assert_same(&engine, &replica, epoch);

    // What it has shown it goes on showing, and says that it may be old.
    redis.server().kill();
    awaited("a replica that is not ready", || {
        let said = client.get("/health/ready");
        (said.status == 503 && said.json()["reason"].as_str()?.contains("may be old")).then_some(())
    });
    assert_eq!(client.latest(1), engine.client().latest(1));
    redis.server().start_again().unwrap();
    let epoch = engine.client().save(1, 4, 8).expect_status(200).epoch();
    assert_same(&engine, &replica, epoch);
}

/// A save of which every value is refused names a series and stores nothing of it.
#[test]
fn a_series_without_a_value_is_named_all_the_same() {
    let room = tempfile::tempdir().unwrap();
    let redis = Redis::start(Persistence::None).unwrap();
    let engine = Engine::start(&room.path().join("data"), &to(&[redis.url()]));
    let client = engine.client();
    let unit = json!({ "name": "plant 1", "installedPowerMw": 10 });
    client.put("/api/v2.0/units/PP/1", &unit).expect_status(200);
    let refused = client.save(1, 3, 11).expect_status(422);
    assert_eq!(refused.json()["data"][0]["errors"][0]["code"], "UPPER_LIMIT");
    let followed = Replica::start(&[redis.url()], None);
    assert_same(&engine, &followed, refused.epoch());
    // One that has read the name without a hash, and one that begins when there is one.
    let epoch = client.save(1, 3, 7).expect_status(200).epoch();
    assert_same(&engine, &followed, epoch);
    assert_eq!(followed.client().latest(1), client.latest(1));
    let fresh = Replica::start(&[redis.url()], None);
    assert_same(&engine, &fresh, epoch);
    assert_eq!(fresh.client().latest(1).len(), 1);
}

#[test]
fn another_data_folder_begins_anew_for_those_who_follow() {
    let room = tempfile::tempdir().unwrap();
    let redis = Redis::start(Persistence::None).unwrap();
    let mut first = Engine::start(&room.path().join("first"), &to(&[redis.url()]));
    let replica = Replica::start(&[redis.url()], None);
    first.client().make_plant(1);
    for hour in 0..5 {
        first.client().save(1, hour, 9).expect_status(200);
    }
    let epoch = first.client().save(1, 3, 7).expect_status(200).epoch();
    assert_same(&first, &replica, epoch);

    // While the first is there, the second does not touch what it has written.
    let second = Engine::start(&room.path().join("second"), &to(&[redis.url()]));
    second.client().make_plant(2);
    let epoch = second.client().save(2, 3, 1).expect_status(200).epoch();
    awaited("a refusal", || {
        let sink = second.sink("redis");
        (sink["state"] == "degraded" && sink["reason"].as_str()?.contains("another engine"))
            .then_some(())
    });
    let ready = second.client().get("/health/ready").expect_status(200).json();
    assert_eq!(ready["degraded"][0]["name"], "redis");
    first.client().save(1, 4, 1).expect_status(200);
    assert_eq!(first.sink("redis")["state"], "following");

    // A folder that is handed over, as after a restore: its keys are written by whoever is at work.
    first.stop();
    redis.command(&["HSET", "sp:{stream}:state", "beat", "0"]).unwrap();
    assert_same(&second, &replica, epoch);
    assert!(replica.words().contains("another data folder"), "{}", replica.words());
}

#[test]
fn a_redis_that_speaks_tls_is_known_by_its_certificate() {
    let room = tempfile::tempdir().unwrap();
    let redis = Redis::start_with_tls().unwrap();
    let ca_file = redis.ca_file().display().to_string();
    let setting = |more: &str| format!("[{{urls=[\"{}\"]{more}}}]", redis.url());
    let stranger = Engine::start(&room.path().join("stranger"), &setting(""));
    awaited("a certificate that nobody has signed", || {
        let sink = stranger.sink("redis");
        (sink["state"] == "degraded" && sink["reason"].as_str()?.contains("ertificate"))
            .then_some(())
    });
    let engine =
        Engine::start(&room.path().join("data"), &setting(&format!(", ca_file=\"{ca_file}\"")));
    let replica =
        Replica::start_with(&[redis.url()], None, &[("SMARTPULSE_REPLICA__CA_FILE", &ca_file)]);
    engine.client().make_plant(1);
    let epoch = engine.client().save(1, 3, 7).expect_status(200).epoch();
    assert_same(&engine, &replica, epoch);
}

#[test]
fn a_setting_that_cannot_be_meant_ends_the_program_and_is_named() {
    let room = tempfile::tempdir().unwrap();
    let refused = |name: &str, value: &str| {
        let mut command = super::process::program();
        command.args(["serve", "--data"]).arg(room.path()).env(name, value);
        let ended = super::process::finish(&mut command);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        ended.words
    };
    assert!(refused("SMARTPULSE_REDIS", r#"[{urls=["http://x"]}]"#).contains("redis[0]: urls"));
    assert!(refused("SMARTPULSE_REDIS", r#"[{urls=["redis://h"], colour=1}]"#).contains("colour"));
    let twice = r#"[{urls=["redis://h"]}, {urls=["redis://i"]}]"#;
    assert!(refused("SMARTPULSE_REDIS", twice).contains("different names"));
    let engine = refused("SMARTPULSE_REPLICA__ENGINE", "ftp://x");
    assert!(engine.contains("replica.engine must be http://HOST:PORT"), "{engine}");
    let mut command = super::process::program();
    command.args(["config", "--json"]).env("SMARTPULSE_REDIS", r#"[{urls=["redis://u:hush@h"]}]"#);
    let ended = super::process::finish(&mut command).succeeded();
    assert!(!ended.output.contains("hush") && !ended.words.contains("hush"), "{ended:?}");
    assert!(ended.output.contains("redis://********@h"), "{ended:?}");
}
