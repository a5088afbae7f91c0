//! The small files of a folder: what their cells mean and which faults stop a replay.

use expect_test::expect;

use crate::{Folder, rows};

#[test]
fn cells_of_the_small_files_become_statements() {
    let folder = Folder::of("")
        .with(
            "units.csv",
            "\u{feff}Unit_Type,UNIT_NO,name,plant_type,installed_power_mw,zone,region,valid_from\n\
             pp,1,Akköprü HES,hydro,12.5,Europe/Berlin,Ege,2026-01-01T00:00:00+01:00\n\
             CMP,7,,,,,,\n",
        )
        .with(
            "memberships.csv",
            "parent_type,parent_no,child_type,child_no,valid_from,valid_to\n\
             CMP,7,PP,1,,2026-06-01T00:00:00Z\n",
        )
        .with(
            "properties.csv",
            "unit_type,unit_no,key,value\nPP,1,upper_limit_mw,-1.5e0\nPP,1,market,\n",
        )
        .with(
            "locks.csv",
            "unit_type,unit_no,from,to,reason,expires,released\n\
             PP,1,2026-02-01T00:00:00Z,,audit,2026-03-01T00:00:00Z,\n",
        )
        .with("withdrawals.csv", "batch,recorded\n b ,2026-01-02T00:00:00Z\n");
    expect![[r#"
        unit PP 1 "Akköprü HES" Some("hydro") Some(1250000) Europe/Berlin Some("Ege") from 2025-12-31T23:00Z at always
        unit CMP 7 "CMP 7" None None Europe/Istanbul None from always at always
        Membership(Membership { parent: Unit { unit_type: Company, unit_no: 7 }, child: Unit { unit_type: PowerPlant, unit_no: 1 }, valid_from: Instant(-9223372036854775808), valid_to: Some(Instant(1780272000000000)), recorded: Instant(-9223372036854775808), deleted: false })
        Property(Property { unit: Unit { unit_type: PowerPlant, unit_no: 1 }, key: "upper_limit_mw", value: Some("-1.5e0"), recorded: Instant(-9223372036854775808) })
        Property(Property { unit: Unit { unit_type: PowerPlant, unit_no: 1 }, key: "market", value: None, recorded: Instant(-9223372036854775808) })
        Lock(Lock { id: 1, unit: Unit { unit_type: PowerPlant, unit_no: 1 }, from: Instant(1769904000000000), to: Instant(9223372036854775807), user: "replay", reason: "audit", expires: Some(Instant(1772323200000000)), released: None, recorded: Instant(-9223372036854775808) })
        Withdrawal(Withdrawal { batch: Source(" b "), recorded: Instant(1767312000000000), checks: Checks { gates: false, limits: false, locks: false, past_role: false }, user: None })
    "#]]
    .assert_eq(&folder.replay());
}

#[test]
fn an_unreadable_cell_stops_a_replay_before_it_begins() {
    let cases = [
        ("units.csv", "unit_type,unit_no,zone\nPP,1,\nPP,1,Mars/Base\n"),
        ("units.csv", "unit_type,unit_no,installed_power_mw\nPP,1,NaN\n"),
        ("units.csv", "unit_type,unit_no,recorded\nPP,1,2026-01-01T00:00:00\n"),
        ("units.csv", "unit_type,name\nPP,one\n"),
        ("memberships.csv", "parent_type,parent_no,child_type,child_no\nCMP,1,XX,1\n"),
        ("properties.csv", "unit_type,unit_no,key,value\nPP,1,lower_limit_mw,low\n"),
        ("properties.csv", "unit_type,unit_no,key,value\nPP,1,,1\n"),
        ("locks.csv", "unit_type,unit_no,from,to\nPP,-1,,\n"),
        ("withdrawals.csv", "batch,recorded\n,2026-01-01T00:00:00Z\n"),
        ("units.csv", "unit_type,unit_no\nPP\n"),
    ];
    let faults = cases.map(|(name, text)| {
        let folder = Folder::of(&rows(&["a,1,1,0,1"])).with(name, text);
        assert!(folder.open().is_err());
        folder.fault() + "\n"
    });
    expect![[r#"
        units.csv, row 2, column zone: Mars/Base is no IANA time zone
        units.csv, row 1, column installed_power_mw: must be a number of MW
        units.csv, row 1, column recorded: must be a time with its offset, like 2026-01-31T00:00:00Z
        units.csv: column unit_no is missing
        memberships.csv, row 1, column child_type: must be PP, CMP or GRP
        properties.csv, row 1, column value: must be a number of MW
        properties.csv, row 1, column key: must not be empty
        locks.csv, row 1, column unit_no: must be a positive integer
        withdrawals.csv, row 1, column batch: must name a batch
        units.csv, row 1: a row must have 2 cells like the header, this one has 1
    "#]]
    .assert_eq(&faults.concat());
}

#[test]
fn a_units_file_keeps_units_from_being_made_up() {
    let folder = Folder::of(&rows(&["a,1,1,0,1"])).with("units.csv", "unit_type,unit_no\nPP,2\n");
    let replay = folder.replay();
    assert_eq!(replay.matches("unit PP 2").count(), 1);
    assert!(!replay.contains("unit PP 1"), "{replay}");
}
