//! The load generator: a process of its own with a thread for each connection, closed (the next request when
//! the last is answered) or open (by a fixed schedule, whatever the server does).
//!
//! Of an open load, latency counts from the scheduled instant, so a stall shows in all that had to wait for
//! it. Every answer is looked at; one that is wrong ends the run.

pub(crate) mod follow;
pub(crate) mod work;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use serde::{Deserialize, Serialize};

use crate::clock::{micros, now, sleep_until};
use crate::machine::cpu_seconds;
use crate::role::{self, Player, Role};
use crate::wire::Line;
use follow::{Follow, Following};
use work::{Done, Requests, Work};

/// Between start and first request: connections and threads are there by then.
const SETTLING: Duration = Duration::from_millis(50);

/// What is to be requested, how, and for how long.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// Process id of the server.
    pub(crate) server: u32,
    pub(crate) connections: usize,
    /// Before what is counted begins.
    pub(crate) warm_up: Duration,
    /// What is counted.
    pub(crate) window: Duration,
    /// Requests a second; none: closed.
    pub(crate) rate: Option<f64>,
    pub(crate) work: Work,
    /// Number of the first request: what is said goes on from the load before.
    pub(crate) first: u64,
    /// A subscriber beside it.
    pub(crate) follow: Option<Follow>,
}

/// What came of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Requests that count.
    pub(crate) done: u64,
    pub(crate) seconds: f64,
    /// Of requests that count, in microseconds.
    pub(crate) latencies: Vec<u32>,
    /// Of saves that are followed: from the scheduled instant until the subscriber has it, and from the
    /// answer until then (0 where it was there before).
    pub(crate) seen: Vec<u32>,
    pub(crate) behind: Vec<u32>,
    /// Processor seconds in the window.
    pub(crate) generator_cpu: f64,
    pub(crate) server_cpu: f64,
    /// Number of the first request that was not made.
    pub(crate) next: u64,
    /// Of each plant, its newest save: sequence and variant.
    pub(crate) last: BTreeMap<u64, (u64, u64)>,
}

impl Load {
    /// Has it done by another process.
    pub(crate) fn run(&self) -> Result<Outcome> {
        Player::start(Role::Load, self)?.hear()
    }
}

impl Outcome {
    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.done as f64 / self.seconds
    }

    /// Requests a processor second of the server.
    pub(crate) fn rate_a_core(&self) -> f64 {
        self.done as f64 / self.server_cpu.max(0.01)
    }

    /// Of the processor time that it and the server took, what the generator took.
    pub(crate) fn generator_share(&self) -> f64 {
        self.generator_cpu / (self.generator_cpu + self.server_cpu).max(0.01)
    }
}

/// When a load begins, counts and ends.
#[derive(Clone, Copy)]
struct Course {
    begun: Instant,
    counted: Instant,
    end: Instant,
    rate: Option<f64>,
}

impl Course {
    /// When request `index` is due; none: there is none any more.
    fn due(&self, index: u64) -> Option<Instant> {
        let due = match self.rate {
            Some(rate) => self.begun + Duration::from_secs_f64(index as f64 / rate),
            None => now(),
        };
        (due < self.end).then_some(due)
    }

    fn counts(&self, due: Instant, done: Instant) -> bool {
        match self.rate {
            Some(_) => due >= self.counted,
            None => done >= self.counted && done < self.end,
        }
    }
}

/// What one connection has to tell.
#[derive(Default)]
struct Told {
    latencies: Vec<u32>,
    last: BTreeMap<u64, (u64, u64)>,
    followed: Vec<Followed>,
}

/// A save that the subscriber is to see.
struct Followed {
    due: Instant,
    done: Instant,
    epoch: u64,
}

/// This process as a load generator.
pub(crate) fn play() -> Result<()> {
    let load: Load = role::told()?.context("nothing to do")?;
    role::say(&run(&load)?)
}

fn run(load: &Load) -> Result<Outcome> {
    let requests = load.work.prepare()?;
    let following =
        load.follow.as_ref().map(|it| Following::start(it, load.address)).transpose()?;
    let lines: Vec<Line> =
        (0..load.connections).map(|_| Line::open(load.address)).collect::<Result<_>>()?;
    let begun = now() + SETTLING;
    let counted = begun + load.warm_up;
    let course = Course { begun, counted, end: counted + load.window, rate: load.rate };
    let turns = AtomicU64::new(0);
    let (told, outcome) = thread::scope(|scope| {
        let drive = |line| {
            let (requests, turns) = (&requests, &turns);
            scope.spawn(move || drive(line, requests, course, load, turns))
        };
        let driving: Vec<_> = lines.into_iter().map(drive).collect();
        let outcome = watch(load.server, course);
        let told: Result<Vec<Told>> = driving
            .into_iter()
            .map(|it| it.join().map_err(|_| anyhow!("a connection's thread has panicked"))?)
            .collect();
        (told, outcome)
    });
    let (told, mut outcome) = (told?, outcome?);
    outcome.next = load.first + turns.into_inner();
    let mut followed = Vec::new();
    for of_connection in told {
        outcome.latencies.extend(of_connection.latencies);
        followed.extend(of_connection.followed);
        for (plant, newest) in of_connection.last {
            let known = outcome.last.entry(plant).or_insert(newest);
            *known = newest.max(*known);
        }
    }
    outcome.done = outcome.latencies.len() as u64;
    if let Some(following) = following {
        let saves: Vec<_> = followed.iter().map(|it| (it.due, it.done, it.epoch)).collect();
        let seen = following.end(&saves, &outcome.last, course.counted)?;
        outcome.seen = seen.since_due;
        outcome.behind = seen.since_answer;
    }
    Ok(outcome)
}

/// Notes what processes take while it counts.
fn watch(server: u32, course: Course) -> Result<Outcome> {
    let took = || anyhow::Ok((cpu_seconds(process::id())?, cpu_seconds(server)?));
    sleep_until(course.counted);
    let (begun, before) = (now(), took()?);
    sleep_until(course.end);
    let (seconds, after) = (begun.elapsed().as_secs_f64(), took()?);
    let (generator_cpu, server_cpu) = (after.0 - before.0, after.1 - before.1);
    Ok(Outcome { seconds, generator_cpu, server_cpu, ..Outcome::default() })
}

/// One connection, until there is nothing more to do.
fn drive(
    mut line: Line,
    requests: &Requests,
    course: Course,
    load: &Load,
    turns: &AtomicU64,
) -> Result<Told> {
    let mut told = Told::default();
    sleep_until(course.begun);
    loop {
        // Only a request that will be made takes a number, so that what is said goes on without a gap.
        let taken = turns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |index| {
            course.due(index).map(|_| index + 1)
        });
        let Ok(index) = taken else { return Ok(told) };
        let due = match course.rate {
            Some(rate) => course.begun + Duration::from_secs_f64(index as f64 / rate),
            None => now(),
        };
        sleep_until(due);
        let answered = requests.make(&mut line, load.first + index)?;
        let done = now();
        if course.counts(due, done) {
            told.latencies.push(micros(done.saturating_duration_since(due)));
        }
        if let Some(Done { plant, variant, sequence, epoch }) = answered {
            let newest = told.last.entry(plant).or_insert((sequence, variant));
            *newest = (sequence, variant).max(*newest);
            if load.follow.as_ref().is_some_and(|follow| follow.includes(plant)) {
                told.followed.push(Followed { due, done, epoch });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_kept_whatever_happens() {
        let begun = now();
        let (counted, end) = (begun + Duration::from_secs(1), begun + Duration::from_secs(3));
        let course = Course { begun, counted, end, rate: Some(10.0) };
        assert_eq!(course.due(5), Some(begun + Duration::from_millis(500)));
        assert_eq!(course.due(30), None);
        let late = end + Duration::from_secs(60);
        assert!(course.counts(begun + Duration::from_millis(2_900), late));
        assert!(!course.counts(begun + Duration::from_millis(900), late));
    }

    #[test]
    fn a_closed_load_counts_what_is_answered_in_the_window() {
        let begun = now();
        let (counted, end) = (begun + Duration::from_secs(1), begun + Duration::from_secs(3));
        let course = Course { begun, counted, end, rate: None };
        assert!(course.counts(begun, counted));
        assert!(!course.counts(counted, end));
    }
}
