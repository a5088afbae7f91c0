//! What a stream shows: views, selectors, window and period. Streams of equal selections are one cohort.

use std::collections::BTreeSet;

use smartpulse_operators::quantity::Measure;
use smartpulse_operators::series::{Kind, Provider, Series};
use smartpulse_operators::time::Period;
use smartpulse_operators::total::Total;
use smartpulse_operators::unit::{Unit, UnitType};

use crate::window::Window;

/// A view that can be followed, in the order in which a stream tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum View {
    Latest,
    Actuals,
    Totals,
    Units,
}

impl View {
    /// Every view.
    pub(crate) const ALL: [View; 4] = [View::Latest, View::Actuals, View::Totals, View::Units];

    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            View::Latest => "latest",
            View::Actuals => "actuals",
            View::Totals => "totals",
            View::Units => "units",
        }
    }
}

/// What a stream shows. An empty set of a selector takes everything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Selection {
    pub(crate) views: BTreeSet<View>,
    pub(crate) providers: BTreeSet<Provider>,
    pub(crate) unit_types: BTreeSet<UnitType>,
    pub(crate) unit_nos: BTreeSet<u64>,
    /// Words of dimensions of totals.
    pub(crate) dimensions: BTreeSet<&'static str>,
    /// Totals that were named by key; none: all of the dimensions.
    pub(crate) totals: Option<BTreeSet<Total>>,
    /// Kinds of totals; never empty.
    pub(crate) kinds: BTreeSet<Kind>,
    pub(crate) window: Window,
    /// The period of the slots; none: as saved.
    pub(crate) period: Option<Period>,
    pub(crate) measure: Measure,
    /// Least coverage of a computed slot, as the bits of a double from 0 to 1; none: that of the view.
    pub(crate) completeness: Option<u64>,
}

impl Selection {
    pub(crate) fn has(&self, view: View) -> bool {
        self.views.contains(&view)
    }

    /// Whether it shows anything that lies on units.
    pub(crate) fn has_unit_views(&self) -> bool {
        self.has(View::Latest) || self.has(View::Actuals) || self.has(View::Units)
    }

    /// The units it names; none where it takes whatever units there are.
    pub(crate) fn named_units(&self) -> Option<Vec<Unit>> {
        if self.unit_nos.is_empty() {
            return None;
        }
        let types: Vec<UnitType> = if self.unit_types.is_empty() {
            vec![UnitType::PowerPlant, UnitType::Company, UnitType::Group]
        } else {
            self.unit_types.iter().copied().collect()
        };
        let numbers = || self.unit_nos.iter();
        let of_type =
            |unit_type| numbers().map(move |unit_no| Unit { unit_type, unit_no: *unit_no });
        let mut units: Vec<Unit> = types.into_iter().flat_map(of_type).collect();
        units.sort_unstable();
        Some(units)
    }

    pub(crate) fn takes_unit(&self, unit: Unit) -> bool {
        (self.unit_types.is_empty() || self.unit_types.contains(&unit.unit_type))
            && (self.unit_nos.is_empty() || self.unit_nos.contains(&unit.unit_no))
    }

    pub(crate) fn takes_provider(&self, provider: &Provider) -> bool {
        self.providers.is_empty() || self.providers.contains(provider)
    }

    /// The view in which it shows a series of a unit that it takes, if it does.
    pub(crate) fn view_of(&self, series: &Series) -> Option<View> {
        let view = match series.kind {
            Kind::Forecast => View::Latest,
            Kind::Actual => View::Actuals,
        };
        (self.has(view) && self.takes_provider(&series.provider)).then_some(view)
    }

    pub(crate) fn takes_total(&self, total: &Total) -> bool {
        self.has(View::Totals)
            && (self.dimensions.is_empty() || self.dimensions.contains(total.dimension()))
            && self.totals.as_ref().is_none_or(|named| named.contains(total))
    }

    pub(crate) fn takes_voice(&self, kind: Kind, provider: &Provider) -> bool {
        self.kinds.contains(&kind) && self.takes_provider(provider)
    }

    /// Least coverage of a computed slot where the view's own is `usual`.
    pub(crate) fn completeness(&self, usual: f64) -> f64 {
        self.completeness.map_or(usual, f64::from_bits)
    }
}
