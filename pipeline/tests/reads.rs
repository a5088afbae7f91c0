//! Reads of totals, of other periods and of earlier knowledge at a running service: what they cost, and
//! that all of an answer is of one epoch.
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]
#![allow(clippy::print_stdout, reason = "the figures a run prints")]

#[path = "program/client.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod client;
#[path = "program/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;

use std::fmt::Write as _;
use std::fs;

use client::{Client, forecasts, hour, hourly};
use process::{Server, run};
use serde_json::{Value, json};

const DAY: &str = "from=2099-06-01T00:00:00Z&to=2099-06-02T00:00:00Z";

/// The company's total at hour 0 of the first day: (MW, members, reporting, epoch).
fn company(client: &Client, number: u32) -> Option<(f64, u64, u64, u64)> {
    let path = format!("/api/v2.0/production-forecast/UserForecast/CMP/{number}/forecasts/latest");
    total(client, &format!("{path}?{DAY}&period=60"))
}

fn total(client: &Client, path: &str) -> Option<(f64, u64, u64, u64)> {
    let answer = client.get(path).expect_status(200);
    let epoch = answer.headers["x-smartpulse-epoch"].to_str().unwrap().parse().unwrap();
    let slot = &answer.json()["data"][0]["predictions"][0];
    let count = |name: &str| slot[name].as_u64().unwrap();
    Some((slot["v"].as_f64()?, count("members"), count("reporting"), epoch))
}

fn blocks_visited(client: &Client) -> u64 {
    let text = String::from_utf8(client.get("/metrics").body).unwrap();
    let line = text.lines().find(|line| line.starts_with("smartpulse_blocks_visited_total "));
    line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_read_of_a_company_of_500_visits_no_more_than_twice_what_a_plant_does() {
    let room = tempfile::tempdir().unwrap();
    let (folder, data) = (room.path().join("in"), room.path().join("data"));
    fs::create_dir(&folder).unwrap();
    let mut members = "parent_type,parent_no,child_type,child_no,valid_from,valid_to\n".to_owned();
    let mut units = "unit_type,unit_no,name\nCMP,1,Company\n".to_owned();
    let mut rows =
        "unit_type,unit_no,provider,kind,valid_after,recorded,delivery_start,period_minutes,measure_unit,value,batch\n".to_owned();
    for plant in 1..=500 {
        writeln!(members, "CMP,1,PP,{plant},,").unwrap();
        writeln!(units, "PP,{plant},plant {plant}").unwrap();
        for slot in 0..96 {
            let (hour, minute) = (slot / 4, slot % 4 * 15);
            let start = format!("2099-06-01T{hour:02}:{minute:02}:00Z");
            let issued = "2026-01-01T00:00:00Z";
            writeln!(rows, "PP,{plant},UserForecast,,{issued},,{start},15,MW,{plant},b{plant}")
                .unwrap();
        }
    }
    for (name, text) in [("memberships", members), ("units", units), ("forecasts", rows)] {
        fs::write(folder.join(format!("{name}.csv")), text).unwrap();
    }
    run(&data, ["replay".as_ref(), folder.as_os_str()]).succeeded();
    let server = Server::start_with(&data, |command| {
        command.arg("--accept-clock");
    });
    let client = server.client();
    let mut sum: f64 = (1..=500).sum::<i32>().into();
    let read_company = || company(&client, 1).unwrap();
    assert_eq!(read_company().0, sum);
    for change in 1..=20_u32 {
        let quarters = (0..4).map(|quarter| {
            json!({ "ds": format!("2099-06-01T00:{:02}:00Z", quarter * 15), "v": 1_000 + change })
        });
        let body = json!({ "unitForecastList": [{ "period": 15, "predictions": quarters.collect::<Vec<_>>() }] });
        client.post(&forecasts("UserForecast", change), &body).expect_status(200);
        sum += f64::from(1_000 + change) - f64::from(change);
        // The first read after each change.
        let before = blocks_visited(&client);
        let (value, members, reporting, _) = read_company();
        let of_company = blocks_visited(&client) - before;
        assert_eq!((value, members, reporting), (sum, 500, 500), "change {change}");
        let before = blocks_visited(&client);
        client.get(&format!("{}/latest?{DAY}&period=60", forecasts("UserForecast", change)));
        let of_plant = blocks_visited(&client) - before;
        assert!(of_plant > 0 && of_company <= 2 * of_plant, "{of_company} against {of_plant}");
    }
    server.stop().succeeded();
}

fn put(client: &Client, statements: &Value) -> u64 {
    let answer = client.put("/api/v2.0/memberships", statements).expect_status(200);
    answer.json()["additionalData"]["epoch"].as_u64().unwrap()
}

fn membership(company: u32, plant: u32, end: Option<&str>) -> Value {
    json!({ "parentType": "CMP", "parentNo": company, "childType": "PP", "childNo": plant, "validTo": end })
}

/// A service that knows companies 1 and 2 and plants 1 to 3 of company 1, each with 10 MW for an hour.
fn two_companies(room: &tempfile::TempDir) -> Server {
    let data = room.path().join("data");
    let server = Server::start(&data);
    let client = server.client();
    for number in [1, 2] {
        let name = json!({ "name": format!("company {number}") });
        client.put(&format!("/api/v2.0/units/CMP/{number}"), &name).expect_status(200);
    }
    for plant in 1..=3 {
        client.make_plant(plant);
        client.save(plant, 0, 10).expect_status(200);
    }
    let all: Vec<Value> = (1..=3).map(|plant| membership(1, plant, None)).collect();
    put(&client, &Value::Array(all));
    server
}

#[test]
fn a_plant_that_moves_shows_in_both_totals_at_one_epoch() {
    let room = tempfile::tempdir().unwrap();
    let server = two_companies(&room);
    let client = server.client();
    assert_eq!(company(&client, 1).unwrap().0, 30.0);
    assert_eq!(company(&client, 2), None);
    let reading = server.client();
    let (stop, stopped) = std::sync::mpsc::channel();
    // Whatever is read at one epoch while plants move to and fro, nothing is lost between the companies.
    let reader = std::thread::spawn(move || {
        let mut read = 0;
        while stopped.try_recv().is_err() {
            let epoch = company(&reading, 1).map_or(0, |(.., epoch)| epoch);
            let at = |number: u32| {
                let path = format!(
                    "/api/v2.0/totals/company/{number}/UserForecast?{DAY}&period=60&at_epoch={epoch}"
                );
                let answer = reading.get(&path);
                if answer.status == 404 {
                    return 0.0;
                }
                let value =
                    answer.expect_status(200).json()["data"][0]["predictions"][0]["v"].as_f64();
                value.unwrap_or(0.0)
            };
            if epoch > 0 {
                assert_eq!(at(1) + at(2), 30.0, "at epoch {epoch}");
                read += 1;
            }
        }
        read
    });
    for round in 0..40 {
        let (from, to) = if round % 2 == 0 { (1, 2) } else { (2, 1) };
        let deleted = "2000-01-01T00:00:00Z";
        let moved = json!([
            json!({ "parentType": "CMP", "parentNo": from, "childType": "PP", "childNo": 2,
                    "validFrom": "1999-01-01T00:00:00Z", "validTo": deleted }),
            membership(from, 2, Some(deleted)),
            membership(to, 2, None),
        ]);
        let epoch = put(&client, &moved);
        let path = |number: u32| {
            format!(
                "/api/v2.0/totals/company/{number}/UserForecast?{DAY}&period=60&at_epoch={epoch}"
            )
        };
        let expected = if round % 2 == 0 { (20.0, 10.0) } else { (30.0, 0.0) };
        let value = |number| total(&client, &path(number)).map_or(0.0, |(value, ..)| value);
        assert_eq!((value(1), value(2)), expected, "round {round}");
    }
    stop.send(()).unwrap();
    let read = reader.join().unwrap();
    println!("{read} reads of both companies at one epoch");
    assert!(read > 0);
    server.stop().succeeded();
}

#[test]
fn a_list_of_memberships_is_taken_whole_or_not_at_all() {
    let room = tempfile::tempdir().unwrap();
    let server = two_companies(&room);
    let client = server.client();
    let wrong = json!([membership(2, 1, None), membership(2, 99, None)]);
    let refused = client.put("/api/v2.0/memberships", &wrong);
    assert!(refused.status == 404 || refused.status == 400, "{}", refused.status);
    let wrong = json!([membership(2, 1, None), { "parentType": "CMP", "parentNo": 2,
        "childType": "PP", "childNo": 2, "validTo": "banana" }]);
    let refused = client.put("/api/v2.0/memberships", &wrong).expect_status(400);
    assert!(String::from_utf8_lossy(&refused.body).contains("[1].validTo"));
    assert_eq!(company(&client, 2), None);
    server.stop().succeeded();
}

#[test]
fn history_evolution_offset_and_many_units() {
    let room = tempfile::tempdir().unwrap();
    let server = two_companies(&room);
    let client = server.client();
    let path = forecasts("UserForecast", 1);
    // Issued an hour before delivery and half an hour before: an offset of 45 minutes sees the first.
    let issue = |value: u32, valid_after: &str| {
        let mut body = hourly([(hour(1), json!(value)), (hour(2), Value::Null)]);
        body["validAfter"] = json!(valid_after);
        let saved = client.post(&path, &body).expect_status(200).json();
        saved["data"][0]["batchId"].as_str().unwrap().to_owned()
    };
    let first = issue(7, "2099-06-01T00:00:00Z");
    let second = issue(8, "2099-06-01T00:30:00Z");
    let by_offset = |minutes: u32, words: &str| {
        let read = client
            .get(&format!("{path}/latest-by-production-time-offset?offset={minutes}&{DAY}{words}"));
        read.expect_status(200).json()["data"][0]["predictions"].clone()
    };
    let values = |predictions: &Value| -> Vec<f64> {
        predictions.as_array().unwrap().iter().map(|slot| slot["v"].as_f64().unwrap()).collect()
    };
    assert_eq!(values(&by_offset(45, "")), [10.0, 7.0]);
    assert_eq!(values(&by_offset(30, "")), [10.0, 8.0]);
    assert_eq!(values(&by_offset(45, "&period=30")), [10.0, 10.0, 7.0, 8.0]);
    assert_eq!(values(&by_offset(61, "")), [10.0]);
    let evolution = client.get(&format!("{path}/evolution?delivery=2099-06-01T01:20:00Z"));
    let evolution = evolution.expect_status(200).json();
    let told: Vec<(&str, &Value)> = evolution["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["batchId"].as_str().unwrap(), &one["v"]))
        .collect();
    assert_eq!(told, [(first.as_str(), &json!(7)), (second.as_str(), &json!(8))]);
    client.send("DELETE", &format!("/api/v2.0/batches/{second}"), &[], b"").expect_status(200);
    let history = client.get(&format!("{path}/history?{DAY}")).expect_status(200).json();
    let revisions = history["data"].as_array().unwrap();
    assert_eq!(revisions.len(), 3);
    assert_eq!(
        (&revisions[2]["batchId"], &revisions[2]["withdrawn"]),
        (&json!(second), &json!(true))
    );
    assert_eq!(revisions[2]["predictions"][1]["v"], Value::Null);
    assert_eq!(revisions[2]["predictions"][1]["confirmed"], true);
    assert_eq!(values(&by_offset(30, "")), [10.0, 7.0]);
    let known = revisions[1]["recorded"].as_str().unwrap();
    let then = client.get(&format!("{path}/history?{DAY}&known_at={known}")).expect_status(200);
    assert_eq!(then.json()["data"].as_array().unwrap().len(), 2);
    let body = json!({ "providerKey": "UserForecast", "unitType": "PP", "unitIds": null,
        "query": { "From": "2099-06-01T00:00:00Z", "to": "2099-06-02T00:00:00Z", "period": 60 } });
    for door in ["GetLatestMulti", "multi"] {
        let many = client.post(&format!("/api/v2.0/production-forecast/{door}"), &body);
        assert_eq!(many.expect_status(200).json()["data"].as_array().unwrap().len(), 3);
    }
    let refused = client.get(&format!("{path}/latest-by-date?{DAY}"));
    assert!(String::from_utf8_lossy(&refused.expect_status(400).body).contains("\"date\""));
    let all = "/api/v2.0/totals/all/all/UserForecast?from=1900-01-01T00:00Z&to=2199-01-01T00:00Z";
    let refused = client.get(all).expect_status(422);
    assert!(String::from_utf8_lossy(&refused.body).contains("smartpulse export"));
    let normalized =
        client.get(&format!("{path}/latest?{DAY}&normalized")).expect_status(200).json();
    let element = &normalized["data"][0];
    assert_eq!(
        (&element["fds"], &element["ps"][0]),
        (&json!("2099-06-01T00:00:00Z"), &json!("UserForecast"))
    );
    assert_eq!(element["normalizedPredictions"][0]["v"], 10);
    server.stop().succeeded();
}
