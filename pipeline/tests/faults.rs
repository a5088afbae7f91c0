//! What the program does with folders it must not touch, with damage, and with a disk that fills: a clear
//! word, exit code 1, and nothing changed that it cannot answer for.
#![allow(clippy::print_stdout, reason = "the figures a run prints")]
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]

#[path = "program/client.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod client;
#[path = "faults/disk.rs"]
mod disk;
#[path = "program/folder.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod folder;
#[path = "faults/journal.rs"]
mod journal;
#[path = "program/process.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod process;
#[path = "program/small_disk.rs"]
mod small_disk;
#[path = "faults/stored.rs"]
mod stored;

use std::fs;
use std::path::Path;

use folder::{records, segments, unchanged, with_saves};
use process::{Ended, Server, run};

/// A start that must be refused, with the folder left as it is.
fn refused(data: &Path) -> Ended {
    unchanged(data, || match Server::try_start(data, |_| {}) {
        Ok(_) => panic!("it started"),
        Err(ended) => ended,
    })
}

#[test]
fn a_second_process_is_refused_and_the_first_goes_on() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let server = Server::start(&data);
    let client = server.client();
    client.make_plant(1);
    client.save(1, 0, 10).expect_status(200);

    let out = room.path().join("out").display().to_string();
    for command in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["check"],
        &["export", "latest", "--out", &out],
        &["replay", &room.path().display().to_string()],
    ] {
        run(&data, command)
            .failed_saying(&[&data.display().to_string(), "in use by another process"]);
    }
    client.save(1, 1, 11).expect_status(200);
    assert_eq!(client.latest(1).len(), 2);
    server.stop().succeeded();
    assert_eq!(run(&data, ["check", "--json"]).succeeded().json()["differenceCount"], 0);
}

#[test]
fn a_folder_of_a_newer_release_is_refused() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    with_saves(&data, 3);
    let path = data.join("format.json");
    let format = fs::read_to_string(&path).unwrap();
    fs::write(&path, format.replace("\"version\":1", "\"version\":2")).unwrap();
    refused(&data).failed_saying(&[&data.display().to_string(), "version 2", "reads up to 1"]);

    // A newer form may name other things beside the version.
    fs::write(&path, r#"{"version":3,"keys":[]}"#).unwrap();
    fs::remove_file(data.join("lock")).unwrap();
    refused(&data).failed_saying(&["version 3", "reads up to 1"]);

    fs::write(&path, "{").unwrap();
    refused(&data).failed_saying(&[&data.display().to_string(), "format.json is damaged"]);
}

#[test]
fn a_journal_record_of_a_newer_release_is_refused() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    with_saves(&data, 4);
    let segment = segments(&data).remove(0);
    let whole = fs::read(&segment).unwrap();
    let records = records(&segment);
    for (offset, length) in [records[0], records[2], records[records.len() - 1]] {
        let mut bytes = whole.clone();
        bytes[offset + 16] = 3;
        let head = crc32c::crc32c(&bytes[offset..offset + 4]);
        let checksum = crc32c::crc32c_append(head, &bytes[offset + 8..offset + length]);
        bytes[offset + 4..offset + 8].copy_from_slice(&checksum.to_le_bytes());
        fs::write(&segment, bytes).unwrap();
        let place = format!("byte {offset} has version 3");
        let words = [&segment.display().to_string(), &place, "reads version 2"];
        refused(&data).failed_saying(&words);
        unchanged(&data, || run(&data, ["check"])).failed_saying(&words);
    }
}

#[test]
fn a_foreign_folder_is_left_alone() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("home");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("letters.txt"), "dear").unwrap();
    let words = [&data.display().to_string(), "not a data folder"];
    refused(&data).failed_saying(&words);
    unchanged(&data, || run(&data, ["check"])).failed_saying(&words);

    let nothing = room.path().join("nothing");
    for command in [&["check"][..], &["export", "latest", "--out", "out"]] {
        run(&nothing, command).failed_saying(&["no data folder", &nothing.display().to_string()]);
    }
    assert!(!nothing.exists());
}
