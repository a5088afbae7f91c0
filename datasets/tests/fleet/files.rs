//! A fleet as files gives the changes of the fleet again.

use std::fs;

use smartpulse_datasets::{Fleet, ReplayRules, Source};
use smartpulse_operators::change::Change;
use uuid::Uuid;

use crate::{changes, rules};

#[test]
fn the_folder_replays_as_the_fleet_itself() {
    let room = tempfile::tempdir().unwrap();
    let out = room.path().join("out");
    let fleet = Fleet::parse("7:plants=25,days=3").unwrap();
    let mut steps = Vec::new();
    let written = fleet.write(&out, |done, all| steps.push((done, all))).unwrap();
    assert!(steps.is_sorted() && steps.last().unwrap().1 == 3 * 1_440);
    let spilling = ReplayRules { spill_dir: room.path().join("spill"), ..rules() };
    let mut again = Source::LongFormat(out.clone()).open(&spilling).unwrap();
    let mut counts = [0_u64; 2];
    for change in changes("fleet:7:plants=25,days=3") {
        if let Change::Save(save) = &change {
            counts[0] += 1;
            counts[1] += save.entries.iter().map(|entry| entry.curve.len() as u64).sum::<u64>();
        }
        let read = again.next().unwrap().unwrap();
        assert!(read == change, "{read:?}\n{change:?}");
    }
    assert!(again.next().is_none());
    assert_eq!((written.batches, written.values), (counts[0], counts[1]));

    let second = room.path().join("second");
    fleet.write(&second, |_, _| {}).unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(&out).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(fs::read(out.join(&name)).unwrap() == fs::read(second.join(&name)).unwrap());
        names.push(name.into_string().unwrap());
    }
    names.sort();
    let files =
        ["forecasts.csv", "memberships.csv", "properties.csv", "units.csv", "withdrawals.csv"];
    assert_eq!(names, files);
}

#[test]
fn the_bytes_are_those_of_every_machine() {
    let room = tempfile::tempdir().unwrap();
    let out = room.path().join("out");
    Fleet::parse("7:plants=20,days=2").unwrap().write(&out, |_, _| {}).unwrap();
    let digest = |name: &str| {
        let bytes = fs::read(out.join(format!("{name}.csv"))).unwrap();
        format!("{name} {}\n", Uuid::new_v5(&Uuid::nil(), &bytes))
    };
    let names = ["forecasts", "units", "memberships", "properties", "withdrawals"];
    let digests: String = names.into_iter().map(digest).collect();
    // Drawn once; other digests are other fleets under the same seeds, and that is news to users.
    expect_test::expect![[r#"
        forecasts 27e200d8-c12d-510d-b8e3-8e2cf127f1dc
        units 9749119d-35b0-5971-b368-2742cfcd4daa
        memberships a50261b8-cd24-5fc8-90ee-310b5c978188
        properties 1d8d8285-0f7e-57ce-9b8f-c41b4699b143
        withdrawals ad48a648-8d1f-58db-be30-f6319f45bf1c
    "#]]
    .assert_eq(&digests);
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let room = tempfile::tempdir().unwrap();
    let fleet = Fleet::parse("7:plants=1,days=1").unwrap();
    let out = room.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("note"), "mine").unwrap();
    let fault = fleet.write(&out, |_, _| {}).unwrap_err().to_string();
    assert!(fault.contains("must be empty or new") && fault.contains("out"), "{fault}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    assert_eq!(fs::read_dir(room.path()).unwrap().count(), 1, "nothing stays beside it");

    fs::remove_file(out.join("note")).unwrap();
    // What a killed run left is no obstacle.
    let left = room.path().join(".out.partial");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("forecasts.csv"), "half").unwrap();
    fleet.write(&out, |_, _| {}).unwrap();
    assert_eq!(fs::read_dir(&out).unwrap().count(), 5);
    assert!(!left.exists());

    let file = room.path().join("file");
    fs::write(&file, "mine").unwrap();
    let fault = fleet.write(&file, |_, _| {}).unwrap_err().to_string();
    assert!(fault.contains("file"), "{fault}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}
