//! Local times, and the ranges of reads.

use smartpulse_operators::time::Instant;

use super::engine::{Stage, set_clock};

const BERLIN: &str = "/api/v2.0/production-forecast/P/PP/2/forecasts";

fn body(start: &str) -> String {
    super::hourly(&format!(r#"{{"ds":"{start}","v":1}}"#))
}

#[tokio::test]
async fn a_delivery_without_offset_is_the_unit_s_own_time() {
    let stage = Stage::new().await;
    assert_eq!(stage.write("POST", BERLIN, body("2026-07-01T00:00")).await.status, 200);
    let read = stage.get(&format!("{BERLIN}/latest?from=2026-07-01&to=2026-07-02")).await.json();
    assert_eq!(read["data"][0]["predictions"][0]["ds"], "2026-06-30T22:00:00Z");
}

#[tokio::test]
async fn a_local_time_that_is_none_or_two_is_422() {
    let stage = Stage::new().await;
    let gap = stage.write("POST", BERLIN, body("2026-03-29T02:00")).await;
    assert_eq!(gap.code(), (422, "NONEXISTENT_LOCAL_TIME".to_owned()));
    assert_eq!(gap.fields(), ["unitForecastList[0].predictions[0].ds"]);
    let fold = stage.write("POST", BERLIN, body("2026-10-25T02:00")).await;
    assert_eq!(fold.code(), (422, "AMBIGUOUS_LOCAL_TIME".to_owned()));
    let read = stage.get(&format!("{BERLIN}/latest?from=2026-03-29T02:30")).await;
    assert_eq!(read.code(), (422, "NONEXISTENT_LOCAL_TIME".to_owned()));
    assert_eq!(read.fields(), ["from"]);
}

/// Starts of the slots a read of plant 2 answers, when each hour from 28 March to 1 April has a value.
async fn read_hours(words: &str) -> Vec<String> {
    let stage = Stage::new().await;
    set_clock("2026-03-29T10:00:00Z");
    let start = Instant::parse("2026-03-27T00:00Z").unwrap();
    let slot = |hour: i64| format!(r#"{{"ds":"{}","v":1}}"#, start.plus_minutes(hour * 60));
    let slots: Vec<String> = (0..144).map(slot).collect();
    assert_eq!(stage.write("POST", BERLIN, super::hourly(&slots.join(","))).await.status, 200);
    let read = stage.get(&format!("{BERLIN}/latest?{words}")).await;
    assert_eq!(read.status, 200, "{}", read.text());
    let json = read.json();
    let rows = json["data"][0]["predictions"].as_array().unwrap();
    rows.iter().map(|row| row["ds"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn without_a_range_today_and_tomorrow_are_answered() {
    let hours = read_hours("").await;
    assert_eq!(hours.len(), 23 + 24);
    assert_eq!(hours[0], "2026-03-28T23:00:00Z");
    let from_alone = read_hours("from=2026-03-29").await;
    assert_eq!(from_alone, hours);
    let to_alone = read_hours("to=2026-03-31").await;
    assert_eq!(to_alone, hours);
}

#[tokio::test]
async fn a_slot_belongs_when_its_start_does() {
    let hours = read_hours("from=2026-03-28T00:30Z&to=2026-03-28T02:00Z").await;
    assert_eq!(hours, ["2026-03-28T01:00:00Z"]);
    assert!(read_hours("from=2026-03-28T00:00Z&to=2026-03-28T00:00Z").await.is_empty());
    // A `+` that was not escaped arrives as a blank.
    let offset = read_hours("from=2026-03-28T04:00:00+03:00&to=2026-03-28T05:00:00%2B03:00").await;
    assert_eq!(offset, hours);
}

#[tokio::test]
async fn a_zone_changes_how_times_are_written_only() {
    let words = "from=2026-03-28T23:00Z&to=2026-03-29T02:00Z&zone=Europe/Berlin";
    assert_eq!(
        read_hours(words).await,
        ["2026-03-29T00:00:00+01:00", "2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"]
    );
    let fixed = read_hours("from=2026-03-28T23:00Z&to=2026-03-29T00:00Z&zone=Etc/GMT+3").await;
    assert_eq!(fixed, ["2026-03-28T20:00:00-03:00"]);
}
