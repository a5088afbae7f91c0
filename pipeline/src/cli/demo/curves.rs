//! The forecasts that the demonstration saves: new issues of whole curves, corrections of some slots, and
//! versions for the future.

use smartpulse_datasets::{Asked, LivingPlant};
use smartpulse_operators::change::{Curve, Entry};
use smartpulse_operators::quantity::ABSENT;
use smartpulse_operators::series::Provider;
use smartpulse_operators::time::Instant;

use super::script::{Act, Moment, SPOTLIGHT, Script, announced};
use super::wording;

/// Providers whose forecasts reach over the coming days after every start.
const OPENING: [&str; 3] = [Provider::FINAL_FORECAST, "UserForecast", "ForecastImport"];
/// One issue of so many has all days to come; the others what is near, as intraday issues do.
const WHOLE_EVERY: u64 = 12;
/// Civil days of a whole issue: today, tomorrow and the day after.
const DAYS: i32 = 3;
/// Companies whose plants are saved together.
pub(super) const COMPANIES: usize = 3;
const HOUR: i64 = 3_600_000_000;

impl Script {
    /// The first issues after a start: the days to come of every plant, from now on or, where nothing else
    /// tells of today, from its first hour on.
    pub(super) fn opening(&mut self, now: Instant, whole_day: bool) -> Vec<Act> {
        let mut acts = Vec::new();
        for (number, provider) in (0..).zip(OPENING) {
            let Some(named) = Provider::parse(provider) else { continue };
            for company in 0..COMPANIES {
                let mut entries = Vec::new();
                for plant in self.plants_of(company) {
                    let (midnight, to) = self.plant(plant).zone.civil_days(now, DAYS);
                    let from = if whole_day { midnight } else { now };
                    let asked = Asked { plant, provider, at: now, number, from, to };
                    entries.extend(self.fleet.forecast(asked));
                }
                // Parts of the step before the first one.
                let part = 1 + number * COMPANIES as u64 + company as u64;
                let signed = wording::opened(provider, now, self.draw(0, part, u64::MAX));
                acts.extend(self.save((0, part), named.clone(), Instant::MIN, signed, entries));
            }
        }
        acts
    }

    /// Some plant's curve by one of its providers.
    pub(super) fn reissue(&mut self, moment: Moment) -> Option<Act> {
        let plant = self.any_plant(moment.step);
        let providers = &self.plant(plant).providers;
        let provider =
            providers[self.draw(moment.step, 2, providers.len() as u64) as usize].clone();
        let is_whole = self.draw(moment.step, 3, WHOLE_EVERY) == 0;
        let hours = 4 + self.draw(moment.step, 4, 9) as i64;
        let entries = self.issue(plant, provider.key(), moment, (!is_whole).then_some(hours));
        self.signed(moment, plant, provider, entries)
    }

    /// All days to come of the plant a newcomer is sent to.
    pub(super) fn spotlight(&mut self, moment: Moment) -> Option<Act> {
        let is_tended = self.tended.contains(&SPOTLIGHT);
        let plant = if is_tended { SPOTLIGHT } else { *self.tended.first()? };
        let provider = Provider::parse(Provider::FINAL_FORECAST)?;
        let entries = self.issue(plant, provider.key(), moment, None);
        self.signed(moment, plant, provider, entries)
    }

    /// One to four slots of a user's forecast some hours ahead, lowered.
    pub(super) fn correction(&mut self, moment: Moment) -> Option<Act> {
        let Moment { step, now, .. } = moment;
        let plant = self.any_plant(step);
        let provider = Provider::parse("UserForecast")?;
        let from = Instant(now.0 + (2 + self.draw(step, 2, 8) as i64) * HOUR);
        let to = Instant(from.0 + 4 * HOUR);
        let asked = Asked { plant, provider: provider.key(), at: now, number: step, from, to };
        let (count, share) = (1 + self.draw(step, 3, 4), 850 + self.draw(step, 4, 140) as i64);
        let entries = self.fleet.forecast(asked).into_iter();
        let entries = entries.map(|entry| lowered(&entry, count as usize, share)).collect();
        let signed = wording::corrected(self.plant_type(plant), self.draw(step, 5, u64::MAX));
        self.save((step, 0), provider, Instant::MIN, signed, entries)
    }

    /// The next hours of a plant, in a version that counts in half a minute.
    pub(super) fn future(&mut self, moment: Moment) -> Option<Act> {
        let plant = self.any_plant(moment.step);
        let provider = Provider::parse(Provider::FINAL_FORECAST)?;
        let entries = self.issue(plant, provider.key(), moment, Some(6));
        let from = announced(moment.now);
        let signed = wording::announced(from, self.draw(moment.step, 5, u64::MAX));
        self.save((moment.step, 0), provider, from, signed, entries)
    }

    /// What `provider` says of the coming hours, or of all days to come.
    fn issue(
        &mut self,
        plant: usize,
        provider: &str,
        moment: Moment,
        hours: Option<i64>,
    ) -> Vec<Entry> {
        let Moment { step, now, .. } = moment;
        let end = self.plant(plant).zone.civil_days(now, DAYS).1;
        let to = hours.map_or(end, |hours| Instant(now.0 + hours * HOUR));
        // The numbers before are those of the opening.
        let number = step + OPENING.len() as u64;
        self.fleet.forecast(Asked { plant, provider, at: now, number, from: now, to })
    }

    fn signed(
        &self,
        Moment { step, now, .. }: Moment,
        plant: usize,
        provider: Provider,
        entries: Vec<Entry>,
    ) -> Option<Act> {
        let draw = self.draw(step, 5, u64::MAX);
        let signed = wording::issued(provider.key(), self.plant_type(plant), now, draw);
        self.save((step, 0), provider, Instant::MIN, signed, entries)
    }

    pub(super) fn any_plant(&self, step: u64) -> usize {
        self.tended[self.draw(step, 0, self.tended.len() as u64) as usize]
    }

    pub(super) fn plant(&self, plant: usize) -> &LivingPlant {
        &self.fleet.plants()[plant]
    }

    /// The tended plants that `company` owned at first.
    pub(super) fn plants_of(&self, company: usize) -> Vec<usize> {
        self.tended.iter().copied().filter(|plant| plant % COMPANIES == company).collect()
    }

    fn plant_type(&self, plant: usize) -> &str {
        self.plant(plant).master.plant_type.as_deref().unwrap_or_default()
    }
}

/// The first `count` slots of `entry`, at so many thousandths of their values.
fn lowered(entry: &Entry, count: usize, share: i64) -> Entry {
    let mut slots: Vec<(Instant, i64)> = Vec::new();
    entry.curve.for_each_day(entry.period, |day, first, values| {
        let said = (first..).zip(values).filter(|(_, value)| **value != ABSENT);
        slots.extend(
            said.map(|(slot, value)| (day.slot_start(entry.period, slot), value * share / 1_000)),
        );
    });
    Entry { curve: Curve::new(entry.period, slots.into_iter().take(count)), ..entry.clone() }
}

/// `entry` at so many thousandths of its values.
pub(super) fn scaled(entry: &Entry, share: i64) -> Entry {
    lowered(entry, entry.curve.len(), share)
}
