//! The first reading, and what stands in its way.

use super::random::{Desk, PROVIDERS, plants};
use super::stage::{Database, Engine, assert_checks, await_truth, awaited, seed};

#[test]
fn tables_are_read_as_they_are_and_followed_from_there() {
    let seed = seed("tables_are_read_as_they_are");
    let database = Database::new();
    let mut desk = Desk::new(seed, 0);
    database.sql(&plants());
    database.sql(&desk.transactions(40));
    let room = tempfile::tempdir().unwrap();
    // What is written while the tables are read is in what is read or in what follows, and in one of them alone.
    let mut beside = Desk::new(seed + 1, 1);
    let during = beside.transactions(200);
    let engine = std::thread::scope(|scope| {
        let writing = scope.spawn(|| database.sql(&during));
        let engine = Engine::start(&room.path().join("data"), &database.setting());
        engine.await_following();
        writing.join().unwrap();
        engine
    });
    await_truth(&engine, &database.server, &database.name, &PROVIDERS);
    database.sql(&desk.transactions(100));
    await_truth(&engine, &database.server, &database.name, &PROVIDERS);
    assert_eq!(engine.counted("refused"), 0, "{}", engine.words());

    // User and note of a batch, whether it was read or followed.
    let answer = engine.client().get(
        "/api/v2.0/production-forecast/Desk/PP/1/forecasts/history?from=2026-03-01T00:00:00Z&to=2026-03-09T00:00:00Z",
    );
    let revisions = answer.expect_status(200).json();
    let revisions = revisions["data"].as_array().unwrap();
    assert!(!revisions.is_empty());
    for revision in revisions {
        assert!(revision["note"].as_str().unwrap().starts_with("n "), "{revision}");
        assert!(revision["user"].as_str().unwrap().parse::<u32>().is_ok(), "{revision}");
    }
}

fn await_reason(engine: &Engine, words: &str) {
    awaited(words, || {
        let source = engine.source();
        let reason = source["reason"].as_str().unwrap_or_default();
        (source["state"] == "degraded" && reason.contains(words)).then_some(())
    });
}

#[test]
fn what_stands_in_the_way_is_said_with_the_way_out() {
    let database = Database::new();
    database.sql(&plants());
    let room = tempfile::tempdir().unwrap();
    let data = room.path().join("data");
    // A slot that somebody else may read.
    database.sql(&format!(
        "SELECT pg_create_logical_replication_slot('{}', 'pgoutput')",
        database.name
    ));
    let mut engine = Engine::start(&data, &database.setting());
    await_reason(&engine, &format!("pg_drop_replication_slot('{}')", database.name));
    database.sql(&format!("SELECT pg_drop_replication_slot('{}')", database.name));
    engine.await_following();
    let mut desk = Desk::new(1, 0);
    database.sql(&desk.transactions(20));
    await_truth(&engine, &database.server, &database.name, &PROVIDERS);

    // A second engine with the same slot waits, and says so.
    let second = Engine::start(&room.path().join("second"), &database.setting());
    await_reason(&second, "has not read from it");
    drop(second);

    // The slot is lost; what changed meanwhile cannot be told, so it says that.
    engine.stop();
    database.sql(&format!("SELECT pg_drop_replication_slot('{}')", database.name));
    database.sql(&desk.transactions(20));
    database.sql(
        "DELETE FROM t004forecast WHERE abs(hashtext(batch_id::text)) % 3 = 0; \
         DELETE FROM t004forecast WHERE abs(hashtext(delivery_start::text)) % 5 = 0; \
         UPDATE t004forecast SET prediction_value = 1 WHERE abs(hashtext(delivery_start::text)) % 7 = 0; \
         DELETE FROM company_power_plants WHERE power_plant_id = 1",
    );
    engine.start_again();
    await_reason(&engine, "there is no slot");
    await_reason(&engine, "on_lost");
    engine.stop();
    engine.set(&database.setting_with(", on_lost=\"snapshot\""));
    engine.start_again();
    engine.await_following();
    await_truth(&engine, &database.server, &database.name, &PROVIDERS);
    let parents = engine.client().get("/api/v2.0/memberships?childType=PP&childNo=1");
    assert_eq!(parents.expect_status(200).json()["data"].as_array().map(Vec::len), Some(0));
    database.sql(&desk.transactions(20));
    await_truth(&engine, &database.server, &database.name, &PROVIDERS);
}

#[test]
fn the_log_of_other_tables_is_not_held_back() {
    let database = Database::new();
    database.sql(&plants());
    database.sql("CREATE TABLE other (text text)");
    let room = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(&room.path().join("data"), &database.setting());
    engine.await_following();
    database.sql("INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 5000)");
    let before = database.sql("SELECT pg_current_wal_lsn()");
    awaited("a slot that is confirmed without a change", || {
        let reached = database.sql(&format!(
            "SELECT confirmed_flush_lsn >= '{before}' FROM pg_replication_slots WHERE slot_name = '{}'",
            database.name
        ));
        (reached == "t").then_some(())
    });
    // It is where the engine goes on.
    engine.kill();
    engine.start_again();
    engine.await_following();
}

#[test]
fn tables_of_any_shape_are_mapped_by_a_file() {
    let database = Database::empty();
    database.sql(&format!(
        "CREATE SCHEMA wind; \
         CREATE TABLE wind.parks (code bigint PRIMARY KEY, title text, since timestamptz, mw numeric); \
         CREATE TABLE wind.curves (park bigint, at timestamptz, kwh numeric, issued timestamptz, model text, PRIMARY KEY (park, at, model)) PARTITION BY RANGE (at); \
         CREATE TABLE wind.curves_early PARTITION OF wind.curves FOR VALUES FROM (MINVALUE) TO ('2026-03-01'); \
         CREATE TABLE wind.curves_late PARTITION OF wind.curves FOR VALUES FROM ('2026-03-01') TO (MAXVALUE); \
         CREATE TABLE wind.meters (park bigint, day date, hour int, mwh double precision, PRIMARY KEY (park, day)); \
         INSERT INTO wind.parks VALUES (1, 'one', NULL, 100), (2, 'two', '-infinity', 5.5); \
         INSERT INTO wind.curves VALUES (1, '2026-02-28 23:45+00', 250, '2026-01-01', 'm'), (1, '2026-03-01 03:00+03', 500.25, '2026-01-01', 'm'); \
         CREATE PUBLICATION {} FOR TABLE wind.parks, wind.curves WHERE (park < 100), wind.meters WITH (publish_via_partition_root = true);",
        database.name
    ));
    let room = tempfile::tempdir().unwrap();
    let mapping = room.path().join("mapping.toml");
    std::fs::write(
        &mapping,
        "[[table]]\ntable = \"wind.parks\"\ninput = \"units\"\n[table.fields]\nunit_type = { value = \"PP\" }\nunit_no = \"code\"\n\
         name = \"title\"\ninstalled_power_mw = \"mw\"\nvalid_from = \"since\"\n\
         [[table]]\ntable = \"wind.curves\"\ninput = \"forecasts\"\n[table.fields]\nunit_type = { value = \"PP\" }\nunit_no = \"park\"\n\
         provider = \"model\"\ndelivery_start = \"at\"\nperiod_minutes = { value = \"15\" }\nvalid_after = \"issued\"\nvalue = \"kwh\"\n\
         measure_unit = { value = \"kWh\" }\n\
         [[table]]\ntable = \"wind.meters\"\ninput = \"forecasts\"\n[table.fields]\nunit_type = { value = \"PP\" }\nunit_no = \"park\"\n\
         provider = { value = \"Meter\" }\nkind = { value = \"actual\" }\ndelivery_start = { column = \"day\", zone = \"Europe/Istanbul\" }\n\
         period_minutes = { value = \"60\" }\nvalue = \"mwh\"\nmeasure_unit = { value = \"MWh\" }\n",
    )
    .unwrap();
    let mapped =
        format!(", mapping={:?}, publication={:?}", mapping.display().to_string(), database.name);
    let engine = Engine::start(&room.path().join("data"), &database.setting_with(&mapped));
    // The key of a deleted row would not say which version it was.
    await_reason(&engine, "wind.curves that is deleted would be named without its issued");
    for table in ["curves", "curves_early"] {
        database.sql(&format!("ALTER TABLE wind.{table} REPLICA IDENTITY FULL"));
    }
    await_reason(&engine, "REPLICA IDENTITY FULL (each partition, too)");
    database.sql("ALTER TABLE wind.curves_late REPLICA IDENTITY FULL");
    engine.await_following();
    let shown = |plant: u64| -> Vec<(String, i64)> {
        let values = engine.latest(&[plant], &["m"]).into_iter();
        values.map(|((.., start), value)| (start, value)).collect()
    };
    // Energy of a quarter of an hour is four times as much power.
    let expected = [
        ("2026-02-28T23:45:00Z".to_owned(), 1_000_000),
        ("2026-03-01T00:00:00Z".to_owned(), 2_001_000),
    ];
    assert_eq!(shown(1), expected);
    database.sql(
        "INSERT INTO wind.curves VALUES (2, '2026-02-28 23:45+00', 1, '2026-01-01', 'm'), (2, '2026-03-01 00:00+00', 2, '2026-01-01', 'm'), \
         (100, '2026-03-01 00:00+00', 2, '2026-01-01', 'm'); DELETE FROM wind.curves WHERE park = 1 AND at < '2026-03-01'",
    );
    database.sql("INSERT INTO wind.meters VALUES (1, '2026-03-02', 0, 12.5)");
    awaited("rows of partitions", || {
        (shown(2).len() == 2 && shown(1) == expected[1..]).then_some(())
    });
    awaited("a metered value", || {
        let said = engine
            .client()
            .get("/api/v2.0/actuals/PP/1?from=2026-03-01T00:00:00Z&to=2026-03-03T00:00:00Z")
            .json();
        let slot = &said["data"][0]["predictions"][0];
        (slot["ds"] == "2026-03-01T21:00:00Z" && slot["v"] == 12.5).then_some(())
    });
    assert_eq!(engine.counted("refused"), 0, "{}", engine.words());
    // A partition that tells less than its table.
    database.sql("ALTER TABLE wind.curves_late REPLICA IDENTITY DEFAULT");
    await_reason(&engine, "REPLICA IDENTITY FULL (each partition, too)");
    database.sql("ALTER TABLE wind.curves_late REPLICA IDENTITY FULL");
    engine.await_following();
}

/// A generated fleet in the legacy tables, read: what is shown is what the tables hold.
#[test]
fn a_generated_fleet_fills_the_tables_and_is_read_from_there() {
    let database = Database::empty();
    let url = database.server.url_of(&database.name);
    let mut filling = super::process::program();
    filling.args(["generate", "fleet:11:plants=12,days=3", "--json", "--postgres", &url]);
    let filled = super::process::finish(&mut filling).succeeded().json();
    let rows = database.sql("SELECT count(*) FROM t004forecast");
    assert_ne!(filled["values"], 0);
    let withdrawn = filled["rows"]["withdrawals"].as_u64().unwrap();
    let values = filled["values"].as_u64().unwrap();
    assert!(rows.parse::<u64>().unwrap() == values || withdrawn > 0, "{filled}, {rows} rows");
    let room = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(&room.path().join("data"), &database.setting());
    engine.await_following();
    let providers = database.sql("SELECT DISTINCT provider_key FROM t004forecast");
    let providers: Vec<&str> = providers.lines().collect();
    await_truth(&engine, &database.server, &database.name, &providers);
    let plants = database.sql("SELECT count(*) FROM power_plant");
    let units = engine.client().get("/api/v2.0/units").expect_status(200).json();
    let shown = units["data"].as_array().unwrap().iter().filter(|unit| unit["unitType"] == "PP");
    assert_eq!(shown.count().to_string(), plants);
    assert_eq!(engine.counted("refused"), 0, "{}", engine.words());
    // What was decided is decided the same from the journal.
    engine.stop();
    assert_checks(&room.path().join("data"));
}

/// What rows mean that have neither batch nor instant.
const CURVES: &str = "\
[[table]]
table = \"curves\"
input = \"forecasts\"
[table.fields]
unit_type = { value = \"PP\" }
unit_no = \"park\"
provider = { value = \"m\" }
delivery_start = \"at\"
period_minutes = { value = \"60\" }
value = \"mw\"
";

/// Rows of one version are read in pieces, and compared with all that is in when they are read again.
#[test]
fn rows_without_batch_and_instant_are_read_in_pieces_and_again() {
    let database = Database::empty();
    database.sql(
        "CREATE TABLE curves (park int, at timestamptz, mw numeric, issued timestamptz, PRIMARY KEY (park, at)); \
         INSERT INTO curves SELECT park, timestamptz '2026-03-01 00:00+00' + slot * interval '1 hour', slot + park \
         FROM generate_series(1, 3) park, generate_series(0, 499) slot;",
    );
    let room = tempfile::tempdir().unwrap();
    let mapping = room.path().join("mapping.toml");
    let setting = |more: &str| {
        let file = mapping.display().to_string();
        database.setting_with(&format!(", mapping={file:?}, publication={:?}{more}", database.name))
    };
    let expected = || -> super::stage::Values {
        let rows = database.sql(
            "SELECT park, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), mw FROM curves WHERE mw IS NOT NULL",
        );
        let row = |line: &str| {
            let cells: Vec<&str> = line.split('|').collect();
            let micro = (cells[2].parse::<f64>().unwrap() * 1e6).round() as i64;
            ((cells[0].parse().unwrap(), "m".to_owned(), 60, cells[1].to_owned()), micro)
        };
        rows.lines().map(row).collect()
    };
    let await_all = |engine: &Engine, what: &str| {
        let mut shown = super::stage::Values::new();
        for _ in 0..400 {
            shown = engine.latest(&[1, 2, 3], &["m"]);
            if shown == expected() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!(
            "{what}: {} values instead of {}; {}",
            shown.len(),
            expected().len(),
            engine.words()
        );
    };
    std::fs::write(&mapping, CURVES).unwrap();
    let few = [("SMARTPULSE_TEST_SPOOL_ROWS", "300")];
    let mut engine = Engine::start_with(&room.path().join("data"), &setting(""), &few);
    engine.await_following();
    await_all(&engine, "read");
    database.sql("UPDATE curves SET mw = 7 WHERE park = 1 AND extract(hour FROM at) = 7; DELETE FROM curves WHERE park = 2 AND extract(hour FROM at) = 3");
    await_all(&engine, "followed");
    // What changes while nobody looks, back to what it was as well.
    for _ in 0..2 {
        engine.stop();
        database.sql(&format!("SELECT pg_drop_replication_slot('{}')", database.name));
        database.sql(
            "UPDATE curves SET mw = extract(epoch FROM at - timestamptz '2026-03-01 00:00+00') / 3600 + park WHERE mw = 7; \
             UPDATE curves SET mw = mw + 0.5 WHERE extract(hour FROM at) = 9; DELETE FROM curves WHERE extract(hour FROM at) = 11; \
             INSERT INTO curves VALUES (3, '2027-01-01 00:00+00', 1) ON CONFLICT DO NOTHING",
        );
        engine.set(&setting(", on_lost=\"snapshot\""));
        engine.start_again();
        engine.await_following();
        await_all(&engine, "read again");
    }
    engine.stop();
    assert_checks(&room.path().join("data"));
}

#[test]
fn a_table_that_is_mapped_later_is_not_taken_for_read() {
    let database = Database::new();
    let room = tempfile::tempdir().unwrap();
    let publication = format!(", publication={:?}", database.name);
    let mut engine = Engine::start(&room.path().join("data"), &database.setting_with(&publication));
    engine.await_following();
    engine.stop();
    database.sql(&format!(
        "CREATE TABLE other (id int PRIMARY KEY); ALTER PUBLICATION {} ADD TABLE other",
        database.name
    ));
    let mapping = room.path().join("mapping.toml");
    let text = "[[table]]\ntable = \"other\"\ninput = \"units\"\n[table.fields]\n\
                unit_type = { value = \"PP\" }\nunit_no = \"id\"\n";
    std::fs::write(&mapping, text).unwrap();
    let file = mapping.display().to_string();
    engine.set(&database.setting_with(&format!("{publication}, mapping={file:?}")));
    engine.start_again();
    await_reason(&engine, "public.other is mapped, and its rows have not been read");
}
