//! Damage to what is made from the journal: snapshots and the history store.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use fjall::{Database, KeyspaceCreateOptions};
use serde_json::json;

use super::client::{forecasts, hour, hourly};
use super::folder::{content, copy, files, flip, with_saves};
use super::process::{Server, run};
use super::refused;

#[test]
fn a_damaged_snapshot_gives_way_to_an_older_one() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    with_saves(&data, 4);
    let snapshots = files(&data.join("snapshots"), "snapshot");
    assert_eq!(snapshots.len(), 2, "one for each stop");
    let newest = &snapshots[1];
    let name = newest.display().to_string();
    let length = fs::metadata(newest).unwrap().len() as usize;
    for offset in [0, length / 2, length - 1] {
        flip(newest, offset);
        let server = Server::start(&data);
        assert!(server.words().contains("another snapshot is used"), "{}", server.words());
        assert_eq!(server.client().latest(1).len(), 4);
        server.stop().succeeded();
        let checked = run(&data, ["check"]);
        assert_eq!(checked.code, Some(1));
        assert!(checked.words.contains(&name), "{}", checked.words);
        flip(newest, offset);
    }
    for snapshot in &snapshots {
        flip(snapshot, length / 2);
    }
    let server = Server::start(&data);
    assert_eq!(server.client().latest(1).len(), 4, "from the journal alone");
    server.stop().succeeded();
}

#[test]
fn a_snapshot_of_a_newer_release_is_refused() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    with_saves(&data, 3);
    let snapshot = files(&data.join("snapshots"), "snapshot").remove(1);
    let mut frames = Vec::new();
    let file = fs::File::open(&snapshot).unwrap();
    zstd::Decoder::new(file).unwrap().read_to_end(&mut frames).unwrap();
    // Length of the frame, its kind, then the version; what follows may have any form.
    assert_eq!(frames[8..10], [0, 3]);
    frames[9] = 4;
    frames[10..].fill(0xff);
    let mut out = zstd::Encoder::new(Vec::new(), 1).unwrap();
    out.include_checksum(true).unwrap();
    out.write_all(&frames).unwrap();
    fs::write(&snapshot, out.finish().unwrap()).unwrap();
    let words = [&snapshot.display().to_string(), "has version 4", "reads version 3"];
    refused(&data).failed_saying(&words);
}

/// Writes the store's memory to tables and returns those of the keyspace `name`.
fn tables(data: &Path, name: &str) -> Vec<PathBuf> {
    let path = data.join("history");
    let database = Database::builder(&path).open().unwrap();
    let keyspace = database.keyspace(name, KeyspaceCreateOptions::default).unwrap();
    keyspace.rotate_memtable_and_wait().unwrap();
    let tables = keyspace.path().join("tables");
    drop((keyspace, database));
    content(&tables).into_keys().collect()
}

#[test]
fn a_damaged_history_store_is_named_or_made_anew() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    with_saves(&data, 4);
    let table = tables(&data, "revisions").remove(0);
    let length = fs::metadata(&table).unwrap().len() as usize;
    let out = room.path().join("out").display().to_string();
    run(&data, ["export", "history", "--out", &out]).succeeded();
    run(&data, ["check"]).succeeded();
    let exported = content(Path::new(&out));
    let mut named = 0;
    for offset in [20, 60, 140, length / 3, length / 2, length * 3 / 4, length * 9 / 10] {
        let damaged = room.path().join(format!("damaged-{offset}"));
        copy(&data, &damaged);
        flip(&damaged.join(table.strip_prefix(&data).unwrap()), offset);
        let checked = run(&damaged, ["check"]);
        assert_eq!(checked.code, Some(1), "byte {offset}: {checked:?}");
        let again = room.path().join(format!("out-{offset}")).display().to_string();
        let ended = run(&damaged, ["export", "history", "--out", &again]);
        if ended.code == Some(0) {
            // What shows when the store is opened is mended from the journal, which holds everything.
            assert!(ended.words.contains("made anew from the journal"), "{ended:?}");
            let mended = content(Path::new(&again));
            assert!(mended.values().eq(exported.values()), "byte {offset}");
            run(&damaged, ["check"]).succeeded();
        } else {
            // What shows only when it is read ends the command with the store's name.
            let store = format!("history store {}", damaged.join("history").display());
            ended.failed_saying(&[&store, "ChecksumMismatch"]);
            named += 1;
        }
    }
    assert!(named > 0, "some of it shows only when it is read");
}

#[test]
fn a_service_that_meets_damage_stops_rather_than_decide_on_it() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    with_saves(&data, 3);
    let server = Server::start(&data);
    let saved = server.client().save(1, 5, 5).expect_status(200).json();
    let batch = format!("/api/v2.0/batches/{}", saved["data"][0]["batchId"].as_str().unwrap());
    server.client().get(&batch).expect_status(200);
    server.stop().succeeded();
    flip(&tables(&data, "revisions")[0], 60);
    flip(&tables(&data, "batches")[0], 60);

    let mut server = Server::start(&data);
    let client = server.client();
    assert_eq!(client.latest(1).len(), 4, "what is live is known without the store");
    let unread = client.get(&batch).expect_status(503);
    assert_eq!(unread.code(), "HISTORY_UNREADABLE", "it is not said to be unknown");
    // A save from before the others is decided with their history.
    let mut earlier = hourly([(hour(5), json!(9))]);
    earlier["validAfter"] = json!("2020-01-01T00:00:00Z");
    client.post(&forecasts("UserForecast", 1), &earlier).expect_status(503);
    let store = format!("history store {}", data.join("history").display());
    server.wait().failed_saying(&[&store, "ChecksumMismatch"]);
    // The save is in the journal and waits for a store that can be read.
    // Opening the store may tidy its tables, so its folder is not compared.
    let ended = Server::try_start(&data, |_| {}).err().expect("it does not start");
    ended.failed_saying(&[&store, "ChecksumMismatch"]);
    // What is made from the journal can be made again.
    fs::remove_dir_all(data.join("history")).unwrap();
    let server = Server::start(&data);
    assert_eq!(server.client().latest(1).len(), 4);
    server.client().get(&batch).expect_status(200);
    server.stop().succeeded();
    assert_eq!(run(&data, ["check", "--json"]).succeeded().json()["differenceCount"], 0);
}
