//! What a read answers: shape, words, versions, and when the caller has it already.

use std::time::Duration;

use expect_test::expect;

use super::super::DoorRules;
use super::engine::{Stage, set_clock};
use super::{Heard, forecasts, hourly};

const DAY: &str = "/latest?from=2026-03-02T00:00Z&to=2026-03-03T00:00Z";

async fn saved() -> Stage {
    let stage = Stage::new().await;
    let body = r#"{"note":"first","unitForecastList":[{"period":60,"predictions":[
        {"ds":"2026-03-02T00:00:00Z","v":12.5},
        {"ds":"2026-03-02T01:00:00Z","v":null},
        {"ds":"2026-03-02T02:00:00Z","v":-0.01}]}]}"#;
    assert_eq!(stage.save(body).await.status, 200);
    stage
}

#[tokio::test]
async fn latest_answers_the_rows_shown() {
    let stage = saved().await;
    let heard = stage.get(&forecasts(DAY)).await;
    expect![[r#"{"statusCode":200,"isError":false,"message":"OK","data":[{"unitType":"PP","unitNo":1,"providerKey":"P","period":60,"measureUnit":"MW","predictions":[{"ds":"2026-03-02T00:00:00Z","v":12.5,"c":"2026-03-01T09:00:00.000004Z","bn":"first","pk":"P","mu":"MW"},{"ds":"2026-03-02T02:00:00Z","v":-0.01,"c":"2026-03-01T09:00:00.000004Z","bn":"first","pk":"P","mu":"MW"}]}]}"#]]
    .assert_eq(&heard.text());
    assert_eq!(heard.header("x-smartpulse-epoch"), Some("5"));
    assert_eq!(heard.header("x-cache-level"), Some("snapshot"));
    assert_eq!(heard.header("vary"), Some("Accept-Encoding"));
    assert!(heard.header("x-trace-id").is_some());
    let brief = stage.get(&forecasts(&format!("{DAY}&No-Details&measureUnit=kWh"))).await;
    assert!(
        brief.text().contains(r#"[{"ds":"2026-03-02T00:00:00Z","v":12500,"mu":"kWh"},"#),
        "{}",
        brief.text()
    );
}

#[tokio::test]
async fn each_stored_period_is_an_element() {
    let stage = saved().await;
    let quarter = r#"{"unitForecastList":[{"period":15,"predictions":[{"ds":"2026-03-02T00:15:00Z","v":1}]}]}"#;
    assert_eq!(stage.get(&forecasts(&format!("{DAY}&period=60"))).await.status, 200);
    stage.save(quarter).await;
    let json = stage.get(&forecasts(DAY)).await.json();
    let periods: Vec<_> =
        json["data"].as_array().unwrap().iter().map(|e| e["period"].as_u64().unwrap()).collect();
    assert_eq!(periods, [15, 60]);
    let at_period = |words: &'static str| {
        let path = forecasts(&format!("{DAY}&no-details&{words}"));
        let stage = &stage;
        async move { stage.get(&path).await.json()["data"][0].clone() }
    };
    // The quarter hour is newer; the hour is whole without it.
    let hour = at_period("period=60").await;
    assert_eq!(hour["predictions"][0]["v"], serde_json::json!(9.625));
    let quarters = at_period("period=15").await;
    let value = |slot: usize| quarters["predictions"][slot]["v"].as_f64().unwrap();
    assert_eq!([value(0), value(1), value(2)], [12.5, 1.0, 12.5]);
}

#[tokio::test]
async fn a_day_of_the_unit_is_read_with_its_hours_and_coverage() {
    let stage = saved().await;
    let words = "period=day&zone=Europe/Istanbul&no-details&completeness=0";
    let path = forecasts(&format!("/latest?from=2026-03-01T21:00Z&to=2026-03-02T21:00Z&{words}"));
    let day = stage.get(&path).await.json()["data"][0].clone();
    assert_eq!(day["period"], "day");
    let slot = &day["predictions"][0];
    assert_eq!(slot["ds"], "2026-03-02T00:00:00+03:00");
    assert_eq!(slot["hours"], 24.0);
    assert_eq!(slot["coverage"], 2.0 / 24.0);
    // (12.5 - 0.01) MW over an hour each, spread over the day.
    assert_eq!(slot["v"], 0.52042);
    let strict = stage.get(&path.replace("&completeness=0", "")).await.json();
    assert!(strict["data"][0]["predictions"][0]["v"].is_null());
    let energy = stage.get(&format!("{path}&measure-unit=MWh")).await.json();
    assert_eq!(energy["data"][0]["predictions"][0]["v"], 12.49);
}

#[tokio::test]
async fn earlier_knowledge_is_read_from_history() {
    let stage = saved().await;
    let known = stage.get(&forecasts(DAY)).await.json();
    let again = r#"{"unitForecastList":[{"period":60,"predictions":[{"ds":"2026-03-02T00:00:00Z","v":20}]}]}"#;
    stage.save(again).await;
    let first = known["data"][0]["predictions"][0]["c"].as_str().unwrap();
    for words in [format!("known_at={first}"), "at_epoch=5".to_owned()] {
        let heard = stage.get(&forecasts(&format!("{DAY}&{words}"))).await;
        assert_eq!(heard.json()["data"], known["data"], "{words}");
    }
    let by_date = stage
        .get(&forecasts(&DAY.replace("latest?", &format!("latest-by-date?date={first}&"))))
        .await;
    assert_eq!(by_date.json()["data"], known["data"]);
    assert_eq!(by_date.header("x-cache-level"), Some("database"));
    assert_eq!(stage.get(&forecasts(DAY)).await.json()["data"][0]["predictions"][0]["v"], 20.0);
    let gone = stage.get(&forecasts(&format!("{DAY}&at_epoch=0"))).await;
    assert_eq!(gone.code(), (410, "EPOCH_NOT_RETAINED".to_owned()));
    // What the clock has not reached means the clock, and the answer says which instant that is.
    let later = stage.get(&forecasts(&format!("{DAY}&known_at=2030-01-01T00:00Z"))).await;
    assert_eq!(later.header("x-smartpulse-known-at"), Some("2026-03-01T09:00:00.000005Z"));
}

#[tokio::test]
async fn a_company_without_plants_has_no_total_and_its_own_series_apart() {
    let stage = saved().await;
    let path = "/api/v2.0/production-forecast/P/CMP/1/forecasts/latest";
    assert_eq!(stage.get(path).await.json()["data"], serde_json::json!([]));
    let total = stage.get("/api/v2.0/totals/company/1/P").await;
    assert_eq!(total.code(), (404, "NOT_FOUND".to_owned()));
    assert_eq!(stage.get(&format!("{path}?own=true")).await.json()["data"], serde_json::json!([]));
}

#[tokio::test]
async fn a_word_that_is_wrong_is_named() {
    let stage = saved().await;
    for (words, field) in [
        ("form=2026-01-01", "form"),
        ("from=banana", "from"),
        ("from=2026-03-03&to=2026-03-02", "from"),
        ("period=7", "period"),
        ("period=-15", "period"),
        ("measure-unit=GW", "measure-unit"),
        ("zone=Europe/Nowhere", "zone"),
        ("zone=../../etc/passwd", "zone"),
        ("completeness=2", "completeness"),
        ("completeness=NaN", "completeness"),
        ("own=perhaps", "own"),
        ("min_epoch=-1", "min_epoch"),
    ] {
        let heard = stage.get(&forecasts(&format!("/latest?{words}"))).await;
        assert_eq!((heard.code().0, heard.fields()), (400, vec![field.to_owned()]), "{words}");
    }
    assert_eq!(
        stage.get(&forecasts("/latest?completeness=0.5&OWN=1&MinEpoch=0")).await.status,
        200
    );
}

#[tokio::test]
async fn what_is_not_there_is_404_and_a_wrong_method_405() {
    let stage = saved().await;
    let unknown = "/api/v2.0/production-forecast/P/PP/99/forecasts/latest";
    assert_eq!(stage.get(unknown).await.code(), (404, "NOT_FOUND".to_owned()));
    assert_eq!(stage.get("/api/v9/nothing").await.code(), (404, "NOT_FOUND".to_owned()));
    let put = stage.write("PUT", &forecasts("/latest"), "{}").await;
    assert_eq!(put.code(), (405, "METHOD_NOT_ALLOWED".to_owned()));
    assert_eq!(put.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn a_read_over_the_bound_says_so() {
    let stage = saved().await;
    let heard = stage.get(&forecasts("/latest?from=1000-01-01T00:00Z&to=3000-01-01T00:00Z")).await;
    assert_eq!(heard.code(), (422, "READ_TOO_LARGE".to_owned()));
    assert_eq!(heard.json()["additionalData"]["bound"], "read_bound");
    let far = stage.get(&forecasts("/latest?from=9999-12-29T00:00Z&to=9999-12-30T00:00Z")).await;
    assert_eq!(far.status, 200);
}

#[tokio::test]
async fn min_epoch_waits_and_gives_up() {
    let rules = DoorRules { min_epoch_wait: Duration::from_millis(50), ..DoorRules::default() };
    let stage = Stage::with(rules).await;
    let path = forecasts("/latest?min_epoch=5");
    let heard = stage.get(&path).await;
    assert_eq!(heard.code(), (503, "EPOCH_NOT_REACHED".to_owned()));
    assert_eq!(heard.header("retry-after"), Some("1"));
    let body = hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":1}"#);
    let (read, _) = tokio::join!(stage.get(&path), stage.save(body));
    assert_eq!((read.status.as_u16(), read.header("x-smartpulse-epoch")), (200, Some("5")));
}

#[tokio::test]
async fn an_equal_tag_is_304_with_its_headers() {
    let stage = saved().await;
    let first = stage.get(&forecasts(DAY)).await;
    let tag = first.header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"'), "{tag} is strong");
    for tags in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = stage.get_with(&forecasts(DAY), &[("if-none-match", &tags)]).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{tags}");
        assert_eq!(again.header("etag"), Some(tag.as_str()));
        assert_eq!(again.header("x-smartpulse-epoch"), Some("5"));
        assert!(again.header("x-trace-id").is_some());
        assert_eq!(again.header("content-length"), None);
    }
    // What changes elsewhere leaves the tag; what changes here does not.
    stage.save(hourly(r#"{"ds":"2026-04-02T00:00:00Z","v":1}"#)).await;
    let other_day = stage.get_with(&forecasts(DAY), &[("if-none-match", &tag)]).await;
    assert_eq!(
        (other_day.status.as_u16(), other_day.header("x-smartpulse-epoch")),
        (304, Some("6"))
    );
    stage.save(hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":13}"#)).await;
    let changed = stage.get_with(&forecasts(DAY), &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status, 200);
    // Another shape is another answer.
    for words in ["&no-details", "&zone=UTC", "&measure-unit=kW"] {
        let other = stage.get(&forecasts(&format!("{DAY}{words}"))).await;
        assert_ne!(other.header("etag"), changed.header("etag"), "{words}");
    }
}

#[tokio::test]
async fn a_change_is_dated_once_it_is_two_seconds_old() {
    let stage = saved().await;
    set_clock("2026-03-01T09:00:01.9Z");
    assert_eq!(stage.get(&forecasts(DAY)).await.header("last-modified"), None);
    // Whoever guesses a date is not believed before it is settled.
    let date = "Sun, 01 Mar 2026 09:00:00 GMT";
    let since = [("if-modified-since", date)];
    assert_eq!(stage.get_with(&forecasts(DAY), &since).await.status, 200);
    set_clock("2026-03-01T09:00:03Z");
    assert_eq!(stage.get(&forecasts(DAY)).await.header("last-modified"), Some(date));
    let same = stage.get_with(&forecasts(DAY), &since).await;
    assert_eq!((same.status.as_u16(), same.header("last-modified")), (304, Some(date)));
    let earlier = [("if-modified-since", "Sun, 01 Mar 2026 08:59:59 GMT")];
    assert_eq!(stage.get_with(&forecasts(DAY), &earlier).await.status, 200);
    // A tag decides where there is one, and what is no date says nothing.
    let both = [("if-modified-since", date), ("if-none-match", "\"other\"")];
    assert_eq!(stage.get_with(&forecasts(DAY), &both).await.status, 200);
    let nonsense = [("if-modified-since", "last tuesday")];
    assert_eq!(stage.get_with(&forecasts(DAY), &nonsense).await.status, 200);

    stage.save(hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":13}"#)).await;
    set_clock("2026-03-01T09:00:10Z");
    assert_eq!(stage.get_with(&forecasts(DAY), &since).await.status, 200);
}

#[tokio::test]
async fn a_new_series_or_a_new_day_is_a_change_too() {
    let stage = saved().await;
    set_clock("2026-03-01T09:00:10Z");
    let quarter = r#"{"unitForecastList":[{"period":15,"predictions":[{"ds":"2026-05-02T00:15:00Z","v":1}]}]}"#;
    stage.save(quarter).await;
    set_clock("2026-03-01T09:00:20Z");
    let modified = stage.get(&forecasts(DAY)).await;
    assert_eq!(modified.header("last-modified"), Some("Sun, 01 Mar 2026 09:00:10 GMT"));
    // The next day a read without a range covers other slots, though nothing was saved since.
    let today = stage.get(&forecasts("/latest")).await.header("last-modified").unwrap().to_owned();
    set_clock("2026-03-02T09:00:00Z");
    stage.write("PUT", "/api/v2.0/units/PP/2", r#"{"name":"Sonne"}"#).await;
    let since = [("if-modified-since", today.as_str())];
    let tomorrow = stage.get_with(&forecasts("/latest"), &since).await;
    assert_eq!(tomorrow.status, 200);
    assert_eq!(tomorrow.header("last-modified"), Some("Sun, 01 Mar 2026 21:00:00 GMT"));
}

#[tokio::test]
async fn a_clock_of_data_dates_nothing_before_it_has_passed_itself() {
    let stage = Stage::new().await;
    stage.read_model.let_clock_go_on(false);
    stage.save(hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":1}"#)).await;
    set_clock("2026-03-05T00:00:00Z");
    assert_eq!(stage.get(&forecasts(DAY)).await.header("last-modified"), None);
    stage.save(hourly(r#"{"ds":"2026-05-02T00:00:00Z","v":1}"#)).await;
    assert!(stage.get(&forecasts(DAY)).await.header("last-modified").is_some());
}

#[tokio::test]
async fn head_has_the_headers_of_get() {
    let stage = saved().await;
    let request =
        axum::http::Request::head(forecasts(DAY)).body(axum::body::Body::empty()).unwrap();
    let (head, get) = (stage.send(request).await, stage.get(&forecasts(DAY)).await);
    assert_eq!((head.status, head.header("etag")), (get.status, get.header("etag")));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn the_newest_revisions_alone_can_be_asked_for() {
    let stage = Stage::new().await;
    for value in ["1", "2", "3"] {
        let body = hourly(&format!(r#"{{"ds":"2026-03-02T00:00:00Z","v":{value}}}"#));
        assert_eq!(stage.save(body).await.status, 200);
    }
    let values = |heard: &Heard| -> Vec<String> {
        let all = heard.json()["data"].as_array().unwrap().clone();
        all.iter().map(|it| it["predictions"][0]["v"].to_string()).collect()
    };
    let range = "from=2026-03-02T00:00:00Z&to=2026-03-03T00:00:00Z";
    let read = async |words: &str| stage.get(&forecasts(&format!("/history?{range}{words}"))).await;
    assert_eq!(values(&read("").await), ["1", "2", "3"]);
    assert_eq!(values(&read("&newest=2").await), ["2", "3"]);
    assert_eq!(values(&read("&newest=9").await), ["1", "2", "3"]);
    assert_eq!(read("&newest=0").await.fields(), ["newest"]);
}

#[tokio::test]
async fn an_encoded_answer_is_given_again_until_what_it_shows_changes() {
    let stage = Stage::new().await;
    let save = async |value: &str| {
        let body = hourly(&format!(r#"{{"ds":"2026-03-02T00:00:00Z","v":{value}}}"#));
        assert_eq!(stage.save(body).await.status, 200);
    };
    save("1").await;
    for words in [
        "",
        "&period=30",
        "&period=day&zone=UTC&completeness=0",
        "&no-details",
        "&zone=Europe/Berlin",
        "&measure-unit=kWh",
    ] {
        let path =
            forecasts(&format!("/latest?from=2026-03-02T00:00:00Z&to=2026-03-03T00:00:00Z{words}"));
        let level = async || stage.get(&path).await.header("x-cache-level").unwrap().to_owned();
        assert_eq!(
            (level().await, level().await),
            ("snapshot".to_owned(), "encoded".to_owned()),
            "{words}"
        );
        // Another unit, another day: what is shown is what it was.
        let other = "/api/v2.0/production-forecast/P/PP/2/forecasts";
        let elsewhere = hourly(r#"{"ds":"2026-03-02T00:00:00Z","v":1}"#);
        stage.write("POST", other, elsewhere).await;
        stage.save(hourly(r#"{"ds":"2026-03-09T00:00:00Z","v":1}"#)).await;
        assert_eq!(level().await, "encoded", "{words}");
        let before = stage.get(&path).await;
        save("2").await;
        let after = stage.get(&path).await;
        assert_eq!(after.header("x-cache-level"), Some("snapshot"), "{words}");
        assert_ne!((before.header("etag"), before.text()), (after.header("etag"), after.text()));
        for coding in ["gzip", "zstd"] {
            let coded = stage.get_with(&path, &[("accept-encoding", coding)]).await;
            assert_eq!(coded.header("content-encoding"), Some(coding));
            assert_eq!(coded.header("x-cache-level"), Some("encoded"));
        }
        save("1").await;
    }
}

#[tokio::test]
async fn words_asked_before_are_understood_anew_when_they_mean_something_else() {
    const SLOT: &str = "2026-03-01T21:00:00Z";
    let stage = Stage::new().await;
    stage.save(hourly(&format!(r#"{{"ds":"{SLOT}","v":7}}"#))).await;
    let shows_slot = |heard: &Heard| heard.text().contains(SLOT);
    // The second time the words are remembered, from the third on they are not read again.
    let often = async |path: &str| {
        let first = stage.get(path).await;
        for _ in 0..3 {
            let again = stage.get(path).await;
            assert_eq!(again.header("x-cache-level"), Some("encoded"));
            assert_eq!((again.text(), again.header("etag")), (first.text(), first.header("etag")));
        }
        first
    };
    // A local day of the unit, and two days from today on.
    let local = forecasts("/latest?from=2026-03-02T00:00:00&to=2026-03-03T00:00:00");
    let today = forecasts("/latest");
    assert!(shows_slot(&often(&local).await) && shows_slot(&often(&today).await));
    // Who may not ask is not answered from what others asked.
    assert_eq!(stage.get_with(&local, &[("host", "evil.example")]).await.status, 403);
    assert_eq!(stage.get_with(&local, &[("authorization", "Bearer x")]).await.status, 401);
    // They are counted by their route, and keep their trace.
    let traced = stage.get_with(&local, &[("x-trace-id", "t-1")]).await;
    assert_eq!(traced.header("x-trace-id"), Some("t-1"));
    let metrics = stage.get("/metrics").await.text();
    let counted = metrics.lines().find(|line| {
        line.starts_with("smartpulse_http_requests_total{")
            && line.contains("/forecasts/latest\"")
            && line.contains("\"200\"")
    });
    assert!(counted.is_some_and(|line| line.ends_with(" 9")), "{counted:?}");
    // The next day without a range is another one.
    set_clock("2026-03-03T09:00:00Z");
    stage.save(hourly(r#"{"ds":"2026-05-02T00:00:00Z","v":1}"#)).await;
    assert!(!shows_slot(&stage.get(&today).await) && shows_slot(&stage.get(&local).await));
    // And so is the local day in another zone.
    let moved = r#"{"name":"Bora","zone":"Europe/Berlin"}"#;
    assert_eq!(stage.write("PUT", "/api/v2.0/units/PP/1", moved).await.status, 200);
    assert!(!shows_slot(&often(&local).await));
}
