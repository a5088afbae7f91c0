//! Streams of a replica: the tokens are the engine's, and a follower may go from one to the other.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use smartpulse_services::redis::Persistence;
use smartpulse_services::{AnyRedis, Redis};

use super::load::{FROM, Load, TO};
use super::stage::{Engine, PREFIX, Replica, own_prefix, to, to_prefix};

/// Rows by their key, as a stream has told them.
type Rows = std::collections::BTreeMap<String, Value>;

/// An open stream.
struct Stream {
    lines: std::io::Lines<BufReader<TcpStream>>,
}

impl Stream {
    fn open(address: SocketAddr, token: Option<&str>) -> Stream {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let path = format!(
            "/api/v2.0/stream?view=latest&view=totals&view=units&view=actuals&from={FROM}&to={TO}"
        );
        let token = token.map_or(String::new(), |token| format!("Last-Event-ID: {token}\r\n"));
        let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{token}\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        Stream { lines: BufReader::new(connection).lines() }
    }

    /// Applies what comes to `rows` until `epoch` has been told; the token then. What is not as it should be after
    /// `going on` from a token fails.
    fn follow(&mut self, rows: &mut Rows, epoch: u64, goes_on: bool) -> String {
        let (mut event, mut id, mut data) = (String::new(), None, String::new());
        loop {
            let line = self.lines.next().expect("the stream goes on").unwrap();
            if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut event);
            } else if let Some(text) = line.strip_prefix("id: ") {
                id = Some(text.to_owned());
            } else if let Some(text) = line.strip_prefix("data: ") {
                data.push_str(text);
            } else if line.is_empty() {
                let said: Value = serde_json::from_str(&data).unwrap_or_default();
                assert!(event != "must-resync", "{said}");
                assert!(!(goes_on && event.starts_with("snapshot")), "{event}: {said}");
                apply(rows, &event, &said);
                if let Some(token) = id.take() {
                    let told: u64 = token.rsplit('.').next().unwrap().parse().unwrap();
                    if told >= epoch {
                        return token;
                    }
                }
                event.clear();
                data.clear();
            }
        }
    }
}

fn apply(rows: &mut Rows, event: &str, said: &Value) {
    for row in said["rows"].as_array().into_iter().flatten() {
        let value = row.get("value").or(row.get("new")).cloned().unwrap_or_else(|| row.clone());
        rows.insert(row["key"].to_string(), value);
    }
    if event != "delta" {
        return;
    }
    for delta in said["deltas"].as_array().into_iter().flatten() {
        let key = delta["key"].to_string();
        let old = rows.get(&key).cloned().unwrap_or_default();
        assert_eq!(old, delta["old"], "what {key} was");
        match &delta["new"] {
            Value::Null => drop(rows.remove(&key)),
            new => drop(rows.insert(key, new.clone())),
        }
    }
}

/// A replica that has to read everything anew tells its followers exactly what is another way than they were told.
#[test]
fn a_follower_hears_what_changed_while_the_replica_did_not_follow() {
    let room = tempfile::tempdir().unwrap();
    let mut redis = Redis::start(Persistence::None).unwrap();
    let engine = Engine::start(&room.path().join("data"), &to(&[redis.url()]));
    let replica = Replica::start(&[redis.url()], None);
    let load = Load::start(format!("http://{}", engine.address), 13);
    load.await_more(150);
    let newest =
        || engine.client().get("/api/v2.0/status").json()["data"]["epoch"].as_u64().unwrap();
    let mut rows = Rows::new();
    replica.await_epoch(newest());
    let mut stream = Stream::open(replica.address, None);
    stream.follow(&mut rows, newest(), false);
    for _ in 0..2 {
        redis.server().kill();
        load.await_more(150);
        redis.server().start_again().unwrap();
        stream.follow(&mut rows, newest(), true);
    }
    load.stop();
    loop {
        let token = stream.follow(&mut rows, newest(), true);
        let mut fresh = Rows::new();
        if Stream::open(engine.address, None).follow(&mut fresh, newest(), false) == token {
            assert_eq!(rows, fresh);
            return;
        }
    }
}

#[test]
fn a_follower_goes_from_the_engine_to_a_replica_and_back() {
    let room = tempfile::tempdir().unwrap();
    let redis = AnyRedis::find().unwrap();
    let prefix = own_prefix();
    let engine = Engine::start(&room.path().join("data"), &to_prefix(&redis.url, &prefix));
    let replica = Replica::start_with(std::slice::from_ref(&redis.url), None, &[(PREFIX, &prefix)]);
    let load = Load::start(format!("http://{}", engine.address), 7);
    load.await_more(40);
    let newest =
        || engine.client().get("/api/v2.0/status").json()["data"]["epoch"].as_u64().unwrap();

    let mut rows = Rows::new();
    let mut token = Stream::open(engine.address, None).follow(&mut rows, newest(), false);
    for round in 0..6 {
        load.await_more(40);
        let to = if round % 2 == 0 { replica.address } else { engine.address };
        // The other may be a moment behind the token: it has to be there before it is asked.
        let told: u64 = token.rsplit('.').next().unwrap().parse().unwrap();
        replica.await_epoch(told);
        token = Stream::open(to, Some(&token)).follow(&mut rows, newest(), true);
    }
    load.stop();
    // Versions that begin to count in a moment close a last epoch.
    loop {
        let mut fresh = Rows::new();
        let begun = Stream::open(replica.address, None).follow(&mut fresh, newest(), false);
        token = Stream::open(engine.address, Some(&token)).follow(&mut rows, newest(), true);
        if begun == token {
            assert_eq!(rows, fresh);
            assert!(rows.len() > 100, "{} rows", rows.len());
            return;
        }
    }
}
