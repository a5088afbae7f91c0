//! How the hashes of an epoch are written: called in windows, confirmed, and their names noted with their versions.

use std::collections::BTreeSet;
use std::sync::Arc;

use redis::{Cmd, Value};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::block::DayBlock;
use smartpulse_operators::chunk::SeriesDay;
use smartpulse_operators::closed::ClosedEpoch;
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::SeriesId;

use super::epoch::{Parts, Row};
use super::error::RedisFault;
use super::link::{Started, WINDOW, WINDOW_BYTES};
use super::patch::{self, Before, Change};
use super::sink::RedisSink;
use super::work::{self, Calling, Field, Kept, Known, Of};
use super::{keys, load};

impl RedisSink {
    /// Writes the hashes of an epoch; whole ones, where nothing is known of what was before. Gives the commands that
    /// note their names with their versions.
    pub(super) async fn hashes(
        &mut self,
        closed: &ClosedEpoch,
        before: Option<Before<'_>>,
        mut parts: Option<&mut Parts>,
    ) -> Result<Vec<Cmd>, RedisFault> {
        let is_whole = before.is_none();
        for (id, series) in &closed.new_series {
            let name = keys::series_name(series);
            if let Some(parts) = parts.as_deref_mut() {
                parts.add(&Row::Series(id.0, name.clone()));
            }
            let known = Known { name, before: Epoch(0) };
            self.kept.series.entry(*id).or_insert_with(|| (Arc::clone(series), known));
        }
        let mut window = Window::default();
        let has_days = |id: SeriesId| {
            let at = closed.blocks.partition_point(|((series, _), _)| *series < id);
            closed.blocks.get(at).is_some_and(|((series, _), _)| *series == id)
        };
        for (id, _) in closed.new_series.iter().filter(|(id, _)| !has_days(*id)) {
            // Every value was refused: a hash without days has a name and a version all the same.
            let at = At { epoch: closed.epoch, is_whole };
            self.add(&mut window, Of::Series(*id), Vec::new(), at, None).await?;
        }
        for days in closed.blocks.chunk_by(|((one, _), _), ((other, _), _)| one == other) {
            let id = days[0].0.0;
            let from = closed.causes.partition_point(|((series, _), _)| *series < id);
            let to = closed.causes.partition_point(|((series, _), _)| *series <= id);
            let fields = work::series_fields(days, &closed.causes[from..to], parts.as_deref_mut());
            let told = self.patch_of(id, days, before, closed);
            let at = At { epoch: closed.epoch, is_whole };
            self.add(&mut window, Of::Series(id), fields, at, told).await?;
        }
        for (series, days) in work::by_total(closed) {
            let name = keys::total_name(&series);
            let fields = work::total_fields(&name, &days, parts.as_deref_mut());
            let known = Known { name, before: Epoch(0) };
            self.kept.totals.entry(series.clone()).or_insert(known);
            let at = At { epoch: closed.epoch, is_whole };
            self.add(&mut window, Of::Total(series), fields, at, None).await?;
        }
        let (members, withdrawn) = work::other_fields(closed, parts.as_deref_mut());
        let units = closed.reference.as_ref().map(|reference| {
            let nothing = Reference::default();
            let before = if is_whole { &nothing } else { &*self.kept.reference };
            work::unit_fields(before, reference, is_whole, parts)
        });
        for (of, fields) in [
            (Of::Members, members),
            (Of::Withdrawn, withdrawn),
            (Of::Units, units.unwrap_or_default()),
        ] {
            if is_whole || !fields.is_empty() {
                let at = At { epoch: closed.epoch, is_whole };
                self.add(&mut window, of, fields, at, None).await?;
            }
        }
        self.send(&mut window, closed.epoch).await?;
        self.confirm(&mut window, closed.epoch).await?;
        Ok(window.names)
    }

    /// Takes away names of what there is no more, once everything has been written: totals that nobody is in, and
    /// whatever another history has left.
    pub(super) async fn forget_names(&mut self) -> Result<(), RedisFault> {
        let series = self.kept.series.values().map(|(_, known)| known.name.clone());
        let totals = self.kept.totals.values().map(|known| known.name.clone());
        let known: [BTreeSet<String>; 2] = [series.collect(), totals.collect()];
        for (index, known) in [self.keys.series(), self.keys.totals()].into_iter().zip(known) {
            let names = load::names(&mut self.link, &index).await?;
            let gone = names.iter().filter(|(name, ..)| !known.contains(name));
            let forgetting = gone.map(|(name, ..)| {
                let mut forget = redis::cmd("HDEL");
                forget.arg(&index).arg(name);
                forget
            });
            let forgetting: Vec<Cmd> = forgetting.collect();
            for some in forgetting.chunks(WINDOW) {
                self.link.all("taking names away", some.to_vec()).await?;
            }
        }
        Ok(())
    }

    /// The channel of a series and what it is told, where somebody listens.
    fn patch_of(
        &mut self,
        id: SeriesId,
        days: &[(SeriesDay, Arc<DayBlock>)],
        before: Option<Before<'_>>,
        closed: &ClosedEpoch,
    ) -> Option<(String, String)> {
        if !self.is_heard {
            self.unheard.0.insert(id);
            return None;
        }
        let (series, known) = self.kept.series.get(&id)?;
        let change = Change {
            writer: self.writer.id,
            series,
            from: known.before,
            to: closed.epoch,
            clock: closed.clock,
        };
        // What a broken attempt has told already begins elsewhere than where `before` does.
        let before = before.filter(|_| Some(known.before) <= self.committed);
        let steps = before.map(|before| patch::steps(series.period, days, before));
        Some((self.keys.channel(series), change.message(steps)))
    }

    /// Adds a call to the window, and sends that when it is full.
    async fn add(
        &mut self,
        window: &mut Window,
        of: Of,
        fields: Vec<Field>,
        At { epoch, is_whole }: At,
        told: Option<(String, String)>,
    ) -> Result<(), RedisFault> {
        let (name, before) = self.kept.named(&of).ok_or_else(|| {
            RedisFault::Lost("a series was never named: all have to be written".to_owned())
        })?;
        let calling = Calling {
            apply: &self.link.scripts().apply,
            keys: &self.keys,
            term: self.term,
            epoch,
            ttl_ms: self.settings.ttl_ms(),
            is_whole,
        };
        let key = calling.keys.of(&name);
        window.bytes +=
            fields.iter().map(|(_, value)| value.as_ref().map_or(0, Vec::len)).sum::<usize>();
        window.calls.push(calling.call(&key, before, told.as_ref(), &fields));
        window.of.push((of, name));
        if window.calls.len() >= WINDOW || window.bytes >= WINDOW_BYTES {
            self.send(window, epoch).await?;
        }
        Ok(())
    }

    /// Sends the calls of a window. They are on their way while the next ones are put together; those of the window
    /// before are confirmed first.
    async fn send(&mut self, window: &mut Window, epoch: Epoch) -> Result<(), RedisFault> {
        self.confirm(window, epoch).await?;
        self.say_alive(epoch).await?;
        let (calls, of) = (std::mem::take(&mut window.calls), std::mem::take(&mut window.of));
        self.written.bytes += std::mem::take(&mut window.bytes) as u64;
        let mut answers = self.link.start("writing hashes", calls);
        tokio::select! {
            biased;
            () = &mut answers => {}
            () = tokio::task::yield_now() => {}
        }
        window.under_way = Some((answers, of));
        Ok(())
    }

    /// Waits until the calls that are under way are confirmed, and notes the names with their versions.
    async fn confirm(&mut self, window: &mut Window, epoch: Epoch) -> Result<(), RedisFault> {
        let Some((mut answers, of)) = window.under_way.take() else { return Ok(()) };
        answers.as_mut().await;
        let Some(answers) = answers.as_mut().take_output() else { return Ok(()) };
        for (answer, (_, name)) in answers?.iter().zip(&of) {
            match answer {
                Value::Int(0 | 1) => {}
                Value::Int(-1) => {
                    return Err(RedisFault::Superseded(format!("it has written {name}")));
                }
                _ => return Err(RedisFault::Lost(format!("{name} is not what was written"))),
            }
        }
        self.written.hashes += of.len() as u64;
        let mut series = redis::cmd("HSET");
        let mut totals = redis::cmd("HSET");
        series.arg(self.keys.series());
        totals.arg(self.keys.totals());
        let (mut any_series, mut any_total) = (false, false);
        for (of, name) in of {
            self.kept.mark(&of, epoch);
            match of {
                Of::Series(id) => {
                    any_series = true;
                    series.arg(name).arg(format!("{}:{}", id.0, epoch.0));
                }
                Of::Total(_) => {
                    any_total = true;
                    totals.arg(name).arg(format!("0:{}", epoch.0));
                }
                Of::Members | Of::Units | Of::Withdrawn => {}
            }
        }
        let names = [(any_series, series), (any_total, totals)].into_iter();
        window.names.extend(names.filter_map(|(any, names)| any.then_some(names)));
        Ok(())
    }
}

/// What a call is part of.
#[derive(Clone, Copy)]
struct At {
    epoch: Epoch,
    is_whole: bool,
}

/// Calls that go together.
#[derive(Default)]
struct Window {
    calls: Vec<Cmd>,
    of: Vec<(Of, String)>,
    bytes: usize,
    /// Calls that were sent and are not confirmed yet.
    under_way: Option<(Started, Vec<(Of, String)>)>,
    /// Commands that note the names of what is confirmed.
    names: Vec<Cmd>,
}

impl Kept {
    /// The name of a hash, and the epoch that wrote it last.
    fn named(&self, of: &Of) -> Option<(String, Epoch)> {
        let fixed = |name: &str, before| Some((format!("{{stream}}:{name}"), before));
        let known = |known: &Known| (known.name.clone(), known.before);
        match of {
            Of::Series(id) => self.series.get(id).map(|(_, it)| known(it)),
            Of::Total(series) => self.totals.get(series).map(known),
            Of::Members => fixed("members", self.members),
            Of::Units => fixed("units", self.units),
            Of::Withdrawn => fixed("withdrawn", self.withdrawn),
        }
    }

    fn mark(&mut self, of: &Of, epoch: Epoch) {
        let place = match of {
            Of::Series(id) => self.series.get_mut(id).map(|(_, known)| &mut known.before),
            Of::Total(series) => self.totals.get_mut(series).map(|known| &mut known.before),
            Of::Members => Some(&mut self.members),
            Of::Units => Some(&mut self.units),
            Of::Withdrawn => Some(&mut self.withdrawn),
        };
        if let Some(before) = place {
            *before = epoch;
        }
    }
}

/// The rows of an epoch whose hashes were written another way.
pub(super) fn rows_of(since: &ClosedEpoch, reference: &Option<Arc<Reference>>, parts: &mut Parts) {
    for (id, series) in &since.new_series {
        parts.add(&Row::Series(id.0, keys::series_name(series)));
    }
    work::series_fields(&since.blocks, &since.causes, Some(parts));
    for (series, days) in work::by_total(since) {
        work::total_fields(&keys::total_name(&series), &days, Some(parts));
    }
    work::other_fields(since, Some(parts));
    if let (Some(_), Some(reference)) = (&since.reference, reference) {
        // What was said before is not known here: all is said again.
        work::unit_fields(&Reference::default(), reference, true, Some(parts));
    }
}
