//! Data folders as files: what is in them byte by byte, and damage done to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use smartpulse::journal::{self, Journal};
use smartpulse_operators::batch::Epoch;
use uuid::Uuid;

use super::process::Server;

/// Bytes of a segment before its first record.
const SEGMENT_HEADER: usize = 36;
/// Bytes of a record before its payload: length, checksum, epoch, version.
pub(crate) const RECORD_HEADER: usize = 17;

/// Every file below `folder` with its content.
pub(crate) fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("the folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).expect("the file can be read");
                files.insert(path, bytes);
            }
        }
    }
    files
}

/// Runs `attempt` and holds that no file below `folder` was changed by it.
pub(crate) fn unchanged<T>(folder: &Path, attempt: impl FnOnce() -> T) -> T {
    let before = content(folder);
    let outcome = attempt();
    let after = content(folder);
    let changed = |path: &&PathBuf| before.get(*path) != after.get(*path);
    let changed: Vec<_> = before.keys().chain(after.keys()).filter(changed).collect();
    assert!(changed.is_empty(), "changed: {changed:?}");
    outcome
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    for (path, bytes) in content(from) {
        let path = to.join(path.strip_prefix(from).expect("a file below the folder"));
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("room for it");
        fs::write(path, bytes).expect("room for it");
    }
}

/// A folder with plant 1 and one save for each of the hours `0..saves`, cleanly stopped twice.
pub(crate) fn with_saves(data: &Path, saves: u32) {
    let server = Server::start(data);
    let client = server.client();
    client.make_plant(1);
    for slot in 1..saves {
        client.save(1, slot, slot).expect_status(200);
    }
    server.stop().succeeded();
    let server = Server::start(data);
    server.client().save(1, 0, 0).expect_status(200);
    server.stop().succeeded();
}

/// Changes one bit of a file.
pub(crate) fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).expect("the file can be read");
    bytes[offset] ^= 0x10;
    fs::write(path, bytes).expect("room for it");
}

/// The files of a folder with that extension, sorted.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = content(folder)
        .into_keys()
        .filter(|path| path.extension().is_some_and(|end| end == extension))
        .collect();
    files.sort();
    files
}

/// The journal's segments.
pub(crate) fn segments(data: &Path) -> Vec<PathBuf> {
    files(&data.join("journal"), "segment")
}

/// Offset and length of every record of a segment.
pub(crate) fn records(segment: &Path) -> Vec<(usize, usize)> {
    let bytes = fs::read(segment).expect("the segment can be read");
    let mut records = Vec::new();
    let mut offset = SEGMENT_HEADER;
    while offset < bytes.len() {
        let word = <[u8; 4]>::try_from(&bytes[offset..offset + 4]).expect("four bytes");
        let length = RECORD_HEADER + u32::from_le_bytes(word) as usize;
        records.push((offset, length));
        offset += length;
    }
    records
}

/// Cuts a folder's journal into segments of at least `bytes`.
pub(crate) fn cut_journal(data: &Path, bytes: u64) {
    let format = fs::read(data.join("format.json")).expect("a data folder");
    let format: serde_json::Value = serde_json::from_slice(&format).expect("a format");
    let incarnation = format["incarnation"].as_str().and_then(|text| text.parse::<Uuid>().ok());
    let incarnation = incarnation.expect("a format names the incarnation");
    let (whole, cut) = (data.join("journal"), data.join("cut"));
    let (mut journal, _) = Journal::open_with(&cut, incarnation, bytes).expect("a new journal");
    for tick in journal::read_after(&whole, incarnation, Epoch(0)).expect("a journal") {
        journal.append(&tick.expect("a tick")).expect("room for it");
    }
    journal.sync().expect("a disk");
    fs::remove_dir_all(&whole).expect("ours");
    fs::rename(cut, whole).expect("ours");
}
