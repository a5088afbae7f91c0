//! What is in the tables is shown: as they are at the beginning, and whatever follows.

use super::chain::Chain;
use super::load::assert_each_row_once;
use super::random::{Desk, PROVIDERS, plants};
use super::stage::{assert_checks, await_truth, awaited, seed};

#[test]
fn tables_are_read_and_followed_whole() {
    let seed = seed("tables_are_read_and_followed_whole");
    let mut desk = Desk::new(seed, 0);
    let before = plants() + &desk.transactions(60);
    let mut chain = Chain::new(&before);
    chain.await_read();
    let (server, name) = (chain.database.server.clone(), chain.database.name.clone());
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
