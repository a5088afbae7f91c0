//! Exports while saves, withdrawals and moves of plants go on.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Value, json};

use super::client::{Client, forecasts, hour, hourly};
use super::process::Server;
use super::runs::bytes_of;
use super::{VIEWS, export, export_stopped, newest_epoch, words};

const PLANTS: u32 = 6;
const WRITERS: u32 = 3;
/// Epochs that are exported.
const ROUNDS: usize = 6;
/// Between two saves of a writer: an epoch stays retained long enough for its exports.
const PACE: Duration = Duration::from_millis(4);

/// Saves whole curves of every plant and withdraws every fifth batch, until told to stop.
fn write(client: &Client, writer: u32, stop: &AtomicBool, saves: &AtomicU64) {
    for round in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let plant = 1 + (writer + round) % PLANTS;
        let value = |slot: u32| json!(1 + (writer * 7 + round * 13 + slot) % 500);
        let (first, last) = (round % 20, 24 + round % 24);
        let curve = hourly((first..last).map(|slot| (hour(slot), value(slot))));
        let answer = client.post(&forecasts("UserForecast", plant), &curve).expect_status(200);
        saves.fetch_add(1, Ordering::Relaxed);
        if round % 5 == 4 {
            let batch = answer.json()["data"][0]["batchId"].as_str().unwrap().to_owned();
            client
                .send("DELETE", &format!("/api/v2.0/batches/{batch}"), &[], b"")
                .expect_status(200);
        }
        thread::sleep(PACE);
    }
}

/// Moves plant 1 between the companies, each time at one epoch, until told to stop.
fn trade(client: &Client, stop: &AtomicBool) {
    let (mut from, mut to) = (1, 2);
    while !stop.load(Ordering::Relaxed) {
        let sold = json!([belongs(from, 1, Some("2000-01-01T00:00:00Z")), belongs(to, 1, None)]);
        client.put("/api/v2.0/memberships", &sold).expect_status(200);
        (from, to) = (to, from);
        thread::sleep(PACE * 5);
    }
}

fn belongs(company: u32, plant: u32, end: Option<&str>) -> Value {
    json!({ "parentType": "CMP", "parentNo": company, "childType": "PP", "childNo": plant, "validTo": end })
}

fn found(client: &Client) {
    for company in [1, 2] {
        let name = json!({ "name": format!("company {company}") });
        client.put(&format!("/api/v2.0/units/CMP/{company}"), &name).expect_status(200);
    }
    for plant in 1..=PLANTS {
        client.make_plant(plant);
        client
            .put("/api/v2.0/memberships", &belongs(1 + plant / 4, plant, None))
            .expect_status(200);
    }
}

/// The rows of a view, each by the names of its columns.
fn rows(view: &Path) -> Vec<BTreeMap<String, Field>> {
    let mut rows = Vec::new();
    for (path, bytes) in bytes_of(view) {
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
            let columns = row.get_column_iter();
            rows.push(columns.map(|(name, field)| (name.clone(), field.clone())).collect());
        }
    }
    rows
}

fn text(field: &Field) -> String {
    let Field::Str(text) = field else { panic!("no text: {field}") };
    text.clone()
}

fn megawatts(field: &Field) -> f64 {
    let Field::Double(value) = field else { panic!("no number: {field}") };
    *value
}

fn micros(field: &Field) -> i64 {
    let Field::TimestampMicros(micros) = field else { panic!("no instant: {field}") };
    *micros
}

/// That what all plants sum up to is what the companies do, slot by slot; the number of slots.
fn assert_totals_add_up(view: &Path, epoch: u64) -> usize {
    let mut all: BTreeMap<i64, f64> = BTreeMap::new();
    let mut companies: BTreeMap<i64, f64> = BTreeMap::new();
    for row in rows(view) {
        let (start, value) = (micros(&row["delivery_start"]), megawatts(&row["value_mw"]));
        match text(&row["dimension"]).as_str() {
            "all" => *all.entry(start).or_default() += value,
            "company" => *companies.entry(start).or_default() += value,
            _ => {}
        }
    }
    assert_eq!(all, companies, "epoch {epoch}");
    all.len()
}

/// That the exported rows are what the door says at that epoch.
fn assert_latest_is_what_the_door_says(view: &Path, client: &Client, epoch: u64) {
    let mut exported: BTreeMap<(u32, i64), f64> = BTreeMap::new();
    for row in rows(view) {
        let Field::Long(unit) = row["unit_no"] else { panic!("{}", row["unit_no"]) };
        let key = (unit as u32, micros(&row["delivery_start"]));
        exported.insert(key, megawatts(&row["value_mw"]));
    }
    let mut told: BTreeMap<(u32, i64), f64> = BTreeMap::new();
    for plant in 1..=PLANTS {
        for (start, value) in client.latest_with(plant, &format!("&at_epoch={epoch}")) {
            let start: jiff::Timestamp = start.parse().unwrap();
            if let Some(value) = value.as_f64() {
                told.insert((plant, start.as_microsecond()), value);
            }
        }
    }
    assert_eq!(exported, told, "epoch {epoch}");
}

/// Tells the writers to stop, also where a comparison fails.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Exports the newest epoch twice while saves go on; the number of slots of its totals.
fn export_twice(address: SocketAddr, room: &Path, saves: &AtomicU64) -> usize {
    let client = Client::new(address);
    let epoch = newest_epoch(&client);
    let flags = words(["--epoch", &epoch.to_string()]);
    let (first, again) = (room.join("first"), room.join("again"));
    let before = saves.load(Ordering::Relaxed);
    for view in VIEWS {
        let said = export(address, view, &first, &flags).succeeded().json();
        assert_eq!(said["epoch"], epoch);
    }
    assert_latest_is_what_the_door_says(&first.join("latest"), &client, epoch);
    for view in VIEWS {
        export(address, view, &again, &flags).succeeded();
        let same = bytes_of(&first.join(view)) == bytes_of(&again.join(view));
        assert!(same, "{view} of epoch {epoch} has changed");
    }
    assert!(saves.load(Ordering::Relaxed) > before, "no save meanwhile");
    assert!(newest_epoch(&client) > epoch);
    assert_totals_add_up(&first.join("totals"), epoch)
}

#[test]
fn an_epoch_is_exported_the_same_again_while_saves_go_on() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let server = Server::start(&data);
    let (client, address) = (server.client(), server.address());
    found(&client);
    let (stop, saves) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (client, stop, saves) = (server.client(), &stop, &saves);
            scope.spawn(move || write(&client, writer, stop, saves));
        }
        let (trader, stopped) = (server.client(), &stop);
        scope.spawn(move || trade(&trader, stopped));
        let _stop = Stop(&stop);
        let mut slots = 0;
        for _ in 0..ROUNDS {
            thread::sleep(Duration::from_millis(100));
            slots += export_twice(address, room.path(), &saves);
        }
        println!("{slots} slots of totals, {} saves", saves.load(Ordering::Relaxed));
        assert!(slots > 0);
    });
    // At rest: the last epoch is what the stopped folder shows.
    let flags = words(["--epoch", &newest_epoch(&client).to_string()]);
    let (served, stopped) = (room.path().join("served"), room.path().join("stopped"));
    let said = VIEWS.map(|view| export(address, view, &served, &flags).succeeded().json());
    server.stop().succeeded();
    for (view, said) in VIEWS.into_iter().zip(said) {
        assert_eq!(export_stopped(&data, view, &stopped, &flags), said, "{view}");
    }
    assert!(bytes_of(&served) == bytes_of(&stopped), "the stopped folder shows other bytes");
}
