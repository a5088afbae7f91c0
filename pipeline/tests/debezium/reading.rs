//! Tables are read as they are, again where Debezium has lost its place; and by the log itself after Debezium.

use super::chain::Chain;
use super::load::assert_each_row_once;
use super::random::{Desk, PROVIDERS, plants};
use super::rows::{insert, row};
use super::stage::{Source, assert_checks, await_truth, awaited, seed};

#[test]
fn what_debezium_has_lost_is_found_when_it_reads_the_tables_again() {
    let seed = seed("what_debezium_has_lost");
    let mut desk = Desk::new(seed, 0);
    let before = plants() + &desk.transactions(40);
    let mut chain = Chain::new(&before);
    chain.await_read();
    let (server, name) = chain.tables();
    chain.database.sql(&desk.transactions(20));
    await_truth(&chain.engine, &server, &name, &PROVIDERS);
    // Its place and its slot are gone; rows come, change and go meanwhile.
    chain.debezium.server().kill();
    awaited("a slot that nobody holds", || {
        server.sql(&format!("SELECT pg_drop_replication_slot('{name}')")).ok()
    });
    chain.database.sql(&desk.transactions(20));
    chain.database.sql(
        "DELETE FROM t004forecast WHERE abs(hashtext(batch_id::text || delivery_start::text)) % 5 = 0;\
         DELETE FROM company_power_plants WHERE power_plant_id = 2;\
         UPDATE power_plant SET name = 'meanwhile' WHERE id = 3;",
    );
    // Cut off in the middle of its reading, and the engine with it.
    chain.debezium.server().start_empty().unwrap();
    chain.engine.kill();
    chain.engine.start_again();
    chain.debezium.server().kill();
    chain.database.sql("DELETE FROM t004forecast WHERE unit_no = 1 AND provider_key = 'Desk'");
    chain.debezium.server().start_empty().unwrap();
    chain.database.sql(&desk.transactions(20));
    await_truth(&chain.engine, &server, &name, &PROVIDERS);
    awaited("master data of meanwhile", || {
        let client = chain.engine.client();
        let unit = client.get("/api/v2.0/units/PP/3").json();
        let members = client.get("/api/v2.0/memberships").json();
        let members = members["data"].as_array().cloned().unwrap_or_default();
        let is_gone = members.iter().all(|one| one["childType"] != "PP" || one["childNo"] != 2);
        (unit["data"]["name"] == "meanwhile" && is_gone).then_some(())
    });
    chain.engine.stop();
    assert_checks(&chain.room.path().join("data"));
}

#[test]
fn the_log_goes_on_where_debezium_has_ended() {
    let seed = seed("the_log_goes_on_where_debezium_has_ended");
    let mut desk = Desk::new(seed, 0);
    let before = plants() + &desk.transactions(20);
    let system = super::stage::shared_server();
    let system = system.sql("SELECT system_identifier FROM pg_control_system()").unwrap();
    let mut chain = Chain::with(&before, "", &format!(", system={}", system.trim()), &[]);
    chain.await_read();
    let (server, name) = chain.tables();
    chain.database.sql(&desk.transactions(20));
    // The slot of the log is made before Debezium ends: nothing lies between, and what lies in both is known. A slot
    // knows no publication that was made after it; Debezium's is as good.
    let slot = format!("{name}_log");
    server
        .script(&name, &format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"))
        .unwrap();
    chain.database.sql(&desk.transactions(20));
    await_truth(&chain.engine, &server, &name, &PROVIDERS);
    chain.engine.stop();
    chain.debezium.server().stop();
    chain.database.sql(&desk.transactions(20));
    let url = server.url_of(&name);
    let log = |more: &str| {
        Source::postgres(&format!(
            "[{{name=\"legacy\", url={url:?}, slot={slot:?}, publication={name:?}, timeout_ms=3000{more}}}]"
        ))
    };
    chain.engine.read(log(""));
    chain.engine.start_again();
    chain.database.sql(&desk.transactions(20));
    await_truth(&chain.engine, &server, &name, &PROVIDERS);
    assert_each_row_once(&chain.engine, &server, &name);
    // A batch of before is a batch still, whichever way its rows come.
    chain.database.sql(&insert(&[row(1, 1, 1, 1, "10.125"), row(1, 1, 2, 1, "11.125")]));
    chain.database.sql("DELETE FROM t004forecast WHERE prediction_value = 10.125");
    await_truth(&chain.engine, &server, &name, &PROVIDERS);
    // Without that slot all is read anew, and nothing is there twice.
    chain.engine.stop();
    server.sql(&format!("SELECT pg_drop_replication_slot('{slot}')")).unwrap();
    chain.database.sql(&desk.transactions(10));
    chain.engine.read(log(", on_lost=\"snapshot\""));
    chain.engine.start_again();
    await_truth(&chain.engine, &server, &name, &PROVIDERS);
    assert_each_row_once(&chain.engine, &server, &name);
    chain.engine.stop();
    server.sql(&format!("SELECT pg_drop_replication_slot('{slot}')")).unwrap();
    assert_checks(&chain.room.path().join("data"));
}
