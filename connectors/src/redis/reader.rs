//! For those who read single series: a hash at its version, and what changes from there on.
//!
//! ```no_run
//! # use smartpulse_connectors::{RedisFault, RedisReader, RedisSettings, SeriesDocument};
//! # async fn follow(settings: &RedisSettings) -> Result<(), RedisFault> {
//! let mut reader = RedisReader::open(settings).await?;
//! let series = reader.series().await?;
//! let mut watch = reader.watch(&series[0]).await?;
//! let mut document: SeriesDocument = reader.document(&series[0]).await?;
//! loop {
//!     let change = watch.next().await?;
//!     if !document.apply(&change) {
//!         document = reader.document(&series[0]).await?;
//!     }
//! }
//! # }
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use redis::aio::PubSub;
use serde::Deserialize;
use serde_json::{Map, Value};
use smartpulse_operators::block::DayBlock;
use smartpulse_operators::series::Series;
use smartpulse_operators::time::Day;

use super::day::{self, KnownBatches};
use super::error::RedisFault;
use super::keys::{self, Keys};
use super::link::{Link, fields};
use super::settings::RedisSettings;
use super::sink::version_of;
use super::work::day_of;
use super::{load, packed, patch};

/// Reads single series.
pub struct RedisReader {
    settings: RedisSettings,
    keys: Keys,
    link: Link,
    known: KnownBatches,
}

/// A series at one version.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesHash {
    /// The epoch that wrote it.
    pub version: u64,
    /// Its days.
    pub days: BTreeMap<Day, Arc<DayBlock>>,
}

/// A series at one version as a JSON document: days, in them slots with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesDocument {
    /// The epoch that wrote it.
    pub version: u64,
    /// `{"2026-11-27": {"00:15": {"v", "validAfter", "recorded", "batchId"}}}`, `v` in MW.
    pub days: Value,
}

/// What changed in a series, as it was published.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeriesChange {
    /// The version after it.
    pub version_id: u64,
    /// The version that it begins at.
    pub previous_version_id: u64,
    /// The way between them; none: the hash has to be read again.
    pub patch_items: Option<json_patch::Patch>,
}

/// Hears what changes in one series.
pub struct SeriesWatch {
    channel: String,
    messages: PubSub,
}

impl RedisReader {
    /// Connects.
    ///
    /// # Errors
    /// [`RedisFault::Unreachable`].
    pub async fn open(settings: &RedisSettings) -> Result<RedisReader, RedisFault> {
        let link = Link::open(settings, std::time::Duration::ZERO).await?;
        let (keys, known) = (Keys::new(&settings.prefix), KnownBatches::default());
        Ok(RedisReader { settings: settings.clone(), keys, link, known })
    }

    /// Every series that an engine has written, by name.
    ///
    /// # Errors
    /// [`RedisFault`].
    pub async fn series(&mut self) -> Result<Vec<Series>, RedisFault> {
        let names = load::names(&mut self.link, &self.keys.series()).await?;
        Ok(names.iter().filter_map(|(name, ..)| keys::series_of(name)).collect())
    }

    /// A series as its hash holds it; at version 0 and without days where there is none.
    ///
    /// # Errors
    /// [`RedisFault`].
    pub async fn read(&mut self, series: &Series) -> Result<SeriesHash, RedisFault> {
        let key = self.keys.of(&keys::series_name(series));
        let mut ask = redis::cmd("HGETALL");
        ask.arg(&key);
        let bad = |problem: &str| RedisFault::Unreadable {
            key: key.clone(),
            problem: problem.to_owned(),
        };
        let mut hash = SeriesHash { version: 0, days: BTreeMap::new() };
        for (field, value) in fields(self.link.ask("reading a hash", ask).await?) {
            if field == "v" {
                let version = str::from_utf8(&value).ok().and_then(version_of);
                hash.version = version.ok_or_else(|| bad("its version is none"))?.1.0;
                continue;
            }
            let day = day_of(&field).ok_or_else(|| bad("a field is no day"))?;
            let block = packed::unpack(&value).and_then(|it| day::decode(&it, &mut self.known));
            let block = block.filter(|block| block.slots() == series.period.slots());
            hash.days.insert(day, block.ok_or_else(|| bad("a day is damaged"))?);
        }
        Ok(hash)
    }

    /// The same as a JSON document.
    ///
    /// # Errors
    /// [`RedisFault`].
    pub async fn document(&mut self, series: &Series) -> Result<SeriesDocument, RedisFault> {
        let SeriesHash { version, days } = self.read(series).await?;
        let day = |(day, block): (Day, Arc<DayBlock>)| {
            (day.to_string(), patch::document_of(series.period, &block))
        };
        let days = days.into_iter().map(day).collect::<Map<String, Value>>();
        Ok(SeriesDocument { version, days: Value::Object(days) })
    }

    /// Hears what changes in a series: first this, then the document, so that nothing is missed between them. An
    /// engine notices within some two seconds that somebody listens; until then versions pass unheard, which the
    /// next change shows. A connection that is lost is an error: watch again, and read again.
    ///
    /// # Errors
    /// [`RedisFault::Unreachable`].
    pub async fn watch(&self, series: &Series) -> Result<SeriesWatch, RedisFault> {
        let fault = RedisFault::while_doing("listening");
        let channel = self.keys.channel(series);
        let mut problem = None;
        // In a cluster each server hears what is published at any of them.
        for url in &self.settings.urls {
            let client = self.settings.client(url)?;
            match client.get_async_pubsub().await {
                Ok(mut messages) => {
                    messages.subscribe(&channel).await.map_err(&fault)?;
                    return Ok(SeriesWatch { channel, messages });
                }
                Err(refused) => problem = Some(fault(refused)),
            }
        }
        Err(problem.unwrap_or_else(|| RedisFault::Gap("there is no address".to_owned())))
    }
}

impl SeriesWatch {
    /// Waits for the next change.
    ///
    /// # Errors
    /// [`RedisFault::Unreachable`] when the connection is lost: watch again, and read again.
    pub async fn next(&mut self) -> Result<SeriesChange, RedisFault> {
        let message = self.messages.on_message().next().await;
        let Some(message) = message else {
            let problem = "the connection is lost".to_owned();
            return Err(RedisFault::Unreachable { doing: "listening", problem });
        };
        serde_json::from_slice(message.get_payload_bytes()).map_err(|problem| {
            RedisFault::Unreadable { key: self.channel.clone(), problem: problem.to_string() }
        })
    }
}

impl SeriesDocument {
    /// Applies a change. False where it does not begin at this version: then the document has to be read again.
    pub fn apply(&mut self, change: &SeriesChange) -> bool {
        if change.version_id <= self.version {
            return true;
        }
        let Some(steps) =
            change.patch_items.as_ref().filter(|_| change.previous_version_id == self.version)
        else {
            return false;
        };
        let applied = json_patch::patch(&mut self.days, steps).is_ok();
        if applied {
            self.version = change.version_id;
        }
        applied
    }
}
