//! Damage to what is made from the journal: snapshots and the history store.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use fjall::{Database, KeyspaceCreateOptions};

use super::folder::{content, files, flip, with_saves};
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
        assert!(server.words().contains("an older snapshot is used"), "{}", server.words());
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
    assert_eq!(frames[8..10], [0, 1]);
    frames[9] = 2;
    frames[10..].fill(0xff);
    let mut out = zstd::Encoder::new(Vec::new(), 1).unwrap();
    out.include_checksum(true).unwrap();
    out.write_all(&frames).unwrap();
    fs::write(&snapshot, out.finish().unwrap()).unwrap();
    let words = [&snapshot.display().to_string(), "has version 2", "reads version 1"];
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
fn a_damaged_history_store_is_named() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    with_saves(&data, 4);
    let tables = tables(&data, "revisions");
    println!("{tables:?}");
    let out = room.path().join("out").display().to_string();
    run(&data, ["export", "history", "--out", &out]).succeeded();
    run(&data, ["check"]).succeeded();
    let n = fs::metadata(&tables[0]).unwrap().len();
    println!("{n}");
    for o in (0..n).step_by(3) {
        flip(&tables[0], o as usize);
        let e = run(&data, ["export", "history", "--out", &out]);
        let c = run(&data, ["check"]);
        println!(
            "{o} {:?} {:?} {} {}",
            e.code,
            c.code,
            e.words.lines().find(|l| l.starts_with("smartpulse")).unwrap_or("-"),
            c.words.lines().find(|l| l.starts_with("smartpulse")).unwrap_or("-")
        );
        if !(e.code == Some(1) && c.code == Some(1)) {
            println!("XX {} {}", e.words, c.words);
        }
        flip(&tables[0], o as usize);
    }
}
