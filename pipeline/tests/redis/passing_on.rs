//! What a replica does not know itself it asks of its engine, and says so where it cannot.

use serde_json::json;
use smartpulse_services::AnyRedis;

use super::client::{forecasts, hour, hourly};
use super::same::assert_same;
use super::stage::{Engine, PREFIX, Replica, own_prefix, to_prefix};

const RANGE: &str = "from=2099-06-01T00:00:00Z&to=2099-06-02T00:00:00Z";

#[test]
fn changes_and_as_of_reads_are_the_engines() {
    let room = tempfile::tempdir().unwrap();
    let redis = AnyRedis::find().unwrap();
    let prefix = own_prefix();
    let mut engine = Engine::start(&room.path().join("data"), &to_prefix(&redis.url, &prefix));
    let replica = Replica::start_with(
        std::slice::from_ref(&redis.url),
        Some(engine.address),
        &[(PREFIX, &prefix)],
    );
    engine.client().make_plant(1);
    let first = engine.client().save(1, 1, 5).expect_status(200);
    replica.await_epoch(first.epoch());
    let recorded = first.json()["additionalData"]["recorded"].as_str().unwrap().to_owned();

    // A save through the replica is the engine's, its answer unchanged, its trace the caller's.
    let path = forecasts("UserForecast", 1);
    let body = hourly([(hour(1), json!(6)), (hour(2), json!(7))]).to_string();
    let headers = [("idempotency-key", "k"), ("x-trace-id", "mine-1")];
    let saved = replica.client().send("POST", &path, &headers, body.as_bytes());
    let saved = saved.expect_status(200);
    assert_eq!(saved.header("x-trace-id"), "mine-1");
    let again = engine.client().send("POST", &path, &headers[..1], body.as_bytes());
    assert_eq!(again.json()["data"], saved.json()["data"], "the key reached the engine");
    let epoch = saved.epoch();
    // Read your writes: the epoch that the save names.
    let words = format!("&min_epoch={epoch}");
    assert_eq!(replica.client().latest_with(1, &words), engine.client().latest(1));

    let multi = "/api/v2.0/production-forecast/GetLatestMulti";
    let asked = |known_at: Option<&str>| {
        let mut query = json!({ "from": hour(0), "to": hour(24) });
        if let Some(known_at) = known_at {
            query["known_at"] = json!(known_at);
        }
        json!({ "providerKey": "UserForecast", "unitType": "PP", "unitIds": [1], "query": query })
    };
    let known = format!("known_at={recorded}");
    for read in [
        format!("{path}/history?{RANGE}"),
        format!("{path}/evolution?delivery={}", hour(1)),
        format!("{path}/latest?{RANGE}&{known}"),
        format!("{path}/latest-by-date?{RANGE}&date={recorded}"),
        format!("{path}/latest-by-production-time-offset?{RANGE}&offset=60"),
        format!("/api/v2.0/totals/all/all/UserForecast?{RANGE}&{known}"),
        format!("/api/v2.0/memberships?{known}"),
        format!("/api/v2.0/memberships?knownAt={recorded}"),
        format!("/api/v2.0/memberships?known%5Fat={recorded}"),
        format!("/api/v2.0/batches/{}", saved.json()["data"][0]["batchId"].as_str().unwrap()),
    ] {
        let (own, passed) = (engine.client().get(&read), replica.client().get(&read));
        assert_eq!((own.status, passed.status), (200, 200), "{read}: {:?}", passed.json());
        assert_eq!(own.body, passed.body, "{read}");
    }
    for known_at in [None, Some(recorded.as_str())] {
        let body = asked(known_at);
        let (own, passed) =
            (engine.client().post(multi, &body), replica.client().post(multi, &body));
        assert_eq!(own.expect_status(200).json()["data"], passed.expect_status(200).json()["data"]);
    }
    // An epoch from before the replica began.
    let before = format!("{path}/latest?{RANGE}&at_epoch={}", first.epoch() - 1);
    assert_eq!(replica.client().get(&before).body, engine.client().get(&before).body);
    // A page elsewhere gains nothing by way of the replica.
    let foreign = [("origin", "http://elsewhere.example")];
    let refused = replica.client().send("POST", &path, &foreign, body.as_bytes());
    assert_eq!(refused.status, 403);

    engine.kill();
    let refused = replica.client().save(1, 3, 1).expect_status(503);
    assert_eq!(refused.code(), "ENGINE_UNREACHABLE");
    let read = replica.client().get(&format!("{path}/history?{RANGE}")).expect_status(503);
    assert_eq!(read.code(), "ENGINE_UNREACHABLE");
    assert!(!replica.client().latest(1).is_empty(), "what is newest needs no engine");
    engine.start_again();
    let epoch = replica.client().save(1, 3, 1).expect_status(200).epoch();
    assert_same(&engine, &replica, epoch);
}

#[test]
fn a_replica_without_an_engine_says_what_it_cannot_do() {
    let room = tempfile::tempdir().unwrap();
    let redis = AnyRedis::find().unwrap();
    let prefix = own_prefix();
    let engine = Engine::start(&room.path().join("data"), &to_prefix(&redis.url, &prefix));
    let replica = Replica::start_with(std::slice::from_ref(&redis.url), None, &[(PREFIX, &prefix)]);
    engine.client().make_plant(1);
    let epoch = engine.client().save(1, 1, 5).expect_status(200).epoch();
    assert_same(&engine, &replica, epoch);
    let path = forecasts("UserForecast", 1);
    let client = replica.client();
    let multi = "/api/v2.0/production-forecast/GetLatestMulti";
    let query = json!({ "from": hour(0), "to": hour(24), "knownAt": "2026-01-01T00:00:00Z" });
    let groups = json!({ "providerKey": "P", "unitType": "GRP", "unitIds": null, "query": query });
    for answer in [
        client.post(multi, &groups),
        client.get("/api/v2.0/memberships?known-at=2026-01-01T00:00:00Z"),
        client.save(1, 1, 6),
        client.get(&format!("{path}/history?{RANGE}")),
        client.get(&format!("{path}/latest?{RANGE}&known_at=2026-01-01T00:00:00Z")),
        client.get("/api/v2.0/export/latest"),
        client.post("/api/v2.0/clock/release", &json!({})),
    ] {
        assert_eq!(answer.expect_status(503).code(), "NO_ENGINE");
    }
    // What would be refused anywhere is refused here.
    client.get(&format!("{path}/latest?{RANGE}&colour=1")).expect_status(400);
    client.get("/api/v2.0/nowhere").expect_status(404);
}

/// The engine on this machine gives whoever has no token other rights: a caller cannot have its own taken away.
#[test]
fn a_token_reaches_the_engine_whatever_the_caller_says_of_its_connection() {
    let room = tempfile::tempdir().unwrap();
    let redis = AnyRedis::find().unwrap();
    let prefix = own_prefix();
    let engine = Engine::start(&room.path().join("data"), &to_prefix(&redis.url, &prefix));
    let token =
        [(PREFIX, prefix.as_str()), ("SMARTPULSE_AUTH__TOKEN", "0123456789abcdef0123456789abcdef")];
    let replica =
        Replica::start_with(std::slice::from_ref(&redis.url), Some(engine.address), &token);
    engine.client().make_plant(1);
    replica.await_epoch(1);
    let bearer = "Bearer 0123456789abcdef0123456789abcdef";
    let path = forecasts("UserForecast", 1);
    let body = hourly([(hour(1), json!(6))]).to_string();
    for connection in ["keep-alive", "authorization", "close, Authorization"] {
        let headers = [("authorization", bearer), ("connection", connection)];
        let answer = replica.client().send("POST", &path, &headers, body.as_bytes());
        // The engine knows no token: it must have seen this one.
        assert_eq!(answer.status, 401, "{connection}: {}", answer.json());
    }
}
