//! What the query words of a read ask for: range, period, zone, measure unit, completeness.

use smartpulse_operators::civil::CivilPeriod;
use smartpulse_operators::quantity::Measure;
use smartpulse_operators::time::{Day, Instant, Period, Zone};

use super::clock_text::ClockText;
use super::curve_text::CurveText;
use super::refusal::Refusal;
use super::words::Words;
use crate::window::{Window, days};

/// The words that every read knows.
pub(crate) const READ_WORDS: [&str; 12] = [
    "from",
    "to",
    "period",
    "no-details",
    "measure-unit",
    "zone",
    "known_at",
    "at_epoch",
    "min_epoch",
    "completeness",
    "own",
    "normalized",
];

/// The slots of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// Those that were saved, one element a period.
    AsSaved,
    /// All of one length, aligned in UTC.
    Every(Period),
    /// Civil days or months.
    Civil(CivilPeriod),
}

/// What is asked for, whoever's values they are.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) shape: Shape,
    pub(crate) text: CurveText,
    /// The zone asked for, in which answers are written and civil days counted.
    pub(crate) zone: Option<Zone>,
    /// Least coverage of a slot; each door has its own default.
    pub(crate) completeness: Option<f64>,
    /// A company's or group's own forecasts instead of the sum of its plants.
    pub(crate) own: bool,
}

/// `[from, to)`, and whether the clock moves it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    pub(crate) follows_clock: bool,
}

/// A slot of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Reading {
    pub(crate) fn read(words: &Words) -> Result<Reading, Refusal> {
        let zone = words.get("zone").map(zone).transpose()?;
        let measure = words.get("measure-unit").map(|text| {
            let rule = "must be 0 to 3, kW, MW, kWh or MWh";
            Measure::parse(text).ok_or_else(|| Refusal::coded("MEASURE_UNIT", "measure-unit", rule))
        });
        let clock = words.get("zone").and_then(ClockText::in_zone).unwrap_or(ClockText::Utc);
        let text = CurveText {
            measure: measure.transpose()?.unwrap_or_default(),
            clock,
            details: !words.flag("no-details")?,
            normalized: words.flag("normalized")?,
        };
        Ok(Reading {
            shape: words.get("period").map_or(Ok(Shape::AsSaved), shape)?,
            text,
            zone,
            completeness: words.get("completeness").map(completeness).transpose()?,
            own: words.flag("own")?,
        })
    }

    /// The ends that are given of the range asked for; times without an offset are local to `zone`.
    pub(crate) fn window(words: &Words, zone: &Zone) -> Result<Window, Refusal> {
        Ok(Window { from: words.time("from", zone)?, to: words.time("to", zone)? })
    }

    /// The range asked for; where an end is missing, the one that makes it two civil days of `zone`.
    pub(crate) fn range(words: &Words, zone: &Zone, clock: Instant) -> Result<Range, Refusal> {
        let window = Reading::window(words, zone)?;
        let (from, to) = window.range(zone, clock);
        if from > to {
            return Err(Refusal::field("from", "must not be after `to`"));
        }
        Ok(Range { from, to, follows_clock: window.follows_clock() })
    }
}

impl Range {
    /// The UTC days it touches.
    pub(crate) fn days(&self) -> impl Iterator<Item = Day> + use<> {
        days(self.from, self.to)
    }

    /// Slots of `minutes` that it may hold.
    pub(crate) fn slots(&self, minutes: u64) -> u64 {
        let all = self.to.0.saturating_sub(self.from.0) / 60_000_000;
        u64::try_from(all).unwrap_or(0) / minutes.max(1)
    }

    /// Slots that an answer of `shape` may have, at least; 0 where they are those that were saved.
    pub(crate) fn asked_slots(&self, shape: Shape) -> u64 {
        match shape {
            Shape::AsSaved => 0,
            Shape::Every(period) => self.slots(period.minutes().into()),
            // Each is made of a day of slots or more.
            Shape::Civil(_) => self.slots(60),
        }
    }

    /// The slots of `shape` that start in it; none where they are those that were saved.
    pub(crate) fn targets(&self, shape: Shape, zone: &Zone) -> Vec<Target> {
        match shape {
            Shape::AsSaved => Vec::new(),
            Shape::Every(period) => {
                let length = i64::from(period.minutes()) * 60_000_000;
                let first = self.from.0.div_euclid(length) * length;
                let first = if first < self.from.0 { first + length } else { first };
                let starts = (0..).map(|slot| first + slot * length);
                let starts = starts.take_while(|start| *start < self.to.0);
                starts
                    .map(|from| Target { from: Instant(from), to: Instant(from + length) })
                    .collect()
            }
            Shape::Civil(period) => {
                let slots = period.slots(zone, self.from, self.to);
                slots.map(|(from, to)| Target { from, to }).collect()
            }
        }
    }
}

impl Target {
    /// The UTC days it touches.
    pub(crate) fn days(&self) -> impl Iterator<Item = Day> + use<> {
        days(self.from, self.to)
    }
}

fn zone(name: &str) -> Result<Zone, Refusal> {
    // A `+` in a query string is read as a blank: `Etc/GMT+3`.
    let zone = Zone::parse(&name.replace(' ', "+"));
    zone.ok_or_else(|| Refusal::field("zone", format!("`{name}` is no IANA zone")))
}

fn shape(text: &str) -> Result<Shape, Refusal> {
    if let Some(period) = CivilPeriod::parse(text) {
        return Ok(Shape::Civil(period));
    }
    let minutes = text.parse().ok().and_then(Period::new);
    let rule = "must be minutes that divide a day, `day` or `month`";
    minutes.map(Shape::Every).ok_or_else(|| Refusal::field("period", rule))
}

pub(crate) fn completeness(text: &str) -> Result<f64, Refusal> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| Refusal::field("completeness", "must be a number from 0 to 1"))
}
