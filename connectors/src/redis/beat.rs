//! Once a second: the engine says that it is there, looks whether what it wrote still is, and who listens.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::{Cmd, Value};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::series::SeriesId;
use smartpulse_operators::time::Instant;

use super::error::RedisFault;
use super::link::{WINDOW, elements, text};
use super::patch::Change;
use super::sink::{RedisSink, version_of};

/// Hashes that are looked at with each beat, in turn: a loss of a tenth of them is found at once, any in time.
const LOOKED_AT: usize = 64;
/// A sign of life is given at least that often.
const SILENCE: Duration = Duration::from_secs(1);

impl RedisSink {
    /// Says that the engine is there and at `newest`, and looks whether all that was written still is.
    ///
    /// # Errors
    /// [`RedisFault`].
    pub async fn beat(&mut self, newest: Epoch) -> Result<(), RedisFault> {
        let runs = self.link.runs().await?;
        if runs != self.runs {
            return Err(RedisFault::Lost(
                "Redis was started anew, or another one answers".to_owned(),
            ));
        }
        match self.say(newest).await?.parse::<u64>().ok().map(Epoch) {
            Some(epoch) if Some(epoch) == self.committed => {}
            // The answer to a commit was lost on the way.
            Some(epoch) if Some(epoch) > self.committed => self.committed = Some(epoch),
            _ => return Err(RedisFault::Lost("the state is not what was left".to_owned())),
        }
        self.look_at_hashes().await?;
        let is_heard = self.is_anybody_there().await?;
        let was_heard = std::mem::replace(&mut self.is_heard, is_heard);
        let (since, before) = std::mem::take(&mut self.unheard);
        if self.is_heard && !was_heard {
            let clock = (self.writer.now)();
            return self.tell(since.into_iter().chain(before).collect(), clock).await;
        }
        self.unheard.1 = since;
        Ok(())
    }

    /// Says that the engine is there, where it has not for a while: writing everything takes its time.
    pub(super) async fn say_alive(&mut self, newest: Epoch) -> Result<(), RedisFault> {
        if self.beaten.elapsed() >= SILENCE {
            self.say(newest).await?;
        }
        Ok(())
    }

    /// Says that the engine is there and at `newest`; what the state says.
    async fn say(&mut self, newest: Epoch) -> Result<String, RedisFault> {
        self.beaten = tokio::time::Instant::now();
        let mut call = self.beside(|scripts| &scripts.beat);
        call.arg(self.term).arg(self.writer.id.to_string()).arg((self.writer.now)().0);
        call.arg(newest.0);
        let answer = self.link.ask("saying that the engine is there", call).await?;
        match text(&answer).unwrap_or_default().as_str() {
            "superseded" => Err(RedisFault::Superseded("it took the prefix over".to_owned())),
            "gone" => Err(RedisFault::Lost("the state or what lies beside it is gone".to_owned())),
            epoch => Ok(epoch.to_owned()),
        }
    }

    /// Tells whoever has begun to listen that these may be at another version than was read.
    async fn tell(&mut self, series: BTreeSet<SeriesId>, clock: Instant) -> Result<(), RedisFault> {
        let known = series.iter().filter_map(|id| self.kept.series.get(id));
        let telling = known.map(|(series, known)| {
            let (writer, from, to) = (self.writer.id, known.before, known.before);
            let message = Change { writer, series, from, to, clock }.message(None);
            let mut tell = redis::cmd("PUBLISH");
            tell.arg(self.keys.channel(series)).arg(message);
            tell
        });
        let telling: Vec<Cmd> = telling.collect();
        for some in telling.chunks(WINDOW) {
            self.link.all("telling who listens", some.to_vec()).await?;
        }
        Ok(())
    }

    /// Whether somebody listens: to a channel of ours, or to a pattern that may hold one.
    async fn is_anybody_there(&mut self) -> Result<bool, RedisFault> {
        let (mut patterns, mut channels) = (redis::cmd("PUBSUB"), redis::cmd("PUBSUB"));
        patterns.arg("NUMPAT");
        channels.arg("CHANNELS").arg(self.keys.all_channels());
        let doing = "asking who listens";
        let patterns = self.link.each_server(doing, patterns).await?;
        let channels = self.link.each_server(doing, channels).await?;
        let any_pattern = patterns.iter().any(|(_, count)| *count != Value::Int(0));
        Ok(any_pattern || channels.into_iter().any(|(_, names)| !elements(names).is_empty()))
    }

    /// Looks at some of the hashes, others each time.
    async fn look_at_hashes(&mut self) -> Result<(), RedisFault> {
        let all = self.kept.series.len() as u32;
        if all == 0 {
            return Ok(());
        }
        let from = self.looked_at;
        let chosen = 0..LOOKED_AT.min(all as usize);
        let chosen = chosen.map(|step| from.wrapping_add(step) % all as usize);
        let series = chosen.filter_map(|place| {
            self.kept.series.get(&SeriesId(place as u32)).map(|(_, known)| known)
        });
        let totals = self.kept.totals.len().max(1);
        let totals =
            self.kept.totals.values().cycle().skip(from % totals).take(LOOKED_AT.min(totals));
        let known = series.chain(totals).filter(|known| known.before > Epoch(0));
        let known: Vec<(String, Epoch)> =
            known.map(|known| (self.keys.of(&known.name), known.before)).collect();
        let asking = known.iter().map(|(key, _)| {
            let mut ask = redis::cmd("HGET");
            ask.arg(key).arg("v");
            ask
        });
        let answers = self.link.all("looking at what was written", asking.collect()).await?;
        for ((key, before), answer) in known.iter().zip(&answers) {
            let version = text(answer).and_then(|text| version_of(&text));
            if version.is_none_or(|(term, epoch)| term < self.term || epoch < *before) {
                return Err(RedisFault::Lost(format!("{key} is not what was written")));
            }
        }
        self.looked_at = from.wrapping_add(LOOKED_AT);
        Ok(())
    }
}
