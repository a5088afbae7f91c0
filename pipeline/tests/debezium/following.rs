//! What is in the tables is shown: as they are at the beginning, and whatever follows.

use super::chain::Chain;
use super::load::assert_each_row_once;
use super::random::{Desk, PROVIDERS, plants};
use super::rows::{insert, many, row};
use super::stage::{assert_checks, await_truth, awaited, seed};

#[test]
fn tables_are_read_and_followed_whole() {
    let seed = seed("tables_are_read_and_followed_whole");
    let mut desk = Desk::new(seed, 0);
    let before = plants() + &desk.transactions(60);
    let mut chain = Chain::new(&before);
    chain.await_read();
    let (server, name) = chain.tables();
    await_truth(&chain.engine, &server, &name, &PROVIDERS);
    for _ in 0..6 {
        chain.database.sql(&desk.transactions(25));
        chain.engine.kill();
        chain.database.sql(&desk.transactions(25));
        chain.engine.start_again();
    }
    await_truth(&chain.engine, &server, &name, &PROVIDERS);
    assert_each_row_once(&chain.engine, &server, &name);
    awaited("everything acknowledged", || {
        (chain.engine.source()["counts"]["backlog"] == 0).then_some(())
    });
    assert_eq!(chain.engine.counted("waiting"), 0, "{}", chain.engine.source());
    chain.engine.stop();
    assert_checks(&chain.room.path().join("data"));
}

/// Everything that Debezium can be told to write otherwise.
const OTHERWISE: &str = "\
value.converter.schemas.enable=true
key.converter.schemas.enable=true
decimal.handling.mode=string
time.precision.mode=connect
tombstones.on.delete=false";

#[test]
fn schemas_tell_what_values_mean_and_columns_may_change() {
    let chain = Chain::with(&plants(), OTHERWISE, "", &[]);
    chain.await_read();
    let (server, name) = chain.tables();
    let seen = |plant: u32, field: &str| {
        let said = chain.engine.client().get(&format!("/api/v2.0/units/PP/{plant}")).json();
        said["data"][field].clone()
    };
    chain.database.sql(&insert(&[row(1, 1, 1, 1, "10.25"), row(1, 1, 2, 1, "NULL")]));
    await_truth(&chain.engine, &server, &name, &["Desk"]);
    chain.database.sql(
        "ALTER TABLE t004forecast ALTER COLUMN prediction_value TYPE numeric(20, 6), ADD COLUMN more jsonb; \
         ALTER TABLE power_plant ADD COLUMN tags text[] DEFAULT '{a,b}', DROP COLUMN is_active;",
    );
    chain.database.sql(
        "BEGIN; INSERT INTO t004forecast VALUES (gen_random_uuid(), 'PP', 1, '2026-03-01 05:00', '2026-03-01 06:00', 'Desk', \
         '2026-01-01', 1.000010, '{}'); UPDATE power_plant SET name = 'other', installed_power_mw = 0.1 WHERE id = 1; COMMIT; \
         DELETE FROM t004forecast WHERE prediction_value = 10.25;",
    );
    await_truth(&chain.engine, &server, &name, &["Desk"]);
    awaited("the plant", || {
        (seen(1, "name") == "other" && seen(1, "installedPowerMw") == 0.1).then_some(())
    });
    // Emptied in the middle of a transaction.
    chain.database.sql(&format!(
        "BEGIN; {} TRUNCATE t004forecast; {} COMMIT;",
        insert(&[row(8, 2, 2, 8, "80")]),
        insert(&[row(8, 2, 3, 8, "81")])
    ));
    await_truth(&chain.engine, &server, &name, &["Desk"]);
    assert_eq!(chain.engine.counted("refused"), 0, "{}", chain.engine.words());
}

/// Rows of a transaction that are held in memory here: everything larger goes into a file.
const FEW: [(&str, &str); 1] = [("SMARTPULSE_TEST_SPOOL_ROWS", "300")];

#[test]
fn a_transaction_of_any_size_is_one_epoch() {
    let mut chain = Chain::with(&plants(), "", "", &FEW);
    chain.await_read();
    let (server, name) = chain.tables();
    let count = |chain: &Chain| chain.engine.latest(&[1, 2, 3], &["Desk"]).len();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            chain.database.sql(&format!(
                "BEGIN; {} UPDATE t004forecast SET prediction_value = prediction_value + 0.01 WHERE unit_no = 2; COMMIT;",
                many(1, 700, 1)
            ))
        });
        while !writing.is_finished() || count(&chain) == 0 {
            assert!(matches!(count(&chain), 0 | 2_100), "a part of it is shown");
        }
    });
    await_truth(&chain.engine, &server, &name, &["Desk"]);
    let spools = std::fs::read_dir(chain.room.path().join("data/spools")).unwrap().count();
    assert_eq!(spools, 1, "its values lie in a file");
    // It deletes some of its own rows: it is read again.
    chain.database.sql(&format!(
        "BEGIN; {} DELETE FROM t004forecast WHERE extract(hour FROM delivery_start) = 3; COMMIT;",
        many(2, 400, 2)
    ));
    await_truth(&chain.engine, &server, &name, &["Desk"]);
    // Many small ones lie behind a large one, more than is held.
    let small: String = (10..40).map(|batch| many(batch, 20, batch)).collect();
    chain.database.sql(&format!("BEGIN; {} COMMIT; {small}", many(3, 600, 3)));
    await_truth(&chain.engine, &server, &name, &["Desk"]);
    for round in 50..53 {
        let large = format!("BEGIN; {} COMMIT;", many(round, 500, round));
        let database = &chain.database;
        std::thread::scope(|scope| {
            scope.spawn(|| database.sql(&large));
            std::thread::sleep(std::time::Duration::from_millis(u64::from(round - 45) * 60));
            chain.engine.kill();
            chain.engine.start_again();
        });
        await_truth(&chain.engine, &server, &name, &["Desk"]);
    }
    chain.engine.stop();
    assert_checks(&chain.room.path().join("data"));
}
