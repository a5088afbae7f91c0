//! Figures of the links to other systems.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::meters::gauge;
use crate::attached::{Attached, Standing};
use crate::snapshot::Snapshot;

/// The figures.
#[derive(Default)]
pub(super) struct LinkMeters {
    up: Family<Link, Gauge>,
    lag: Family<Link, Gauge>,
    lag_seconds: Family<Link, Gauge<f64, AtomicU64>>,
    counts: Family<LinkCount, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Link {
    kind: &'static str,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LinkCount {
    kind: &'static str,
    name: String,
    what: &'static str,
}

impl LinkMeters {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Whether the link to another system does what it is for";
        registry.register("link_up", help, self.up.clone());
        registry.register("link_lag_epochs", "Epochs that a link is behind", self.lag.clone());
        let help = "Seconds that a link is behind";
        registry.register("link_lag_seconds", help, self.lag_seconds.clone());
        let help = "What a link has counted since the start, and what waits for it";
        registry.register("link_count", help, self.counts.clone());
    }

    /// Sets them as the links stand.
    pub(super) fn set(&self, attached: &[Arc<Attached>], newest: &Snapshot) {
        for attached in attached {
            let link = Link { kind: attached.kind, name: attached.name.clone() };
            let state = attached.state();
            let is_up = i64::from(state.standing == Standing::Following);
            self.up.get_or_create(&link).set(is_up);
            self.lag.get_or_create(&link).set(gauge(attached.lag_epochs(newest)));
            self.lag_seconds.get_or_create(&link).set(attached.lag_seconds(newest));
            for (what, count) in &state.counts {
                let counted = LinkCount { kind: link.kind, name: link.name.clone(), what };
                self.counts.get_or_create(&counted).set(gauge(*count));
            }
        }
    }
}
