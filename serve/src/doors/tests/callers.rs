//! Who may call, what a request is called, and which request is a repetition.

use smartpulse_operators::change::Change;

use super::super::DoorRules;
use super::engine::Stage;
use super::{forecasts, hourly};

const STATUS: &str = "/api/v2.0/status";

#[tokio::test]
async fn only_loopback_names_are_served() {
    let stage = Stage::new().await;
    for (host, status) in [
        ("127.0.0.1", 200),
        ("127.0.0.1:8080", 200),
        ("LocalHost:1", 200),
        ("[::1]:8080", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:8080", 403),
        ("localhost@evil.example", 403),
        ("evil.example@localhost", 403),
        ("10.0.0.1", 403),
        ("", 400),
        ("a b", 400),
    ] {
        for path in [STATUS, "/health/live", "/metrics", "/", "/nothing"] {
            let heard = stage.get_with(path, &[("host", host)]).await;
            let expected = if path == "/nothing" && status == 200 { 404 } else { status };
            assert_eq!(heard.status, expected, "{host} {path}");
        }
    }
    let two = stage.get_with(STATUS, &[("host", "localhost"), ("host", "evil.example")]).await;
    assert_eq!(two.status, 400);
    let bare = axum::http::Request::get(STATUS).body(axum::body::Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(stage.router.clone(), bare).await.unwrap();
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn a_page_of_another_site_is_refused() {
    let stage = Stage::new().await;
    for (origin, status) in [
        ("http://127.0.0.1:8080", 200),
        ("http://localhost:8080", 200),
        ("http://localhost:3000", 403),
        ("https://evil.example", 403),
        ("http://127.0.0.1.evil.example:8080", 403),
        ("null", 403),
        ("", 403),
    ] {
        assert_eq!(stage.get_with(STATUS, &[("origin", origin)]).await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn a_token_is_an_identity_and_a_wrong_one_is_none() {
    let token = || Some("s3cret".to_owned());
    let token_roles = vec![DoorRules::PAST_ROLE.to_owned()];
    let stage =
        Stage::with(DoorRules { token: token(), token_roles, ..DoorRules::default() }).await;
    let body = || hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":1}"#);
    for wrong in ["Bearer wrong", "Bearer s3cret2", "Bearer", "Bearer ", "Basic s3cret", "s3cret"] {
        let heard =
            stage.write_with("POST", &forecasts(""), &[("authorization", wrong)], body()).await;
        assert_eq!(heard.code(), (401, "UNAUTHORIZED".to_owned()), "{wrong}");
        assert_eq!(heard.header("www-authenticate"), Some("Bearer"));
    }
    stage.write_with("POST", &forecasts(""), &[("authorization", "bearer s3cret")], body()).await;
    stage.save(body()).await;
    // Headers that only say who calls are not believed.
    stage.write_with("POST", &forecasts(""), &[("x-user-id", "1")], body()).await;
    let asked = stage.asked.lock().unwrap();
    let told: Vec<_> = asked
        .iter()
        .map(|(change, _)| match change {
            Change::Save(save) => (save.batch.user.clone().unwrap(), save.checks.past_role),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [("token", true), ("local", false), ("local", false)];
    assert_eq!(told, expected.map(|(user, role)| (user.to_owned(), role)));
}

#[tokio::test]
async fn on_the_network_every_call_but_a_probe_needs_the_token() {
    let rules = DoorRules {
        is_on_network: true,
        token: Some("s3cret".to_owned()),
        local_roles: vec![DoorRules::PAST_ROLE.to_owned()],
        ..DoorRules::default()
    };
    let stage = Stage::with(rules).await;
    let host = ("host", "plants.example:8080");
    // base64 of `anyone:s3cret` and `anyone:other`.
    let (password, other) = ("Basic YW55b25lOnMzY3JldA==", "Basic YW55b25lOm90aGVy");
    let every = [STATUS, "/metrics", "/", "/assets/x.js", "/health/live", "/health/ready"];
    for path in every {
        let bare = stage.get_with(path, &[host]).await;
        let expected = if path.starts_with("/health") { 200 } else { 401 };
        assert_eq!(bare.status, expected, "{path}");
        for (given, is_right) in [
            ("Bearer s3cret", true),
            (password, true),
            ("Bearer s3cre", false),
            (other, false),
            ("Basic s3cret", false),
            ("Basic !!", false),
        ] {
            let heard = stage.get_with(path, &[host, ("authorization", given)]).await;
            assert_eq!(heard.status != 401, is_right, "{path} {given}");
        }
    }
    let token = ("authorization", "Bearer s3cret");
    for (origin, status) in [
        ("http://plants.example:8080", 200),
        ("https://Plants.example:8080", 200),
        ("http://plants.example", 403),
        ("http://localhost:8080", 403),
        ("null", 403),
    ] {
        let heard = stage.get_with(STATUS, &[host, token, ("origin", origin)]).await;
        assert_eq!(heard.status, status, "{origin}");
    }
    // A read that was asked before is answered ahead of the routes, and to nobody who may not ask.
    let read = "/api/v2.0/production-forecast/P/PP/1/forecasts/latest";
    for _ in 0..3 {
        assert_eq!(stage.get_with(read, &[host, token]).await.status, 200);
        assert_eq!(stage.get_with(read, &[host]).await.status, 401);
    }
}

#[tokio::test]
async fn without_a_configured_token_every_token_is_wrong() {
    let stage = Stage::new().await;
    for given in ["Bearer x", "Bearer "] {
        assert_eq!(stage.get_with(STATUS, &[("authorization", given)]).await.status, 401);
    }
}

#[tokio::test]
async fn a_body_must_say_that_it_is_json() {
    let stage = Stage::new().await;
    let body = || hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":1}"#);
    for (content_type, status) in [
        ("application/json", 200),
        ("Application/JSON; charset=UTF-8", 200),
        ("application/vnd.smartpulse+json", 200),
        ("application/json; charset=iso-8859-9", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 415),
        ("application/jsonp", 415),
        ("", 415),
    ] {
        let heard = stage
            .write_with("POST", &forecasts(""), &[("content-type", content_type)], body())
            .await;
        assert_eq!(heard.status, status, "{content_type}");
    }
}

#[tokio::test]
async fn a_request_keeps_the_trace_id_it_came_with() {
    let stage = Stage::new().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (name, given, kept) in [
        ("x-trace-id", "run-42_a", Some("run-42_a")),
        ("traceparent", parent, Some("4bf92f3577b34da6a3ce929d0e0e4736")),
        ("x-trace-id", "has blanks", None),
        ("x-trace-id", "line\tbreak", None),
        ("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
        ("traceparent", "nonsense", None),
    ] {
        let heard = stage.get_with("/api/v2.0/nothing", &[(name, given)]).await;
        let id = heard.header("x-trace-id").unwrap();
        assert_eq!(heard.json()["traceId"], id);
        match kept {
            Some(kept) => assert_eq!(id, kept),
            None => assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 7),
        }
    }
}

#[tokio::test]
async fn a_repetition_gives_the_first_answer() {
    let stage = Stage::new().await;
    let body =
        || hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":1},{"ds":"2026-03-02T00:01:00Z","v":1}"#);
    let key = [("idempotency-key", "k-1"), ("x-trace-id", "t")];
    let first = stage.write_with("POST", &forecasts(""), &key, body()).await;
    let again = stage.write_with("POST", &forecasts(""), &key, body()).await;
    assert_eq!((first.status.as_u16(), first.text()), (200, again.text()));
    // The decoded body counts, not its coding.
    let coded = zstd::bulk::compress(body().as_bytes(), 1).unwrap();
    let headers = [key[0], key[1], ("content-encoding", "zstd")];
    let decoded = stage.write_with("POST", &forecasts(""), &headers, coded).await;
    assert_eq!(decoded.text(), first.text());
    let other = stage.write_with("POST", &forecasts(""), &key, body().replace(":1}", ":2}")).await;
    assert_eq!(other.code(), (409, "KEY_REUSED".to_owned()));
    let elsewhere = "/api/v2.0/production-forecast/Q/PP/1/forecasts";
    let fresh = stage.write_with("POST", elsewhere, &key, body()).await;
    assert_eq!(
        (fresh.status.as_u16(), fresh.json()["data"][0]["savedCount"].as_u64()),
        (200, Some(1))
    );
    let scopes: Vec<_> = stage.asked.lock().unwrap().iter().map(|(_, key)| key.unwrap()).collect();
    assert_eq!(scopes[0], scopes[1]);
    assert_eq!(scopes[0], scopes[2]);
    assert_ne!(scopes[0].scope, scopes[4].scope);
    assert_eq!(scopes[0].body, scopes[4].body);
}

#[tokio::test]
async fn a_key_is_visible_ascii() {
    let stage = Stage::new().await;
    let long = "k".repeat(256);
    for key in ["", "a b", "é", long.as_str()] {
        let headers = [("idempotency-key", key)];
        let heard = stage.write_with("POST", &forecasts(""), &headers, hourly("")).await;
        assert_eq!(heard.code(), (400, "BAD_HEADER".to_owned()), "{key}");
    }
}

#[tokio::test]
async fn a_repeated_removal_gives_the_first_answer_though_nothing_is_left_to_remove() {
    let stage = Stage::new().await;
    let lock = r#"{"unitType":"PP","unitNo":1,"from":"2026-03-02","to":"2026-03-03","reason":"r"}"#;
    stage.write("POST", "/api/v2.0/locks", lock).await;
    let membership =
        r#"{"parentType":"CMP","parentNo":1,"childType":"PP","childNo":1,"validTo":"2026-05-01"}"#;
    stage.write("PUT", "/api/v2.0/memberships", membership).await;
    let key = [("idempotency-key", "k"), ("x-trace-id", "t")];
    let words = "?parentType=CMP&parentNo=1&childType=PP&childNo=1";
    for path in ["/api/v2.0/locks/1".to_owned(), format!("/api/v2.0/memberships{words}")] {
        let first = stage.write_with("DELETE", &path, &key, "").await;
        let again = stage.write_with("DELETE", &path, &key, "").await;
        assert_eq!((first.status.as_u16(), first.text()), (200, again.text()), "{path}");
    }
}

#[tokio::test]
async fn a_held_clock_is_shown_and_released_by_the_operator() {
    let stage = Stage::new().await;
    assert!(!stage.hold.admits(true), "a jump holds the clock");
    let heard = stage.get_with("/health/ready", &[]).await;
    assert_eq!(heard.status, 503);
    let released = stage.write("POST", "/api/v2.0/clock/release", "{}").await;
    assert_eq!(released.status, 200);
    assert!(stage.hold.admits(true), "what was released is believed");
    assert_eq!(stage.get_with("/health/ready", &[]).await.status, 200);
}
