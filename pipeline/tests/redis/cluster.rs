//! A cluster of three: what lies on several servers is shown as of one epoch, and what one of them has lost is
//! written again.

use std::path::Path;

use smartpulse_services::RedisCluster;

use super::load::Load;
use super::same::{Comparing, assert_same};
use super::stage::{Engine, Replica, awaited, to};

fn filled(data: &Path, cluster: &RedisCluster) -> (Engine, Replica) {
    let engine = Engine::start(data, &to(&cluster.urls()));
    let replica = Replica::start(&cluster.urls(), None);
    (engine, replica)
}

#[test]
fn a_cluster_is_written_and_read_as_one_and_survives_its_servers() {
    let room = tempfile::tempdir().unwrap();
    let mut cluster = RedisCluster::start().unwrap();
    let (engine, replica) = filled(&room.path().join("data"), &cluster);
    let load = Load::start(format!("http://{}", engine.address), 11);
    load.await_more(100);
    let comparing = Comparing::start(&engine, &replica, 11);
    for node in 0..3 {
        let keys = cluster.node(node).command(&["DBSIZE"]).unwrap();
        assert!(keys.parse::<u64>().unwrap() > 0, "node {node} has {keys}");
        match node {
            0 => drop(cluster.node(node).command(&["FLUSHALL"]).unwrap()),
            _ => cluster.node(node).server().start_again().unwrap(),
        }
        awaited("a cluster that is well", || {
            let state = cluster.node(node).command(&["CLUSTER", "INFO"]).ok()?;
            state.contains("cluster_state:ok").then_some(())
        });
        load.await_more(100);
        let status = engine.client().get("/api/v2.0/status").json();
        replica.await_epoch(status["data"]["epoch"].as_u64().unwrap());
    }
    let newest = load.stop();
    assert!(comparing.stop() > 0);
    assert_same(&engine, &replica, newest);
    assert_same(&engine, &Replica::start(&cluster.urls(), None), newest);
    assert!(engine.words().contains("redis holds everything"), "{}", engine.words());
}
