//! Master data: every way in which the log names a row, values too long to be repeated, columns that come and go.

use std::collections::BTreeSet;

use serde_json::Value;

use super::random::plants;
use super::stage::{Database, Engine, awaited};

/// The memberships that are shown: parent, child, from, to.
fn memberships(engine: &Engine) -> BTreeSet<String> {
    let said = engine.client().get("/api/v2.0/memberships").expect_status(200).json();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let shown = said["data"].as_array().unwrap().iter().map(|one| {
        format!(
            "{} {} {} {} {} {}",
            text(&one["parentType"]),
            text(&one["parentNo"]),
            text(&one["childType"]),
            text(&one["childNo"]),
            text(&one["validFrom"]),
            text(&one["validTo"])
        )
    });
    shown.collect()
}

/// What the tables say, in the same words.
fn true_memberships(database: &Database) -> BTreeSet<String> {
    let instant = |column: &str| {
        format!(
            "CASE WHEN isfinite({column}) THEN to_char({column}, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') ELSE 'null' END"
        )
    };
    let rows = database.sql(&format!(
        "SELECT 'CMP ' || company_id || ' PP ' || power_plant_id || ' ' || {} || ' ' || {} FROM company_power_plants;\
         SELECT 'GRP ' || group_id || ' CMP ' || company_id || ' ' || {} || ' ' || coalesce({}, 'null') FROM group_company",
        instant("valid_from"),
        instant("valid_to"),
        instant("start_date"),
        instant("end_date")
    ));
    rows.lines().map(str::to_owned).collect()
}

fn await_memberships(engine: &Engine, database: &Database, what: &str) {
    let expected = true_memberships(database);
    let mut shown = BTreeSet::new();
    for _ in 0..200 {
        shown = memberships(engine);
        if shown == expected {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{what}: {shown:#?} instead of {expected:#?}; {}", engine.words());
}

fn property(engine: &Engine, unit: &str, key: &str) -> Option<String> {
    let answer = engine.client().get(&format!("/api/v2.0/units/{unit}/properties/{key}"));
    let said = answer.json();
    said["data"]["value"].as_str().map(str::to_owned)
}

fn await_property(engine: &Engine, unit: &str, key: &str, expected: Option<&str>) {
    let mut seen = None;
    for _ in 0..200 {
        seen = property(engine, unit, key);
        if seen.as_deref() == expected {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{unit} {key}: {seen:?} instead of {expected:?}; {}", engine.words());
}

fn await_unit(engine: &Engine, unit: &str, field: &str, expected: &Value) {
    awaited(&format!("{unit} with {field} {expected}"), || {
        let said = engine.client().get(&format!("/api/v2.0/units/{unit}")).json();
        (said["data"][field] == *expected).then_some(())
    });
}

#[test]
fn rows_are_known_by_whatever_the_log_names_them() {
    let database = Database::new();
    database.sql(&plants());
    database.sql("CREATE UNIQUE INDEX by_pair ON company_power_plants (power_plant_id, valid_from, company_id)");
    let room = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(&room.path().join("data"), &database.setting());
    engine.await_following();
    await_memberships(&engine, &database, "as read");
    for (round, identity) in
        ["DEFAULT", "FULL", "USING INDEX by_pair", "FULL", "DEFAULT"].into_iter().enumerate()
    {
        database.sql(&format!("ALTER TABLE company_power_plants REPLICA IDENTITY {identity}"));
        let year = 2021 + round;
        database.sql(&format!(
            "BEGIN; UPDATE company_power_plants SET valid_to = '{year}-06-01' WHERE power_plant_id = 1 AND valid_to = 'infinity'; \
             INSERT INTO company_power_plants (company_id, power_plant_id, valid_from) VALUES ({}, 1, '{year}-06-01'); COMMIT; \
             UPDATE company_power_plants SET company_id = 9 WHERE power_plant_id = 2; \
             UPDATE company_power_plants SET valid_from = '{year}-02-01' WHERE power_plant_id = 3; \
             DELETE FROM company_power_plants WHERE power_plant_id = 4; \
             INSERT INTO company_power_plants (company_id, power_plant_id, valid_from) VALUES (2, 4, '{year}-01-01'); \
             BEGIN; DELETE FROM company_power_plants; ROLLBACK;",
            round + 3
        ));
        await_memberships(&engine, &database, identity);
        engine.kill();
        database.sql("UPDATE company_power_plants SET company_id = 8 WHERE power_plant_id = 2");
        engine.start_again();
        await_memberships(&engine, &database, identity);
    }
    // Two rows that say the same: it holds until both are gone.
    let twice = "INSERT INTO company_power_plants (company_id, power_plant_id, valid_from) VALUES (3, 6, '2028-01-01');";
    database.sql(&format!("DROP INDEX by_pair; {twice} {twice}"));
    let one = "DELETE FROM company_power_plants WHERE id = (SELECT max(id) FROM company_power_plants WHERE power_plant_id = 6 AND company_id = 3)";
    database.sql(one);
    await_memberships(&engine, &database, "one of two");
    database.sql(one);
    await_memberships(&engine, &database, "both");
    // Insertions alone need no name.
    database.sql("ALTER TABLE company_power_plants REPLICA IDENTITY NOTHING");
    database.sql("INSERT INTO company_power_plants (company_id, power_plant_id, valid_from) VALUES (5, 5, '2029-01-01')");
    await_memberships(&engine, &database, "NOTHING");
    database.sql("TRUNCATE company_power_plants, group_company");
    database.sql("INSERT INTO group_company (group_id, company_id, start_date, end_date) VALUES (7, 7, '2029-01-01', '2029-02-01')");
    await_memberships(&engine, &database, "TRUNCATE");
}

#[test]
fn what_is_too_long_to_be_repeated_is_known_from_before() {
    let database = Database::new();
    database.sql(&plants());
    let room = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(&room.path().join("data"), &database.setting());
    engine.await_following();
    // Random text does not compress: the value lies outside of the row.
    let limits = |upper: u32| {
        format!(
            "jsonb_build_object('lowerLimit', '-1.5', 'upperLimit', {upper}, 'more', \
             (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 400)))"
        )
    };
    database.sql(&format!(
        "INSERT INTO t000entity_property (entity_type, entity_id, key, value) VALUES \
         ('PP', 1, 'PlantLimitSettings', {}), ('PP', 2, 'Other', '1'), ('CMP', 1, 'CompanyLimitSettings', '{{\"upperLimit\": null}}')",
        limits(12)
    ));
    await_property(&engine, "PP/1", "upper_limit_mw", Some("12"));
    await_property(&engine, "PP/1", "lower_limit_mw", Some("-1.5"));
    assert_eq!(property(&engine, "CMP/1", "upper_limit_mw"), None);
    engine.kill();
    // Another column changes: the value is not repeated.
    database.sql(
        "UPDATE t000entity_property SET entity_id = 3 WHERE entity_id = 1 AND entity_type = 'PP'",
    );
    engine.start_again();
    await_property(&engine, "PP/3", "upper_limit_mw", Some("12"));
    await_property(&engine, "PP/1", "upper_limit_mw", None);
    database.sql("ALTER TABLE t000entity_property REPLICA IDENTITY FULL");
    database.sql("UPDATE t000entity_property SET entity_id = 4 WHERE entity_id = 3");
    await_property(&engine, "PP/4", "upper_limit_mw", Some("12"));
    database.sql("UPDATE t000entity_property SET value = value || '{\"upperLimit\": 0.25}' WHERE entity_id = 4");
    await_property(&engine, "PP/4", "upper_limit_mw", Some("0.25"));
    database.sql("DELETE FROM t000entity_property WHERE entity_id = 4");
    await_property(&engine, "PP/4", "upper_limit_mw", None);
    await_property(&engine, "PP/4", "lower_limit_mw", None);
    assert_eq!(engine.counted("refused"), 0, "{}", engine.words());
}

#[test]
fn columns_come_and_go_and_names_change() {
    let database = Database::new();
    database.sql(&plants());
    let room = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(&room.path().join("data"), &database.setting());
    engine.await_following();
    await_unit(&engine, "PP/1", "plantType", &"solar".into());
    database.sql("UPDATE power_plant_type SET name = 'offshore wind' WHERE id = 2");
    await_unit(&engine, "PP/1", "plantType", &"offshore wind".into());
    database.sql(
        "BEGIN; ALTER TABLE power_plant ADD COLUMN tags text[] DEFAULT '{a,b}', ADD COLUMN seen timestamptz DEFAULT now(); \
         ALTER TABLE power_plant DROP COLUMN is_active; UPDATE power_plant SET name = 'Été ''77\t\\' WHERE id = 1; COMMIT;",
    );
    await_unit(&engine, "PP/1", "name", &"Été '77\t\\".into());
    database.sql("ALTER TABLE power_plant DROP COLUMN tags; UPDATE power_plant SET installed_power_mw = 0.1 WHERE id = 1");
    await_unit(&engine, "PP/1", "installedPowerMw", &0.1.into());
    database.sql("UPDATE power_plant SET region = NULL, timezone = 'Asia/Kolkata' WHERE id = 1");
    await_unit(&engine, "PP/1", "zone", &"Asia/Kolkata".into());
    await_unit(&engine, "PP/1", "region", &Value::Null);
    // Forecasts too, and in the middle of a transaction.
    database.sql("ALTER TABLE t004forecast ADD COLUMN more jsonb, ALTER COLUMN prediction_value TYPE numeric(20, 6)");
    database.sql(
        "BEGIN; INSERT INTO t004forecast VALUES (gen_random_uuid(), 'PP', 1, '2026-03-01', '2026-03-01 01:00', 'Desk', '2026-01-01', 1.000010, '{}'); \
         ALTER TABLE t004forecast DROP COLUMN more; \
         INSERT INTO t004forecast VALUES (gen_random_uuid(), 'PP', 1, '2026-03-01 01:00', '2026-03-01 02:00', 'Desk', '2026-01-01', -0.000010); COMMIT;",
    );
    super::stage::await_truth(&engine, &database.server, &database.name, &["Desk"]);
    // A column that is needed is gone: nothing is guessed, and it goes on when it is back.
    database.sql("ALTER TABLE t004forecast RENAME COLUMN provider_key TO who");
    database.sql("INSERT INTO t004forecast VALUES (gen_random_uuid(), 'PP', 1, '2026-03-01 03:00', '2026-03-01 04:00', 'Desk', '2026-01-01', 3)");
    awaited("a column that is missed", || {
        let source = engine.source();
        let reason = source["reason"].as_str().unwrap_or_default();
        (source["state"] == "degraded" && reason.contains("no column provider_key")).then_some(())
    });
    let ready = engine.client().get("/health/ready").expect_status(200).json();
    assert_eq!(ready["degraded"][0]["name"], "postgres", "{ready}");
    // The log tells of the column as it was then: all is read anew, by somebody's leave.
    database.sql("ALTER TABLE t004forecast RENAME COLUMN who TO provider_key");
    engine.stop();
    database.sql(&format!("SELECT pg_drop_replication_slot('{}')", database.name));
    engine.set(&database.setting_with(", on_lost=\"snapshot\""));
    engine.start_again();
    engine.await_following();
    super::stage::await_truth(&engine, &database.server, &database.name, &["Desk"]);
    // A table that is gone is missed, too, while it is followed.
    database.sql("ALTER TABLE t004forecast RENAME TO elsewhere");
    awaited("a table that is missed", || {
        let source = engine.source();
        let reason = source["reason"].as_str().unwrap_or_default();
        reason.contains("t004forecast that was read is not there any more").then_some(())
    });
    database.sql("ALTER TABLE elsewhere RENAME TO t004forecast");
    engine.await_following();
}

#[test]
fn a_lock_of_the_table_is_a_lock_here() {
    let database = Database::new();
    database.sql(&plants());
    let room = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(&room.path().join("data"), &database.setting());
    engine.await_following();
    let client = engine.client();
    let save = |value: u32| -> u16 {
        let body = serde_json::json!({ "unitForecastList": [{ "period": 60, "predictions": [{ "ds": "2099-03-01T00:00:00Z", "v": value }] }] });
        client.post("/api/v2.0/production-forecast/Rest/PP/1/forecasts", &body).status
    };
    let await_save = |status: u16| {
        let mut value = 0;
        awaited(&format!("a save with {status}"), || {
            value += 1;
            (save(value) == status).then_some(())
        });
    };
    await_save(200);
    database.sql(
        "INSERT INTO t004forecast_lock (batch_id, unit_type, unit_no, delivery_start, delivery_end, updated_user_id) \
         VALUES (gen_random_uuid(), 'PP', 1, '2099-03-01', '2099-03-02', 7)",
    );
    await_save(422);
    database.sql("UPDATE t004forecast_lock SET enabled = false");
    await_save(200);
    engine.kill();
    database.sql("UPDATE t004forecast_lock SET enabled = true");
    engine.start_again();
    await_save(422);
    database.sql("UPDATE t004forecast_lock SET delivery_start = '2099-03-01 01:00'");
    await_save(200);
    database.sql("UPDATE t004forecast_lock SET delivery_start = '2099-03-01'");
    await_save(422);
    // Of another unit it is another lock, there and here, after a start too.
    database.sql("UPDATE t004forecast_lock SET unit_no = 2");
    await_save(200);
    engine.kill();
    engine.start_again();
    await_save(200);
    database.sql("UPDATE t004forecast_lock SET unit_no = 1");
    await_save(422);
    database.sql("DELETE FROM t004forecast_lock");
    await_save(200);
    let locks = client.get("/api/v2.0/locks").expect_status(200).json();
    let locks = locks["data"].as_array().cloned().unwrap_or_default();
    assert!(locks.iter().all(|lock| lock["id"].as_u64() < Some(1 << 53)), "{locks:?}");
}
