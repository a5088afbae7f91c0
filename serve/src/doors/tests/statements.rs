//! Units, properties, memberships, locks, batches, and how the service is.

use expect_test::expect;
use serde_json::{Value, json};
use uuid::Uuid;

use super::engine::Stage;
use super::{Heard, forecasts, hourly};

const LOCKS: &str = "/api/v2.0/locks";
const MEMBERSHIPS: &str = "/api/v2.0/memberships";

async fn data(stage: &Stage, path: &str) -> Value {
    let heard = stage.get(path).await;
    assert_eq!(heard.status, 200, "{path}: {}", heard.text());
    heard.json()["data"].clone()
}

fn refused(heard: &Heard, field: &str) {
    assert_eq!((heard.code().0, heard.fields()), (400, vec![field.to_owned()]), "{}", heard.text());
}

#[tokio::test]
async fn units_are_stated_and_listed() {
    let stage = Stage::new().await;
    expect![[r#"{"statusCode":200,"isError":false,"message":"OK","data":[{"name":"Company","recorded":"2026-03-01T09:00:00.000002Z","unitNo":1,"unitType":"CMP","zone":"Europe/Istanbul"},{"name":"Group","recorded":"2026-03-01T09:00:00.000003Z","unitNo":1,"unitType":"GRP","zone":"Europe/Istanbul"},{"installedPowerMw":100,"name":"Bora","plantType":"wind","recorded":"2026-03-01T09:00:00Z","region":"Ege","unitNo":1,"unitType":"PP","zone":"Europe/Istanbul"},{"name":"Sonne","recorded":"2026-03-01T09:00:00.000001Z","unitNo":2,"unitType":"PP","zone":"Europe/Berlin"}]}"#]]
    .assert_eq(&stage.get("/api/v2.0/units").await.text());
    let body = r#"{"name":"Bora 2","installedPowerMw":120.5,"validFrom":"2026-06-01"}"#;
    let put = stage.write("PUT", "/api/v2.0/units/PP/1", body).await;
    assert_eq!(put.json()["data"]["validFrom"], "2026-05-31T21:00:00Z");
    assert!(put.json()["additionalData"]["recorded"].is_string());
    let one = data(&stage, "/api/v2.0/units/pp/1").await;
    assert_eq!((&one["name"], one["versions"].as_array().unwrap().len()), (&json!("Bora"), 2));
    assert_eq!(one["versions"][1]["installedPowerMw"], json!(120.5));
    assert_eq!(one["series"], json!([]));
    assert_eq!(stage.get("/api/v2.0/units/PP/9").await.code().0, 404);
    let tag = stage.get("/api/v2.0/units").await.header("etag").unwrap().to_owned();
    let again = stage.get_with("/api/v2.0/units", &[("if-none-match", &tag)]).await;
    assert_eq!(again.status, 304);
}

#[tokio::test]
async fn a_unit_that_breaks_a_rule_names_the_field() {
    let stage = Stage::new().await;
    for (body, field) in [
        (r"{}", "name"),
        (r#"{"name":" "}"#, "name"),
        (r#"{"name":"a","zone":"Mars/Base"}"#, "zone"),
        (r#"{"name":"a","installedPowerMw":-1}"#, "installedPowerMw"),
        (r#"{"name":"a","installedPowerMw":"much"}"#, "installedPowerMw"),
        (r#"{"name":"a","installedPowerMw":1e99}"#, "installedPowerMw"),
        (r#"{"name":"a","validFrom":"soon"}"#, "validFrom"),
    ] {
        refused(&stage.write("PUT", "/api/v2.0/units/PP/3", body).await, field);
    }
    for body in ["[]", r#"{"name":["a"]}"#, r#"{"name":true}"#, r#"{"colour":"red"}"#, "{"] {
        let heard = stage.write("PUT", "/api/v2.0/units/PP/3", body).await;
        assert_eq!(heard.code(), (400, "UNREADABLE_BODY".to_owned()), "{body}");
    }
    assert_eq!(stage.get("/api/v2.0/units/PP/3").await.status, 404);
}

#[tokio::test]
async fn properties_are_set_read_and_taken_away() {
    let stage = Stage::new().await;
    let path = "/api/v2.0/units/PP/1/properties/upper_limit_mw";
    assert_eq!(stage.get(path).await.code().0, 404);
    assert_eq!(stage.write("PUT", path, r#"{"value":80.5}"#).await.status, 200);
    assert_eq!(data(&stage, path).await["value"], "80.5");
    assert_eq!(data(&stage, "/api/v2.0/units/PP/1").await["properties"]["upper_limit_mw"], "80.5");
    refused(&stage.write("PUT", path, r#"{"value":"much"}"#).await, "value");
    refused(&stage.write("PUT", path, r#"{"value":null}"#).await, "value");
    let market = "/api/v2.0/units/PP/1/properties/market";
    assert_eq!(stage.write("PUT", market, r#"{"value":"EPIAS"}"#).await.status, 200);
    assert_eq!(stage.write("DELETE", path, "").await.status, 200);
    assert_eq!(stage.get(path).await.code().0, 404);
    refused(
        &stage.write("PUT", "/api/v2.0/units/PP/1/properties/a%20b", r#"{"value":"x"}"#).await,
        "key",
    );
    let unknown = "/api/v2.0/units/PP/9/properties/market";
    assert_eq!(stage.write("PUT", unknown, r#"{"value":"x"}"#).await.code().0, 404);
}

#[tokio::test]
async fn memberships_are_stated_and_taken_back() {
    let stage = Stage::new().await;
    let body = r#"{"parentType":"CMP","parentNo":1,"childType":"PP","childNo":2,
        "validFrom":"2026-06-01","validTo":"2026-07-01T00:00:00Z"}"#;
    assert_eq!(stage.write("PUT", MEMBERSHIPS, body).await.status, 200);
    let listed = data(&stage, MEMBERSHIPS).await;
    // The child's own time is Berlin's.
    assert_eq!(listed[0]["validFrom"], "2026-05-31T22:00:00Z");
    assert_eq!(listed[0]["validTo"], "2026-07-01T00:00:00Z");
    let of = |words: &str| format!("{MEMBERSHIPS}?{words}");
    assert_eq!(data(&stage, &of("childType=PP&childNo=2")).await.as_array().unwrap().len(), 1);
    assert_eq!(data(&stage, &of("childType=PP&childNo=1")).await, json!([]));
    refused(&stage.get(&of("parentType=CMP")).await, "parentNo");
    let wrong = "parentType=CMP&parentNo=1&childType=PP&childNo=2";
    assert_eq!(stage.write("DELETE", &of(wrong), "").await.code().0, 404);
    let key = format!("{wrong}&validFrom=2026-06-01");
    assert_eq!(stage.write("DELETE", &of(&key), "").await.status, 200);
    assert_eq!(data(&stage, MEMBERSHIPS).await, json!([]));
    assert_eq!(stage.write("DELETE", &of(&key), "").await.code().0, 404);
}

#[tokio::test]
async fn a_membership_that_breaks_a_rule_names_the_field() {
    let stage = Stage::new().await;
    let unit = |parent: &str, child: &str, rest: &str| {
        format!(
            r#"{{"parentType":"{parent}","parentNo":1,"childType":"{child}","childNo":1{rest}}}"#
        )
    };
    for (body, field) in [
        (unit("PP", "CMP", ""), "parentType"),
        (unit("GRP", "PP", ""), "parentType"),
        (unit("CMP", "CMP", ""), "parentType"),
        (unit("CMP", "SUN", ""), "childType"),
        (unit("CMP", "PP", r#","validFrom":"2026-02-01","validTo":"2026-02-01""#), "validTo"),
        (unit("CMP", "PP", r#","validTo":"never""#), "validTo"),
        (r#"{"parentType":"CMP","childType":"PP","childNo":1}"#.to_owned(), "parentNo"),
    ] {
        refused(&stage.write("PUT", MEMBERSHIPS, body).await, field);
    }
    let unknown = r#"{"parentType":"CMP","parentNo":1,"childType":"PP","childNo":77}"#;
    assert_eq!(stage.write("PUT", MEMBERSHIPS, unknown).await.code().0, 404);
}

#[tokio::test]
async fn a_lock_freezes_until_it_is_released() {
    let stage = Stage::new().await;
    let body = r#"{"unitType":"PP","unitNo":1,"from":"2026-03-02T00:00:00Z","to":"2026-03-03T00:00:00Z","reason":"audit"}"#;
    let set = stage.write("POST", LOCKS, body).await;
    assert_eq!(set.json()["data"]["id"], 1);
    let save = || hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":1}"#);
    let locked = stage.save(save()).await;
    assert_eq!(
        (locked.status.as_u16(), &locked.json()["data"][0]["errors"][0]["code"]),
        (422, &json!("LOCKED"))
    );
    let lock = &data(&stage, "/api/v2.0/locks?unitType=PP&unitNo=1").await[0];
    assert_eq!(
        (&lock["reason"], &lock["user"], &lock["released"]),
        (&json!("audit"), &json!("local"), &Value::Null)
    );
    assert_eq!(stage.write("DELETE", "/api/v2.0/locks/1", "").await.status, 200);
    assert_eq!(stage.write("DELETE", "/api/v2.0/locks/1", "").await.status, 200);
    let released = &data(&stage, LOCKS).await[0];
    assert!(released["released"].is_string() && released["recorded"] == lock["recorded"]);
    assert_eq!(stage.save(save()).await.status, 200);
    for id in ["2", "x", "-1"] {
        assert_eq!(stage.write("DELETE", &format!("{LOCKS}/{id}"), "").await.code().0, 404);
    }
}

#[tokio::test]
async fn a_lock_that_breaks_a_rule_names_the_field() {
    let stage = Stage::new().await;
    let lock = |rest: &str| format!(r#"{{"unitType":"PP","unitNo":1{rest}}}"#);
    for (body, field) in [
        (lock(""), "from"),
        (lock(r#","from":"2026-03-02""#), "to"),
        (lock(r#","from":"2026-03-02","to":"2026-03-02","reason":"r""#), "to"),
        (lock(r#","from":"2026-03-02","to":"2026-03-03""#), "reason"),
        (lock(r#","from":"2026-03-02","to":"2026-03-03","reason":"r","expires":"x""#), "expires"),
        (r#"{"unitType":"PP"}"#.to_owned(), "unitNo"),
    ] {
        refused(&stage.write("POST", LOCKS, body).await, field);
    }
}

#[tokio::test]
async fn a_batch_is_shown_and_withdrawn() {
    let stage = Stage::new().await;
    let saved = stage.save(hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":1}"#)).await.json();
    let id = saved["data"][0]["batchId"].as_str().unwrap();
    let path = format!("/api/v2.0/batches/{id}");
    let batch = data(&stage, &path).await;
    assert_eq!(
        (&batch["savedCount"], &batch["user"], &batch["sequence"]),
        (&json!(1), &json!("local"), &json!(1))
    );
    assert_eq!(batch["firstDeliveryDay"], "2026-03-02");
    let lock = r#"{"unitType":"PP","unitNo":1,"from":"2026-03-02","to":"2026-03-03","reason":"r"}"#;
    stage.write("POST", LOCKS, lock).await;
    let refused_whole = stage.write("DELETE", &path, "").await;
    assert_eq!(refused_whole.code(), (409, "WITHDRAWAL_REFUSED".to_owned()));
    assert_eq!(
        refused_whole.json()["additionalData"]["slots"],
        json!([{"unitType": "PP", "unitNo": 1, "ds": "2026-03-01T21:00:00Z", "code": "LOCKED"}])
    );
    stage.write("DELETE", "/api/v2.0/locks/1", "").await;
    let withdrawn = stage.write("DELETE", &path, "").await.json();
    assert_eq!(withdrawn["data"]["alreadyWithdrawn"], false);
    assert_eq!(stage.write("DELETE", &path, "").await.json()["data"]["alreadyWithdrawn"], true);
    assert!(data(&stage, &path).await["withdrawnAt"].is_string());
    let unknown = format!("/api/v2.0/batches/{}", Uuid::nil());
    assert_eq!(stage.get(&unknown).await.code().0, 404);
    assert_eq!(stage.write("DELETE", &unknown, "").await.code().0, 404);
    refused(&stage.get("/api/v2.0/batches/7").await, "id");
}

#[tokio::test]
async fn status_health_and_metrics_say_how_it_is() {
    let stage = Stage::new().await;
    stage.save(hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":1}"#)).await;
    let status = stage.get("/api/v2.0/status").await;
    expect![[r#"{"statusCode":200,"isError":false,"message":"OK","data":{"bytes":{"encoded":0,"journal":0,"retained":1216},"clock":"2026-03-01T09:00:00.000004Z","counts":{"batches":1,"refused":0,"saved":0,"seriesDays":1,"skipped":0},"epoch":5,"feeds":[],"incarnation":"00000000-0000-0000-0000-000000000000","lag":{"historyEpochs":0},"localRoles":[],"ready":true,"retained":{"epochs":5,"oldestEpoch":1},"sinks":[],"sources":[],"streams":{"cohorts":0,"open":0}}}"#]]
    .assert_eq(&status.text());
    assert_eq!(stage.get("/health/live").await.status, 200);
    assert_eq!(stage.get("/health/ready").await.text(), r#"{"status":"ready"}"#);
    stage.read_model.set_ready(Err("the clock is held".to_owned()));
    let held = stage.get("/health/ready").await;
    assert_eq!(
        (held.status.as_u16(), held.json()["reason"].as_str().unwrap().to_owned()),
        (503, "the clock is held".to_owned())
    );
    let metrics = stage.get("/metrics").await.text();
    for line in [
        "smartpulse_epoch 5\n",
        "smartpulse_ready 0\n",
        "smartpulse_http_requests_total{method=\"POST\",route=\"/api/v2.0/production-forecast/{provider}/{unitType}/{unitNo}/forecasts\",status=\"200\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    // The console where it was built in, else a page that says where to look.
    let page = stage.get("/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.text().to_lowercase().contains("<title>smartpulse"), "{}", page.text());
    assert_eq!(stage.get(&forecasts("")).await.status, 405);
}
