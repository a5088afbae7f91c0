//! Reads: copies that the server confirms, codings, bounds.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use smartpulse_client::Error;

use crate::server::{Reply, Request, Server, answer};

const OLD: &[u8] = br#"{"data":[1]}"#;
const NEW: &[u8] = br#"{"data":[2]}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Answers 304 to who holds the tag, else `body`.
fn tagged(request: &Request, tag: &str, epoch: u64, body: &[u8]) -> Reply {
    let headers =
        format!("etag: {tag}\r\nx-smartpulse-epoch: {epoch}\r\nx-cache-level: encoded\r\n");
    let is_held = request.headers.get("if-none-match").is_some_and(|held| held == tag);
    Reply::Say(if is_held {
        format!("HTTP/1.1 304 Not Modified\r\n{headers}\r\n").into_bytes()
    } else {
        let headers = format!("{headers}content-encoding: gzip\r\n");
        answer("200 OK", &headers, &gzip(body))
    })
}

#[tokio::test]
async fn a_copy_that_is_confirmed_shows_the_new_epoch() {
    let server = Server::start(|number, request| match number {
        0 => tagged(request, "\"a\"", 4, OLD),
        1..=2 => tagged(request, "\"a\"", 7 + number as u64, OLD),
        _ => tagged(request, "\"b\"", 12, NEW),
    });
    let server = server.await;
    let client = server.client();
    let first = client.get("/a?b=1").await.unwrap();
    assert_eq!((first.epoch, first.is_revalidated, &first.body[..]), (Some(4), false, OLD));
    for epoch in [8, 9] {
        // Clones share what is kept.
        let read = client.clone().get("/a?b=1").await.unwrap();
        assert_eq!((read.epoch, read.is_revalidated, &read.body[..]), (Some(epoch), true, OLD));
        assert_eq!(read.cache_level.as_deref(), Some("encoded"));
    }
    let changed = client.get("/a?b=1").await.unwrap();
    assert_eq!((changed.epoch, changed.is_revalidated), (Some(12), false));
    assert_eq!(changed.data().unwrap(), json!([2]));
    let other = client.get("/a?b=2").await.unwrap();
    assert!(!other.is_revalidated);
    let held = |request: &Request| request.headers.get("if-none-match").cloned();
    let tags: Vec<_> = server.seen().iter().map(held).collect();
    let a = Some("\"a\"".to_owned());
    assert_eq!(tags, [None, a.clone(), a.clone(), a, None]);
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_may_be_or_no_tag_is_given() {
    let server = Server::start(|_, request| match request.line.as_str() {
        "GET /untagged" => Reply::Say(answer("200 OK", "", OLD)),
        _ => tagged(request, "\"a\"", 4, OLD),
    });
    let server = server.await;
    let client = server.client_with(|it| it.cache_entries = 0);
    client.get("/a").await.unwrap();
    assert!(!client.get("/a").await.unwrap().is_revalidated);
    let client = server.client();
    client.get("/untagged").await.unwrap();
    client.get("/untagged").await.unwrap();
    assert!(server.seen().iter().all(|request| !request.headers.contains_key("if-none-match")));
}

#[tokio::test]
async fn a_confirmation_nobody_asked_for_is_refused() {
    let server = Server::start(|number, request| match (number, request.line.as_str()) {
        (0, _) => tagged(request, "\"a\"", 4, OLD),
        _ => Reply::Say(b"HTTP/1.1 304 Not Modified\r\netag: \"b\"\r\n\r\n".to_vec()),
    });
    let server = server.await;
    let client = server.client();
    client.get("/a").await.unwrap();
    assert!(matches!(client.get("/a").await, Err(Error::Unreadable { .. })));
    let Err(Error::Refused(refusal)) = client.get("/b").await else { panic!("it held nothing") };
    assert_eq!(refusal.status, 304);
}

#[tokio::test]
async fn an_answer_over_the_bound_is_refused_packed_or_not() {
    let bomb = gzip(&vec![b' '; 10_000]);
    let server = Server::start(move |_, request| {
        Reply::Say(match request.line.as_str() {
            "GET /plain" => answer("200 OK", "", &[b' '; 1_001]),
            "GET /fits" => answer("200 OK", "", &[b' '; 1_000]),
            "GET /other" => answer("200 OK", "content-encoding: br\r\n", b"x"),
            _ => answer("200 OK", "content-encoding: gzip\r\n", &bomb),
        })
    });
    let server = server.await;
    let client = server.client_with(|it| it.answer_bytes = 1_000);
    assert_eq!(client.get("/fits").await.unwrap().body.len(), 1_000);
    assert!(matches!(client.get("/plain").await, Err(Error::TooLarge { bound: 1_000 })));
    assert!(matches!(client.get("/bomb").await, Err(Error::TooLarge { bound: 1_000 })));
    assert!(matches!(client.get("/other").await, Err(Error::Unreadable { .. })));
    assert_eq!(server.seen().len(), 4, "none of them is asked for again");
}

#[tokio::test]
async fn what_is_no_envelope_is_still_told() {
    let server = Server::start(|_, _| Reply::Say(answer("403 Forbidden", "", b"<html>no</html>")));
    let server = server.await;
    let Err(Error::Refused(refusal)) = server.client().get("/a").await else { panic!("refused") };
    assert_eq!((refusal.status, refusal.message.as_str()), (403, "<html>no</html>"));
}
