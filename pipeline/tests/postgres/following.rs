//! What follows from rows that change: whole transactions, rows that are deleted, tables that are emptied.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::random::{Desk, PROVIDERS, plants};
use super::rows::{insert, many, row};
use super::stage::{Database, Engine, assert_checks, await_truth, awaited, seed};

/// The hours and values that a plant shows.
fn shown(engine: &Engine, plant: u64) -> Vec<(u32, i64)> {
    let values = engine.latest(&[plant], &["Desk"]).into_iter();
    values.map(|((.., start), value)| (start[11..13].parse().unwrap(), value / 1_000_000)).collect()
}

fn await_shown(engine: &Engine, plant: u64, expected: &[(u32, i64)]) {
    let mut seen = Vec::new();
    for _ in 0..200 {
        seen = shown(engine, plant);
        if seen == expected {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{seen:?} instead of {expected:?}; {}", engine.words());
}

#[test]
fn a_row_that_is_deleted_lets_the_one_before_count_again() {
    let database = Database::new();
    database.sql(&plants());
    let room = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(&room.path().join("data"), &database.setting());
    engine.await_following();
    // Three batches, one after another; the second holds two hours.
    database.sql(&insert(&[row(1, 1, 1, 1, "10"), row(1, 1, 2, 1, "11")]));
    database.sql(&insert(&[row(2, 1, 1, 2, "20"), row(2, 1, 2, 2, "21")]));
    database.sql(&insert(&[row(3, 1, 1, 3, "30")]));
    await_shown(&engine, 1, &[(1, 30), (2, 21)]);
    database.sql("DELETE FROM t004forecast WHERE prediction_value = 30");
    await_shown(&engine, 1, &[(1, 20), (2, 21)]);
    // One hour of a batch; the other stays as of its instant.
    database.sql("DELETE FROM t004forecast WHERE prediction_value = 20");
    await_shown(&engine, 1, &[(1, 10), (2, 21)]);
    // Something late counts where a later row was deleted.
    database.sql(&insert(&[row(4, 1, 1, 0, "5")]));
    database.sql("DELETE FROM t004forecast WHERE prediction_value = 10");
    await_shown(&engine, 1, &[(1, 5), (2, 21)]);
    // Changed, then deleted: what it was before the change does not come forth.
    database.sql("UPDATE t004forecast SET prediction_value = 6 WHERE prediction_value = 5");
    await_shown(&engine, 1, &[(1, 6), (2, 21)]);
    database.sql("DELETE FROM t004forecast WHERE prediction_value = 6");
    await_shown(&engine, 1, &[(2, 21)]);
    // Both ways in one transaction.
    let both = [
        insert(&[row(5, 1, 4, 9, "50")]),
        "DELETE FROM t004forecast WHERE prediction_value = 50;".to_owned(),
    ];
    database.sql(&format!("BEGIN; {} COMMIT;", both.concat()));
    database.sql(&format!(
        "BEGIN; DELETE FROM t004forecast WHERE prediction_value = 21; {} COMMIT;",
        insert(&[row(2, 1, 2, 2, "22")])
    ));
    await_shown(&engine, 1, &[(2, 22)]);
    // A null is a row as well.
    database.sql(&insert(&[row(6, 1, 2, 6, "NULL")]));
    await_shown(&engine, 1, &[]);
    database.sql("DELETE FROM t004forecast WHERE prediction_value IS NULL");
    await_shown(&engine, 1, &[(2, 22)]);
    // All of it again from the journal.
    engine.kill();
    engine.start_again();
    await_shown(&engine, 1, &[(2, 22)]);
    database.sql(&insert(&[row(7, 2, 1, 7, "70")]));
    await_shown(&engine, 2, &[(1, 70)]);
    database.sql(&format!(
        "BEGIN; {} TRUNCATE t004forecast; {} COMMIT;",
        insert(&[row(8, 2, 2, 8, "80")]),
        insert(&[row(8, 2, 3, 8, "81")])
    ));
    await_shown(&engine, 1, &[]);
    await_shown(&engine, 2, &[(3, 81)]);
    await_truth(&engine, &database.server, &database.name, &["Desk"]);
    // What was decided in parts is decided the same from the journal.
    engine.stop();
    assert_checks(&room.path().join("data"));
}

#[test]
fn rows_that_are_deleted_at_random_leave_what_the_table_holds() {
    let seed = seed("rows_that_are_deleted_at_random");
    let database = Database::new();
    database.sql(&plants());
    let room = tempfile::tempdir().unwrap();
    let engine = Engine::start(&room.path().join("data"), &database.setting());
    engine.await_following();
    let mut desk = Desk::new(seed, 0);
    for round in 0..12 {
        database.sql(&desk.transactions(15));
        database.sql(&format!(
            "DELETE FROM t004forecast WHERE abs(hashtext(batch_id::text || delivery_start::text)) % 7 = {};",
            round % 7
        ));
        database.sql(&format!(
            "UPDATE t004forecast SET valid_after = valid_after + interval '1 hour' \
             WHERE abs(hashtext(batch_id::text)) % 31 = {round};"
        ));
        await_truth(&engine, &database.server, &database.name, &PROVIDERS);
    }
}

#[test]
fn a_transaction_is_seen_whole_or_not_at_all() {
    let database = Database::new();
    database.sql(&plants());
    let room = tempfile::tempdir().unwrap();
    let engine = Engine::start(&room.path().join("data"), &database.setting());
    engine.await_following();
    let read = || -> Value {
        let query = json!({ "from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z", "no-details": true });
        let asked = json!({ "providerKey": "Desk", "unitType": "PP", "unitIds": [1, 2, 3], "query": query });
        engine
            .client()
            .post("/api/v2.0/production-forecast/GetLatestMulti", &asked)
            .expect_status(200)
            .json()
    };
    let is_done = AtomicBool::new(false);
    let mut seen = std::collections::BTreeSet::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=150 {
                let mut text = "BEGIN;\n".to_owned();
                for plant in 1..=3 {
                    text.push_str(&insert(&[
                        row(round, plant, 1, round, &round.to_string()),
                        row(round, plant, 2, round, &round.to_string()),
                    ]));
                }
                // What was deleted and what came are seen at once, too.
                text.push_str(&format!(
                    "DELETE FROM t004forecast WHERE prediction_value = {};\nCOMMIT;\n",
                    round - 1
                ));
                database.sql(&text);
            }
            is_done.store(true, Ordering::Release);
        });
        while !is_done.load(Ordering::Acquire) {
            let said = read();
            let slots = said["data"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|one| one["predictions"].as_array().unwrap());
            let values: Vec<f64> = slots.filter_map(|slot| slot["v"].as_f64()).collect();
            if let Some(first) = values.first() {
                assert_eq!(values, [*first; 6], "torn: {said}");
                seen.insert(first.to_string());
            }
        }
    });
    println!("{} states seen", seen.len());
    assert!(seen.len() > 3);
    await_truth(&engine, &database.server, &database.name, &["Desk"]);
}

#[test]
fn rows_that_cannot_be_used_are_counted_and_named_and_hold_nothing_up() {
    let database = Database::new();
    database.sql(&plants());
    database.sql(&insert(&[row(1, 1, 1, 1, "1")]));
    let room = tempfile::tempdir().unwrap();
    let engine = Engine::start(&room.path().join("data"), &database.setting());
    engine.await_following();
    database.sql("INSERT INTO t004forecast VALUES (gen_random_uuid(), 'XX', 1, '2026-03-01', '2026-03-01 01:00', 'Desk', '2026-01-01', 1)");
    database.sql("INSERT INTO t004forecast VALUES (gen_random_uuid(), 'PP', 1, '2026-03-01', '2026-03-01 00:07', 'Desk', '2026-01-01', 1)");
    database.sql("INSERT INTO t004forecast VALUES (gen_random_uuid(), 'PP', 1, '2026-03-01 00:30', '2026-03-01 01:30', 'Desk', '2026-01-01', 1)");
    database.sql("INSERT INTO t004forecast VALUES (gen_random_uuid(), 'PP', 1, '2026-03-01', '2026-03-01 01:00', 'Desk', '2026-01-01', 'NaN')");
    database.sql("INSERT INTO t004forecast VALUES (gen_random_uuid(), 'PP', 1, '2026-03-01', '2026-03-01 01:00', 'Desk', 'infinity', 1)");
    database.sql("INSERT INTO t004forecast VALUES (gen_random_uuid(), 'PP', 4711, '2026-03-01', '2026-03-01 01:00', 'Desk', '2026-01-01', 1)");
    database.sql("INSERT INTO company_power_plants (company_id, power_plant_id, valid_from, valid_to) VALUES (1, 1, '2026-02-01', '2026-01-01')");
    database
        .sql("INSERT INTO power_plant (id, name, timezone) VALUES (77, 'Nowhere', 'Mars/Olympus')");
    database.sql(&insert(&[row(2, 2, 1, 1, "2")]));
    await_shown(&engine, 2, &[(1, 2)]);
    await_shown(&engine, 1, &[(1, 1)]);
    awaited("what was refused", || (engine.counted("refused") == 8).then_some(()));
    for word in [
        "unit_type must be",
        "delivery_end must be",
        "valid_after must be",
        "UNALIGNED_DELIVERY",
        "INVALID_VALUE",
        "UNKNOWN_UNIT",
        "valid_to must be",
        "zone must be",
    ] {
        assert!(engine.words().contains(word), "{word}: {}", engine.words());
    }
    assert_eq!(engine.source()["state"], "following");
}

/// Rows of a transaction that are held in memory here: everything larger goes into a file.
const FEW: [(&str, &str); 1] = [("SMARTPULSE_TEST_SPOOL_ROWS", "300")];

#[test]
fn a_transaction_of_any_size_is_one_epoch() {
    let database = Database::new();
    database.sql(&plants());
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let mut engine = Engine::start_with(&data, &database.setting(), &FEW);
    engine.await_following();
    let spools = || std::fs::read_dir(data.join("spools")).map_or(0, Iterator::count);
    let batches = |engine: &Engine| {
        let status = engine.client().get("/api/v2.0/status").json();
        status["data"]["epoch"].as_u64().unwrap()
    };
    let count = |engine: &Engine| engine.latest(&[1, 2, 3], &["Desk"]).len();
    // All of it comes at once, and what was said last of a row counts.
    let before = batches(&engine);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            database.sql(&format!(
                "BEGIN; INSERT INTO t004forecast_batch_info VALUES ('00000000-0000-0000-0000-000000000001', 'much'); {} \
                 UPDATE t004forecast SET prediction_value = prediction_value + 0.01 WHERE unit_no = 2; \
                 INSERT INTO power_plant (id, name) VALUES (500, 'late'); {} COMMIT;",
                many(1, 700, 1),
                insert(&[row(1, 500, 1, 1, "7")])
            ))
        });
        while !writing.is_finished() || count(&engine) == 0 {
            assert!(matches!(count(&engine), 0 | 2_100), "a part of it is shown");
        }
    });
    await_truth(&engine, &database.server, &database.name, &["Desk"]);
    assert_eq!(spools(), 1);
    assert!(batches(&engine) <= before + 2, "it is one epoch");
    let history = engine.client().get(
        "/api/v2.0/production-forecast/Desk/PP/1/forecasts/history?from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z",
    );
    assert_eq!(history.expect_status(200).json()["data"][0]["note"], "much");
    assert!(!engine.words().contains("it is read again"), "{}", engine.words());
    engine.stop();
    assert_checks(&data);
}

#[test]
fn what_lies_in_files_is_deleted_changed_and_applied_again_as_everything_else() {
    let database = Database::new();
    database.sql(&plants());
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    let mut engine = Engine::start_with(&data, &database.setting(), &FEW);
    engine.await_following();
    database.sql(&many(1, 700, 1));
    // It deletes some of its own rows, some of others, and all of a table.
    database.sql(&format!(
        "BEGIN; {} DELETE FROM t004forecast WHERE extract(hour FROM delivery_start) = 3; COMMIT;",
        many(2, 400, 2)
    ));
    await_truth(&engine, &database.server, &database.name, &["Desk"]);
    database.sql(&format!(
        "BEGIN; DELETE FROM t004forecast WHERE unit_no = 1; {} COMMIT;",
        many(3, 300, 3)
    ));
    await_truth(&engine, &database.server, &database.name, &["Desk"]);
    database.sql(&format!(
        "BEGIN; {} TRUNCATE t004forecast; {} COMMIT;",
        many(4, 300, 4),
        many(5, 200, 5)
    ));
    await_truth(&engine, &database.server, &database.name, &["Desk"]);
    // What was said of it before is little, and what comes is much.
    database.sql(&format!(
        "BEGIN; {} TRUNCATE t004forecast; {} COMMIT;",
        many(7, 20, 7),
        many(8, 400, 3)
    ));
    await_truth(&engine, &database.server, &database.name, &["Desk"]);
    // Some of it counts from later on: it does, without anyone asking.
    database.sql(&format!(
        "BEGIN; {} INSERT INTO t004forecast SELECT gen_random_uuid(), 'PP', 4, timestamp '2026-03-01' + slot * interval '1 hour', \
         timestamp '2026-03-01' + (slot + 1) * interval '1 hour', 'Desk', \
         (clock_timestamp() AT TIME ZONE 'UTC') + interval '4 seconds', 4 FROM generate_series(0, 9) slot; COMMIT;",
        many(6, 300, 6)
    ));
    awaited("what counts from later on", || (shown(&engine, 4).len() == 10).then_some(()));
    // A row told whole, before and after, is not deleted where only its value changed.
    let before = engine.words().len();
    database.sql("ALTER TABLE t004forecast REPLICA IDENTITY FULL");
    database.sql("UPDATE t004forecast SET prediction_value = prediction_value + 1");
    await_truth(&engine, &database.server, &database.name, &["Desk"]);
    assert!(!engine.words()[before..].contains("it is read again"), "{}", engine.words());
    // Killed in the middle of some: what is half done is done again, and what was journaled is applied.
    for round in 20..26 {
        let large = format!("BEGIN; {} COMMIT;", many(round, 500, round));
        std::thread::scope(|scope| {
            scope.spawn(|| database.sql(&large));
            std::thread::sleep(std::time::Duration::from_millis(u64::from(round - 15) * 25));
            engine.kill();
            engine.start_again();
        });
        await_truth(&engine, &database.server, &database.name, &["Desk"]);
    }
    engine.stop();
    assert_checks(&data);
}
