//! What is said again, and what never is.

use std::io::Read as _;
use std::time::Duration;

use flate2::read::GzDecoder;
use http::Method;
use serde_json::{Value, json};
use smartpulse_client::{Call, Entry, Error, Prediction, Save, Unit};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::server::{Reply, Request, Server, answer, client, envelope};

const BATCH: &str = "0198a5a0-0000-7000-8000-000000000001";

fn save() -> Save {
    let predictions = vec![
        Prediction::new("2099-06-01T00:00:00Z", Some(1.5)),
        Prediction::new("2099-06-01T01:00:00Z", None),
    ];
    Save::forecasts(Unit::plant(7), "UserForecast", vec![Entry::new(60, predictions)])
}

fn saved() -> Vec<u8> {
    let entry = format!(
        r#"[{{"batchId":"{BATCH}","unitType":"PP","unitNo":7,"period":60,"providerKey":"UserForecast","requestedCount":2,"savedCount":1,"skippedCount":0,"errors":[{{"code":"LOCKED","message":"the slot is locked","deliveries":["2099-06-01T01:00:00Z"]}}]}}]"#
    );
    let additional = r#"{"epoch":41,"sequence":12,"recorded":"2099-05-31T00:00:00.000001Z"}"#;
    envelope("200 OK", "x-smartpulse-epoch: 41\r\n", additional, &entry)
}

fn keys(seen: &[Request]) -> Vec<&str> {
    let mut keys: Vec<&str> =
        seen.iter().map(|request| request.headers["idempotency-key"].as_str()).collect();
    keys.dedup();
    keys
}

#[tokio::test]
async fn a_save_says_what_became_of_it() {
    let server = Server::start(|_, _| Reply::Say(saved())).await;
    let saved = server.client().save(&save()).await.unwrap();
    assert_eq!((saved.epoch, saved.sequence), (41, Some(12)));
    assert_eq!(saved.recorded.as_deref(), Some("2099-05-31T00:00:00.000001Z"));
    assert_eq!(saved.batch_id(), Some(BATCH.parse().unwrap()));
    let entry = &saved.entries[0];
    assert_eq!((entry.requested_count, entry.saved_count, entry.skipped_count), (2, 1, 0));
    assert_eq!(entry.errors[0].code, "LOCKED");
    assert_eq!(entry.errors[0].deliveries, ["2099-06-01T01:00:00Z"]);
    let request = &server.seen()[0];
    assert_eq!(request.line, "POST /api/v2.0/production-forecast/UserForecast/PP/7/forecasts");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["content-encoding"], "gzip");
    let key: Uuid = request.headers["idempotency-key"].parse().unwrap();
    assert_eq!(key.get_version_num(), 7);
    let mut body = String::new();
    GzDecoder::new(&request.body[..]).read_to_string(&mut body).unwrap();
    let predictions = json!([
        { "ds": "2099-06-01T00:00:00Z", "v": 1.5 },
        { "ds": "2099-06-01T01:00:00Z", "v": null },
    ]);
    let body: Value = serde_json::from_str(&body).unwrap();
    let expected = json!({ "unitForecastList": [{ "period": 60, "predictions": predictions }] });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_save_of_which_nothing_was_taken_is_an_answer() {
    let server = Server::start(|_, _| {
        let entry = r#"[{"batchId":null,"unitType":"PP","unitNo":7,"period":60,"providerKey":"A","requestedCount":2,"savedCount":0,"skippedCount":0,"errors":[]}]"#;
        Reply::Say(envelope("422 Unprocessable Entity", "", r#"{"epoch":9}"#, entry))
    });
    let server = server.await;
    let saved = server.client().save(&save()).await.unwrap();
    assert!(saved.is_refused());
    assert_eq!((saved.epoch, saved.sequence, server.seen().len()), (9, None, 1));
}

#[tokio::test]
async fn an_answer_that_was_lost_anywhere_is_asked_for_under_the_same_key() {
    let whole = saved();
    for cut in 0..whole.len() {
        let part = whole[..cut].to_vec();
        let server = Server::start(move |number, _| match number {
            0 => Reply::SayAndCut(part.clone()),
            _ => Reply::Say(saved()),
        });
        let server = server.await;
        assert_eq!(server.client().save(&save()).await.unwrap().epoch, 41, "cut at {cut}");
        let seen = server.seen();
        assert_eq!((seen.len(), keys(&seen).len()), (2, 1), "cut at {cut}");
        assert_eq!(seen[0].body, seen[1].body);
    }
}

#[tokio::test]
async fn two_changes_have_two_keys() {
    let server = Server::start(|_, _| Reply::Say(envelope("200 OK", "", r#"{"epoch":1}"#, "{}")));
    let server = server.await;
    let client = server.client();
    assert_eq!(client.put("/a", &json!({})).await.unwrap().epoch, Some(1));
    client.post("/a", &json!({})).await.unwrap();
    client.delete("/a").await.unwrap();
    assert_eq!(keys(&server.seen()).len(), 3);
}

#[tokio::test]
async fn without_a_key_a_change_that_was_lost_is_not_said_again() {
    let server = Server::start(|_, _| Reply::SayAndCut(Vec::new())).await;
    let call = Call::change(Method::POST, "/a").with_key(None);
    assert!(matches!(server.client().call(&call).await, Err(Error::Lost(_))));
    assert_eq!(server.seen().len(), 1);
    // A read is harmless, and five tries are all.
    assert!(matches!(server.client().get("/a").await, Err(Error::Lost(_))));
    assert_eq!(server.seen().len(), 1 + 5);
}

#[tokio::test]
async fn silence_is_a_loss() {
    let server = Server::start(|number, _| match number {
        0 => Reply::SayAndHold(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec()),
        1 => Reply::SayAndHold(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345".to_vec()),
        _ => Reply::Say(saved()),
    });
    let server = server.await;
    let client = server.client_with(|it| it.answer_wait = Duration::from_millis(50));
    assert_eq!(client.save(&save()).await.unwrap().epoch, 41);
    assert_eq!((server.seen().len(), keys(&server.seen()).len()), (3, 1));
}

#[tokio::test]
async fn a_refusal_is_said_again_only_where_the_server_says_when() {
    for (status, headers, is_repeated) in [
        ("429 Too Many Requests", "retry-after: 0\r\n", true),
        ("503 Service Unavailable", "retry-after: 0\r\n", true),
        ("503 Service Unavailable", "retry-after: 86400\r\n", false),
        ("503 Service Unavailable", "", false),
        ("429 Too Many Requests", "", false),
        ("400 Bad Request", "retry-after: 0\r\n", false),
        ("401 Unauthorized", "", false),
        ("404 Not Found", "", false),
        ("409 Conflict", "retry-after: 0\r\n", false),
        ("413 Payload Too Large", "", false),
        ("422 Unprocessable Entity", "retry-after: 0\r\n", false),
        ("500 Internal Server Error", "retry-after: 0\r\n", false),
        ("502 Bad Gateway", "retry-after: 0\r\n", false),
    ] {
        let server = Server::start(move |number, _| {
            let refused = envelope(status, headers, r#"{"code":"NO"}"#, "null");
            Reply::Say(if number < 2 { refused } else { saved() })
        });
        let server = server.await;
        let outcome = server.client().save(&save()).await;
        let seen = server.seen();
        assert_eq!(keys(&seen).len(), 1);
        if is_repeated {
            assert_eq!((outcome.unwrap().epoch, seen.len()), (41, 3), "{status}");
        } else {
            let Err(Error::Refused(refusal)) = outcome else { panic!("{status}: {outcome:?}") };
            assert_eq!(refusal.status.to_string(), status[..3]);
            assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("NO", "it says"));
            assert_eq!(seen.len(), 1, "{status}");
        }
    }
}

#[tokio::test]
async fn nobody_there_is_tried_again_and_then_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outcome = client(address, |_| {}).save(&save()).await;
    assert!(matches!(outcome, Err(Error::NotConnected(_))), "{outcome:?}");
    let patient = client(address, |it| it.back_off.tries = 10_000);
    let (batch, saving) = (save(), async {
        Server::on(TcpListener::bind(address).await.unwrap(), |_, _| Reply::Say(saved()))
    });
    let (outcome, server) = tokio::join!(patient.save(&batch), saving);
    assert_eq!((outcome.unwrap().epoch, server.seen().len()), (41, 1));
}

#[tokio::test]
async fn connections_are_used_again_until_the_server_ends_them() {
    let server = Server::start(|number, _| match number {
        3 => Reply::SayAndCut(saved()),
        _ => Reply::Say(saved()),
    });
    let server = server.await;
    let client = server.client();
    for _ in 0..8 {
        client.save(&save()).await.unwrap();
    }
    let connections: Vec<usize> = server.seen().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 0, 0, 0, 1, 1, 1, 1]);
}

#[tokio::test]
async fn the_token_is_sent_and_never_shown() {
    let server = Server::start(|_, _| Reply::Say(answer("200 OK", "", b"{}"))).await;
    let mut options = None;
    let client = server.client_with(|it| {
        it.token = Some("secret".to_owned());
        options = Some(it.clone());
    });
    client.get("/a").await.unwrap();
    assert_eq!(server.seen()[0].headers["authorization"], "Bearer secret");
    assert!(!format!("{options:?}").contains("secret"));
}
