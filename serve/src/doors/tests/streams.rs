//! The stream door: what a follower is told, and where it goes on.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::super::DoorRules;
use super::engine::{Stage, set_clock};
use super::hourly;

const DAY: &str = "from=2026-03-02T00:00:00Z&to=2026-03-03T00:00:00Z";

/// A frame of a stream.
#[derive(Clone, Debug)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

/// An open stream that is read frame by frame.
struct Tap {
    body: Body,
    text: String,
}

impl Tap {
    async fn open(stage: &Stage, words: &str) -> Tap {
        Tap::resume(stage, words, None).await
    }

    async fn resume(stage: &Stage, words: &str, token: Option<&str>) -> Tap {
        let mut request = Request::get(format!("/api/v2.0/stream?{words}"));
        request = request.header("host", "localhost");
        if let Some(token) = token {
            request = request.header("last-event-id", token);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = stage.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Tap { body: response.into_body(), text: String::new() }
    }

    /// The next frame; none when the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.text = rest;
                let line = |name: &str| {
                    let lines = || frame.lines();
                    lines().find_map(|line| line.strip_prefix(name).map(str::to_owned))
                };
                let Some(name) = line("event: ") else { continue };
                let data = serde_json::from_str(&line("data: ").unwrap()).unwrap();
                return Some(Event { name, id: line("id: "), data });
            }
            let bytes = self.body.frame().await?.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next frame of that name; progress is passed over.
    async fn expect(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event.name != "progress" || name == "progress" {
                assert_eq!(event.name, name, "{event:?}");
                return event;
            }
        }
    }

    /// Rows of the snapshot with which the stream begins, and its token.
    async fn snapshot(&mut self) -> (Vec<Value>, String) {
        self.expect("snapshot-begin").await;
        let mut rows = Vec::new();
        loop {
            let event = self.next().await.unwrap();
            match event.name.as_str() {
                "rows" => {
                    assert_eq!(event.id, None);
                    rows.extend(event.data["rows"].as_array().unwrap().iter().cloned());
                }
                "snapshot-end" => return (rows, event.id.unwrap()),
                other => panic!("{other}"),
            }
        }
    }

    /// Old and new values by slot of the next delta.
    async fn changes(&mut self) -> Vec<(String, Value, Value)> {
        let event = self.expect("delta").await;
        let slot = |delta: &Value| {
            let start = delta["key"]["ds"].as_str().unwrap().to_owned();
            (start, delta["old"]["v"].clone(), delta["new"]["v"].clone())
        };
        event.data["deltas"].as_array().unwrap().iter().map(slot).collect()
    }
}

async fn save(stage: &Stage, start: &str, value: &str) {
    let heard = stage.save(hourly(&format!(r#"{{"ds":"{start}","v":{value}}}"#))).await;
    assert_eq!(heard.status, 200, "{}", heard.text());
}

#[tokio::test]
async fn a_stream_begins_with_a_snapshot_and_goes_on_with_what_changes() {
    let stage = Stage::new().await;
    save(&stage, "2026-03-02T00:00:00Z", "1").await;
    let mut tap = Tap::open(&stage, &format!("view=latest&unitNo=1&{DAY}")).await;
    let (rows, token) = tap.snapshot().await;
    assert_eq!(rows.len(), 1);
    let key = json!({
        "kind": "forecast", "unitType": "PP", "unitNo": 1, "provider": "P", "period": 60,
        "ds": "2026-03-02T00:00:00Z",
    });
    assert_eq!((&rows[0]["key"], &rows[0]["new"]["v"]), (&key, &json!(1)));
    assert_eq!(token, format!("00000000-0000-0000-0000-000000000000.{}", stage.epoch()));
    save(&stage, "2026-03-02T00:00:00Z", "2.5").await;
    let event = tap.expect("delta").await;
    assert_eq!(event.id.clone().unwrap(), format!("{}.{}", uuid::Uuid::nil(), stage.epoch()));
    assert_eq!(
        (&event.data["epoch"], &event.data["view"]),
        (&json!(stage.epoch()), &json!("latest"))
    );
    assert_eq!(event.data.get("fromEpoch"), None);
    let [delta] = &event.data["deltas"].as_array().unwrap()[..] else { panic!("{event:?}") };
    assert_eq!(
        (&delta["key"], &delta["old"]["v"], &delta["new"]["v"]),
        (&key, &json!(1), &json!(2.5))
    );
    let causes = json!([{ "type": "batch", "id": delta["new"]["batchId"] }]);
    assert_eq!(delta["causes"], causes);
    for word in ["validAfter", "recorded", "batchId"] {
        assert!(
            delta["new"][word].is_string() && delta["new"][word] != delta["old"][word],
            "{word}"
        );
    }
}

#[tokio::test]
async fn what_changes_nothing_tells_nothing_and_progress_goes_on() {
    let stage = Stage::new().await;
    save(&stage, "2026-03-02T00:00:00Z", "1").await;
    let mut tap =
        Tap::open(&stage, &format!("view=latest&unitNo=1&unitType=PP&provider=P&{DAY}")).await;
    tap.snapshot().await;
    // An equal value, another slot outside the window, another provider.
    save(&stage, "2026-03-02T00:00:00Z", "1").await;
    save(&stage, "2026-03-04T00:00:00Z", "7").await;
    let other = "/api/v2.0/production-forecast/Q/PP/1/forecasts";
    stage.write("POST", other, hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":9}"#)).await;
    loop {
        let event = tap.next().await.unwrap();
        assert_eq!(event.name, "progress", "{event:?}");
        if event.data["epoch"] == stage.epoch() {
            assert!(event.id.unwrap().ends_with(&format!(".{}", stage.epoch())));
            break;
        }
    }
    save(&stage, "2026-03-02T00:00:00Z", "null").await;
    assert_eq!(tap.changes().await, [("2026-03-02T00:00:00Z".to_owned(), json!(1), Value::Null)]);
}

#[tokio::test]
async fn a_token_goes_on_where_it_was_and_a_strange_one_begins_anew() {
    let stage = Stage::new().await;
    save(&stage, "2026-03-02T00:00:00Z", "1").await;
    let words = format!("view=latest&unitNo=1&{DAY}");
    let mut tap = Tap::open(&stage, &words).await;
    let (_, token) = tap.snapshot().await;
    drop(tap);
    save(&stage, "2026-03-02T01:00:00Z", "2").await;
    save(&stage, "2026-03-02T01:00:00Z", "3").await;
    let mut tap = Tap::resume(&stage, &words, Some(&token)).await;
    let slot = "2026-03-02T01:00:00Z".to_owned();
    assert_eq!(tap.changes().await, [(slot.clone(), Value::Null, json!(2))]);
    assert_eq!(tap.changes().await, [(slot.clone(), json!(2), json!(3))]);
    let nil = uuid::Uuid::nil();
    let other = uuid::Uuid::max();
    for token in [format!("{nil}.0"), format!("{nil}.999"), format!("{other}.3")] {
        let mut tap = Tap::resume(&stage, &words, Some(&token)).await;
        let resync = tap.expect("must-resync").await;
        assert_eq!((resync.id, &resync.data["epoch"]), (None, &json!(stage.epoch())));
        let (rows, _) = tap.snapshot().await;
        assert_eq!(rows.len(), 2);
    }
    // Who cannot set the header says it in the query.
    let mut tap = Tap::open(&stage, &format!("{words}&lastEventId={token}")).await;
    assert_eq!(tap.changes().await, [(slot, Value::Null, json!(2))]);
}

#[tokio::test]
async fn a_follower_that_is_far_behind_is_told_folded() {
    let stage = Stage::new().await;
    save(&stage, "2026-03-02T00:00:00Z", "1").await;
    save(&stage, "2026-03-02T01:00:00Z", "1").await;
    let words = format!("view=latest&unitNo=1&{DAY}");
    let mut tap = Tap::open(&stage, &words).await;
    let (_, token) = tap.snapshot().await;
    let begun = stage.epoch();
    drop(tap);
    for value in ["2", "3", "4", "5", "6", "7"] {
        save(&stage, "2026-03-02T00:00:00Z", value).await;
        // There and back: nothing is left of it.
        save(&stage, "2026-03-02T02:00:00Z", value).await;
    }
    save(&stage, "2026-03-02T02:00:00Z", "null").await;
    let mut tap = Tap::resume(&stage, &words, Some(&token)).await;
    let event = tap.expect("delta").await;
    assert_eq!(
        (&event.data["fromEpoch"], &event.data["epoch"]),
        (&json!(begun), &json!(stage.epoch()))
    );
    let deltas = event.data["deltas"].as_array().unwrap();
    assert_eq!(deltas.len(), 1, "{event:?}");
    assert_eq!((&deltas[0]["old"]["v"], &deltas[0]["new"]["v"]), (&json!(1), &json!(7)));
}

#[tokio::test]
async fn at_a_period_slots_are_as_saved_until_another_period_is_there() {
    let stage = Stage::new().await;
    save(&stage, "2026-03-02T00:00:00Z", "4").await;
    save(&stage, "2026-03-02T05:00:00Z", "5").await;
    let mut tap = Tap::open(&stage, &format!("view=latest&unitNo=1&period=60&{DAY}")).await;
    let (rows, _) = tap.snapshot().await;
    assert!(rows.iter().all(|row| row["new"]["batchId"].is_string()));
    let half = r#"{"unitForecastList":[{"period":30,"predictions":[{"ds":"2026-03-02T00:30:00Z","v":8}]}]}"#;
    assert_eq!(stage.save(half).await.status, 200);
    let event = tap.expect("delta").await;
    let deltas = event.data["deltas"].as_array().unwrap();
    // Both slots are shown another way now; one has another value, too.
    let shown = |index: usize| (deltas[index]["key"]["ds"].clone(), deltas[index]["new"].clone());
    assert_eq!(shown(0), (json!("2026-03-02T00:00:00Z"), json!({ "v": 6, "coverage": 1 })));
    assert_eq!(shown(1), (json!("2026-03-02T05:00:00Z"), json!({ "v": 5, "coverage": 1 })));
    assert_eq!(deltas.len(), 2);
}

#[tokio::test]
async fn a_window_without_ends_moves_at_the_unit_s_midnight() {
    let stage = Stage::new().await;
    // Istanbul is three hours ahead: its 1st of March ends at 21:00 UTC.
    for start in [
        "2026-03-01T20:00:00Z",
        "2026-03-01T21:00:00Z",
        "2026-03-02T20:00:00Z",
        "2026-03-02T21:00:00Z",
    ] {
        save(&stage, start, "1").await;
    }
    let mut tap = Tap::open(&stage, "view=latest&unitType=PP&unitNo=1").await;
    assert_eq!(tap.snapshot().await.0.len(), 3);
    set_clock("2026-03-01T21:00:10Z");
    assert_eq!(stage.write("PUT", "/api/v2.0/units/PP/9", r#"{"name":"Nine"}"#).await.status, 200);
    let one = || json!(1);
    let told = tap.changes().await;
    let left = ("2026-03-01T20:00:00Z".to_owned(), one(), Value::Null);
    let entered = ("2026-03-02T21:00:00Z".to_owned(), Value::Null, one());
    assert_eq!(told, [left, entered]);
}

#[tokio::test]
async fn units_are_told_when_stated_and_when_a_version_begins_to_hold() {
    let stage = Stage::new().await;
    let mut tap = Tap::open(&stage, "view=units&unitType=PP").await;
    assert_eq!(tap.snapshot().await.0.len(), 2);
    let later = r#"{"name":"Bora II","validFrom":"2026-03-01T09:30:00Z"}"#;
    assert_eq!(stage.write("PUT", "/api/v2.0/units/PP/1", later).await.status, 200);
    assert_eq!(stage.write("PUT", "/api/v2.0/units/PP/3", r#"{"name":"Three"}"#).await.status, 200);
    let told = tap.expect("delta").await.data;
    assert_eq!(
        (&told["deltas"][0]["new"]["name"], &told["deltas"][0]["old"]),
        (&json!("Three"), &Value::Null)
    );
    assert_eq!(told["deltas"][0]["causes"], json!([{ "type": "unit", "id": "PP/3" }]));
    set_clock("2026-03-01T09:30:00Z");
    assert_eq!(stage.write("PUT", "/api/v2.0/units/PP/3", r#"{"name":"Drei"}"#).await.status, 200);
    let told = tap.expect("delta").await.data;
    let names: Vec<_> =
        told["deltas"].as_array().unwrap().iter().map(|it| &it["new"]["name"]).collect();
    assert_eq!(names, ["Bora II", "Drei"]);
    let clock = json!([{ "type": "clock", "id": "2026-03-01T09:30:00Z" }]);
    assert_eq!(told["deltas"][0]["causes"], clock);
}

#[tokio::test]
async fn what_may_not_be_asked_is_refused_by_name() {
    let stage =
        Stage::with(DoorRules { streams: 1, stream_rows: 100, ..DoorRules::default() }).await;
    for (words, field) in [
        ("", "view"),
        ("view=books", "view"),
        ("view=latest&unitNo=0", "unitNo"),
        ("view=latest&unitType=XX", "unitType"),
        ("view=latest&provider=", "provider"),
        ("view=totals&dimension=country", "dimension"),
        ("view=totals&dimension=company&key=x", "key"),
        ("view=totals&kind=guess", "kind"),
        ("view=latest&period=7", "period"),
        ("view=latest&period=day", "period"),
        ("view=latest&from=2026-03-02T00:00", "from"),
        ("view=latest&from=2026-03-03T00:00Z&to=2026-03-02T00:00Z", "from"),
        ("view=latest&measure-unit=GW", "measure-unit"),
        ("view=latest&completeness=2", "completeness"),
        ("view=latest&lastEventId=7", "Last-Event-ID"),
        ("view=latest&until=never", "until"),
        ("view=latest&period=60&period=30", "period"),
    ] {
        let heard = stage.get(&format!("/api/v2.0/stream?{words}")).await;
        assert_eq!(
            (heard.status.as_u16(), heard.fields()),
            (400, vec![field.to_owned()]),
            "{words}"
        );
    }
    save(&stage, "2026-03-02T00:00:00Z", "1").await;
    let many =
        "/api/v2.0/stream?view=latest&from=2026-03-01T00:00:00Z&to=2026-03-20T00:00:00Z&period=5";
    assert_eq!(stage.get(many).await.code(), (422, "STREAM_TOO_LARGE".to_owned()));
    let open = Tap::open(&stage, "view=latest&unitNo=1").await;
    let second = stage.get("/api/v2.0/stream?view=units").await;
    assert_eq!(second.code(), (503, "TOO_MANY_STREAMS".to_owned()));
    drop(open);
    drop(Tap::open(&stage, "view=units").await);
}

#[tokio::test]
async fn a_stream_ends_when_the_doors_close() {
    let stage = Stage::new().await;
    let mut tap = Tap::open(&stage, "view=units").await;
    tap.snapshot().await;
    stage.closing.send_replace(true);
    while let Some(event) = tap.next().await {
        assert_eq!(event.name, "progress");
    }
}
