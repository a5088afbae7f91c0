//! What a stream is to tell of.

use crate::unit::{Unit, UnitType, escaped};
use crate::update::View;

/// What a stream is to tell of: views, and selectors that narrow them. Several values of one selector are
/// alternatives; different selectors all apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    words: Vec<(&'static str, String)>,
}

impl Subscription {
    /// Everything of a view, today and tomorrow.
    pub fn to(view: View) -> Subscription {
        Subscription { words: vec![("view", view.word().to_owned())] }
    }

    /// And of another view, in the same epochs.
    pub fn and(self, view: View) -> Subscription {
        self.with("view", view.word())
    }

    /// Of that provider alone.
    pub fn provider(self, provider: &str) -> Subscription {
        self.with("provider", provider)
    }

    /// Of units of that type alone.
    pub fn unit_type(self, unit_type: UnitType) -> Subscription {
        self.with("unitType", unit_type.word())
    }

    /// Of units of that number alone.
    pub fn unit_no(self, unit_no: u64) -> Subscription {
        self.with("unitNo", &unit_no.to_string())
    }

    /// Of that unit alone; with several, of each combination of their types and numbers.
    pub fn unit(self, unit: Unit) -> Subscription {
        self.unit_type(unit.unit_type).unit_no(unit.unit_no)
    }

    /// Totals of that dimension alone: `company`, `group`, `region`, `plant_type`, `all`.
    pub fn dimension(self, dimension: &str) -> Subscription {
        self.with("dimension", dimension)
    }

    /// Totals of that key alone.
    pub fn key(self, key: &str) -> Subscription {
        self.with("key", key)
    }

    /// Totals of `forecast` (which is usual) or `actual`.
    pub fn kind(self, kind: &str) -> Subscription {
        self.with("kind", kind)
    }

    /// Slots that start in `[from, to)`, RFC 3339 with an offset.
    pub fn between(self, from: &str, to: &str) -> Subscription {
        self.with("from", from).with("to", to)
    }

    /// At slots of that many minutes instead of as saved.
    pub fn period(self, minutes: u16) -> Subscription {
        self.with("period", &minutes.to_string())
    }

    /// In `kW`, `MW`, `kWh` or `MWh`.
    pub fn measure_unit(self, measure_unit: &str) -> Subscription {
        self.with("measure-unit", measure_unit)
    }

    /// The least coverage, 0 to 1, below which a slot has no value.
    pub fn completeness(self, least: f64) -> Subscription {
        self.with("completeness", &least.to_string())
    }

    fn with(mut self, word: &'static str, value: &str) -> Subscription {
        self.words.push((word, value.to_owned()));
        self
    }

    /// Path and query of the stream.
    pub(crate) fn path(&self) -> String {
        let words = self.words.iter().map(|(word, value)| format!("{word}={}", escaped(value)));
        format!("/api/v2.0/stream?{}", words.collect::<Vec<_>>().join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_in_order_and_repeat() {
        let subscription = Subscription::to(View::Latest)
            .and(View::Totals)
            .provider("A & B")
            .unit(Unit::plant(7))
            .unit_no(8)
            .dimension("all")
            .between("2026-11-24T00:00:00+03:00", "2026-11-25T00:00:00Z")
            .period(15)
            .completeness(0.5);
        assert_eq!(
            subscription.path(),
            "/api/v2.0/stream?view=latest&view=totals&provider=A%20%26%20B&unitType=PP&unitNo=7\
             &unitNo=8&dimension=all&from=2026-11-24T00:00:00%2B03:00&to=2026-11-25T00:00:00Z\
             &period=15&completeness=0.5"
        );
    }
}
