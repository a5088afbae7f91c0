//! Broker and engine are killed, stopped, started empty and cut off in the middle of load. In the end the history of
//! each plant is what the topic holds of it, message for message, in order: nothing lost, nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use smartpulse_services::Pulsar;

use super::cutting::Cutting;
use super::post::{Manner, Post, Sent};
use super::stage::{Engine, awaited, divide, own_topic, reading, seed};

const PLANTS: u64 = 5;
const PARTITIONS: u32 = 2;
/// Messages between faults.
const MESSAGES: u64 = 150;

/// What is done to a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    BrokerKilled,
    BrokerStopped,
    EngineKilled,
    EngineStopped,
    BothKilled,
}

/// Messages to all plants, as long as it runs; a broker that is not there is waited for.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Load {
    fn start(url: String, topic: String, seed: u64) -> Load {
        let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stopping, counted) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = std::thread::spawn(move || {
            let (post, mut random) = (Post::new(&url), ChaCha8Rng::seed_from_u64(seed));
            let mut number = 0_u64;
            while !stopping.load(Ordering::Relaxed) {
                let batch = random.random_bool(0.5).then(|| random.random_range(2..9));
                let messages: Vec<Sent> = (0..random.random_range(1..25))
                    .map(|_| {
                        number += 1;
                        let plant = random.random_range(1..=PLANTS + 1);
                        let hour = random.random_range(0..96);
                        Sent::save(plant, hour, number as f64, &number.to_string())
                    })
                    .collect();
                let manner = Manner { compression: None, batch };
                // What failed may be there all the same: the oracle reads what is.
                if post.try_send(&topic, &manner, &messages).is_ok() {
                    counted.fetch_add(messages.len() as u64, Ordering::Relaxed);
                }
            }
        });
        Load { stop, sent, thread }
    }

    fn await_more(&self) {
        let aim = self.sent.load(Ordering::Relaxed) + MESSAGES;
        awaited("messages sent", || (self.sent.load(Ordering::Relaxed) >= aim).then_some(()));
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

fn names(topic: &str) -> Vec<String> {
    (0..PARTITIONS).map(|number| format!("{topic}-partition-{number}")).collect()
}

/// Notes of each plant in the order of the topic; the one plant that is not known is that of the letters.
fn held(post: &Post, topic: &str) -> Vec<(u64, Vec<String>)> {
    let found: Vec<_> = names(topic).iter().flat_map(|partition| post.all(partition)).collect();
    let of = |plant: u64| {
        let key = format!("PP:{plant}");
        let own = found.iter().filter(|message| message.key.as_deref() == Some(&key));
        (plant, own.map(super::post::Found::note).collect())
    };
    (1..=PLANTS + 1).map(of).collect()
}

/// Waits until the engine has everything that the topic holds, and holds it against that.
fn assert_taken_in(engine: &Engine, post: &Post, topic: &str) {
    let held = held(post, topic);
    let all: usize = held.iter().map(|(_, notes)| notes.len()).sum();
    println!("the topic holds {all} messages");
    for (plant, notes) in &held[..PLANTS as usize] {
        awaited(&format!("the last message of plant {plant}"), || {
            (engine.notes(*plant).len() >= notes.len()).then_some(())
        });
        assert_eq!(engine.notes(*plant), *notes, "plant {plant}");
    }
    awaited("a settled source", || {
        let source = engine.source();
        let is_settled = source["state"] == "following" && source["lagSeconds"] == 0.0;
        (is_settled && source["counts"]["backlog"] == 0).then_some(())
    });
    // A letter may be written twice, where a process ended between writing it and saying so; none is missing.
    let mut letters: Vec<String> =
        post.all(&format!("{topic}-dlq")).iter().map(super::post::Found::note).collect();
    let written = letters.len();
    letters.sort();
    letters.dedup();
    let mut expected = held[PLANTS as usize].1.clone();
    expected.sort();
    println!("{written} letters of {} messages", expected.len());
    assert_eq!(letters, expected);
}

#[test]
fn whatever_is_killed_or_stopped_every_message_is_taken_in_once() {
    let seed = seed("whatever_is_killed");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut broker = Pulsar::start().unwrap();
    let topic = own_topic();
    divide(&broker, &topic, PARTITIONS);
    let post = Post::new(&broker.url());
    post.keep(&names(&topic));
    post.keep(&[format!("{topic}-dlq")]);
    let room = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(&room.path().join("data"), &reading(&broker.url(), &topic));
    engine.make_plants(1..=PLANTS);
    let load = Load::start(broker.url(), topic.clone(), seed);
    for fault in [
        Fault::BrokerKilled,
        Fault::EngineKilled,
        Fault::BrokerStopped,
        Fault::BothKilled,
        Fault::EngineStopped,
        Fault::EngineKilled,
    ] {
        load.await_more();
        println!("{fault:?}");
        match fault {
            Fault::BrokerKilled => {
                broker.server().kill();
                broker.server().start_again().unwrap();
            }
            Fault::BrokerStopped => {
                broker.server().pause();
                // Beyond the time that an answer may take.
                std::thread::sleep(Duration::from_secs(6));
                broker.server().resume();
            }
            Fault::EngineKilled => {
                std::thread::sleep(Duration::from_millis(random.random_range(0..300)));
                engine.kill();
                engine.start_again();
            }
            Fault::EngineStopped => {
                engine.stop();
                engine.start_again();
            }
            Fault::BothKilled => {
                broker.server().kill();
                engine.kill();
                engine.start_again();
                broker.server().start_again().unwrap();
            }
        }
    }
    load.await_more();
    load.stop();
    assert_taken_in(&engine, &post, &topic);
    engine.stop();
    engine.start_again();
    assert_taken_in(&engine, &post, &topic);
}

/// A broker that comes back without anything numbers its messages anew: they are taken in, not taken for those that
/// had the same numbers before.
#[test]
fn a_topic_that_was_lost_and_made_again_is_read_from_its_beginning() {
    let mut broker = Pulsar::start().unwrap();
    for engine_is_down in [false, true] {
        let topic = own_topic();
        let post = Post::new(&broker.url());
        let room = tempfile::tempdir().unwrap();
        let mut engine = Engine::start(&room.path().join("data"), &reading(&broker.url(), &topic));
        engine.make_plants(1..=1);
        let send = |from: u64, upto: u64| {
            let messages: Vec<Sent> = (from..upto)
                .map(|number| Sent::save(1, number % 96, number as f64, &format!("{number:04}")))
                .collect();
            awaited("a broker that takes messages", || {
                post.try_send(&topic, &Manner::plain(), &messages).ok()
            });
        };
        let await_notes = |engine: &Engine, count: usize| {
            awaited(&format!("{count} notes"), || (engine.notes(1).len() >= count).then_some(()));
        };
        send(0, 40);
        await_notes(&engine, 40);
        if engine_is_down {
            engine.kill();
        }
        broker.server().start_empty().unwrap();
        // More than there were, so that all numbers that were known come again.
        send(1_000, 1_100);
        if engine_is_down {
            engine.start_again();
        }
        await_notes(&engine, 140);
        send(1_100, 1_110);
        await_notes(&engine, 150);
        assert_eq!(engine.counted("deadLetters"), 0, "nothing was refused");
        let expected: Vec<String> =
            (0..40).chain(1_000..1_110).map(|number| format!("{number:04}")).collect();
        assert_eq!(engine.notes(1), expected, "engine down: {engine_is_down}");
        assert!(engine.words().contains("it is read from its beginning"), "{}", engine.words());
    }
}

/// Connections are cut after as many bytes as it happens, again and again.
#[test]
fn connections_that_are_cut_lose_nothing() {
    let seed = seed("connections_that_are_cut");
    let cutting = Cutting::start(seed, 1_000..60_000);
    let through = cutting.url();
    let topic = own_topic();
    divide(&cutting.broker, &topic, PARTITIONS);
    let post = Post::new(&through);
    post.keep(&names(&topic));
    post.keep(&[format!("{topic}-dlq")]);
    let room = tempfile::tempdir().unwrap();
    cutting.cut(true);
    let engine = Engine::start(&room.path().join("data"), &reading(&through, &topic));
    engine.make_plants(1..=PLANTS);
    let load = Load::start(through, topic.clone(), seed);
    load.await_more();
    cutting.await_cuts(|| ());
    load.await_more();
    load.stop();
    cutting.cut(false);
    assert_taken_in(&engine, &post, &topic);
}
