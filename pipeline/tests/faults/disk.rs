//! A disk that fills: saves are refused, reads go on, and with room the saves do too; nothing that was
//! acknowledged is lost. The disk is a small tmpfs, which only root may mount.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Answer, Client, forecasts};
use super::process::{Ended, Server, finish, program, run};
use super::small_disk::Disk;

/// Hours of a large save: 200 days.
const HOURS: usize = 4_800;
/// Most saves until a disk of 24 MB must be full.
const MANY: u32 = 5_000;
/// Polls of a tenth of a second until room is noticed.
const POLLS: u32 = 600;

/// A save of noise, which no coding makes small.
fn save(client: &Client, round: u32) -> Answer {
    let start = |hour: usize| {
        let day = hour / 24;
        format!("2099-{:02}-{:02}T{:02}:00:00Z", 1 + day / 28, 1 + day % 28, hour % 24)
    };
    let noise = |hour: usize| {
        let mixed = (hour as u64 + 1).wrapping_mul(u64::from(round) + 7) ^ 0x5bd1;
        mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48
    };
    let slots = (0..HOURS).map(|hour| json!({ "ds": start(hour), "v": noise(hour) }));
    let entry = json!({ "period": 60, "predictions": slots.collect::<Vec<Value>>() });
    client.post(&forecasts("UserForecast", 1), &json!({ "unitForecastList": [entry] }))
}

/// Saves until the disk is full; the sequences acknowledged.
fn fill(client: &Client, sequences: &mut Vec<u64>) {
    for round in 0..MANY {
        let answer = save(client, round);
        if answer.status == 200 {
            sequences.push(answer.json()["additionalData"]["sequence"].as_u64().unwrap());
            continue;
        }
        let refused = answer.expect_status(503);
        assert_eq!(refused.code(), "DISK_FULL");
        assert!(!refused.header("retry-after").is_empty());
        return;
    }
    panic!("the disk did not fill");
}

fn goes_on(server: &Server, client: &Client, sequences: &mut Vec<u64>) {
    for round in 0..POLLS {
        let answer = save(client, MANY + round);
        if answer.status == 200 {
            sequences.push(answer.json()["additionalData"]["sequence"].as_u64().unwrap());
            return;
        }
        assert_eq!(answer.code(), "DISK_FULL");
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("saves did not go on with room: {}", server.words());
}

fn fills_and_goes_on(reserve: &'static str) {
    let disk = Disk::mount("24m");
    let data = disk.data();
    let configure = |command: &mut Command| {
        command.env("SMARTPULSE_DISK_RESERVE_BYTES", reserve);
    };
    let server = Server::start_with(&data, configure);
    let client = server.client();
    client.make_plant(1);
    let mut sequences = Vec::new();
    fill(&client, &mut sequences);
    let full_at = sequences.len();
    println!("reserve {reserve}: full after {full_at} saves of {HOURS} values");
    let shown = client.latest(1);
    assert_eq!(shown.len(), 28 * 24, "a month of reads goes on");
    assert_eq!(save(&client, 1).code(), "DISK_FULL", "and saves are still refused");
    assert_eq!(client.latest(1), shown);
    disk.grow("64m");
    goes_on(&server, &client, &mut sequences);
    let newest = client.latest(1);
    assert_ne!(newest, shown);
    server.stop().succeeded();
    holds_all(&data, &sequences, &newest, configure);
}

fn holds_all(
    data: &Path,
    sequences: &[u64],
    newest: &[(String, Value)],
    configure: impl Fn(&mut Command),
) {
    assert!(
        sequences.iter().copied().eq(1..=sequences.len() as u64),
        "refused saves have no place"
    );
    let server = Server::start_with(data, configure);
    assert_eq!(server.client().latest(1), newest);
    let status = server.client().get("/api/v2.0/status").json();
    assert_eq!(status["data"]["counts"]["batches"], sequences.len());
    server.stop().succeeded();
    let checked = run(data, ["check", "--json"]).succeeded().json();
    assert_eq!(checked["differenceCount"], 0);
    let out = data.join("../out").display().to_string();
    let exported = run(data, ["export", "batches", "--out", &out, "--json"]).succeeded().json();
    assert_eq!(exported["rows"], sequences.len());
}

#[test]
fn a_disk_that_fills_up_to_the_reserve_refuses_saves_until_there_is_room() {
    fills_and_goes_on("8388608");
}

#[test]
fn a_disk_that_fills_to_the_last_byte_does_too() {
    fills_and_goes_on("0");
}

#[test]
fn a_record_that_finds_no_room_is_taken_back() {
    let disk = Disk::mount("24m");
    let data = disk.data();
    let configure = |command: &mut Command| {
        command.env("SMARTPULSE_DISK_RESERVE_BYTES", "0");
    };
    let server = Server::start_with(&data, configure);
    let client = server.client();
    client.make_plant(1);
    let mut sequences = Vec::new();
    goes_on(&server, &client, &mut sequences);
    // Somebody else takes all the room: the save after the store has written finds none.
    let filler = disk.data().with_file_name("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[1; 4_096]).is_ok() {}
    for round in 1..3 {
        assert_eq!(save(&client, round).expect_status(503).code(), "DISK_FULL");
    }
    drop(file);
    std::fs::remove_file(filler).unwrap();
    goes_on(&server, &client, &mut sequences);
    let newest = client.latest(1);
    server.stop().succeeded();
    holds_all(&data, &sequences, &newest, configure);
}

#[test]
fn a_replay_on_a_full_disk_ends_with_a_word_and_resumes_with_room() {
    let room = tempfile::tempdir().unwrap();
    let source = room.path().join("forecasts.csv");
    write_source(&source);
    for (reserve, size) in [("8388608", "10m"), ("0", "2m")] {
        // Only the journal lies on the small disk: sorting a source takes more room than its journal.
        let disk = Disk::mount(size);
        let data = room.path().join(format!("data-{reserve}"));
        Server::start(&data).stop().succeeded();
        std::fs::remove_dir_all(data.join("journal")).unwrap();
        std::fs::create_dir(disk.data()).unwrap();
        std::os::unix::fs::symlink(disk.data(), data.join("journal")).unwrap();
        let replay = |data: &Path| -> Ended {
            let mut command = program();
            command.env("SMARTPULSE_DISK_RESERVE_BYTES", reserve);
            command.args(["replay", "--json"]).arg(&source).arg("--data").arg(data);
            finish(&mut command)
        };
        for _ in 0..2 {
            replay(&data).failed_saying(&["the disk of the journal is full"]);
        }
        disk.grow("64m");
        let resumed = replay(&data).succeeded().json();
        let elsewhere = replay(&room.path().join(format!("ample-{reserve}"))).succeeded().json();
        for count in ["read", "saved", "skipped", "hashes", "content"] {
            assert_eq!(resumed[count], elsewhere[count], "{count}");
        }
        run(&data, ["check"]).succeeded();
    }
}

/// A long-format file of saves, each of a day of 5-minute noise.
fn write_source(path: &Path) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let columns = "unit_type,unit_no,provider,kind,valid_after,recorded,delivery_start,period_minutes,measure_unit,value,batch";
    writeln!(file, "{columns}").unwrap();
    for batch in 0..SOURCE_BATCHES {
        let (day, hour) = (1 + batch % 28, batch / 28 % 24);
        let recorded =
            format!("2026-01-01T{:02}:{:02}:{:02}Z", batch / 3_600, batch / 60 % 60, batch % 60);
        for slot in 0..288_u32 {
            let start = format!("2026-02-{day:02}T{:02}:{:02}:00Z", slot / 12, slot % 12 * 5);
            let value = (batch * 288 + slot).wrapping_mul(2_654_435_761) >> 8;
            let value = format!("{}.{:05}", value % 900, value % 100_000);
            writeln!(file, "PP,{},A,,{recorded},,{start},5,MW,{value},b{batch}", 1 + hour).unwrap();
        }
    }
}

/// Enough for a journal of several MB.
const SOURCE_BATCHES: u32 = 3_000;
