//! Redis, engine and replica are killed, stopped, emptied and cut off in the middle of load. What the replica shows
//! is at every moment what the engine showed at that epoch, and in the end it is the newest; a replica that
//! begins only then shows the same.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use smartpulse_services::Redis;
use smartpulse_services::redis::Persistence;

use super::forwarder::Forwarder;
use super::load::Load;
use super::same::{Comparing, assert_same};
use super::stage::{Engine, Replica, awaited, to};

/// Changes before, between and after faults.
const CHANGES: u64 = 60;

/// What is done to a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    RedisKilledAndEmpty,
    RedisKilledAndBack,
    RedisStopped,
    RedisFlushed,
    HashLost,
    HashOld,
    TotalLost,
    UnitsLost,
    NamesLost,
    StreamLost,
    EngineKilled,
    EngineAndRedisKilled,
    EngineStopped,
    ReplicaKilled,
}

struct Stage {
    redis: Redis,
    engine: Engine,
    replica: Replica,
}

impl Stage {
    fn new(data: &std::path::Path, persistence: Persistence) -> Stage {
        let redis = Redis::start(persistence).unwrap();
        let engine = Engine::start(data, &to(&[redis.url()]));
        let replica = Replica::start(&[redis.url()], None);
        Stage { redis, engine, replica }
    }

    fn hurt(&mut self, fault: Fault, random: &mut ChaCha8Rng) {
        let redis = &mut self.redis;
        let mut series = |redis: &Redis| {
            let keys = redis.command(&["KEYS", "sp:{PP:*"]).unwrap();
            let keys: Vec<String> = keys.lines().map(str::to_owned).collect();
            keys[random.random_range(0..keys.len())].clone()
        };
        match fault {
            Fault::RedisKilledAndEmpty => redis.server().start_empty().unwrap(),
            Fault::RedisKilledAndBack => redis.server().start_again().unwrap(),
            Fault::RedisStopped => {
                redis.server().pause();
                // Beyond the time that an answer may take.
                std::thread::sleep(std::time::Duration::from_millis(2_500));
                redis.server().resume();
            }
            Fault::RedisFlushed => drop(redis.command(&["FLUSHALL"]).unwrap()),
            Fault::HashLost => {
                let key = series(redis);
                redis.command(&["DEL", &key]).unwrap();
            }
            Fault::HashOld => {
                let key = series(redis);
                let version = redis.command(&["HGET", &key, "v"]).unwrap();
                let term = version.split('.').next().unwrap();
                redis.command(&["HSET", &key, "v", &format!("{term}.0")]).unwrap();
            }
            Fault::TotalLost => {
                let keys = redis.command(&["KEYS", "sp:*:total:*"]).unwrap();
                let key = keys.lines().next().unwrap().to_owned();
                redis.command(&["DEL", &key]).unwrap();
            }
            Fault::UnitsLost => drop(redis.command(&["DEL", "sp:{stream}:units"]).unwrap()),
            Fault::NamesLost => drop(redis.command(&["DEL", "sp:{stream}:series"]).unwrap()),
            Fault::StreamLost => drop(redis.command(&["DEL", "sp:{stream}"]).unwrap()),
            Fault::EngineKilled => {
                self.engine.kill();
                self.engine.start_again();
            }
            Fault::EngineAndRedisKilled => {
                self.engine.kill();
                redis.server().start_empty().unwrap();
                self.engine.start_again();
            }
            Fault::EngineStopped => {
                self.engine.stop();
                self.engine.start_again();
            }
            Fault::ReplicaKilled => {
                self.replica.kill();
                self.replica.start_again();
            }
        }
    }
}

fn suffer(name: &str, persistence: Persistence, faults: &[Fault]) {
    let room = tempfile::tempdir().unwrap();
    let seed: u64 = std::env::var("SMARTPULSE_REDIS_SEED")
        .map_or_else(|_| rand::random(), |text| text.parse().expect("a whole number"));
    println!(
        "seed {seed}; SMARTPULSE_REDIS_SEED={seed} cargo test -p smartpulse --test redis {name}"
    );
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut stage = Stage::new(&room.path().join("data"), persistence);
    let load = Load::start(format!("http://{}", stage.engine.address), seed);
    let mut compared = 0;
    let mut comparing = Comparing::start(&stage.engine, &stage.replica, seed);
    for fault in faults {
        load.await_more(CHANGES);
        if *fault == Fault::ReplicaKilled {
            // One that begins anew may show an epoch before.
            compared += comparing.stop();
            stage.hurt(*fault, &mut random);
            comparing = Comparing::start(&stage.engine, &stage.replica, seed);
        } else {
            stage.hurt(*fault, &mut random);
        }
        load.await_more(CHANGES);
        let newest = stage.engine.client().get("/api/v2.0/status").json();
        println!("{fault:?} at epoch {}", newest["data"]["epoch"]);
        stage.replica.await_epoch(newest["data"]["epoch"].as_u64().unwrap());
    }
    let newest = load.stop();
    compared += comparing.stop();
    println!("{compared} answers compared on the way, newest epoch {newest}");
    assert!(compared > 0);
    assert_same(&stage.engine, &stage.replica, newest);
    let cold = Replica::start(&[stage.redis.url()], None);
    assert_same(&stage.engine, &cold, newest);
    awaited("a sink that follows", || {
        (stage.engine.sink("redis")["state"] == "following").then_some(())
    });
}

#[test]
fn a_redis_that_forgets_is_filled_again() {
    let faults = [
        Fault::RedisKilledAndEmpty,
        Fault::RedisFlushed,
        Fault::RedisStopped,
        Fault::StreamLost,
        Fault::HashLost,
        Fault::HashOld,
        Fault::TotalLost,
        Fault::UnitsLost,
        Fault::NamesLost,
    ];
    suffer("a_redis_that_forgets", Persistence::None, &faults);
}

#[test]
fn a_redis_that_comes_back_with_less_is_brought_up_to_date() {
    let faults = [Fault::RedisKilledAndBack, Fault::RedisStopped, Fault::RedisKilledAndBack];
    suffer("a_redis_that_comes_back", Persistence::Log, &faults);
}

#[test]
fn an_engine_goes_on_where_it_was_killed() {
    let faults = [
        Fault::EngineKilled,
        Fault::EngineStopped,
        Fault::EngineAndRedisKilled,
        Fault::ReplicaKilled,
        Fault::EngineKilled,
    ];
    suffer("an_engine_goes_on", Persistence::None, &faults);
}

/// A key that is lost while nothing changes is found all the same, so that who begins then finds everything.
#[test]
fn a_key_that_is_lost_in_a_quiet_hour_is_written_again() {
    let room = tempfile::tempdir().unwrap();
    let redis = Redis::start(Persistence::None).unwrap();
    let engine = Engine::start(&room.path().join("data"), &to(&[redis.url()]));
    let load = Load::start(format!("http://{}", engine.address), 23);
    load.await_more(CHANGES);
    load.stop();
    let fills = || engine.sink("redis")["counts"]["fills"].as_u64().unwrap();
    let keys = redis.command(&["KEYS", "sp:*"]).unwrap();
    let of = |part: &str| keys.lines().find(|key| key.contains(part)).unwrap().to_owned();
    for key in [
        of("{PP:"),
        of(":total:"),
        of("{stream}:units"),
        of("{stream}:members"),
        of("{stream}:withdrawn"),
        of("{stream}:series"),
        of("{stream}:totals"),
        of("{stream}:state"),
    ] {
        let before = fills();
        redis.command(&["DEL", &key]).unwrap();
        awaited(&format!("{key}, written again"), || (fills() > before).then_some(()));
        awaited("a sink that follows", || {
            (engine.sink("redis")["state"] == "following").then_some(())
        });
        let epoch = engine.client().get("/api/v2.0/status").json()["data"]["epoch"].clone();
        assert_same(&engine, &Replica::start(&[redis.url()], None), epoch.as_u64().unwrap());
    }
}

/// What the engine says is cut off again and again, while a replica follows what arrives: an attempt that is made
/// again says all that the broken one did.
#[test]
fn an_engine_that_is_cut_off_says_everything_again() {
    let room = tempfile::tempdir().unwrap();
    let seed = rand::random();
    println!("seed {seed}");
    let redis = Redis::start(Persistence::None).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let over = std::sync::Arc::<std::sync::atomic::AtomicBool>::default();
    let target = format!("127.0.0.1:{}", redis.port()).parse().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let is_over = std::sync::Arc::clone(&over);
    let limit = move || {
        let is_over = is_over.load(std::sync::atomic::Ordering::Relaxed);
        (!is_over).then(|| random.random_range(1_200..5_000))
    };
    let cutting = runtime.block_on(Forwarder::start(target, limit));
    let through = format!("redis://{}", cutting.address());
    let engine = Engine::start(&room.path().join("data"), &to(&[through]));
    let replica = Replica::start(&[redis.url()], None);
    let load = Load::start(format!("http://{}", engine.address), seed);
    let comparing = Comparing::start(&engine, &replica, seed);
    load.await_more(15 * CHANGES);
    let newest = load.stop();
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_same(&engine, &replica, newest);
    let (compared, cuts) = (comparing.stop(), cutting.cuts());
    println!("{compared} answers compared, {cuts} cuts");
    assert!(compared > 0 && cuts > 3, "{compared} compared, {cuts} cuts");
}

/// The connections of both are cut after as many bytes as it happens, again and again.
#[test]
fn connections_that_are_cut_lose_nothing() {
    let room = tempfile::tempdir().unwrap();
    let seed = rand::random();
    println!("seed {seed}");
    let redis = Redis::start(Persistence::None).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let target = format!("127.0.0.1:{}", redis.port()).parse().unwrap();
    let over = std::sync::Arc::<std::sync::atomic::AtomicBool>::default();
    let cutting = |most: u64, seed: u64| {
        let (over, mut random) = (std::sync::Arc::clone(&over), ChaCha8Rng::seed_from_u64(seed));
        let limit = move || {
            let is_over = over.load(std::sync::atomic::Ordering::Relaxed);
            (!is_over).then(|| random.random_range(0..most))
        };
        runtime.block_on(Forwarder::start(target, limit))
    };
    // What Redis answers to an engine is short, what it tells a replica is not.
    let (to_engine, to_replica) = (cutting(20_000, seed), cutting(400_000, seed + 1));
    let url = |forwarder: &Forwarder| format!("redis://{}", forwarder.address());
    let engine = Engine::start(&room.path().join("data"), &to(&[url(&to_engine)]));
    let replica = Replica::start(&[url(&to_replica)], None);
    let load = Load::start(format!("http://{}", engine.address), seed);
    let comparing = Comparing::start(&engine, &replica, seed);
    load.await_more(12 * CHANGES);
    let newest = load.stop();
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_same(&engine, &replica, newest);
    let (compared, cuts) = (comparing.stop(), (to_engine.cuts(), to_replica.cuts()));
    println!("{compared} answers compared, {cuts:?} cuts");
    assert!(compared > 0 && cuts.0 > 0 && cuts.1 > 0, "{cuts:?}");
}
