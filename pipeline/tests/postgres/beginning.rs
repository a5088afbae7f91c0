//! The first reading, and what stands in its way.

use super::random::{Desk, PROVIDERS, plants};
use super::stage::{Database, Engine, await_truth, awaited, own_name, seed};

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
