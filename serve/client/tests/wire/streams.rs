//! Streams that are cut, refused, silent, too large or begun anew.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use serde_json::{Value, json};
use smartpulse_client::{
    Client, Error, Follower, GroupFault, Rows, Subscription, Token, Update, View,
};

use crate::server::{Reply, Request, Server, envelope};

const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
/// The last epoch of the recorded stream.
const LAST: u64 = 8;

fn key(hour: u64) -> Value {
    json!({ "kind": "forecast", "unitType": "PP", "unitNo": 7, "provider": "Ölçüm", "period": 60, "ds": hour })
}

fn event(name: &str, data: &Value, id: Option<&str>) -> String {
    let id = id.map_or(String::new(), |id| format!("id: {id}\n"));
    format!("event: {name}\n{id}data: {data}\n\n")
}

fn delta(epoch: u64, changes: &[(u64, Option<f64>, Option<f64>)], is_last: bool) -> String {
    let value = |v: &Option<f64>| v.map(|v| json!({ "v": v }));
    let one = |(hour, old, new): &(u64, Option<f64>, Option<f64>)| {
        let causes = json!([{ "type": "batch", "id": "b" }]);
        json!({ "key": key(*hour), "old": value(old), "new": value(new), "causes": causes })
    };
    let deltas: Vec<Value> = changes.iter().map(one).collect();
    let data = json!({ "epoch": epoch, "view": "latest", "deltas": deltas });
    event("delta", &data, is_last.then(|| format!("i.{epoch}")).as_deref())
}

fn snapshot(incarnation: &str, epoch: u64, rows: &[(u64, f64)]) -> String {
    let clock =
        json!({ "epoch": epoch, "incarnation": incarnation, "clock": "2099-01-01T00:00:00Z" });
    let row = |(hour, v): &(u64, f64)| json!({ "key": key(*hour), "old": null, "new": { "v": v } });
    let rows: Vec<Value> = rows.iter().map(row).collect();
    let rows = json!({ "epoch": epoch, "view": "latest", "rows": rows });
    let id = format!("{incarnation}.{epoch}");
    let begin = event("snapshot-begin", &clock, None) + &event("rows", &rows, None);
    begin + &event("snapshot-end", &clock, Some(&id))
}

/// The recorded stream: each epoch with the events that lead to it.
fn recorded() -> Vec<(u64, String)> {
    let two =
        delta(5, &[(0, Some(1.0), Some(1.5))], false) + &delta(5, &[(2, None, Some(3.0))], true);
    let clock = json!({ "epoch": 6, "clock": "2099-01-01T00:00:01Z" });
    vec![
        (4, snapshot("i", 4, &[(0, 1.0), (1, 2.0)])),
        (5, two),
        (6, format!(": a comment\n\n{}", event("progress", &clock, Some("i.6")))),
        (7, delta(7, &[(0, Some(1.5), None), (1, Some(2.0), Some(2.5))], true)),
        (LAST, delta(LAST, &[(0, None, Some(9.0))], true)),
    ]
}

/// What a server says to who holds everything up to `after`.
fn answer_after(after: Option<u64>) -> Vec<u8> {
    let rest = recorded().into_iter().filter(|(epoch, _)| after.is_none_or(|after| *epoch > after));
    let mut bytes = format!("{HEAD}{}", chunk("retry: 1\n\n")).into_bytes();
    for (_, events) in rest {
        bytes.extend_from_slice(chunk(&events).as_bytes());
    }
    bytes
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn stream(events: &str) -> Vec<u8> {
    format!("{HEAD}{}", chunk(events)).into_bytes()
}

/// The epoch of the token that a request brings.
fn resumed(request: &Request) -> Option<u64> {
    request.headers.get("last-event-id").map(|token| Token::parse(token).unwrap().epoch())
}

fn subscription() -> Subscription {
    Subscription::to(View::Latest).unit_no(7)
}

/// Follows until `last` has been told; what all updates fold to, and their epochs.
async fn fold(follower: &mut Follower, last: u64) -> (Rows, Vec<u64>) {
    let (mut rows, mut epochs) = (Rows::new(), Vec::new());
    while rows.epoch() != Some(last) {
        let update = follower.next().await.unwrap();
        rows.apply(&update).unwrap();
        epochs.extend(update.epoch());
    }
    (rows, epochs)
}

fn values(rows: &Rows) -> Vec<String> {
    rows.iter().map(|(key, value)| format!("{} {value}", key.field("ds"))).collect()
}

#[tokio::test]
async fn a_stream_cut_at_any_byte_leads_to_the_same_rows() {
    let whole = answer_after(None);
    let server =
        Server::start(|_, request| Reply::SayAndHold(answer_after(resumed(request)))).await;
    let (uncut, epochs) = fold(&mut server.client().follow(subscription()), LAST).await;
    assert_eq!(values(&uncut), [r#"0 {"v":9.0}"#, r#"1 {"v":2.5}"#, r#"2 {"v":3.0}"#]);
    assert_eq!(epochs, [4, 5, 6, 7, LAST]);
    let line = &server.seen()[0].line;
    assert_eq!(line, "GET /api/v2.0/stream?view=latest&unitNo=7");
    for cut in 0..whole.len() {
        let part = whole[..cut].to_vec();
        let server = Server::start(move |number, request| match number {
            0 => Reply::SayAndCut(part.clone()),
            _ => Reply::SayAndHold(answer_after(resumed(request))),
        });
        let server = server.await;
        let mut follower = server.client().follow(subscription());
        let (rows, epochs) = fold(&mut follower, LAST).await;
        assert_eq!(rows, uncut, "cut at {cut}");
        assert_eq!(epochs, [4, 5, 6, 7, LAST], "cut at {cut}: nothing is lost or told twice");
        assert!(follower.connections() <= 2);
    }
}

#[tokio::test]
async fn a_stream_in_any_pieces_is_the_same() {
    // Every connection gives a few bytes more than the one before and is cut: it takes hundreds of them.
    let given = AtomicUsize::new(HEAD.len());
    let server = Server::start(move |_, request| {
        let whole = answer_after(resumed(request));
        let length = given.fetch_add(3, Ordering::Relaxed).min(whole.len());
        Reply::SayAndCut(whole[..length].to_vec())
    });
    let server = server.await;
    let mut follower = server.client().follow(subscription());
    let (_, epochs) = fold(&mut follower, LAST).await;
    assert_eq!(epochs, [4, 5, 6, 7, LAST]);
    assert!(follower.connections() > 50, "{}", follower.connections());
}

#[tokio::test]
async fn a_call_that_is_dropped_loses_nothing() {
    let server =
        Server::start(|_, request| Reply::SayAndHold(answer_after(resumed(request)))).await;
    let mut follower = server.client().follow(subscription());
    let (mut rows, mut dropped) = (Rows::new(), 0);
    while rows.epoch() != Some(LAST) {
        let once = poll_fn(|context| Poll::Ready(pin!(follower.next()).poll(context)));
        match once.await {
            Poll::Ready(update) => rows.apply(&update.unwrap()).unwrap(),
            Poll::Pending => {
                dropped += 1;
                tokio::task::yield_now().await;
            }
        }
    }
    assert!(dropped > 0);
    assert_eq!(follower.connections(), 1);
}

#[tokio::test]
async fn a_cut_of_ones_own_resumes_behind_the_last_whole_epoch() {
    let server =
        Server::start(|_, request| Reply::SayAndHold(answer_after(resumed(request)))).await;
    let client = server.client();
    let mut follower = client.follow(subscription());
    fold(&mut follower, 5).await;
    let token = follower.token().unwrap().clone();
    follower.cut();
    // What had been read before is told; then it goes on behind it.
    let mut last = 5;
    while last < LAST {
        let epoch = follower.next().await.unwrap().epoch().unwrap();
        assert!(epoch > last);
        last = epoch;
    }
    let mut other = client.follow_after(subscription(), token.clone());
    assert_eq!(other.next().await.unwrap().epoch(), Some(6));
    let seen = server.seen();
    assert_eq!(seen.last().unwrap().headers["last-event-id"], token.text());
    assert!(!seen[0].headers.contains_key("last-event-id"));
}

#[tokio::test]
async fn a_resync_is_told_and_its_snapshot_replaces() {
    let server = Server::start(|number, request| {
        let told = json!({ "reason": "the token is too old", "epoch": 57 });
        let resync = event("must-resync", &told, None);
        let fresh = snapshot("j", 3, &[(5, 5.0)]);
        match number {
            0 => Reply::SayAndCut(stream(&snapshot("i", 90, &[(0, 1.0)]))),
            // Cut between the word and the snapshot: the next begins with a snapshot by itself.
            1 => {
                assert_eq!(resumed(request), Some(90));
                Reply::SayAndCut(stream(&(resync + &fresh[..fresh.len() - 4])))
            }
            2 => {
                assert_eq!(resumed(request), None);
                Reply::SayAndHold(stream(&fresh))
            }
            _ => unreachable!("it holds"),
        }
    });
    let server = server.await;
    let mut follower = server.client().follow(subscription());
    let mut rows = Rows::new();
    let mut told = Vec::new();
    while follower.token().map(Token::text) != Some("j.3") {
        let update = follower.next().await.unwrap();
        rows.apply(&update).unwrap();
        told.push(update);
    }
    assert_eq!(told[1], Update::Resync { reason: "the token is too old".to_owned() });
    assert_eq!((told.len(), values(&rows)), (3, vec![r#"5 {"v":5.0}"#.to_owned()]));
}

#[tokio::test]
async fn a_refusal_is_told_unless_the_server_says_when_to_come_again() {
    let server = Server::start(|number, _| {
        let busy = envelope("503 Service Unavailable", "retry-after: 0\r\n", "{}", "null");
        let unfit = envelope("422 Unprocessable Entity", "", r#"{"code":"TOO_MUCH"}"#, "null");
        match number {
            0..20 => Reply::Say(busy),
            20 => Reply::Say(unfit),
            21 => Reply::Say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec()),
            _ => Reply::SayAndHold(answer_after(None)),
        }
    });
    let server = server.await;
    let mut follower = server.client().follow(subscription());
    let Err(Error::Refused(refusal)) = follower.next().await else { panic!("it is refused") };
    assert_eq!((refusal.code.as_str(), server.seen().len()), ("TOO_MUCH", 21));
    assert!(matches!(follower.next().await, Err(Error::Unreadable { .. })), "no stream");
    assert_eq!(follower.next().await.unwrap().epoch(), Some(4), "who asks again tries again");
}

#[tokio::test]
async fn silence_ends_a_connection() {
    let server = Server::start(|number, request| match number {
        0 => Reply::SayAndHold(Vec::new()),
        1 => Reply::SayAndHold(HEAD.as_bytes().to_vec()),
        2 => Reply::SayAndHold(stream(&recorded()[0].1)),
        _ => Reply::SayAndHold(answer_after(resumed(request))),
    });
    let server = server.await;
    let client = server.client_with(|it| it.silence_wait = Duration::from_millis(50));
    let (_, epochs) = fold(&mut client.follow(subscription()), LAST).await;
    assert_eq!(epochs, [4, 5, 6, 7, LAST]);
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn what_is_too_large_or_breaks_the_rules_is_told() {
    let fault_of = async |events: String, bound: usize| {
        let server = Server::start(move |_, _| Reply::SayAndHold(stream(&events))).await;
        let client: Client = server.client_with(|it| {
            it.event_bytes = 400;
            it.group_bytes = bound;
        });
        let mut follower = client.follow(subscription());
        loop {
            if let Err(fault) = follower.next().await {
                return fault;
            }
        }
    };
    let begin = &recorded()[0].1;
    let row = event("rows", &json!({ "epoch": 4, "view": "latest", "rows": [] }), None);
    let rows = |times: usize| {
        let opening = begin.split("event: rows").next().unwrap();
        format!("{opening}{}", row.repeat(times))
    };
    assert!(matches!(
        fault_of(rows(100), 1_000).await,
        Error::Group(GroupFault::TooLarge { epoch: 4, bound: 1_000 })
    ));
    let long = format!("data: {}", "x".repeat(401));
    assert!(matches!(fault_of(long, 1_000).await, Error::Stream(_)));
    let again = format!("{}{}", snapshot("i", 5, &[]), delta(5, &[], true));
    assert!(matches!(fault_of(again, 1_000).await, Error::Group(GroupFault::Misplaced { .. })));
}
