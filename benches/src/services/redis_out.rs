//! `redis-out`: series days a second that go from closed epochs into Redis, hashes, names, stream and commit
//! included, beside a bare pipeline that gives the same script the same values and does nothing else.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use redis::aio::MultiplexedConnection;
use smartpulse_connectors::{
    REDIS_APPLY_SCRIPT, RedisReader, RedisSettings, RedisSink, Writer, redis_day,
};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::block::DayBlock;
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::closed::{ClosedEpoch, Figures};
use smartpulse_operators::time::{Day, Instant};
use smartpulse_services::Redis;
use smartpulse_services::redis::Persistence;
use uuid::Uuid;

use super::epochs::{EPOCHS, Epochs, SERIES, SLOTS, Said};
use crate::clock::now;
use crate::plan::{Plan, say};
use crate::table::{Better, Measured, Row, Table, number};

const NAME: &str = "redis-out";
/// Calls that the bare pipeline sends together, as many as the sink does.
const WINDOW: usize = 512;
const TTL_MS: u64 = 7 * 24 * 3_600_000;

/// The same as keys and values.
type Prepared = (u64, Vec<(String, Vec<u8>)>);

/// Both sides.
struct Sides {
    epochs: Epochs,
    sink: RedisSink,
    bare: MultiplexedConnection,
    sha: String,
    /// What the newest round says of each series.
    blocks: Vec<Arc<DayBlock>>,
    /// Whether the bare side has written its hashes once.
    is_begun: bool,
}

pub(super) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(NAME) {
        return Ok(());
    }
    let redis = Redis::start(Persistence::None)?;
    // One core for each side of the connection, as in production.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let settings = RedisSettings { urls: vec![redis.url()], ..RedisSettings::default() };
        let mut sides = Sides::begin(&settings).await?;
        // The first is the warm-up.
        sides.ours().await?;
        sides.theirs().await?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 1..=plan.sized(15, 5) {
            ours.push(sides.ours().await?);
            theirs.push(sides.theirs().await?);
            let last = |rates: &[f64]| number(rates.last().copied().unwrap_or_default());
            say(&format!("{NAME}: round {round}: {} days/s, bare {}", last(&ours), last(&theirs)));
        }
        sides.check(&settings).await?;
        let row = Row::new(NAME, "series days/s", Better::More, Measured::of(ours));
        let row = row.beside("bare-pipeline", Measured::of(theirs)).remark(format!(
            "{} days of {SLOTS} slots in epochs of {}; every hash read back",
            number(f64::from(SERIES)),
            SERIES / EPOCHS
        ));
        table.add(row);
        Ok(())
    })
}

impl Sides {
    async fn begin(settings: &RedisSettings) -> Result<Sides> {
        let epochs = Epochs::begin()?;
        let (incarnation, id) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let writer = Writer { incarnation, id, is_live: true, now: || Instant(1) };
        let mut sink = RedisSink::open(settings, writer, Epoch(1)).await?;
        sink.fill(&epochs.read_model.snapshot().whole(), None).await?;
        let client = redis::Client::open(settings.urls[0].as_str())?;
        let mut bare = client.get_multiplexed_async_connection().await?;
        let mut load = redis::cmd("SCRIPT");
        let sha = load.arg("LOAD").arg(REDIS_APPLY_SCRIPT).query_async(&mut bare).await?;
        Ok(Sides { epochs, sink, bare, sha, blocks: Vec::new(), is_begun: false })
    }

    /// The blocks of one round, by epoch.
    fn round(&mut self) -> Vec<Said> {
        let epochs = self.epochs.round();
        let all = epochs.iter().flat_map(|(_, days)| days);
        let mut blocks: Vec<(SeriesDay, Arc<DayBlock>)> = all.cloned().collect();
        blocks.sort_by_key(|(day, _)| *day);
        self.blocks = blocks.into_iter().map(|(_, block)| block).collect();
        epochs
    }

    /// Series days a second through the sink: from epochs that have closed until the last is committed.
    async fn ours(&mut self) -> Result<f64> {
        let epochs = self.round();
        for said in epochs {
            self.epochs.publish(said);
        }
        let begun = now();
        while let Some(committed) = self.sink.committed().filter(|it| it.0 < self.epochs.newest) {
            // As a sink that follows epoch by epoch.
            let next = Epoch(committed.0 + 1);
            let closed =
                self.epochs.read_model.since(committed, next).context("an epoch is gone")?;
            self.sink.write(&closed, &|_| None).await?;
        }
        Ok(f64::from(SERIES) / begun.elapsed().as_secs_f64())
    }

    /// The same script with the same values, pipelined.
    async fn theirs(&mut self) -> Result<f64> {
        let epochs = self.round();
        let prepared: Vec<Prepared> = epochs
            .into_iter()
            .map(|(epoch, days)| {
                let day = |((series, _), block): (SeriesDay, Arc<DayBlock>)| {
                    let unit = self.epochs.series[series.0 as usize].unit.unit_no;
                    (format!("bare:{{PP:{unit}}}:forecast:UserForecast:15"), redis_day(&block))
                };
                (epoch, days.into_iter().map(day).collect())
            })
            .collect();
        let begun = now();
        for (epoch, days) in &prepared {
            for window in days.chunks(WINDOW) {
                let mut pipeline = redis::Pipeline::with_capacity(window.len());
                for (key, value) in window {
                    let mut call = redis::cmd("EVALSHA");
                    call.arg(&self.sha).arg(1).arg(key).arg(1).arg(epoch);
                    // The first time the hash is not there yet.
                    call.arg(u8::from(self.is_begun)).arg(TTL_MS);
                    call.arg("").arg("").arg("1970-01-01").arg(value);
                    pipeline.add_command(call);
                }
                let answers: Vec<i64> = pipeline.query_async(&mut self.bare).await?;
                ensure!(answers.iter().all(|answer| *answer == 1), "a script did not apply");
            }
        }
        let rate = f64::from(SERIES) / begun.elapsed().as_secs_f64();
        self.is_begun = true;
        self.skip().await?;
        Ok(rate)
    }

    /// Lets the sink pass over the epochs of the other side: they changed nothing here.
    async fn skip(&mut self) -> Result<()> {
        let nothing =
            ClosedEpoch::nothing(Epoch(self.epochs.newest), Instant(1), Figures::default());
        self.epochs.read_model.publish(nothing.clone());
        self.sink.write(&nothing, &|_| None).await?;
        Ok(())
    }

    /// Compares every hash with the last that was said.
    async fn check(&mut self, settings: &RedisSettings) -> Result<()> {
        self.ours().await?;
        let mut reader = RedisReader::open(settings).await?;
        for (series, block) in self.epochs.series.iter().zip(&self.blocks) {
            let hash = reader.read(series).await?;
            ensure!(hash.days.get(&Day(0)) == Some(block), "{series:?} was not written");
        }
        Ok(())
    }
}
