//! A journal that was cut off, altered, or mixed up.

use std::fs;
use std::path::Path;

use super::folder::{
    RECORD_HEADER, copy, cut_journal, flip, records, segments, unchanged, with_saves,
};
use super::process::{Server, run};
use super::refused;

/// Offsets into a record, one in each field and at the ends of the longest.
fn fields(length: usize) -> [usize; 8] {
    let middle = RECORD_HEADER + (length - RECORD_HEADER) / 2;
    [0, 3, 4, 8, 16, RECORD_HEADER, middle, length - 1]
}

#[test]
fn a_torn_tail_is_dropped_with_a_warning() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    with_saves(&data, 3);
    // The process dies when the save is in the journal and before anybody has seen it.
    let dies = |command: &mut std::process::Command| {
        command.env("SMARTPULSE_FAILPOINT", "journal-appended:2");
    };
    let mut server = Server::start_with(&data, dies);
    let client = server.client();
    client.save(1, 5, 5).expect_status(200);
    assert!(client.attempt_save(1, 6, 6).is_none(), "it is dead");
    assert_eq!(server.wait().code, None, "killed");

    let last = *records(&segments(&data)[0]).last().unwrap();
    let (offset, length) = last;
    for kept in fields(length).map(|field| field.max(1)) {
        let torn = room.path().join(format!("torn-{kept}"));
        copy(&data, &torn);
        let segment = segments(&torn).remove(0);
        let bytes = fs::read(&segment).unwrap();
        fs::write(&segment, &bytes[..offset + kept]).unwrap();
        starts_without_it(&torn, kept);
    }
    // Blocks of a file that had been made longer, but not written.
    let torn = room.path().join("zeros");
    copy(&data, &torn);
    let segment = segments(&torn).remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[offset..].fill(0);
    fs::write(&segment, bytes).unwrap();
    starts_without_it(&torn, length);
    // Nothing is torn where nothing was cut: the save that nobody was told of counts.
    let server = Server::start(&data);
    assert_eq!(server.client().latest(1).len(), 5);
    assert!(!server.words().contains("dropped a record"));
    server.stop().succeeded();
}

fn starts_without_it(data: &Path, bytes: usize) {
    let server = Server::start(data);
    let words = server.words();
    assert!(words.contains("dropped a record"), "{words}");
    assert!(words.contains(&format!("bytes={bytes}")), "{words}");
    let client = server.client();
    assert_eq!(client.latest(1).len(), 4, "what was acknowledged");
    client.save(1, 6, 66).expect_status(200);
    server.stop().succeeded();
    run(data, ["check"]).succeeded();
}

#[test]
fn an_altered_byte_is_named_with_its_place() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    with_saves(&data, 5);
    let segment = segments(&data).remove(0);
    let name = segment.display().to_string();
    let records = records(&segment);
    for (offset, length) in [records[0], records[2], records[records.len() - 2]] {
        for field in fields(length) {
            flip(&segment, offset + field);
            let place = format!("damaged at byte {offset}: its ");
            let place = if field < 4 { &place[..place.len() - 4] } else { &place };
            refused(&data).failed_saying(&[&name, place]);
            flip(&segment, offset + field);
        }
    }
    flip(&segment, 30);
    refused(&data).failed_saying(&[&name, "damaged at byte 0"]);
    flip(&segment, 30);
    run(&data, ["check"]).succeeded();
}

#[test]
fn an_altered_last_record_that_was_acknowledged_is_missed() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    with_saves(&data, 3);
    let segment = segments(&data).remove(0);
    let name = segment.display().to_string();
    let (offset, length) = *records(&segment).last().unwrap();
    let place = format!("from byte {offset} on");
    for field in fields(length) {
        flip(&segment, offset + field);
        let words = ["acknowledged changes are missing", &name, &place];
        refused(&data).failed_saying(&words);
        flip(&segment, offset + field);
    }
    flip(&segment, offset + length - 1);
    let checked = unchanged(&data, || run(&data, ["check", "--json"]));
    assert_eq!(checked.code, Some(1));
    assert!(checked.json()["differenceCount"].as_u64().unwrap() > 0);
    flip(&segment, offset + length - 1);
    run(&data, ["check"]).succeeded();
}

#[test]
fn a_history_store_that_knows_more_than_the_journal_is_believed() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    with_saves(&data, 2);
    let server = Server::start(&data);
    for slot in 2..40 {
        server.client().save(1, slot, slot).expect_status(200);
    }
    // Killed: there is no snapshot of these saves, but most of them are in the history store.
    assert_eq!(server.kill().code, None);
    let segment = segments(&data).remove(0);
    let (offset, _) = records(&segment)[5];
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..offset + 9]).unwrap();
    let words = ["journal ends at epoch 5", "history store holds epoch", "changes are missing"];
    refused(&data).failed_saying(&words);
}

#[test]
fn a_missing_segment_is_named() {
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    with_saves(&data, 4);
    cut_journal(&data, 1);
    run(&data, ["check"]).succeeded();
    let all = segments(&data);
    assert_eq!(all.len(), 5, "one for each record");
    let aside = room.path().join("aside");

    fs::rename(&all[2], &aside).unwrap();
    let next = all[3].display().to_string();
    refused(&data).failed_saying(&[&next, "begins with epoch 4", "a segment is missing"]);
    fs::rename(&aside, &all[2]).unwrap();

    fs::rename(&all[4], &aside).unwrap();
    refused(&data).failed_saying(&["acknowledged changes are missing"]);
    fs::rename(&aside, &all[4]).unwrap();

    // The first is needed where no snapshot stands in for it.
    fs::rename(&all[0], &aside).unwrap();
    Server::start(&data).stop().succeeded();
    fs::rename(data.join("snapshots"), room.path().join("snapshots")).unwrap();
    refused(&data).failed_saying(&["begins after epoch 1"]);
    fs::rename(&aside, &all[0]).unwrap();
    Server::start(&data).stop().succeeded();

    fs::rename(data.join("journal"), &aside).unwrap();
    refused(&data).failed_saying(&["journal ends at epoch 0", "acknowledged changes are missing"]);
}

#[test]
fn a_segment_of_another_folder_is_refused() {
    let room = tempfile::tempdir().unwrap();
    let (data, other) = (room.path().join("data"), room.path().join("other"));
    with_saves(&data, 3);
    with_saves(&other, 3);
    for folder in [&data, &other] {
        cut_journal(folder, 1);
    }
    let (all, others) = (segments(&data), segments(&other));
    for index in [0, 1, all.len() - 1] {
        let own = fs::read(&all[index]).unwrap();
        fs::copy(&others[index], &all[index]).unwrap();
        let name = all[index].display().to_string();
        refused(&data).failed_saying(&[&name, "belongs to another data folder"]);
        fs::write(&all[index], own).unwrap();
    }
    run(&data, ["check"]).succeeded();
}
