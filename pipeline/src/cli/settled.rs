//! A stopped folder, recovered and at rest: everything of the journal is in the history store.

use std::path::Path;

use smartpulse_serve::ring::RingBounds;
use uuid::Uuid;

use super::progress::Progress;
use crate::config::Config;
use crate::engine::Base;
use crate::folder::DataFolder;
use crate::history::History;
use crate::service::{ClockChoice, Options, Service};

/// A folder at rest.
pub(super) struct Settled {
    pub(super) base: Base,
    pub(super) history: History,
    // Kept so that no other process takes the folder.
    _folder: DataFolder,
}

/// Recovers `path` and brings it to rest.
pub(super) fn settle(path: &Path, config: &Config, progress: &Progress) -> anyhow::Result<Settled> {
    let folder = DataFolder::open(path, false, Uuid::nil())?;
    let service =
        Service::start(folder, options(config), |done, all| progress.recovering(done, all))?;
    rest(service)
}

/// Stops a service and opens its history.
pub(super) fn rest(service: Service) -> anyhow::Result<Settled> {
    let (base, folder) = service.stop()?;
    let history = History::open(&folder.history())?;
    Ok(Settled { base, history, _folder: folder })
}

/// Options of a service whose clock is its data.
pub(super) fn options(config: &Config) -> Options {
    Options {
        workers: workers(config),
        clock: ClockChoice::Data,
        disk_reserve: config.disk_reserve_bytes,
        ring: ring(config),
    }
}

/// How much of past epochs stays readable.
pub(super) fn ring(config: &Config) -> RingBounds {
    RingBounds { bytes: config.ring_bytes, age: config.ring_minutes * 60_000_000 }
}

/// Worker threads: as configured, else one less than there are cores, at least one.
pub(super) fn workers(config: &Config) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if config.workers == 0 { cores.saturating_sub(1).max(1) } else { config.workers }
}
