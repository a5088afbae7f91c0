//! A series: whose values, from whom, on which grid. The unit of everything that is kept.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::time::Period;
use crate::unit::Unit;

/// Forecast or metered production. The order is that of the words.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Kind {
    /// Metered production, with restatements.
    Actual,
    /// What a provider says will be produced.
    #[default]
    Forecast,
}

impl Kind {
    /// Reads `forecast` or `actual` in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Kind> {
        match text.trim().to_ascii_lowercase().as_str() {
            "forecast" => Some(Kind::Forecast),
            "actual" => Some(Kind::Actual),
            _ => None,
        }
    }

    /// The word used at every door.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Forecast => "forecast",
            Kind::Actual => "actual",
        }
    }
}

/// Who says a value: a non-empty key of at most 50 characters, case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Provider(Arc<str>);

impl Provider {
    /// Longest key, in characters (legacy column width).
    pub const MAX_CHARS: usize = 50;
    /// The provider of a unit's final forecast.
    pub const FINAL_FORECAST: &'static str = "FinalForecast";
    /// The provider of actuals that name none.
    pub const METER: &'static str = "Meter";

    /// A provider key, if `text` may be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Provider> {
        let fits = !text.trim().is_empty() && text.chars().count() <= Self::MAX_CHARS;
        fits.then(|| Provider(Arc::from(text)))
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0
    }
}

/// Values of one kind, unit and provider on one grid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Series {
    /// Forecast or actual.
    pub kind: Kind,
    /// Whose.
    pub unit: Unit,
    /// From whom.
    pub provider: Provider,
    /// Slot length.
    pub period: Period,
}

/// Dense number of a series in a data folder, in the order in which the journal first names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesId(pub u32);

/// Dense number of a [`Subject`], in the order in which the journal first names one of its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SubjectId(pub u32);

/// Dense number of a kind and provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VoiceId(pub u32);

/// What series of different periods have in common: they say the same thing on different grids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its number.
    pub id: SubjectId,
    /// Number of its kind and provider: subjects of one voice are summed.
    pub voice: VoiceId,
    /// Forecast or actual.
    pub kind: Kind,
    /// Whose.
    pub unit: Unit,
    /// From whom.
    pub provider: Provider,
}
