//! The same transactions by the log and by Debezium, with tables that are altered in between: both say the same, and say
//! the same of how it came about.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;

use super::chain::Chain;
use super::process::{finish, program};
use super::random::{Desk, PROVIDERS, plants};
use super::stage::{Engine, PAUSE, assert_checks, await_truth, seed, setting};

/// Transactions here; `SMARTPULSE_TEST_TRANSACTIONS` asks for more.
const TRANSACTIONS: u32 = 400;
/// Those between two alterations.
const ROUND: u32 = 50;

/// Looks at which nothing new has come, after which nothing more is expected.
const STILL: u32 = 60;

/// Statements that alter the tables of forecasts and plants, and leave what they mean as it is.
const ALTERATIONS: [&str; 6] = [
    "ALTER TABLE t004forecast ADD COLUMN more jsonb DEFAULT '{}'",
    "ALTER TABLE power_plant ADD COLUMN tags text[] DEFAULT '{a,b}', DROP COLUMN is_active",
    "ALTER TABLE t004forecast REPLICA IDENTITY FULL; UPDATE power_plant SET name = name || '!' WHERE id < 4",
    "ALTER TABLE t004forecast DROP COLUMN more",
    "ALTER TABLE company_power_plants REPLICA IDENTITY FULL; \
     UPDATE company_power_plants SET company_id = 3 - company_id WHERE power_plant_id = 2",
    "ALTER TABLE t004forecast REPLICA IDENTITY DEFAULT; DELETE FROM t004forecast WHERE unit_no = 3 AND \
     extract(hour FROM delivery_start) = 7",
];

/// What tells two folders apart that have seen the same: when and in which order it came.
const OWN: [&str; 4] = ["recorded", "sequence", "epoch", "batch_sequence"];

/// The rows of a view as a stopped folder exports them, each as often as it is there.
fn rows(data: &Path, view: &str, room: &Path) -> BTreeMap<String, u32> {
    let out = room.join(format!("{view}-{}", data.file_name().unwrap().display()));
    let mut export = program();
    export.args(["export", view, "--data"]).arg(data).arg("--out").arg(&out);
    finish(&mut export).succeeded();
    let mut rows = BTreeMap::new();
    let mut folders = vec![out];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                let file = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
                for row in file.get_row_iter(None).unwrap() {
                    *rows.entry(text(&row.unwrap())).or_default() += 1;
                }
            }
        }
    }
    rows
}

fn text(row: &parquet::record::Row) -> String {
    let columns = row.get_column_iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    let texts = columns.map(|(name, value)| match name.as_str() {
        // When it was withdrawn is a matter of the folder's clock.
        "batch_withdrawn_at" => format!("withdrawn={}", *value != Field::Null),
        _ => format!("{name}={value}"),
    });
    texts.collect::<Vec<_>>().join(" ")
}

/// Waits until nothing has come for a while: many transactions take their time.
fn await_still(engine: &Engine) {
    let (mut rows, mut looks) = (0, 0);
    while looks < STILL {
        std::thread::sleep(PAUSE);
        let come = engine.counted("rows");
        looks = if come == rows { looks + 1 } else { 0 };
        rows = come;
    }
}

#[test]
fn the_log_and_debezium_say_the_same() {
    let seed = seed("the_log_and_debezium_say_the_same");
    let transactions = std::env::var("SMARTPULSE_TEST_TRANSACTIONS")
        .map_or(TRANSACTIONS, |text| text.parse().expect("a whole number"));
    let mut desk = Desk::new(seed, 0);
    let system = super::stage::shared_server();
    let system = system.sql("SELECT system_identifier FROM pg_control_system()").unwrap();
    let settings = format!(", system={}", system.trim());
    let mut chain = Chain::with(&plants(), "", &settings, &[]);
    let (server, name) = chain.tables();
    let data = chain.room.path().join("log");
    let slot = format!("{name}_log");
    let setting = setting(&server.url_of(&name), &slot, ", name=\"legacy\"");
    let mut log = Engine::start(&data, &setting);
    log.await_following();
    chain.await_read();
    for round in 0..transactions.div_ceil(ROUND) {
        chain.database.sql(&desk.transactions(ROUND));
        if let Some(alteration) = ALTERATIONS.get(round as usize) {
            chain.database.sql(alteration);
        }
    }
    await_still(&log);
    await_still(&chain.engine);
    await_truth(&log, &server, &name, &PROVIDERS);
    await_truth(&chain.engine, &server, &name, &PROVIDERS);
    log.stop();
    server.sql(&format!("SELECT pg_drop_replication_slot('{slot}')")).unwrap();
    chain.engine.stop();
    let (room, other) = (chain.room.path(), chain.room.path().join("data"));
    for view in ["latest", "resolved", "totals", "history", "units"] {
        let (one, two) = (rows(&data, view, room), rows(&other, view, room));
        let differing = one.iter().filter(|(row, times)| two.get(*row) != Some(times));
        let differing: Vec<_> = differing.take(5).collect();
        let beyond: Vec<_> = two.keys().filter(|row| !one.contains_key(*row)).take(5).collect();
        assert!(one == two, "{view}: {differing:#?} instead of {beyond:#?}");
        println!("{view}: {} rows, the same", one.len());
        assert!(!one.is_empty());
    }
    assert_checks(&data);
    assert_checks(&other);
}
