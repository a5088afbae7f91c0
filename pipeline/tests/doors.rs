//! Bad input of every kind over real sockets: each is refused by name, the rest of a batch is kept, and the
//! service goes on in its memory.
#![allow(clippy::print_stdout, reason = "the figures a run prints")]
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]

#[path = "doors/bodies.rs"]
mod bodies;
#[path = "doors/bombs.rs"]
mod bombs;
#[path = "program/client.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod client;
#[path = "doors/network.rs"]
mod network;
#[path = "program/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;
#[path = "doors/sources.rs"]
mod sources;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use client::{Answer, Client, forecasts, hour, hourly};
use process::Server;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server with plant 1 on a folder of its own.
struct Desk {
    server: Server,
    client: Client,
    _room: TempDir,
}

impl Desk {
    fn open() -> Desk {
        let room = tempfile::tempdir().expect("room for a folder");
        let server = Server::start(&room.path().join("data"));
        let client = server.client();
        client.make_plant(1);
        Desk { server, client, _room: room }
    }

    /// A save of these bytes.
    fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        self.client.send("POST", &forecasts("UserForecast", 1), &[], body.as_ref())
    }

    /// That it still serves, and ends as it should.
    fn close(self) {
        self.client.save(1, 700, 1).expect_status(200);
        self.server.stop().succeeded();
    }
}

/// An error: its envelope, its code, and everything the client is told of where and why.
fn refused(answer: Answer, status: u16, code: &str) -> String {
    let answer = answer.expect_status(status);
    let error = answer.json();
    assert_eq!(error["statusCode"], status, "{error}");
    assert_eq!(error["isError"], true, "{error}");
    assert_eq!(error["additionalData"]["code"], code, "{error}");
    assert_eq!(error["traceId"], answer.header("x-trace-id"), "{error}");
    assert!(error.get("data").is_none(), "{error}");
    format!("{} {}", error["message"], error["additionalData"]["fields"])
}

/// Sends a whole request as it is and reads what comes until the server closes.
fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    exchange(address, bytes, false)
}

/// The same with no more to come: a server may drop what it is told so early.
fn raw_and_end(address: SocketAddr, bytes: &[u8]) -> String {
    exchange(address, bytes, true)
}

fn exchange(address: SocketAddr, bytes: &[u8], ends: bool) -> String {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let mut reading = stream.try_clone().expect("a socket");
    let answer = std::thread::spawn(move || {
        let mut answer = Vec::new();
        // The server may close on what it does not want to read.
        let _ = reading.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    });
    let _ = stream.write_all(bytes);
    if ends {
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    answer.join().expect("the reader does not panic")
}

#[test]
fn callers_from_elsewhere_are_refused() {
    let desk = Desk::open();
    let port = desk.server.address().port();
    let path = forecasts("UserForecast", 1);
    let body = hourly([(hour(0), json!(1))]).to_string();
    let send = |headers: &[(&str, &str)]| desk.client.send("POST", &path, headers, body.as_bytes());
    let own = format!("http://127.0.0.1:{port}");
    send(&[("origin", &own)]).expect_status(200);
    for origin in
        ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1.evil.example"]
    {
        let told = refused(send(&[("origin", origin)]), 403, "FORBIDDEN");
        assert!(told.contains("Origin"), "{told}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "192.168.0.1:8080"] {
        let told = refused(send(&[("host", host)]), 403, "FORBIDDEN");
        assert!(told.contains("no loopback name"), "{told}");
    }
    refused(send(&[("authorization", "Bearer guess")]), 401, "UNAUTHORIZED");
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonp",
    ] {
        let told = refused(send(&[("content-type", kind)]), 415, "UNSUPPORTED_MEDIA_TYPE");
        assert!(told.contains("Content-Type"), "{told}");
    }
    let latin = [("content-type", "application/json; charset=iso-8859-9")];
    assert!(refused(send(&latin), 415, "UNSUPPORTED_MEDIA_TYPE").contains("charset"));
    let told = refused(send(&[("content-encoding", "br")]), 415, "UNSUPPORTED_MEDIA_TYPE");
    assert!(told.contains("Content-Encoding"), "{told}");
    let long = "k".repeat(256);
    for key in ["", "two words", &long] {
        let told = refused(send(&[("idempotency-key", key)]), 400, "BAD_HEADER");
        assert!(told.contains("Idempotency-Key"), "{told}");
    }
    refused(desk.client.send("PATCH", &path, &[], b"{}"), 405, "METHOD_NOT_ALLOWED");
    refused(desk.client.get("/api/v2.0/nothing"), 404, "NOT_FOUND");
    desk.close();
}

#[test]
fn words_that_no_door_knows_are_refused_by_name() {
    let desk = Desk::open();
    desk.client.save(1, 0, 1).expect_status(200);
    let latest = format!("{}/latest", forecasts("UserForecast", 1));
    for (query, code, field) in [
        ("form=2099-06-01", "VALIDATION_ERROR", "form"),
        ("from=2099-06-01T00:00:00Z&from=2099-06-02T00:00:00Z", "VALIDATION_ERROR", "from"),
        ("from=yesterday", "VALIDATION_ERROR", "from"),
        ("from=2099-02-30T00:00:00Z", "VALIDATION_ERROR", "from"),
        ("to=%ff%fe", "VALIDATION_ERROR", "to"),
        ("period=7", "VALIDATION_ERROR", "period"),
        ("period=-15", "VALIDATION_ERROR", "period"),
        ("measure-unit=horsepower", "MEASURE_UNIT", "measure-unit"),
        ("zone=Mars/Olympus", "VALIDATION_ERROR", "zone"),
        ("min_epoch=soon", "VALIDATION_ERROR", "min_epoch"),
        ("completeness=2", "VALIDATION_ERROR", "completeness"),
        ("no-details=perhaps", "VALIDATION_ERROR", "no-details"),
        ("from=2099-06-02T00:00:00Z&to=2099-06-01T00:00:00Z", "VALIDATION_ERROR", "from"),
    ] {
        let told = refused(desk.client.get(&format!("{latest}?{query}")), 400, code);
        assert!(told.contains(&format!("\"{field}\"")), "{query}: {told}");
    }
    let far = "from=1900-01-01T00:00:00Z&to=2199-12-31T00:00:00Z";
    let told = refused(desk.client.get(&format!("{latest}?{far}")), 422, "READ_TOO_LARGE");
    assert!(told.contains("read_bound"), "{told}");
    let late =
        refused(desk.client.get(&format!("{latest}?min_epoch=99999")), 503, "EPOCH_NOT_REACHED");
    assert!(late.contains("99999"), "{late}");
    for (path, field) in [
        ("/api/v2.0/production-forecast/U/XX/1/forecasts/latest", "unitType"),
        ("/api/v2.0/production-forecast/U/PP/0/forecasts/latest", "unitNo"),
        ("/api/v2.0/production-forecast/U/PP/1e3/forecasts/latest", "unitNo"),
        ("/api/v2.0/production-forecast/U/PP/99999999999999999999999/forecasts/latest", "unitNo"),
        ("/api/v2.0/production-forecast/%20/PP/1/forecasts/latest", "provider"),
        ("/api/v2.0/batches/not-a-batch", "id"),
    ] {
        let told = refused(desk.client.get(path), 400, "VALIDATION_ERROR");
        assert!(told.contains(&format!("\"{field}\"")), "{path}: {told}");
    }
    let zone = json!({ "name": "one", "zone": "Mars/Olympus" });
    let told = refused(desk.client.put("/api/v2.0/units/PP/2", &zone), 400, "VALIDATION_ERROR");
    assert!(told.contains("zone") && told.contains("Mars/Olympus"), "{told}");
    desk.close();
}

#[test]
fn what_is_no_request_at_all_harms_nobody() {
    let desk = Desk::open();
    let address = desk.server.address();
    let get =
        |header: &str| format!("GET /health/live HTTP/1.1\r\nHost: {address}\r\n{header}\r\n\r\n");
    let answer = raw(address, get("Connection: close").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let long = get(&format!("X-Long: {}", "x".repeat(2 << 20)));
    assert!(raw(address, long.as_bytes()).starts_with("HTTP/1.1 431"), "a header over its limit");
    let many: String = (0..5_000).map(|number| format!("X-{number}: 1\r\n")).collect();
    assert!(raw(address, get(many.trim_end()).as_bytes()).starts_with("HTTP/1.1 431"), "too many");
    let line = format!("GET /{} HTTP/1.1\r\nHost: {address}\r\n\r\n", "a".repeat(2 << 20));
    let answer = raw(address, line.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 414") || answer.starts_with("HTTP/1.1 431"), "{answer}");
    for noise in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"\r\n\r\n\r\n", &[0; 4_096], b"GET"]
    {
        let answer = raw_and_end(address, noise);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let twice = get(&format!("Connection: close\r\nHost: {address}"));
    assert!(raw(address, twice.as_bytes()).starts_with("HTTP/1.1 400"), "two hosts");
    let nobody = b"GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n";
    assert!(raw(address, nobody).starts_with("HTTP/1.1 400"), "no host");
    let cut = format!(
        "POST {} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{{",
        forecasts("UserForecast", 1)
    );
    let answer = raw_and_end(address, cut.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "a body cut off: {answer}");
    assert_eq!(desk.client.latest(1), Vec::<(String, Value)>::new());
    desk.close();
}
