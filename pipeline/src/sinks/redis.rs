//! A Redis: written whole at the start, then epoch by epoch; whole again where it has lost something or the ring
//! no longer has what it missed.

use std::ops::ControlFlow;
use std::time::Duration;

use smartpulse_connectors::retry::{Remedy, Row, remedy};
use smartpulse_connectors::{RedisFault, RedisSettings, RedisSink};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_serve::attached::Standing;
use tokio::time::{Interval, MissedTickBehavior};
use tracing::{info, warn};

use super::Work;

/// How long the last epoch may take to be written when the service stops.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(1);

/// Runs until told to stop.
pub(super) async fn run(settings: RedisSettings, mut work: Work) {
    let mut kept: Option<RedisSink> = None;
    let mut row = Row::default();
    loop {
        let before = work.link.state().epoch;
        let mut stopping = work.stopping.clone();
        let last_words = async {
            // Who is gone stops nothing.
            let _ = stopping.wait_for(|stop| *stop).await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        let followed = tokio::select! {
            followed = follow(&settings, &mut kept, &work) => followed,
            () = last_words => return,
        };
        let Err(fault) = followed else { return };
        let went_well = work.link.state().epoch > before;
        let (times, is_news) = row.add(fault.trouble(), fault.to_string(), went_well);
        let name = &settings.name;
        if is_news {
            warn!(name, problem = %fault, "redis does not follow");
        }
        work.link.stands(Standing::Degraded(fault.to_string()));
        let pause = match remedy(fault.trouble(), times, rand::random()) {
            Remedy::Again(pause) => pause,
            Remedy::Anew(pause) => {
                if let Some(sink) = &mut kept
                    && let Err(problem) = sink.give_up_what_is_there().await
                {
                    warn!(name, %problem, "redis does not hear that what it holds is not whole");
                    kept = None;
                }
                pause
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = work.stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Brings Redis up to date and keeps it so, until told to stop.
async fn follow(
    settings: &RedisSettings,
    kept: &mut Option<RedisSink>,
    work: &Work,
) -> Result<(), RedisFault> {
    let is_whole = match kept {
        Some(sink) => {
            sink.reconnect(work.read_model.newest_epoch()).await?;
            sink.is_whole()
        }
        None => {
            *kept =
                Some(RedisSink::open(settings, work.writer, work.read_model.newest_epoch()).await?);
            false
        }
    };
    let Some(sink) = kept else { return Ok(()) };
    if !is_whole {
        fill(sink, work).await?;
    }
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut closings = work.read_model.closings();
    loop {
        let newest = *closings.borrow_and_update();
        catch_up(sink, newest, work).await?;
        if wait(sink, &mut closings, &mut beat, settings.renewal(), work).await?.is_break() {
            // The service has stopped: this is the last epoch.
            return catch_up(sink, work.read_model.newest_epoch(), work).await;
        }
    }
}

async fn wait(
    sink: &mut RedisSink,
    closings: &mut tokio::sync::watch::Receiver<Epoch>,
    beat: &mut Interval,
    renewal: Duration,
    work: &Work,
) -> Result<ControlFlow<()>, RedisFault> {
    let mut stopping = work.stopping.clone();
    // From the last time on, however often the connection was lost since.
    let due =
        tokio::time::sleep_until(sink.filled().unwrap_or_else(tokio::time::Instant::now) + renewal);
    tokio::select! {
        changed = closings.changed() => {
            if changed.is_err() {
                return Ok(ControlFlow::Break(()));
            }
        }
        _ = beat.tick() => sink.beat(work.read_model.newest_epoch()).await?,
        () = due => fill(sink, work).await?,
        _ = stopping.wait_for(|stop| *stop) => return Ok(ControlFlow::Break(())),
    }
    Ok(ControlFlow::Continue(()))
}

/// Writes what has closed since the last commit.
async fn catch_up(sink: &mut RedisSink, newest: Epoch, work: &Work) -> Result<(), RedisFault> {
    let committed = sink.committed();
    if committed == Some(newest) {
        if work.link.state().standing != Standing::Following {
            told(sink, newest, work.read_model.snapshot().clock, work);
        }
        return Ok(());
    }
    match committed.and_then(|committed| work.read_model.since(committed, newest)) {
        Some(closed) => {
            let before = work.read_model.at(committed.unwrap_or_default());
            let day = |(series, day): SeriesDay| before.as_ref()?.block(series, day).cloned();
            sink.write(&closed, &day).await?;
            told(sink, closed.epoch, closed.clock, work);
            Ok(())
        }
        None => fill(sink, work).await,
    }
}

/// Writes everything.
async fn fill(sink: &mut RedisSink, work: &Work) -> Result<(), RedisFault> {
    work.link.stands(Standing::Filling);
    let snapshot = work.read_model.snapshot();
    let since = sink.committed().and_then(|from| work.read_model.since(from, snapshot.epoch));
    let whole = snapshot.whole();
    sink.fill(&whole, since.as_ref()).await?;
    let (series, days, resync) = (whole.new_series.len(), whole.blocks.len(), since.is_none());
    info!(epoch = whole.epoch.0, series, days, resync, "redis holds everything");
    told(sink, whole.epoch, whole.clock, work);
    Ok(())
}

fn told(sink: &RedisSink, epoch: Epoch, clock: smartpulse_operators::time::Instant, work: &Work) {
    let written = sink.written();
    let counts = vec![
        ("hashes", written.hashes),
        ("bytes", written.bytes),
        ("commits", written.commits),
        ("fills", written.fills),
    ];
    work.link.went(epoch, clock, counts);
}
